package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
)

// contactsOf returns a query for so many contacts of the sandbox, from one on,
// each of which takes a call.
func (g *gateway) contactsOf(from, n int) string {
	var ids []string
	for _, id := range g.drift.Fixtures().ContactIDs[from : from+n] {
		ids = append(ids, fmt.Sprintf(`"Contact:%d"`, id))
	}
	return `{ nodes(ids: [` + strings.Join(ids, " ") + `]) { ... on Contact { name } } }`
}

// refusals returns how many calls the sandbox had, and how many of them it
// refused because there were too many.
func (g *gateway) refusals() (calls, refused int) {
	for _, c := range g.drift.Calls() {
		calls++
		if c.Status == http.StatusTooManyRequests {
			refused++
		}
	}
	return calls, refused
}

// TestOneBudget has two replicas share the rate that Drift allows: together they
// keep to it, and Drift refuses nothing.
func TestOneBudget(t *testing.T) {
	const rate = 40
	server := startRedis(t)
	first := assemble(t, parts{redis: server.client(t), drift: newSandbox(sandbox.Config{Rate: rate, Burst: 100})}, "--drift-rate=40")
	second := assemble(t, parts{redis: server.client(t), drift: first.drift}, "--drift-rate=40")
	begun := time.Now()
	var clients sync.WaitGroup
	for i, g := range []*gateway{first, second} {
		for part := range 2 {
			clients.Go(func() { g.ask(t, g.contactsOf(60*i+30*part, 30)).mustSucceed(t) })
		}
	}
	clients.Wait()
	elapsed := time.Since(begun).Seconds()
	calls, refused := first.refusals()
	if calls != 120 || refused != 0 {
		t.Errorf("of %d calls %d were refused, want none of 120", calls, refused)
	}
	if made := float64(calls-rate/2) / elapsed; made > rate {
		t.Errorf("%.1f calls a second, want %d at most", made, rate)
	}
	r := second.askPlan(t, "summary", `{ viewer { caller } }`, nil)
	b := r.Extensions.REST.Budget
	if b == nil || b.Limit != rate/2 || b.PerSecond != rate || b.Remaining > rate/2 {
		t.Errorf("the plan tells of the budget %+v", b)
	}
}

// TestUnknownRate has Drift refuse more calls than it told of: what is refused is
// made later, at a rate that Drift takes, and every field is answered.
func TestUnknownRate(t *testing.T) {
	for name, withRetryAfter := range map[string]bool{"Retry-After": true, "no Retry-After": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, sandbox.Config{Rate: 20, RetryAfter: withRetryAfter}, "--operation-timeout=30s")
			if b := g.askPlan(t, "summary", `{ viewer { caller } }`, nil).Extensions.REST.Budget; b != nil {
				t.Errorf("the plan tells of the budget %+v before any is known", b)
			}
			r := g.askPlan(t, "summary", g.contactsOf(0, 70), nil)
			if len(r.Errors) > 0 {
				t.Errorf("not every field is answered: %+v", r.Errors)
			}
			calls, refused := g.refusals()
			if spent := r.Extensions.REST; spent.Calls != calls || spent.Retries != refused || refused < 1 || refused > 70 {
				t.Errorf("of %d calls %d were refused; the plan tells of %d, %d of them sent again", calls, refused, spent.Calls, spent.Retries)
			}
			if b := r.Extensions.REST.Budget; b == nil || b.PerSecond < 2 || b.PerSecond > 60 {
				t.Errorf("the plan tells of the budget %+v, want the rate that was found", b)
			}
		})
	}
}

// TestPause has Drift ask one replica to wait for longer than operations may
// take: neither makes a call meanwhile. What was read before is answered, and
// the rest fails at once and tells for how long.
func TestPause(t *testing.T) {
	server := startRedis(t)
	first := assemble(t, parts{redis: server.client(t)}, "--cache-ttl-contact=1ms")
	second := assemble(t, parts{redis: server.client(t), drift: first.drift}, "--cache-ttl-contact=1ms")
	known, unknown := first.contactsOf(0, 1), first.contactsOf(1, 1)
	before := string(first.get(t, known).(map[string]any)["nodes"].([]any)[0].(map[string]any)["name"].(string))
	first.drift.Inject(sandbox.Fault{Route: "/users/list", Status: 429, RetryAfter: time.Hour, Count: 1})
	mustWait := func(g *gateway, query, path string) {
		t.Helper()
		r := g.ask(t, query)
		r.mustComplain(t, complaint{graph.CodeUpstreamRateLimited, path, "later"})
		if wait, _ := r.Errors[0].Extensions["retryAfterMs"].(float64); wait < 59*60*1000 || wait > 61*60*1000 {
			t.Errorf("retryAfterMs is %v", r.Errors[0].Extensions)
		}
	}
	mustWait(first, `{ users(first: 1) { nodes { name } } }`, "users")
	eventually(t, func() bool { // a process looks now and then whether another was refused
		first.drift.ResetCalls()
		second.ask(t, `{ conversationStats { open } }`)
		calls, _ := first.refusals()
		return calls == 0
	})
	mustWait(first, unknown, "nodes.0")
	mustWait(second, unknown, "nodes.0")
	for _, g := range []*gateway{first, second} {
		r := g.askPlan(t, "summary", known, nil)
		if len(r.Errors) > 0 || !strings.Contains(string(r.Data), before) || r.Extensions.REST.StaleHits != 1 {
			t.Errorf("what was read before is not answered: %+v", r)
		}
	}
	if calls, _ := first.refusals(); calls != 0 {
		t.Errorf("%d calls were made in the pause", calls)
	}
}

