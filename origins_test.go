package main

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/klauspost/compress/zstd"

	"github.com/driftgraph/driftgraph/sandbox"
)

const (
	friend   = "https://inbox.example.com"
	stranger = "https://elsewhere.example"
	browser  = "Mozilla/5.0 (X11; Linux x86_64; rv:78.0) Gecko/20100101 Firefox/78.0"
)

// exchange sends a request with the given headers and returns the answer and its
// body, as they came.
func exchange(t *testing.T, method, address, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// TestForeignPages sends what a page can have a browser send, present or old, and
// what others send: only what a page of another origin could not have sent without
// leave is executed.
func TestForeignPages(t *testing.T) {
	g := newGateway(t, sandbox.Config{}, "--cors-origins="+friend)
	host := g.url
	query := "?" + url.Values{"query": {"{ teams { name } }"}}.Encode()
	posted := `{"query":"{ teams { name } }"}`
	type header map[string]string
	tests := map[string]struct {
		method string
		header header
		status int
	}{
		// A present browser says where it comes from.
		"picture":                  {"GET", header{"User-Agent": browser, "Sec-Fetch-Site": "cross-site", "Accept": "image/*, */*"}, 403},
		"picture of a sister":      {"GET", header{"User-Agent": browser, "Sec-Fetch-Site": "same-site"}, 403},
		"link":                     {"GET", header{"User-Agent": browser, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403},
		"form":                     {"POST", header{"User-Agent": browser, "Sec-Fetch-Site": "cross-site", "Origin": stranger, "Content-Type": "application/x-www-form-urlencoded"}, 403},
		"own page":                 {"GET", header{"User-Agent": browser, "Sec-Fetch-Site": "same-origin"}, 200},
		"typed in":                 {"GET", header{"User-Agent": browser, "Sec-Fetch-Site": "none"}, 200},
		"own page posts":           {"POST", header{"User-Agent": browser, "Sec-Fetch-Site": "same-origin", "Origin": host, "Content-Type": "application/json"}, 200},
		"friend":                   {"GET", header{"User-Agent": browser, "Sec-Fetch-Site": "cross-site", "Origin": friend}, 200},
		"friend posts":             {"POST", header{"User-Agent": browser, "Sec-Fetch-Site": "cross-site", "Origin": friend, "Content-Type": "application/json"}, 200},
		"friend posts a form":      {"POST", header{"User-Agent": browser, "Sec-Fetch-Site": "cross-site", "Origin": friend, "Content-Type": "text/plain"}, 415},
		"stranger":                 {"GET", header{"User-Agent": browser, "Sec-Fetch-Site": "cross-site", "Origin": stranger}, 403},
		"stranger posts":           {"POST", header{"User-Agent": browser, "Sec-Fetch-Site": "cross-site", "Origin": stranger, "Content-Type": "application/json"}, 403},
		"stranger with a header":   {"GET", header{"User-Agent": browser, "Sec-Fetch-Site": "cross-site", "Origin": stranger, "X-Requested-With": "x"}, 403},
		"stranger in a sandbox":    {"POST", header{"User-Agent": browser, "Origin": "null", "Content-Type": "application/json"}, 403},
		"stranger with a GET null": {"GET", header{"User-Agent": browser, "Origin": "null"}, 403},

		// An old one, or one that came by plain HTTP, does not.
		"old picture":               {"GET", header{"User-Agent": browser}, 403},
		"old picture, HEAD":         {"HEAD", header{"User-Agent": browser}, 403},
		"old picture with a page":   {"GET", header{"User-Agent": browser, "Referer": stranger + "/page"}, 403},
		"old fetch":                 {"GET", header{"User-Agent": browser, "Origin": stranger}, 403},
		"old fetch, odd Accept":     {"GET", header{"User-Agent": browser, "Accept": "application/graphql-response+json"}, 403},
		"old fetch, odd type":       {"GET", header{"User-Agent": browser, "Content-Type": "text/plain"}, 403},
		"old form":                  {"POST", header{"User-Agent": browser, "Origin": stranger, "Content-Type": "text/plain"}, 403},
		"old form without a sign":   {"POST", header{"User-Agent": browser, "Content-Type": "text/plain"}, 415},
		"old form, encoded":         {"POST", header{"User-Agent": browser, "Content-Type": "multipart/form-data; boundary=x"}, 415},
		"old own page":              {"GET", header{"User-Agent": browser, "Referer": host + "/"}, 200},
		"old own page, Origin":      {"GET", header{"User-Agent": browser, "Origin": host}, 200},
		"old with X-Requested-With": {"GET", header{"User-Agent": browser, "X-Requested-With": "XMLHttpRequest"}, 200},
		"old with Apollo's":         {"GET", header{"User-Agent": browser, "Apollo-Require-Preflight": "true"}, 200},
		"old with ours":             {"GET", header{"User-Agent": browser, "Driftgraph-Plan": "summary"}, 200},
		"old with JSON":             {"GET", header{"User-Agent": browser, "Content-Type": "application/json"}, 200},
		"old friend":                {"GET", header{"User-Agent": browser, "Origin": friend}, 200},

		// What is no browser is nobody's page.
		"curl":              {"GET", header{"User-Agent": "curl/8.5.0"}, 200},
		"curl posts":        {"POST", header{"User-Agent": "curl/8.5.0", "Content-Type": "application/json"}, 200},
		"curl posts a form": {"POST", header{"User-Agent": "curl/8.5.0", "Content-Type": "application/x-www-form-urlencoded"}, 415},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			address, body := g.url+"/graphql"+query, ""
			if tt.method == http.MethodPost {
				address, body = g.url+"/graphql", posted
			}
			res, text := exchange(t, tt.method, address, body, tt.header)
			if res.StatusCode != tt.status || strings.Contains(text, `"data"`) != (tt.status == 200) {
				t.Errorf("it is answered %d, %s; want %d", res.StatusCode, text, tt.status)
			}
			if n := g.calls(); n > 0 && tt.status != 200 {
				t.Errorf("it cost %d calls", n)
			}
			allowed := res.Header.Get("Access-Control-Allow-Origin")
			if want := tt.header["Origin"]; allowed != "" && (allowed != want || want != friend) || want == friend && allowed != friend {
				t.Errorf("to %s Access-Control-Allow-Origin is %q", want, allowed)
			}
			if res.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
			if got := varies(res); len(slices.Compact(slices.Clone(got))) != len(got) || !slices.Contains(got, "origin") {
				t.Errorf("Vary is %v, want Origin, and each but once", got)
			}
		})
	}
}

