package graph

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/driftgraph/driftgraph/relay"
	"github.com/driftgraph/driftgraph/schema"
)

// An anyEnum is an enum of any type of value.
type anyEnum interface {
	names() map[string]string // the values of the schema by those of the wire
	write(wire string) graphql.Marshaler
	read(v any) (string, error)
}

func (e *enum[T]) names() map[string]string {
	names := map[string]string{}
	for wire, m := range e.values {
		names[string(wire)] = strings.Trim(text(m), `"`)
	}
	return names
}

func (e *enum[T]) write(wire string) graphql.Marshaler { return e.marshal(T(wire)) }

func (e *enum[T]) read(v any) (string, error) {
	value, err := e.unmarshal(v)
	return string(value), err
}

// text returns what a marshaler writes.
func text(m graphql.Marshaler) string {
	var b bytes.Buffer
	m.MarshalGQL(&b)
	return b.String()
}

// TestEnums holds the enums against the schema: each value has one on the wire
// and comes back from it, what is not known is UNKNOWN, and what is no value is
// refused.
func TestEnums(t *testing.T) {
	all := map[string]anyEnum{}
	for _, e := range []struct {
		name string
		enum anyEnum
	}{
		{userAvailabilities.name, userAvailabilities}, {userRoles.name, userRoles}, {conversationStatuses.name, conversationStatuses},
		{messageTypes.name, messageTypes}, {authorTypes.name, authorTypes}, {messageButtonTypes.name, messageButtonTypes},
		{messageButtonStyles.name, messageButtonStyles}, {buttonReactionTypes.name, buttonReactionTypes}, {customPropertyTypes.name, customPropertyTypes},
		{teamStatuses.name, teamStatuses}, {teamAvailabilityModes.name, teamAvailabilityModes}, {meetingStatuses.name, meetingStatuses},
		{contactAttributeTypes.name, contactAttributeTypes},
	} {
		all[e.name] = e.enum
	}
	s := gqlparser.MustLoadSchema(&ast.Source{Input: schema.SDL()})
	for _, typ := range s.Types {
		if typ.Kind != ast.Enum || typ.BuiltIn || typ.Name == "ReportOperation" || typ.Name == "UserErrorCode" { // for questions alone, and the gateway's own
			continue
		}
		e := all[typ.Name]
		if e == nil {
			t.Errorf("the enum %s has no values on the wire", typ.Name)
			continue
		}
		delete(all, typ.Name)
		want := []string{unknown}
		for wire, name := range e.names() {
			want = append(want, name)
			if got := text(e.write(wire)); got != `"`+name+`"` {
				t.Errorf("%s: %s is written %s", typ.Name, wire, got)
			}
			if got, err := e.read(name); got != wire || err != nil {
				t.Errorf("%s: %s is read as %q, %v; want %q", typ.Name, name, got, err, wire)
			}
		}
		var defined []string
		for _, v := range typ.EnumValues {
			defined = append(defined, v.Name)
		}
		slices.Sort(want)
		if slices.Sort(defined); !slices.Equal(defined, want) {
			t.Errorf("%s has %v in the schema, %v on the wire", typ.Name, defined, want)
		}
		for _, wire := range []string{"something new", "UNKNOWN", "\"},{"} {
			if got := text(e.write(wire)); got != `"UNKNOWN"` {
				t.Errorf("%s: %s is written %s", typ.Name, wire, got)
			}
		}
		required := slices.ContainsFunc(slices.Collect(maps.Values(s.Types)), func(owner *ast.Definition) bool {
			return owner.Kind == ast.Object && slices.ContainsFunc(owner.Fields, func(f *ast.FieldDefinition) bool { return f.Type.Name() == typ.Name && f.Type.NonNull })
		})
		if got := text(e.write("")); required && got != `"UNKNOWN"` || !required && got != "null" {
			t.Errorf("%s: an absent value is written %s", typ.Name, got)
		}
		for _, v := range []any{"", "something new", 7, nil, "open ", strings.Repeat("é", 500)} {
			var input *relay.InputError
			if got, err := e.read(v); !errors.As(err, &input) || len(err.Error()) > 600 {
				t.Errorf("%s: %.20v is read as %q, %v; want an InputError", typ.Name, v, got, err)
			}
		}
	}
	for name := range all {
		t.Errorf("the enum %s is not in the schema", name)
	}
}
