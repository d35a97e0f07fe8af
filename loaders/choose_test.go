package loaders

import (
	"testing"

	"github.com/driftgraph/driftgraph/drift"
)

// TestCheapest holds the cost model at its turning points.
func TestCheapest(t *testing.T) {
	const none, unknown = 1, 0
	for _, c := range []struct {
		what                string
		wanted, bulk, pages int
		want                way
	}{
		{"one user", 1, drift.MaxUserIDs, 1, singly},
		{"two users", 2, drift.MaxUserIDs, 1, together},
		{"as many users as a call takes", 20, drift.MaxUserIDs, 1, together},
		{"one more", 21, drift.MaxUserIDs, 1, listed},
		{"users whose list would have three pages", 60, drift.MaxUserIDs, 3, together},
		{"and one more", 61, drift.MaxUserIDs, 3, listed},
		{"one account", 1, none, 2, singly},
		{"as many accounts as their list has pages", 2, none, 2, singly},
		{"one more", 3, none, 2, listed},
		{"accounts of which there is an unknown number", 100, none, unknown, singly},
		{"one contact by external id", 1, drift.MaxExternalIDs, unknown, singly},
		{"contacts by external id", 41, drift.MaxExternalIDs, unknown, together},
		{"contacts", 100, none, unknown, singly},
		{"nothing", 0, drift.MaxUserIDs, 1, singly},
	} {
		if got := cheapest(c.wanted, c.bulk, c.pages); got != c.want {
			t.Errorf("%s: %d wanted, %d together, %d pages: it is %d, want %d", c.what, c.wanted, c.bulk, c.pages, got, c.want)
		}
	}
}
