package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/driftgraph/driftgraph/sandbox"
)

func TestFaultAnswers(t *testing.T) {
	tests := []struct {
		fault  sandbox.Fault
		status int
		kind   string // of content
		body   string // part of it
	}{
		{sandbox.Fault{}, 500, "application/json", `"type":"internal_error","message":"sandbox: injected failure"`},
		{sandbox.Fault{Status: 503}, 503, "application/json", `"type":"internal_error"`},
		{sandbox.Fault{Kind: sandbox.Status, Status: 400}, 400, "application/json", `"type":"validation_error"`},
		{sandbox.Fault{Kind: sandbox.Status, Status: 401}, 401, "application/json", `"type":"authentication_error"`},
		{sandbox.Fault{Kind: sandbox.Status, Status: 403}, 403, "application/json", `"type":"authentication_error"`},
		{sandbox.Fault{Kind: sandbox.Status, Status: 404}, 404, "application/json", `"type":"not_found"`},
		{sandbox.Fault{Kind: sandbox.Status, Status: 429, RetryAfter: 1500 * time.Millisecond}, 429, "application/json", `"type":"rate_limit"`},
		{sandbox.Fault{Kind: sandbox.NotJSON}, 200, "text/html; charset=utf-8", "<!doctype html>"},
		{sandbox.Fault{Kind: sandbox.NotJSON, Status: 502}, 502, "text/html; charset=utf-8", "<!doctype html>"},
		{sandbox.Fault{Kind: sandbox.Empty}, 200, "application/json", ""},
		{sandbox.Fault{Kind: sandbox.Empty, Status: 503}, 503, "application/json", ""},
		{sandbox.Fault{Kind: sandbox.Slow, Delay: time.Nanosecond}, 200, "application/json", `"data":[`},
		{sandbox.Fault{Kind: sandbox.Tail, Delay: time.Nanosecond}, 200, "application/json", `"data":[`},
		{sandbox.Fault{Kind: sandbox.Short}, 200, "application/json", `"data":[`},
	}
	for _, tt := range tests {
		s, c := serve(t, sandbox.Config{})
		tt.fault.Route, tt.fault.Count = "/users/list", 1
		s.Inject(tt.fault)
		got := c.do("GET", "/users/list", nil)
		if got.status != tt.status || got.header.Get("Content-Type") != tt.kind || !strings.Contains(string(got.body), tt.body) || tt.body == "" && len(got.body) > 0 {
			t.Errorf("%+v: status %d, type %q: %s", tt.fault, got.status, got.header.Get("Content-Type"), got.body)
		}
		want := ""
		if tt.fault.RetryAfter > 0 {
			want = "2"
		}
		equal(t, "Retry-After", got.header.Get("Retry-After"), want)
		equal(t, "status in the log", s.Calls()[0].Status, tt.status)
		c.get("/users/list") // the fault struck once and is over
	}
}

func TestFaultCut(t *testing.T) {
	s, c := serve(t, sandbox.Config{Faults: []sandbox.Fault{{Route: "GET /users/list", Kind: sandbox.Cut}}})
	answer := c.raw(t.Context(), "/users/list")
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(body) == 0 || int64(len(body)) >= answer.ContentLength || answer.StatusCode != 200 {
		t.Errorf("status %d, %d of %d bytes, %v", answer.StatusCode, len(body), answer.ContentLength, err)
	}
	equal(t, "status in the log", s.Calls()[0].Status, 200)
}

// TestFaultShort gets half of what there is, and no sign that there is more.
func TestFaultShort(t *testing.T) {
	_, c := serve(t, sandbox.Config{Faults: []sandbox.Fault{{Route: "/users/list", Kind: sandbox.Short, Count: 1}}})
	half, whole := c.do("GET", "/users/list", nil), c.do("GET", "/users/list", nil)
	if half.status != 200 || len(half.body) != len(whole.body)/2 || !strings.HasPrefix(string(whole.body), string(half.body)) {
		t.Errorf("status %d, %d bytes of %d", half.status, len(half.body), len(whole.body))
	}
}

