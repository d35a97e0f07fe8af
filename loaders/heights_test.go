package loaders

import (
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/driftgraph/driftgraph/relay"
	"github.com/driftgraph/driftgraph/schema"
)

// TestHeights holds how many calls may follow on an answer, by which the calls
// that wait for a turn are ordered: the longest chain goes first, and what is
// looked up in a list that is read anyway adds nothing to it.
func TestHeights(t *testing.T) {
	s := gqlparser.MustLoadSchema(&ast.Source{Input: schema.SDL()})
	document, errs := gqlparser.LoadQueryWithRules(s, `{ conversations(first: 5) { nodes {
		transcript
		participants { name }
		contact { name account { name } conversations { nodes { messages { nodes { body } } } } }
	} } }`, rules.NewDefaultRules())
	if errs != nil {
		t.Fatal(errs)
	}
	plan := Compile(&graphql.OperationContext{Doc: document, Operation: document.Operations[0]}, nil)
	list := plan.root.links[0]
	if got := list.heights[nothing]; got != 3 {
		t.Errorf("%d calls may follow on the list one by one, want 3: contact or report, messages, and the first of them", got)
	}
	if got := list.heights[row]; got != 0 {
		t.Errorf("%d calls may follow on the whole of a conversation, want none: users are in their list", got)
	}
	want := map[string]int{"transcript": 0, "participants": 0, "contact": 2}
	for _, f := range list.children[relay.Conversation].links {
		for name, height := range want {
			if f.link == links["Conversation."+name] && f.heights[nothing] != height {
				t.Errorf("%d calls may follow on %s one by one, want %d", f.heights[nothing], name, height)
			}
		}
	}
}
