package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/sandbox"
	"github.com/driftgraph/driftgraph/webhooks"
)

// TestWebhookRequests posts what is right and what is not.
func TestWebhookRequests(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	const event = `"type":"conversation_inactive","data":{"conversationId":1,"lastUpdated":2}`
	withToken := func(token string) string { return fmt.Sprintf(`{"token":%q,%s}`, token, event) }
	tests := []struct {
		name         string
		method       string
		header, body string
		want         int
		stats        webhooks.Stats
	}{
		{"token in both", "POST", webhookSecret, withToken(webhookSecret), 200, webhooks.Stats{Received: 1}},
		{"token in the header", "POST", webhookSecret, "{" + event + "}", 200, webhooks.Stats{Received: 1}},
		{"token in the body", "POST", "", withToken(webhookSecret), 200, webhooks.Stats{Received: 1}},
		{"no token", "POST", "", "{" + event + "}", 401, webhooks.Stats{Refused: 1}},
		{"empty token", "POST", "", withToken(""), 401, webhooks.Stats{Refused: 1}},
		{"wrong token in the header", "POST", webhookSecret + "x", withToken(webhookSecret), 401, webhooks.Stats{Refused: 1}},
		{"wrong token in the body", "POST", webhookSecret, withToken(webhookSecret[1:]), 401, webhooks.Stats{Refused: 1}},
		{"token of another type", "POST", "", `{"token":1,` + event + "}", 401, webhooks.Stats{Refused: 1}},
		{"no JSON", "POST", "", "token=" + webhookSecret, 401, webhooks.Stats{Refused: 1}},
		{"no JSON, with the token", "POST", webhookSecret, "hello", 400, webhooks.Stats{}},
		{"no type", "POST", webhookSecret, `{"data":{}}`, 400, webhooks.Stats{}},
		{"a list", "POST", webhookSecret, "[]", 400, webhooks.Stats{}},
		{"unknown type", "POST", webhookSecret, `{"type":"moon_landing","data":{"conversationId":1}}`, 200, webhooks.Stats{Received: 1, Unknown: 1}},
		{"no ids", "POST", webhookSecret, `{"type":"new_message","data":{"body":"x"}}`, 200, webhooks.Stats{Received: 1, Unread: 1}},
		{"no data", "POST", webhookSecret, `{"type":"contact_updated"}`, 200, webhooks.Stats{Received: 1, Unread: 1}},
		{"ids of other types", "POST", webhookSecret, `{"type":"contact_updated","data":{"endUserId":{"id":1}}}`, 200, webhooks.Stats{Received: 1, Unread: 1}},
		{"ids as text", "POST", webhookSecret, `{"type":"contact_updated","data":{"endUserId":"17"}}`, 200, webhooks.Stats{Received: 1}},
		{"disconnected", "POST", webhookSecret, `{"type":"app_disconnected","data":{}}`, 200, webhooks.Stats{Received: 1}},
		{"too large", "POST", webhookSecret, `{"type":"` + strings.Repeat("x", 1<<20) + `"}`, 413, webhooks.Stats{}},
		{"not posted", "GET", webhookSecret, "", 405, webhooks.Stats{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := g.receiver.Stats()
			if got := g.post(t, tt.method, tt.header, tt.body); got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
			after := g.receiver.Stats()
			got := webhooks.Stats{
				Received: after.Received - before.Received, Unknown: after.Unknown - before.Unknown, Unread: after.Unread - before.Unread,
				Refused: after.Refused - before.Refused, Full: after.Full - before.Full,
			}
			if got != tt.stats {
				t.Errorf("it counts %+v, want %+v", got, tt.stats)
			}
		})
	}
	if log := g.log.String(); strings.Contains(log, webhookSecret) {
		t.Error("the token stands in the log")
	}
}

// TestWebhooksOff starts without a token: nothing is taken.
func TestWebhooksOff(t *testing.T) {
	t.Setenv("DRIFT_TOKEN", secret)
	p := start(t, "--listen-addr=127.0.0.1:0")
	g := &gateway{url: p.url}
	if got := g.post(t, "POST", "", `{"type":"new_message","token":"","data":{}}`); got != http.StatusNotFound {
		t.Errorf("status %d, want 404", got)
	}
	p.stop()
	if err := <-p.ended; err != nil {
		t.Error(err)
	}
	if !strings.Contains(p.stdout.String(), "DRIFT_WEBHOOK_TOKEN") {
		t.Errorf("the summary does not say so:\n%s", p.stdout)
	}
}

