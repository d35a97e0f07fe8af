package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestLimits asks for as much as each limit allows, and for one more: that is
// refused before it costs a call, with a code, the limit and, of a media type that
// has one, a status.
func TestLimits(t *testing.T) {
	g := newGateway(t, sandbox.Config{}, "--max-tokens=100", "--max-depth=4", "--max-list-depth=2", "--max-aliases=3", "--max-directives=2",
		"--max-body-bytes=2KiB", "--max-variables-bytes=100B", "--max-rest-calls=5")
	tests := map[string]struct {
		most, more string // documents
		code       string
		limit      float64
		status     int // of application/graphql-response+json
	}{
		"tokens": {"{ __typename }" + strings.Repeat("#\n", 97), "{ __typename }" + strings.Repeat("#\n", 98), graph.CodeQueryTooComplex, 100, 400},
		"work":   {"{" + strings.Repeat("__typename ", 40) + "}", "{" + strings.Repeat("__typename ", 60) + "}", graph.CodeQueryTooComplex, 2500, 400},
		"depth": {`{ teams { owner { meetings { slug } } } }`, `{ teams { owner { meetings { conversation { id } } } } }`,
			graph.CodeQueryTooComplex, 4, 400},
		"depth in fragments": {`{ teams { ...F } } fragment F on Team { owner { ... { availability } } }`,
			`{ teams { ...F } } fragment F on Team { owner { ... { meetings { conversation { id } } } } }`, graph.CodeQueryTooComplex, 4, 400},
		"lists":          {`{ teams { members { name } } }`, `{ teams { members { teams { name } } } }`, graph.CodeQueryTooComplex, 2, 400},
		"aliases":        {"{" + aliases(3) + "}", "{" + aliases(4) + "}", graph.CodeQueryTooComplex, 3, 400},
		"aliases spread": {`{ teams { ...F } } fragment F on Team { a: name }`, `{ teams { ...F owner { ...G } } again: teams { ...F owner { ...G } } } fragment F on Team { a: name } fragment G on User { b: name }`, graph.CodeQueryTooComplex, 3, 400},
		"directives":     {`{ a: __typename @skip(if: true) b: __typename @skip(if: true) viewer { caller } }`, `query @a @a @a { viewer { caller } }`, graph.CodeQueryTooComplex, 2, 400},
		"introspection": {"{" + strings.Repeat("__schema { queryType { name } } ", 5) + "}",
			`{ __schema { queryType { ` + strings.Repeat("ofType { ", 14) + "name" + strings.Repeat(" }", 17), graph.CodeQueryTooComplex, 15, 400},
		"names":      {"query " + strings.Repeat("a", 256) + " { viewer { caller } }", "query " + strings.Repeat("a", 257) + " { viewer { caller } }", graph.CodeQueryTooComplex, 256, 400},
		"REST calls": {`{ conversations(first: 2) { nodes { participants { id } } } }`, `{ conversations(first: 50) { nodes { participants { id } } } }`, graph.CodeRESTBudgetExceeded, 5, 400},
		"body":       {`{ viewer { caller } } ` + strings.Repeat(" ", 1500), `{ viewer { caller } } ` + strings.Repeat(" ", 2048), graph.CodeBadUserInput, 2048, 413},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g.get(t, tt.most)
			g.calls()
			for media, status := range map[string]int{"application/json": 200, "application/graphql-response+json": tt.status} {
				if tt.status == 413 {
					status = 413 // it is not read
				}
				g.mustRefuse(t, map[string]any{"query": tt.more}, media, status, tt.code, tt.limit)
			}
			if n := g.calls(); n != 0 {
				t.Errorf("what is over the limit cost %d calls", n)
			}
		})
	}

	t.Run("variables", func(t *testing.T) {
		const query = `query($id: String!) { contactsByExternalId(externalIds: [$id]) { id } }`
		g.get(t, query, map[string]any{"id": strings.Repeat("a", 90)})
		over := map[string]any{"id": strings.Repeat("a", 100)}
		g.mustRefuse(t, map[string]any{"query": query, "variables": over}, "application/json", 413, graph.CodeBadUserInput, 100)
		g.mustRefuse(t, map[string]any{"query": query, "variables": over}, "application/graphql-response+json", 413, graph.CodeBadUserInput, 100)

		s := g.dial(t)
		payload, err := json.Marshal(map[string]any{"query": query, "variables": over})
		if err != nil {
			t.Fatal(err)
		}
		s.write(t, wireMessage{Type: "subscribe", ID: "1", Payload: payload})
		var list []fault
		if m := s.read(t); m.Type != "error" || m.ID != "1" || json.Unmarshal(m.Payload, &list) != nil || list[0].Extensions["limit"] != 100.0 {
			t.Errorf("by WebSocket it is answered by %s %s", m.Type, m.Payload)
		}
		s.subscribe(t, "1", "{ viewer { caller } }")
		if m := s.read(t); m.Type != "next" {
			t.Errorf("then it is not answered: %s %s", m.Type, m.Payload)
		}
	})
}

// mustRefuse posts a request and ends the test unless it is refused as wanted.
func (g *gateway) mustRefuse(t *testing.T, request map[string]any, media string, status int, code string, limit float64) {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", media)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var r reply
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status || len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != code || r.Errors[0].Extensions["limit"] != limit || r.Data != nil {
		t.Errorf("as %s it is answered %d, %s; want %d, %s and the limit %v", media, res.StatusCode, text, status, code, limit)
	}
}

// TestSuggestions asks for what the schema has not, a letter away from what it
// has. Only where the schema may be asked for is it named.
func TestSuggestions(t *testing.T) {
	open, shut := newGateway(t, sandbox.Config{}), newGateway(t, sandbox.Config{}, "--no-introspection")
	for name, tt := range map[string]struct {
		query     string
		variables map[string]any
	}{
		"field":       {query: `{ contct(id: 5) { name } }`},
		"argument":    {query: `{ contact(idd: 5) { name } }`},
		"directive":   {query: `{ viewer @skp(if: true) { caller } }`},
		"of one":      {query: `{ viewer @skip(iff: true) { caller } }`},
		"type":        {query: `{ node(id: "Contact:5") { ... on Contct { name } } }`},
		"variable":    {query: `query($a: Strin) { viewer { caller } }`},
		"selection":   {query: `{ viewer }`},
		"enum":        {query: `{ users(role: ADMI) { nodes { id } } }`},
		"enum's text": {query: `{ users(role: "ADMIN") { nodes { id } } }`},
		"input":       {query: `mutation { deleteContact(input: {id: 5, idd: 6}) { deletedId } }`},
		"enum value":  {query: `query($r: UserRole) { users(role: $r) { nodes { id } } }`, variables: map[string]any{"r": "ADMI"}},
		"input value": {query: `mutation($i: DeleteContactInput!) { deleteContact(input: $i) { deletedId } }`, variables: map[string]any{"i": map[string]any{"id": 5, "idd": 6}}},
	} {
		t.Run(name, func(t *testing.T) {
			suggests := strings.Contains(string(open.ask(t, tt.query, tt.variables).Text), "Did you mean")
			if want := !slices.Contains([]string{"directive", "type", "variable", "enum value", "input value"}, name); suggests != want {
				t.Errorf("with introspection it suggests: %t, want %t", suggests, want)
			}
			r := shut.ask(t, tt.query, tt.variables)
			if len(r.Errors) == 0 || strings.Contains(string(r.Text), "Did you mean") {
				t.Errorf("without introspection it is answered %s", r.Text)
			}
		})
	}
}
