package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/metrics"
	"github.com/driftgraph/driftgraph/queue"
	"github.com/driftgraph/driftgraph/sandbox"
)

// A dam holds the sandbox's answers of one route back until it is opened.
type dam struct {
	route   string
	reached chan struct{} // has a value for each call that is held
	opened  chan struct{}
}

func newDam(route string) *dam {
	return &dam{route: route, reached: make(chan struct{}, 1000), opened: make(chan struct{})}
}

// sandbox returns a sandbox behind the dam.
func (d *dam) sandbox() *sandbox.Sandbox {
	return newSandbox(sandbox.Config{Gate: func(r *http.Request) {
		if r.URL.Path == d.route {
			d.reached <- struct{}{}
			<-d.opened
		}
	}})
}

// heavy is a query that is expected to take more than half of MAX_REST_CALLS.
const heavy = `{ conversations(first: 100) { nodes { participants { name } messages { nodes { body } } contact { name } } } }`

// TestOverload asks for more at once than the gateway takes: what there is no
// room for is answered 503, heavy operations first, and what has begun or may
// wait is answered as ever.
func TestOverload(t *testing.T) {
	d := newDam("/teams/org")
	g := assemble(t, parts{drift: d.sandbox()}, "--max-operations=1", "--max-queued=1", "--queue-timeout=1h")
	first, second, third := make(chan *reply), make(chan *reply), make(chan *reply)
	go func() { first <- g.ask(t, `{ teams { name } }`) }()
	<-d.reached
	go func() { second <- g.ask(t, heavy) }()
	eventually(t, func() bool { return g.queue.Stats(queue.Heavy).Waiting == 1 })

	mustBeShed := func(r *reply) {
		t.Helper()
		if r.Status != http.StatusServiceUnavailable || len(r.Errors) != 1 || r.Data != nil {
			t.Fatalf("status %d, %s", r.Status, r.Text)
		}
		if ms, _ := r.Errors[0].Extensions["retryAfterMs"].(float64); r.Errors[0].Extensions["code"] != graph.CodeRateLimited || ms < 1000 || ms > 5000 {
			t.Errorf("what is told is %+v", r.Errors[0])
		}
	}
	mustBeShed(g.ask(t, heavy))
	go func() { third <- g.ask(t, `{ viewer { caller } }`) }()
	mustBeShed(<-second) // it made room for the light one
	res, err := http.Post(g.url+"/graphql", "application/json", strings.NewReader(`{"query":"{ viewer { caller } }"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if after, err := strconv.Atoi(res.Header.Get("Retry-After")); res.StatusCode != http.StatusServiceUnavailable || err != nil || after < 1 || after > 5 {
		t.Errorf("status %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
	close(d.opened)
	(<-first).mustSucceed(t)
	(<-third).mustSucceed(t)
	g.get(t, `{ viewer { caller } }`)

	s := scrapeMetrics(t, g.url)
	for _, tt := range []struct {
		name  string
		class string
		want  float64
	}{
		{"driftgraph_operations_shed_total", "heavy", 2}, {"driftgraph_operations_shed_total", "interactive", 1},
		{"driftgraph_operations_queued_total", "interactive", 1}, {"driftgraph_operations_running", "interactive", 0},
		{"driftgraph_operations_waiting", "heavy", 0},
	} {
		if got := s.value(tt.name, "class="+tt.class); got != tt.want {
			t.Errorf("%s of class %s is %v, want %v", tt.name, tt.class, got, tt.want)
		}
	}
	if refused := s.value("driftgraph_operations_total", "outcome=refused"); refused != 3 {
		t.Errorf("%v operations are refused, want 3", refused)
	}
}

// TestInteractiveFirst has a heavy operation wait for the one place, and then one
// that costs little: that begins first.
func TestInteractiveFirst(t *testing.T) {
	t.Parallel()
	d := newDam("/teams/org")
	g := assemble(t, parts{drift: d.sandbox()}, "--max-operations=1", "--max-queued=10", "--queue-timeout=1h")
	var asked sync.WaitGroup
	ask := func(query string) { asked.Go(func() { g.ask(t, query).mustSucceed(t) }) }
	ask(`{ teams { name } }`)
	<-d.reached
	ask(heavy)
	eventually(t, func() bool { return g.queue.Stats(queue.Heavy).Waiting == 1 })
	ask(`{ conversationStats { open } }`)
	eventually(t, func() bool { return g.queue.Stats(queue.Interactive).Waiting == 1 })
	g.drift.ResetCalls()
	close(d.opened)
	asked.Wait()
	if first := g.drift.Calls()[0].Route; first != "/conversations/stats" {
		t.Errorf("the first call is to %s, want that of the operation that costs little", first)
	}
}

// TestReadiness sends operations away for a while: a balancer is told so, and that
// it is over.
func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New(queue.Options{Running: 1, Waiting: 1, Patience: time.Second})
		mux := http.NewServeMux()
		(&health{metrics: metrics.New("test"), queue: q}).mount(mux)
		ready := func(when, want string) {
			t.Helper()
			answer := httptest.NewRecorder()
			mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			status := http.StatusOK
			if want != "ok" {
				status = http.StatusServiceUnavailable
			}
			if got := strings.TrimSpace(answer.Body.String()); answer.Code != status || got != want {
				t.Errorf("%s: /readyz is %d, %s; want %d, %s", when, answer.Code, got, status, want)
			}
			answer = httptest.NewRecorder()
			if mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/livez", nil)); answer.Code != http.StatusOK {
				t.Errorf("%s: /livez is %d", when, answer.Code)
			}
		}
		ready("at first", "ok")
		leave, err := q.Enter(t.Context(), queue.Interactive)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = q.Enter(t.Context(), queue.Interactive)
		ready("once somebody was sent away", "ok")
		for range 6 {
			_, _ = q.Enter(t.Context(), queue.Interactive)
		}
		ready("when others were, again and again", "overloaded")
		leave()
		time.Sleep(10 * time.Second)
		ready("when that is over", "ok")
	})
}

// TestQueueTimeout has an operation wait in vain.
func TestQueueTimeout(t *testing.T) {
	d := newDam("/teams/org")
	g := assemble(t, parts{drift: d.sandbox()}, "--max-operations=1", "--queue-timeout=1ms")
	first := make(chan *reply)
	go func() { first <- g.ask(t, `{ teams { name } }`) }()
	<-d.reached
	if r := g.ask(t, `{ viewer { caller } }`); r.Status != http.StatusServiceUnavailable {
		t.Errorf("status %d, %s", r.Status, r.Text)
	}
	close(d.opened)
	(<-first).mustSucceed(t)
}

// TestQueueOfSubscriptions has many subscriptions and a query on one connection
// share one place: all come to their turn.
func TestQueueOfSubscriptions(t *testing.T) {
	g := newGateway(t, sandbox.Config{}, "--max-operations=1", "--max-queued=1", "--queue-timeout=1h")
	id := g.drift.Fixtures().ConversationIDs[0]
	s := g.dial(t)
	const n = 20
	for i := range n {
		s.subscribe(t, strconv.Itoa(i), `subscription { conversationUpdated { status contact { name } } }`)
	}
	g.subscribed(t, n)
	for round := range 3 {
		g.post(t, "POST", webhookSecret, fmt.Sprintf(`{"type":"conversation_status_updated","data":{"conversationId":%d,"status":"closed","changedAt":%d}}`, id, round))
		s.subscribe(t, fmt.Sprint("q", round), `{ viewer { caller } }`)
		results := map[string]int{}
		for len(results) < n+1 {
			switch m := s.read(t); m.Type {
			case "next":
				if strings.Contains(string(m.Payload), "errors") {
					t.Errorf("%s gets %s", m.ID, m.Payload)
				}
				results[m.ID]++
			case "complete":
			default:
				t.Fatalf("%s gets %s %s", m.ID, m.Type, m.Payload)
			}
		}
		for id, count := range results {
			if count != 1 {
				t.Errorf("round %d: %s gets %d results", round, id, count)
			}
		}
	}
}

// TestSocketFlood asks for more at once on one connection than may be under way: it
// is told so, and what was under way is answered.
func TestSocketFlood(t *testing.T) {
	const most = 100
	d := newDam("/teams/org")
	g := assemble(t, parts{drift: d.sandbox()}, "--max-operations=1000")
	s := g.dial(t)
	for i := range most {
		s.subscribe(t, strconv.Itoa(i), `{ teams { name } }`)
	}
	for i := range 3 {
		s.subscribe(t, fmt.Sprint("more", i), `{ viewer { caller } }`)
		if m := s.read(t); m.Type != "error" || m.ID != fmt.Sprint("more", i) || !strings.Contains(string(m.Payload), graph.CodeRateLimited) {
			t.Fatalf("one too many is told %+v", m)
		}
	}
	close(d.opened)
	for range 2 * most { // a result, and that it is complete
		if m := s.read(t); m.Type != "next" && m.Type != "complete" || strings.Contains(string(m.Payload), "errors") {
			t.Fatalf("what was under way is told %+v", m)
		}
	}
	s.subscribe(t, "0", `{ viewer { caller } }`)
	s.next(t).mustSucceed(t)
}

// TestMaxFields refuses what could have too many fields, before it is executed.
func TestMaxFields(t *testing.T) {
	g := newGateway(t, sandbox.Config{}, "--max-rest-calls=100000")
	huge := `{ conversations(first: 100) { nodes { messages(first: 100) { nodes { id body type createdAt author { __typename ... on Contact { name } ... on User { name } } } } } } }`
	r := g.ask(t, huge)
	if r.Status != http.StatusOK || len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != graph.CodeQueryTooComplex || r.Errors[0].Extensions["limit"] != 50000.0 || g.calls() != 0 {
		t.Errorf("status %d, %s", r.Status, r.Text)
	}
	var aliases strings.Builder
	for i := range 29 {
		fmt.Fprintf(&aliases, "m%d: messages(first: 100) { edges { node { ...M } } } ", i)
	}
	r = g.ask(t, `{ conversations(first: 20) { nodes { `+aliases.String()+` } } } fragment M on Message { body createdAt }`)
	if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != graph.CodeQueryTooComplex {
		t.Errorf("status %d, %s", r.Status, r.Text)
	}
}

// TestMaxResponseBytes bounds an answer: what is over is null with an error, and
// what is there by then is answered.
func TestMaxResponseBytes(t *testing.T) {
	query := `{ conversations(first: 40) { nodes { messages(first: 100) { nodes { body } } } } }`
	whole := newGateway(t, sandbox.Config{}).ask(t, query)
	whole.mustSucceed(t)
	limit := len(whole.Text) / 2
	g := newGateway(t, sandbox.Config{}, "--max-response-bytes="+strconv.Itoa(limit))
	r := g.ask(t, query)
	if len(r.Errors) == 0 || len(r.Data) > limit {
		t.Fatalf("%d bytes with %d errors; the limit is %d", len(r.Data), len(r.Errors), limit)
	}
	for _, e := range r.Errors {
		if e.Extensions["code"] != graph.CodeQueryTooComplex || e.Extensions["limit"] != float64(limit) {
			t.Fatalf("the error is %+v", e)
		}
	}
	g.get(t, `{ conversations(first: 2) { nodes { messages(first: 1) { nodes { body } } } } }`) // for an operation, not for all
}

// TestStagger has many clients connect again: not all at the same moment. A machine
// that stands still meanwhile lets all hear of it at once: then it is tried anew.
func TestStagger(t *testing.T) {
	const n, apart = 30, 60 * time.Millisecond // a small part of the window, which they share at random
	var within time.Duration
	for range 5 {
		if within = drainMany(t, n); within >= apart {
			return
		}
	}
	t.Errorf("%d clients are told within %s, time and again", n, within)
}

// drainMany ends so many connections of a gateway, and returns within how long they
// are told.
func drainMany(t *testing.T, n int) time.Duration {
	t.Helper()
	g := assemble(t, parts{live: graph.LiveOptions{Stagger: 50 * time.Millisecond}})
	ends := make(chan time.Time, n)
	for range n {
		s := g.listenBySocket(t, "subscription { contactUpdated { id } }")
		go func() {
			_, _, err := s.conn.Read(t.Context())
			if websocket.CloseStatus(err) != websocket.StatusServiceRestart {
				t.Errorf("the connection ends with %v, want 1012", err)
			}
			ends <- time.Now()
		}()
	}
	g.subscribed(t, n)
	g.live.Drain(t.Context())
	first, last := time.Time{}, time.Time{}
	for range n {
		at := <-ends
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	return last.Sub(first)
}

// TestDrainSocket ends connections while a query is under way on one, and a
// mutation on another: both are answered before.
func TestDrainSocket(t *testing.T) {
	d := newDam("/teams/org")
	g := assemble(t, parts{drift: d.sandbox()})
	s := g.dial(t)
	s.subscribe(t, "q", `{ teams { name } }`)
	<-d.reached
	drained := make(chan struct{})
	go func() {
		g.live.Drain(t.Context())
		close(drained)
	}()
	eventually(t, func() bool {
		res, err := http.Get(g.url + "/graphql?query=subscription%7BcontactUpdated%7Bid%7D%7D")
		if err == nil {
			res.Body.Close()
		}
		return err == nil
	})
	select {
	case <-drained:
		t.Error("it ends with a query under way")
	default:
	}
	close(d.opened)
	s.next(t).mustSucceed(t)
	if m := s.read(t); m.Type != "complete" {
		t.Errorf("after the result comes %+v", m)
	}
	if _, _, err := s.conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("the connection ends with %v, want 1012", err)
	}
	<-drained
}

// A process is the program in a process of its own.
type process struct {
	*exec.Cmd
	url    string
	exited chan error
	stdout *logbook
}

// startProcess runs the program until it serves.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], args...), exited: make(chan error, 1), stdout: new(logbook)}
	p.Env = append(os.Environ(), asProgram+"=1", "LISTEN_ADDR=127.0.0.1:0")
	p.Stdout, p.Stderr = p.stdout, p.stdout
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	var gone atomic.Bool
	go func() {
		err := p.Wait()
		gone.Store(true)
		p.exited <- err
	}()
	eventually(t, func() bool {
		p.url = serves.FindString(p.stdout.String())
		return p.url != "" || gone.Load()
	})
	if p.url == "" {
		t.Fatalf("it ends: %s", p.stdout)
	}
	return p
}

// TestSignals sends the program the signals that end it. After the first it
// still takes requests while /readyz says that it will not for long; a second
// ends it at once.
func TestSignals(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	t.Setenv("GOMEMLIMIT", "123MiB")
	p := startProcess(t, "--drain-delay=1h")
	g := &gateway{url: p.url}
	if limit := scrapeMetrics(t, p.url).value("go_gc_gomemlimit_bytes"); limit != 123<<20 {
		t.Errorf("GOMEMLIMIT is %v, not as it was set", limit)
	}
	g.get(t, `{ viewer { caller } }`)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		res, err := http.Get(p.url + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode == http.StatusServiceUnavailable
	})
	body, _ := json.Marshal(map[string]string{"query": `{ teams { name } }`})
	res, err := http.Post(p.url+"/graphql", "application/json", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || !res.Close {
		t.Errorf("meanwhile a query is answered %d, and the connection stays open: %t", res.StatusCode, !res.Close)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-p.exited; err == nil {
		t.Error("a second signal ends it as if nothing was under way")
	}

	p = startProcess(t, "--drain-delay=1ms")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-p.exited; err != nil {
		t.Errorf("a signal ends it with %v\n%s", err, p.stdout)
	}
}
