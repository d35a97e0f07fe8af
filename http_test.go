package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/driftgraph/driftgraph/sandbox"
)

// echo stands in requests that are refused; no answer may hold it.
const echo = "echo-of-the-request"

// TestHTTP holds statuses, media types and refusals of GraphQL over HTTP.
func TestHTTP(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	const (
		viewer   = `{"query":"{ viewer { caller } }"}`
		plain    = "application/json"
		response = "application/graphql-response+json"
	)
	answered := `{"data":{"viewer":{"caller":"anonymous"}}}`
	type header map[string]string
	get := func(query string, more ...string) string {
		values := url.Values{"query": {query}}
		for i := 0; i < len(more); i += 2 {
			values.Set(more[i], more[i+1])
		}
		return "?" + values.Encode()
	}
	tests := map[string]struct {
		method string
		url    string // after /graphql
		header header
		body   string
		status int
		media  string
		want   string // the whole body; or with a leading ~ a part of it; "" for none
	}{
		"POST":                                {"POST", "", header{"Content-Type": plain}, viewer, 200, plain, answered},
		"POST with a charset":                 {"POST", "", header{"Content-Type": "application/json; charset=UTF-8"}, viewer, 200, plain, answered},
		"GET":                                 {"GET", get("{ viewer { caller } }"), nil, "", 200, plain, answered},
		"GET with variables":                  {"GET", get("query($id: ID!) { node(id: $id) { id } }", "variables", `{"id":"Contact:1"}`), nil, "", 200, plain, `{"data":{"node":null}}`},
		"GET of an operation":                 {"GET", get("query A { viewer { caller } } query B { teams { id } }", "operationName", "A"), nil, "", 200, plain, answered},
		"HEAD":                                {"HEAD", get("{ viewer { caller } }"), nil, "", 200, plain, ""},
		"names and nulls":                     {"POST", "", header{"Content-Type": plain}, `{"query":"query A { viewer { caller } }","operationName":null,"variables":null,"extensions":null,"more":1}`, 200, plain, answered},
		"unicode":                             {"POST", "", header{"Content-Type": plain}, `{"query":"{ contact(id: \"Контакт 🙂 \\u00e9\") { id } }"}`, 200, plain, "~Контакт 🙂 é"},
		"byte order mark":                     {"POST", "", header{"Content-Type": plain}, `{"query":"\ufeff{ viewer { caller } }"}`, 200, plain, answered},
		"no Accept":                           {"POST", "", header{"Content-Type": plain, "Accept": ""}, viewer, 200, plain, answered},
		"Accept anything":                     {"POST", "", header{"Content-Type": plain, "Accept": "*/*"}, viewer, 200, plain, answered},
		"Accept any application":              {"POST", "", header{"Content-Type": plain, "Accept": "application/*"}, viewer, 200, plain, answered},
		"Accept a response":                   {"POST", "", header{"Content-Type": plain, "Accept": response}, viewer, 200, response, answered},
		"Accept both, first first":            {"POST", "", header{"Content-Type": plain, "Accept": response + ", " + plain}, viewer, 200, response, answered},
		"Accept by quality":                   {"POST", "", header{"Content-Type": plain, "Accept": plain + ";q=0.5, " + response + ";q=0.9"}, viewer, 200, response, answered},
		"Accept of a browser":                 {"GET", get("{ viewer { caller } }"), header{"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, "", 200, plain, answered},
		"Accept with a charset":               {"POST", "", header{"Content-Type": plain, "Accept": response + "; charset=utf-8"}, viewer, 200, response, answered},
		"Accept another charset":              {"POST", "", header{"Content-Type": plain, "Accept": response + "; charset=latin1"}, viewer, 406, plain, "~Accept"},
		"Accept nothing of ours":              {"POST", "", header{"Content-Type": plain, "Accept": "text/html"}, viewer, 406, plain, "~Accept"},
		"Accept with quality 0":               {"POST", "", header{"Content-Type": plain, "Accept": plain + ";q=0"}, viewer, 406, plain, "~Accept"},
		"Accept but not JSON":                 {"POST", "", header{"Content-Type": plain, "Accept": "*/*, " + plain + ";q=0"}, viewer, 200, response, answered},
		"Accept JSON, but rather not":         {"POST", "", header{"Content-Type": plain, "Accept": plain + ";q=0.1, */*"}, viewer, 200, response, answered},
		"Accept a response, or else anything": {"POST", "", header{"Content-Type": plain, "Accept": "*/*;q=0.1, " + response}, viewer, 200, response, answered},
		"refused, JSON":                       {"POST", "", header{"Content-Type": plain}, `{"query":"{ nothing }"}`, 200, plain, "~GRAPHQL_VALIDATION_FAILED"},
		"refused, response":                   {"POST", "", header{"Content-Type": plain, "Accept": response}, `{"query":"{ nothing }"}`, 400, response, "~GRAPHQL_VALIDATION_FAILED"},
		"not parsed, response":                {"POST", "", header{"Content-Type": plain, "Accept": response}, `{"query":"{"}`, 400, response, "~GRAPHQL_PARSE_FAILED"},
		"too complex, response":               {"POST", "", header{"Content-Type": plain, "Accept": response}, fmt.Sprintf(`{"query":"{%s}"}`, aliases(31)), 400, response, "~QUERY_TOO_COMPLEX"},
		"variables, response":                 {"POST", "", header{"Content-Type": plain, "Accept": response}, `{"query":"query($id: ID!) { contact(id: $id) { id } }"}`, 400, response, "~variable $id"},
		"unknown operation":                   {"POST", "", header{"Content-Type": plain, "Accept": response}, `{"query":"query A { viewer { caller } }","operationName":"` + echo + `"}`, 400, response, "~operationName"},
		"failed field, response":              {"POST", "", header{"Content-Type": plain, "Accept": response}, `{"query":"{ contact(id: \"x\") { id } }"}`, 200, response, `~"data":{"contact":null}`},
		"body too large":                      {"POST", "", header{"Content-Type": plain}, `{"query":"{ viewer { caller } }","variables":{"x":"` + strings.Repeat(echo, 20000) + `"}}`, 413, plain, "~262144 bytes"},
		"no Content-Type":                     {"POST", "", nil, viewer, 415, plain, "~Content-Type"},
		"a form":                              {"POST", "", header{"Content-Type": "application/x-www-form-urlencoded"}, "query=" + echo, 415, plain, "~Content-Type"},
		"text":                                {"POST", "", header{"Content-Type": "text/plain"}, viewer, 415, plain, "~Content-Type"},
		"GraphQL":                             {"POST", "", header{"Content-Type": "application/graphql"}, "{ viewer { caller } }", 415, plain, "~Content-Type"},
		"another charset":                     {"POST", "", header{"Content-Type": "application/json; charset=utf-16"}, viewer, 415, plain, "~utf-8"},
		"empty body":                          {"POST", "", header{"Content-Type": plain}, "", 400, plain, "~not a JSON object"},
		"not JSON":                            {"POST", "", header{"Content-Type": plain}, echo, 400, plain, "~not a JSON object"},
		"half of it":                          {"POST", "", header{"Content-Type": plain}, `{"query":"` + echo, 400, plain, "~not a JSON object"},
		"null":                                {"POST", "", header{"Content-Type": plain}, "null", 400, plain, "~not a JSON object"},
		"two values":                          {"POST", "", header{"Content-Type": plain}, viewer + viewer, 400, plain, "~not a JSON object"},
		"batch":                               {"POST", "", header{"Content-Type": plain}, "[" + viewer + "]", 400, plain, "~one by one"},
		"no query":                            {"POST", "", header{"Content-Type": plain}, `{"variables":{}}`, 400, plain, "~query is missing"},
		"empty query":                         {"POST", "", header{"Content-Type": plain}, `{"query":""}`, 400, plain, "~query is missing"},
		"query of numbers":                    {"POST", "", header{"Content-Type": plain}, `{"query":7}`, 400, plain, "~query must be text"},
		"operationName of numbers":            {"POST", "", header{"Content-Type": plain}, `{"query":"{a}","operationName":7}`, 400, plain, "~operationName must be"},
		"variables as a list":                 {"POST", "", header{"Content-Type": plain}, `{"query":"{a}","variables":["` + echo + `"]}`, 400, plain, "~variables must be"},
		"variables as text":                   {"POST", "", header{"Content-Type": plain}, `{"query":"{a}","variables":"` + echo + `"}`, 400, plain, "~variables must be"},
		"extensions as text":                  {"POST", "", header{"Content-Type": plain}, `{"query":"{a}","extensions":"` + echo + `"}`, 400, plain, "~extensions must be"},
		"GET without query":                   {"GET", "", nil, "", 400, plain, "~query is missing"},
		"GET with odd variables":              {"GET", get("{ viewer { caller } }", "variables", echo), nil, "", 400, plain, "~variables is not"},
		"GET with odd extensions":             {"GET", get("{ viewer { caller } }", "extensions", "[1]"), nil, "", 400, plain, "~extensions is not"},
		"GET of another site":                 {"GET", get("{ viewer { caller } }"), header{"Sec-Fetch-Site": "cross-site"}, "", 403, plain, "~FORBIDDEN"},
		"GET of a sister site":                {"GET", get("{ viewer { caller } }"), header{"Sec-Fetch-Site": "same-site"}, "", 403, plain, "~FORBIDDEN"},
		"GET of our own page":                 {"GET", get("{ viewer { caller } }"), header{"Sec-Fetch-Site": "same-origin"}, "", 200, plain, answered},
		"GET typed in":                        {"GET", get("{ viewer { caller } }"), header{"Sec-Fetch-Site": "none"}, "", 200, plain, answered},
		"POST of another site":                {"POST", "", header{"Content-Type": plain, "Sec-Fetch-Site": "cross-site"}, viewer, 403, plain, "~FORBIDDEN"},
		"POST of another origin":              {"POST", "", header{"Content-Type": plain, "Origin": "https://elsewhere.example"}, viewer, 403, plain, "~FORBIDDEN"},
		"a compressed body":                   {"POST", "", header{"Content-Type": plain, "Content-Encoding": "gzip"}, echo, 415, plain, "~compressed"},
		"GET with JSON":                       {"GET", get("{ viewer { caller } }"), header{"Content-Type": plain + "; charset=utf-8"}, "", 200, plain, answered},
		"GET with text":                       {"GET", get("{ viewer { caller } }"), header{"Content-Type": "text/plain"}, "", 415, plain, "~Content-Type"},
		"GET with an odd type":                {"GET", get("{ viewer { caller } }"), header{"Content-Type": "application/json, text/plain"}, "", 415, plain, "~Content-Type"},
		"GET with half a type":                {"GET", get("{ viewer { caller } }"), header{"Content-Type": "application"}, "", 415, plain, "~Content-Type"},
		"GET with a form":                     {"GET", get("{ viewer { caller } }"), header{"Content-Type": "multipart/form-data; boundary=x"}, "", 415, plain, "~Content-Type"},
		"mutation by GET":                     {"GET", get(`mutation { deleteContact(input: {id: 5}) { deletedId } }`), nil, "", 405, plain, "~takes POST"},
		"PUT":                                 {"PUT", "", header{"Content-Type": plain}, viewer, 405, plain, "~GET and POST"},
		"DELETE":                              {"DELETE", get(echo), nil, "", 405, plain, "~GET and POST"},
		"OPTIONS":                             {"OPTIONS", "", nil, "", 405, plain, "~GET and POST"},
		"ids of 64 bits":                      {"POST", "", header{"Content-Type": plain}, `{"query":"query($id: ID!) { contact(id: $id) { id } }","variables":{"id":9223372036854775807}}`, 200, plain, `{"data":{"contact":null}}`},
		"ids of more than 64 bits":            {"POST", "", header{"Content-Type": plain}, `{"query":"query($id: ID!) { contact(id: $id) { id } }","variables":{"id":9223372036854775808}}`, 200, plain, "~BAD_USER_INPUT"},
		"ids with signs of a shell":           {"POST", "", header{"Content-Type": plain}, `{"query":"query($ids: [String!]!) { contactsByExternalId(externalIds: $ids) { id } }","variables":{"ids":["$HOME","a&b=c","a,b","ü🙂","../x"]}}`, 200, plain, `{"data":{"contactsByExternalId":[null,null,null,null,null]}}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, g.url+"/graphql"+tt.url, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range tt.header {
				req.Header.Set(name, value)
			}
			if v, set := tt.header["Accept"]; set && v == "" {
				req.Header.Del("Accept")
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tt.status {
				t.Errorf("status %d, want %d: %s", res.StatusCode, tt.status, body)
			}
			if part, isPart := strings.CutPrefix(tt.want, "~"); isPart && !strings.Contains(string(body), part) || !isPart && string(body) != tt.want {
				t.Errorf("the body is %s, want %s", body, tt.want)
			}
			if strings.Contains(string(body), echo) {
				t.Errorf("the answer holds what the request held: %s", body)
			}
			if res.StatusCode == http.StatusMethodNotAllowed && res.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			if tt.media == "" {
				return
			}
			media, options, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
			if media != tt.media || options["charset"] != "utf-8" || err != nil {
				t.Errorf("Content-Type is %q, want %s in utf-8", res.Header.Get("Content-Type"), tt.media)
			}
			if vary := res.Header.Values("Vary"); tt.status != 403 && !slices.Equal(varies(res), []string{"accept", "accept-encoding"}) {
				t.Errorf("Vary is %q, want Accept and Accept-Encoding once each", vary)
			}
			if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("X-Request-Id") == "" {
				t.Errorf("headers are %v", res.Header)
			}
			if tt.method == http.MethodHead {
				return
			}
			var answer map[string]json.RawMessage
			if err := json.Unmarshal(body, &answer); err != nil {
				t.Fatalf("the answer is not JSON: %v: %s", err, body)
			}
			if _, data := answer["data"]; data != (tt.status == 200 && !strings.Contains(string(body), "VALIDATION_FAILED")) {
				t.Errorf("data is there: %t: %s", data, body)
			}
		})
	}
}

// varies returns what an answer says that it varies by, in order.
func varies(res *http.Response) []string {
	var names []string
	for name := range strings.SplitSeq(strings.Join(res.Header.Values("Vary"), ","), ",") {
		names = append(names, strings.ToLower(strings.TrimSpace(name)))
	}
	slices.Sort(names)
	return names
}

// TestLargeIDs shows that a number of 64 bits passes through variables as it is.
func TestLargeIDs(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	id := g.drift.Fixtures().EnrichedContactID
	for _, form := range []any{id, fmt.Sprint(id), fmt.Sprint("Contact:", id)} {
		data := g.get(t, `query($id: ID!) { contact(id: $id) { driftId } }`, map[string]any{"id": form})
		if at(data, "contact.driftId") != fmt.Sprint(id) {
			t.Errorf("%v gives %v", form, data)
		}
	}
	if n := g.calls(); n != 1 {
		t.Errorf("three forms of one id cost %d calls, want 1", n)
	}
}

// TestRequestID gives the caller's id back if it is well formed, and one of the
// gateway's own if not.
func TestRequestID(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	for id, kept := range map[string]bool{
		"trace-1.A_b": true, "": false, strings.Repeat("a", 65): false, "a b": false, "<script>": false, "a\"b": false, "ü": false,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/livez", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Request-Id", id)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("X-Request-Id"); got == "" || (got == id) != kept {
			t.Errorf("the request id %q gives %q", id, got)
		}
	}
}

// TestInterruptedBody ends a connection in the middle of a body: nothing runs,
// and the gateway goes on.
func TestInterruptedBody(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"query\":\"{ teams { name } }\"}")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	conn.Close()
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 400 ")) {
		t.Errorf("half a body gives %q, %v; want 400", answer, err)
	}
	if n := g.calls(); n != 0 {
		t.Errorf("half a body cost %d calls", n)
	}
	g.get(t, `{ viewer { caller } }`)
}

// TestSwitches turns off what a public gateway may not want to show.
func TestSwitches(t *testing.T) {
	open, shut := newGateway(t, sandbox.Config{}), newGateway(t, sandbox.Config{}, "--no-introspection", "--no-playground")
	for path, want := range map[string][2]int{"/": {200, 404}, "/schema.graphql": {200, 404}, "/livez": {200, 200}, "/readyz": {200, 200}, "/nothing": {404, 404}} {
		for i, g := range []*gateway{open, shut} {
			res, err := http.Get(g.url + path)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want[i] {
				t.Errorf("%s gives %d with the switches at %d, want %d", path, res.StatusCode, i, want[i])
			}
		}
	}
	if at(open.get(t, `{ __schema { queryType { name } } }`), "__schema.queryType.name") != "Query" {
		t.Error("introspection is on, and tells nothing")
	}
	r := shut.ask(t, `{ __schema { queryType { name } } __type(name: "Contact") { name } }`)
	if strings.Contains(string(r.Text), "Query") && len(r.Errors) == 0 {
		t.Errorf("introspection is off, and tells %s", r.Text)
	}
	r = shut.ask(t, `{ contct(id: 5) { name } }`)
	if len(r.Errors) != 1 || strings.Contains(r.Errors[0].Message, "Did you mean") {
		t.Errorf("introspection is off, and an error suggests: %+v", r.Errors)
	}
}
