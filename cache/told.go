package cache

import (
	"sync"
	"time"
)

// maxTold bounds the drops that are remembered after Redis was told of them.
const maxTold = 8192

// told are the drops of the last dropLife that Redis was told of. A Redis that was
// away may be another when it is back, such as a replica that had not heard of all
// that its master had: so it is told again.
type told struct {
	mu    sync.Mutex
	drops []toldDrop // the oldest first
}

type toldDrop struct {
	full fullKey
	at   time.Time
}

// add remembers drops that Redis has just been told of.
func (t *told) add(full []fullKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for _, key := range full {
		t.drops = append(t.drops, toldDrop{key, now})
	}
	old := max(len(t.drops)-maxTold, 0)
	for old < len(t.drops) && now.Sub(t.drops[old].at) > dropLife {
		old++
	}
	clear(t.drops[:old])
	t.drops = t.drops[old:]
}

// take returns the drops, and forgets them.
func (t *told) take() []fullKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	var full []fullKey
	for _, d := range t.drops {
		if time.Since(d.at) <= dropLife {
			full = append(full, d.full)
		}
	}
	t.drops = nil
	return full
}

// tellAgain has Redis, which was away, be told of the latest drops once more, and
// of all that is buried. Until then what it holds of them is not looked at.
func (r *remote) tellAgain() {
	now := r.ms()
	if drops := append(r.told.take(), r.graves.all(now)...); len(drops) > 0 {
		r.owed.add(drops)
	}
	if drops := append(r.toldGroups.take(), r.groupGraves.all(now)...); len(drops) > 0 {
		r.owes.add(drops)
	}
}
