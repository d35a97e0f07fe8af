// Package relay holds what the Relay specification asks of a graph and what
// loaders, resolvers and errors share: global ids, cursors and connections.
package relay

import (
	"fmt"
	"strings"

	"github.com/driftgraph/driftgraph/drift"
)

// The types of the graph that have a global id.
const (
	Contact      = "Contact"
	User         = "User"
	Conversation = "Conversation"
	Message      = "Message"
	Account      = "Account"
	Team         = "Team"
	Playbook     = "Playbook"
)

// nodes are the types of the graph that have a global id, as errors list them.
var nodes = []string{Account, Contact, Conversation, Message, Playbook, Team, User}

// An InputError is a fault of the one who asks: an argument that is malformed
// or out of range. Its text says what the argument takes.
type InputError struct {
	text string
}

// Error tells what is wrong with the argument and what it takes.
func (e *InputError) Error() string { return e.text }

// BadInput returns an InputError with the given text.
func BadInput(format string, args ...any) error {
	return &InputError{fmt.Sprintf(format, args...)}
}

// A NodeID is a global id taken apart.
type NodeID struct {
	Type    string   // of the object, such as Contact
	ID      drift.ID // of all but accounts
	Parent  drift.ID // the conversation of a message
	Account string   // of an account
}

// ParseNodeID takes a global id apart, such as "Contact:17035536800",
// "Account:48213_example.com" or "Message:4512203877:618840021171".
func ParseNodeID(id string) (NodeID, error) {
	typ, rest, ok := strings.Cut(id, ":")
	if !ok {
		return NodeID{}, BadInput("id %s is not a global id; take the `id` of an object", quote(id))
	}
	n := NodeID{Type: typ}
	var err error
	switch typ {
	case Account:
		if strings.HasPrefix(rest, Account+":") {
			return NodeID{}, BadInput("id %s is not that of an %s", quote(id), typ)
		}
		n.Account, err = AccountID(rest)
	case Message:
		conversation, message, _ := strings.Cut(rest, ":")
		if n.Parent, err = drift.ParseID(conversation); err == nil {
			n.ID, err = drift.ParseID(message)
		}
	case Contact, User, Conversation, Team, Playbook:
		n.ID, err = drift.ParseID(rest)
	default:
		return NodeID{}, BadInput("id %s is of no type that has global ids; those are %s", quote(id), strings.Join(nodes, ", "))
	}
	if err != nil {
		return NodeID{}, BadInput("id %s is not that of a %s", quote(id), typ)
	}
	return n, nil
}

// ParseID reads the id of an object of the given type, which has numeric ids:
// its global id or its Drift id.
func ParseID(typ, id string) (drift.ID, error) {
	raw := id
	if t, rest, ok := strings.Cut(id, ":"); ok {
		if t != typ {
			return 0, BadInput("id %s is not that of a %s", quote(id), typ)
		}
		raw = rest
	}
	n, err := drift.ParseID(raw)
	if err != nil {
		return 0, BadInput("id %s is not that of a %s; it takes a global id or a Drift id, such as %q", quote(id), typ, typ+":4512203877")
	}
	return n, nil
}

// AccountID reads the id of an account: its global id or its Drift id.
func AccountID(id string) (string, error) {
	raw := strings.TrimPrefix(id, Account+":")
	number, domain, ok := strings.Cut(raw, "_")
	if _, err := drift.ParseID(number); err != nil || !ok || domain == "" || strings.ContainsAny(domain, ":/?#% \t\r\n") || len(raw) > 300 {
		return "", BadInput("id %s is not that of an Account; it takes a global id or a Drift id, such as %q", quote(id), "48213_example.com")
	}
	return raw, nil
}

// quote quotes what a client sent, cut to a bearable length.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
