package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/loaders"
)

// change sets the phone number of a contact as somebody else than the gateway.
func (w *world) change(t *testing.T, token string, contact int64, phone string) {
	t.Helper()
	body := fmt.Sprintf(`{"attributes":{"phone":%q}}`, phone)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, fmt.Sprintf("%s/contacts/%d", w.upstream, contact), bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Fatalf("status %d", res.StatusCode)
	}
}

// told is the body of a webhook about a contact.
func told(org int64, contact int64, at int) string {
	return fmt.Sprintf(`{"orgId":%d,"type":"contact_updated","data":{"endUserId":%d,"timestamp":%d}}`, org, contact, at)
}

// dialWith opens a connection by WebSocket whose first message has a token.
func (g *gateway) dialWith(t *testing.T, token string) *socket {
	t.Helper()
	s := g.connect(t)
	s.write(t, wireMessage{Type: "connection_init", Payload: []byte(`{"Authorization":"Bearer ` + token + `"}`)})
	if m := s.read(t); m.Type != "connection_ack" {
		t.Fatalf("it begins with %+v", m)
	}
	return s
}

// TestOrganisationsLive has callers of two organisations subscribe to the same id:
// each hears of the webhooks of their own organisation, by their own token, as long
// as it is good. A webhook that does not say whose it is, is nobody's.
func TestOrganisationsLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, parts{})
	id := w.north.Fixtures().EnrichedContactID
	query := fmt.Sprintf("subscription { contactUpdated(contactId: %d) { name phone } }", id)
	listeners := map[string]*socket{}
	for _, token := range []string{northToken, northerToken, southToken} {
		s := w.dialWith(t, token)
		s.subscribe(t, "1", query)
		listeners[token] = s
	}
	eventually(t, func() bool { return w.bus.Stats().Subscribers == 3 })

	for i, org := range []int64{0, 48213, 77001} {
		body := told(org, id, i)
		if org == 0 {
			body = strings.Replace(body, `"orgId":0,`, "", 1)
		} else {
			token := map[int64]string{48213: northToken, 77001: southToken}[org]
			w.change(t, token, id, fmt.Sprintf("555-%d", org))
		}
		if status := w.post(t, http.MethodPost, webhookSecret, body); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
	}
	for token, want := range map[string]string{northToken: "555-48213", northerToken: "555-48213", southToken: "555-77001"} {
		r := listeners[token].next(t)
		if got := at(r.data(t), "contactUpdated.phone"); got != want {
			t.Errorf("the first that %s hears is %s", token, r.Text)
		}
	}
	if s := w.receiver.Stats(); s.Unread != 1 || s.Received != 3 {
		t.Errorf("the webhooks come to %+v", s)
	}
	calls := w.calls()
	for _, who := range []string{"north", "norther", "south"} {
		if calls[who+" /contacts/{id}"] < 1 {
			t.Errorf("the calls are %v", calls)
		}
	}

	w.north.Revoke(northToken)
	w.clock.pass(tokenLife)
	w.post(t, http.MethodPost, webhookSecret, told(48213, id, 9))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, text, err := listeners[northToken].conn.Read(ctx); websocket.CloseStatus(err) != 4403 {
		t.Errorf("with a token that was revoked the next event is told by %s, %v", text, err)
	}
	if r := listeners[northerToken].next(t); at(r.data(t), "contactUpdated.phone") != "555-48213" {
		t.Errorf("another of the organisation hears %s", r.Text)
	}
}

