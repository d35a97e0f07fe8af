package main

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/internal/redistest"
	"github.com/driftgraph/driftgraph/sandbox"
)

// chaosQuery takes a call to each of the routes of an inbox.
const chaosQuery = `{ conversations(first: 4) { nodes {
  status
  contact { name account { name owner { name } } }
  participants { name }
  messages(last: 2) { nodes { body author { __typename ... on Contact { email } ... on User { name } } } }
} } }`

// A call that hangs, or whose tail does, ends by hungTimeout, and is made once
// more. An operation that Drift has wait for longer than it may take ends by
// waitTimeout. All else may take as long as a busy machine has it take.
const (
	hungTimeout = 700 * time.Millisecond
	waitTimeout = 1500 * time.Millisecond

	operationTimeout = 2 * time.Minute // of other operations
)

// chaosRoutes are the routes that fail, with the fields that a failure of theirs
// may null.
var chaosRoutes = map[string][]string{
	"GET /conversations/list":          {"conversations"},
	"GET /conversations/{id}":          {"participants"},
	"GET /conversations/{id}/messages": {"messages"},
	"GET /contacts/{id}":               {"contact", "author", "account"},
	"GET /accounts":                    {"account"},
	"GET /users/list":                  {"participants", "owner", "author"},
}

// A chaos is a way in which a route fails.
type chaos struct {
	name  string
	fault sandbox.Fault
	codes []string // that an error of it may have
	final bool     // Drift refuses, so nothing that is kept stands in
	all   bool     // every route is left alone then, so any field may fail
}

var chaosFaults = []chaos{
	{"500", sandbox.Fault{Status: 500}, []string{graph.CodeUpstreamUnavailable}, false, false},
	{"503", sandbox.Fault{Status: 503}, []string{graph.CodeUpstreamUnavailable}, false, false},
	{"429", sandbox.Fault{Status: 429}, []string{graph.CodeUpstreamRateLimited, graph.CodeTimeout}, false, true},
	{"429 with Retry-After", sandbox.Fault{Status: 429, RetryAfter: time.Minute}, []string{graph.CodeUpstreamRateLimited, graph.CodeTimeout}, false, true},
	{"401", sandbox.Fault{Status: 401}, []string{graph.CodeUpstreamUnauthorized}, true, false},
	{"403", sandbox.Fault{Status: 403}, []string{graph.CodeUpstreamForbidden}, true, false},
	{"no JSON", sandbox.Fault{Kind: sandbox.NotJSON}, []string{graph.CodeUpstreamInvalidResponse}, false, false},
	{"empty", sandbox.Fault{Kind: sandbox.Empty}, []string{graph.CodeUpstreamInvalidResponse}, false, false},
	{"cut", sandbox.Fault{Kind: sandbox.Cut}, []string{graph.CodeUpstreamInvalidResponse, graph.CodeUpstreamUnavailable}, false, false},
	{"short", sandbox.Fault{Kind: sandbox.Short}, []string{graph.CodeUpstreamInvalidResponse}, false, false},
	{"drop", sandbox.Fault{Kind: sandbox.Drop}, []string{graph.CodeUpstreamUnavailable}, false, false},
	{"hang", sandbox.Fault{Kind: sandbox.Hang}, []string{graph.CodeUpstreamTimeout, graph.CodeTimeout}, false, false},
	{"tail", sandbox.Fault{Kind: sandbox.Tail, Delay: time.Hour}, []string{graph.CodeUpstreamTimeout, graph.CodeTimeout}, false, false},
}

// The states of the cache when a route fails.
const (
	cold      = "cold"
	fresh     = "fresh"
	stale     = "stale"
	elsewhere = "in Redis alone"
	alone     = "cold while Redis is down"
)

// TestChaos has each route fail in each way over each state of the cache. What is
// answered is right, or null and named by an error with its code; what does not
// hang on the route is answered; and the calls are no more than a few times what
// they are without a fault.
func TestChaos(t *testing.T) {
	m := &matrix{shared: startRedis(t), dead: redisServer{redistest.Reserve(t)}}
	good := assemble(t, parts{redis: m.shared.client(t)})
	m.want = good.get(t, chaosQuery)
	m.calls = good.calls()
	good.records.Wait()
	for route := range chaosRoutes {
		t.Run(strings.ReplaceAll(route, "/", "|"), func(t *testing.T) {
			t.Parallel()
			emulator := newSandbox(sandbox.Config{})
			for _, c := range chaosFaults {
				for _, state := range []string{cold, fresh, stale, elsewhere, alone} {
					if (state == fresh || state == elsewhere) && c.fault.Kind != sandbox.Hang {
						continue // no call is made, so one fault is as good as another
					}
					if state == alone && (c.fault.Kind == sandbox.Hang || c.fault.Kind == sandbox.Tail) {
						continue // which takes long, and is as it is where there is no Redis
					}
					t.Run(c.name+", "+state, func(t *testing.T) { m.try(t, emulator, route, c, state) })
				}
			}
		})
	}
}

