package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/driftgraph/driftgraph/sandbox"
)

// now is the present of the sandboxes in tests.
var now = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

func TestIndex(t *testing.T) {
	_, c := serve(t, sandbox.Config{})
	c.token = ""
	body := string(c.get("/").body)
	for _, want := range []string{"curl -H 'Authorization: Bearer ", c.url + "/conversations/list", "/contacts/{id}", "conversation_write"} {
		if !strings.Contains(body, want) {
			t.Errorf("the index does not say %q:\n%s", want, body)
		}
	}
}

func TestPaths(t *testing.T) {
	s, c := serve(t, sandbox.Config{})
	f := s.Fixtures()
	contact := fmt.Sprint("/contacts/", f.ContactIDs[0])
	tests := []struct {
		method, path string
		status       int
		route        string
	}{
		{"GET", contact, 200, "/contacts/{id}"},
		{"GET", contact + "/", 200, "/contacts/{id}"},
		{"GET", "/v1" + contact, 200, "/contacts/{id}"},
		{"GET", "/contacts/?email=nobody@example.com", 200, "/contacts"},
		{"GET", "/v1/users/list/", 200, "/users/list"},
		{"GET", "/accounts/" + f.AccountIDs[0], 200, "/accounts/{id}"},
		{"GET", "/accounts/" + strings.Replace(f.AccountIDs[0], "_", "%5F", 1), 200, "/accounts/{id}"},
		{"GET", "/users/list?cache=no", 200, "/users/list"},
		{"GET", "/v1", 404, ""},
		{"GET", "/nothing", 404, ""},
		{"GET", contact + "/more", 404, ""},
		{"GET", "/contacts//tags", 404, ""},
		{"PUT", contact, 404, ""},
		{"POST", contact, 404, ""},
		{"GET", "/contacts/abc", 404, "/contacts/{id}"},
		{"GET", "/users/abc", 404, "/users/{id}"},
		{"GET", "/conversations/99999999999999999999", 404, "/conversations/{id}"},
	}
	for _, tt := range tests {
		s.ResetCalls()
		got := c.do(tt.method, tt.path, nil)
		if route := s.Calls()[0].Route; got.status != tt.status || route != tt.route {
			t.Errorf("%s %s: status %d, route %q; want %d, %q", tt.method, tt.path, got.status, route, tt.status, tt.route)
		}
	}
}

func TestCalls(t *testing.T) {
	s, c := serve(t, sandbox.Config{CallLog: 3})
	c.do("GET", "/nothing?a=1", nil)
	c.token = "first"
	c.do("GET", "/conversations/list?limit=2&statusId=1", nil)
	c.token = "second"
	c.do("POST", "/emails/unsubscribe", []string{"a@example.com"})
	c.do("GET", "/users/1", nil)

	want := []sandbox.Call{
		{Method: "GET", Route: "/conversations/list", URL: "/conversations/list?limit=2&statusId=1", Token: "first", Status: 200, Start: 3, End: 4},
		{Method: "POST", Route: "/emails/unsubscribe", URL: "/emails/unsubscribe", Token: "second", Body: `["a@example.com"]`, Status: 200, Start: 5, End: 6},
		{Method: "GET", Route: "/users/{id}", URL: "/users/1", Token: "second", Status: 404, Start: 7, End: 8},
	}
	if diff := cmp.Diff(want, s.Calls()); diff != "" {
		t.Errorf("the three latest calls (-want +got):\n%s", diff)
	}
	s.ResetCalls()
	if calls := s.Calls(); len(calls) != 0 {
		t.Errorf("after a reset: %v", calls)
	}

	s, c = serve(t, sandbox.Config{CallLog: -1})
	c.do("GET", "/users/list", nil)
	if calls := s.Calls(); len(calls) != 0 {
		t.Errorf("with the log off: %v", calls)
	}
}