// TestFaultTail gets the first half of an answer at once, and never the second.
func TestFaultTail(t *testing.T) {
	_, c := serve(t, sandbox.Config{Faults: []sandbox.Fault{{Route: "/users/list", Kind: sandbox.Tail, Delay: time.Hour}}})
	ctx, giveUp := context.WithCancel(t.Context())
	answer := c.raw(ctx, "/users/list")
	defer answer.Body.Close()
	half := make([]byte, answer.ContentLength/2)
	if _, err := io.ReadFull(answer.Body, half); err != nil {
		t.Fatal(err)
	}
	giveUp()
	if rest, err := io.ReadAll(answer.Body); len(rest) > 0 || err == nil {
		t.Errorf("after the first half come %d bytes, %v", len(rest), err)
	}
}

// TestFaultDrop uses a write, which clients do not try again by themselves.
func TestFaultDrop(t *testing.T) {
	s, c := serve(t, sandbox.Config{Faults: []sandbox.Fault{{Route: "*", Match: "/contacts", Kind: sandbox.Drop, Count: 1}}})
	body := `{"attributes":{"email":"a@example.com"}}`
	r, err := http.NewRequest("POST", c.url+"/contacts", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer a")
	if answer, err := http.DefaultClient.Do(r); err == nil {
		t.Errorf("an answer came: %s", answer.Status)
		answer.Body.Close()
	}
	if call := s.Calls()[0]; call.Status != 0 || call.End == 0 || call.Body != body {
		t.Errorf("in the log: %+v", call)
	}
	equal(t, "contacts made", len(data[[]contact](t, c.get("/contacts?email=a@example.com"))), 0)
}

func TestFaultHang(t *testing.T) {
	for _, fault := range []sandbox.Fault{{Kind: sandbox.Hang}, {Kind: sandbox.Slow, Delay: time.Hour}} {
		fault.Route = "/users/list"
		arrived := make(chan struct{})
		s := sandbox.New(sandbox.Config{Faults: []sandbox.Fault{fault}, Gate: func(*http.Request) { close(arrived) }})
		server := httptest.NewServer(s)
		c := &client{t, server.URL, "sandbox"}
		ctx, giveUp := context.WithCancel(t.Context())
		go func() { <-arrived; giveUp() }()
		if answer := c.raw(ctx, "/users/list"); answer != nil {
			t.Errorf("%s: an answer came: %s", fault.Kind, answer.Status)
			answer.Body.Close()
		}
		server.Close() // waits for the call to end
		if call := s.Calls()[0]; call.Status != 0 || call.End == 0 {
			t.Errorf("%s: in the log: %+v", fault.Kind, call)
		}
	}
}

func TestFaultMatch(t *testing.T) {
	tests := []struct {
		fault  sandbox.Fault
		method string
		path   string
		struck bool
	}{
		{sandbox.Fault{Route: "*"}, "GET", "/users/list", true},
		{sandbox.Fault{Route: "*"}, "GET", "/nothing", true},
		{sandbox.Fault{Route: "/users/{id}"}, "GET", "/users/412077", true},
		{sandbox.Fault{Route: "/users/{id}"}, "GET", "/v1/users/412077/", true},
		{sandbox.Fault{Route: "/users/{id}"}, "GET", "/users/list", false},
		{sandbox.Fault{Route: "GET /contacts"}, "GET", "/contacts?email=a", true},
		{sandbox.Fault{Route: "GET /contacts"}, "POST", "/contacts", false},
		{sandbox.Fault{Route: "/contacts"}, "POST", "/contacts", true},
		{sandbox.Fault{Route: "/accounts", Match: "index=65"}, "GET", "/accounts?size=65&index=65", true},
		{sandbox.Fault{Route: "/accounts", Match: "index=65"}, "GET", "/accounts?size=65", false},
	}
	for _, tt := range tests {
		tt.fault.Status = 418
		s, c := serve(t, sandbox.Config{Faults: []sandbox.Fault{tt.fault}, Conversations: 1})
		if got := c.do(tt.method, tt.path, nil).status; (got == 418) != tt.struck {
			t.Errorf("%+v: %s %s got status %d", tt.fault, tt.method, tt.path, got)
		}
		s.ClearFaults()
		if got := c.do(tt.method, tt.path, nil).status; got == 418 {
			t.Errorf("%+v strikes after ClearFaults", tt.fault)
		}
	}
}

func TestFaultOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Config{Conversations: 1})
		faults, err := sandbox.ParseFaults("*=slow:1s, *=slow:2s, *=503, *=500")
		if err != nil {
			t.Fatal(err)
		}
		s.Inject(faults...)
		start, w := time.Now(), httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", "/users/list", nil))
		if took := time.Since(start); w.Code != 503 || took != 3*time.Second {
			t.Errorf("status %d after %v, want 503 after 3s", w.Code, took)
		}
	})
}

