package main

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/sandbox"
)

// TestReportRate has two replicas ask for reports as fast as they can: together
// they make ten at once, and then as many as come back in time, so that there are
// never more than 60 in a minute. Other calls do not wait for that.
func TestReportRate(t *testing.T) {
	t.Parallel()
	const minute = 60.0
	if most := float64(reportRate.Burst) + minute*reportRate.PerSecond; most > 60 {
		t.Errorf("there may be %v reports in a minute, and Drift takes 60", most)
	}
	server := startRedis(t)
	first := assemble(t, parts{redis: server.client(t)}, "--operation-timeout=2m")
	second := assemble(t, parts{redis: server.client(t), drift: first.drift}, "--operation-timeout=2m")
	const reports = 13
	begun := time.Now()
	var clients sync.WaitGroup
	for i := range reports {
		g := []*gateway{first, second}[i%2]
		clients.Go(func() {
			g.ask(t, fmt.Sprintf(`{ conversationReport(input: {filters: [{property: "createdAt", operation: BETWEEN, values: [%d, 2000000000000]}], metrics: ["status"]}) { count } }`, i)).mustSucceed(t)
		})
	}
	clients.Go(func() {
		first.ask(t, first.contactsOf(0, 100)).mustSucceed(t)
	})
	clients.Wait()
	took := time.Since(begun).Seconds()
	calls := first.routes()["/reports/conversations"]
	if calls != reports {
		t.Errorf("%d reports are made, want %d", calls, reports)
	}
	if least := (reports - float64(reportRate.Burst)) / reportRate.PerSecond; took < least-0.1 {
		t.Errorf("%d reports take %.2f s; it may not be less than %.2f s", calls, took, least)
	}
	for i, g := range []*gateway{first, second} {
		scrapeMetrics(t, g.url).mustHave(t, fmt.Sprint("replica ", i), map[string]float64{"drift_rate_limited_total": 0})
	}
}

// TestReportsLeaveOthersAlone spends what there is of reports, and asks for more
// than can come in time: that fails at once, and says when to come again; a contact
// is answered.
func TestReportsLeaveOthersAlone(t *testing.T) {
	t.Parallel()
	g := newGateway(t, sandbox.Config{}, "--operation-timeout=20s")
	g.drift.Inject(sandbox.Fault{Route: "POST /reports/conversations", Status: 429, RetryAfter: time.Hour, Count: 1})
	query := `{ conversationReport(input: {filters: [{property: "createdAt", operation: BETWEEN, values: [%d, 2000000000000]}], metrics: ["status"]}) { count } contact(id: %d) { name } }`
	for i := range 2 {
		r := g.ask(t, fmt.Sprintf(query, i, g.drift.Fixtures().ContactIDs[i]))
		if len(r.Errors) != 1 {
			t.Fatalf("the errors are %+v", r.Errors)
		}
		if wait, _ := r.Errors[0].Extensions["retryAfterMs"].(float64); wait < 30*60*1000 {
			t.Errorf("the error is %+v", r.Errors[0])
		}
		if at(r.data(t), "contact.name") == nil {
			t.Errorf("the contact waits for reports: %s", r.Text)
		}
	}
	if n := g.routes()["/reports/conversations"]; n != 1 {
		t.Errorf("%d reports are asked for, want the one that is refused", n)
	}
}
