package loaders

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
)

// A Spent tells what an operation cost: the member rest of the extensions of
// its answer. docs/rest-plan.md says what each count means.
type Spent struct {
	Calls      int     `json:"calls"`
	NaiveCalls int     `json:"naiveCalls"`
	CacheHits  int     `json:"cacheHits"`
	StaleHits  int     `json:"staleHits"`
	Shared     int     `json:"shared"`
	Retries    int     `json:"retries"`
	DurationMs float64 `json:"durationMs"`
	Budget     *Budget `json:"budget,omitempty"` // nil if nothing bounds the calls
	Plan       []Step  `json:"plan,omitempty"`
}

// A Budget is what all operations together may still ask of Drift.
type Budget struct {
	Remaining int     `json:"remaining"` // calls that may be made at once now
	Limit     int     `json:"limit"`     // calls that may be made at once after a rest
	PerSecond float64 `json:"perSecond"` // how many come back each second
}

// A Step is a call to Drift, or records of one batch that one source had.
type Step struct {
	ID         int     `json:"id"`
	Method     string  `json:"method"`
	Route      string  `json:"route"` // without ids
	Keys       int     `json:"keys"`  // how many records were asked for; 0 for a list
	Source     string  `json:"source"`
	Status     *int    `json:"status"` // of Drift's answer; nil if it did not answer or was not asked
	StartMs    float64 `json:"startMs"`
	DurationMs float64 `json:"durationMs"`
	After      []int   `json:"after"`           // the steps whose answers named what this one asks for
	AgeMs      *int64  `json:"ageMs,omitempty"` // of the oldest record, where the source is STALE
}

// A BudgetError says that an operation may make no more calls.
type BudgetError struct {
	Most int // calls that it may make
}

// Error says what the limit is.
func (e *BudgetError) Error() string {
	return fmt.Sprintf("the operation has made %d calls to Drift, which is the most it may make", e.Most)
}

// A SizeError says that an answer would be too large.
type SizeError struct {
	Most int64 // bytes that it may have
}

// Error says what the limit is.
func (e *SizeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes, which is the most it may be. Ask for less: a smaller first, or fewer fields", e.Most)
}

// A recorder counts what an operation costs, and keeps it from making more
// calls than it may. Its lane is the operation's, in which its calls wait.
type recorder struct {
	lane  drift.Lane
	start time.Time
	most  int  // calls that the operation may make; 0 for any number
	full  bool // steps are recorded too

	mostBytes int64 // of the records that the answer is made of; 0 for any number
	handed    atomic.Int64
	pages     atomic.Int64 // of lists, that the operation has asked for

	mu    sync.Mutex
	spent Spent
	by    map[record]*trace // how each record was brought, as far as is known
}

// A record is one of a loader's.
type record struct{ loader, key any }

// A trace is what is done to bring some records: the steps that named them,
// and those that were made for them so far.
type trace struct {
	recorder *recorder
	after    []int
	steps    []int
	ended    []time.Time // when each of steps had its answer
}

type traceKey struct{}

// Admit counts a call before it is sent, and refuses it if the operation may
// make no more. It is the [drift.Options] Admit of the clients of loaders.
func Admit(ctx context.Context, call drift.Call) error {
	t, _ := ctx.Value(traceKey{}).(*trace)
	if t == nil {
		return nil
	}
	r := t.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.most > 0 && r.spent.Calls >= r.most {
		return &BudgetError{Most: r.most}
	}
	r.spent.Calls++
	if call.Attempt > 0 {
		r.spent.Retries++
	}
	return nil
}

// Record notes a call that has ended in the plan of the operation that made it.
// It is the [drift.Options] OnCall of the clients of loaders.
func Record(ctx context.Context, call drift.Call) {
	t, _ := ctx.Value(traceKey{}).(*trace)
	if t == nil || !t.recorder.full {
		return
	}
	r := t.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	after := t.after
	for i, ended := range t.ended { // a further page waits for the one before
		if !ended.After(call.Start) {
			after = t.steps[i : i+1]
		}
	}
	s := Step{Method: call.Method, Route: call.Route, Keys: call.Keys, Source: cache.Network.String(), After: after}
	if call.Status != 0 {
		s.Status = &call.Status
	}
	s.StartMs, s.DurationMs = millis(call.Start.Sub(r.start)), millis(call.Duration)
	t.steps = append(t.steps, r.add(s))
	t.ended = append(t.ended, call.Start.Add(call.Duration))
}