// TestOwnHost sends requests to names that lead here. Where nobody is asked who
// they are, a page of such a name must not be taken for one of the gateway's own.
func TestOwnHost(t *testing.T) {
	open := newGateway(t, sandbox.Config{}, "--drift-token=x", "--cors-origins=https://drift.example.com")
	invented := newGateway(t, sandbox.Config{})
	for host, own := range map[string]bool{
		"localhost:8080": true, "LOCALHOST": true, "dg.localhost": true, "127.0.0.1": true, "127.1.2.3:80": true, "[::1]:8080": true, "drift.example.com": true,
		"elsewhere.example": false, "elsewhere.example:8080": false, "localhost.elsewhere.example": false, "192.0.2.1": false, "drift.example.com:8443": false,
	} {
		for g, want := range map[*gateway]bool{open: own, invented: true} {
			for _, path := range []string{"/graphql?query={__typename}", "/schema.graphql"} {
				req, err := http.NewRequestWithContext(t.Context(), "GET", g.url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = host
				res, err := http.DefaultTransport.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if (res.StatusCode == http.StatusOK) != want {
					t.Errorf("%s of %q is answered %d", path, host, res.StatusCode)
				}
			}
		}
	}
	if res, _ := exchange(t, "GET", open.url+"/graphql?query={__typename}", "", nil); res.StatusCode != http.StatusOK {
		t.Errorf("on this machine it is answered %d", res.StatusCode)
	}
}

// TestPreflight asks leave as a browser does before it sends JSON.
func TestPreflight(t *testing.T) {
	one, all, none := newGateway(t, sandbox.Config{}, "--cors-origins="+friend), newGateway(t, sandbox.Config{}, "--cors-origins=*"), newGateway(t, sandbox.Config{})
	for _, tt := range []struct {
		gateway      *gateway
		origin, want string
	}{{one, friend, friend}, {one, stranger, ""}, {one, "https://inbox.example.com.elsewhere.example", ""}, {one, "http://inbox.example.com", ""}, {one, "null", ""}, {all, stranger, "*"}, {none, friend, ""}} {
		res, _ := exchange(t, "OPTIONS", tt.gateway.url+"/graphql", "", map[string]string{
			"Origin": tt.origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,driftgraph-plan",
		})
		h := res.Header
		if got := h.Get("Access-Control-Allow-Origin"); got != tt.want {
			t.Errorf("%s is told %q, want %q", tt.origin, got, tt.want)
		}
		if tt.want != "" && (h.Get("Access-Control-Allow-Headers") != "content-type,driftgraph-plan" || h.Get("Access-Control-Max-Age") != "7200" || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") || res.StatusCode != 204) {
			t.Errorf("%s is told %d %v", tt.origin, res.StatusCode, h)
		}
	}
	for origin, gateways := range map[string][]*gateway{friend: {one, all}, stranger: {all}} {
		for _, g := range gateways {
			if res, text := exchange(t, "POST", g.url+"/graphql", `{"query":"{ viewer { caller } }"}`, map[string]string{"Origin": origin, "Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}); res.StatusCode != 200 {
				t.Errorf("%s, which is allowed, is answered %d %s", origin, res.StatusCode, text)
			}
		}
	}
}

// TestSocketOrigins connects from pages of several origins.
func TestSocketOrigins(t *testing.T) {
	one, all, none := newGateway(t, sandbox.Config{}, "--cors-origins="+friend), newGateway(t, sandbox.Config{}, "--cors-origins=*"), newGateway(t, sandbox.Config{})
	for _, tt := range []struct {
		gateway *gateway
		origin  string
		taken   bool
	}{
		{one, friend, true}, {one, stranger, false}, {one, one.url, true}, {one, "null", false}, {one, "http://inbox.example.com", false},
		{all, stranger, true}, {none, friend, false}, {none, none.url, true}, {none, "", true},
	} {
		header := http.Header{}
		if tt.origin != "" {
			header.Set("Origin", tt.origin)
		}
		conn, res, err := websocket.Dial(t.Context(), tt.gateway.url+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: header})
		if (err == nil) != tt.taken || !tt.taken && res.StatusCode != http.StatusForbidden {
			t.Errorf("from %q: %v", tt.origin, err)
		}
		if err == nil {
			_ = conn.CloseNow()
		}
	}
}

// TestCompression asks for answers as clients take them.
func TestCompression(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	large := "?" + url.Values{"query": {"{ users(first: 30) { nodes { id name email phone locale } } }"}}.Encode()
	_, plain := exchange(t, "GET", g.url+"/graphql"+large, "", map[string]string{"Accept-Encoding": "identity"})
	for accept, want := range map[string]string{"gzip": "gzip", "zstd": "zstd", "gzip, deflate, br, zstd": "zstd", "gzip;q=1, zstd;q=0.5": "gzip", "br": "", "identity": "", "gzip;q=0": ""} {
		res, text := exchange(t, "GET", g.url+"/graphql"+large, "", map[string]string{"Accept-Encoding": accept})
		if got := res.Header.Get("Content-Encoding"); got != want {
			t.Errorf("%q is answered in %q, want %q", accept, got, want)
		}
		var r io.Reader = strings.NewReader(text)
		switch want {
		case "gzip":
			unzipped, err := gzip.NewReader(r)
			if err != nil {
				t.Fatal(err)
			}
			r = unzipped
		case "zstd":
			unzipped, err := zstd.NewReader(r)
			if err != nil {
				t.Fatal(err)
			}
			defer unzipped.Close()
			r = unzipped
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != plain || want != "" && len(text) >= len(plain)/2 {
			t.Errorf("%q is answered by %d bytes of %d, %v", accept, len(text), len(plain), err)
		}
	}
	small := "?" + url.Values{"query": {"{ viewer { caller } }"}}.Encode()
	if res, _ := exchange(t, "GET", g.url+"/graphql"+small, "", map[string]string{"Accept-Encoding": "gzip"}); res.Header.Get("Content-Encoding") != "" {
		t.Error("a small answer is compressed")
	}
	if res, _ := exchange(t, "GET", g.url+"/schema.graphql", "", map[string]string{"Accept-Encoding": "gzip"}); res.Header.Get("Content-Encoding") != "gzip" {
		t.Error("the schema is not compressed")
	}
	if res, text := exchange(t, "GET", g.url+"/graphql"+large, "", map[string]string{"Accept-Encoding": "gzip", "Accept": "text/event-stream"}); res.Header.Get("Content-Encoding") != "" || !strings.Contains(text, "event: complete") {
		t.Error("a stream of events is compressed")
	}
}

// TestSecurityHeaders looks at what browsers are told of each path.
func TestSecurityHeaders(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	for _, path := range []string{"/", "/graphql", "/schema.graphql", "/livez", "/readyz", "/nothing", "/webhooks/drift", "/metrics"} {
		res, _ := exchange(t, "GET", g.url+path, "", nil)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "",
		} {
			if got := res.Header.Values(name); strings.Join(got, "|") != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		policy := strings.Join(res.Header.Values("Content-Security-Policy"), "|")
		if !strings.HasPrefix(policy, "default-src 'none';") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "|") || res.Header.Get("Permissions-Policy") == "" {
			t.Errorf("%s: the policy is %q", path, policy)
		}
	}
}
