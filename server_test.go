package main

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/driftgraph/driftgraph/sandbox"
)

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
	}}, "--drift-concurrency=200", "--drift-timeout=1m", "--operation-timeout=1m")
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

// TestReachable holds where the embedded sandbox posts its events to.
func TestReachable(t *testing.T) {
	for listening, want := range map[string]string{
		"127.0.0.1:8080": "127.0.0.1:8080", "0.0.0.0:8080": "127.0.0.1:8080", "[::]:8080": "[::1]:8080", "192.0.2.1:80": "192.0.2.1:80",
	} {
		addr, err := net.ResolveTCPAddr("tcp", listening)
		if err != nil {
			t.Fatal(err)
		}
		if got := reachable(addr); got != want {
			t.Errorf("who listens on %s is reached at %s, want %s", listening, got, want)
		}
	}
}
