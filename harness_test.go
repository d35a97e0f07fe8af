package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/metrics"
	"github.com/driftgraph/driftgraph/queue"
	"github.com/driftgraph/driftgraph/sandbox"
	"github.com/driftgraph/driftgraph/tracing"
	"github.com/driftgraph/driftgraph/webhooks"
)

// present is the present of sandboxes and gateways in tests, so that the data
// are always the same.
var present = time.Date(2026, time.March, 9, 14, 30, 0, 0, time.UTC)

// webhookSecret is the verification token of webhooks in tests.
const webhookSecret = "webhook-token-that-nobody-may-see"

// testToken is the gateway's token for Drift in tests.
const testToken = "token-that-nobody-may-see"

// A gateway is the whole product over a sandbox, both over HTTP.
type gateway struct {
	url      string
	upstream string // where the sandbox is
	drift    *sandbox.Sandbox
	records  *cache.Cache
	bus      *events.Bus
	live     *graph.Live
	receiver *webhooks.Receiver
	queue    *queue.Queue
	tenants  *tenants
	bearer   string // of what is made in Drift by somebody else; "" for anybody's
	log      *logbook
}

// parts are what a test may replace of a gateway.
type parts struct {
	drift  *sandbox.Sandbox                // nil for one of its own
	front  func(http.Handler) http.Handler // stands before the sandbox; nil for nothing
	redis  redis.UniversalClient           // nil for none
	live   graph.LiveOptions               // its times, if they are other than the gateway has them
	use    graphql.HandlerExtension        // of the executor; nil for none beside the gateway's
	caller *auth.Caller                    // of all operations; nil for whoever the gateway takes for one
	guard  func(http.Handler) http.Handler // stands before the gateway; nil for nothing
	lost   bool                            // Redis does not answer, or will not for a while
	traces *tracing.Tracing                // of all operations and calls; nil for none
	now    func() time.Time                // the clock of what is asked and who is let in; nil for one that stands still

	doorless  bool // nobody is asked who they are, whatever AUTH says
	uncounted bool // its operations are in no metrics
}

// calledBy has a caller send each request.
func calledBy(c *auth.Caller, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(auth.WithCaller(r.Context(), c)))
	})
}

// newGateway starts a gateway over a sandbox, with further arguments of the
// command line.
func newGateway(t testing.TB, cfg sandbox.Config, args ...string) *gateway {
	t.Helper()
	return assemble(t, parts{drift: newSandbox(cfg)}, args...)
}

// newSandbox returns a sandbox whose data are those of the golden answers.
func newSandbox(cfg sandbox.Config) *sandbox.Sandbox {
	cfg.Seed, cfg.Now = 1, present
	return sandbox.New(cfg)
}