// add adds a step to the plan and returns its id.
func (r *recorder) add(s Step) int {
	s.ID = len(r.spent.Plan) + 1
	if s.After == nil {
		s.After = []int{}
	}
	r.spent.Plan = append(r.spent.Plan, s)
	return s.ID
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// naive counts a call that one call for each object at each place would take.
func (r *recorder) naive() {
	r.mu.Lock()
	r.spent.NaiveCalls++
	r.mu.Unlock()
}

// total returns what the operation has cost so far.
func (r *recorder) total() Spent {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.spent
	s.Plan = slices.Clone(s.Plan)
	s.DurationMs = millis(time.Since(r.start))
	return s
}

// turn counts so many pages of lists that are to be read, and returns how many of
// them may be, as many as calls; and why not the others.
func (r *recorder) turn(pages int) (allowed int, refused error) {
	left := r.most - int(r.pages.Add(int64(pages))-int64(pages))
	if r.most == 0 || pages <= left {
		return pages, nil
	}
	return max(left, 0), &PagesError{Most: r.most}
}

// hand counts a record each time when it goes into the answer, and refuses it
// if the answer becomes too large. Lists are counted by who takes from them.
func (r *recorder) hand(record any) error {
	if r.mostBytes == 0 {
		return nil
	}
	size := 0
	switch record := record.(type) {
	case *drift.Message:
		size = sizeOfMessage(record)
	case *drift.Contact:
		if record != nil {
			size = sizeOfContact(record)
		}
	case *drift.Account:
		if record != nil {
			size = sizeOfAccount(record)
		}
	case *string:
		if record != nil {
			size = len(*record)
		}
	}
	if r.handed.Add(int64(size)) > r.mostBytes {
		return &SizeError{Most: r.mostBytes}
	}
	return nil
}

// begin has a trace for records of a loader, which the steps after named.
func (r *recorder) begin(loader any, keys []any, after []int) *trace {
	t := &trace{recorder: r, after: after}
	if r.full {
		r.mu.Lock()
		for _, key := range keys {
			r.by[record{loader, key}] = t
		}
		r.mu.Unlock()
	}
	return t
}

// brought returns the steps that brought a record, as far as is known.
func (r *recorder) brought(loader, key any) []int {
	if !r.full {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.by[record{loader, key}]; t != nil {
		return slices.Clone(t.steps)
	}
	return nil
}

// alias notes that a record came with another.
func (r *recorder) alias(loader, key, ofLoader, ofKey any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.by[record{loader, key}] = r.by[record{ofLoader, ofKey}]
}

// A batch is what a loader asks for at once: who asks, and why.
type batch struct {
	recorder *recorder
	loader   any
	route    string
	height   int
	causes   map[any][]int        // the steps that named each key; nil unless steps are recorded
	steps    [cache.Stale + 1]int // by source, the step of the batch's records that it had; 0 for none
}

type batchKey struct{}

// traced returns a context whose calls are made for the given keys of the batch
// that ctx belongs to, unless they are part of what is made for others.
func traced[K comparable](ctx context.Context, keys ...K) context.Context {
	b, _ := ctx.Value(batchKey{}).(*batch)
	if b == nil || ctx.Value(traceKey{}) != nil {
		return ctx
	}
	var after []int
	var boxed []any
	if b.recorder.full {
		for _, key := range keys {
			boxed = append(boxed, key)
			after = union(after, b.causes[key])
		}
	}
	return context.WithValue(ctx, traceKey{}, b.recorder.begin(b.loader, boxed, after))
}

// note counts a record that did not take a call of the operation's own.
func (b *batch) note(key any, source cache.Source, fetched func() time.Time, start time.Time) {
	r := b.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	switch source {
	case cache.L1, cache.Redis:
		r.spent.CacheHits++
	case cache.Stale:
		r.spent.StaleHits++
	case cache.Shared:
		r.spent.Shared++
	default:
		return
	}
	if !r.full {
		return
	}
	id := b.steps[source]
	if id == 0 {
		method, route, _ := strings.Cut(b.route, " ")
		id = r.add(Step{Method: method, Route: route, Source: source.String(), StartMs: millis(start.Sub(r.start))})
		b.steps[source] = id
	}
	s := &r.spent.Plan[id-1]
	s.Keys++
	s.DurationMs = millis(time.Since(start))
	s.After = union(s.After, b.causes[key])
	if source == cache.Stale {
		age := max(time.Since(fetched()).Milliseconds(), 0)
		if s.AgeMs == nil || *s.AgeMs < age {
			s.AgeMs = &age
		}
	}
	r.by[record{b.loader, key}] = &trace{recorder: r, steps: []int{id}}
}

// union returns a with what b has and a has not.
func union(a, b []int) []int {
	for _, id := range b {
		if !slices.Contains(a, id) {
			a = append(a, id)
		}
	}
	return a
}
