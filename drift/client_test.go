package drift_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/google/go-cmp/cmp"
)

// kinds are all kinds of failure.
var kinds = []error{
	drift.ErrNotFound, drift.ErrUnauthorized, drift.ErrForbidden, drift.ErrRateLimited, drift.ErrRefused,
	drift.ErrTimeout, drift.ErrUnavailable, drift.ErrInvalid, context.Canceled, context.DeadlineExceeded,
}

// checkKind fails the test if err is not of the given kind, or also of another.
func checkKind(t *testing.T, err, want error) {
	t.Helper()
	for _, kind := range kinds {
		if got := errors.Is(err, kind); got != (kind == want) {
			t.Errorf("%q: being %q is %v, want it to be %q", err, kind, got, want)
		}
	}
}

func TestNew(t *testing.T) {
	tests := []struct {
		name string
		o    drift.Options
		ok   bool
	}{
		{"defaults", drift.Options{Auth: drift.StaticToken("x")}, true},
		{"path", drift.Options{BaseURL: "http://127.0.0.1:1/drift/", Auth: drift.StaticToken("x")}, true},
		{"no auth", drift.Options{}, false},
		{"no token", drift.Options{Auth: drift.StaticToken("")}, false},
		{"token with a line break", drift.Options{Auth: drift.StaticToken("x\n")}, false},
		{"relative URL", drift.Options{BaseURL: "/api", Auth: drift.StaticToken("x")}, false},
		{"host without scheme", drift.Options{BaseURL: "driftapi.com", Auth: drift.StaticToken("x")}, false},
		{"other scheme", drift.Options{BaseURL: "ftp://driftapi.com", Auth: drift.StaticToken("x")}, false},
		{"no host", drift.Options{BaseURL: "https://", Auth: drift.StaticToken("x")}, false},
		{"user", drift.Options{BaseURL: "https://me:pw@driftapi.com", Auth: drift.StaticToken("x")}, false},
		{"query", drift.Options{BaseURL: "https://driftapi.com?x", Auth: drift.StaticToken("x")}, false},
		{"broken URL", drift.Options{BaseURL: "https://%zz", Auth: drift.StaticToken("x")}, false},
		{"timeout", drift.Options{Timeout: -1, Auth: drift.StaticToken("x")}, false},
		{"concurrency", drift.Options{Concurrency: -1, Auth: drift.StaticToken("x")}, false},
		{"body", drift.Options{MaxBodyBytes: -1, Auth: drift.StaticToken("x")}, false},
	}
	for _, tt := range tests {
		if _, err := drift.New(tt.o); (err == nil) != tt.ok {
			t.Errorf("%s: got %v", tt.name, err)
		} else if err != nil && (strings.Contains(err.Error(), "pw") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %q tells the secret", tt.name, err)
		}
	}
}

func TestBaseURLWithPath(t *testing.T) {
	base := listen(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/drift/users/7" {
			t.Errorf("asked %s", r.URL)
		}
		fmt.Fprint(w, `{"data":{"id":7}}`)
	})
	if _, err := dial(t, base+"/drift/", drift.Options{}).User(t.Context(), 7); err != nil {
		t.Error(err)
	}
}

func TestAccountIDs(t *testing.T) {
	tests := []struct{ id, path string }{
		{"48213_northwind.example.com", "/accounts/48213_northwind.example.com"},
		{"1_a b", "/accounts/1_a%20b"},
		{"../users/list", "/accounts/..%2Fusers%2Flist"},
		{"a?b#c%", "/accounts/a%3Fb%23c%25"},
		{"{id}", "/accounts/%7Bid%7D"},
		{"å", "/accounts/%C3%A5"},
		{"", ""},
		{".", ""},
		{"..", ""},
	}
	for _, tt := range tests {
		asked := ""
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			asked = r.RequestURI
			w.WriteHeader(http.StatusNotFound)
		})
		_, err := client.Account(t.Context(), tt.id)
		checkKind(t, err, drift.ErrNotFound)
		if asked != tt.path {
			t.Errorf("the account %q is asked for with %q, want %q", tt.id, asked, tt.path)
		}
	}
}

