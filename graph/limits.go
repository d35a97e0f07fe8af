package graph

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
)

// Limits bound the form of a document. They are checked before it is validated,
// whose cost they bound, too.
type Limits struct {
	Tokens     int // comments count
	Depth      int // levels of fields; those of introspection are counted apart
	ListDepth  int // lists of objects within one another; those of introspection are counted apart
	Aliases    int // of an operation; one in a fragment counts each time that the fragment is spread
	Directives int // of a document
}

// Limits that are not configured.
const (
	maxNameLength         = 256 // of a field, a variable, a type…: no schema has longer ones
	maxIntrospectionDepth = 15  // what tools ask for, with types of seven wrappers
	maxIntrospections     = 5   // __schema and __type in an operation
	workPerToken          = 25  // how much work to validate it a document may be, for each token that it may have
)

// limitError refuses what exceeds a limit, and tells it.
func limitError(limit int, format string, args ...any) *gqlerror.Error {
	err := gqlerror.Errorf(format, args...)
	err.Extensions = map[string]any{"code": CodeQueryTooComplex, "limit": limit}
	return err
}

// checkText refuses a text with too many tokens or directives, or a name that is
// too long, and returns how many tokens it has. It leaves it to the parser to tell
// of a text that is no document.
func (l Limits) checkText(source *ast.Source) (tokens int, refused *gqlerror.Error) {
	lex, directives := lexer.New(source), 0
	for {
		token, err := lex.ReadToken()
		switch {
		case err != nil || token.Kind == lexer.EOF:
			return tokens, nil
		case tokens == l.Tokens:
			return tokens, limitError(l.Tokens, "the document has too many tokens; at most %d are allowed", l.Tokens)
		case token.Kind == lexer.Name && len(token.Value) > maxNameLength:
			return tokens, limitError(maxNameLength, "a name in the document is too long; at most %d letters are allowed", maxNameLength)
		case token.Kind == lexer.At:
			if directives++; directives > l.Directives {
				return tokens, limitError(l.Directives, "the document has too many directives; at most %d are allowed", l.Directives)
			}
		}
		tokens++
	}
}

// checkForm refuses a document that is over a limit. The document is parsed, and
// not validated yet: what does not fit the schema is passed over, but must not
// spread fragments in themselves.
func (l Limits) checkForm(schema *ast.Schema, doc *ast.QueryDocument) *gqlerror.Error {
	m := &measure{schema: schema, fragments: fragments(doc), limits: l, work: l.Tokens * workPerToken}
	for _, op := range doc.Operations {
		m.aliases, m.introspections = 0, 0
		root := schema.Query
		switch op.Operation {
		case ast.Mutation:
			root = schema.Mutation
		case ast.Subscription:
			root = schema.Subscription
		}
		m.level([]selected{{op.SelectionSet, root}}, place{})
	}
	// Validation looks at each fragment by itself, too.
	for _, f := range doc.Fragments {
		m.aliases, m.introspections = 0, 0
		var at place
		if strings.HasPrefix(f.TypeCondition, "__") {
			at.introspection = 1
		}
		m.level([]selected{{f.SelectionSet, schema.Types[f.TypeCondition]}}, at)
	}
	return m.refused
}

// fragments returns the fragments of a document by name, of those that share one
// the first.
func fragments(doc *ast.QueryDocument) map[string]*ast.FragmentDefinition {
	byName := make(map[string]*ast.FragmentDefinition, len(doc.Fragments))
	for _, f := range doc.Fragments {
		if byName[f.Name] == nil {
			byName[f.Name] = f
		}
	}
	return byName
}

// A measure measures a document in the form in which it is executed: fields of
// one name at one place are one, and fragments are what they hold.
type measure struct {
	schema    *ast.Schema
	fragments map[string]*ast.FragmentDefinition
	limits    Limits

	aliases, introspections int // of the operation
	work                    int // that may still be spent
	refused                 *gqlerror.Error
}

// A selected is selections on a type, nil if the schema has none such.
type selected struct {
	set ast.SelectionSet
	on  *ast.Definition
}

// A place says how deep a level is.
type place struct {
	fields, lists int
	introspection int // levels below __schema or __type, with it; 0 outside
}

// A merged is all fields of one name at one place.
type merged struct {
	fields []*ast.Field
	below  []selected
	list   bool
}

