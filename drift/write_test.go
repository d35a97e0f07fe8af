package drift_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// A write is a method that changes something, with what Drift answers to it.
type write struct {
	name   string
	answer string
	call   func(context.Context, *drift.Client) error
}

// writes are all methods that change something.
func writes() []write {
	const (
		done    = `{"result":"OK","ok":true}`
		contact = `{"data":{"id":17,"createdAt":1,"attributes":{}}}`
		account = `{"data":{"accountId":"1_a.com","ownerId":2}}`
	)
	none := jsontext.Value(`{}`)
	return []write{
		{"CreateContact", contact, func(ctx context.Context, c *drift.Client) error {
			_, err := c.CreateContact(ctx, drift.NewContact{Email: "a@a.com"})
			return err
		}},
		{"UpdateContact", contact, func(ctx context.Context, c *drift.Client) error {
			_, err := c.UpdateContact(ctx, 17, none)
			return err
		}},
		{"UpdateContactByExternalID", contact, func(ctx context.Context, c *drift.Client) error {
			_, err := c.UpdateContactByExternalID(ctx, "x", none)
			return err
		}},
		{"DeleteContact", done, func(ctx context.Context, c *drift.Client) error { return c.DeleteContact(ctx, 17) }},
		{"UnsubscribeEmails", done, func(ctx context.Context, c *drift.Client) error {
			return c.UnsubscribeEmails(ctx, []string{"a@a.com"})
		}},
		{"CreateTimelineEvent", `{"data":{"contactId":17,"event":"e"}}`, func(ctx context.Context, c *drift.Client) error {
			_, err := c.CreateTimelineEvent(ctx, drift.NewTimelineEvent{ContactID: 17, Event: "e"})
			return err
		}},
		{"StartConversation", `{"id":3}`, func(ctx context.Context, c *drift.Client) error {
			_, err := c.StartConversation(ctx, drift.NewConversation{Email: "a@a.com", Body: "b"})
			return err
		}},
		{"SendMessage", `{"data":{"id":4,"conversationId":3}}`, func(ctx context.Context, c *drift.Client) error {
			_, err := c.SendMessage(ctx, 3, drift.NewMessage{Body: "b"})
			return err
		}},
		{"UpdateUser", `{"data":{"id":2}}`, func(ctx context.Context, c *drift.Client) error {
			_, err := c.UpdateUser(ctx, 2, drift.UserChanges{})
			return err
		}},
		{"CreateAccount", account, func(ctx context.Context, c *drift.Client) error {
			_, err := c.CreateAccount(ctx, drift.NewAccount{OwnerID: 2})
			return err
		}},
		{"UpdateAccount", account, func(ctx context.Context, c *drift.Client) error {
			_, err := c.UpdateAccount(ctx, "1_a.com", drift.AccountChanges{OwnerID: 2})
			return err
		}},
		{"DeleteAccount", done, func(ctx context.Context, c *drift.Client) error { return c.DeleteAccount(ctx, "1_a.com") }},
		{"RequestDataRetrieval", `{"data":{"message":"m"}}`, func(ctx context.Context, c *drift.Client) error {
			_, err := c.RequestDataRetrieval(ctx, "a@a.com")
			return err
		}},
		{"RequestDataDeletion", `{"data":{"message":"m"}}`, func(ctx context.Context, c *drift.Client) error {
			_, err := c.RequestDataDeletion(ctx, "a@a.com")
			return err
		}},
	}
}

// checkOutcome fails the test if err is not of the kind, or does not say whether
// the write may have taken effect, in its text too.
func checkOutcome(t *testing.T, err, kind error, unknown bool) {
	t.Helper()
	checkKind(t, err, kind)
	if got := errors.Is(err, drift.ErrOutcomeUnknown); got != unknown {
		t.Errorf("%q: that the outcome is unknown is %v, want %v", err, got, unknown)
	}
	if got := err != nil && strings.Contains(err.Error(), drift.ErrOutcomeUnknown.Error()); got != unknown {
		t.Errorf("%q: that it tells of an unknown outcome is %v, want %v", err, got, unknown)
	}
}