// assemble starts a gateway of the given parts.
func assemble(t testing.TB, p parts, args ...string) *gateway {
	t.Helper()
	if p.drift == nil {
		p.drift = newSandbox(sandbox.Config{})
	}
	var front http.Handler = p.drift
	if p.front != nil {
		front = p.front(p.drift)
	}
	upstream := httptest.NewServer(front)
	t.Cleanup(upstream.Close)

	var c cli
	parser, err := c.parser(io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	book := new(logbook)
	log := slog.New(slog.NewJSONHandler(book, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if p.now == nil {
		p.now = func() time.Time { return present }
	}
	var credential drift.Auth = drift.StaticToken(testToken)
	if c.Serve.Callers.Auth == authToken {
		credential = nil
	}
	meter := metrics.New("test")
	all, err := newTenants(tenantOptions{
		Config: &c.Serve, BaseURL: upstream.URL, Auth: credential, Redis: p.redis, Log: log,
		Now: p.now,
		Told: func(ctx context.Context, call drift.Call) {
			meter.Call(call)
			p.traces.Call(ctx, call)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(all.Close)
	if p.redis != nil && !p.lost {
		eventually(t, func() bool { return !all.records.Stats().Deaf }) // which empties its own tier when it begins to hear
	}
	receiver := newReceiver(webhookSecret, all, log)
	t.Cleanup(receiver.Close)
	trail, closeTrail, err := c.Serve.audit(log, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeTrail)
	waiting := queue.New(c.Serve.queue())
	outer := []graphql.HandlerExtension{graph.Observe{Tell: meter.Operation}, c.Serve.admit(waiting)}
	if p.uncounted {
		outer = outer[1:]
	}
	if p.traces != nil {
		outer = append([]graphql.HandlerExtension{graph.Trace{Tracer: p.traces.Tracer()}}, outer...)
	}
	execute := newExecutor(&c.Serve, all.source, trail, log, outer...)
	if execute.Persisted, err = all.persisted(execute); err != nil {
		t.Fatal(err)
	}
	if p.use != nil {
		execute.Use(p.use)
	}
	door, _, err := c.Serve.door(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, all, log)
	if err != nil {
		t.Fatal(err)
	}
	if p.doorless {
		door = nil
	}
	options := newLive(&c.Serve, execute, all, door).LiveOptions
	options.KeepAlive, options.Patience = cmp.Or(p.live.KeepAlive, options.KeepAlive), cmp.Or(p.live.Patience, options.Patience)
	options.Stagger = p.live.Stagger
	live := graph.NewLive(options)
	meter.Read(metrics.Parts{Cache: all.records, Bus: all.bus, Live: live, Receiver: receiver, Queue: waiting, Drift: all.stats})
	handler := newHandler(&c.Serve, execute, live, door, receiver, log, &health{metrics: meter, queue: waiting})
	if p.caller != nil {
		handler = calledBy(p.caller, handler)
	}
	if p.guard != nil {
		handler = p.guard(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	t.Cleanup(func() { live.Drain(context.Background()) })
	return &gateway{url: server.URL, upstream: upstream.URL, drift: p.drift, records: all.records, bus: all.bus, live: live, receiver: receiver, queue: waiting, tenants: all, log: book}
}

// A logbook keeps what is logged.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logbook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logbook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// calls returns how many calls Drift had since it was last asked.
func (g *gateway) calls() int {
	n := len(g.drift.Calls())
	g.drift.ResetCalls()
	return n
}

// routes returns how many calls each route of Drift had since it was last asked.
func (g *gateway) routes() map[string]int {
	routes := map[string]int{}
	for _, c := range g.drift.Calls() {
		routes[c.Route]++
	}
	g.drift.ResetCalls()
	return routes
}

// A reply is a GraphQL answer.
type reply struct {
	Status int             `json:"-"`
	Text   []byte          `json:"-"` // as it came
	Data   json.RawMessage `json:"data"`
	Errors []fault         `json:"errors"`
}

// A fault is an error of a GraphQL answer.
type fault struct {
	Message    string         `json:"message"`
	Path       []any          `json:"path"`
	Extensions map[string]any `json:"extensions"`
}

// ask posts a query, with variables if there are any.
func (g *gateway) ask(t testing.TB, query string, variables ...map[string]any) *reply {
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
	r := &reply{Status: res.StatusCode, Text: text}
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatalf("the answer is not JSON: %v\n%s", err, text)
	}
	return r
}

// get asks and returns the data, or ends the test if there is an error.
func (g *gateway) get(t *testing.T, query string, variables ...map[string]any) any {
	t.Helper()
	r := g.ask(t, query, variables...)
	r.mustSucceed(t)
	return r.data(t)
}

// data returns the data of an answer, numbers as they are written.
func (r *reply) data(t *testing.T) any {
	t.Helper()
	var data any
	dec := json.NewDecoder(bytes.NewReader(r.Data))
	dec.UseNumber()
	if err := dec.Decode(&data); err != nil {
		t.Fatalf("the data cannot be read: %v\n%s", err, r.Text)
	}
	return data
}

func (r *reply) mustSucceed(t *testing.T) {
	t.Helper()
	if r.Status != http.StatusOK || len(r.Errors) > 0 {
		t.Fatalf("status %d, errors %+v", r.Status, r.Errors)
	}
}

// at returns what stands at a path of member names, such as "contact.name", in
// a JSON value. Where a list is on the way, it is those of its entries.
func at(value any, path string) any {
	if list, ok := value.([]any); ok {
		all := make([]any, len(list))
		for i, e := range list {
			all[i] = at(e, path)
		}
		return all
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	name, rest, more := strings.Cut(path, ".")
	if !more {
		return object[name]
	}
	return at(object[name], rest)
}

// readQuery returns a query of the README by its file's name.
func readQuery(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "readme", name+".graphql"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rewriting returns a front that changes the bodies of the sandbox's answers to
// requests for which change returns other than nil.
func rewriting(change func(r *http.Request, body []byte) []byte) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			body := answer.Body.Bytes()
			if other := change(r, body); other != nil {
				body = other
			}
			w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
			w.WriteHeader(answer.Code)
			_, _ = w.Write(body)
		})
	}
}
