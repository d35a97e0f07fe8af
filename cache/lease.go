package cache

import (
	"maps"
	"sync"
	"time"
)

// A process that loads a record holds its lease in Redis. Another that wants
// the record meanwhile asks Redis again, each time after an eighth of what it
// has waited, but at least shortestPoll and at most longestPoll. So a process
// that dies while it loads delays the others by at most leaseLife and
// longestPoll, and two round trips.
const (
	leaseLife    = time.Second
	renewAfter   = leaseLife / 3
	shortestPoll = 2 * time.Millisecond
	longestPoll  = 50 * time.Millisecond
)

// pollPause returns how long to wait before asking for a record again.
func pollPause(waited time.Duration) time.Duration {
	return min(max(waited/8, shortestPoll), longestPoll)
}

// leases are those that the process holds. While it holds some, they are renewed.
type leases struct {
	renew func(held map[fullKey]string)

	mu     sync.Mutex
	held   map[fullKey]string // their tokens
	timer  *time.Timer        // to renew them; nil if none is held
	closed bool
}

// add begins to renew leases that have just been granted.
func (l *leases) add(token string, granted []fullKey) {
	if len(granted) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = make(map[fullKey]string)
	}
	for _, full := range granted {
		l.held[full] = token
	}
	if l.timer == nil && !l.closed {
		l.timer = time.AfterFunc(renewAfter, l.beat)
	}
}

// forget ends the renewal of the leases of writes.
func (l *leases) forget(writes []write) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range writes {
		if w.token != "" && l.held[w.full] == w.token {
			delete(l.held, w.full)
		}
	}
	if len(l.held) == 0 {
		l.stop()
	}
}

// beat renews what is held.
func (l *leases) beat() {
	l.mu.Lock()
	held := maps.Clone(l.held)
	l.mu.Unlock()
	if len(held) > 0 {
		l.renew(held)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Reset(renewAfter)
	}
}

// close ends all renewal.
func (l *leases) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.stop()
}

func (l *leases) stop() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}
