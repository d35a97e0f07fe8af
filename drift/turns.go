package drift

import (
	"container/heap"
	"context"
	"sync"
)

// A Lane is a row of calls that wait for their turn together, such as those of
// one operation. Lanes take turns, so that many calls of one do not hold up the
// few of another. Make one with new.
type Lane struct {
	waiting waiters
	queued  bool // it is in turns.lanes
}

type laneKey struct{}

type place struct {
	lane     *Lane
	priority int
}

// WithPlace returns a context whose calls wait in the given lane. Of the calls
// of a lane those with the highest priority go first, then those that came
// first. Give the chain of calls that is the longest the highest.
func WithPlace(ctx context.Context, lane *Lane, priority int) context.Context {
	return context.WithValue(ctx, laneKey{}, place{lane, priority})
}

// turns bounds how many calls are under way.
type turns struct {
	mu    sync.Mutex
	free  int
	lanes []*Lane // with calls that wait, the next one first
	any   Lane    // of the calls that name none
	came  uint64  // calls that had to wait so far
}

func newTurns(most int) *turns { return &turns{free: most} }

// acquire waits for a turn, which its caller gives back by release.
func (t *turns) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	at, ok := ctx.Value(laneKey{}).(place)
	if !ok {
		at.lane = &t.any
	}
	t.came++
	w := &waiter{priority: at.priority, number: t.came, turn: make(chan struct{})}
	heap.Push(&at.lane.waiting, w)
	if !at.lane.queued {
		at.lane.queued = true
		t.lanes = append(t.lanes, at.lane)
	}
	t.mu.Unlock()

	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	if w.index >= 0 {
		heap.Remove(&at.lane.waiting, w.index)
		t.mu.Unlock()
		return ctx.Err()
	}
	t.mu.Unlock()
	t.release() // the turn came at the same moment
	return ctx.Err()
}

// release gives a turn to the first call of the lane whose turn it is.
func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.lanes) > 0 {
		lane := t.lanes[0]
		t.lanes = t.lanes[1:]
		if len(lane.waiting) == 0 {
			lane.queued = false
			continue
		}
		w := heap.Pop(&lane.waiting).(*waiter)
		if lane.queued = len(lane.waiting) > 0; lane.queued {
			t.lanes = append(t.lanes, lane)
		}
		close(w.turn)
		return
	}
	t.free++
}

// A waiter is a call that waits for its turn.
type waiter struct {
	priority int
	number   uint64
	turn     chan struct{}
	index    int // in its lane; -1 once it is out of it
}

// waiters are a heap, the next one first.
type waiters []*waiter

func (w waiters) Len() int { return len(w) }

func (w waiters) Less(i, j int) bool {
	if w[i].priority != w[j].priority {
		return w[i].priority > w[j].priority
	}
	return w[i].number < w[j].number
}

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
