package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestAttacks makes the checks of graphql-cop, and those of OWASP's sheet on
// GraphQL that a request can make, against a gateway that is set up to face the
// internet. None gets through, and none costs Drift a call.
func TestAttacks(t *testing.T) {
	g := newGateway(t, sandbox.Config{}, "--no-introspection", "--no-playground")
	g.calls()
	repeated := func(n int, text string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(text, "#", fmt.Sprint(i)) + " ")
		}
		return b.String()
	}
	of := func(query string) string {
		text, err := json.Marshal(map[string]string{"query": query})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	plain := http.Header{"Content-Type": {"application/json"}}
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	get := func(query string) string { return "/graphql?" + url.Values{"query": {query}}.Encode() }
	const deletion = `mutation { deleteContact(input: {id: 5}) { deletedId } }`
	tests := map[string]struct {
		method, path, body string
		header             http.Header
		status             int
		want               string   // in the answer
		never              []string // in it
	}{
		"alias overloading":           {"POST", "/graphql", of("{" + repeated(101, "a#: viewer { caller }") + "}"), plain, 200, graph.CodeQueryTooComplex, []string{`"data"`}},
		"array batching":              {"POST", "/graphql", "[" + strings.TrimSuffix(repeated(10, of("{ viewer { caller } }")+","), ", ") + "]", plain, 400, graph.CodeBadUserInput, []string{`"data"`}},
		"directive overloading":       {"POST", "/graphql", of("{ viewer { caller" + strings.Repeat(" @aa", 500) + " } }"), plain, 200, graph.CodeQueryTooComplex, []string{`"data"`}},
		"known directives":            {"POST", "/graphql", of("{ viewer { caller" + strings.Repeat(" @include(if: true)", 60) + " } }"), plain, 200, graph.CodeQueryTooComplex, []string{`"data"`}},
		"field duplication":           {"POST", "/graphql", of("{ viewer { " + strings.Repeat("caller ", 5000) + "} }"), plain, 200, graph.CodeQueryTooComplex, []string{`"data"`}},
		"circular fragments":          {"POST", "/graphql", of("{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }"), plain, 200, graph.CodeValidationFailed, []string{`"data"`}},
		"circular query":              {"POST", "/graphql", of("{ contact(id: 5) " + strings.Repeat("{ conversations { nodes { contact ", 20) + "{ id }" + strings.Repeat(" } } }", 20) + " }"), plain, 200, graph.CodeQueryTooComplex, []string{`"data"`}},
		"a list in each of a list":    {"POST", "/graphql", of("{ conversations(first: 100) { nodes { messages(last: 100) { nodes { author { ... on Contact { conversations(first: 100) { nodes { messages { nodes { body } } } } } } } } } } }"), plain, 200, "_", []string{`"data"`}},
		"introspection":               {"POST", "/graphql", of("{ __schema { types { name } } }"), plain, 200, `"errors"`, []string{"Contact", "Conversation"}},
		"introspection of a type":     {"POST", "/graphql", of(`{ __type(name: "Contact") { fields { name } } }`), plain, 200, `"errors"`, []string{"externalId"}},
		"introspection by GET":        {"GET", get("{ __schema { types { name } } }"), "", nil, 200, `"errors"`, []string{"Contact", "Conversation"}},
		"circular introspection":      {"POST", "/graphql", of("{ __schema { types { " + strings.Repeat("fields { type { ", 8) + "name" + strings.Repeat(" } }", 8) + " } } }"), plain, 200, `"errors"`, []string{"Contact"}},
		"the schema as a file":        {"GET", "/schema.graphql", "", nil, 404, "", []string{"type Contact"}},
		"suggestions":                 {"POST", "/graphql", of("{ conversatons { nodes { id } } }"), plain, 200, graph.CodeValidationFailed, []string{"Did you mean", `"conversations"`}},
		"a page that is an editor":    {"GET", "/", "", http.Header{"Accept": {"text/html"}}, 404, "", []string{"graphiql", "GraphiQL", "playground"}},
		"an editor at the endpoint":   {"GET", "/graphql", "", http.Header{"Accept": {"text/html"}}, 406, "", []string{"<html", "raphi"}},
		"mutation by GET":             {"GET", get(deletion), "", nil, 405, graph.CodeBadUserInput, []string{`"data"`}},
		"query by GET, other site":    {"GET", get("{ viewer { caller } }"), "", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403, "", []string{`"data"`}},
		"a form, other site":          {"POST", "/graphql", "query=" + url.QueryEscape(deletion), form, 415, "", []string{`"data"`}},
		"plain text, other site":      {"POST", "/graphql", of(deletion), http.Header{"Content-Type": {"text/plain"}}, 415, "", []string{`"data"`}},
		"upload form":                 {"POST", "/graphql", of(deletion), http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}, 415, "", []string{`"data"`}},
		"JSON from another site":      {"POST", "/graphql", of(deletion), http.Header{"Content-Type": {"application/json"}, "Sec-Fetch-Site": {"cross-site"}}, 403, "", []string{`"data"`}},
		"JSON from another origin":    {"POST", "/graphql", of(deletion), http.Header{"Content-Type": {"application/json"}, "Origin": {"https://evil.example"}}, 403, "", []string{`"data"`}},
		"trace mode":                  {"POST", "/graphql", of("{ viewer { caller } }"), http.Header{"Content-Type": {"application/json"}, "X-Apollo-Tracing": {"1"}}, 200, `"data"`, []string{"tracing", `"extensions"`}},
		"unhandled errors":            {"POST", "/graphql", of("qwerty cop { abc }"), plain, 200, graph.CodeParseFailed, []string{".go:", "goroutine", "runtime", "panic", `"data"`}},
		"errors with a hint":          {"POST", "/graphql", `{"query": 5}`, plain, 400, graph.CodeBadUserInput, []string{".go", "json:", "Unmarshal"}},
		"method that nobody knows":    {"TRACE", "/graphql", "", http.Header{"Cookie": {"secret"}}, 405, "", []string{"secret"}},
		"a huge body":                 {"POST", "/graphql", of(strings.Repeat(" ", 300<<10)), plain, 413, graph.CodeBadUserInput, []string{`"data"`}},
		"a deep body":                 {"POST", "/graphql", `{"query":"{ viewer { caller } }","variables":` + strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000) + "}", plain, 400, "", []string{`"data"`}},
		"injection into an id":        {"POST", "/graphql", of(`{ account(id: "48213_x/../../users/list") { name } contact(id: "5 OR 1=1") { name } }`), plain, 200, graph.CodeBadUserInput, []string{`"name"`}},
		"brute force in one document": {"POST", "/graphql", of("mutation {" + repeated(31, `a#: deleteContact(input: {id: #}) { deletedId }`) + "}"), plain, 200, graph.CodeQueryTooComplex, []string{`"data"`}},
		"more than a page":            {"POST", "/graphql", of("{ users(first: 1000000) { nodes { id } } }"), plain, 200, graph.CodeBadUserInput, nil},
		"profiles of the process":     {"GET", "/debug/pprof/", "", nil, 404, "", []string{"goroutine"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, g.url+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = tt.header.Clone()
			status, text := answerOf(t, req)
			if status != tt.status || !strings.Contains(text, tt.want) {
				t.Errorf("it is answered %d, %.300s; want %d and %s", status, text, tt.status, tt.want)
			}
			for _, word := range tt.never {
				if strings.Contains(text, word) {
					t.Errorf("the answer holds %s: %.300s", word, text)
				}
			}
			if n := g.calls(); n != 0 {
				t.Errorf("it cost Drift %d calls", n)
			}
		})
	}
}

// answerOf returns the status and the body of an answer.
func answerOf(t *testing.T, req *http.Request) (status int, text string) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b strings.Builder
	if err := res.Write(&b); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, b.String()
}
