package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestErrorsBounded has far more fields fail than an answer tells errors of: a
// hundred are told, one counts the others, and the data are as they would be.
func TestErrorsBounded(t *testing.T) {
	g := newGateway(t, sandbox.Config{Faults: []sandbox.Fault{{Route: "GET /contacts/{id}", Status: 403}}})
	const query = `{ conversations(first: 100) { nodes { id a: contact { name } b: contact { phone } c: contact { email } } } }`
	r := g.ask(t, query)
	told, missing := map[string]bool{}, 0
	nodes := at(r.data(t), "conversations.nodes").([]any)
	for i, c := range nodes {
		if at(c, "id") == nil {
			t.Errorf("the conversation %d is lost", i)
		}
		for _, field := range []string{"a", "b", "c"} {
			if at(c, field) == nil {
				missing++
				told[fmt.Sprintf("[conversations nodes %d %s]", i, field)] = false
			}
		}
	}
	if len(nodes) != 100 || missing != 300 || len(r.Errors) != 101 {
		t.Fatalf("%d conversations, %d fields are null, %d errors", len(nodes), missing, len(r.Errors))
	}
	for _, e := range r.Errors[:100] {
		path := fmt.Sprint(e.Path)
		if again, failed := told[path]; !failed || again || e.Extensions["code"] != graph.CodeUpstreamForbidden {
			t.Errorf("an error is told of %s: %+v", path, e)
		}
		told[path] = true
	}
	last, err := json.Marshal(r.Errors[100])
	if want := `{"message":"200 more errors are not told one by one","path":null,"extensions":{"code":"UPSTREAM_FORBIDDEN","omitted":{"UPSTREAM_FORBIDDEN":200}}}`; err != nil || string(last) != want {
		t.Errorf("the others are told as %s, want %s", last, want)
	}
	if n := strings.Count(g.log.String(), "a call to Drift failed"); n != 100 {
		t.Errorf("%d failures are logged, want 100", n)
	}
	s := g.dial(t)
	s.subscribe(t, "1", query)
	if r := s.next(t); len(r.Errors) != 101 {
		t.Errorf("by WebSocket %d errors are told", len(r.Errors))
	}
}
