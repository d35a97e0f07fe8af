package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
)

// A keysFile is one that a test writes.
type keysFile struct {
	t    *testing.T
	path string
}

func newKeysFile(t *testing.T) *keysFile {
	t.Helper()
	f := &keysFile{t, filepath.Join(t.TempDir(), "keys")}
	f.write()
	return f
}

// write has the file tell of these keys alone, at once.
func (f *keysFile) write(lines ...string) {
	f.t.Helper()
	if err := os.WriteFile(f.path+".new", []byte(strings.Join(lines, "")), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.path+".new", f.path); err != nil {
		f.t.Fatal(err)
	}
}

// newKey returns a key, and the line of a file that tells of it.
func newKey(t *testing.T, name string, expires time.Time, permissions ...auth.Permission) (key, line string) {
	t.Helper()
	key = auth.NewKey()
	line, err := auth.Key{Name: name, Hash: auth.HashOf(key), Permissions: permissions, Expires: expires}.Line()
	if err != nil {
		t.Fatal(err)
	}
	return key, line
}

// A refusal is all that a client sees of an answer, but for what differs between
// any two.
type refusal struct {
	Status int
	Header string
	Body   string
}

// knock asks with some values of the header Authorization.
func (g *gateway) knock(t testing.TB, query string, authorization ...string) refusal {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, g.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header["Authorization"] = authorization
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Date", "X-Request-Id", "Traceparent"} {
		res.Header.Del(name)
	}
	return refusal{res.StatusCode, fmt.Sprint(res.Header), string(text)}
}

const whoAmI = `{ viewer { caller } }`

// TestAPIKeys holds who is let in by a key, and that whoever is not is told the
// same, whatever is wrong.
func TestAPIKeys(t *testing.T) {
	t.Parallel()
	file := newKeysFile(t)
	good, goodLine := newKey(t, "dashboard", time.Now().Add(time.Hour))
	rotated, rotatedLine := newKey(t, "dashboard", time.Time{})
	expired, expiredLine := newKey(t, "dashboard", time.Now().Add(-time.Second))
	unknown, _ := newKey(t, "nobody", time.Time{})
	file.write("# the keys\n\n", goodLine, expiredLine, rotatedLine)
	g := newGateway(t, sandbox.Config{}, "--auth=api-key", "--auth-keys-file="+file.path)

	for name, authorization := range map[string]string{"a key": "Bearer " + good, "the next key": "bearer  " + rotated} {
		if got := g.knock(t, whoAmI, authorization); got.Status != http.StatusOK || got.Body != `{"data":{"viewer":{"caller":"dashboard"}}}` {
			t.Errorf("with %s: %+v", name, got)
		}
	}
	absent := g.knock(t, whoAmI)
	if absent.Status != http.StatusUnauthorized || !strings.Contains(absent.Header, "Www-Authenticate:[Bearer]") || !strings.Contains(absent.Body, `"code":"UNAUTHENTICATED"`) {
		t.Errorf("without a key: %+v", absent)
	}
	for name, authorization := range map[string][]string{
		"expired": {"Bearer " + expired}, "unknown": {"Bearer " + unknown}, "cut": {"Bearer " + good[:20]}, "a digit wrong": {"Bearer " + flip(good)},
		"empty": {"Bearer "}, "another scheme": {"Basic " + good}, "bare": {good}, "two": {"Bearer " + good, "Bearer " + unknown}, "long": {"Bearer " + strings.Repeat("a", 9000)},
	} {
		if got := g.knock(t, whoAmI, authorization...); got != absent {
			t.Errorf("with a key that is %s: %+v, want what is told without any, %+v", name, got, absent)
		}
	}
	if n := g.calls(); n != 0 {
		t.Errorf("Drift had %d calls", n)
	}
	for _, key := range []string{good, rotated, expired, unknown} {
		if strings.Contains(g.log.String(), key) {
			t.Error("a key is in the log")
		}
	}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/": 200, "/schema.graphql": 401} {
		res, err := http.Get(g.url + path)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != want {
			t.Errorf("%s without a key is answered %d, want %d", path, res.StatusCode, want)
		}
	}
}

