package main

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
)

// BenchmarkWarm asks gateways that differ in one thing for what all have cached,
// in turns, and tells how long each takes as a multiple of the first: which counts
// nothing, over a Redis. Run it with -benchtime=500x, say.
func BenchmarkWarm(b *testing.B) {
	emulator := newSandbox(sandbox.Config{})
	server := startRedis(b)
	variants := []struct {
		name string
		p    parts
		args []string
	}{
		{"uncounted", parts{uncounted: true}, nil},
		{"metrics", parts{}, nil},
		{"metrics+traces", parts{use: graph.Trace{Tracer: trace.NewTracerProvider().Tracer("bench")}}, nil},
		{"metrics+callers", parts{}, []string{"--caller-rate=100000", "--caller-burst=100000"}},
	}
	for name, query := range map[string]string{"inbox": readQuery(b, "10-inbox"), "contact": fmt.Sprintf("{ contact(id: %d) { name } }", emulator.Fixtures().EnrichedContactID)} {
		b.Run(name, func(b *testing.B) {
			var gateways []*gateway
			for _, v := range variants {
				v.p.drift, v.p.redis = emulator, server.client(b)
				g := assemble(b, v.p, append(v.args, "--cache-ttl-contact=1h", "--cache-ttl-conversation=1h", "--cache-ttl-conversation-list=1h",
					"--cache-ttl-message=1h", "--cache-ttl-user=1h", "--cache-ttl-account=1h")...)
				for range 20 {
					g.ask(b, query)
				}
				gateways = append(gateways, g)
			}
			took := make([][]time.Duration, len(variants))
			for b.Loop() {
				for i, g := range gateways {
					start := time.Now()
					g.ask(b, query)
					took[i] = append(took[i], time.Since(start))
				}
			}
			for i := range took {
				slices.Sort(took[i])
			}
			middle := len(took[0]) / 2
			b.ReportMetric(float64(took[0][middle].Microseconds()), "µs")
			for i, v := range variants[1:] {
				b.ReportMetric(float64(took[i+1][middle])/float64(took[0][middle]), v.name)
			}
		})
	}
}

// BenchmarkMaximal has 64 clients ask a gateway, in a process of its own, without
// pause for as much as one operation may, and tells what it holds at most, beside
// what it holds after a few small operations. Run it with -benchtime=30s.
func BenchmarkMaximal(b *testing.B) {
	emulator := newSandbox(sandbox.Config{Conversations: 150, MinMessages: 100, MaxMessages: 100})
	upstream := httptest.NewServer(emulator)
	b.Cleanup(upstream.Close)
	r := startReplica(b, emulator, upstream.URL, "", "MAX_REST_CALLS=500", "CACHE_TTL_MESSAGE=1h", "CACHE_TTL_CONVERSATION_LIST=1h", "CACHE_TTL_CONVERSATION=1h")
	held := func() float64 { return scrapeMetrics(b, r.url).value("process_resident_memory_bytes") / (1 << 20) }
	for range 20 {
		r.ask(b, "{ viewer { caller } }")
	}
	small := held()
	query := "{ conversations(first: 100) { nodes { messages(first: 100) { nodes { body createdAt type } } } } }"
	answer := r.ask(b, query)
	if len(answer.Errors) > 0 {
		b.Fatal(answer.Errors[0])
	}
	one := held()
	stop, most := make(chan struct{}), one
	var watch, clients sync.WaitGroup
	watch.Go(func() {
		for tick := time.NewTicker(200 * time.Millisecond); ; {
			select {
			case <-tick.C:
				most = max(most, held())
			case <-stop:
				return
			}
		}
	})
	work := make(chan struct{})
	var refused sync.Map
	for range 64 {
		clients.Go(func() {
			for range work {
				if got := r.ask(b, query); len(got.Errors) > 0 {
					refused.Store(got.Errors[0].Message, got.Status)
				}
			}
		})
	}
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	clients.Wait()
	close(stop)
	watch.Wait()
	b.ReportMetric(small, "MiB-before")
	b.ReportMetric(one, "MiB-after-one")
	b.ReportMetric(most, "MiB-most")
	b.ReportMetric(float64(len(answer.Text))/(1<<20), "MiB-answer")
	refused.Range(func(message, status any) bool {
		b.Log("refused:", status, strings.TrimSpace(fmt.Sprint(message)))
		return true
	})
}