func TestFaultProbability(t *testing.T) {
	strikes := func(seed uint64) (struck []bool) {
		s, c := serve(t, sandbox.Config{Seed: seed, Conversations: 1})
		s.Inject(sandbox.Fault{Route: "*", Status: 503, Probability: 0.3})
		for range 200 {
			struck = append(struck, c.do("GET", "/users/list", nil).status == 503)
		}
		return struck
	}
	first := strikes(1)
	count := 0
	for _, struck := range first {
		if struck {
			count++
		}
	}
	if count < 30 || count > 90 {
		t.Errorf("%d of 200 calls were struck, want about 60", count)
	}
	equal(t, "the same seed again", strikes(1), first)
	if fmt.Sprint(strikes(2)) == fmt.Sprint(first) {
		t.Error("another seed strikes the same calls")
	}
}

func TestParseFaults(t *testing.T) {
	good := map[string][]sandbox.Fault{
		"":                             nil,
		" , ":                          nil,
		"*=500":                        {{Route: "*", Kind: sandbox.Status, Status: 500}},
		"GET /contacts/{id}=500@0.1":   {{Route: "GET /contacts/{id}", Kind: sandbox.Status, Status: 500, Probability: 0.1}},
		"/users/list=tail:2s, *=short": {{Route: "/users/list", Kind: sandbox.Tail, Delay: 2 * time.Second}, {Route: "*", Kind: sandbox.Short}},
		"/users/list=hang*1":           {{Route: "/users/list", Kind: sandbox.Hang, Count: 1}},
		"*=slow:250ms*3@0.5":           {{Route: "*", Kind: sandbox.Slow, Delay: 250 * time.Millisecond, Count: 3, Probability: 0.5}},
		"/accounts~index=65=429:2s":    {{Route: "/accounts", Match: "index=65", Kind: sandbox.Status, Status: 429, RetryAfter: 2 * time.Second}},
		"/playbooks/list=notjson:502":  {{Route: "/playbooks/list", Kind: sandbox.NotJSON, Status: 502}},
		"/teams/org=empty, *=cut@1":    {{Route: "/teams/org", Kind: sandbox.Empty}, {Route: "*", Kind: sandbox.Cut, Probability: 1}},
		"POST /conversations/new=drop": {{Route: "POST /conversations/new", Kind: sandbox.Drop}},
	}
	for line, want := range good {
		got, err := sandbox.ParseFaults(line)
		if err != nil {
			t.Errorf("%q: %v", line, err)
		}
		equal(t, line, got, want)
	}
	for _, line := range []string{
		"*", "*=", "=500", "500", "*=boom", "*=99", "*=700", "/nothing=500", "PUT /contacts=500", "*=slow", "*=slow:fast", "*=tail", "*=cut:3", "*=short:1s",
		"*=500:soon", "*=notjson:x", "*=500@2", "*=500@", "*=500*", "*=500*x", "*=500, *=boom", "*=500@.", "*=500*99999999999999999999",
	} {
		if got, err := sandbox.ParseFaults(line); err == nil || !strings.HasPrefix(err.Error(), "sandbox: fault ") {
			t.Errorf("%q: got %+v, error %v", line, got, err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		line := rapid.StringMatching(`(\*|/users/list|GET /accounts)(~[a-z=]{1,4})?=(500|hang|slow|notjson|[a-z]{1,5})(:[0-9a-z]{1,4})?(\*[0-9]{1,3})?(@[0-9.]{1,4})?`).Draw(rt, "line")
		faults, err := sandbox.ParseFaults(line)
		if err == nil {
			sandbox.New(sandbox.Config{Faults: faults, Users: 6, Contacts: -1, Accounts: -1}) // panics if they make no sense
		}
	})
}

func TestInjectPanics(t *testing.T) {
	s, _ := serve(t, sandbox.Config{Conversations: 1})
	for _, fault := range []sandbox.Fault{{}, {Route: "/nothing"}, {Route: "*", Kind: "boom"}, {Route: "*", Status: 42}, {Route: "*", Probability: -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was accepted", fault)
				}
			}()
			s.Inject(fault)
		}()
	}
}

// raw makes a GET and leaves the body to the caller. It returns nil if there is no answer.
func (c *client) raw(ctx context.Context, path string) *http.Response {
	c.t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", c.url+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil
	}
	return answer
}