// TestRefusedQueries checks what is refused, or answered, without a call.
func TestRefusedQueries(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s was asked", r.URL) })
	ctx := t.Context()
	_, err := client.UsersByID(ctx, make([]drift.ID, drift.MaxUserIDs+1))
	checkKind(t, err, drift.ErrRefused)
	_, err = client.ContactsByExternalID(ctx, make([]string, drift.MaxExternalIDs+1))
	checkKind(t, err, drift.ErrRefused)
	_, err = client.ContactsByEmail(ctx, drift.ContactQuery{Email: "a", Page: "%zz"})
	checkKind(t, err, drift.ErrRefused)
	_, err = client.Conversations(ctx, drift.ConversationQuery{Statuses: []drift.ConversationStatus{drift.ConversationBulkSent}})
	checkKind(t, err, drift.ErrRefused)
	_, err = client.ConversationReport(ctx, drift.ReportQuery{Filters: []drift.ReportFilter{{Values: []any{make(chan int)}}}})
	checkKind(t, err, drift.ErrRefused)
	if users, err := client.UsersByID(ctx, nil); len(users) != 0 || err != nil {
		t.Errorf("no ids give the users %v, %v", users, err)
	}
	if contacts, err := client.ContactsByExternalID(ctx, nil); len(contacts) != 0 || err != nil {
		t.Errorf("no ids give the contacts %v, %v", contacts, err)
	}
}

func TestRequestBodies(t *testing.T) {
	var got string
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = string(body)
		if kind := r.Header.Get("Content-Type"); kind != "application/json" {
			t.Errorf("the content type is %q", kind)
		}
		if keys := r.Header.Values("Idempotency-Key"); keys != nil {
			t.Errorf("the idempotency keys %q were sent", keys)
		}
		fmt.Fprint(w, `{"authenticated_userid":"orgId:1","data":[]}`)
	})
	// Read as it is by the report, and not at all as a token: the bodies matter.
	_, err := client.ConversationReport(t.Context(), drift.ReportQuery{
		Filters: []drift.ReportFilter{{Property: "endUserId", Operation: "IN", Values: []any{drift.ID(9007199254740993), "x", true}}},
		Metrics: []string{"createdAt"},
	})
	if err != nil {
		t.Error(err)
	}
	want := `{"filters":[{"property":"endUserId","operation":"IN","values":[9007199254740993,"x",true]}],"metrics":["createdAt"]}`
	if got != want {
		t.Errorf("a report is asked for with %s, want %s", got, want)
	}
	client.TokenInfo(t.Context())
	if want := `{"access_token":"` + token + `"}`; got != want {
		t.Errorf("the token is asked for with %s, want %s", got, want)
	}
}

func TestStatuses(t *testing.T) {
	tests := []struct {
		status int
		want   error
	}{
		{204, drift.ErrInvalid}, // no record in it
		{302, drift.ErrInvalid},
		{304, drift.ErrInvalid},
		{400, drift.ErrRefused},
		{401, drift.ErrUnauthorized},
		{403, drift.ErrForbidden},
		{404, drift.ErrNotFound},
		{405, drift.ErrRefused},
		{409, drift.ErrRefused},
		{429, drift.ErrRateLimited},
		{500, drift.ErrUnavailable},
		{503, drift.ErrUnavailable},
		{599, drift.ErrUnavailable},
	}
	for _, tt := range tests {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(tt.status) })
		_, err := client.Contact(t.Context(), 17)
		checkKind(t, err, tt.want)
		if e, ok := errors.AsType[*drift.Error](err); !ok || e.Status != tt.status || e.Method != "GET" || e.Route != "/contacts/{id}" {
			t.Errorf("status %d gives %#v", tt.status, e)
		}
	}
}

