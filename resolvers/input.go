package resolvers

import (
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/relay"
)

// A check reads the input of a mutation, and gathers what Drift would refuse of
// it anyway, before a call is spent. Fields are paths below the input.
type check struct {
	errors []*graph.UserError
}

func (c *check) refuse(code graph.UserErrorCode, field, format string, args ...any) {
	c.errors = append(c.errors, graph.NewUserError(code, fmt.Sprintf(format, args...), field))
}

// failed reports whether there is anything to mend.
func (c *check) failed() bool { return len(c.errors) > 0 }

// email checks that a text is an e-mail address and nothing more.
func (c *check) email(text, field string) string {
	const longest = 320
	if a, err := mail.ParseAddress(text); err != nil || a.Address != text || len(text) > longest {
		c.refuse(graph.UserErrorCodeInvalidEmail, field, "it takes an e-mail address, such as maya@example.com")
	}
	return text
}

// text checks that a text is not blank.
func (c *check) text(text, field string) string {
	if strings.TrimSpace(text) == "" {
		c.refuse(graph.UserErrorCodeRequired, field, "it is blank")
	}
	return text
}

// id reads the id of an object of a type that has numeric ids.
func (c *check) id(typ, id, field string) drift.ID {
	n, err := relay.ParseID(typ, id)
	if err != nil {
		c.refuse(graph.UserErrorCodeInvalid, field, "%v", err)
	}
	return n
}

// idIfGiven reads an id, 0 if there is none.
func (c *check) idIfGiven(typ string, id graphql.Omittable[*string], field string) drift.ID {
	if id.Value() == nil {
		return 0
	}
	return c.id(typ, *id.Value(), field)
}

// accountID reads the id of an account.
func (c *check) accountID(id, field string) string {
	raw, err := relay.AccountID(id)
	if err != nil {
		c.refuse(graph.UserErrorCodeInvalid, field, "%v", err)
	}
	return raw
}

// textIfGiven reads a text that must not be blank, "" if there is none.
func (c *check) textIfGiven(text graphql.Omittable[*string], field string) string {
	if text.Value() == nil {
		return ""
	}
	return c.text(*text.Value(), field)
}

// contact reads which contact is meant, by id or external id.
func (c *check) contact(id graphql.Omittable[*string], field string, externalID graphql.Omittable[*string]) (drift.ID, string) {
	switch {
	case id.Value() != nil && externalID.Value() != nil:
		c.refuse(graph.UserErrorCodeConflict, "externalId", "%s names the contact already: give one of the two", field)
	case id.Value() == nil && externalID.Value() == nil:
		c.refuse(graph.UserErrorCodeRequired, field, "nothing names the contact: give %s or externalId", field)
	}
	return c.idIfGiven(relay.Contact, id, field), c.textIfGiven(externalID, "externalId")
}

// attributes reads attributes of a contact, and returns them by name too. That
// there are none is no fault.
func (c *check) attributes(value jsontext.Value) map[string]jsontext.Value {
	if len(value) == 0 || value.Kind() == 'n' {
		return nil
	}
	var byName map[string]jsontext.Value
	if value.Kind() != '{' || json.Unmarshal(value, &byName) != nil {
		c.refuse(graph.UserErrorCodeInvalid, "attributes", "it takes a map")
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		field := "attributes." + name
		switch {
		case byName[name].Kind() == 'n':
			c.refuseAttribute(graph.UserErrorCodeNotClearable, name, "Drift cannot clear an attribute")
		case name == "email":
			var email string
			_ = json.Unmarshal(byName[name], &email)
			c.email(email, field)
		}
	}
	return byName
}

// refuseAttribute refuses an attribute, whose name may hold any sign.
func (c *check) refuseAttribute(code graph.UserErrorCode, name, message string) {
	e := graph.NewUserError(code, message, "attributes")
	e.Field = append(e.Field, name)
	c.errors = append(c.errors, e)
}

// changed reads a field that is left alone if it is left out, and that Drift
// cannot clear.
func changed[T any](c *check, value graphql.Omittable[*T], field string) drift.Change[T] {
	v, given := value.ValueOK()
	switch {
	case !given:
		return drift.Change[T]{}
	case v == nil:
		c.refuse(graph.UserErrorCodeNotClearable, field, "Drift cannot clear it: leave it out to leave it as it is")
	}
	return drift.Set(v)
}

// customProperties reads custom properties, nil if there are none.
func (c *check) customProperties(given []*drift.CustomProperty) []drift.CustomProperty {
	var list []drift.CustomProperty
	for i, p := range given {
		list = append(list, *p)
		c.text(p.Name, fmt.Sprintf("customProperties.%d.name", i))
		if list[i].Label == "" {
			list[i].Label = p.Name
		}
		if p.Type == "UNKNOWN" {
			c.refuse(graph.UserErrorCodeInvalid, fmt.Sprintf("customProperties.%d.type", i), "UNKNOWN is for what Drift answers only")
		}
	}
	return list
}

// buttons reads the buttons of a message, nil if there are none.
func (c *check) buttons(given []*drift.Button) []drift.Button {
	var list []drift.Button
	for i, b := range given {
		list = append(list, *b)
		c.text(*b.Label, fmt.Sprintf("buttons.%d.label", i))
		values := map[string]*string{"type": b.Type, "style": b.Style}
		if b.Reaction != nil {
			values["reaction.type"] = b.Reaction.Type
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if values[name] != nil && *values[name] == "UNKNOWN" {
				c.refuse(graph.UserErrorCodeInvalid, fmt.Sprintf("buttons.%d.%s", i, name), "UNKNOWN is for what Drift answers only")
			}
		}
	}
	return list
}
