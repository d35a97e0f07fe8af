package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/sandbox"
)

// What is to be found nowhere once the marked person is forgotten.
const (
	markedEmail = "zaphod@heartofgold.example"
	markedBody  = "marked message"
)

var marks = []string{"zaphod", "heartofgold", "beeblebrox", "555-4242", "towel-42", "marked"}

// TestForgotten has two replicas hold all there is of a person, whose data bear
// marks, and asks Drift to forget the person. Then neither process, nor Redis, has
// anything with a mark; nothing of the person is answered, by a replica that
// starts afterwards neither, though Drift may still have it all; and asking for it
// fills nothing again.
func TestForgotten(t *testing.T) {
	server := startRedis(t)
	for name, tt := range map[string]struct {
		webhook bool // Drift tells of the request, and nobody has made it here
		deletes bool // Drift deletes at once; else it goes on answering
		loads   bool // the other replica has loads under way meanwhile
		ages    bool // both replicas have refreshes under way meanwhile
	}{
		"mutation":                       {},
		"mutation, deleted at once":      {deletes: true},
		"mutation, loads under way":      {loads: true},
		"mutation, refreshes under way":  {ages: true},
		"webhook":                        {webhook: true},
		"webhook, deleted before":        {webhook: true, deletes: true},
		"webhook, loads under way":       {webhook: true, loads: true},
		"webhook, refreshes under way":   {webhook: true, ages: true},
		"webhook, deleted, loads before": {webhook: true, deletes: true, loads: true},
	} {
		t.Run(name, func(t *testing.T) {
			client := server.client(t)
			client.FlushAll(t.Context())
			first, second := &door{later: !tt.deletes}, &door{later: !tt.deletes, all: true}
			args := []string{"--cache-ttl-contact=1h", "--cache-ttl-message=1h", "--cache-ttl-conversation=1h"}
			if tt.ages {
				args = []string{"--cache-ttl-contact=1s", "--cache-ttl-message=1s", "--cache-ttl-conversation=1s"}
			}
			emulator := newSandbox(sandbox.Config{})
			replica := func(d *door) *gateway {
				return assemble(t, parts{drift: emulator, front: d.stand, redis: server.client(t)}, args...)
			}
			a, b := replica(first), replica(second)
			p := a.mark(t)
			first.meets.Store(p.contact)
			second.meets.Store(p.contact)
			both := []*gateway{a, b}
			if tt.loads {
				both = both[:1]
			}
			for _, g := range both {
				if got := string(g.ask(t, p.everything).Text); !containsAll(got, marks...) {
					t.Fatalf("not all of the person is read: %s", got)
				}
				g.records.Wait()
			}
			for _, g := range both {
				if !tt.ages && (!containsAll(inMemory(g), marks...) || !containsAll(inRedis(t, client), marks...)) {
					t.Fatal("not all of the person is kept")
				}
			}

			var asking sync.WaitGroup
			defer asking.Wait()
			defer first.release()
			defer second.release()
			if tt.loads {
				client.FlushAll(t.Context()) // else there were nothing to load
				second.hold()
				asking.Go(func() { b.ask(t, p.everything) })
				eventually(t, func() bool { return second.holds("email", "external", "contact", "messages", "transcript") })
			}
			if tt.ages { // what is old is answered, so what is held is a refresh
				first.hold()
				second.hold()
				for _, g := range both {
					asking.Go(func() {
						for first.isShut() && !(first.holds("contact") || second.holds("contact")) {
							g.ask(t, p.everything)
						}
					})
				}
				eventually(t, func() bool { return first.holds("contact") || second.holds("contact") })
			}

			if tt.webhook {
				if tt.deletes {
					a.write(t, "POST", "/gdpr/delete", fmt.Sprintf(`{"email":%q}`, markedEmail))
				}
				if status := a.post(t, "POST", webhookSecret, fmt.Sprintf(`{"type":"gdpr_delete_requested","data":{"email":%q}}`, markedEmail)); status != http.StatusOK {
					t.Fatalf("status %d", status)
				}
				eventually(t, func() bool { return a.receiver.Stats().Purged == 1 })
			} else {
				a.get(t, fmt.Sprintf(`mutation { requestDataDeletion(input: {email: %q}) { message userErrors { code } } }`, markedEmail))
			}
			first.release()
			second.release()
			asking.Wait()
			a.records.Wait()
			b.records.Wait()
			clean := func(when string) {
				t.Helper()
				eventually(t, func() bool { return b.records.Stats().DropsHeard >= a.records.Stats().DropsSent })
				for where, held := range map[string]string{"the first replica": inMemory(a), "the second": inMemory(b), "Redis": inRedis(t, client)} {
					if found := marked(held); found != "" {
						t.Errorf("%s %s has %s", when, where, found)
					}
				}
			}
			clean("afterwards")

			c := replica(&door{later: !tt.deletes})
			for i, g := range []*gateway{a, b, c} {
				text := string(g.ask(t, p.everything).Text)
				if found := marked(text); found != "" {
					t.Errorf("afterwards replica %d answers %s", i, found)
				}
				for _, id := range []int64{p.contact, p.conversation} {
					if strings.Contains(text, fmt.Sprint(id)) {
						t.Errorf("afterwards replica %d answers the id %d: %s", i, id, text)
					}
				}
				g.records.Wait()
			}
			clean("once they are asked for,")
			if found := marked(inMemory(c)); found != "" {
				t.Errorf("once it is asked, a new replica has %s", found)
			}
			for _, g := range []*gateway{a, b, c} {
				if log := strings.ToLower(g.log.String()); strings.Contains(log, "zaphod") {
					t.Error("the log names the person")
				}
			}
		})
	}
}