// A matrix is what all cases of the chaos have in common.
type matrix struct {
	shared, dead redisServer
	want         any // the answer without a fault
	calls        int // that it takes
}

// try has a route fail over a state of the cache.
func (m *matrix) try(t *testing.T, emulator *sandbox.Sandbox, route string, c chaos, state string) {
	emulator.ClearFaults()
	p := parts{drift: emulator}
	args := []string{"--operation-timeout=" + operationTimeout.String()}
	switch {
	case c.fault.Kind == sandbox.Hang, c.fault.Kind == sandbox.Tail:
		args = append(args, "--drift-timeout="+hungTimeout.String())
	case c.all:
		args = []string{"--operation-timeout=" + waitTimeout.String()}
	}
	switch state {
	case elsewhere:
		p.redis = m.shared.client(t)
	case alone:
		p.redis, p.lost = m.dead.client(t), true
	case stale:
		for _, kind := range []string{"contact", "user", "conversation", "conversation-list", "message", "account"} {
			args = append(args, "--cache-ttl-"+kind+"=1ms")
		}
	}
	g := assemble(t, p, args...)
	answered := func() bool { return len(g.ask(t, chaosQuery).Errors) == 0 } // a busy machine may take longer than is allowed here
	if state == fresh || state == stale {
		eventually(t, answered)
	}
	if state == stale {
		g.calls()
		eventually(t, func() bool { return answered() && g.calls() > 0 }) // until nothing is fresh any more
	}
	g.calls()
	fault := c.fault
	fault.Route = route
	g.drift.Inject(fault)
	start := time.Now()
	r := g.ask(t, chaosQuery) // whose own time ends what would wait for ever
	took, made := time.Since(start), g.calls()

	if r.Status != http.StatusOK {
		t.Errorf("status %d", r.Status)
	}
	if took > operationTimeout/2 { // on however busy a machine, calls and waits end long before the operation would
		t.Errorf("it takes %s", took)
	}
	flawless := state == fresh || state == elsewhere || state == stale && !c.final
	for _, e := range r.Errors {
		if flawless && !(c.all && e.Extensions["code"] == graph.CodeTimeout) { // where a busy machine comes to a wait's end too late
			t.Errorf("error %+v", e)
		}
	}
	nulls := missing(t, nil, m.want, r.data(t))
	if !flawless && state != stale && len(nulls) == 0 {
		t.Error("nothing is missing, so it does not test anything")
	}
	told := map[string]bool{}
	for _, e := range r.Errors {
		path := fmt.Sprint(e.Path...)
		told[path] = true
		code, _ := e.Extensions["code"].(string)
		if !slices.Contains(c.codes, code) {
			t.Errorf("%s has the code %s, want one of %s", path, code, c.codes)
		}
		if field, _ := e.Path[len(e.Path)-1].(string); !c.all && !slices.Contains(chaosRoutes[route], field) {
			t.Errorf("%s fails, which does not hang on the route", path)
		}
	}
	for _, path := range nulls {
		if !told[path] {
			t.Errorf("%s is null, and no error says why", path)
		}
		delete(told, path)
	}
	if len(told) > 0 {
		t.Errorf("errors name what is not missing: %v", told)
	}
	if made > 3*m.calls { // each may be made twice, and refreshes from before may still be under way
		t.Errorf("it makes %d calls, %d without a fault", made, m.calls)
	}
}

// missing returns the paths at which got has null where want has something. All
// else must be the same.
func missing(t *testing.T, path []any, want, got any) (nulls []string) {
	t.Helper()
	if got == nil && want != nil {
		return []string{fmt.Sprint(path...)}
	}
	switch want := want.(type) {
	case map[string]any:
		if got, ok := got.(map[string]any); ok && len(got) == len(want) {
			for field := range want {
				nulls = append(nulls, missing(t, append(slices.Clip(path), field), want[field], got[field])...)
			}
			return nulls
		}
	case []any:
		if got, ok := got.([]any); ok && len(got) == len(want) {
			for i := range want {
				nulls = append(nulls, missing(t, append(slices.Clip(path), float64(i)), want[i], got[i])...)
			}
			return nulls
		}
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("at %v is %v, want %v", path, got, want)
	}
	return nil
}