// TestGate lets two calls in together and answers them in the other order.
func TestGate(t *testing.T) {
	arrived, first := make(chan string, 2), make(chan struct{})
	s, c := serve(t, sandbox.Config{Gate: func(r *http.Request) {
		arrived <- r.URL.Path
		if r.URL.Path == "/users/1" {
			<-first
		}
	}})
	var wg sync.WaitGroup
	wg.Go(func() { c.do("GET", "/users/1", nil) })
	<-arrived
	if calls := s.Calls(); len(calls) != 1 || calls[0].End != 0 || calls[0].Status != 0 {
		t.Errorf("while the first call is held back: %+v", calls)
	}
	c.do("GET", "/users/2", nil)
	close(first)
	wg.Wait()
	calls := s.Calls()
	if a, b := calls[0], calls[1]; a.Start > b.Start || b.End > a.End || b.Start > a.End {
		t.Errorf("the second call was not within the first: %+v", calls)
	}
}

// TestDeterminism reads everything from two sandboxes. What writes add must be the same too.
func TestDeterminism(t *testing.T) {
	var bodies [2]map[string]string
	for i := range bodies {
		bodies[i] = make(map[string]string)
		s, c := serve(t, sandbox.Config{Seed: 7})
		for _, path := range everything(s) {
			got := c.do("GET", path, nil)
			bodies[i][path] = fmt.Sprint(got.status, " ", string(got.body))
		}
		for n, write := range []struct {
			path string
			body any
		}{
			{"/contacts", object{"attributes": object{"email": "new@example.com"}}},
			{"/conversations/new", object{"email": "new@example.com", "message": object{"body": "Hello"}}},
			{"/accounts/create", object{"ownerId": 412077, "domain": "new.example"}},
		} {
			bodies[i][fmt.Sprint(n)] = string(c.do("POST", write.path, write.body).body)
		}
	}
	if diff := cmp.Diff(bodies[0], bodies[1]); diff != "" {
		t.Errorf("two sandboxes of the same seed differ:\n%s", diff)
	}
	_, c := serve(t, sandbox.Config{Seed: 8})
	if string(c.get("/users/list").body) == strings.TrimPrefix(bodies[0]["/users/list"], "200 ") {
		t.Error("another seed gives the same users")
	}
}

// TestParallel is for the race detector.
func TestParallel(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1, Shuffle: true, Rate: 1e6, Conversations: 40})
	f := s.Fixtures()
	conversation := fmt.Sprint("/conversations/", f.LongConversationID)
	contact := fmt.Sprint("/contacts/", f.EnrichedContactID)
	calls := []func(){
		func() { c.get("/users/list") },
		func() { c.get(contact) },
		func() { c.get(conversation + "/messages") },
		func() { c.get("/conversations/list") },
		func() { c.get("/contacts?idType=external&id=" + strings.Join(f.ExternalIDs[:9], "&id=")) },
		func() { c.post("/reports/conversations", object{"metrics": []string{"numAgentMessages"}}) },
		func() { c.do("PATCH", contact, object{"attributes": object{"seats": 5}}) },
		func() { c.post(conversation+"/messages", object{"type": "chat", "body": "Hi"}) },
		func() { c.post("/conversations/new", object{"email": f.SharedEmail, "message": object{"body": "Hi"}}) },
		func() { s.Inject(sandbox.Fault{Route: "/gdpr/delete"}); s.Calls(); s.ClearFaults() },
		func() { s.Act() },
		func() { s.PostSamples(); s.Deliveries() },
	}
	var wg sync.WaitGroup
	for _, call := range calls {
		wg.Go(func() {
			for range 20 {
				call()
			}
		})
	}
	wg.Wait()
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		sandbox.New(sandbox.Config{Seed: 1})
	}
}

