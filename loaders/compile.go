package loaders

import (
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/relay"
)

// A Plan is what is known of an operation before it runs: what it will read,
// and in what order. It serves one run of the operation.
type Plan struct {
	typ   string // Query or Mutation; no other operation is planned
	root  *selection
	lists map[list]bool // the lists of everything of a kind that the operation looks things up in
	needs map[need]level

	forbids func(typ, field string) bool

	// The fields of a mutation, whose payloads are planned one by one.
	mutations map[*ast.Field]*field
}

// A need is a field of the document that leads to objects of a type.
type need struct {
	field *ast.Field
	typ   string
}

// Compile turns the selection of an operation into a plan: fragments, aliases,
// @skip and @include are resolved, and only links are kept. What forbids says the
// caller may not ask for is left out: a field of a type, or with no field all
// objects of the type. It may be nil.
func Compile(op *graphql.OperationContext, forbids func(typ, field string) bool) *Plan {
	p := &Plan{forbids: forbids, root: &selection{}, lists: make(map[list]bool), needs: make(map[need]level), mutations: make(map[*ast.Field]*field)}
	switch op.Operation.Operation {
	case ast.Query:
		p.typ = "Query"
	case ast.Mutation:
		p.typ = "Mutation"
	case ast.Subscription: // of which a run answers one event
		p.typ = "Subscription"
	}
	p.add(op, p.root, p.typ, op.Operation.SelectionSet, false)
	p.measure(p.root)
	return p
}

// measure sets the heights of the fields of a selection.
func (c *Plan) measure(s *selection) {
	for _, f := range s.links {
		for _, below := range f.children {
			c.measure(below)
			for _, next := range below.links {
				height := next.heights[nothing]
				if !c.lists[next.link.list] {
					height++
				}
				for have := range next.link.needs {
					f.heights[have] = max(f.heights[have], height)
				}
			}
		}
	}
}

// add adds what a selection set selects on a type of object. many is true
// below a field that leads to several objects.
func (c *Plan) add(op *graphql.OperationContext, s *selection, typ string, set ast.SelectionSet, many bool) {
	for _, selected := range graphql.CollectFields(op, set, satisfies(typ)) {
		if c.forbids != nil && c.forbids(typ, selected.Name) {
			continue
		}
		known := levelOf(typ, selected.Name)
		if known > s.need {
			s.need = known
		}
		l := links[typ+"."+selected.Name]
		if l == nil {
			continue
		}
		f := &field{link: l, args: selected.ArgumentMap(op.Variables), children: make(map[string]*selection)}
		s.links = append(s.links, f)
		if typ == "Mutation" {
			c.mutations[selected.Field] = f
		}
		c.descend(op, f, selected, selected.Definition.Type.Name(), many || l.many)
		c.lookUp(f, many)
	}
}

// descend adds the selections on the objects that a link leads to.
func (c *Plan) descend(op *graphql.OperationContext, f *field, selected graphql.CollectedField, typ string, many bool) {
	sets := []ast.SelectionSet{selected.Selections}
	if node, ok := strings.CutSuffix(typ, "Connection"); ok {
		sets = nodesOf(op, typ, selected.Selections)
		typ = node
	}
	for _, concrete := range concreteTypes(typ) {
		if c.forbids != nil && c.forbids(concrete, "") {
			continue
		}
		s := &selection{}
		for _, set := range sets {
			c.add(op, s, concrete, set, many)
		}
		f.children[concrete] = s
		key := need{selected.Field, concrete}
		c.needs[key] = max(c.needs[key], s.need)
	}
}

// nodesOf returns the selections on the nodes of a connection.
func nodesOf(op *graphql.OperationContext, connection string, set ast.SelectionSet) []ast.SelectionSet {
	var sets []ast.SelectionSet
	for _, f := range graphql.CollectFields(op, set, []string{connection}) {
		switch f.Name {
		case "nodes":
			sets = append(sets, f.Selections)
		case "edges":
			for _, e := range graphql.CollectFields(op, f.Selections, []string{f.Definition.Type.Name()}) {
				if e.Name == "node" {
					sets = append(sets, e.Selections)
				}
			}
		}
	}
	return sets
}

