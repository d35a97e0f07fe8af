package relay_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/relay"
)

func TestParseNodeID(t *testing.T) {
	tests := map[string]relay.NodeID{
		"Contact:17035536800":            {Type: relay.Contact, ID: 17035536800},
		"User:9223372036854775807":       {Type: relay.User, ID: 9223372036854775807},
		"Conversation:1":                 {Type: relay.Conversation, ID: 1},
		"Team:7301":                      {Type: relay.Team, ID: 7301},
		"Playbook:2210461":               {Type: relay.Playbook, ID: 2210461},
		"Message:4512203877:61884002117": {Type: relay.Message, Parent: 4512203877, ID: 61884002117},
		"Account:48213_example.com":      {Type: relay.Account, Account: "48213_example.com"},
		"Account:48213_a_b.example":      {Type: relay.Account, Account: "48213_a_b.example"},
		"Account:48213_bücher.example":   {Type: relay.Account, Account: "48213_bücher.example"},
	}
	for id, want := range tests {
		if got, err := relay.ParseNodeID(id); got != want || err != nil {
			t.Errorf("%s is %+v, %v; want %+v", id, got, err, want)
		}
	}
}

// TestBadIDs shows that what is no id is refused with an InputError that quotes
// it, cut to a bearable length.
func TestBadIDs(t *testing.T) {
	for _, id := range []string{
		"", ":", "5", "Contact", "Contact:", "Contact:x", "Contact:0", "Contact:-5", "Contact:+5", "Contact:05", "Contact: 5", "Contact:5 ", "Contact:5:6",
		"Contact:9223372036854775808", "Contact:1e3", "Contact:٥", "contact:5", "Robot:5", "Viewer:1", "Message:5", "Message:5:", "Message:5:6:7", "Message::6",
		"Account:48213", "Account:_example.com", "Account:48213_", "Account:x_example.com", "Account:48213_a/b", "Account:48213_a?b", "Account:48213_a b",
		"Account:48213_a#b", "Account:48213_a%2fb", "Account:Account:48213_example.com", "Account:48213_" + strings.Repeat("a", 300), strings.Repeat("é", 5000), "\xff\xfe",
	} {
		n, err := relay.ParseNodeID(id)
		var input *relay.InputError
		if !errors.As(err, &input) {
			t.Errorf("%.50q is %+v, %v; want an InputError", id, n, err)
			continue
		}
		if text := err.Error(); len(text) > 400 || !utf8.ValidString(text) {
			t.Errorf("%.50q gives a text that nobody can read: %q", id, text)
		}
	}
}

func TestParseID(t *testing.T) {
	for id, want := range map[string]drift.ID{"5": 5, "Contact:5": 5, "9223372036854775807": 9223372036854775807} {
		if got, err := relay.ParseID(relay.Contact, id); got != want || err != nil {
			t.Errorf("%s is %d, %v; want %d", id, got, err, want)
		}
	}
	for _, id := range []string{"", "User:5", "Contact:Contact:5", "0", "-1", "5x", "Contact:"} {
		if got, err := relay.ParseID(relay.Contact, id); err == nil || !strings.Contains(err.Error(), relay.Contact) {
			t.Errorf("%q is %d, %v; want an error that names the type", id, got, err)
		}
	}
}

// TestIDsAreCanonical shows that whatever is taken as an id is the one way to
// write it, so that one object has one key.
func TestIDsAreCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom([]string{relay.Contact, relay.User, relay.Conversation, relay.Message, relay.Account, relay.Team, relay.Playbook}).Draw(t, "type")
		text := typ + ":" + rapid.OneOf(rapid.String(), rapid.StringMatching(`[-+ 0-9]{0,20}(:[0-9]{1,5})?`), rapid.StringMatching(`[0-9]{1,6}_[a-z.]{0,10}`)).Draw(t, "rest")
		n, err := relay.ParseNodeID(text)
		if err != nil {
			return
		}
		var again string
		switch n.Type {
		case relay.Account:
			again = (&drift.Account{ID: n.Account}).Ref()
		case relay.Message:
			again = fmt.Sprintf("Message:%d:%d", n.Parent, n.ID)
		default:
			again = fmt.Sprintf("%s:%d", n.Type, n.ID)
		}
		if again != text {
			t.Fatalf("%q is taken for %q", text, again)
		}
	})
}
