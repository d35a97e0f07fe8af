package drift

import (
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
)

// How calls are made again.
const (
	mostRetries   = 1 // of a call that failed
	retriesShare  = 0.2
	retriesAlways = 3 // at once, however few calls there are
	shortestPause = 50 * time.Millisecond
	pauseAtMost   = 150 * time.Millisecond
)

// newRetries returns what makes calls again that failed for a reason that may
// pass: once, and no more at a time than a fifth of all calls, so that a Drift
// that fails is not asked twice as often for that.
func newRetries() failsafe.Executor[any] {
	return failsafe.With(retrypolicy.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool { return mayPass(err) }).
		WithMaxRetries(mostRetries).
		WithRandomDelay(shortestPause, pauseAtMost).
		WithBudget(budget.NewBuilder().WithMaxRate(retriesShare).WithMinConcurrency(retriesAlways).Build()).
		ReturnLastFailure().
		Build())
}

// errLeftAlone says that a call was not made because those before it failed.
var errLeftAlone = errors.New("calls to this part of Drift fail, so it is left alone for a while")

// mayPass reports whether a call failed for a reason that may be gone when it is
// made again, and may be made again: of a write, nothing has been sent.
func mayPass(err error) bool {
	return fails(err) && !errors.Is(err, ErrOutcomeUnknown) && !errors.Is(err, errLeftAlone)
}

// fails reports whether an error says that Drift, or the way to it, does not
// work: not that it refuses, nor that it answers something else.
func fails(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrTimeout) || errors.Is(err, errCut)
}

// timeFor returns how long a call may take. The first attempt of a read leaves a
// third of what the operation has to a second one.
func (c *Client) timeFor(t *try) time.Duration {
	end := deadline(t.ctx)
	if end.IsZero() || t.sent > 1 || t.writes() {
		return c.timeout
	}
	return min(c.timeout, time.Until(end)*2/3)
}
