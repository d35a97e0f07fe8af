package main

import (
	"errors"
	"fmt"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/limit"
)

// A callerRate says how often each caller may ask.
type callerRate struct {
	Rate  *float64 `placeholder:"N" help:"Operations a second that each caller may ask for, over all processes that share a Redis; 0 for any number. Default: 50 where AUTH asks who calls, else any number."`
	Burst int      `placeholder:"N" help:"Operations that a caller may ask for at once after a rest. Default: two seconds' worth."`
}

// check refuses what cannot work, by name.
func (c callerRate) check(auth string) error {
	switch {
	case c.Rate != nil && !(*c.Rate >= 0 && *c.Rate <= 100_000):
		return fmt.Errorf("CALLER_RATE is %v; it takes operations a second, up to 100000, such as 50 or 0.5, or 0 for any number", *c.Rate)
	case c.Burst < 0 || c.Burst > 100_000:
		return fmt.Errorf("CALLER_BURST is %d; it takes 1 to 100000", c.Burst)
	case c.Burst > 0 && c.limit(auth).PerSecond == 0:
		return errors.New("CALLER_BURST is set where callers may ask any number of times: set CALLER_RATE too")
	}
	return nil
}

// limit returns how often a caller may ask; the zero Rate for any number of
// times. Where nobody is asked who they are, callers are addresses, and one of
// those may be many callers', so there it takes a setting.
func (c callerRate) limit(auth string) limit.Rate {
	var r limit.Rate
	switch {
	case c.Rate != nil:
		r.PerSecond = *c.Rate
	case auth != authNone:
		r.PerSecond = 50
	}
	if r.PerSecond > 0 {
		if r.Burst = c.Burst; r.Burst == 0 {
			r.Burst = max(int(2*r.PerSecond), 1)
		}
	}
	return r
}

// throttle returns what bounds how often callers ask, nil for nothing. Replicas
// agree on its secret, which is none where callers bring their own credentials:
// their names are those of organisations and apps.
func (t *tenants) throttle() *graph.Throttle {
	r := t.Config.Callers.Rate.limit(t.Config.Callers.Auth)
	if r.PerSecond == 0 {
		return nil
	}
	secret := []byte(t.shared("callers"))
	if t.Auth != nil {
		secret = t.Auth.Identity()
	}
	return &graph.Throttle{Buckets: t.limits, Rate: r, Secret: secret}
}
