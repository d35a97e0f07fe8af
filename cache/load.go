package cache

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// A Fetch asks the source for the records of keys, which are all different. It
// calls answer for each key as soon as it has the record, nil if there is none,
// or an error that concerns this key; from any goroutine, but before it returns.
// Only the first answer to a key counts. The keys it has not answered when it
// returns do not exist, or if it returns an error, fail by that.
//
// Its context has the values of the one that Load was called with. It ends not
// with that but when the load has taken too long; what is answered then is dropped.
type Fetch[K comparable, V any] func(ctx context.Context, keys []K, answer func(key K, v V, err error)) error

// Load returns a future for each of keys, in their order. It waits for nothing.
// A record that does not exist is nil, without an error.
//
// What the in-process tier holds is resolved at once. What another load is
// fetching is shared with it: its answer and its error. The rest is asked of
// Redis in one round trip, and what is not there either of fetch, in one call.
// An error concerns only those who wait for it now: it is not kept.
func (k *Kind[K, V]) Load(ctx context.Context, t Tenant, keys []K, fetch Fetch[K, V]) []*Future[V] {
	futures := make([]*Future[V], len(keys))
	block := make([]Future[V], len(keys)) // of the futures: one allocation for all
	var missed []miss[K, V]
	for i, key := range keys {
		futures[i] = &block[i]
		full := k.full(t, key)
		if r, held := k.cache.memory.get(full); held {
			block[i] = inHand[V](r)
		} else {
			missed = append(missed, miss[K, V]{&block[i], key, full})
		}
	}
	k.cache.memoryHits.Add(uint64(len(keys) - len(missed)))
	if len(missed) == 0 {
		return futures
	}
	if b := k.join(missed); len(b.flights) > 0 {
		k.cache.work.begin()
		go b.run(ctx, fetch)
	}
	return futures
}

// inHand returns the future of a record of the in-process tier.
func inHand[V any](r record) Future[V] {
	v, _ := r.value.(V)
	return Future[V]{value: v, source: L1}
}

// A miss is a future whose record the in-process tier does not hold.
type miss[K comparable, V any] struct {
	future *Future[V]
	key    K
	full   fullKey
}

// A flight is the load of one record. It is in Kind.flights from when it is
// made until its record is in the in-process tier, or its error is known: at no
// moment could another load find neither.
type flight[K comparable, V any] struct {
	promise[V]
	batch   *batch[K, V]
	key     K
	full    fullKey
	claimed atomic.Bool // by the one answer that counts
}

// A batch is the flights that one call of Load starts.
type batch[K comparable, V any] struct {
	kind    *Kind[K, V]
	flights []flight[K, V]

	mu     sync.Mutex
	writes []write // of what has been answered, for Redis
}

// join ties each future to the flight of its record, and returns the batch of
// the flights that it had to make.
func (k *Kind[K, V]) join(misses []miss[K, V]) *batch[K, V] {
	b := &batch[K, V]{kind: k}
	var hits, shared uint64
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, m := range misses {
		f := k.flights[m.full]
		if f == nil {
			// Its flight may have ended after Load looked into the tier.
			if r, held := k.cache.memory.get(m.full); held {
				*m.future = inHand[V](r)
				hits++
				continue
			}
			if b.flights == nil {
				b.flights = make([]flight[K, V], 0, len(misses)-i) // never grows: others point into it
			}
			b.flights = append(b.flights, flight[K, V]{batch: b, key: m.key, full: m.full})
			f = &b.flights[len(b.flights)-1]
			k.flights[m.full] = f
		}
		m.future.promise = &f.promise
		if f.batch != b { // else it is this call's own, if by a key that it names twice
			m.future.source = Shared
			shared++
		}
	}
	k.cache.memoryHits.Add(hits)
	k.cache.shared.Add(shared)
	return b
}

// run finishes all flights of the batch, come what may.
func (b *batch[K, V]) run(ctx context.Context, fetch Fetch[K, V]) {
	c := b.kind.cache
	defer c.work.end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.loadTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { b.end(b.late()) }) // a fetch may be deaf to its context
	defer stop()

	var err error
	returned := false
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cache: fetch of %s: panic: %v", b.kind.name, r)
			c.log.ErrorContext(ctx, "cache: panic of a fetch", "kind", b.kind.name, "panic", r, "stack", string(debug.Stack()))
		} else if !returned {
			err = fmt.Errorf("cache: fetch of %s ended its goroutine", b.kind.name)
		}
		if ctx.Err() != nil {
			err = b.late() // even if fetch returned nil: what it left may well exist
		}
		b.end(err)
	}()

	missed := b.recall(ctx)
	if len(missed) == 0 {
		returned = true
		return
	}
	c.misses.Add(uint64(len(missed)))
	keys := make([]K, len(missed))
	flights := make(map[K]*flight[K, V], len(missed))
	for i, f := range missed {
		keys[i] = f.key
		flights[f.key] = f
	}
	err = fetch(ctx, keys, func(key K, v V, err error) {
		if f, asked := flights[key]; asked {
			b.answer(f, v, err)
		}
	})
	returned = true
}

func (b *batch[K, V]) late() error {
	return fmt.Errorf("cache: %s not loaded within %s: %w", b.kind.name, b.kind.cache.loadTimeout, context.DeadlineExceeded)
}

// recall finishes the flights whose records Redis holds, and returns the others.
func (b *batch[K, V]) recall(ctx context.Context) (missed []*flight[K, V]) {
	k := b.kind
	keys := make([]fullKey, len(b.flights))
	for i := range b.flights {
		keys[i] = b.flights[i].full
	}
	for i, s := range k.cache.remote.get(ctx, keys) {
		f := &b.flights[i]
		r, ok := k.revive(s)
		if !ok {
			missed = append(missed, f)
			continue
		}
		if f.claimed.CompareAndSwap(false, true) {
			k.keep(f.full, r) // in Redis it is already
			v, _ := r.value.(V)
			k.finish(f, v, nil, Redis)
			k.cache.remoteHits.Add(1)
		}
	}
	return missed
}

// answer finishes a flight by what fetch says, unless it is finished already.
func (b *batch[K, V]) answer(f *flight[K, V], v V, err error) {
	if err != nil {
		if f.claimed.CompareAndSwap(false, true) {
			var none V
			b.kind.finish(f, none, err, Network)
		}
		return
	}
	if f.claimed.Load() {
		return
	}
	r := b.kind.record(v) // may panic, as Size does: so before the claim
	if f.claimed.CompareAndSwap(false, true) {
		w := b.kind.keep(f.full, r)
		b.mu.Lock()
		b.writes = append(b.writes, w)
		b.mu.Unlock()
		b.kind.finish(f, v, nil, Network)
	}
}

// end finishes the flights that are not finished, by err, or if that is nil as
// absent. What has been answered then goes to Redis together.
func (b *batch[K, V]) end(err error) {
	for i := range b.flights {
		var none V
		b.answer(&b.flights[i], none, err)
	}
	b.mu.Lock()
	writes := b.writes
	b.writes = nil
	b.mu.Unlock()
	b.kind.cache.remote.put(writes)
}

// finish ends a flight that the caller has claimed, once the tiers have its record.
func (k *Kind[K, V]) finish(f *flight[K, V], v V, err error, source Source) {
	k.mu.Lock()
	delete(k.flights, f.full)
	k.mu.Unlock()
	f.resolve(v, err, source)
}