// BenchmarkRead measures calls without the network.
func BenchmarkRead(b *testing.B) {
	s := sandbox.New(sandbox.Config{Seed: 1, CallLog: -1})
	f := s.Fixtures()
	for _, path := range []string{
		fmt.Sprint("/contacts/", f.EnrichedContactID),
		fmt.Sprint("/users/", f.UserIDs[3]),
		"/users/list",
		fmt.Sprint("/conversations/", f.LongConversationID),
		fmt.Sprint("/conversations/", f.LongConversationID, "/messages"),
		"/conversations/list?limit=50",
		"/accounts?size=65",
	} {
		b.Run(strings.ReplaceAll(path[1:], "/", "_"), func(b *testing.B) {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Authorization", "Bearer bench")
			for b.Loop() {
				s.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}

// BenchmarkHTTP measures calls with the network and a client, both on the same machine.
func BenchmarkHTTP(b *testing.B) {
	s := sandbox.New(sandbox.Config{Seed: 1, CallLog: -1})
	server := httptest.NewServer(s)
	b.Cleanup(server.Close)
	url := fmt.Sprint(server.URL, "/contacts/", s.Fixtures().EnrichedContactID)
	for b.Loop() {
		r, err := http.NewRequest("GET", url, nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer bench")
		answer, err := server.Client().Do(r)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}

// An object is JSON to send.
type object = map[string]any

// A client calls a sandbox over HTTP. Its methods fail the test where there is no answer.
type client struct {
	t     *testing.T
	url   string
	token string
}

// A reply is what a call got.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// serve starts a sandbox at the present of the tests, unless cfg has another.
func serve(t *testing.T, cfg sandbox.Config) (*sandbox.Sandbox, *client) {
	t.Helper()
	if cfg.Now.IsZero() {
		cfg.Now = now
	}
	s := sandbox.New(cfg)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, &client{t: t, url: server.URL, token: "sandbox"}
}

// do makes a call. A body that is a string is sent as it is, all else as JSON.
func (c *client) do(method, path string, body any) reply {
	c.t.Helper()
	var sent []byte
	switch body := body.(type) {
	case nil:
	case string:
		sent = []byte(body)
	default:
		var err error
		if sent, err = json.Marshal(body); err != nil {
			c.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader(sent))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Errorf("%s %s: %v", method, path, err)
		return reply{}
	}
	return drain(c.t, answer)
}

// drain reads an answer to its end.
func drain(t *testing.T, answer *http.Response) reply {
	t.Helper()
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return reply{answer.StatusCode, answer.Header, body}
}

// get makes a GET that must succeed.
func (c *client) get(path string) reply {
	c.t.Helper()
	return c.must(c.do("GET", path, nil), path)
}

// post makes a POST that must succeed.
func (c *client) post(path string, body any) reply {
	c.t.Helper()
	return c.must(c.do("POST", path, body), path)
}

// patch makes a PATCH that must succeed.
func (c *client) patch(path string, body any) reply {
	c.t.Helper()
	return c.must(c.do("PATCH", path, body), path)
}

func (c *client) must(r reply, path string) reply {
	c.t.Helper()
	if r.status < 200 || r.status > 299 {
		c.t.Errorf("%s: status %d: %s", path, r.status, r.body)
	}
	return r
}

// refused fails the test unless the reply is an error of this status and type.
func (c *client) refused(r reply, status int, kind string) {
	c.t.Helper()
	var body struct {
		Error struct{ Type, Message string }
	}
	read(c.t, r, &body)
	if r.status != status || body.Error.Type != kind || body.Error.Message == "" {
		c.t.Errorf("got status %d: %s; want status %d, type %s", r.status, r.body, status, kind)
	}
	if status != http.StatusUnauthorized && !strings.HasPrefix(body.Error.Message, "sandbox: ") {
		c.t.Errorf("message %q does not say that it is the sandbox's", body.Error.Message)
	}
}

// read reads the JSON of a reply.
func read(t *testing.T, r reply, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
}

// data reads what is in the envelope of a reply.
func data[T any](t *testing.T, r reply) T {
	t.Helper()
	var v struct{ Data T }
	read(t, r, &v)
	return v.Data
}

// equal fails the test if what came is not what was wanted. Empty and nil are the same.
func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// everything lists the paths of all records.
func everything(s *sandbox.Sandbox) []string {
	f := s.Fixtures()
	paths := []string{
		"/users/list", "/teams/org", "/users/meetings/org?min_start_time=0&max_start_time=9999999999999", "/contacts/attributes",
		"/playbooks/list", "/playbooks/clp", "/conversations/stats", "/conversations/list", "/accounts?size=65", "/scim/Users",
		fmt.Sprint("/attachments/", f.AttachmentID, "/data"),
	}
	for _, id := range f.ContactIDs {
		paths = append(paths, fmt.Sprint("/contacts/", id))
	}
	for _, id := range f.AccountIDs {
		paths = append(paths, fmt.Sprint("/accounts/", id))
	}
	for _, id := range f.ConversationIDs {
		paths = append(paths, fmt.Sprint("/conversations/", id), fmt.Sprint("/conversations/", id, "/messages"))
	}
	return paths
}
