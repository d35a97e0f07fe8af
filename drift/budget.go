package drift

import (
	"sync"
	"time"
)

// A Budget says how often Drift may be called, by this Client and all others
// that share it. It is for many goroutines at once.
type Budget interface {
	// Open reports whether calls may be made without tokens at present. It asks nobody.
	Open() bool

	// Take takes up to n tokens, one for each call, and returns how many; if that
	// is fewer, also how long until there is one more. Tokens for spare calls,
	// which nobody waits for, are only taken of what others leave.
	Take(n int, spare bool) (taken int, wait time.Duration)

	// Refused notes a 429, and returns how long until a call may be made. The call
	// was sent at a time, as one of a Client of whose calls Drift accepted so many
	// in the last second; retryAfter is what Drift asks for, 0 if it does not say.
	Refused(sent time.Time, retryAfter time.Duration, accepted float64) (wait time.Duration)

	// Level returns how many calls may be made at once at present, of how many at
	// most, and how many a second; that is 0 if nothing bounds them.
	Level() (left, most int, perSecond float64)
}

// mostRefusals is how often a call is sent again that Drift refuses because
// there were too many.
const mostRefusals = 2

// A meter counts what happened in the last second, in tenths of it.
type meter struct {
	mu    sync.Mutex
	tenth int64 // the latest that counts has
	tally [10]int
}

// count counts one more.
func (m *meter) count() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	m.tally[m.tenth%10]++
}

// rate returns how many there were.
func (m *meter) rate() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	n := 0
	for _, tally := range m.tally {
		n += tally
	}
	return float64(n)
}

// turn begins the tenths that have come.
func (m *meter) turn() {
	now := time.Now().UnixMilli() / 100
	for m.tenth = max(m.tenth, now-10); m.tenth < now; {
		m.tenth++
		m.tally[m.tenth%10] = 0
	}
}
