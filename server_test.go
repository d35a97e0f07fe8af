package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/sandbox"
)

// present is the sandbox's present in tests, so that its data are always the same.
var present = time.Date(2026, time.March, 9, 14, 30, 0, 0, time.UTC)

// TestBudget holds the calls that each query of the README costs Drift, on a
// cold cache and on a warm one.
func TestBudget(t *testing.T) {
	budgets := map[string]struct{ cold, warm int }{
		"10-inbox":    {cold: 148, warm: 0},
		"20-agents":   {cold: 4, warm: 0},
		"30-accounts": {cold: 3, warm: 0},
		"40-thread":   {cold: 6, warm: 0},
		"50-report":   {cold: 2, warm: 0},
	}
	for name, budget := range budgets {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, sandbox.Config{})
			query := readQuery(t, name)
			g.ask(t, query).mustSucceed(t)
			cold := g.calls()
			g.ask(t, query).mustSucceed(t)
			warm := g.calls()
			t.Logf("%d calls cold, %d warm", cold, warm)
			if cold > budget.cold || warm > budget.warm {
				t.Errorf("%s cost %d calls cold and %d warm, at most %d and %d are allowed", name, cold, warm, budget.cold, budget.warm)
			}
		})
	}
}

// TestNoURLTwice holds the floor of the inbox: no call is made twice, and the
// calls are those that the data ask for.
func TestNoURLTwice(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	g.ask(t, readQuery(t, "10-inbox")).mustSucceed(t)
	seen, routes := map[string]bool{}, map[string]int{}
	for _, c := range g.drift.Calls() {
		if key := c.Method + " " + c.URL + c.Body; seen[key] {
			t.Errorf("%s was called twice", key)
		} else {
			seen[key] = true
		}
		routes[c.Route]++
	}
	if routes["/conversations/list"] != 1 || routes["/users/list"] != 1 || routes["/accounts"] != 2 ||
		routes["/conversations/{id}"] != 50 || routes["/conversations/{id}/messages"] != 50 || routes["/contacts/{id}"] > 50 || len(routes) != 6 {
		t.Errorf("the calls were %v", routes)
	}
}

// TestRounds shows that the cold inbox takes two rounds of calls. Nothing of a
// round is answered before all of it has been asked, so a call that waited for
// another of its round would wait until it fails.
func TestRounds(t *testing.T) {
	first := newRound(3)    // the list, the users and the first page of accounts
	second := newRound(145) // the conversations, their messages and contacts, and the second page of accounts
	g := newGateway(t, sandbox.Config{Gate: func(r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/conversations/list", path == "/users/list", path == "/accounts" && r.URL.Query().Get("index") == "0":
			first.arrive(r.Context())
		default:
			second.arrive(r.Context())
		}
	}}, "--drift-concurrency=200", "--drift-timeout=5s")
	g.ask(t, readQuery(t, "10-inbox")).mustSucceed(t)
}

// A round is calls that are answered once all of them have arrived.
type round struct {
	missing atomic.Int64
	full    chan struct{}
}

func newRound(calls int64) *round {
	r := &round{full: make(chan struct{})}
	r.missing.Store(calls)
	return r
}

// arrive waits until the round is full, or the caller has given up.
func (r *round) arrive(ctx context.Context) {
	if r.missing.Add(-1) == 0 {
		close(r.full)
	}
	select {
	case <-r.full:
	case <-ctx.Done():
	}
}

// A gateway is the whole product over a sandbox, both over HTTP.
type gateway struct {
	url   string
	drift *sandbox.Sandbox
}

// newGateway starts a gateway over a sandbox, with further arguments of the
// command line.
func newGateway(t *testing.T, cfg sandbox.Config, args ...string) *gateway {
	t.Helper()
	cfg.Seed, cfg.Now = 1, present
	emulator := sandbox.New(cfg)
	upstream := httptest.NewServer(emulator)
	t.Cleanup(upstream.Close)

	var c cli
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	records := cache.New(cache.Options{Log: log})
	t.Cleanup(records.Close)
	auth := drift.StaticToken("test-token")
	api, err := drift.New(drift.Options{BaseURL: upstream.URL, Auth: auth, Timeout: c.Serve.DriftTimeout, Concurrency: c.Serve.DriftConcurrency, Admit: loaders.Admit, OnCall: loaders.Record})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	store, err := loaders.NewStore(records, c.Serve.CacheTTL.loaders())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(newHandler(&c.Serve, loaders.NewSource(store, api, auth), log, new(atomic.Bool)))
	t.Cleanup(server.Close)
	return &gateway{url: server.URL, drift: emulator}
}

// calls returns how many calls Drift had since it was last asked.
func (g *gateway) calls() int {
	n := len(g.drift.Calls())
	g.drift.ResetCalls()
	return n
}

// A reply is a GraphQL answer.
type reply struct {
	Status int
	Data   json.RawMessage `json:"data"`
	Errors []struct {
		Message    string         `json:"message"`
		Path       []any          `json:"path"`
		Extensions map[string]any `json:"extensions"`
	} `json:"errors"`
}

// ask posts a query, with variables if there are any.
func (g *gateway) ask(t *testing.T, query string, variables ...map[string]any) *reply {
	t.Helper()
	request := map[string]any{"query": query}
	if len(variables) > 0 {
		request["variables"] = variables[0]
	}
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(g.url+"/graphql", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := &reply{Status: res.StatusCode}
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatalf("the answer is not JSON: %v\n%s", err, text)
	}
	return r
}

func (r *reply) mustSucceed(t *testing.T) {
	t.Helper()
	if r.Status != http.StatusOK || len(r.Errors) > 0 {
		t.Fatalf("status %d, errors %+v", r.Status, r.Errors)
	}
}

// readQuery returns a query of the README by its file's name.
func readQuery(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "readme", name+".graphql"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
