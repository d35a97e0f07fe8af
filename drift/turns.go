package drift

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"
)

// A Lane is a row of calls that wait for their turn together, those of one
// operation. Callers take turns, and so do the operations of a caller, so that
// many calls of one do not hold up the few of another.
type Lane struct {
	Caller   string    // who waits for the operation; all that are blank are one
	Deadline time.Time // when the operation is over; zero if it may take any time
}

type laneKey struct{}

type place struct {
	lane     *Lane
	priority int
}

// WithPlace returns a context whose calls wait in the given lane. Of the calls
// of a lane those with the highest priority go first, then those that came
// first. Give the chain of calls that is the longest the highest.
//
// A call without a place is one that nobody waits for, such as a refresh in the
// background: it goes when no other wants to, takes of the budget what others
// leave, and soon gives up.
func WithPlace(ctx context.Context, lane *Lane, priority int) context.Context {
	return context.WithValue(ctx, laneKey{}, place{lane, priority})
}

// awaited reports whether somebody waits for the calls of a context.
func awaited(ctx context.Context) bool { return ctx.Value(laneKey{}) != nil }

// deadline returns when the operation that a context is of is over, or the
// context itself, whichever is earlier; zero if neither is ever.
func deadline(ctx context.Context) time.Time {
	end, _ := ctx.Deadline()
	if at, ok := ctx.Value(laneKey{}).(place); ok && !at.lane.Deadline.IsZero() && (end.IsZero() || at.lane.Deadline.Before(end)) {
		end = at.lane.Deadline
	}
	return end
}

// spareTime is how long a call that nobody waits for waits for its turn. Somebody
// may come to need its answer, who would have a turn of their own sooner.
const spareTime = 2 * time.Second

// judgeAfter is how often all who wait are looked through for those whose turn
// would come too late. Each that comes is looked at, too.
const judgeAfter = 100 * time.Millisecond

// turns bounds how many calls are under way, and keeps them to a budget. Who
// waits is served in a fair order: a token of the budget goes to whoever is next
// when it is there.
type turns struct {
	budget Budget // nil for none
	meter  meter  // of the calls that Drift accepted
	most   int    // turns that there are

	mu      sync.Mutex
	free    int
	rows    []*row          // of the callers with calls that wait, the next one first
	of      map[string]*row // by caller
	lines   map[*Lane]*line // of the operations with calls that wait
	spare   line            // of the calls that nobody waits for
	came    uint64          // calls that had to wait so far
	gaveUp  uint64          // those of them whose turn would have come too late
	waited  time.Duration   // of all of them
	dealing bool            // deal runs
	due     time.Time       // when it has the next token; zero if it does not wait for one
	forAny  bool            // it waits for a token that leaves some to others
	wake    chan struct{}   // ends its wait
	judged  time.Time       // when all who wait were looked through
}

// A row is the operations of a caller that have calls waiting, the next one first.
type row struct {
	caller string
	lines  []*line
	count  int // of the calls
}

// A line is the calls of an operation that wait.
type line struct {
	lane    *Lane
	row     *row // nil for the calls that nobody waits for
	waiting waiters
}

func newTurns(most int, budget Budget) *turns {
	return &turns{budget: budget, most: most, free: most, of: make(map[string]*row), lines: make(map[*Lane]*line), wake: make(chan struct{}, 1)}
}

// A lateTurn says that a turn would come too late.
type lateTurn struct{ wait time.Duration }

func (*lateTurn) Error() string { return ErrLate.Error() }

// Is reports whether err is [ErrLate].
func (*lateTurn) Is(err error) bool { return err == ErrLate }

// acquire waits for a turn, which its caller gives back by release. It fails by a
// *lateTurn as soon as it is clear that the turn would come after the deadline,
// by what bar is given for its group, and by the error of ctx.
func (t *turns) acquire(ctx context.Context, group string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	if t.free > 0 && !t.anyoneWaits() && t.open() {
		t.free--
		t.mu.Unlock()
		return nil
	}
	now := time.Now()
	t.came++
	w := &waiter{group: group, number: t.came, since: now, deadline: deadline(ctx), turn: make(chan struct{})}
	t.join(ctx, w)
	t.serve()
	t.mu.Unlock()

	select {
	case <-w.turn:
		return w.err
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case w.index >= 0:
		t.fail(w, ctx.Err())
	case w.err == nil: // the turn came at the same moment
		t.free++
		t.serve()
	}
	return ctx.Err()
}

// join has a call wait.
func (t *turns) join(ctx context.Context, w *waiter) {
	at, awaited := ctx.Value(laneKey{}).(place)
	if awaited {
		w.priority = at.priority
		w.line = t.lineOf(at.lane)
		w.line.row.count++
	} else {
		w.line = &t.spare
		if soon := w.since.Add(spareTime); w.deadline.IsZero() || soon.Before(w.deadline) {
			w.deadline = soon
		}
	}
	heap.Push(&w.line.waiting, w)
	if !t.due.IsZero() {
		t.judge(w, w.since)
		if awaited && t.forAny {
			t.stir()
		}
	}
}

// lineOf returns the line of a lane, which gets a call that waits.
func (t *turns) lineOf(lane *Lane) *line {
	if l := t.lines[lane]; l != nil {
		return l
	}
	r := t.of[lane.Caller]
	if r == nil {
		r = &row{caller: lane.Caller}
		t.of[lane.Caller] = r
		t.rows = append(t.rows, r)
	}
	l := &line{lane: lane, row: r}
	t.lines[lane] = l
	r.lines = append(r.lines, l)
	return l
}

// release gives a turn back.
func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free++
	t.serve()
}

// open reports whether calls take no tokens at present.
func (t *turns) open() bool { return t.budget == nil || t.budget.Open() }