// TestLostAnswers checks that a write whose answer is lost says that it may have
// taken effect, and one that was refused says no such thing. Nothing is sent
// twice but reads that may do better.
func TestLostAnswers(t *testing.T) {
	status := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			fmt.Fprint(w, `{"error":{"type":"validation_error"}}`)
		}
	}
	tests := []struct {
		name    string
		answer  http.HandlerFunc
		kind    error
		unknown bool
		again   bool // a read is sent again
	}{
		{"no answer", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, drift.ErrTimeout, true, true},
		{"hung up", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, drift.ErrUnavailable, true, true},
		{"not HTTP", func(w http.ResponseWriter, r *http.Request) { hijack(t, w, "hello\r\n\r\n") }, drift.ErrUnavailable, true, true},
		{"body that never ends", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, drift.ErrTimeout, true, true},
		{"body that is cut", func(w http.ResponseWriter, r *http.Request) {
			hijack(t, w, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
		}, drift.ErrInvalid, true, true},
		{"HTML", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") }, drift.ErrInvalid, true, false},
		{"nothing", func(w http.ResponseWriter, r *http.Request) {}, drift.ErrInvalid, true, true},
		{"other JSON", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"data":{}}`) }, drift.ErrInvalid, true, false},
		{"see other", status(303), drift.ErrInvalid, true, false},
		{"redirect that keeps the method", status(307), drift.ErrInvalid, true, false},
		{"fault", status(500), drift.ErrUnavailable, true, true},
		{"fault of a gateway", status(504), drift.ErrUnavailable, true, true},
		{"bad request", status(400), drift.ErrRefused, false, false},
		{"token", status(401), drift.ErrUnauthorized, false, false},
		{"scope", status(403), drift.ErrForbidden, false, false},
		{"unknown id", status(404), drift.ErrNotFound, false, false},
		{"conflict", status(409), drift.ErrRefused, false, false},
		{"limit", status(429), drift.ErrRateLimited, false, false},
		{"refusal that is cut", func(w http.ResponseWriter, r *http.Request) {
			hijack(t, w, "HTTP/1.1 409 Conflict\r\nContent-Length: 1000\r\n\r\n{")
		}, drift.ErrRefused, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int32
			base := listen(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				io.Copy(io.Discard, r.Body) // so that the handler learns when the client is gone
				tt.answer(w, r)
			})
			var o drift.Options
			if tt.kind == drift.ErrTimeout {
				o.Timeout = 300 * time.Millisecond // enough for a request to arrive
			}
			client := dial(t, base, o)
			var group sync.WaitGroup
			for _, w := range writes() {
				group.Go(func() { checkOutcome(t, w.call(t.Context(), client), tt.kind, tt.unknown) })
			}
			group.Go(func() {
				_, err := client.User(t.Context(), 1)
				checkOutcome(t, err, tt.kind, false)
			})
			group.Wait()
			want := len(writes()) + 1
			if tt.again {
				want++
			}
			if got := int(asked.Load()); got != want {
				t.Errorf("%d requests came for %d calls", got, want)
			}
		})
	}
}

// TestLostStreams checks the same over HTTP/2, where a connection carries many
// calls and the answer of one can be lost alone.
func TestLostStreams(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("it came by %s", r.Proto)
		}
		asked.Add(1)
		panic(http.ErrAbortHandler)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := dial(t, server.URL, drift.Options{})
	client.Trust(server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs)
	for i, w := range writes() {
		t.Run(w.name, func(t *testing.T) {
			checkOutcome(t, w.call(t.Context(), client), drift.ErrUnavailable, true)
			if got := int(asked.Load()); got != i+1 {
				t.Errorf("%d requests came for %d writes", got, i+1)
			}
		})
	}
	_, err := client.User(t.Context(), 1)
	checkOutcome(t, err, drift.ErrUnavailable, false)
}

// TestWatch checks that a request whose connection took nothing of it counts as
// not sent until it has another. When a connection ends at that moment is not for
// a test to choose.
func TestWatch(t *testing.T) {
	var sent atomic.Bool
	trace := httptrace.ContextClientTrace(drift.Watch(t.Context(), &sent))
	for i, step := range []struct {
		next func()
		want bool
	}{
		{func() { trace.GetConn("") }, false},
		{func() { trace.GotConn(httptrace.GotConnInfo{Reused: true}) }, true},
		{func() { trace.GetConn("") }, false},
		{func() { trace.GotConn(httptrace.GotConnInfo{}) }, true},
	} {
		if step.next(); sent.Load() != step.want {
			t.Errorf("after step %d it counts as sent: %v, want %v", i, sent.Load(), step.want)
		}
	}
}

// TestGivenUpWrites checks that a caller who gives up a write that was sent is
// told that it may have taken effect.
func TestGivenUpWrites(t *testing.T) {
	for _, w := range writes() {
		t.Run(w.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				cancel()
				<-r.Context().Done()
			})
			checkOutcome(t, w.call(ctx, client), context.Canceled, true)
		})
	}
}

// TestUnsentWrites checks that a write that never left does not say that it may
// have taken effect.
func TestUnsentWrites(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + closed.Addr().String()
	closed.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	somebody := listen(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) })

	spent := errors.New("spent")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		base string
		o    drift.Options
		kind error
	}{
		{"refused connection", t.Context(), nobody, drift.Options{}, drift.ErrUnavailable},
		{"certificate", t.Context(), secure.URL, drift.Options{}, drift.ErrUnavailable},
		{"caller who is gone", gone, somebody, drift.Options{}, context.Canceled},
		{"no token", t.Context(), somebody, drift.Options{Auth: fixedAuth{err: drift.ErrUnauthorized}}, drift.ErrUnauthorized},
		{"token that is none", t.Context(), somebody, drift.Options{Auth: fixedAuth{token: "a b"}}, drift.ErrUnauthorized},
		{"not admitted", t.Context(), somebody, drift.Options{Admit: func(context.Context, drift.Call) error { return spent }}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := dial(t, tt.base, tt.o)
			for _, w := range writes() {
				err := w.call(tt.ctx, client)
				checkOutcome(t, err, tt.kind, false)
				if tt.kind == nil && !errors.Is(err, spent) {
					t.Errorf("%s: got %v, want %v", w.name, err, spent)
				}
			}
		})
	}
}

// TestWaitingWrites checks the same for a write that waits for its turn.
func TestWaitingWrites(t *testing.T) {
	started, finish := make(chan struct{}), make(chan struct{})
	base := listen(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/users/list" {
			t.Errorf("%s %s was sent", r.Method, r.URL)
		}
		close(started)
		<-finish
		io.WriteString(w, `{"data":[]}`)
	})
	client := dial(t, base, drift.Options{Concurrency: 1})
	first := make(chan error)
	go func() {
		_, err := client.Users(t.Context())
		first <- err
	}()
	<-started
	for _, w := range writes() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		checkOutcome(t, w.call(ctx, client), context.DeadlineExceeded, false)
		cancel()
	}
	close(finish)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// TestUnwritableWrites checks that what cannot be written as JSON is not sent.
func TestUnwritableWrites(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) })
	ctx := t.Context()
	for _, attributes := range []string{`{`, `{"a":1,"a":2}`, `[]`, "{\"a\":\"\xff\"}"} {
		_, err := client.CreateContact(ctx, drift.NewContact{Email: "a@a.com", Attributes: jsontext.Value(attributes)})
		checkOutcome(t, err, drift.ErrRefused, false)
	}
	_, err := client.UpdateContact(ctx, 17, jsontext.Value(`{`))
	checkOutcome(t, err, drift.ErrRefused, false)
	_, err = client.CreateContact(ctx, drift.NewContact{Email: "\xff"})
	checkOutcome(t, err, drift.ErrRefused, false)
	_, err = client.StartConversation(ctx, drift.NewConversation{Email: "a@a.com", Body: "\xff"})
	checkOutcome(t, err, drift.ErrRefused, false)
	_, err = client.UpdateUser(ctx, 2, drift.UserChanges{Name: drift.Set(new("\xff"))})
	checkOutcome(t, err, drift.ErrRefused, false)
	for _, id := range []string{"", ".", ".."} {
		checkOutcome(t, client.DeleteAccount(ctx, id), drift.ErrNotFound, false)
	}
	if err := client.UnsubscribeEmails(ctx, nil); err != nil {
		t.Errorf("no addresses: %v", err)
	}
}

// TestClosedConnections hangs up on requests that come over a connection which
// was used before, as a server does that finds it idle for too long. A read goes
// out again, a write does not: it may have been carried out.
func TestClosedConnections(t *testing.T) {
	var asked atomic.Int32 // requests over the connection and after it
	var answer string
	base := listen(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/users/list" {
			io.WriteString(w, `{"data":[]}`)
			return
		}
		if asked.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, answer)
	})
	warm := func(t *testing.T) *drift.Client {
		client := dial(t, base, drift.Options{})
		if _, err := client.Users(t.Context()); err != nil {
			t.Fatal(err)
		}
		asked.Store(0)
		return client
	}
	reads := map[string]func(*drift.Client) error{
		`{"data":{"id":1}}`: func(c *drift.Client) error { _, err := c.User(t.Context(), 1); return err },
		`{"data":[]}`: func(c *drift.Client) error {
			_, err := c.ConversationReport(t.Context(), drift.ReportQuery{})
			return err
		},
		`{"authenticated_userid":"orgId:1"}`: func(c *drift.Client) error { _, err := c.TokenInfo(t.Context()); return err },
	}
	for body, read := range reads {
		client := warm(t)
		answer = body
		if err := read(client); err != nil || asked.Load() != 2 {
			t.Errorf("a read that answers %s came %d times, %v", body, asked.Load(), err)
		}
	}
	for _, w := range writes() {
		t.Run(w.name, func(t *testing.T) {
			client := warm(t)
			answer = w.answer
			checkOutcome(t, w.call(t.Context(), client), drift.ErrUnavailable, true)
			if got := asked.Load(); got != 1 {
				t.Errorf("it was sent %d times", got)
			}
			if err := w.call(t.Context(), client); err != nil { // so the answer is one that it takes
				t.Error(err)
			}
		})
	}
}

// TestRenewedWrites checks that a write whose token was not accepted is sent
// again with a new one, once, and what is said if that goes wrong.
func TestRenewedWrites(t *testing.T) {
	tests := []struct {
		name    string
		second  int // status of the answer to the second request; 0 hangs up
		kind    error
		unknown bool
	}{
		{"taken", 200, nil, false},
		{"lost", 0, drift.ErrUnavailable, true},
		{"refused", 401, drift.ErrUnauthorized, false},
	}
	for _, tt := range tests {
		for _, w := range writes() {
			t.Run(tt.name+" "+w.name, func(t *testing.T) {
				var mu sync.Mutex // that a client sees a connection end puts nothing in order
				var tokens []string
				base := listen(t, func(rw http.ResponseWriter, r *http.Request) {
					mu.Lock()
					defer mu.Unlock()
					tokens = append(tokens, r.Header.Get("Authorization"))
					switch {
					case len(tokens) == 1:
						rw.WriteHeader(http.StatusUnauthorized)
					case tt.second == 0:
						panic(http.ErrAbortHandler)
					default:
						rw.WriteHeader(tt.second)
						io.WriteString(rw, w.answer)
					}
				})
				client := dial(t, base, drift.Options{Auth: fixedAuth{token: "old", next: "new"}})
				err := w.call(t.Context(), client)
				if tt.kind == nil && err != nil {
					t.Error(err)
				} else if tt.kind != nil {
					checkOutcome(t, err, tt.kind, tt.unknown)
				}
				mu.Lock()
				defer mu.Unlock()
				if diff := cmp.Diff([]string{"Bearer old", "Bearer new"}, tokens); diff != "" {
					t.Errorf("the requests are not as expected (-want +got):\n%s", diff)
				}
			})
		}
	}
	client := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	for _, w := range writes() { // there is no other token
		checkOutcome(t, w.call(t.Context(), client), drift.ErrUnauthorized, false)
	}
}

// TestAcknowledgements checks what counts as done where there is no record.
func TestAcknowledgements(t *testing.T) {
	tests := []struct {
		status int
		body   string
		ok     bool
	}{
		{200, `{"result":"OK","ok":true}`, true},
		{202, `{"result":"OK","ok":true}`, true},
		{200, `{"result":"ok"}`, true},
		{200, `{"ok":true}`, true},
		{202, ``, true},
		{204, ``, true},
		{200, ``, false},
		{200, `{}`, false},
		{202, `{"result":"OK","ok":false}`, false},
		{202, `<html>`, false},
		{200, `[]`, false},
	}
	for _, tt := range tests {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		})
		err := client.DeleteContact(t.Context(), 17)
		if tt.ok && err != nil {
			t.Errorf("status %d with %q: %v", tt.status, tt.body, err)
		} else if !tt.ok {
			checkOutcome(t, err, drift.ErrInvalid, true)
		}
	}
}

// TestWrittenRecords checks answers in other forms than the samples have.
func TestWrittenRecords(t *testing.T) {
	ctx := t.Context()
	send := func(c *drift.Client) (any, error) { return c.SendMessage(ctx, 3, drift.NewMessage{Body: "b"}) }
	start := func(c *drift.Client) (any, error) {
		return c.StartConversation(ctx, drift.NewConversation{Email: "a@a.com", Body: "b"})
	}
	event := func(c *drift.Client) (any, error) {
		return c.CreateTimelineEvent(ctx, drift.NewTimelineEvent{ContactID: 17, Event: "e"})
	}
	rename := func(domain drift.Change[string]) func(*drift.Client) (any, error) {
		return func(c *drift.Client) (any, error) {
			return c.UpdateAccount(ctx, "1_a.com", drift.AccountChanges{OwnerID: 2, Domain: domain})
		}
	}
	message := &drift.Message{ID: 4, ConversationID: 3}
	tests := []struct {
		name, body string
		call       func(*drift.Client) (any, error)
		want       any // nil for an answer that cannot be read
	}{
		{"message without conversation", `{"data":{"id":4}}`, send, message},
		{"bare message, ids as strings", `{"id":"4","conversationId":"3"}`, send, message},
		{"last of several messages", `{"data":{"messages":[{"id":9,"createdAt":1},{"id":4,"createdAt":2},{"id":3,"createdAt":2}]}}`, send, &drift.Message{ID: 4, ConversationID: 3, CreatedAt: 2}},
		{"message of another conversation", `{"data":{"id":4,"conversationId":5}}`, send, nil},
		{"no messages", `{"data":{"messages":[]}}`, send, nil},
		{"messages that are none", `{"data":{"messages":[{}]}}`, send, nil},
		{"conversation in an envelope", `{"data":{"id":3}}`, start, &drift.Conversation{ID: 3}},
		{"conversation without id", `{"data":{"status":"open"}}`, start, nil},
		{"event with an id as a string", `{"data":{"contactId":"17","event":"e"}}`, event, &drift.TimelineEvent{ContactID: 17, Event: "e"}},
		{"event of another contact", `{"data":{"contactId":18,"event":"e"}}`, event, nil},
		{"event of nobody", `{"data":{"event":"e"}}`, event, nil},
		{"account that has another id with its domain", `{"data":{"accountId":"1_b.com"}}`, rename(drift.Set(new("b.com"))), &drift.Account{ID: "1_b.com"}},
		{"other account", `{"data":{"accountId":"1_b.com"}}`, rename(drift.Change[string]{}), nil},
		{"other user", `{"data":{"id":3}}`, func(c *drift.Client) (any, error) { return c.UpdateUser(ctx, 2, drift.UserChanges{}) }, nil},
		{"other contact", `{"data":{"id":3}}`, func(c *drift.Client) (any, error) { return c.UpdateContact(ctx, 2, jsontext.Value("{}")) }, nil},
		{"request without message", `{"data":{}}`, func(c *drift.Client) (any, error) { return c.RequestDataDeletion(ctx, "a@a.com") }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, tt.body) })
			got, err := tt.call(client)
			if tt.want == nil {
				checkOutcome(t, err, drift.ErrInvalid, true)
			} else if err != nil {
				t.Error(err)
			} else if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("it is not as expected (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNewContacts checks what is sent where fields and attributes meet.
func TestNewContacts(t *testing.T) {
	tests := []struct {
		contact drift.NewContact
		want    string
	}{
		{drift.NewContact{Email: "a@a.com"}, `{"attributes":{"email":"a@a.com"}}`},
		{drift.NewContact{Email: "a@a.com", Attributes: jsontext.Value(`null`)}, `{"attributes":{"email":"a@a.com"}}`},
		{drift.NewContact{}, `{"attributes":{}}`},
		{drift.NewContact{Attributes: jsontext.Value(`{"email":"b@a.com"}`)}, `{"attributes":{"email":"b@a.com"}}`},
		{
			drift.NewContact{Email: "a@a.com", ExternalID: "x", Attributes: jsontext.Value(`{"external_id":"y","email":"b@a.com","seats":9007199254740993}`)},
			`{"attributes":{"email":"a@a.com","externalId":"x","seats":9007199254740993}}`,
		},
	}
	for _, tt := range tests {
		var got []byte
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			var err error
			if got, err = io.ReadAll(r.Body); err != nil {
				t.Error(err)
			}
			io.WriteString(w, `{"data":{"id":1}}`)
		})
		if _, err := client.CreateContact(t.Context(), tt.contact); err != nil || string(got) != tt.want {
			t.Errorf("%+v is sent as %s, %v; want %s", tt.contact, got, err, tt.want)
		}
	}
}

// A fixedAuth has a token, and one to come after it.
type fixedAuth struct {
	token, next string
	err         error // of Token
}

func (a fixedAuth) Token(context.Context) (string, error) { return a.token, a.err }

func (a fixedAuth) Renew(context.Context, string) (string, error) { return a.next, nil }

func (a fixedAuth) Identity() []byte { return []byte(a.token) }
