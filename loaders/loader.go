package loaders

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/graph-gophers/dataloader/v7"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
)

// window is how long a loader gathers keys that the planner did not foresee.
// The planner's own keys never wait: it flushes them.
var window = time.Millisecond

// A Loader reads one kind of record for one operation. It asks for each key
// once, however many fields want it, and gathers keys into batches. What it
// remembers, errors too, ends with the operation.
type Loader[K comparable, V any] struct {
	batches  *dataloader.Loader[K, *cache.Future[V]]
	ctx      context.Context // of the operation, not of the field that came first
	recorder *recorder

	mu sync.Mutex
	// What the planner says of the keys that are being gathered.
	height int           // how many calls may follow on the answer of one
	causes map[any][]int // the steps that named each; nil unless steps are recorded
}

// newLoader returns a loader that reads batches by load, which returns a
// future for each key, in the order of keys, without waiting for any. The route
// is that of a call for one key, with its method before it; with none, the
// records are parts of others, which are counted in their place.
//
// The batches of dataloader hand out futures, not records, so that a record is
// there as soon as its own call has ended, not when the slowest of its batch has.
func newLoader[K comparable, V any](ctx context.Context, r *recorder, route string, load func(context.Context, []K) []*cache.Future[V]) *Loader[K, V] {
	l := &Loader[K, V]{ctx: ctx, recorder: r}
	l.batches = dataloader.NewBatchedLoader(func(_ context.Context, keys []K) []*dataloader.Result[*cache.Future[V]] {
		results := make([]*dataloader.Result[*cache.Future[V]], len(keys))
		b, start := l.begin(route)
		ctx := context.WithValue(drift.WithPlace(ctx, &r.lane, b.height), batchKey{}, b)
		ctx, span := startBatch(ctx, route, len(keys))
		for i, f := range load(ctx, keys) {
			results[i] = &dataloader.Result[*cache.Future[V]]{Data: f}
			switch {
			case route == "":
			case f.Done():
				b.note(keys[i], f.Source(), f.Fetched, start)
				span.came(f.Source())
			default:
				f.Then(func() {
					b.note(keys[i], f.Source(), f.Fetched, start)
					span.came(f.Source())
				})
			}
		}
		return results
	},
		dataloader.WithWait[K, *cache.Future[V]](window),
		dataloader.WithInputCapacity[K, *cache.Future[V]](64),
	)
	return l
}

// begin takes what the planner said of the keys of the batch that begins.
func (l *Loader[K, V]) begin(route string) (*batch, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := &batch{recorder: l.recorder, loader: l, route: route, height: l.height, causes: l.causes}
	l.height, l.causes = 0, nil
	return b, time.Now()
}

// expect says of a key, before it is asked for, how many calls may follow on its
// answer and which steps named it.
func (l *Loader[K, V]) expect(key K, height int, cause []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.height = max(l.height, height)
	if l.recorder.full {
		if l.causes == nil {
			l.causes = make(map[any][]int)
		}
		l.causes[key] = union(l.causes[key], cause)
	}
}

// Load returns the record of a key, nil if there is none. It waits until the
// operation ends at most.
func (l *Loader[K, V]) Load(key K) (V, error) {
	return l.wait(key, l.batches.Load(l.ctx, key))
}

func (l *Loader[K, V]) wait(key K, thunk dataloader.Thunk[*cache.Future[V]]) (V, error) {
	for {
		f, err := thunk()
		if err != nil {
			var none V
			return none, err
		}
		v, err := f.Wait(l.ctx)
		if err == nil {
			return v, l.recorder.hand(v)
		}
		if !l.refusedOther(f, err) {
			return v, err
		}
		thunk = l.again(key)
	}
}

// refusedOther reports whether a load failed only because another operation,
// which had begun it, may make no more calls, or would have been over before its
// turn; and this operation is not over.
func (l *Loader[K, V]) refusedOther(f *cache.Future[V], err error) bool {
	var budget *BudgetError
	return f.Source() == cache.Shared && (errors.As(err, &budget) || errors.Is(err, drift.ErrLate)) && l.ctx.Err() == nil
}

// again asks for a key anew.
func (l *Loader[K, V]) again(key K) dataloader.Thunk[*cache.Future[V]] {
	return l.batches.Clear(l.ctx, key).Load(l.ctx, key)
}

// LoadAll returns the records of many keys, in their order, nil where there is
// none. The first failure ends it.
func (l *Loader[K, V]) LoadAll(keys []K) ([]V, error) {
	thunks := make([]dataloader.Thunk[*cache.Future[V]], len(keys))
	for i, key := range keys {
		thunks[i] = l.batches.Load(l.ctx, key)
	}
	records := make([]V, 0, len(keys))
	for i, thunk := range thunks {
		v, err := l.wait(keys[i], thunk)
		if err != nil {
			return nil, err
		}
		records = append(records, v)
	}
	return records, nil
}

// flush starts the batch that is being gathered, if any.
func (l *Loader[K, V]) flush() { l.batches.Flush() }
