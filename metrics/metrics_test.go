package metrics

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/driftgraph/driftgraph/graph"
)

// TestBounds has clients give 10,000 names, long ones among them, and codes that
// nobody knows: the series stay few, and all is counted.
func TestBounds(t *testing.T) {
	m := New("test")
	const n = 10_000
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() {
			for i := range n / 4 {
				name := fmt.Sprintf("Q%d", c*n/4+i)
				if i%2 == 0 {
					name += strings.Repeat("x", 10_000)
				}
				m.Operation(graph.Observation{Type: ast.Query, Name: name, Outcome: graph.Failed, Codes: []string{name}, Duration: time.Second})
			}
		})
	}
	clients.Wait()
	for name, c := range map[string]prometheus.Collector{"operations": m.operations, "durations": m.durations, "errors": m.errors} {
		if series := testutil.CollectAndCount(c); series > maxNames+1 {
			t.Errorf("%s has %d series", name, series)
		}
	}
	if counted := testutil.ToFloat64(m.errors); counted != n {
		t.Errorf("%v errors are counted, want %d, all under one code", counted, n)
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		if f.GetName() == "driftgraph_operations_total" {
			for _, series := range f.GetMetric() {
				total += series.GetCounter().GetValue()
			}
		}
	}
	if total != n {
		t.Errorf("%v operations are counted, want %d", total, n)
	}
}

// BenchmarkOperation is what an operation costs by being counted.
func BenchmarkOperation(b *testing.B) {
	m := New("test")
	seen := graph.Observation{Type: ast.Query, Name: "Inbox", Outcome: graph.Succeeded, Duration: 5 * time.Millisecond}
	seen.Spent.NaiveCalls = 551
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Operation(seen)
		}
	})
}
