package graph

import (
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Limits refuse an operation for its form, before it runs.
type Limits struct {
	Depth   int // levels of fields; those of introspection are not counted
	Aliases int // fields with an alias
}

// ExtensionName names the extension to gqlgen.
func (Limits) ExtensionName() string { return "Limits" }

// Validate finds nothing to check in a schema.
func (Limits) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext refuses an operation that is over a limit.
func (l Limits) MutateOperationContext(_ context.Context, op *graphql.OperationContext) *gqlerror.Error {
	m := measure{fragments: make(map[string][2]int)}
	depth, aliases := m.set(op.Operation.SelectionSet)
	switch {
	case depth > l.Depth:
		return tooComplex("the operation is %d levels deep; at most %d are allowed", depth, l.Depth)
	case aliases > l.Aliases:
		return tooComplex("the operation has %d aliases; at most %d are allowed", aliases, l.Aliases)
	}
	return nil
}

func tooComplex(format string, args ...any) *gqlerror.Error {
	err := gqlerror.Errorf(format, args...)
	err.Extensions = map[string]any{"code": CodeQueryTooComplex}
	return err
}

// A measure measures selections. It measures each fragment once, however often
// it is spread; validation has made sure that none spreads itself.
type measure struct {
	fragments map[string][2]int
}

func (m measure) set(set ast.SelectionSet) (depth, aliases int) {
	for _, s := range set {
		var d, a int
		switch s := s.(type) {
		case *ast.Field:
			if s.Alias != s.Name {
				a = 1
			}
			if strings.HasPrefix(s.Name, "__") {
				aliases += a
				continue
			}
			below, more := m.set(s.SelectionSet)
			d, a = below+1, a+more
		case *ast.InlineFragment:
			d, a = m.set(s.SelectionSet)
		case *ast.FragmentSpread:
			known, ok := m.fragments[s.Name]
			if !ok {
				known[0], known[1] = m.set(s.Definition.SelectionSet)
				m.fragments[s.Name] = known
			}
			d, a = known[0], known[1]
		}
		depth, aliases = max(depth, d), min(aliases+a, 1<<30)
	}
	return depth, aliases
}