// TestTombstoneCostsNothing asks for a person who is forgotten: that costs no
// call, by address, by ids and by a cursor that leads into their messages.
func TestTombstoneCostsNothing(t *testing.T) {
	d := &door{later: true}
	g := assemble(t, parts{front: d.stand})
	p := g.mark(t)
	first := fmt.Sprintf(`{ conversation(id: %d) { messages(first: 1) { pageInfo { endCursor } } } }`, p.conversation)
	cursor := at(g.get(t, first), "conversation.messages.pageInfo.endCursor")
	g.get(t, fmt.Sprintf(`mutation { requestDataDeletion(input: {email: %q}) { message } }`, markedEmail))
	g.calls()
	for _, query := range []string{
		p.contactOnly,
		fmt.Sprintf(`{ contactsByEmail(email: %q) { nodes { id } } contactsByExternalId(externalIds: ["towel-42"]) { id } }`, markedEmail),
		fmt.Sprintf(`{ conversation(id: %d) { status } nodes(ids: ["Conversation:%d", "Contact:%d"]) { id } }`, p.conversation, p.conversation, p.contact),
		fmt.Sprintf(`{ node(id: "Message:%d:1") { id } }`, p.conversation),
		fmt.Sprintf(`{ conversation(id: %d) { messages(first: 1, after: %q) { nodes { body } } } }`, p.conversation, fmt.Sprint(cursor)),
	} {
		r := g.ask(t, query)
		r.mustSucceed(t)
		if n := g.calls(); n != 0 {
			t.Errorf("%s costs %d calls", query, n)
		}
		if strings.Contains(string(r.Data), "Contact:") || strings.Contains(string(r.Data), "Conversation:") {
			t.Errorf("%s is answered %s", query, r.Text)
		}
	}
}

// TestDeletionReplay posts a request for deletion a thousand times, and on another
// replica too: it costs what one costs.
func TestDeletionReplay(t *testing.T) {
	server := startRedis(t)
	d := &door{later: true}
	a := assemble(t, parts{front: d.stand, redis: server.client(t)})
	b := assemble(t, parts{front: d.stand, redis: server.client(t), drift: a.drift})
	a.mark(t)
	a.calls()
	event := fmt.Sprintf(`{"type":"gdpr_delete_requested","data":{"email":%q}}`, markedEmail)
	for range 1000 {
		for a.post(t, "POST", webhookSecret, event) == http.StatusServiceUnavailable {
		}
	}
	a.receiver.Close()
	b.post(t, "POST", webhookSecret, event)
	b.receiver.Close()
	if got := a.routes(); len(got) != 2 || got["/contacts"] != 1 || got["/reports/conversations"] != 1 {
		t.Errorf("it costs the calls %v, want one to look up the person and one for the conversations", got)
	}
}

