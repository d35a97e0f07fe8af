// Package queue bounds what runs at once. What comes on top waits for a while,
// and then is sent away, so that what runs still ends in time.
package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A Class says what waits before what.
type Class int

const (
	Interactive Class = iota // somebody waits for an answer that costs little
	Heavy                    // somebody waits for one that costs much
	Event                    // of a subscription: it may come later, but is not sent away
	classes
)

// String names the class.
func (c Class) String() string { return [...]string{"interactive", "heavy", "event"}[c] }

// Classes are all classes.
func Classes() []Class { return []Class{Interactive, Heavy, Event} }

// heavyShare is how much of what may run at once may be heavy: a quarter. One
// always may.
const heavyShare = 4

// Of so many that begin after a wait, one is who has waited longest, whatever
// its class: so each class moves on.
const elderEach = 8

// What is sent away in each stretch of overloadPause, for overloadAfter, is an
// overload that will not pass by itself.
const (
	overloadAfter = 5 * time.Second
	overloadPause = 2 * time.Second
)

// Options are the settings of a Queue. All must be more than 0.
type Options struct {
	Running  int           // that run at once
	Waiting  int           // that wait, events apart
	Patience time.Duration // how long one waits, events apart
}

// A FullError says that somebody was sent away.
type FullError struct {
	RetryAfter time.Duration // when to come again: not the same for all
}

// Error says that there is no room.
func (e *FullError) Error() string {
	return fmt.Sprintf("the gateway has more to do than it can; try again in %s", e.RetryAfter)
}

// A Queue lets so many run at once.
type Queue struct {
	options Options

	mu       sync.Mutex
	running  [classes]int
	waiting  [classes][]*waiter // the oldest first
	begun    uint64             // after a wait
	shedding time.Time          // since when somebody has been sent away again and again; zero for not
	shed     time.Time          // when somebody was last sent away
	stats    [classes]ClassStats
}

// A waiter is who waits.
type waiter struct {
	class Class
	since time.Time
	ready chan bool // gets whether the waiter may begin; has room for it
}

// New returns a Queue.
func New(o Options) *Queue { return &Queue{options: o} }

// ClassStats are numbers of one class.
type ClassStats struct {
	Running, Waiting int           // now
	Queued           uint64        // had to wait, and could then begin
	QueuedFor        time.Duration // all their waits together
	Shed             uint64        // were sent away
}

// Limit returns how many may run at once.
func (q *Queue) Limit() int { return q.options.Running }

// Stats returns the present numbers of a class.
func (q *Queue) Stats(c Class) ClassStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats[c]
	s.Running, s.Waiting = q.running[c], len(q.waiting[c])
	return s
}

// Overloaded reports whether others should be sent elsewhere: somebody was sent
// away again and again for a while, and just now.
func (q *Queue) Overloaded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.shedding.IsZero() && time.Since(q.shed) < overloadPause && time.Since(q.shedding) >= overloadAfter
}

// Enter waits until the caller may begin; leave must be called when it has
// ended. The error is a FullError if it may not, or that of ctx.
func (q *Queue) Enter(ctx context.Context, c Class) (leave func(), err error) {
	q.mu.Lock()
	if q.total() < q.options.Running && q.room(c) && !q.anyoneBefore(c) {
		q.running[c]++
		q.mu.Unlock()
		return q.leaver(c), nil
	}
	if c != Event && len(q.waiting[Interactive])+len(q.waiting[Heavy]) >= q.options.Waiting && !q.makeRoom(c) {
		err := q.sendAway(c)
		q.mu.Unlock()
		return nil, err
	}
	w := &waiter{class: c, since: time.Now(), ready: make(chan bool, 1)}
	q.waiting[c] = append(q.waiting[c], w)
	q.mu.Unlock()

	var late <-chan time.Time
	if c != Event {
		timer := time.NewTimer(q.options.Patience)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case begins := <-w.ready:
		return q.judged(c, begins)
	case <-late:
		err = new(FullError)
	case <-ctx.Done():
		err = ctx.Err()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting[c], w)
	if i < 0 { // it was judged meanwhile
		if <-w.ready {
			q.running[c]--
			q.next()
		} else {
			return nil, q.retry()
		}
	} else {
		q.waiting[c] = slices.Delete(q.waiting[c], i, i+1)
	}
	if ctx.Err() == nil {
		err = q.sendAway(c)
	}
	return nil, err
}

// judged returns what Enter does for who was told whether it may begin.
func (q *Queue) judged(c Class, begins bool) (func(), error) {
	if !begins {
		return nil, q.retry()
	}
	return q.leaver(c), nil
}

// leaver returns what ends a run, once.
func (q *Queue) leaver(c Class) func() {
	return sync.OnceFunc(func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.running[c]--
		q.next()
	})
}

func (q *Queue) total() int { return q.running[Interactive] + q.running[Heavy] + q.running[Event] }

// room reports whether one more of a class may run beside others of it.
func (q *Queue) room(c Class) bool {
	return c != Heavy || q.running[Heavy] < max(q.options.Running/heavyShare, 1)
}

// anyoneBefore reports whether somebody waits who comes before one of a class
// that comes now.
func (q *Queue) anyoneBefore(c Class) bool {
	for before := Interactive; before <= c; before++ {
		if len(q.waiting[before]) > 0 && q.room(before) {
			return true
		}
	}
	return false
}

// makeRoom sends the youngest heavy waiter away for an interactive one. It
// reports false if there is none.
func (q *Queue) makeRoom(c Class) bool {
	last := len(q.waiting[Heavy]) - 1
	if c != Interactive || last < 0 {
		return false
	}
	w := q.waiting[Heavy][last]
	q.waiting[Heavy] = q.waiting[Heavy][:last]
	_ = q.sendAway(Heavy)
	w.ready <- false
	return true
}

// sendAway notes that one of a class is sent away.
func (q *Queue) sendAway(c Class) error {
	now := time.Now()
	if q.shedding.IsZero() || now.Sub(q.shed) >= overloadPause {
		q.shedding = now
	}
	q.shed = now
	q.stats[c].Shed++
	return q.retry()
}

// retry returns the error of who is sent away: it names a time between one and
// five seconds, so that not all come again at once.
func (q *Queue) retry() error {
	return &FullError{RetryAfter: time.Second + rand.N(5*time.Second).Truncate(time.Second)} // #nosec G404 -- spreads attempts in time, no secret
}

// next lets those begin for whom there is room.
func (q *Queue) next() {
	for q.total() < q.options.Running {
		var chosen *waiter
		for c := range classes {
			if len(q.waiting[c]) == 0 || !q.room(c) {
				continue
			}
			if first := q.waiting[c][0]; chosen == nil || q.begun%elderEach == elderEach-1 && first.since.Before(chosen.since) {
				chosen = first
			}
		}
		if chosen == nil {
			return
		}
		c := chosen.class
		q.waiting[c] = slices.Delete(q.waiting[c], 0, 1)
		q.running[c]++
		q.begun++
		q.stats[c].Queued++
		q.stats[c].QueuedFor += time.Since(chosen.since)
		chosen.ready <- true
	}
}
