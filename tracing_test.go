package main

import (
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/driftgraph/driftgraph/sandbox"
)

// spans receives spans as a collector does, by OTLP over HTTP.
type spans struct {
	mu    sync.Mutex
	all   []*otlp.Span
	about []string // the attributes of what they are from
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	var request collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(text, &request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "not spans", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		for _, a := range resource.GetResource().GetAttributes() {
			s.about = append(s.about, a.GetKey()+"="+a.GetValue().GetStringValue())
		}
		for _, scope := range resource.GetScopeSpans() {
			s.all = append(s.all, scope.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// attributeOf returns an attribute of a span, "" if it is no text.
func attributeOf(s *otlp.Span, key string) string {
	for _, a := range s.GetAttributes() {
		if a.GetKey() == key {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

// TestTraces has a collector receive the spans of an inbox: one of the operation,
// in the trace of the client, below it one of each batch, and below those one of
// each call; with nothing in them of whom it is about.
func TestTraces(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	defer http.DefaultClient.CloseIdleConnections()
	received := new(spans)
	receiver := httptest.NewServer(received)
	defer receiver.Close()
	var told atomic.Bool
	emulator := newSandbox(sandbox.Config{Gate: func(r *http.Request) {
		if r.Header.Get("Traceparent") != "" {
			told.Store(true)
		}
	}})
	upstream := httptest.NewServer(emulator)
	defer upstream.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
	t.Setenv("DRIFT_TOKEN", secret+"token")
	t.Setenv("DRIFT_BASE_URL", upstream.URL)
	p := start(t, "--listen-addr=127.0.0.1:0")
	g := &gateway{url: p.url, drift: emulator}

	const traceID, parentID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	ask := func(query string) {
		t.Helper()
		body := `{"query": ` + strconv.Quote(query) + `}`
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/graphql", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Traceparent", "00-"+traceID+"-"+parentID+"-01")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %v", res.StatusCode, err)
		}
	}
	ask(readQuery(t, "10-inbox"))
	routes := g.routes()
	if told.Load() {
		t.Error("Drift is sent the context of a trace")
	}
	ask(`query Broken { contact(id: "no id") { name } }`)
	p.stop()
	if err := <-p.ended; err != nil {
		t.Errorf("it ends with %v", err)
	}

	received.mu.Lock()
	defer received.mu.Unlock()
	byID := map[string]*otlp.Span{}
	for _, s := range received.all {
		byID[hex.EncodeToString(s.GetSpanId())] = s
	}
	operations, calls, batches := 0, map[string]int{}, 0
	for _, s := range received.all {
		parent := byID[hex.EncodeToString(s.GetParentSpanId())]
		if id := hex.EncodeToString(s.GetTraceId()); id != traceID {
			t.Errorf("the span %q is of the trace %s, not of the client's", s.GetName(), id)
		}
		switch s.GetKind() {
		case otlp.Span_SPAN_KIND_SERVER:
			operations++
			if hex.EncodeToString(s.GetParentSpanId()) != parentID || s.GetName() != "query" {
				t.Errorf("the span %q of an operation is not below the client's", s.GetName())
			}
			broken := attributeOf(s, "graphql.operation.name") == "Broken"
			if failed := s.GetStatus().GetCode() == otlp.Status_STATUS_CODE_ERROR; failed != broken {
				t.Errorf("that %v failed: %t", s.GetAttributes(), failed)
			}
		case otlp.Span_SPAN_KIND_CLIENT:
			route := attributeOf(s, "url.template")
			calls[route]++
			if !strings.HasPrefix(parent.GetName(), "load ") {
				t.Errorf("the call %q is below %q", s.GetName(), parent.GetName())
			}
			if s.GetStartTimeUnixNano() < parent.GetStartTimeUnixNano() || s.GetEndTimeUnixNano() > parent.GetEndTimeUnixNano() {
				t.Errorf("the call %q is not within its batch", s.GetName())
			}
		default:
			batches++
			if parent.GetKind() != otlp.Span_SPAN_KIND_SERVER {
				t.Errorf("the batch %q is below %q", s.GetName(), parent.GetName())
			}
		}
		if text := fmt.Sprint(s.GetName(), s.GetAttributes(), s.GetEvents(), s.GetStatus()); strings.Contains(text, secret) || strings.Contains(text, "@") || regexp.MustCompile(`/\d{3,}`).MatchString(text) || strings.Contains(text, "conversations(first") {
			t.Errorf("a span tells too much: %s", text)
		}
	}
	if operations != 2 || batches < 4 || batches > 12 {
		t.Errorf("there are %d operations and %d batches", operations, batches)
	}
	for route, n := range routes {
		if calls[route] != n {
			t.Errorf("%s had %d calls, and %d spans", route, n, calls[route])
		}
	}
	for _, want := range []string{"service.name=driftgraph", "deployment.environment=test"} {
		if !slices.Contains(received.about, want) {
			t.Errorf("the spans are from %v, want %s", received.about, want)
		}
	}
}

// TestNoTraces holds that nothing is traced unless it is asked for, and that what
// is asked for in vain is told in one line.
func TestNoTraces(t *testing.T) {
	received := new(spans)
	receiver := httptest.NewServer(received)
	defer receiver.Close()
	for _, env := range []map[string]string{
		{},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.URL, "OTEL_SDK_DISABLED": "true"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.URL, "OTEL_TRACES_EXPORTER": "none"},
	} {
		t.Run("", func(t *testing.T) {
			for name, value := range env {
				t.Setenv(name, value)
			}
			p := start(t, "--listen-addr=127.0.0.1:0")
			(&gateway{url: p.url}).get(t, `{ teams { name } }`)
			p.stop()
			if err := <-p.ended; err != nil {
				t.Errorf("it ends with %v", err)
			}
		})
	}
	received.mu.Lock()
	defer received.mu.Unlock()
	if len(received.all) > 0 {
		t.Errorf("%d spans are sent unasked", len(received.all))
	}
}