// flip returns a text with another last digit.
func flip(key string) string {
	last := "0"
	if strings.HasSuffix(key, last) {
		last = "1"
	}
	return key[:len(key)-1] + last
}

// TestLockout holds that an address which shows many wrong keys is slowed down,
// and that nobody who shows a right one is kept out by that.
func TestLockout(t *testing.T) {
	t.Parallel()
	file := newKeysFile(t)
	good, line := newKey(t, "dashboard", time.Time{})
	file.write(line)
	g := newGateway(t, sandbox.Config{}, "--auth=api-key", "--auth-keys-file="+file.path)
	statuses := map[int]int{}
	var last refusal
	for range 30 {
		last = g.knock(t, whoAmI, "Bearer "+auth.NewKey())
		statuses[last.Status]++
	}
	if statuses[401] < 10 || statuses[429] < 10 || last.Status != 429 || !strings.Contains(last.Header, "Retry-After") || !strings.Contains(last.Body, `"RATE_LIMITED"`) {
		t.Errorf("30 wrong keys are answered %v, the last %+v", statuses, last)
	}
	if got := g.knock(t, whoAmI, "Bearer "+good); got.Status != http.StatusOK {
		t.Errorf("a right key from there is answered %+v", got)
	}
	if got := g.knock(t, whoAmI); got.Status != http.StatusUnauthorized {
		t.Errorf("no key from there is answered %+v", got)
	}
}

// TestKeysFile changes a keys file under a gateway that runs.
func TestKeysFile(t *testing.T) {
	t.Parallel()
	file := newKeysFile(t)
	first, firstLine := newKey(t, "first", time.Time{})
	second, secondLine := newKey(t, "second", time.Time{})
	file.write(firstLine)
	now := time.Now()
	book := new(logbook)
	keys, err := auth.OpenKeys(file.path, slog.New(slog.NewTextHandler(book, nil)), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	holds := func(what string, want ...string) {
		t.Helper()
		now = now.Add(2 * time.Second)
		got := []string{}
		for _, key := range []string{first, second} {
			if ctx, err := keys.Enter(t.Context(), key, false); err == nil {
				got = append(got, auth.CallerOf(ctx).Name)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v are let in, want %v", what, got, want)
		}
	}
	holds("at first", "first")
	file.write(firstLine, secondLine)
	holds("one more", "first", "second")
	file.write(secondLine[:len(secondLine)/2])
	holds("half a line", "first", "second")
	holds("half a line, again", "first", "second")
	file.write(secondLine, secondLine)
	holds("twice the same", "first", "second")
	file.write(strings.Replace(secondLine, `"permissions":[`, `"permissions":["everything"`, 1))
	holds("no permission", "first", "second")
	if err := os.Remove(file.path); err != nil {
		t.Fatal(err)
	}
	holds("no file", "first", "second")
	if n := strings.Count(book.String(), "cannot be taken up"); n != 4 {
		t.Errorf("four troubles are told %d times:\n%s", n, book)
	}
	file.write(secondLine)
	holds("one less", "second")
	file.write()
	holds("none")
	if strings.Contains(book.String(), strings.TrimPrefix(fmt.Sprintf("%x", auth.HashOf(second)), "0x")) {
		t.Error("the log tells a hash")
	}
}

// TestKeyCommand makes keys as a person does, and calls with one.
func TestKeyCommand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	make := func(args ...string) (key, told string) {
		t.Helper()
		var out, notes bytes.Buffer
		if err := run(t.Context(), append([]string{"key"}, args...), &out, &notes); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out.String()), notes.String()
	}
	t.Setenv("AUTH_KEYS_FILE", path)
	first, _ := make("--name=dashboard", "--permissions=contact_read,introspect", "--expires=90d")
	second, told := make("--name=report", "--permissions=contact_read", "--expires=never")
	if !regexp.MustCompile(`^dg_[0-9a-f]{72}$`).MatchString(first) || first == second || strings.Contains(told, second) || !strings.Contains(told, "for ever") {
		t.Errorf("the keys are %q and %q, told with %q", first, second, told)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is for %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Count(text, []byte("\n")) != 2 || bytes.Contains(text, []byte(first)) {
		t.Errorf("the file holds %s, %v", text, err)
	}
	p := start(t, "--listen-addr=127.0.0.1:0", "--auth=api-key")
	defer func() { p.stop(); <-p.ended; http.DefaultClient.CloseIdleConnections() }()
	g := &gateway{url: p.url}
	if got := g.knock(t, whoAmI, "Bearer "+second); !strings.Contains(got.Body, `"report"`) {
		t.Errorf("the key is answered %+v", got)
	}
	if !strings.Contains(p.stdout.String(), "2 keys") {
		t.Errorf("the summary does not say that there are two keys:\n%s", p.stdout)
	}

	t.Setenv("AUTH_KEYS_FILE", "")
	both, _ := make("--name=x", "--permissions=gdpr_read")
	key, line, _ := strings.Cut(both, "\n")
	if !strings.HasPrefix(key, "dg_") || !strings.Contains(line, fmt.Sprintf("%x", auth.HashOf(key))) {
		t.Errorf("without a file it prints %q", both)
	}
	for _, wrong := range [][]string{
		{"--permissions=contact_read"}, {"--name=x"}, {"--name=x", "--permissions=everything"}, {"--name=", "--permissions=contact_read"},
		{"--name=x", "--permissions=contact_read", "--expires=-1d"}, {"--name=x", "--permissions=contact_read", "--expires=soon"},
	} {
		if err := run(t.Context(), append([]string{"key"}, wrong...), io.Discard, io.Discard); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("key %v ends with %v", wrong, err)
		}
	}
}

