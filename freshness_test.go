package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/driftgraph/driftgraph/sandbox"
)

// TestStale shows that what was read before is answered while Drift cannot
// answer, and that the plan tells so, with its age; and that a refusal is an
// error all the same.
func TestStale(t *testing.T) {
	g := newGateway(t, sandbox.Config{}, "--cache-ttl-contact=1ms", "--cache-ttl-account=1ms", "--cache-ttl-user=1ms")
	query := fmt.Sprintf(`{ contact(id: "%d") { name account { name owner { name } } } }`, g.drift.Fixtures().EmployedContactID)
	before := g.ask(t, query)
	before.mustSucceed(t)
	inject := func(status int) {
		t.Helper()
		g.drift.ClearFaults()
		g.drift.Inject(sandbox.Fault{Route: "*", Kind: sandbox.Status, Status: status})
	}

	inject(http.StatusServiceUnavailable)
	var r *restReply
	eventually(t, func() bool { // the records are fresh for a millisecond more or less
		r = g.askPlan(t, "full", query, nil)
		return r.Extensions.REST.StaleHits == 3
	})
	if len(r.Errors) > 0 || string(r.Data) != string(before.Data) {
		t.Errorf("the answer is %s with %+v, want %s", r.Data, r.Errors, before.Data)
	}
	told := map[string]bool{}
	for _, s := range r.Extensions.REST.Plan {
		if s.Source == "STALE" && (s.AgeMs == nil || *s.AgeMs < 0) {
			t.Errorf("a stale step tells no age: %+v", s)
		}
		told[s.Source+" "+s.Route] = true
	}
	for _, route := range []string{"/contacts/{id}", "/accounts", "/users"} {
		if !told["STALE "+route] {
			t.Errorf("the plan lacks a stale step of %s: %v", route, told)
		}
	}

	inject(http.StatusUnauthorized)
	eventually(t, func() bool { // a refresh that was under way may have ended as before
		r := g.ask(t, query)
		return len(r.Errors) > 0 && r.Errors[0].Extensions["code"] == "UPSTREAM_UNAUTHORIZED"
	})
}

// TestNoURLTwiceOverReplicas lets many clients ask two replicas, which share a
// Redis, for the same objects at once, when neither has any: no call is made
// twice.
func TestNoURLTwiceOverReplicas(t *testing.T) {
	server := startRedis(t)
	emulator := newSandbox(sandbox.Config{})
	replicas := []*gateway{
		assemble(t, parts{drift: emulator, redis: server.client(t)}),
		assemble(t, parts{drift: emulator, redis: server.client(t)}),
	}
	query := strings.Replace(readQuery(t, "10-inbox"), "first: 50", "first: 10", 1)
	single := assemble(t, parts{})
	single.ask(t, query).mustSucceed(t)
	want := single.calls()
	var clients sync.WaitGroup
	start := make(chan struct{})
	for i := range 40 {
		clients.Go(func() {
			<-start
			if r := replicas[i%2].ask(t, query); len(r.Errors) > 0 {
				t.Errorf("the errors are %+v", r.Errors)
			}
		})
	}
	close(start)
	clients.Wait()
	seen := map[string]int{}
	for _, c := range emulator.Calls() {
		seen[c.Method+" "+c.URL+c.Body]++
	}
	for call, times := range seen {
		if times > 1 {
			t.Errorf("%s was called %d times", call, times)
		}
	}
	if len(seen) != want {
		t.Errorf("there were %d calls, want the %d of one client", len(seen), want)
	}
}

// TestRedisTrips holds the round trips to Redis that an operation waits for: at
// most one for each level of the query, and one more. Those that write are made
// meanwhile, and nobody waits for them.
func TestRedisTrips(t *testing.T) {
	server := startRedis(t)
	emulator := newSandbox(sandbox.Config{})
	const levels = 6 // of objects in the inbox: conversations, contact, account, owner; messages, author
	for _, state := range []string{"cold", "second replica"} {
		g := assemble(t, parts{drift: emulator, redis: server.client(t)})
		r := g.askPlan(t, "summary", readQuery(t, "10-inbox"), nil)
		reads := int(g.records.Stats().RedisReads)
		if reads == 0 || reads > levels+1 {
			t.Errorf("%s: the operation waited for %d round trips, at most %d are allowed", state, reads, levels+1)
		}
		if calls := r.Extensions.REST.Calls; state == "cold" && calls != 148 || state != "cold" && calls != 0 {
			t.Errorf("%s: it made %d calls", state, calls)
		}
		if !g.records.Wait() {
			t.Error("the writes did not end")
		}
	}
}
