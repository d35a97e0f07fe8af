package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/schema"
)

// Permissions refuse the fields that the caller may not ask for, each alone,
// before anything is read for it. What a field takes stands in the schema.
//
// They look at the whole of an operation before it runs. Only one that asks for
// something forbidden has its fields looked at again as they are resolved.
type Permissions struct{}

// ExtensionName names the extension to gqlgen.
func (Permissions) ExtensionName() string { return "Permissions" }

// Validate finds nothing to check in a schema.
func (Permissions) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext has the forbidden fields of an operation refused, and a
// subscription as a whole if it is to one.
func (Permissions) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	caller := auth.CallerOf(ctx)
	if mayAll(caller) {
		return nil
	}
	asked := survey{caller: caller, fragments: make(map[string]bool)}
	asked.set(op.Operation.SelectionSet)
	if asked.first == nil {
		return nil
	}
	if op.Operation.Operation == ast.Subscription {
		for _, root := range graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Subscription"}) {
			if err := permit(caller, schema.Place{Type: "Subscription", Field: root.Name}); err != nil {
				told := gqlerror.WrapPath(ast.Path{ast.PathName(root.Alias)}, err)
				told.Extensions = map[string]any{"code": CodeForbidden}
				return told
			}
		}
	}
	resolve := op.ResolverMiddleware
	op.ResolverMiddleware = func(ctx context.Context, next graphql.Resolver) (any, error) {
		field := graphql.GetFieldContext(ctx)
		if err := permit(caller, schema.Place{Type: field.Object, Field: field.Field.Name}); err != nil {
			return nil, err
		}
		return resolve(ctx, next)
	}
	return nil
}

// A survey looks for what a caller may not ask for.
type survey struct {
	caller    *auth.Caller
	fragments map[string]bool // seen already
	first     error           // that was found
}

func (s *survey) set(set ast.SelectionSet) {
	for _, selected := range set {
		if s.first != nil {
			return
		}
		switch selected := selected.(type) {
		case *ast.Field:
			s.first = permit(s.caller, schema.Place{Type: selected.ObjectDefinition.Name, Field: selected.Name})
			if s.first == nil {
				s.set(selected.SelectionSet)
			}
		case *ast.InlineFragment:
			s.set(selected.SelectionSet)
		case *ast.FragmentSpread:
			if !s.fragments[selected.Name] {
				s.fragments[selected.Name] = true
				s.set(selected.Definition.SelectionSet)
			}
		}
	}
}

// mayAll reports whether a caller has every permission.
func mayAll(c *auth.Caller) bool {
	for _, p := range auth.Permissions() {
		if !c.May(p) {
			return false
		}
	}
	return true
}

// permit returns an error if the caller may not ask for a field.
func permit(c *auth.Caller, p schema.Place) error {
	if p == (schema.Place{Type: "Query", Field: "__schema"}) || p == (schema.Place{Type: "Query", Field: "__type"}) {
		return lacks(c, auth.Introspect)
	}
	for _, name := range schema.Permissions(p) {
		permission := auth.Permission(name)
		if p.Type == "Mutation" && (permission == auth.GDPRRead || permission == auth.GDPRWrite) {
			continue // its resolver asks, and writes to the audit log who was refused
		}
		if err := lacks(c, permission); err != nil {
			return err
		}
	}
	return nil
}

func lacks(c *auth.Caller, p auth.Permission) error {
	if c.May(p) {
		return nil
	}
	return &auth.PermissionError{Permission: p}
}

// MayRead returns an error if the caller may not reach objects of a type. It is
// for fields that lead to an interface or a union, where the schema cannot tell
// beforehand what takes which permission.
func MayRead(ctx context.Context, typ string) error {
	return permit(auth.CallerOf(ctx), schema.Place{Type: typ})
}

// forbidden returns whether the caller may not ask for a field of a type, or with
// none reach objects of it; nil if the caller may ask for everything.
func forbidden(ctx context.Context) func(typ, field string) bool {
	caller := auth.CallerOf(ctx)
	if mayAll(caller) {
		return nil
	}
	return func(typ, field string) bool { return permit(caller, schema.Place{Type: typ, Field: field}) != nil }
}