// TestOpen holds where AUTH=none is refused: where anybody could do what the
// organisation's own token may.
func TestOpen(t *testing.T) {
	for _, tt := range []struct {
		addr   string
		args   []string
		starts bool
	}{
		{"127.0.0.1", []string{"--drift-token=x"}, true},
		{"::1", []string{"--drift-token=x"}, true},
		{"0.0.0.0", []string{"--drift-token=x"}, false},
		{"::", []string{"--drift-token=x"}, false},
		{"192.0.2.1", []string{"--drift-token=x"}, false},
		{"0.0.0.0", nil, true},
		{"0.0.0.0", []string{"--drift-token=x", "--sandbox"}, true},
		{"0.0.0.0", []string{"--drift-token=x", "--auth=api-key", "--auth-keys-file=" + newKeysFile(t).path}, true},
	} {
		var c cli
		parser, err := c.parser(io.Discard, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(tt.args); err != nil {
			t.Fatal(err)
		}
		_, _, err = c.Serve.door(&net.TCPAddr{IP: net.ParseIP(tt.addr), Port: 8080}, nil, slog.New(slog.DiscardHandler))
		if (err == nil) != tt.starts || err != nil && (!strings.Contains(err.Error(), "AUTH") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s %v: %v", tt.addr, tt.args, err)
		}
	}
}

// TestSocketKeys opens WebSockets with and without keys, and takes the key of one
// away while it listens.
func TestSocketKeys(t *testing.T) {
	t.Parallel()
	file := newKeysFile(t)
	good, line := newKey(t, "dashboard", time.Time{}, auth.Permissions()...)
	file.write(line)
	g := newLiveGateway(t, sandbox.Config{}, parts{}, "--auth=api-key", "--auth-keys-file="+file.path)
	open := func(header http.Header, payload string) (*websocket.Conn, string) {
		t.Helper()
		conn, res, err := websocket.Dial(t.Context(), strings.Replace(g.url, "http", "ws", 1)+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: header})
		if err != nil {
			return nil, fmt.Sprint(res.StatusCode)
		}
		t.Cleanup(func() { _ = conn.CloseNow() })
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"connection_init","payload":`+payload+`}`)); err != nil {
			t.Fatal(err)
		}
		_, answer, err := conn.Read(t.Context())
		if err != nil {
			return nil, fmt.Sprint(int(websocket.CloseStatus(err)))
		}
		return conn, string(answer)
	}
	const ack = `{"type":"connection_ack"}`
	for _, tt := range []struct {
		header, payload, want string
	}{
		{"", `{"Authorization":"Bearer ` + good + `"}`, ack},
		{"", `{"authorization":"bearer ` + good + `"}`, ack},
		{"Bearer " + good, `null`, ack},
		{"", `null`, "4403"},
		{"", `{}`, "4403"},
		{"", `[]`, "4403"},
		{"", `{"Authorization":"Bearer ` + flip(good) + `"}`, "4403"},
		{"", `{"Authorization":7}`, "4403"},
		{"Bearer " + good, `{"Authorization":"Bearer ` + flip(good) + `"}`, "4403"},
		{"Bearer " + flip(good), `{"Authorization":"Bearer ` + good + `"}`, "401"},
	} {
		header := http.Header{}
		if tt.header != "" {
			header.Set("Authorization", tt.header)
		}
		if _, got := open(header, tt.payload); got != tt.want {
			t.Errorf("header %q, payload %s: %s, want %s", tt.header, tt.payload, got, tt.want)
		}
	}

	conn, _ := open(nil, `{"Authorization":"Bearer `+good+`"}`)
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"subscribe","id":"1","payload":{"query":"subscription { contactUpdated { id } }"}}`)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return g.bus.Stats().Subscribers == 1 })
	contact := events.Event{Kind: events.ContactUpdated, Contact: drift.ID(g.drift.Fixtures().EnrichedContactID)}
	g.bus.Publish(contact)
	if _, text, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(text), `"next"`) {
		t.Fatalf("an event is told by %s, %v", text, err)
	}
	file.write()
	eventually(t, func() bool { return g.knock(t, whoAmI, "Bearer "+good).Status == http.StatusUnauthorized })
	g.bus.Publish(contact)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, text, err := conn.Read(ctx); websocket.CloseStatus(err) != 4403 {
		t.Errorf("without the key the next event is told by %s, %v", text, err)
	}
}