// TestOrganisationsDrop has replicas keep a record for several tenants. A webhook
// to any replica, and a change by any tenant, drop it for all of the organisation,
// also for those that are open nowhere; and for no other organisation.
func TestOrganisationsDrop(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	w := newOrganisations(t)
	args := []string{"--cache-ttl-contact=1h", "--caller-rate=0"}
	a := w.replica(t, parts{redis: server.client(t)}, args...)
	b := w.replica(t, parts{redis: server.client(t)}, args...)
	w.gateway = w.replica(t, parts{redis: server.client(t)}, args...) // has no tenants
	id := w.north.Fixtures().EnrichedContactID
	query := fmt.Sprintf("{ contact(id: %d) { name phone } }", id)
	reads := func(g *gateway, token, phone string) bool {
		got := g.knockWith(t, token, query)
		if got.Status != http.StatusOK || strings.Contains(got.Body, "errors") {
			t.Fatalf("%+v", got)
		}
		g.records.Wait()
		return strings.Contains(got.Body, `"phone":"`+phone+`"`)
	}
	w.change(t, northToken, id, "1")
	w.change(t, southToken, id, "south")
	for _, seen := range []struct {
		by    *gateway
		token string
		phone string
	}{{a, northToken, "1"}, {b, northerToken, "1"}, {a, southToken, "south"}, {b, southToken, "south"}} {
		if !reads(seen.by, seen.token, seen.phone) {
			t.Fatal("the first read is wrong")
		}
	}
	for _, tt := range []struct {
		name string
		do   func(phone string)
	}{
		{"a webhook to a replica without tenants", func(phone string) {
			w.change(t, northToken, id, phone)
			w.post(t, http.MethodPost, webhookSecret, told(48213, id, 1))
		}},
		{"a webhook while a tenant is open nowhere", func(phone string) {
			w.clock.pass(tenantIdle)
			for _, g := range []*gateway{a, b, w.gateway} {
				g.tenants.bearers.sweep()
			}
			w.change(t, northToken, id, phone)
			w.post(t, http.MethodPost, webhookSecret, told(48213, id, 2))
		}},
		{"a change by another tenant", func(phone string) {
			got := a.knockWith(t, northToken, fmt.Sprintf(`mutation { updateContact(input: {id: %d, attributes: {phone: %q}}) { userErrors { message } } }`, id, phone))
			if got.Status != http.StatusOK || strings.Contains(got.Body, "errors") {
				t.Fatalf("%+v", got)
			}
		}},
	} {
		phone := "555 " + tt.name
		w.calls()
		tt.do(phone)
		for _, seen := range []struct {
			by    *gateway
			token string
		}{{a, northToken}, {b, northerToken}} {
			t.Log(tt.name, seen.token)
			eventually(t, func() bool { return reads(seen.by, seen.token, phone) })
		}
		for _, g := range []*gateway{a, b} {
			if !reads(g, southToken, "south") {
				t.Errorf("%s: the other organisation reads something else", tt.name)
			}
		}
		if calls := w.calls(); calls["south /contacts/{id}"] != 0 {
			t.Errorf("%s: it is dropped for the other organisation: %v", tt.name, calls)
		}
	}
}

// TestOrganisationsOwed has something change while Redis cannot say whose tenants
// there are: those that are known forget it once, not each time that Redis is asked
// in vain; the others when it answers again; and the log tells of it once.
func TestOrganisationsOwed(t *testing.T) {
	server := startRedis(t)
	var mu sync.Mutex
	dropped := map[cache.Tenant]int{}
	book := new(logbook)
	o := &organisations{
		redis: server.client(t), prefix: "test:", life: time.Hour, log: slog.New(slog.NewTextHandler(book, nil)),
		drop: func(t cache.Tenant, _ loaders.Change) error {
			mu.Lock()
			defer mu.Unlock()
			dropped[t]++
			return nil
		},
		known: map[drift.ID]map[cache.Tenant]time.Time{}, untold: map[drift.ID]map[cache.Tenant]struct{}{}, undone: map[drift.ID]loaders.Change{}, all: map[drift.ID]bool{},
	}
	t.Cleanup(o.Close)
	o.note(t.Context(), 1, "known")
	server.Kill()
	if err := o.change(1, loaders.Change{Contacts: []drift.ID{5}}); err == nil {
		t.Error("nothing says that not all are told")
	}
	for range 5 {
		o.pay()
	}
	mu.Lock()
	if dropped["known"] != 1 {
		t.Errorf("while Redis is away, who is known forgets it %d times", dropped["known"])
	}
	mu.Unlock()
	server.Restart(t)
	if err := o.tell(t.Context(), 1, "elsewhere"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		o.pay()
		mu.Lock()
		defer mu.Unlock()
		return dropped["elsewhere"] > 0
	})
	eventually(t, func() bool { return strings.Contains(book.String(), "says again") })
	if n := strings.Count(book.String(), "does not say"); n != 1 {
		t.Errorf("the log tells of it %d times:\n%s", n, book)
	}
}

// TestOrganisationsOweAll has more change while Redis is away than is remembered:
// then all is forgotten that is kept of the organisation, and of no other.
func TestOrganisationsOweAll(t *testing.T) {
	server := startRedis(t)
	var mu sync.Mutex
	wiped := map[cache.Tenant]bool{}
	o := &organisations{
		redis: server.client(t), prefix: "test:", life: time.Hour, log: slog.New(slog.DiscardHandler),
		drop: func(cache.Tenant, loaders.Change) error { return nil },
		wipe: func(_ context.Context, t cache.Tenant, _ loaders.Person) error {
			mu.Lock()
			defer mu.Unlock()
			wiped[t] = true
			return nil
		},
		known: map[drift.ID]map[cache.Tenant]time.Time{}, untold: map[drift.ID]map[cache.Tenant]struct{}{}, undone: map[drift.ID]loaders.Change{}, all: map[drift.ID]bool{},
	}
	t.Cleanup(o.Close)
	o.note(t.Context(), 1, "busy")
	o.note(t.Context(), 2, "quiet")
	server.Kill()
	for id := range drift.ID(mostUndone + 10) {
		o.delay(1, loaders.Change{Contacts: []drift.ID{id + 1}})
	}
	o.delay(2, loaders.Change{Contacts: []drift.ID{1}})
	eventually(t, func() bool { // it may be tried in vain at any moment
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.all[1] && len(o.undone[1].Contacts) == 0 && !o.all[2] && len(o.undone[2].Contacts) == 1
	})
	o.pay() // in vain
	server.Restart(t)
	for id, name := range map[drift.ID]cache.Tenant{1: "busy", 2: "quiet"} {
		if err := o.tell(t.Context(), id, name); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool {
		o.pay()
		mu.Lock()
		defer mu.Unlock()
		return wiped["busy"]
	})
	mu.Lock()
	defer mu.Unlock()
	if wiped["quiet"] {
		t.Error("another organisation's tenant is wiped")
	}
}

