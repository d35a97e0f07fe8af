package loaders

import (
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/driftgraph/driftgraph/relay"
	"github.com/driftgraph/driftgraph/schema"
)

// TestLinks holds the planner against the schema: a field that leads to an
// object of its own must have a link, else it is read without look-ahead.
func TestLinks(t *testing.T) {
	s, err := gqlparser.LoadSchema(&ast.Source{Input: schema.SDL()})
	if err != nil {
		t.Fatal(err)
	}
	records := []string{
		relay.Contact, relay.User, relay.Conversation, relay.Message, relay.Account, relay.Team, relay.Playbook, "Node", "MessageAuthor",
		"Meeting", "LandingPage", "ConversationReportRow",
	}
	inSchema := map[string]bool{}
	for _, typ := range s.Types {
		if typ.Kind != ast.Object || typ.BuiltIn || strings.HasSuffix(typ.Name, "Edge") || strings.HasSuffix(typ.Name, "Connection") {
			continue
		}
		for _, f := range typ.Fields {
			name := typ.Name + "." + f.Name
			inSchema[name] = true
			leads := slices.Contains(records, strings.TrimSuffix(f.Type.Name(), "Connection"))
			if (leads || typ.Name == "Query" && !strings.HasPrefix(f.Name, "__")) && links[name] == nil {
				t.Errorf("%s leads to a %s but has no link", name, f.Type.Name())
			}
			if l := links[name]; l != nil && l.many != (f.Type.Elem != nil || strings.HasSuffix(f.Type.Name(), "Connection")) && leads {
				t.Errorf("the link of %s has many %t, its type is %s", name, l.many, f.Type)
			}
		}
	}
	for name := range links {
		if !inSchema[name] {
			t.Errorf("there is a link of %s, which is not in the schema", name)
		}
	}
	for _, typ := range s.Types {
		if typ.Kind != ast.Object || typ.BuiltIn {
			continue
		}
		names := []string{typ.Name}
		names = append(names, typ.Interfaces...)
		for _, union := range s.Types {
			if union.Kind == ast.Union && slices.Contains(union.Types, typ.Name) {
				names = append(names, union.Name)
			}
		}
		if got := satisfies(typ.Name); !equalSets(got, names) {
			t.Errorf("a %s satisfies %v, its definition says %v", typ.Name, got, names)
		}
	}
	for _, abstract := range []string{"Node", "MessageAuthor"} {
		var names []string
		for _, typ := range s.PossibleTypes[abstract] {
			names = append(names, typ.Name)
		}
		if got := concreteTypes(abstract); !equalSets(got, names) {
			t.Errorf("a %s can be %v, the schema says %v", abstract, got, names)
		}
	}
}

func equalSets(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