// TestEventsKeys listens by server-sent events and takes the key away: the next
// event is not told, and a stream that has none ends, too, as a WebSocket does.
func TestEventsKeys(t *testing.T) {
	t.Parallel()
	for _, quiet := range []bool{false, true} {
		t.Run(fmt.Sprintf("quiet=%t", quiet), func(t *testing.T) {
			t.Parallel()
			file := newKeysFile(t)
			key, line := newKey(t, "dashboard", time.Time{}, auth.Permissions()...)
			other, otherLine := newKey(t, "other", time.Time{}, auth.Permissions()...)
			file.write(line, otherLine)
			p := parts{live: graph.LiveOptions{KeepAlive: time.Hour}}
			if quiet {
				p.live.KeepAlive = 10 * time.Millisecond
			}
			g := assemble(t, p, "--auth=api-key", "--auth-keys-file="+file.path)
			listen := func(key string) *stream {
				t.Helper()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/graphql", strings.NewReader(`{"query":"subscription { contactUpdated { id } }"}`))
				if err != nil {
					t.Fatal(err)
				}
				req.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"text/event-stream"}, "Authorization": {"Bearer " + key}}
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { res.Body.Close() })
				return &stream{bufio.NewReader(res.Body), res.Body}
			}
			withdrawn, stays := listen(key), listen(other)
			eventually(t, func() bool { return g.bus.Stats().Subscribers == 2 })
			socket, _, err := websocket.Dial(t.Context(), g.url+"/graphql", &websocket.DialOptions{
				Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"Authorization": {"Bearer " + key}},
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = socket.CloseNow() })
			for _, text := range []string{`{"type":"connection_init"}`, `{"type":"subscribe","id":"1","payload":{"query":"subscription { messageAdded { id } }"}}`} {
				if err := socket.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			if _, text, err := socket.Read(t.Context()); err != nil || !strings.Contains(string(text), "connection_ack") {
				t.Fatalf("a WebSocket begins with %s, %v", text, err)
			}
			eventually(t, func() bool { return g.bus.Stats().Subscribers == 3 })
			contact := events.Event{Kind: events.ContactUpdated, Contact: drift.ID(g.drift.Fixtures().EnrichedContactID)}
			g.bus.Publish(contact)
			for _, s := range []*stream{withdrawn, stays} {
				if r := s.next(t); r.code() != "" {
					t.Errorf("an event is told by %s", r.Text)
				}
			}
			file.write(otherLine)
			eventually(t, func() bool { return g.knock(t, whoAmI, "Bearer "+key).Status == http.StatusUnauthorized })
			if !quiet {
				g.bus.Publish(contact)
			}
			if quiet {
				if _, text, err := socket.Read(t.Context()); websocket.CloseStatus(err) != 4403 {
					t.Errorf("without the key a WebSocket is told %s, %v", text, err)
				}
			}
			if r := withdrawn.next(t); r.code() != graph.CodeUnauthenticated || r.Data != nil {
				t.Errorf("without the key it is told %s", r.Text)
			}
			if !withdrawn.ended(t) {
				t.Error("without the key the stream goes on")
			}
			if quiet {
				g.bus.Publish(contact)
			}
			if r := stays.next(t); r.code() != "" {
				t.Errorf("another's event is told by %s", r.Text)
			}
			if quiet {
				eventually(t, func() bool { return g.bus.Stats().Subscribers == 1 })
			}
		})
	}
}

