package graph_test

import (
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/schema"
)

// TestSize counts the fields of answers: the least limit that lets an operation
// run is their number.
func TestSize(t *testing.T) {
	s, err := gqlparser.LoadSchema(&ast.Source{Input: schema.SDL()})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		query     string
		variables map[string]any
		want      int
	}{
		{query: `{ viewer { caller } }`, want: 2},
		{query: `{ __schema { types { name fields { name } } } }`, want: 0},
		{query: `{ users { nodes { __typename name } } }`, want: 1 + 1 + 20*2},
		{query: `{ users(first: 3) { nodes { name } edges { cursor node { name } } pageInfo { hasNextPage } } }`, want: 1 + (1 + 3) + (1 + 3*3) + 2},
		{query: `query($n: Int!) { users(first: $n) { nodes { name } } }`, variables: map[string]any{"n": 7}, want: 2 + 7},
		{query: `{ users(first: -5) { nodes { name } } }`, want: 2 + 1},
		{query: `{ users(first: 1000000) { nodes { name } } }`, want: 2 + 100},
		{query: `{ nodes(ids: ["User:1", "User:2"]) { id ... on User { name } } }`, want: 1 + 2*2},
		{query: `{ teams { members { name } } }`, want: 1 + 10*(1+10)},
		{query: `{ a: users(first: 2) { ...U } b: users(first: 3) { ...U } } fragment U on UserConnection { nodes { ...N } } fragment N on User { name email }`, want: 2 + 2*2 + 2 + 3*2},
		{query: `{ conversations(first: 100) { nodes { messages(last: 100) { nodes { body } } } } }`, want: 2 + 100*(2+100)},
	} {
		doc, errs := gqlparser.LoadQueryWithRules(s, tt.query, rules.NewDefaultRules())
		if errs != nil {
			t.Fatalf("%s: %v", tt.query, errs)
		}
		op := &graphql.OperationContext{Doc: doc, Operation: doc.Operations[0], Variables: tt.variables}
		if err := (graph.Size{Fields: tt.want}).MutateOperationContext(t.Context(), op); err != nil {
			t.Errorf("%s: %v, want %d", tt.query, err, tt.want)
		}
		if err := (graph.Size{Fields: tt.want - 1}).MutateOperationContext(t.Context(), op); err == nil {
			t.Errorf("%s has fewer than %d fields", tt.query, tt.want)
		}
	}
}