// TestDeletionWhileDriftFails has Drift tell of a request for deletion and answer
// nothing else: what the gateway knows is forgotten all the same, and the log says
// that it may not be all.
func TestDeletionWhileDriftFails(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	g := assemble(t, parts{redis: client})
	p := g.mark(t)
	g.get(t, p.contactOnly)
	g.records.Wait()
	g.drift.Inject(sandbox.Fault{Route: "*", Status: 400})
	g.post(t, "POST", webhookSecret, fmt.Sprintf(`{"type":"gdpr_delete_requested","data":{"email":%q}}`, markedEmail))
	g.receiver.Close()
	if found := marked(inMemory(g) + inRedis(t, client)); found != "" {
		t.Errorf("%s is left", found)
	}
	if s := g.receiver.Stats(); s.Unpurged != 1 || !strings.Contains(g.log.String(), "may not be forgotten") {
		t.Errorf("nobody is told: %+v", s)
	}
	if strings.Contains(g.log.String(), "zaphod") {
		t.Error("the log names the person")
	}
	g.drift.ClearFaults()
	g.calls()
	if r := g.ask(t, p.contactOnly); !strings.Contains(string(r.Text), `"contact":null`) || g.calls() != 0 {
		t.Errorf("afterwards the answer is %s", r.Text)
	}
}

// A door stands between gateways and the sandbox.
type door struct {
	later bool         // Drift accepts deletions, and deletes later
	all   bool         // it holds those answers too by which a person is looked up
	meets atomic.Int64 // a contact who has a meeting, with marked notes; 0 for none

	mu   sync.Mutex
	shut chan struct{}   // what it holds waits until this is closed; nil for nothing
	held map[string]bool // what it holds answers of
}

// hold has the answers wait that bear marks.
func (d *door) hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut, d.held = make(chan struct{}), make(map[string]bool)
}

func (d *door) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut != nil {
		close(d.shut)
		d.shut = nil
	}
}

// isShut reports whether answers are held.
func (d *door) isShut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shut != nil
}

// holds reports whether an answer of each sort waits.
func (d *door) holds(sorts ...string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !slices.ContainsFunc(sorts, func(s string) bool { return !d.held[s] })
}

func (d *door) stand(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gdpr/delete" && d.later {
			_, _ = io.WriteString(w, `{"data":{"message":"Deletion queued"}}`)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		body := answer.Body.Bytes()
		if id := d.meets.Load(); id != 0 && strings.HasPrefix(r.URL.Path, "/users/meetings/") {
			body = fmt.Appendf(nil, `{"data":[{"agentId":1,"schedulerId":%d,"meetingNotes":"marked notes","slotStart":%d}]}`, id, present.UnixMilli())
		}
		d.wait(r)
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body)
	})
}

// wait holds the answer to a request, if it is one that is to be held.
func (d *door) wait(r *http.Request) {
	sort := ""
	switch {
	case r.Method != http.MethodGet:
		return
	case r.URL.Query().Has("email"):
		if !d.all {
			return
		}
		sort = "email"
	case r.URL.Path == "/contacts":
		sort = "external"
	case strings.HasPrefix(r.URL.Path, "/contacts/"):
		sort = "contact"
	case strings.HasSuffix(r.URL.Path, "/messages"):
		sort = "messages"
	case strings.HasSuffix(r.URL.Path, "/transcript"):
		sort = "transcript"
	default:
		return
	}
	d.mu.Lock()
	shut := d.shut
	if shut != nil {
		d.held[sort] = true
	}
	d.mu.Unlock()
	if shut != nil {
		<-shut
	}
}

// A markedPerson is a contact whose data bear marks.
type markedPerson struct {
	contact, conversation int64
	everything            string // a query of all there is of the person
	contactOnly           string
}