// level measures what is selected at one place, and all below.
func (m *measure) level(all []selected, at place) {
	names, byName := []string(nil), map[string]*merged{}
	spread := map[string]bool{}
	var collect func(selected)
	collect = func(s selected) {
		m.spend(len(s.set))
		for _, selection := range s.set {
			if m.refused != nil {
				return
			}
			switch selection := selection.(type) {
			case *ast.Field:
				field, known := byName[selection.Alias]
				if !known {
					field = new(merged)
					names, byName[selection.Alias] = append(names, selection.Alias), field
				}
				field.fields = append(field.fields, selection)
				below := selected{set: selection.SelectionSet}
				if s.on != nil {
					if d := s.on.Fields.ForName(selection.Name); d != nil {
						below.on = m.schema.Types[d.Type.Name()]
						field.list = field.list || d.Type.Elem != nil && len(selection.SelectionSet) > 0
					}
				}
				if len(below.set) > 0 {
					field.below = append(field.below, below)
				}
			case *ast.InlineFragment:
				on := s.on
				if selection.TypeCondition != "" {
					on = m.schema.Types[selection.TypeCondition]
				}
				collect(selected{selection.SelectionSet, on})
			case *ast.FragmentSpread:
				fragment := m.fragments[selection.Name]
				if fragment == nil || spread[selection.Name] {
					continue
				}
				spread[selection.Name] = true
				collect(selected{fragment.SelectionSet, m.schema.Types[fragment.TypeCondition]})
			}
		}
	}
	for _, s := range all {
		collect(s)
	}
	// Validation compares each two fields of a name, each two fragments, and each
	// fragment with each set of fields.
	m.spend(len(spread) * (len(all) + len(spread)))
	for _, name := range names {
		if m.refused != nil {
			return
		}
		field := byName[name]
		m.spend(len(field.fields) * (len(field.fields) - 1))
		m.field(field, at)
	}
}

// field measures a field, as it is at one place.
func (m *measure) field(f *merged, at place) {
	first := f.fields[0]
	if first.Alias != first.Name {
		m.aliases++
		m.count(m.aliases, m.limits.Aliases, "the operation has too many aliases; at most %d are allowed")
	}
	switch {
	case first.Name == "__schema" || first.Name == "__type":
		m.introspections++
		m.count(m.introspections, maxIntrospections, "the operation asks for the schema too often; at most %d times are allowed")
		at = place{introspection: 1}
	case at.introspection > 0:
		at.introspection++
		m.count(at.introspection, maxIntrospectionDepth, "the introspection has too many levels; at most %d are allowed")
	case !strings.HasPrefix(first.Name, "__"):
		at.fields++
		if f.list {
			at.lists++
		}
		m.count(at.fields, m.limits.Depth, "the operation has too many levels of fields; at most %d are allowed")
		m.count(at.lists, m.limits.ListDepth, "the operation has too many lists within one another; at most %d are allowed")
	}
	if m.refused == nil && len(f.below) > 0 {
		m.level(f.below, at)
	}
}

// count refuses the document if there are more than are allowed.
func (m *measure) count(n, limit int, message string) {
	if m.refused == nil && n > limit {
		m.refused = limitError(limit, message, limit)
	}
}

// spend refuses the document if all the work comes to more than it may.
func (m *measure) spend(work int) {
	m.work -= work
	if m.refused == nil && m.work < 0 {
		limit := m.limits.Tokens * workPerToken
		m.refused = limitError(limit, "the document is too much work to check, which is bounded at %d: it asks for the same fields too often, or has too many fragments within fragments", limit)
	}
}

// cyclic reports whether fragments of a document spread themselves.
func cyclic(doc *ast.QueryDocument) bool {
	byName := fragments(doc)
	under, done := map[string]bool{}, map[string]bool{}
	var enter func(name string) bool
	var visit func(ast.SelectionSet) bool
	visit = func(set ast.SelectionSet) bool {
		return slices.ContainsFunc(set, func(selection ast.Selection) bool {
			switch selection := selection.(type) {
			case *ast.Field:
				return visit(selection.SelectionSet)
			case *ast.InlineFragment:
				return visit(selection.SelectionSet)
			case *ast.FragmentSpread:
				return enter(selection.Name)
			}
			return false
		})
	}
	enter = func(name string) bool {
		if byName[name] == nil || done[name] {
			return false
		}
		if under[name] {
			return true
		}
		under[name] = true
		found := visit(byName[name].SelectionSet)
		done[name] = true
		return found
	}
	for name := range byName {
		if enter(name) {
			return true
		}
	}
	return false
}
