package drift

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// counts are what a Client has done so far.
type counts struct {
	calls, retries, refused atomic.Uint64
}

// Stats tell what a Client has done since it was made, and how it stands.
type Stats struct {
	Calls   uint64 // HTTP requests that were sent, of which
	Retries uint64 // were sent again, for whatever reason
	Refused uint64 // were answered by 429
	Late    uint64 // calls that were not made, as their turn would have come too late

	Waited   time.Duration // of all calls, for their turns
	Waiting  int           // calls that wait for their turns now
	UnderWay int           // calls that are being made now

	Budget, ReportBudget BudgetStats
	Groups               []GroupStats // of the routes that were called so far, in the order of their names
}

// BudgetStats tell how a [Budget] stands, as far as this process knows.
type BudgetStats struct {
	Left      int     // calls that may be made at once now
	Most      int     // calls that may be made at once after a rest
	PerSecond float64 // calls a second; 0 if nothing bounds them
}

// GroupStats tell whether a group of routes is left alone because it fails.
type GroupStats struct {
	Group string // contacts, users, conversations, messages and so on
	State string // closed: it is called. open: it is left alone. half-open: one call tries
}

// Stats returns what the Client has done so far.
func (c *Client) Stats() Stats {
	s := Stats{
		Calls:   c.counts.calls.Load(),
		Retries: c.counts.retries.Load(),
		Refused: c.counts.refused.Load(),
		Budget:  c.Budget(),
	}
	if c.reports.budget != nil {
		s.ReportBudget.Left, s.ReportBudget.Most, s.ReportBudget.PerSecond = c.reports.budget.Level()
	}
	for _, t := range []*turns{c.turns, c.reports} {
		t.mu.Lock()
		s.Late += t.gaveUp
		s.Waited += t.waited
		s.Waiting += len(t.all())
		s.UnderWay += t.most - t.free
		t.mu.Unlock()
	}
	c.breakers.mu.Lock()
	defer c.breakers.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(c.breakers.group)) {
		s.Groups = append(s.Groups, GroupStats{name, c.breakers.group[name].circuit.State().String()})
	}
	return s
}

// Budget tells how the Budget of the Client stands; zero if it has none.
func (c *Client) Budget() BudgetStats {
	var s BudgetStats
	if c.turns.budget != nil {
		s.Left, s.Most, s.PerSecond = c.turns.budget.Level()
	}
	return s
}