// TestJWT lets in by a token, and tells those whose token is wrong no more than
// those who have none; and that it cannot tell, if the issuer is not there.
func TestJWT(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":%q}]}`, base64.RawURLEncoding.EncodeToString(public))
	}))
	t.Cleanup(issuer.Close)
	token := func(ends time.Duration) string {
		t.Helper()
		claims := jwt.MapClaims{"iss": "i", "aud": "a", "sub": "maya", "scope": "contact_read", "exp": time.Now().Add(ends).Unix()}
		text, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims).SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	args := []string{"--auth=jwt", "--auth-issuer=i", "--auth-audience=a"}
	g := newGateway(t, sandbox.Config{}, append(args, "--auth-jwks-url="+issuer.URL)...)
	const query = `{ viewer { caller permissions } users { nodes { id } } }`
	good := token(time.Hour)
	if got := g.knock(t, query, "Bearer "+good); got.Status != 200 || !strings.Contains(got.Body, `"data":{"viewer":{"caller":"maya","permissions":["contact_read"]},"users":null}`) || g.calls() != 0 {
		t.Errorf("with a token: %+v", got)
	}
	absent := g.knock(t, query)
	for name, token := range map[string]string{"expired": token(-time.Hour), "cut": good[:len(good)-9], "a key": auth.NewKey()} {
		if got := g.knock(t, query, "Bearer "+token); got != absent || got.Status != http.StatusUnauthorized {
			t.Errorf("with a token that is %s: %+v, want %+v", name, got, absent)
		}
	}
	issuer.Close()
	deaf := newGateway(t, sandbox.Config{}, append(args, "--auth-jwks-url="+issuer.URL)...)
	if got := deaf.knock(t, query, "Bearer "+good); got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Header, "Retry-After") {
		t.Errorf("without an issuer: %+v", got)
	}
	if strings.Contains(g.log.String()+deaf.log.String(), good) {
		t.Error("a token is in the log")
	}
}
