// Package metrics shows what the gateway does, to Prometheus.
//
// Operations and calls to Drift are counted as they end. What other parts count
// anyway is read from them when Prometheus asks. No label has values without a
// bound: routes are without ids, and of the names that clients give their
// operations the first few have a value of their own.
package metrics

import (
	"cmp"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/graph"
)

// maxNames bounds the names of operations that are told apart, and maxNameLength
// their bytes.
const (
	maxNames      = 100
	maxNameLength = 100
)

// What stands for operations whose names are not told apart. No name in GraphQL
// looks like these.
const (
	otherNames = "(other)"
	noName     = "(unnamed)"
)

// codes are the values of the label code; any other is "other".
var codes = []string{
	graph.CodeParseFailed, graph.CodeValidationFailed, graph.CodeBadUserInput, graph.CodeForbidden, graph.CodeQueryTooComplex,
	graph.CodeRESTBudgetExceeded, graph.CodeRateLimited, graph.CodeUpstreamRateLimited, graph.CodeUpstreamUnauthorized,
	graph.CodeUpstreamForbidden, graph.CodeUpstreamTimeout, graph.CodeUpstreamUnavailable, graph.CodeUpstreamInvalidResponse,
	graph.CodeTimeout, graph.CodeInternalServerError,
	"UNAUTHENTICATED", "PERSISTED_QUERY_NOT_FOUND", "DOCUMENT_NOT_TRUSTED",
}

// Metrics are those of one gateway.
type Metrics struct {
	registry   *prometheus.Registry
	operations *prometheus.CounterVec   // type, operation, outcome
	durations  *prometheus.HistogramVec // type, operation
	errors     *prometheus.CounterVec   // code
	naive      prometheus.Counter
	saved      prometheus.Counter
	calls      *prometheus.CounterVec   // method, route, status
	callTimes  *prometheus.HistogramVec // method, route

	mu    sync.RWMutex
	names map[string]bool // of operations that are told apart
}

// New returns the metrics of a gateway of the given version, with those of the
// process.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "driftgraph_operations_total",
			Help: "GraphQL operations that have ended, each event of a subscription among them. An outcome is ok, partial (data and errors), failed (errors alone) or refused (not executed).",
		}, []string{"type", "operation", "outcome"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "driftgraph_operation_duration_seconds",
			Help:    "From the request of an operation to its answer, its wait in the queue included; of those that were executed.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"type", "operation"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "driftgraph_errors_total",
			Help: "Errors in answers, by extensions.code.",
		}, []string{"code"}),
		naive: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "driftgraph_rest_calls_naive_total",
			Help: "Calls to Drift that operations would have taken with one call for each object at each place.",
		}),
		saved: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "driftgraph_rest_calls_saved_total",
			Help: "Those of driftgraph_rest_calls_naive_total that were not made.",
		}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "driftgraph_rest_calls_total",
			Help: "HTTP requests to Drift that have ended, those in the background included. The status is none if no answer came.",
		}, []string{"method", "route", "status"}),
		callTimes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "driftgraph_rest_call_duration_seconds",
			Help:    "How long HTTP requests to Drift took, without their wait for a turn.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"method", "route"}),
		names: make(map[string]bool),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "driftgraph_build_info",
		Help:        "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	info.Set(1)
	m.registry.MustRegister(
		m.operations, m.durations, m.errors, m.naive, m.saved, m.calls, m.callTimes, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Handler answers Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Operation counts an operation that has ended.
func (m *Metrics) Operation(o graph.Observation) {
	name := m.name(o.Name)
	kind := cmp.Or(string(o.Type), "unknown")
	m.operations.WithLabelValues(kind, name, string(o.Outcome)).Inc()
	for _, code := range o.Codes {
		if !slices.Contains(codes, code) {
			code = "other"
		}
		m.errors.WithLabelValues(code).Inc()
	}
	if o.Outcome == graph.Refused {
		return
	}
	m.durations.WithLabelValues(kind, name).Observe(o.Duration.Seconds())
	if o.Spent.NaiveCalls > 0 {
		m.naive.Add(float64(o.Spent.NaiveCalls))
		m.saved.Add(float64(max(o.Spent.NaiveCalls-o.Spent.Calls, 0)))
	}
}

// name returns what stands for an operation's name.
func (m *Metrics) name(name string) string {
	if name == "" {
		return noName
	}
	m.mu.RLock()
	known, full := m.names[name], len(m.names) >= maxNames
	m.mu.RUnlock()
	switch {
	case known:
		return name
	case full || len(name) > maxNameLength:
		return otherNames
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.names) >= maxNames && !m.names[name] {
		return otherNames
	}
	m.names[name] = true
	return name
}

// Call counts an HTTP request to Drift that has ended.
func (m *Metrics) Call(c drift.Call) {
	status := "none"
	if c.Status != 0 {
		status = strconv.Itoa(c.Status)
	}
	m.calls.WithLabelValues(c.Method, c.Route, status).Inc()
	m.callTimes.WithLabelValues(c.Method, c.Route).Observe(c.Duration.Seconds())
}