func TestProblems(t *testing.T) {
	tests := []struct {
		name, body string
		want       drift.Error
	}{
		{"documented", `{"error":{"type":"not_found","message":"no such thing"}}`, drift.Error{Type: "not_found", Message: "no such thing"}},
		{"older", `{"errors":[{"type":"a","message":"b","param":"limit"},{"type":"c"}],"data":null}`, drift.Error{Type: "a", Message: "b", Param: "limit", Others: []drift.Problem{{Type: "c"}}}},
		{"code in type", `{"error":{"type":"CONTACT-6","message":"x"}}`, drift.Error{Type: "CONTACT-6", Code: "CONTACT-6", Message: "x"}},
		{"code in code", `{"error":{"type":"conflict","code":"CONTACT-11"}}`, drift.Error{Type: "conflict", Code: "CONTACT-11"}},
		{"code in message", `{"error":{"message":"[CONTACT-9] bad tag"}}`, drift.Error{Code: "CONTACT-9", Message: "[CONTACT-9] bad tag"}},
		{"code in older", `{"errors":[{"message":"CONTACT-4: no"}]}`, drift.Error{Code: "CONTACT-4", Message: "CONTACT-4: no"}},
		{"other code", `{"error":{"code":400,"message":"XCONTACT-4"}}`, drift.Error{Message: "XCONTACT-4"}},
		{"string", `{"error":"invalid_grant"}`, drift.Error{}},
		{"number", `5`, drift.Error{}},
		{"HTML", `<html>CONTACT-6</html>`, drift.Error{}},
		{"nothing", ``, drift.Error{}},
		{"cut", `{"error":{"type":"CONTACT-6`, drift.Error{}},
		{"large", `{"error":{"type":"x","message":"` + strings.Repeat("y", 1<<20) + `"}}`, drift.Error{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusNotFound) // which counts, whatever the body says
				fmt.Fprint(w, tt.body)
			})
			_, err := client.User(t.Context(), 17)
			got, ok := errors.AsType[*drift.Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			tt.want.Method, tt.want.Route, tt.want.Status = "GET", "/users/{id}", 404
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("the error is not as expected (-want +got):\n%s", diff)
			}
			checkKind(t, err, drift.ErrNotFound)
		})
	}
}