// TestWebhookForms has the sandbox post each event in each form, in each manner
// of delivery. All is understood, nothing costs a call but to look up who is to be
// forgotten, and subscribers hear of each event once.
func TestWebhookForms(t *testing.T) {
	for name, delivery := range map[string]sandbox.Delivery{
		"plain":                   {},
		"twice":                   {Twice: true},
		"other forms":             {OtherForms: true},
		"in any order":            {Reorder: 10},
		"token in the header":     {TokenIn: sandbox.InHeader},
		"token in the body":       {TokenIn: sandbox.InBody},
		"all of it, out of order": {Twice: true, OtherForms: true, Reorder: 7, TokenIn: sandbox.InBody},
	} {
		t.Run(name, func(t *testing.T) {
			g := newLiveGateway(t, sandbox.Config{Delivery: delivery}, parts{})
			kinds := []events.Kind{events.MessageAdded, events.ConversationStarted, events.ConversationUpdated, events.ContactUpdated, events.UserAvailabilityChanged}
			subscriptions := map[events.Kind]*events.Subscription{}
			for _, kind := range kinds {
				subscriptions[kind] = g.bus.Subscribe(events.Filter{Kind: kind})
				defer subscriptions[kind].Close()
			}
			types := g.drift.PostSamples()
			posts, purges := len(types), 1
			if delivery.Twice {
				posts, purges = 2*posts, 2
			}
			g.settle(t)
			if got, want := g.receiver.Stats(), (webhooks.Stats{Received: uint64(posts), Purged: uint64(purges)}); got != want {
				t.Errorf("of %d posts it counts %+v", posts, got)
			}
			if got, want := g.routes(), map[string]int{"/contacts": 1, "/reports/conversations": 1}; !cmp.Equal(got, want) {
				t.Errorf("they cost the calls %v, want %v", got, want)
			}
			got := map[events.Kind]int{}
			for _, kind := range kinds {
				seen := map[string]bool{}
				for _, e := range pending(t, subscriptions[kind]) {
					if seen[e.ID] {
						t.Errorf("%s is told twice", e.ID)
					}
					seen[e.ID] = true
					got[kind]++
				}
			}
			if got[events.MessageAdded] != 1 { // it comes as a message, a command and a click
				t.Errorf("of the message it tells %d times", got[events.MessageAdded])
			}
			want := map[events.Kind]int{events.ConversationStarted: 1, events.MessageAdded: 1, events.UserAvailabilityChanged: 2}
			for kind, n := range want {
				if got[kind] != n {
					t.Errorf("%s comes %d times, want %d", kind, got[kind], n)
				}
			}
			if got[events.ConversationUpdated] < 10 || got[events.ContactUpdated] < 5 {
				t.Errorf("some events are missing: %v", got)
			}
			for _, address := range []string{"@", "%40"} {
				if strings.Contains(g.log.String(), address) {
					t.Error("an e-mail address stands in the log")
				}
			}
		})
	}
}

// TestWebhooksKeepTheCacheRight changes things in Drift and asks again: the
// answers are those of now, though records are kept for minutes.
func TestWebhooksKeepTheCacheRight(t *testing.T) {
	g := newLiveGateway(t, sandbox.Config{}, parts{}, "--cache-ttl-conversation=1h", "--cache-ttl-message=1h", "--cache-ttl-contact=1h", "--cache-ttl-user=1h")
	f := g.drift.Fixtures()
	person := fmt.Sprintf("{ contact(id: %d) { phone } }", f.EnrichedContactID)
	thread := fmt.Sprintf("{ conversation(id: %d) { messages(last: 1) { nodes { body } } } }", f.LongConversationID)
	agent := fmt.Sprintf("{ user(id: %d) { availability } }", f.UserIDs[0])
	for _, query := range []string{person, thread} {
		g.get(t, query)
	}
	availability := "OFFLINE"
	if at(g.get(t, agent), "user.availability") == availability {
		availability = "AVAILABLE"
	}
	g.write(t, "PATCH", fmt.Sprintf("/contacts/%d", f.EnrichedContactID), `{"attributes":{"phone":"555-0100"}}`)
	g.write(t, "POST", fmt.Sprintf("/conversations/%d/messages", f.LongConversationID), `{"type":"chat","body":"the very last"}`)
	g.write(t, "PATCH", fmt.Sprintf("/users/update?userId=%d", f.UserIDs[0]), fmt.Sprintf(`{"availability":%q}`, availability))
	g.settle(t)
	if got := at(g.get(t, person), "contact.phone"); got != "555-0100" {
		t.Errorf("the phone number is %v", got)
	}
	if got := at(g.get(t, thread), "conversation.messages.nodes.body"); !cmp.Equal(got, []any{"the very last"}) {
		t.Errorf("the last message is %v", got)
	}
	if got := at(g.get(t, agent), "user.availability"); got != availability {
		t.Errorf("the user is %v, want %s", got, availability)
	}
}

// TestWebhookReplay posts an event a thousand times: that costs nothing, and
// whoever asks then pays for one call.
func TestWebhookReplay(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	id := g.drift.Fixtures().ConversationIDs[0]
	query := fmt.Sprintf("{ conversation(id: %d) { status } }", id)
	g.get(t, query)
	g.calls()
	event := fmt.Sprintf(`{"type":"conversation_status_updated","data":{"conversationId":%d,"status":"open","changedAt":1}}`, id)
	for range 1000 {
		for g.post(t, "POST", webhookSecret, event) == http.StatusServiceUnavailable {
		}
	}
	g.receiver.Close()
	if n := g.calls(); n != 0 {
		t.Errorf("the replays cost %d calls", n)
	}
	g.get(t, query)
	if n := g.calls(); n != 1 {
		t.Errorf("the query costs %d calls, want 1", n)
	}
	if s := g.bus.Stats(); s.Published != 1 || s.Repeated != 999 {
		t.Errorf("subscribers are told %d times, and spared %d", s.Published, s.Repeated)
	}
}