// lookUp notes the list of everything of a kind that a link will look its
// objects up in. Users are looked up in their list where many are wanted; a few
// are read by id.
func (c *Plan) lookUp(f *field, many bool) {
	switch {
	case f.link.list == none || f.link.when != nil && !f.link.when(f.args) || f.args.empty():
	case f.link.list != users:
		c.lists[f.link.list] = true
	case f.link.reads(f) && (many || f.link.all):
		c.lists[users] = true
	}
}

// reads reports whether a link to users needs more of them than their ids.
func (l *link) reads(f *field) bool {
	s := f.children[relay.User]
	return l.all || s != nil && s.need > identity
}

// satisfies returns the names that a fragment may have to apply to a type.
func satisfies(typ string) []string {
	switch typ {
	case relay.Contact, relay.User:
		return []string{typ, "Node", "MessageAuthor"}
	case relay.Conversation, relay.Message, relay.Account, relay.Team, relay.Playbook:
		return []string{typ, "Node"}
	}
	return []string{typ}
}

// concreteTypes returns the types of object that a field of the given type can
// lead to.
func concreteTypes(typ string) []string {
	switch typ {
	case "Node":
		return []string{relay.Contact, relay.User, relay.Conversation, relay.Message, relay.Account, relay.Team, relay.Playbook}
	case "MessageAuthor":
		return []string{relay.Contact, relay.User}
	}
	return []string{typ}
}

// levelOf returns how much must be known of an object for a field of it.
func levelOf(typ, name string) level {
	if l := links[typ+"."+name]; l != nil {
		return l.needs
	}
	switch name {
	case "id", "driftId", "driftUrl", "__typename":
		return identity
	}
	if typ == relay.Conversation {
		switch name {
		case "status", "createdAt", "updatedAt":
			return summary
		case "inboxId":
			return row
		}
	}
	return whole
}

// arguments are the arguments of a field, as the document and the variables
// have them. They were validated against the schema; those that a resolver will
// refuse make a link lead nowhere.
type arguments map[string]any

func (a arguments) integer(name string) *int {
	if a[name] == nil {
		return nil
	}
	n, err := graphql.UnmarshalInt(a[name])
	if err != nil {
		return nil
	}
	return &n
}

func (a arguments) text(name string) *string {
	if a[name] == nil {
		return nil
	}
	s, err := graphql.UnmarshalID(a[name])
	if err != nil {
		return nil
	}
	return &s
}

func (a arguments) boolean(name string) *bool {
	b, ok := a[name].(bool)
	if !ok {
		return nil
	}
	return &b
}

// texts reads a list; a single value stands for a list of one.
func (a arguments) texts(name string) []string {
	switch v := a[name].(type) {
	case nil:
		return nil
	case []any:
		list := make([]string, 0, len(v))
		for _, e := range v {
			s, err := graphql.UnmarshalID(e)
			if err != nil {
				return nil
			}
			list = append(list, s)
		}
		return list
	case []string:
		return v
	default:
		if s := a.text(name); s != nil {
			return []string{*s}
		}
		return nil
	}
}

// empty reports whether a connection is asked for no objects, or not as it may be.
func (a arguments) empty() bool {
	first, err := relay.Size("first", a.integer("first"))
	return err != nil || first == 0
}

// wire reads a list of enum values whose names on the wire are the same in
// lower case.
func wire[T ~string](a arguments, name string) []T {
	var list []T
	for _, s := range a.texts(name) {
		list = append(list, T(strings.ToLower(s)))
	}
	return list
}

func (a arguments) instant(name string) *drift.Millis {
	s := a.text(name)
	if s == nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, *s)
	if err != nil {
		return nil
	}
	m := drift.MillisOf(t)
	return &m
}