func TestRetryAfter(t *testing.T) {
	const day = "Tue, 18 Jun 2024 12:00:00 GMT"
	tests := []struct {
		value string
		want  time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"7", 7 * time.Second},
		{"-7", 0},
		{"1.5", 0},
		{"99999999999", 24 * time.Hour},
		{"soon", 0},
		{"Tue, 18 Jun 2024 12:00:30 GMT", 30 * time.Second},
		{"Tue, 18 Jun 2024 11:00:00 GMT", 0},
		{"Sun, 18 Jun 2034 12:00:00 GMT", 24 * time.Hour},
	}
	for _, tt := range tests {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", day)
			if tt.value != "" {
				w.Header().Set("Retry-After", tt.value)
			}
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := client.Users(t.Context())
		if e, ok := errors.AsType[*drift.Error](err); !ok || e.RetryAfter != tt.want {
			t.Errorf("%q asks to wait %v, want %v", tt.value, e.RetryAfter, tt.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	tests := []struct {
		status int
		body   string
		want   string
	}{
		{404, ``, "drift: GET /users/{id}: not found (status 404)"},
		{400, `{"error":{"type":"CONTACT-10"}}`, "drift: GET /users/{id}: refused (status 400) (CONTACT-10)"},
		{200, `{"data":{"id":x}}`, "drift: GET /users/{id}: answer cannot be read: not JSON at byte 14 (status 200)"},
		{200, `{"data":{"id":true}}`, "drift: GET /users/{id}: answer cannot be read: JSON of the wrong shape at byte 14 (status 200)"},
		{200, `{"data":{"id":2}}`, "drift: GET /users/{id}: answer cannot be read: the record is not the one that was asked for (status 200)"},
	}
	for _, tt := range tests {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		if _, err := client.User(t.Context(), 1); err == nil || err.Error() != tt.want {
			t.Errorf("status %d with %s gives %q, want %q", tt.status, tt.body, err, tt.want)
		}
	}
}

// TestErrorsTellNoSecrets makes every failure carry secrets and looks for them
// in all that an error prints.
func TestErrorsTellNoSecrets(t *testing.T) {
	const email = "maya.lind@example.com"
	said := `{"error":{"type":"` + email + `","message":"no ` + email + `, ` + token + `","param":"` + email + `"}}`
	handlers := map[string]http.HandlerFunc{
		"refused":  func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(400); fmt.Fprint(w, said) },
		"fault":    func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); fmt.Fprint(w, said) },
		"shape":    func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"data":{"id":%q}}`, email) },
		"name":     func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"data":[{%q:}]}`, email) },
		"id":       func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"data":[{"id":%q}]}`, email) },
		"not JSON": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, email) },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/?"+email, http.StatusFound) },
		"not HTTP": func(w http.ResponseWriter, r *http.Request) { hijack(t, w, "maya.lind@example.com 200 OK\r\n\r\n") },
		"bad chunk": func(w http.ResponseWriter, r *http.Request) {
			hijack(t, w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+email)
		},
		"hung up": func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, handler := range handlers {
		t.Run(name, func(t *testing.T) {
			client := serve(t, handler)
			_, err := client.ContactsByEmail(t.Context(), drift.ContactQuery{Email: email})
			if err == nil {
				t.Fatal("there is no error")
			}
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Error("", "err", err)
			for e := err; e != nil; e = errors.Unwrap(e) {
				printed := fmt.Sprintf("%v %+v %s %q", e, e, e, e) + log.String()
				for _, secret := range []string{email, "maya", token, "127.0.0.1"} {
					if strings.Contains(printed, secret) {
						t.Errorf("%s tells %q", printed, secret)
					}
				}
			}
		})
	}
}

func TestStaticTokenTellsNothing(t *testing.T) {
	secret := drift.StaticToken(token)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("", "token", secret, "options", drift.Options{Auth: secret})
	slog.New(slog.NewTextHandler(&log, nil)).Info("", "token", secret, "auth", drift.Auth(secret))
	fmt.Fprintf(&log, "%v %+v %s %q %#v %v", secret, secret, secret, secret, secret, drift.Options{Auth: secret})
	if strings.Contains(log.String(), token) {
		t.Errorf("%s tells the token", &log)
	}
	if got := string(secret.Identity()); got != token {
		t.Errorf("the identity is %q, want the token", got)
	}
}

func TestBodies(t *testing.T) {
	const limit = 1000
	user := func(size int) string {
		const start, end = `{"data":{"id":1,"name":"`, `"}}`
		return start + strings.Repeat("x", size-len(start)-len(end)) + end
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   error
	}{
		{"at the limit", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, user(limit)) }, nil},
		{"over the limit", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, user(limit+1)) }, drift.ErrInvalid},
		{"over the limit, length unknown", func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			io.WriteString(w, user(limit+1))
		}, drift.ErrInvalid},
		{"cut", func(w http.ResponseWriter, r *http.Request) {
			hijack(t, w, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+user(200))
		}, drift.ErrInvalid},
		{"cut, length unknown", func(w http.ResponseWriter, r *http.Request) {
			hijack(t, w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n0123456")
		}, drift.ErrInvalid},
		{"cut to nothing", func(w http.ResponseWriter, r *http.Request) {
			hijack(t, w, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
		}, drift.ErrInvalid},
		{"no gzip", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, user(200))
		}, drift.ErrInvalid},
		{"refusal that is cut", func(w http.ResponseWriter, r *http.Request) {
			hijack(t, w, "HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n{")
		}, drift.ErrNotFound},
		{"refusal that is too large", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, user(limit+1))
		}, drift.ErrNotFound},
		{"headers that are too large", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("x", 100<<10))
			io.WriteString(w, user(200))
		}, drift.ErrUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := dial(t, listen(t, tt.answer), drift.Options{MaxBodyBytes: limit})
			_, err := client.User(t.Context(), 1)
			if tt.want == nil && err != nil {
				t.Error(err)
			} else if tt.want != nil {
				checkKind(t, err, tt.want)
			}
		})
	}
}

func TestNoConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + listener.Addr().String()
	listener.Close()
	_, err = dial(t, base, drift.Options{}).User(t.Context(), 1)
	checkKind(t, err, drift.ErrUnavailable)
	if want := "drift: GET /users/{id}: unavailable: connection refused"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}

	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.(*net.TCPConn).SetLinger(0) // so that it is reset
		conn.Close()
	})
	_, err = client.User(t.Context(), 1)
	checkKind(t, err, drift.ErrUnavailable)

	client = serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	})
	if _, err = client.User(t.Context(), 1); err == nil {
		t.Error("an answer that is reset is read")
	}
}

func TestCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	_, err := dial(t, server.URL, drift.Options{}).User(t.Context(), 1)
	checkKind(t, err, drift.ErrUnavailable)
	if want := "drift: GET /users/{id}: unavailable: the certificate is not accepted"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestTimeouts(t *testing.T) {
	hang := map[string]http.HandlerFunc{
		"no answer": func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"no body": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"data":`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	}
	for name, handler := range hang {
		t.Run(name, func(t *testing.T) {
			base := listen(t, handler)
			client := dial(t, base, drift.Options{Timeout: 20 * time.Millisecond})
			_, err := client.User(t.Context(), 1)
			checkKind(t, err, drift.ErrTimeout)

			client = dial(t, base, drift.Options{})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			_, err = client.User(ctx, 1)
			checkKind(t, err, context.DeadlineExceeded)
		})
	}
}

