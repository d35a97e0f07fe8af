package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/sandbox"
)

// has reports whether a metric has a series with the given labels.
func (s scrape) has(name string, labels ...string) bool {
	for _, m := range s[name].GetMetric() {
		all := " " + strings.Join(labelsOf(m), " ") + " "
		found := true
		for _, want := range labels {
			found = found && strings.Contains(all, " "+want+" ")
		}
		if found {
			return true
		}
	}
	return false
}

// mustHave holds the values of metrics, each written without driftgraph_ and with
// labels behind its name, as they are when somebody has asked for them.
func (s scrape) mustHave(t *testing.T, who string, want map[string]float64) {
	t.Helper()
	for series, value := range want {
		name, labels, _ := strings.Cut(series, " ")
		if got := s.value("driftgraph_"+name, strings.Fields(labels)...); got != value {
			t.Errorf("%s: %s is %v, want %v", who, series, got, value)
		}
	}
}

// TestMetricsOfTiers has a contact come from Drift, from either tier, and from
// either though it is old: each is told of its tier.
func TestMetricsOfTiers(t *testing.T) {
	server := startRedis(t)
	first := assemble(t, parts{redis: server.client(t)})
	second := assemble(t, parts{redis: server.client(t), drift: first.drift})
	third := assemble(t, parts{redis: server.client(t), drift: first.drift}, "--cache-ttl-contact=1ms") // to whom it is old
	query := fmt.Sprintf("{ contact(id: %d) { name } }", first.drift.Fixtures().EnrichedContactID)
	first.get(t, query)
	first.records.Wait()
	first.get(t, query)
	scrapeMetrics(t, first.url).mustHave(t, "who reads it twice", map[string]float64{
		"cache_misses_total kind=contact tier=memory": 1, "cache_misses_total kind=contact tier=redis": 1, "cache_fetches_total kind=contact": 1,
		"cache_hits_total kind=contact tier=memory": 1, "cache_hits_total kind=contact tier=redis": 0, "cache_stale_hits_total": 0,
	})

	second.get(t, query)
	scrapeMetrics(t, second.url).mustHave(t, "who finds it in Redis", map[string]float64{
		"cache_misses_total kind=contact tier=memory": 1, "cache_misses_total kind=contact tier=redis": 0, "cache_fetches_total kind=contact": 0,
		"cache_hits_total kind=contact tier=memory": 0, "cache_hits_total kind=contact tier=redis": 1, "cache_stale_hits_total": 0,
	})

	first.drift.Inject(sandbox.Fault{Route: "/contacts/{id}", Status: http.StatusServiceUnavailable})
	third.get(t, query)
	scrapeMetrics(t, third.url).mustHave(t, "who finds it old in Redis", map[string]float64{
		"cache_misses_total kind=contact tier=memory": 1, "cache_misses_total kind=contact tier=redis": 1, "cache_fetches_total kind=contact": 1,
		"cache_stale_hits_total kind=contact tier=redis": 1, "cache_stale_hits_total kind=contact tier=memory": 0, "cache_hits_total kind=contact": 0,
	})

	alone := newGateway(t, sandbox.Config{}, "--cache-ttl-contact=1ms")
	alone.get(t, query)
	alone.drift.Inject(sandbox.Fault{Route: "/contacts/{id}", Status: http.StatusServiceUnavailable})
	eventually(t, func() bool { // it is fresh for a millisecond more or less
		alone.get(t, query)
		return scrapeMetrics(t, alone.url).value("driftgraph_cache_stale_hits_total", "kind=contact", "tier=memory") > 0
	})
	s := scrapeMetrics(t, alone.url)
	for _, name := range []string{"hits", "stale_hits", "misses"} {
		if name = "driftgraph_cache_" + name + "_total"; s.has(name, "tier=redis") || !s.has(name, "tier=memory", "kind=contact") {
			t.Errorf("without Redis %s is %v", name, s[name])
		}
	}
}

