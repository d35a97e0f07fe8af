package drift

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// When a group of routes is left alone, and for how long.
const (
	failedShare = 0.5              // of the calls,
	failedOf    = 20               // if there were so many,
	failedIn    = 10 * time.Second // in the last so long
	leftAlone   = 5 * time.Second  // give or take a fifth
	probeTime   = time.Second      // that callers are told to wait while one call tries
)

// A breaker keeps calls from a group of routes that fails. Then one call is let
// through to try; it decides.
type breaker struct {
	group   string
	circuit circuitbreaker.CircuitBreaker[any]
	era     atomic.Uint64 // changes of the circuit's state so far
}

// breakers are one for each group of routes.
type breakers struct {
	opened func(b *breaker) // told when a group begins to be left alone

	mu    sync.Mutex
	group map[string]*breaker
}

// of returns the breaker of a route.
func (bs *breakers) of(route string) *breaker {
	name := groupOf(route)
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.group[name]
	if b == nil {
		if bs.group == nil {
			bs.group = make(map[string]*breaker)
		}
		b = &breaker{group: name}
		b.circuit = circuitbreaker.NewBuilder[any]().
			WithFailureRateThreshold(failedShare, failedOf, failedIn).
			WithSuccessThreshold(1).
			WithDelay(leftAlone).
			WithJitterFactor(0.2).
			OnStateChanged(func(change circuitbreaker.StateChangedEvent) {
				b.era.Add(1)
				if change.NewState == circuitbreaker.OpenState {
					bs.opened(b)
				}
			}).
			Build()
		bs.group[name] = b
	}
	return b
}

// groupOf returns the group of a route: its first part, but for messages.
func groupOf(route string) string {
	if strings.HasSuffix(route, "/messages") {
		return "messages"
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(route, "/"), "/")
	return first
}

// shut returns for how long the group is still left alone.
func (b *breaker) shut() time.Duration { return b.circuit.RemainingDelay() }

// enter asks whether a call may be made. If it may, settle is to be told of how
// it went, with the era; else wait is above 0, and says for how long it may not.
func (b *breaker) enter() (era uint64, wait time.Duration) {
	if !b.circuit.TryAcquirePermit() {
		return 0, max(b.shut(), probeTime)
	}
	return b.era.Load(), 0
}

// settle notes how a call went, if it was sent.
func (b *breaker) settle(era uint64, sent bool, err error) {
	switch {
	case b.era.Load() != era: // it was made under other circumstances
	case fails(err):
		b.circuit.RecordFailure()
	case !sent, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		if b.circuit.IsHalfOpen() { // nothing is known, and this one was to decide
			b.circuit.RecordFailure()
		}
	default:
		b.circuit.RecordSuccess()
	}
}

// bar ends the wait of calls to a group that begins to be left alone.
func (c *Client) bar(b *breaker) {
	c.turns.bar(b.group, errLeftAlone)
	c.reports.bar(b.group, errLeftAlone)
}
