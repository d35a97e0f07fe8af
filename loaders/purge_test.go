package loaders_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestPurgeAsksAgain has Drift not answer who a person is: what is known is
// forgotten at once, and Drift is asked again after 1, 5 and 20 s, until it
// answers, refuses to, or nobody waits any more.
func TestPurgeAsksAgain(t *testing.T) {
	all := []time.Duration{time.Second, 5 * time.Second, 20 * time.Second}
	h := newHouse(t, nil)
	for _, tt := range []struct {
		name   string
		fault  sandbox.Fault
		over   int // the pause in which the fault is over; the first is 1
		leaves int // the pause in which nobody waits any more
		pauses int
		err    error // nil for none
	}{
		{name: "it answers", pauses: 0},
		{name: "it answers the second time", fault: sandbox.Fault{Status: 503}, over: 1, pauses: 1},
		{name: "it answers the last time", fault: sandbox.Fault{Status: 503}, over: 3, pauses: 3},
		{name: "it never answers", fault: sandbox.Fault{Status: 503}, pauses: 3, err: drift.ErrUnavailable},
		{name: "it refuses", fault: sandbox.Fault{Status: 400}, pauses: 0, err: drift.ErrRefused},
		{name: "nobody waits", fault: sandbox.Fault{Status: 503}, leaves: 2, pauses: 2, err: drift.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := h.uncached(t)
			l := s.Loaders(t.Context(), loaders.Operation{Plan: &loaders.Plan{}}).Alone()
			if c := must(l.Contacts.Load(h.contact))(t); c == nil {
				t.Fatal("the contact is not there")
			}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			var pauses []time.Duration
			s.SetAfter(func(d time.Duration) <-chan time.Time {
				pauses = append(pauses, d)
				if forgotten := must(s.Loaders(t.Context(), loaders.Operation{Plan: &loaders.Plan{}}).Alone().Contacts.Load(h.contact))(t); forgotten != nil {
					t.Error("what is known is not forgotten while Drift is asked")
				}
				if len(pauses) == tt.leaves {
					leave()
					return nil
				}
				if len(pauses) == tt.over {
					h.drift.ClearFaults()
				}
				over := make(chan time.Time)
				close(over)
				return over
			})
			defer h.drift.ClearFaults()
			if tt.fault.Status != 0 {
				tt.fault.Route = "GET /contacts"
				h.drift.Inject(tt.fault)
			}
			if _, err := s.Purge(ctx, h.email); !errors.Is(err, tt.err) || err != nil && tt.err == nil {
				t.Errorf("the error is %v, want %v", err, tt.err)
			}
			if !slices.Equal(pauses, all[:tt.pauses]) {
				t.Errorf("it waits for %v, want %v", pauses, all[:tt.pauses])
			}
		})
	}
}