// TestMetricsOfBudget spends a budget, and has Drift ask for a pause: the budget
// that is left is told, of calls and of reports each.
func TestMetricsOfBudget(t *testing.T) {
	t.Parallel()
	const left, rate = "driftgraph_drift_budget_left", "driftgraph_drift_budget_rate"
	slow := newGateway(t, sandbox.Config{}, "--drift-rate=0.001", "--drift-burst=20") // one more token in a quarter of an hour
	scrapeMetrics(t, slow.url).mustHave(t, "at first", map[string]float64{
		"drift_budget_left budget=calls": 20, "drift_budget_rate budget=calls": 0.001, "drift_budget_left budget=reports": 10,
	})
	slow.get(t, slow.contactsOf(0, 7))
	scrapeMetrics(t, slow.url).mustHave(t, "after seven calls", map[string]float64{
		"drift_budget_left budget=calls": 13, "drift_rate_limited_total": 0, "rest_calls_total route=/contacts/{id} status=200": 7,
	})

	g := newGateway(t, sandbox.Config{})
	if s := scrapeMetrics(t, g.url); s.has(left, "budget=calls") || s.has(rate, "budget=calls") {
		t.Error("a budget is told where nothing bounds the calls")
	}
	g.drift.Inject(sandbox.Fault{Route: "/teams/org", Status: http.StatusTooManyRequests, RetryAfter: time.Hour, Count: 1})
	if r := g.ask(t, "{ teams { name } }"); len(r.Errors) != 1 {
		t.Fatalf("the answer is %s", r.Text)
	}
	s := scrapeMetrics(t, g.url)
	if !s.has(left, "budget=calls") || s.value(left, "budget=calls") != 0 || s.value(rate, "budget=calls") <= 0 {
		t.Errorf("after a 429 there is left %v, at %v a second", s[left], s.value(rate, "budget=calls"))
	}
	s.mustHave(t, "after a 429", map[string]float64{"drift_rate_limited_total": 1, "rest_calls_total status=429": 1, "errors_total code=UPSTREAM_RATE_LIMITED": 1})
	late := s.value("driftgraph_drift_late_total")
	g.ask(t, "{ users(first: 1) { nodes { name } } }")
	if got := scrapeMetrics(t, g.url).value("driftgraph_drift_late_total"); got <= late {
		t.Errorf("%v calls would have come too late, want more than %v", got, late)
	}
}

// TestMetricsOfBreaker has a part of Drift fail until it is left alone, then has
// one call try, and succeed: each state is told, and none of another part.
func TestMetricsOfBreaker(t *testing.T) {
	t.Parallel()
	var held atomic.Bool
	tried, decided := make(chan struct{}, 1), make(chan struct{})
	g := newGateway(t, sandbox.Config{Gate: func(r *http.Request) {
		if held.Load() && strings.HasPrefix(r.URL.Path, "/contacts/") {
			tried <- struct{}{}
			<-decided
		}
	}}, "--operation-timeout=5m", "--drift-timeout=5m")
	states := func(when string, contacts float64) {
		t.Helper()
		scrapeMetrics(t, g.url).mustHave(t, when, map[string]float64{
			"drift_breaker_state group=contacts": contacts, "drift_breaker_state group=teams": 0,
		})
	}
	g.get(t, "{ teams { name } }")
	g.get(t, g.contactsOf(0, 1))
	states("at first", 0)
	if s := scrapeMetrics(t, g.url); !s.has("driftgraph_drift_breaker_state", "group=contacts") || s.has("driftgraph_drift_breaker_state", "group=users") {
		t.Errorf("the states are %v", s["driftgraph_drift_breaker_state"])
	}
	g.drift.Inject(sandbox.Fault{Route: "/contacts/{id}", Status: http.StatusServiceUnavailable})
	for i := 1; scrapeMetrics(t, g.url).value("driftgraph_drift_breaker_state", "group=contacts") != 2; i++ {
		if i > 10 {
			t.Fatal("a part of Drift that fails is not left alone")
		}
		g.ask(t, g.contactsOf(10*i, 10))
	}
	states("while it is left alone", 2)
	calls := g.calls()
	g.ask(t, g.contactsOf(150, 10))
	if n := g.calls(); n != 0 {
		t.Errorf("what is left alone has %d calls, after %d", n, calls)
	}

	g.drift.ClearFaults()
	held.Store(true)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for len(g.ask(t, g.contactsOf(0, 1)).Errors)+len(g.ask(t, g.contactsOf(170, 1)).Errors) > 0 {
			time.Sleep(10 * time.Millisecond) // it is left alone for some five seconds
		}
	}()
	<-tried
	states("while one call tries", 1)
	held.Store(false)
	close(decided)
	<-ended
	states("once it has succeeded", 0)
}

// TestMetricsOfSubscribers counts those who listen, and what they are told.
func TestMetricsOfSubscribers(t *testing.T) {
	t.Parallel()
	g := newLiveGateway(t, sandbox.Config{}, parts{})
	s := g.dial(t)
	for i := range 3 {
		s.subscribe(t, fmt.Sprint(i), "subscription { contactUpdated { id } }")
	}
	g.subscribed(t, 3)
	scrapeMetrics(t, g.url).mustHave(t, "with three subscriptions", map[string]float64{"connections": 1, "subscriptions": 3, "subscriptions_refused_total": 0})
	id := g.drift.Fixtures().EnrichedContactID
	g.write(t, "PATCH", fmt.Sprintf("/contacts/%d", id), `{"attributes":{"phone":"555-0111"}}`)
	for range 3 {
		if m := s.read(t); m.Type != "next" {
			t.Fatalf("%s gets %s", m.ID, m.Type)
		}
	}
	eventually(t, func() bool { // an operation is counted when its answer has gone
		s := scrapeMetrics(t, g.url)
		return s.value("driftgraph_events_total", "source=published") == 1 && s.value("driftgraph_webhooks_total", "result=taken") >= 1 &&
			s.value("driftgraph_operations_total", "type=subscription", "outcome=ok") >= 1
	})
	s.conn.CloseNow()
	eventually(t, func() bool {
		s := scrapeMetrics(t, g.url)
		return s.value("driftgraph_subscriptions") == 0 && s.value("driftgraph_connections") == 0
	})
}