// TestOrganisationsForget has three replicas hold a person, whose data bear marks,
// for three tenants: of one organisation one that is open and one that is closed,
// and of another organisation one that has a person of the same address. Then Drift
// tells of a request for deletion, or one tenant makes it. What the first two have
// goes, in all replicas and in Redis; what the third has stays.
func TestOrganisationsForget(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	for _, webhook := range []bool{true, false} {
		t.Run(fmt.Sprintf("webhook=%t", webhook), func(t *testing.T) {
			client.FlushAll(t.Context())
			w := newOrganisations(t)
			args := []string{"--cache-ttl-contact=1h", "--cache-ttl-message=1h", "--cache-ttl-conversation=1h", "--caller-rate=0"}
			d := &door{later: true}
			a := w.replica(t, parts{redis: server.client(t), front: d.stand}, args...)
			b := w.replica(t, parts{redis: server.client(t), front: d.stand}, args...)
			all := []*gateway{a, b}
			ids := map[string]int64{}
			for _, token := range []string{northToken, southToken} {
				a.bearer = token
				ids[token] = a.mark(t).contact
			}
			query := func(token string) string {
				return fmt.Sprintf(`{ contact(id: %d) { name email phone } contactsByEmail(email: %q) { nodes { name } } contactsByExternalId(externalIds: ["towel-42"]) { name } }`, ids[token], markedEmail)
			}
			ids[northerToken] = ids[northToken]
			for _, g := range all {
				for _, token := range []string{northerToken, southToken, northToken} {
					if got := g.knockWith(t, token, query(token)); got.Status != http.StatusOK || !strings.Contains(strings.ToLower(got.Body), "zaphod") {
						t.Fatalf("%s is answered %+v", token, got)
					}
					g.records.Wait()
				}
			}
			w.clock.pass(tenantIdle)
			for _, token := range []string{northToken, southToken} { // the others are closed
				a.knockWith(t, token, whoAmI)
			}
			for _, g := range all {
				g.tenants.bearers.sweep()
			}
			if webhook {
				a.post(t, http.MethodPost, webhookSecret, fmt.Sprintf(`{"orgId":48213,"type":"gdpr_delete_requested","data":{"email":%q}}`, markedEmail))
				eventually(t, func() bool { return a.receiver.Stats().Purged == 1 })
				if s := a.receiver.Stats(); s.Unpurged != 0 {
					t.Errorf("it failed: %+v\n%s", s, a.log)
				}
			} else if got := a.knockWith(t, northToken, fmt.Sprintf(`mutation { requestDataDeletion(input: {email: %q}) { message } }`, markedEmail)); strings.Contains(got.Body, "errors") {
				t.Fatalf("%+v", got)
			}
			tenant := func(token string) string { return string(cache.NewTenant([]byte(token))) }
			holds := func(token string) (where []string) {
				places := map[string]string{"a": inMemory(a), "b": inMemory(b)}
				for _, key := range client.Keys(t.Context(), "dg:1:"+tenant(token)+":*").Val() {
					places["Redis"] += key + " " + client.Get(t.Context(), key).Val() + "\n"
				}
				for place, text := range places {
					for line := range strings.Lines(text) {
						if strings.Contains(line, tenant(token)) && marked(line) != "" {
							where = append(where, place)
						}
					}
				}
				return where
			}
			for _, token := range []string{northToken, northerToken} {
				eventually(t, func() bool { return len(holds(token)) == 0 })
			}
			if len(holds(southToken)) == 0 {
				t.Error("the other organisation's is forgotten, too")
			}
			for _, token := range []string{northToken, northerToken} {
				got := b.knockWith(t, token, fmt.Sprintf("{ contact(id: %d) { name } }", ids[token]))
				if !strings.Contains(got.Body, `"contact":null`) {
					t.Errorf("afterwards %s is answered %+v", token, got)
				}
			}
			if got := b.knockWith(t, southToken, query(southToken)); !strings.Contains(strings.ToLower(got.Body), "zaphod") {
				t.Errorf("afterwards the other organisation is answered %+v", got)
			}
			if log := strings.ToLower(a.log.String() + b.log.String()); strings.Contains(log, "zaphod") {
				t.Error("the log names the person")
			}
		})
	}
}