// mark makes the person in Drift.
func (g *gateway) mark(t *testing.T) markedPerson {
	t.Helper()
	var made struct {
		Data struct{ ID int64 }
	}
	create := func(path, body string) int64 {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", g.upstream+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+cmp.Or(g.bearer, "somebody"))
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&made); err != nil || made.Data.ID == 0 {
			t.Fatalf("POST %s: %d, %v", path, res.StatusCode, err)
		}
		return made.Data.ID
	}
	var p markedPerson
	p.contact = create("/contacts", fmt.Sprintf(`{"attributes":{"email":%q,"name":"Zaphod Beeblebrox","phone":"555-4242","externalId":"towel-42"}}`, markedEmail))
	p.conversation = create("/conversations/new", fmt.Sprintf(`{"email":%q,"message":{"body":%q}}`, markedEmail, markedBody))
	var message int64
	for i := range 3 {
		message = create(fmt.Sprintf("/conversations/%d/messages", p.conversation), fmt.Sprintf(`{"type":"chat","body":"%s %d"}`, markedBody, i))
	}
	p.contactOnly = fmt.Sprintf(`{ contact(id: %d) { name email phone } }`, p.contact)
	p.everything = fmt.Sprintf(`{
		contact(id: %[1]d) { name email phone conversations(first: 3) { nodes { id status contact { name } } } }
		contactsByEmail(email: %[3]q) { nodes { id name email } }
		contactsByExternalId(externalIds: ["towel-42"]) { id externalId }
		conversation(id: %[2]d) { id status participants { name } transcript contact { name } messages(first: 9) { nodes { body author { ... on Contact { id name } } } } }
		conversations(first: 2) { nodes { id contact { name } messages(first: 2) { nodes { body } } } }
		conversationReport(input: {filters: [{property: "createdAt", operation: HAS_PROPERTY, values: []}], metrics: ["endUserId"]}) { rows { conversation { id } } }
		node(id: "Message:%[2]d:%[4]d") { ... on Message { body author { ... on Contact { name } } } }
		meetings { meetingNotes scheduler { id name } }
	}`, p.contact, p.conversation, markedEmail, message)
	return p
}

// inMemory writes all that a replica's process holds.
func inMemory(g *gateway) string {
	var b strings.Builder
	for key, value := range g.records.Held() {
		text, _ := json.Marshal(value)
		fmt.Fprintf(&b, "%s %s %+v\n", key, text, value)
	}
	return b.String()
}

// inRedis writes all that Redis holds.
func inRedis(t *testing.T, client redis.UniversalClient) string {
	t.Helper()
	ctx := t.Context()
	var b strings.Builder
	scan := client.Scan(ctx, 0, "*", 1000).Iterator()
	for scan.Next(ctx) {
		key := scan.Val()
		var value any
		switch typ := client.Type(ctx, key).Val(); typ {
		case "string":
			value = client.Get(ctx, key).Val()
		case "zset":
			value = client.ZRange(ctx, key, 0, -1).Val()
		case "hash":
			value = client.HGetAll(ctx, key).Val()
		case "set":
			value = client.SMembers(ctx, key).Val()
		case "list":
			value = client.LRange(ctx, key, 0, -1).Val()
		case "none": // it has ended meanwhile
		default:
			t.Errorf("%s is a %s, which cannot be searched", key, typ)
		}
		fmt.Fprintln(&b, key, value)
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// marked returns what of a text bears a mark, in clear or escaped.
func marked(text string) string {
	for _, text := range []string{text, unescaped(text)} {
		text = strings.ToLower(text)
		for _, mark := range marks {
			if i := strings.Index(text, mark); i >= 0 {
				return fmt.Sprintf("%.300q", text[max(0, i-100):])
			}
		}
	}
	return ""
}

func unescaped(text string) string {
	text, _ = url.PathUnescape(strings.ReplaceAll(text, "% ", ""))
	return text
}

func containsAll(text string, wanted ...string) bool {
	text = strings.ToLower(text)
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