// TestRetries has calls fail in ways that may pass, and counts how often each is
// made: a read twice, a write once.
func TestRetries(t *testing.T) {
	contact := `{ contact(id: 21840002652) { name } }`
	update := `mutation { updateContact(input: {id: 21840002652, attributes: {name: "Ada"}}) { contact { name } } }`
	tests := []struct {
		fault string
		query string
		calls int
		code  string // blank if it is answered
	}{
		{"GET /contacts/{id}=500*1", contact, 2, ""},
		{"GET /contacts/{id}=503*1", contact, 2, ""},
		{"GET /contacts/{id}=drop*1", contact, 2, ""},
		{"GET /contacts/{id}=cut*1", contact, 2, ""},
		{"GET /contacts/{id}=empty*1", contact, 2, ""},
		{"GET /contacts/{id}=hang*1", contact, 2, ""},
		{"GET /contacts/{id}=503", contact, 2, graph.CodeUpstreamUnavailable},
		{"GET /contacts/{id}=drop", contact, 2, graph.CodeUpstreamUnavailable},
		{"GET /contacts/{id}=hang", contact, 2, graph.CodeUpstreamTimeout},
		{"GET /contacts/{id}=notjson*1", contact, 1, graph.CodeUpstreamInvalidResponse},
		{"GET /contacts/{id}=400*1", contact, 1, graph.CodeUpstreamInvalidResponse},
		{"GET /contacts/{id}=403*1", contact, 1, graph.CodeUpstreamForbidden},
		{"POST /reports/conversations=502*1", `{ conversationReport(input: {filters: [{property: "status", operation: HAS_PROPERTY}], metrics: ["status"]}) { count } }`, 2, ""},
		{"PATCH /contacts/{id}=503", update, 1, graph.CodeUpstreamUnavailable},
		{"PATCH /contacts/{id}=cut", update, 1, graph.CodeUpstreamInvalidResponse},
		{"PATCH /contacts/{id}=429", update, 1, graph.CodeUpstreamRateLimited},
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			faults, err := sandbox.ParseFaults(tt.fault)
			if err != nil {
				t.Fatal(err)
			}
			var args []string
			if strings.Contains(tt.fault, "hang") {
				args = append(args, "--drift-timeout=2s") // in which a busy machine makes the call that is answered
			}
			g := newGateway(t, sandbox.Config{Faults: faults}, args...)
			r := g.askPlan(t, "summary", tt.query, nil)
			code := ""
			if len(r.Errors) > 0 {
				code, _ = r.Errors[0].Extensions["code"].(string)
			}
			if code != tt.code || len(r.Errors) > 1 {
				t.Errorf("the errors are %+v, want %q", r.Errors, tt.code)
			}
			spent := r.Extensions.REST
			if n := g.calls(); n != tt.calls || spent.Calls != tt.calls || spent.Retries != tt.calls-1 {
				t.Errorf("%d calls came, the plan tells of %d, %d of them made again; want %d", n, spent.Calls, spent.Retries, tt.calls)
			}
		})
	}
}

// TestLeftAlone has all contacts fail: after some calls they are left alone, and
// told when to ask again; what was read before is answered, and the rest of
// Drift is called.
func TestLeftAlone(t *testing.T) {
	g := newGateway(t, sandbox.Config{}, "--cache-ttl-contact=1ms")
	known := g.contactsOf(0, 1)
	before := g.ask(t, known)
	before.mustSucceed(t)
	g.drift.Inject(sandbox.Fault{Route: "GET /contacts/{id}", Status: 503})
	g.drift.ResetCalls()
	for i := range 4 {
		g.ask(t, g.contactsOf(1+40*i, 40))
	}
	if n := g.routes()["/contacts/{id}"]; n < 20 || n > 100 { // those that were under way end
		t.Errorf("160 contacts that fail took %d calls", n)
	}
	r := g.ask(t, `{ contact(id: `+fmt.Sprint(g.drift.Fixtures().ContactIDs[161])+`) { name } teams { name } }`)
	r.mustComplain(t, complaint{graph.CodeUpstreamUnavailable, "contact", "out of order"})
	if wait, _ := r.Errors[0].Extensions["retryAfterMs"].(float64); wait <= 0 || wait > 6000 {
		t.Errorf("retryAfterMs is %v", r.Errors[0].Extensions)
	}
	if routes := g.routes(); routes["/contacts/{id}"] != 0 || routes["/teams/org"] != 1 {
		t.Errorf("the calls were %v", routes)
	}
	after := g.ask(t, known)
	if len(after.Errors) > 0 || string(after.Data) != string(before.Data) {
		t.Errorf("what was read before became %s", after.Text)
	}
}
