package main

import (
	"fmt"
	"testing"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
)

// mustBeTooComplex holds what is told of a field that would read too many pages.
func (r *reply) mustBeTooComplex(t *testing.T, path string, limit int) {
	t.Helper()
	r.mustComplain(t, complaint{graph.CodeQueryTooComplex, path, "from the front"})
	if got := r.Errors[0].Extensions["limit"]; got != float64(limit) {
		t.Errorf("the limit is %v, want %d", got, limit)
	}
}

// TestPagesOfAField asks for the last messages of a conversation that is longer
// than a field reads: it is told what to ask for instead, and that is answered,
// as is the rest.
func TestPagesOfAField(t *testing.T) {
	t.Parallel()
	g := newGateway(t, sandbox.Config{Conversations: 8, MinMessages: 5100, MaxMessages: 5100}, "--max-rest-calls=1000")
	id := g.drift.Fixtures().ConversationIDs[0]
	r := g.ask(t, fmt.Sprintf("{ conversation(id: %d) { status messages(last: 3) { nodes { body } } front: messages(first: 3) { nodes { body } } } }", id))
	r.mustBeTooComplex(t, "conversation.messages", 100)
	if n := g.routes()["/conversations/{id}/messages"]; n != 100 {
		t.Errorf("it takes %d calls for pages, want 100", n)
	}
	data := r.data(t)
	if len(at(data, "conversation.front.nodes").([]any)) != 3 || at(data, "conversation.status") == nil {
		t.Errorf("the rest is answered with %s", r.Data)
	}
}

// TestPagesOfAnOperation asks for conversations whose pages the cache has, which
// therefore cost no calls: as many of them are read as calls may be made.
func TestPagesOfAnOperation(t *testing.T) {
	t.Parallel()
	const most, each = 20, 15
	g := newGateway(t, sandbox.Config{Conversations: 8, MinMessages: 50*each - 20, MaxMessages: 50*each - 20}, fmt.Sprint("--max-rest-calls=", most),
		"--cache-ttl-message=1h", "--cache-ttl-conversation=1h")
	last := func(alias string, i int) string {
		return fmt.Sprintf("%s: conversation(id: %d) { messages(last: 1) { nodes { body } } } ", alias, g.drift.Fixtures().ConversationIDs[i])
	}
	for i := range 2 {
		g.get(t, "{ "+last("a", i)+"}")
		if n := g.routes()["/conversations/{id}/messages"]; n != each {
			t.Fatalf("conversation %d has %d pages, want %d", i, n, each)
		}
	}
	g.get(t, "{ "+last("a", 0)+last("b", 0)+"}") // the same pages count once
	r := g.ask(t, "{ "+last("a", 0)+last("b", 1)+"}")
	if n := g.calls(); n != 0 {
		t.Errorf("what the cache has costs %d calls", n)
	}
	if len(r.Errors) == 0 {
		t.Fatalf("%d pages are read; the limit is %d", 2*each, most)
	}
	for _, e := range r.Errors {
		if e.Extensions["code"] != graph.CodeQueryTooComplex || e.Extensions["limit"] != float64(most) {
			t.Errorf("the error is %+v", e)
		}
	}
}