func TestCancel(t *testing.T) {
	asked := make(chan struct{})
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	_, err := client.User(ctx, 1)
	checkKind(t, err, context.Canceled)
	_, err = client.User(ctx, 1) // is not even sent
	checkKind(t, err, context.Canceled)
}

// TestConcurrency checks that no more calls are under way than may be, and that
// whoever waits for a turn can give up.
func TestConcurrency(t *testing.T) {
	const limit, calls = 3, 12
	var underWay, most atomic.Int32
	started := make(chan struct{}, calls)
	finish := make(chan struct{})
	base := listen(t, func(w http.ResponseWriter, r *http.Request) {
		n := underWay.Add(1)
		defer underWay.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		started <- struct{}{}
		<-finish
		fmt.Fprint(w, `{"data":{"id":1}}`)
	})
	client := dial(t, base, drift.Options{Concurrency: limit})
	var group sync.WaitGroup
	for range calls {
		group.Go(func() {
			if _, err := client.User(t.Context(), 1); err != nil {
				t.Error(err)
			}
		})
	}
	for range limit {
		<-started
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := client.User(ctx, 1)
	checkKind(t, err, context.DeadlineExceeded)
	if got := underWay.Load(); got != limit {
		t.Errorf("%d calls are under way, want %d", got, limit)
	}
	close(finish)
	group.Wait()
	if got := most.Load(); got != limit {
		t.Errorf("up to %d calls were under way, want %d", got, limit)
	}
}

// TestWaitIsNotTimed checks that the time for a call begins with its turn.
func TestWaitIsNotTimed(t *testing.T) {
	const timeout = 100 * time.Millisecond
	first := make(chan struct{})
	var calls atomic.Int32
	base := listen(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/users/1" {
			if calls.Add(1) == 1 {
				close(first)
			}
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, `{"data":{"id":2}}`)
	})
	client := dial(t, base, drift.Options{Concurrency: 1, Timeout: timeout})
	var group sync.WaitGroup
	group.Go(func() {
		_, err := client.User(t.Context(), 1)
		checkKind(t, err, drift.ErrTimeout)
	})
	<-first
	if _, err := client.User(t.Context(), 2); err != nil { // waits for as long as a call may take
		t.Error(err)
	}
	group.Wait()
}

