package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestCallerRate has a caller ask too often: whichever of two replicas is asked
// refuses, says when to try again, and goes on answering others.
func TestCallerRate(t *testing.T) {
	server := startRedis(t)
	file := newKeysFile(t)
	busy, busyLine := newKey(t, "busy@example.com", time.Time{}, auth.Permissions()...)
	other, otherLine := newKey(t, "other", time.Time{}, auth.Permissions()...)
	file.write(busyLine, otherLine)
	args := []string{"--auth=api-key", "--auth-keys-file=" + file.path, "--caller-rate=0.01", "--caller-burst=6"}
	first := assemble(t, parts{redis: server.client(t)}, args...)
	second := assemble(t, parts{redis: server.client(t), drift: first.drift}, args...)
	for i, g := range []*gateway{first, second, first, second, first, second} {
		res, r := g.askBy(t, busy, `{ viewer { caller } }`)
		if res.StatusCode != http.StatusOK || len(r.Errors) > 0 {
			t.Fatalf("request %d: status %d, %+v", i, res.StatusCode, r.Errors)
		}
		if got, want := res.Header.Get("RateLimit"), fmt.Sprintf(`"caller";r=%d;t=`, 5-i); !strings.HasPrefix(got, want) {
			t.Errorf("request %d: RateLimit is %q, want %s…", i, got, want)
		}
		if got := res.Header.Get("RateLimit-Policy"); got != `"caller";q=6;w=600` {
			t.Errorf("RateLimit-Policy is %q", got)
		}
	}
	for _, g := range []*gateway{first, second} {
		res, r := g.askBy(t, busy, `{ viewer { caller } }`)
		wait, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if res.StatusCode != http.StatusTooManyRequests || err != nil || wait < 50 || wait > 100 {
			t.Errorf("status %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
		}
		if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != graph.CodeRateLimited || r.Data != nil {
			t.Fatalf("the answer is %s", r.Text)
		}
		if ms, _ := r.Errors[0].Extensions["retryAfterMs"].(float64); ms < 50_000 || ms > 100_000 {
			t.Errorf("retryAfterMs is %v", r.Errors[0].Extensions)
		}
	}
	if res, r := second.askBy(t, other, `{ viewer { caller } }`); res.StatusCode != http.StatusOK || len(r.Errors) > 0 {
		t.Errorf("another caller gets %d, %+v", res.StatusCode, r.Errors)
	}
	client := server.client(t)
	keys := client.Keys(t.Context(), "dg:limit:callers:*").Val()
	if len(keys) != 2 {
		t.Errorf("the keys of callers are %q, want two", keys)
	}
	for _, key := range keys {
		if strings.Contains(key, "busy") || strings.Contains(key, "other") || client.PTTL(t.Context(), key).Val() <= 0 {
			t.Errorf("%s names a caller, or has no end", key)
		}
	}
}

// TestAddressRate has somebody ask too often where nobody is asked who they are,
// over HTTP and over WebSocket, which count together. The connection stays.
func TestAddressRate(t *testing.T) {
	t.Parallel()
	g := newGateway(t, sandbox.Config{}, "--caller-rate=0.01", "--caller-burst=3")
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(g.url, "http", "ws", 1)+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	say := func(text string) string {
		t.Helper()
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		_, answer, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	say(`{"type":"connection_init"}`)
	const ask = `{"id":"%d","type":"subscribe","payload":{"query":"{ viewer { caller } }"}}`
	if got := say(fmt.Sprintf(ask, 1)); !strings.Contains(got, `"next"`) {
		t.Errorf("the first operation is answered by %s", got)
	}
	if _, _, err := conn.Read(t.Context()); err != nil { // complete
		t.Fatal(err)
	}
	g.get(t, `{ viewer { caller } }`)
	for i := 2; i < 4; i++ {
		got := say(fmt.Sprintf(ask, i))
		if !strings.Contains(got, `"error"`) || !strings.Contains(got, graph.CodeRateLimited) || !strings.Contains(got, "retryAfterMs") {
			t.Errorf("one too many is answered by %s", got)
		}
	}
	if got := say(`{"type":"ping"}`); !strings.Contains(got, "pong") {
		t.Errorf("the connection is answered by %s", got)
	}
	if r := g.ask(t, `{ viewer { caller } }`); r.Status != http.StatusTooManyRequests {
		t.Errorf("over HTTP it is answered with %d", r.Status)
	}
	_, res, err := websocket.Dial(t.Context(), strings.Replace(g.url, "http", "ws", 1)+"/graphql", nil)
	if err == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("another connection is answered with %v", err)
	}
}

// TestFairCallers has one caller ask for much more than Drift takes, and then
// another for one contact: its call is not made behind all others.
func TestFairCallers(t *testing.T) {
	t.Parallel()
	file := newKeysFile(t)
	heavy, heavyLine := newKey(t, "heavy", time.Time{}, auth.Permissions()...)
	light, lightLine := newKey(t, "light", time.Time{}, auth.Permissions()...)
	file.write(heavyLine, lightLine)
	opened := make(chan struct{})
	g := newGateway(t, sandbox.Config{Gate: func(*http.Request) { <-opened }}, "--auth=api-key", "--auth-keys-file="+file.path, "--drift-concurrency=1", "--operation-timeout=1m", "--drift-timeout=1m")
	wait := func(calls float64) {
		t.Helper()
		eventually(t, func() bool { return scrapeMetrics(t, g.url).value("driftgraph_drift_calls_waiting") == calls })
	}
	var clients sync.WaitGroup
	for i := range 15 {
		clients.Go(func() {
			if _, r := g.askBy(t, heavy, g.contactsOf(10*i, 10)); len(r.Errors) > 0 {
				t.Errorf("the heavy caller is answered with %+v", r.Errors)
			}
		})
	}
	wait(149) // behind the one that is under way
	clients.Go(func() {
		if _, r := g.askBy(t, light, g.contactsOf(199, 1)); len(r.Errors) > 0 {
			t.Errorf("the light caller is answered with %+v", r.Errors)
		}
	})
	wait(150)
	close(opened)
	clients.Wait()
	calls := g.drift.Calls()
	last := fmt.Sprint("/contacts/", g.drift.Fixtures().ContactIDs[199])
	at := slices.IndexFunc(calls, func(c sandbox.Call) bool { return strings.HasPrefix(c.URL, last) })
	if len(calls) != 151 || at < 1 || at > 2 {
		t.Errorf("the light caller's call is the %dth of %d", at+1, len(calls))
	}
}

// TestCallerRateDefault holds who is bounded without a setting.
func TestCallerRateDefault(t *testing.T) {
	none, some := 0.0, 4.0
	for _, tt := range []struct {
		rate  *float64
		burst int
		auth  string
		want  float64
		most  int
	}{
		{nil, 0, authNone, 0, 0},
		{nil, 0, authAPIKey, 50, 100},
		{nil, 7, authAPIKey, 50, 7},
		{&none, 0, authAPIKey, 0, 0},
		{&some, 0, authNone, 4, 8},
	} {
		got := callerRate{tt.rate, tt.burst}.limit(tt.auth)
		if got.PerSecond != tt.want || got.Burst != tt.most {
			t.Errorf("%+v: %+v", tt, got)
		}
	}
}

// askBy asks with a key.
func (g *gateway) askBy(t *testing.T, key, query string) (*http.Response, *reply) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var r reply
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return res, &r
}
