package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/driftgraph/driftgraph/auth"
)

// watcher notes who subscriptions are executed for, and bars one caller.
type watcher struct {
	barred string

	mu  sync.Mutex
	ran map[string]int // by caller and document, once a caller is told of an event
}

func (*watcher) ExtensionName() string                   { return "Watcher" }
func (*watcher) Validate(graphql.ExecutableSchema) error { return nil }

func (w *watcher) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	if auth.CallerOf(ctx).Name == w.barred {
		return &gqlerror.Error{Message: "barred", Extensions: map[string]any{"code": "FORBIDDEN"}}
	}
	return nil
}

func (w *watcher) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ran[auth.CallerOf(ctx).Name+": "+graphql.GetOperationContext(ctx).RawQuery]++
	return next(ctx)
}

// TestToldTogether has many subscribers of three callers hear of one event: it is
// executed once for each caller and each document, and judged for each caller.
func TestToldTogether(t *testing.T) {
	w := &watcher{ran: map[string]int{}}
	may := auth.Permissions()
	callers := map[string]*auth.Caller{"one": {Name: "one", Permissions: may}, "other": {Name: "other", Permissions: may}, "barred": {Name: "barred", Permissions: may}}
	g := assemble(t, parts{use: w, guard: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if c := callers[r.URL.Query().Get("caller")]; c != nil {
				r = r.WithContext(auth.WithCaller(r.Context(), c))
			}
			next.ServeHTTP(rw, r)
		})
	}})
	const byName, byID = "subscription { contactUpdated { name } }", "subscription { contactUpdated { driftId } }"
	heard := map[string][]*socket{}
	total := 0
	for name := range callers {
		for _, query := range []string{byName, byID} {
			for range 5 {
				s := g.dialAs(t, name)
				s.subscribe(t, "1", query)
				heard[name+": "+query] = append(heard[name+": "+query], s)
				total++
			}
		}
	}
	g.subscribed(t, total)
	w.mu.Lock()
	clear(w.ran)
	w.barred = "barred"
	w.mu.Unlock()
	id := g.drift.Fixtures().EnrichedContactID
	g.post(t, "POST", webhookSecret, fmt.Sprintf(`{"type":"contact_updated","data":{"endUserId":%d}}`, id))
	answers := map[string]string{}
	for who, sockets := range heard {
		for _, s := range sockets {
			m := s.read(t)
			if barred := bytes.HasPrefix([]byte(who), []byte("barred")); barred != (m.Type == "error") {
				t.Errorf("%s is told %s %s", who, m.Type, m.Payload)
			}
			if first := answers[who]; first != "" && first != string(m.Payload) {
				t.Errorf("%s is told %s, and %s", who, first, m.Payload)
			}
			answers[who] = string(m.Payload)
		}
	}
	if a, b := answers["one: "+byName], answers["one: "+byID]; a == b {
		t.Errorf("who asks for two things is told the same: %s", a)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for who := range heard {
		want := 1
		if bytes.HasPrefix([]byte(who), []byte("barred")) {
			want = 0
		}
		if w.ran[who] != want {
			t.Errorf("it is executed %d times for %s, want %d", w.ran[who], who, want)
		}
	}
}

// TestFirstLeaves has the subscriber for whom an event is executed vanish
// meanwhile: the others are told all the same.
func TestFirstLeaves(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	g := assemble(t, parts{front: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			once.Do(func() { close(asked) })
			<-release
			next.ServeHTTP(w, r)
		})
	}})
	id := g.drift.Fixtures().EnrichedContactID
	var sockets []*socket
	for range 10 {
		sockets = append(sockets, g.listenBySocket(t, fmt.Sprintf("subscription { contactUpdated(contactId: %d) { name } }", id)))
	}
	g.subscribed(t, len(sockets))
	g.post(t, "POST", webhookSecret, fmt.Sprintf(`{"type":"contact_updated","data":{"endUserId":%d}}`, id))
	<-asked
	for _, s := range sockets[1:] { // the first is among them, as a rule
		_ = s.conn.CloseNow()
	}
	g.subscribed(t, 1)
	close(release)
	if r := sockets[0].next(t); len(r.Errors) > 0 || at(r.data(t), "contactUpdated.name") == nil {
		t.Errorf("who stays is told %s", r.Text)
	}
}

// dialAs opens a connection of a caller's, and begins.
func (g *gateway) dialAs(t *testing.T, caller string) *socket {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), g.url+"/graphql?caller="+caller, &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	s := &socket{conn}
	s.write(t, wireMessage{Type: "connection_init"})
	if m := s.read(t); m.Type != "connection_ack" {
		t.Fatalf("it begins with %+v", m)
	}
	return s
}