// TestAdmit checks that a call that is not admitted is not sent, and fails by
// the reason.
func TestAdmit(t *testing.T) {
	var sent atomic.Int32
	base := listen(t, func(w http.ResponseWriter, r *http.Request) {
		sent.Add(1)
		fmt.Fprint(w, `{"data":{"id":1}}`)
	})
	spent := errors.New("spent")
	asked := 0
	client := dial(t, base, drift.Options{Admit: func(_ context.Context, call drift.Call) error {
		if asked++; asked > 1 {
			return spent
		}
		return nil
	}})
	if _, err := client.User(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	_, err := client.User(t.Context(), 1)
	if failure, ok := errors.AsType[*drift.Error](err); !ok || !errors.Is(err, spent) || failure.Route != "/users/{id}" {
		t.Errorf("it failed by %v, want an *Error that wraps %v", err, spent)
	}
	if sent.Load() != 1 {
		t.Errorf("%d calls were sent, want 1", sent.Load())
	}
}

func TestOnCall(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "caller")
	var calls []drift.Call
	base := listen(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/users/404" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, `{"data":{}}`)
	})
	client := dial(t, base, drift.Options{OnCall: func(ctx context.Context, call drift.Call) {
		if ctx.Value(key{}) != "caller" {
			t.Error("the context is not the caller's")
		}
		if call.Start.IsZero() || call.Duration <= 0 {
			t.Errorf("the call began at %v and took %v", call.Start, call.Duration)
		}
		call.Start, call.Duration = time.Time{}, 0
		calls = append(calls, call)
	}})
	_, notFound := client.User(ctx, 404)
	_, invalid := client.User(ctx, 200)
	if _, err := client.UsersByID(ctx, []drift.ID{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	want := []drift.Call{
		{Method: "GET", Route: "/users/{id}", Keys: 1, Status: 404, Err: notFound},
		{Method: "GET", Route: "/users/{id}", Keys: 1, Status: 200, Bytes: 11, Err: invalid},
		{Method: "GET", Route: "/users", Keys: 3, Status: 200, Bytes: 11},
	}
	if diff := cmp.Diff(want, calls, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
		t.Errorf("the calls told of are not as expected (-want +got):\n%s", diff)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	client.Users(canceled)
	if len(calls) != len(want) {
		t.Errorf("a call that was not made is told of: %v", calls[len(want):])
	}
}

// TestBuffersAreNotShared checks that no record holds a part of a buffer that
// another call writes to.
func TestBuffersAreNotShared(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		id := strings.TrimPrefix(r.URL.Path, "/contacts/")
		fmt.Fprintf(w, `{"data":{"id":%s,"attributes":{"name":"contact %s"}}}`, id, id)
	})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			var contacts []*drift.Contact
			for id := range drift.ID(30) {
				contact, err := client.Contact(t.Context(), id+1)
				if err != nil {
					t.Error(err)
					return
				}
				contacts = append(contacts, contact)
			}
			for i, c := range contacts {
				name := fmt.Sprintf("contact %d", i+1)
				if *c.Name != name || string(c.Attributes) != fmt.Sprintf(`{"name":%q}`, name) {
					t.Errorf("%s holds %s", name, c.Attributes)
				}
			}
		})
	}
	group.Wait()
}

// hijack answers with raw bytes and hangs up.
func hijack(t testing.TB, w http.ResponseWriter, raw string) {
	t.Helper()
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	io.WriteString(conn, raw)
}
