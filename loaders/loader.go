package loaders

import (
	"context"
	"time"

	"github.com/graph-gophers/dataloader/v7"

	"github.com/driftgraph/driftgraph/cache"
)

// window is how long a loader gathers keys that the planner did not foresee.
// The planner's own keys never wait: it flushes them.
const window = time.Millisecond

// A Loader reads one kind of record for one operation. It asks for each key
// once, however many fields want it, and gathers keys into batches. What it
// remembers, errors too, ends with the operation.
type Loader[K comparable, V any] struct {
	batches *dataloader.Loader[K, *cache.Future[V]]
	ctx     context.Context // of the operation, not of the field that came first
}

// newLoader returns a loader that reads batches by load, which returns a
// future for each key, in the order of keys, without waiting for any.
//
// The batches of dataloader hand out futures, not records, so that a record is
// there as soon as its own call has ended, not when the slowest of its batch has.
func newLoader[K comparable, V any](ctx context.Context, load func(context.Context, []K) []*cache.Future[V]) *Loader[K, V] {
	batch := func(_ context.Context, keys []K) []*dataloader.Result[*cache.Future[V]] {
		results := make([]*dataloader.Result[*cache.Future[V]], len(keys))
		for i, f := range load(ctx, keys) {
			results[i] = &dataloader.Result[*cache.Future[V]]{Data: f}
		}
		return results
	}
	return &Loader[K, V]{ctx: ctx, batches: dataloader.NewBatchedLoader(batch,
		dataloader.WithWait[K, *cache.Future[V]](window),
		dataloader.WithInputCapacity[K, *cache.Future[V]](64),
	)}
}

// Load returns the record of a key, nil if there is none. It waits until the
// operation ends at most.
func (l *Loader[K, V]) Load(key K) (V, error) {
	f, err := l.batches.Load(l.ctx, key)()
	if err != nil {
		var none V
		return none, err
	}
	return f.Wait(l.ctx)
}

// LoadAll returns the records of many keys, in their order, nil where there is
// none. The first failure ends it.
func (l *Loader[K, V]) LoadAll(keys []K) ([]V, error) {
	thunks := make([]dataloader.Thunk[*cache.Future[V]], len(keys))
	for i, key := range keys {
		thunks[i] = l.batches.Load(l.ctx, key)
	}
	records := make([]V, 0, len(keys))
	for _, thunk := range thunks {
		f, err := thunk()
		if err != nil {
			return nil, err
		}
		v, err := f.Wait(l.ctx)
		if err != nil {
			return nil, err
		}
		records = append(records, v)
	}
	return records, nil
}

// flush starts the batch that is being gathered, if any.
func (l *Loader[K, V]) flush() { l.batches.Flush() }