// TestWebhookQueue fills the queue of a conversation while its worker is held:
// what does not fit is refused, so that Drift posts it again, and what is in it
// is worked off in order.
func TestWebhookQueue(t *testing.T) {
	release, told := make(chan struct{}), make(chan events.Event, 1000)
	r := webhooks.New(webhooks.Options{Token: webhookSecret, Publish: func(list ...events.Event) { told <- list[0] }, Drop: func(drift.ID, loaders.Change) error { <-release; return nil }})
	server := httptest.NewServer(r)
	defer server.Close()
	g := &gateway{url: server.URL}
	taken, refused := 0, 0
	for i := 1; refused == 0; i++ {
		switch status := g.post(t, "POST", webhookSecret, fmt.Sprintf(`{"type":"new_message","data":{"id":%d,"conversationId":7}}`, i)); status {
		case http.StatusOK:
			taken++
		case http.StatusServiceUnavailable:
			refused++
		default:
			t.Fatalf("status %d", status)
		}
		if taken > 1000 {
			t.Fatal("the queue has no bound")
		}
	}
	close(release)
	r.Close()
	if len(told) != taken || r.Stats().Full != 1 {
		t.Errorf("of %d events %d are told, %+v", taken, len(told), r.Stats())
	}
	for i := range taken {
		if e := <-told; int(e.Message) != i+1 {
			t.Fatalf("event %d is %+v", i+1, e)
		}
	}
	if status := g.post(t, "POST", webhookSecret, `{"type":"new_message","data":{"id":1,"conversationId":7}}`); status != http.StatusServiceUnavailable {
		t.Errorf("once it is closed the status is %d", status)
	}
}

// TestContactFlood posts changes of many contacts while the first is worked off:
// the others are forgotten together, as each empties the same lists, and each is
// told of.
func TestContactFlood(t *testing.T) {
	const flood = 300
	release, told := make(chan struct{}), make(chan events.Event, flood)
	var drops []loaders.Change
	r := webhooks.New(webhooks.Options{Token: webhookSecret, Publish: func(list ...events.Event) { told <- list[0] }, Drop: func(_ drift.ID, c loaders.Change) error {
		<-release
		drops = append(drops, c)
		return nil
	}})
	server := httptest.NewServer(r)
	defer server.Close()
	g := &gateway{url: server.URL}
	for i := range flood {
		if status := g.post(t, "POST", webhookSecret, fmt.Sprintf(`{"type":"contact_updated","data":{"endUserId":%d}}`, i+1)); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
	}
	close(release)
	r.Close()
	contacts := 0
	for _, c := range drops {
		contacts += len(c.Contacts)
	}
	if len(drops) > 2 || contacts != flood {
		t.Errorf("%d contacts are forgotten in %d drops, want %d in 2", contacts, len(drops), flood)
	}
	for i := range flood {
		if e := <-told; int(e.Contact) != i+1 {
			t.Fatalf("event %d is %+v", i+1, e)
		}
	}
}

// newLiveGateway starts a gateway to which its sandbox posts what happens.
func newLiveGateway(t *testing.T, cfg sandbox.Config, p parts, args ...string) *gateway {
	t.Helper()
	var to atomic.Pointer[url.URL] // known only once the sandbox is
	door := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Host, r.Out.URL.Scheme = to.Load().Host, "http"
	}})
	t.Cleanup(door.Close)
	cfg.Webhooks, cfg.WebhookToken = door.URL+webhookPath, webhookSecret
	p.drift = newSandbox(cfg)
	t.Cleanup(p.drift.Close)
	g := assemble(t, p, args...)
	u, err := url.Parse(g.url)
	if err != nil {
		t.Fatal(err)
	}
	to.Store(u)
	return g
}

// settle waits until the sandbox has posted all there is, and the gateway has
// worked it off. It takes no more events afterwards.
func (g *gateway) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := g.drift.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	g.receiver.Close()
}

// post posts to the receiver, with the token in the header unless it is empty,
// and returns the status.
func (g *gateway) post(t *testing.T, method, token, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, g.url+webhookPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("X-Verification-Token", token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// write changes something in the sandbox as somebody else than the gateway.
func (g *gateway) write(t *testing.T, method, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, g.upstream+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer somebody")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
}

// pending returns the events that wait in a subscription.
func pending(t *testing.T, s *events.Subscription) []events.Event {
	t.Helper()
	none, cancel := context.WithCancel(t.Context())
	cancel()
	var list []events.Event
	for {
		e, err := s.Next(none)
		if err != nil {
			return list
		}
		list = append(list, e.Event)
	}
}