func (t *turns) anyoneWaits() bool { return len(t.rows) > 0 || len(t.spare.waiting) > 0 }

// serve gives turns out, or has deal do it if that takes tokens.
func (t *turns) serve() {
	for !t.dealing && t.demand() > 0 {
		if t.open() {
			t.grant()
			continue
		}
		t.dealing = true
		go t.deal()
	}
}

// demand returns how many turns can be used: by calls that somebody waits for if
// there are any, else by the others.
func (t *turns) demand() int {
	n := len(t.spare.waiting)
	if len(t.rows) > 0 {
		n = 0
		for _, r := range t.rows {
			n += r.count
		}
	}
	return min(n, t.free)
}

// deal takes tokens and gives turns out for them, until no turn can be used. It
// takes tokens for all who wait at once, which may be a round trip.
func (t *turns) deal() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		n, spare := t.demand(), len(t.rows) == 0
		if n == 0 {
			t.dealing = false
			return
		}
		t.mu.Unlock()
		taken, wait := t.budget.Take(n, spare)
		t.mu.Lock()
		for range taken {
			t.grant()
		}
		if wait == 0 {
			continue
		}
		now := time.Now()
		t.due, t.forAny = now.Add(wait), spare
		if wait >= judgeAfter || now.Sub(t.judged) >= judgeAfter {
			t.judgeAll(now)
		}
		if t.anyoneWaits() {
			t.mu.Unlock()
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-t.wake:
				timer.Stop()
			}
			t.mu.Lock()
		}
		t.due = time.Time{}
	}
}

// stir has deal look at once who waits.
func (t *turns) stir() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// grant gives a turn to the call that is next.
func (t *turns) grant() {
	var l *line
	switch {
	case len(t.rows) > 0:
		r := t.rows[0]
		l = r.lines[0]
		t.rows, r.lines = append(t.rows[1:], r), append(r.lines[1:], l)
	case len(t.spare.waiting) > 0:
		l = &t.spare
	default:
		return // all have given up
	}
	w := l.waiting[0]
	t.remove(w)
	t.free--
	close(w.turn)
}

// remove ends the wait of a call.
func (t *turns) remove(w *waiter) {
	l := w.line
	heap.Remove(&l.waiting, w.index)
	t.waited += time.Since(w.since)
	if r := l.row; r != nil {
		r.count--
		if len(l.waiting) == 0 {
			delete(t.lines, l.lane)
			r.lines = slices.DeleteFunc(r.lines, func(other *line) bool { return other == l })
		}
		if r.count == 0 {
			delete(t.of, r.caller)
			t.rows = slices.DeleteFunc(t.rows, func(other *row) bool { return other == r })
		}
	}
}

// fail ends the wait of a call by an error.
func (t *turns) fail(w *waiter, err error) {
	t.remove(w)
	w.err = err
	close(w.turn)
	if !t.anyoneWaits() {
		t.stir()
	}
}

// bar fails the calls of a group that wait.
func (t *turns) bar(group string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.all() {
		if w.group == group {
			t.fail(w, err)
		}
	}
}

// all returns the calls that wait.
func (t *turns) all() []*waiter {
	all := slices.Clone(t.spare.waiting)
	for _, l := range t.lines {
		all = append(all, l.waiting...)
	}
	return all
}

// judgeAll fails the calls whose turns would come too late.
func (t *turns) judgeAll(now time.Time) {
	t.judged = now
	for _, w := range t.all() {
		t.judge(w, now)
	}
}

// judge fails a call whose turn would come too late, by what is known now.
func (t *turns) judge(w *waiter, now time.Time) {
	_, _, perSecond := t.budget.Level()
	if perSecond == 0 || w.deadline.IsZero() {
		return
	}
	turn := t.due.Add(time.Duration(float64(t.ahead(w)) / perSecond * float64(time.Second)))
	if turn.After(w.deadline) {
		t.gaveUp++
		t.fail(w, &lateTurn{turn.Sub(now)})
	}
}

// ahead returns about how many calls have their turns before w.
func (t *turns) ahead(w *waiter) int {
	inLine := 1 // with itself
	for _, other := range w.line.waiting {
		if other.before(w) {
			inLine++
		}
	}
	all := 0
	if w.line.row == nil {
		for _, r := range t.rows {
			all += r.count
		}
		return all + inLine - 1
	}
	inRow := 0
	for _, l := range w.line.row.lines {
		inRow += min(len(l.waiting), inLine)
	}
	for _, r := range t.rows {
		all += min(r.count, inRow)
	}
	return all - 1
}

// A waiter is a call that waits for its turn.
type waiter struct {
	line     *line
	group    string // of its route
	priority int
	number   uint64
	since    time.Time
	deadline time.Time     // zero for none
	turn     chan struct{} // closed when it is its turn, or err is set
	err      error         // why it gets none
	index    int           // in its line; -1 once it is out of it
}

// before reports whether the turn of w comes before that of another in its line.
func (w *waiter) before(other *waiter) bool {
	if w.priority != other.priority {
		return w.priority > other.priority
	}
	return w.number < other.number
}

// waiters are a heap, the next one first.
type waiters []*waiter

func (w waiters) Len() int           { return len(w) }
func (w waiters) Less(i, j int) bool { return w[i].before(w[j]) }

func (w waiters) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].index, w[j].index = i, j
}

func (w *waiters) Push(v any) {
	v.(*waiter).index = len(*w)
	*w = append(*w, v.(*waiter))
}

func (w *waiters) Pop() any {
	last := (*w)[len(*w)-1]
	(*w)[len(*w)-1] = nil
	*w = (*w)[:len(*w)-1]
	last.index = -1
	return last
}
