package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/driftgraph/driftgraph/sandbox"
)

// A scrape is what /metrics has, by the names of the metrics.
type scrape map[string]*dto.MetricFamily

// scrapeMetrics reads /metrics of a gateway.
func scrapeMetrics(t testing.TB, url string) scrape {
	t.Helper()
	res, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("/metrics is %s", res.Status)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// value returns the sum of a metric over all series that have the given labels,
// each written like route=/teams/org; of a histogram, how often it was observed.
func (s scrape) value(name string, labels ...string) float64 {
	sum := 0.0
	for _, m := range s[name].GetMetric() {
		if slices.ContainsFunc(labels, func(want string) bool { return !slices.Contains(labelsOf(m), want) }) {
			continue
		}
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return sum
}

func labelsOf(m *dto.Metric) []string {
	var all []string
	for _, l := range m.GetLabel() {
		all = append(all, l.GetName()+"="+l.GetValue())
	}
	return all
}

// TestMetrics holds what /metrics says of a mixed load against what was asked,
// and what the sandbox was asked for.
func TestMetrics(t *testing.T) {
	server := startRedis(t)
	g := assemble(t, parts{redis: server.client(t), drift: newSandbox(sandbox.Config{})})
	inbox := readQuery(t, "10-inbox")
	g.get(t, inbox)
	routes := g.routes()
	g.get(t, inbox)
	if n := g.calls(); n != 0 {
		t.Fatalf("the second inbox takes %d calls", n)
	}
	for range 3 {
		g.ask(t, "query Wrong { nothing }")
	}
	g.ask(t, "{ not GraphQL")
	g.ask(t, `mutation Change($id: ID!) { deleteContact(input: {id: $id}) { deletedId } }`, map[string]any{"id": "nonsense"})
	g.drift.Inject(sandbox.Fault{Route: "/teams/org", Status: 503})
	g.ask(t, "query Teams { teams { name } }")

	s := scrapeMetrics(t, g.url)
	for _, tt := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"driftgraph_operations_total", []string{"type=query", "operation=Inbox", "outcome=ok"}, 2},
		{"driftgraph_operations_total", []string{"type=unknown", "operation=(unnamed)", "outcome=refused"}, 4},
		{"driftgraph_operations_total", []string{"type=mutation", "operation=Change"}, 1},
		{"driftgraph_operations_total", []string{"operation=Teams", "outcome=partial"}, 1},
		{"driftgraph_operation_duration_seconds", []string{"operation=Inbox"}, 2},
		{"driftgraph_operation_duration_seconds", []string{"operation=(unnamed)"}, 0},
		{"driftgraph_errors_total", []string{"code=GRAPHQL_VALIDATION_FAILED"}, 3},
		{"driftgraph_errors_total", []string{"code=GRAPHQL_PARSE_FAILED"}, 1},
		{"driftgraph_errors_total", []string{"code=UPSTREAM_UNAVAILABLE"}, 1},
		{"driftgraph_errors_total", []string{"code=other"}, 0},
		{"driftgraph_cache_hits_total", []string{"kind=contact", "tier=memory"}, 44},
		{"driftgraph_cache_misses_total", []string{"kind=contact", "tier=redis"}, 44},
		{"driftgraph_cache_misses_total", []string{"kind=conversation", "tier=memory"}, 50},
		{"driftgraph_subscriptions", nil, 0},
	} {
		if got := s.value(tt.name, tt.labels...); got != tt.want {
			t.Errorf("%s%v is %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
	for route, n := range routes {
		if got := s.value("driftgraph_rest_calls_total", "route="+route); got < float64(n) {
			t.Errorf("%s had %d calls, /metrics says %v", route, n, got)
		}
	}
	naive, saved := s.value("driftgraph_rest_calls_naive_total"), s.value("driftgraph_rest_calls_saved_total")
	if total := 0; saved <= 0 || saved > naive {
		t.Errorf("of %v naive calls %v are saved", naive, saved)
	} else {
		for _, n := range routes {
			total += n
		}
		if naive-saved < float64(total) {
			t.Errorf("%v of %v calls are saved, though the inbox took %d", saved, naive, total)
		}
	}
	for _, m := range s["driftgraph_rest_calls_total"].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == "route" && regexp.MustCompile(`\d{3}`).MatchString(l.GetValue()) {
				t.Errorf("a route has an id in it: %v", m)
			}
		}
	}

	eventually(t, func() bool { return scrapeMetrics(t, g.url).value("driftgraph_redis_up") == 1 })
	server.Kill()
	g.get(t, `{ contactAttributes { name } }`)
	eventually(t, func() bool {
		s := scrapeMetrics(t, g.url)
		return s.value("driftgraph_redis_up") == 0 && s.value("driftgraph_redis_errors_total") > 0
	})
}

// TestAdmin serves metrics and profiles on an address of their own, and nothing
// of the kind where callers are.
func TestAdmin(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	p := start(t, "--listen-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0")
	defer func() {
		p.stop()
		if err := <-p.ended; err != nil {
			t.Errorf("it ends with %v", err)
		}
	}()
	var admin string
	eventually(t, func() bool {
		found := regexp.MustCompile(`Metrics +(http://\S+)/metrics`).FindStringSubmatch(p.stdout.String())
		if found != nil {
			admin = found[1]
		}
		return found != nil
	})
	status := func(url string) int {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	for path, want := range map[string]int{
		"/livez": 200, "/readyz": 200, "/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/goroutine?debug=1": 200,
		"/debug/pprof/cmdline": 404, "/graphql": 404, "/": 404,
	} {
		if got := status(admin + path); got != want {
			t.Errorf("%s on ADMIN_ADDR is %d, want %d", path, got, want)
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/debug/pprof/", "/debug/pprof/heap"} {
		if got := status(p.url + path); got != http.StatusNotFound {
			t.Errorf("%s is %d where callers are, want 404", path, got)
		}
	}
}

// TestDashboard reads each expression of the Grafana dashboard: what it asks for
// is there, with the labels that it names, in /metrics of a gateway that has
// done something of everything.
func TestDashboard(t *testing.T) {
	server := startRedis(t)
	g := assemble(t, parts{redis: server.client(t)})
	g.get(t, readQuery(t, "10-inbox"))
	g.ask(t, "{ nothing }")
	s := scrapeMetrics(t, g.url)
	for _, name := range []string{"driftgraph_operations_total", "driftgraph_rest_calls_total", "driftgraph_cache_hits_total"} {
		if s[name] == nil {
			t.Fatalf("/metrics lacks %s", name)
		}
	}
	text, err := os.ReadFile("docs/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$instance", ".*")
	used := map[string]bool{}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			expr, err := metricsql.Parse(variables.Replace(target.Expr))
			if err != nil {
				t.Errorf("%s: %s: %v", panel.Title, target.Expr, err)
				continue
			}
			asked := map[string]bool{"job": true, "instance": true} // which labels there are for the groupings
			var grouped []string
			metricsql.VisitAll(expr, func(e metricsql.Expr) {
				switch e := e.(type) {
				case *metricsql.MetricExpr:
					for _, filters := range e.LabelFilterss {
						name := ""
						for _, f := range filters {
							if f.Label == "__name__" {
								name = f.Value
							}
						}
						labels := s.labels(name)
						if labels == nil {
							t.Errorf("%s: there is no metric %s", panel.Title, name)
							continue
						}
						used[name] = true
						for label := range labels {
							asked[label] = true
						}
						for _, f := range filters {
							if f.Label != "__name__" && f.Label != "job" && f.Label != "instance" && !labels[f.Label] {
								t.Errorf("%s: %s has no label %s", panel.Title, name, f.Label)
							}
						}
					}
				case *metricsql.AggrFuncExpr:
					grouped = append(grouped, e.Modifier.Args...)
				}
			})
			for _, label := range grouped {
				if !asked[label] {
					t.Errorf("%s: nothing in %s has the label %s", panel.Title, target.Expr, label)
				}
			}
		}
	}
	if len(used) < 30 {
		t.Errorf("the dashboard shows %d metrics, which are too few", len(used))
	}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		base := name
		if s[name].GetType() == dto.MetricType_HISTOGRAM {
			base += "_bucket"
		}
		if strings.HasPrefix(name, "driftgraph_") && !used[base] && !slices.Contains([]string{"driftgraph_build_info", "driftgraph_event_overflows_total"}, name) {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}

// labels returns the labels of a metric, nil if there is none of the name.
func (s scrape) labels(name string) map[string]bool {
	labels := map[string]bool{}
	family := s[name]
	if base, bucket := strings.CutSuffix(name, "_bucket"); bucket && s[base].GetType() == dto.MetricType_HISTOGRAM {
		family, labels["le"] = s[base], true
	}
	if family == nil {
		return nil
	}
	for _, m := range family.GetMetric() {
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = true
		}
	}
	return labels
}

// TestOperationNames asks by more names than are told apart: the series stay few.
func TestOperationNames(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	for i := range 300 {
		g.get(t, "query Q"+strconv.Itoa(i)+" { viewer { caller } }")
	}
	s := scrapeMetrics(t, g.url)
	if n := len(s["driftgraph_operations_total"].GetMetric()); n > 101 {
		t.Errorf("300 names make %d series", n)
	}
	if others := s.value("driftgraph_operations_total", "operation=(other)"); others != 200 {
		t.Errorf("%v operations are of other names, want 200", others)
	}
	if n := s.value("driftgraph_operation_duration_seconds"); n != 300 {
		t.Errorf("%v operations are in the histogram, want 300", n)
	}
}
