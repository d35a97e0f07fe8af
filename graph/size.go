package graph

import (
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/driftgraph/driftgraph/relay"
)

// Size refuses an operation whose answer could have more fields than it may,
// before it runs: what an answer takes in memory goes by its fields. Lists
// count as long as they are asked to be.
type Size struct {
	Fields int // of an answer, at most
}

// ExtensionName names the extension to gqlgen.
func (Size) ExtensionName() string { return "Size" }

// Validate finds nothing to check in a schema.
func (Size) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext refuses an operation that is too large.
func (s Size) MutateOperationContext(_ context.Context, op *graphql.OperationContext) *gqlerror.Error {
	count := counter{variables: op.Variables, fragments: make(map[spread]int)}
	fields := count.set(op.Operation.SelectionSet, 0)
	op.Stats.SetExtension(s.ExtensionName(), fields)
	if fields > s.Fields {
		return limitError(s.Fields, "the answer could have %d fields; at most %d are allowed. Ask for less: a smaller first, or fewer levels", fields, s.Fields)
	}
	return nil
}

// assumedLength is how many entries a list has for Size if nothing in the
// operation says it, and mostFields where it stops counting.
const (
	assumedLength = 10
	mostFields    = 1 << 40
)

// A counter counts the fields of an answer.
type counter struct {
	variables map[string]any
	fragments map[spread]int // those that were counted
}

// A spread is a fragment below a connection of so many edges.
type spread struct {
	fragment string
	edges    int
}

// set counts the fields of a selection, once; edges is how many the connection
// has that it is of, 0 if it is of none.
func (c counter) set(set ast.SelectionSet, edges int) (fields int) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if s.Name == "__typename" || !strings.HasPrefix(s.Name, "__") { // introspection has limits of its own
				fields += c.field(s, edges)
			}
		case *ast.InlineFragment:
			fields += c.set(s.SelectionSet, edges)
		case *ast.FragmentSpread:
			key := spread{s.Name, edges}
			counted, known := c.fragments[key]
			if !known {
				counted = c.set(s.Definition.SelectionSet, edges)
				c.fragments[key] = counted
			}
			fields += counted
		}
		fields = min(fields, mostFields)
	}
	return fields
}

// field counts a field and what is below it.
func (c counter) field(f *ast.Field, edges int) int {
	if len(f.SelectionSet) == 0 {
		return 1
	}
	if strings.HasSuffix(f.Definition.Type.Name(), "Connection") {
		return 1 + c.set(f.SelectionSet, c.length(f))
	}
	below := c.set(f.SelectionSet, 0)
	if f.Definition.Type.Elem == nil {
		return 1 + below
	}
	if edges == 0 {
		edges = c.length(f)
	}
	return min(1+edges*below, mostFields)
}

// length returns how long a list is asked to be. What is asked for in vain, such
// as a negative number, is refused later.
func (c counter) length(f *ast.Field) int {
	arguments := f.ArgumentMap(c.variables)
	for _, name := range []string{"ids", "externalIds"} {
		if list, ok := arguments[name].([]any); ok {
			return len(list)
		}
	}
	for _, name := range []string{"first", "last"} {
		if n, err := graphql.UnmarshalInt(arguments[name]); err == nil && arguments[name] != nil {
			return min(max(n, 1), relay.MaxPage)
		}
	}
	if f.Definition.Arguments.ForName("first") != nil {
		return relay.DefaultPage
	}
	return assumedLength
}
