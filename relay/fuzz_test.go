package relay_test

import (
	"errors"
	"testing"

	"github.com/driftgraph/driftgraph/relay"
)

// FuzzNodeID reads global ids. One that is taken is written the same again, and
// what is refused is the fault of the one who asks.
func FuzzNodeID(f *testing.F) {
	for _, id := range []string{"Contact:5", "Message:5:6", "Account:48213_example.com", "Account:Account:1_a", "Team:0", "User:+5", "Playbook:05", ":", "", "Contact:5\x00", "Account:1_../.."} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		n, err := relay.ParseNodeID(id)
		if err != nil {
			if _, ok := errors.AsType[*relay.InputError](err); !ok {
				t.Errorf("%q is refused by %v", id, err)
			}
			return
		}
		written := n.Type + ":" + n.ID.String()
		switch n.Type {
		case relay.Account:
			written = n.Type + ":" + n.Account
		case relay.Message:
			written = n.Type + ":" + n.Parent.String() + ":" + n.ID.String()
		}
		if written != id {
			t.Errorf("%q is taken for %q", id, written)
		}
	})
}

// FuzzCursor reads cursors. One that is taken has the parts it must have, and is
// written so that it is taken again.
func FuzzCursor(f *testing.F) {
	f.Add(relay.Cursor{"c", "a", "b"}.String(), 2)
	f.Add(relay.Cursor{"c", ""}.String(), 1)
	f.Add("MQ", 0)
	f.Add("=", -1)
	f.Fuzz(func(t *testing.T, text string, parts int) {
		c, err := relay.ParseCursor("after", text, "c", parts)
		if err != nil {
			if _, ok := errors.AsType[*relay.InputError](err); !ok {
				t.Errorf("%q is refused by %v", text, err)
			}
			return
		}
		if len(c) != parts+1 || c[0] != "c" {
			t.Fatalf("%q is taken for %q, want %d parts", text, c, parts)
		}
		if again, err := relay.ParseCursor("after", c.String(), "c", parts); err != nil || again.String() != c.String() {
			t.Errorf("%q comes back as %q, %v", c, again, err)
		}
	})
}
