package cache

import (
	"errors"
	"log/slog"
	"sync"
	"time"
)

// How long a gate stays shut: after the first failure, and at most.
const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 5 * time.Second
)

var errPanic = errors.New("panic")

// A gate keeps calls from a Redis that fails. The first failure shuts it. After
// a pause one call is let through to try, and the others still are not: its
// success opens the gate, its failure makes the pause twice as long.
type gate struct {
	what string // what the calls do, for the log
	log  *slog.Logger
	back func() // called when the gate opens; nil for nothing

	mu     sync.Mutex
	shut   bool
	trying bool          // a call has been let through the shut gate
	until  time.Time     // when the pause ends
	pause  time.Duration // the last one
}

// isShut reports whether the calls fail, as far as is known.
func (g *gate) isShut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

// do makes a call unless the gate keeps it back. It reports whether the call
// was made, and its error.
func (g *gate) do(call func() error) (made bool, err error) {
	trial, ok := g.enter()
	if !ok {
		return false, nil
	}
	err = errPanic // unless the call returns
	defer func() { g.leave(trial, err) }()
	err = call()
	return true, err
}

// enter reports whether a call may be made, and whether it is to try out a shut gate.
func (g *gate) enter() (trial, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut {
		return false, true
	}
	if g.trying || time.Now().Before(g.until) {
		return false, false
	}
	g.trying = true
	return true, true
}

func (g *gate) leave(trial bool, err error) {
	g.mu.Lock()
	opens := g.shut && trial && err == nil
	defer func() {
		g.mu.Unlock()
		if opens && g.back != nil {
			g.back()
		}
	}()
	switch {
	case g.shut && !trial:
		// Another call has failed while this one was under way. A trial decides.
	case err != nil && trial:
		g.trying = false
		g.pause = min(2*g.pause, longestPause)
		g.until = time.Now().Add(g.pause)
	case err != nil:
		g.shut = true
		g.pause = shortestPause
		g.until = time.Now().Add(g.pause)
		g.log.Warn("cache: Redis fails; going on without it", "call", g.what, "error", err)
	case trial:
		g.shut, g.trying = false, false
		g.log.Info("cache: Redis is back", "call", g.what)
	}
}
