package cache

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Fetch asks the source for the records of keys, which are all different. It
// calls answer for each key as soon as it has the record, nil if there is none,
// or an error that concerns this key; from any goroutine, but before it returns.
// Only the first answer to a key counts. The keys it has not answered when it
// returns do not exist, or if it returns an error, fail by that.
//
// Its context has the values of the one that Load was called with, or none if
// it refreshes a record in the background. It ends not with that but when the
// load has taken too long; what is answered then is dropped. It may be called
// more than once for one Load, with some of the keys each time, at the same time.
type Fetch[K comparable, V any] func(ctx context.Context, keys []K, answer func(key K, v V, err error)) error

// Load returns a future for each of keys, in their order. It waits for nothing.
// A record that does not exist is nil, without an error.
//
// What the in-process tier holds is resolved at once. What another load is
// fetching is shared with it: its answer and its error. The rest is asked of
// Redis in one round trip, together with all that ctx's Trip gathers if it has
// one. What is not there either is asked of fetch in one call, but for what
// another process is loading: that is waited for. An error concerns only those
// who wait for it now: it is not kept.
//
// A record that is stale is answered too, and refreshed by fetch in the
// background. One that is older than that stands in if fetch fails by an error
// that Options.Fallback names.
func (k *Kind[K, V]) Load(ctx context.Context, t Tenant, keys []K, fetch Fetch[K, V]) []*Future[V] {
	now := k.cache.now()
	futures := make([]*Future[V], len(keys))
	block := make([]Future[V], len(keys)) // of the futures: one allocation for all
	var missed, due []miss[K, V]
	stale := 0
	for i, key := range keys {
		futures[i] = &block[i]
		full := k.full(t, key)
		r := k.cache.memory.get(full)
		if r != nil && now.ms < r.early && r.began.at >= now.trust { // the most common case, and all that it costs
			r.touch()
			block[i] = inHand[V](r, L1)
			continue
		}
		source, old := judge(r, now)
		m := miss[K, V]{&block[i], key, full, r}
		if source == 0 {
			if r != nil && !r.mayStandIn(now) {
				m.kept = nil
			}
			missed = append(missed, m)
			continue
		}
		block[i] = inHand[V](r, source)
		if source == Stale {
			stale++
		}
		if old && r.claim(now.ms, k.cache.loadTimeout) {
			due = append(due, m)
		}
	}
	k.memoryHits.Add(uint64(len(keys) - len(missed) - stale)) // #nosec G115 -- never less than 0
	k.memoryStale.Add(uint64(stale))
	if len(due) > 0 {
		k.refresh(due, fetch)
	}
	if len(missed) == 0 {
		return futures
	}
	if b := k.join(missed, now); len(b.flights) > 0 {
		b.recall = b.ask(b.all())
		b.inTrip = tripOf(ctx).add(k.cache, b.recall)
		k.cache.work.begin()
		go b.run(ctx, fetch)
	}
	return futures
}

// judge says how a record of the in-process tier may be answered at once: as
// L1, as Stale, or not. It reports whether the record should be refreshed.
func judge(r *record, now instant) (source Source, old bool) {
	if r == nil || r.began.at < now.trust {
		return 0, false
	}
	switch {
	case now.ms < r.fresh:
		r.touch()
		return L1, now.ms >= r.early && r.reads.Load() >= hotReads
	case now.ms < r.stale:
		return Stale, true
	case now.ms < r.expires && now.ms < r.retry.Load() && r.standsIn.Load():
		return Stale, false // the source has just failed
	}
	return 0, false
}

// mayStandIn reports whether the record may be answered if the source fails.
func (r *record) mayStandIn(now instant) bool {
	return r.began.at >= now.trust && now.ms < r.expires
}

// inHand returns the future of a record.
func inHand[V any](r *record, source Source) Future[V] {
	v, _ := r.value.(V)
	return Future[V]{value: v, source: source, fetched: r.fetched}
}

// A miss is a future whose record the in-process tier does not hold as it
// should be, if it does at all.
type miss[K comparable, V any] struct {
	future *Future[V]
	key    K
	full   fullKey
	kept   *record // what it holds; may be nil
}

// A flight is the load of one record. It is in Kind.flights from when it is
// made until its record is in the in-process tier, or its error is known, or
// the record is dropped: at no moment could another load find neither.
type flight[K comparable, V any] struct {
	promise[V]
	key      K
	full     fullKey
	batch    *batch[K, V]
	kept     *record     // what may stand in, nil for nothing; or what a refresh is to replace, never nil
	remotely bool        // Redis had what may stand in
	group    string      // "" for none
	member   *member     // of that group, in Redis; nil for none
	token    string      // of its lease, if it has one
	waiting  bool        // for another process
	claimed  atomic.Bool // by the one answer that counts

	doomed bool // the record was dropped after the flight began; under Kind.mu
}

// A batch is the flights that one call of Load starts.
type batch[K comparable, V any] struct {
	kind    *Kind[K, V]
	flights []flight[K, V]
	refresh bool   // they refresh records that are still answered
	began   moment // before anything was asked for them
	recall  *ask   // of Redis, for all of them; nil without Redis
	inTrip  bool   // a Trip asks it

	mu   sync.Mutex // held while leases, and what may stand in, are taken over
	late bool       // no more are
}

// join ties each future to the flight of its record, and returns the batch of
// the flights that it had to make.
func (k *Kind[K, V]) join(misses []miss[K, V], now instant) *batch[K, V] {
	b := &batch[K, V]{kind: k}
	var hits, stale, shared uint64
	k.mu.Lock()
	defer k.mu.Unlock()
	b.began = k.cache.moment()
	for i, m := range misses {
		if k.isBuried(m.full, k.groupOf(m.key)) {
			*m.future = Future[V]{source: L1}
			hits++
			continue
		}
		f := k.flights[m.full]
		if f == nil {
			// Its flight may have ended after Load looked into the tier.
			r := k.cache.memory.get(m.full)
			if source, _ := judge(r, now); source != 0 {
				*m.future = inHand[V](r, source)
				if source == Stale {
					stale++
				} else {
					hits++
				}
				continue
			}
			f = b.add(m, len(misses)-i)
		}
		m.future.promise = &f.promise
		if f.batch != b { // else it is this call's own, if by a key that it names twice
			m.future.source = Shared
			shared++
		}
	}
	k.memoryHits.Add(hits)
	k.memoryStale.Add(stale)
	k.memoryMisses.Add(uint64(len(misses)) - hits - stale)
	k.shared.Add(shared)
	return b
}

// refresh has old records fetched anew in the background, but for those that
// are being loaded, or have been dropped or replaced.
func (k *Kind[K, V]) refresh(old []miss[K, V], fetch Fetch[K, V]) {
	b := &batch[K, V]{kind: k, refresh: true}
	k.mu.Lock()
	b.began = k.cache.moment()
	for i, m := range old {
		r := k.cache.memory.get(m.full)
		if k.flights[m.full] == nil && (r == nil || r == m.kept) && !k.droppedSince(m.full, k.groupOf(m.key), m.kept.began) {
			b.add(m, len(old)-i)
		}
	}
	k.mu.Unlock()
	if len(b.flights) > 0 {
		k.cache.refreshes.Add(uint64(len(b.flights)))
		b.recall = b.ask(b.all())
		k.cache.work.begin()
		go b.run(context.Background(), fetch)
	}
}

// add adds a flight to a batch that may come to have so many more. The caller
// holds Kind.mu.
func (b *batch[K, V]) add(m miss[K, V], more int) *flight[K, V] {
	if b.flights == nil {
		b.flights = make([]flight[K, V], 0, more) // never grows: others point into it
	}
	k := b.kind
	group := k.groupOf(m.key)
	if !b.refresh && m.kept != nil && k.droppedSince(m.full, group, m.kept.began) {
		m.kept = nil
	}
	b.flights = append(b.flights, flight[K, V]{
		batch: b, key: m.key, full: m.full, kept: m.kept, group: group, member: k.member(m.full.tenant, group),
	})
	f := &b.flights[len(b.flights)-1]
	k.flights[m.full] = f
	k.enter(m.full, group)
	return f
}

func (b *batch[K, V]) all() []*flight[K, V] {
	all := make([]*flight[K, V], len(b.flights))
	for i := range b.flights {
		all[i] = &b.flights[i]
	}
	return all
}

// run finishes all flights of the batch, come what may.
func (b *batch[K, V]) run(ctx context.Context, fetch Fetch[K, V]) {
	c := b.kind.cache
	defer c.work.end()
	ctx, cancel := context.WithTimeout(withFetch(context.WithoutCancel(ctx), b.began), c.loadTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, b.expire) // a fetch may be deaf to its context
	defer stop()

	absent, waiting := b.all(), []*flight[K, V](nil)
	if b.recall != nil {
		if !b.inTrip {
			c.remote.ask(ctx, []*ask{b.recall})
		}
		absent, waiting = b.hear(ctx, b.recall, absent, fetch)
	}
	if len(waiting) == 0 {
		b.call(ctx, absent, fetch)
		return
	}
	var calls sync.WaitGroup
	defer calls.Wait()
	for begun := time.Now(); ; {
		if flights := absent; len(flights) > 0 {
			calls.Go(func() { b.call(ctx, flights, fetch) })
		}
		if len(waiting) == 0 {
			return
		}
		select {
		case <-time.After(pollPause(time.Since(begun))):
		case <-ctx.Done():
			b.expire() // stop may come before it is called
			return
		}
		if time.Since(begun) > c.patience {
			b.call(ctx, waiting, fetch)
			return
		}
		again := b.ask(waiting)
		c.remote.askAgain(again)
		absent, waiting = b.hear(ctx, again, waiting, fetch)
	}
}

// ask returns what is asked of Redis for flights, nil without Redis.
func (b *batch[K, V]) ask(flights []*flight[K, V]) *ask {
	c := b.kind.cache
	if c.remote == nil {
		return nil
	}
	now := c.ms()
	a := &ask{questions: make([]question, len(flights)), shape: b.kind.shape, token: c.remote.token(), reply: make(chan []finding, 1)}
	for i, f := range flights {
		a.questions[i] = question{f.full, f.member, staleAt, now}
		if b.refresh {
			a.questions[i] = question{f.full, f.member, freshAt, max(now, f.kept.fresh)}
		}
	}
	return a
}

// hear finishes the flights whose records Redis holds. It returns those that
// are to be fetched, and those that another process is loading.
func (b *batch[K, V]) hear(ctx context.Context, a *ask, flights []*flight[K, V], fetch Fetch[K, V]) (absent, waiting []*flight[K, V]) {
	var found []finding
	select {
	case found = <-a.reply:
	case <-ctx.Done():
		b.expire() // run may stop it before it is called
		return nil, nil
	}
	k, c := b.kind, b.kind.cache
	now := c.now()
	b.takeOver(a, flights, found)
	var old []miss[K, V]
	for i, f := range flights {
		if f.member != nil {
			f.member.generation = found[i].generation
		}
		if g, buried := graveIn(found[i].wire); buried && g.until > now.ms {
			b.bury(f, g, found[i].withGroup)
			continue
		}
		r := k.revive(c.remote.keys.open(f.full, found[i].wire), b.began)
		switch {
		case r != nil && !b.refresh && now.ms < r.stale, r != nil && b.refresh && r.fresh > max(now.ms, f.kept.fresh):
			if !f.claimed.CompareAndSwap(false, true) {
				continue
			}
			if f.token != "" { // the clock has been put back since Redis was asked
				c.remote.put(write{full: f.full, token: f.token})
			}
			source := Redis
			if now.ms >= r.fresh {
				source = Stale
				old = append(old, miss[K, V]{key: f.key, full: f.full, kept: r})
			}
			if source == Stale { // counted before it is answered
				k.remoteStale.Add(1)
			} else {
				k.remoteHits.Add(1)
			}
			k.finish(f, r, nil, source)
		case found[i].lease == taken:
			if !f.waiting {
				f.waiting = true
				c.leaseWaits.Add(1)
			}
			waiting = append(waiting, f)
		default:
			if r != nil && !b.refresh {
				b.keep(f, r)
			}
			absent = append(absent, f)
		}
	}
	old = slices.DeleteFunc(old, func(m miss[K, V]) bool { return !m.kept.claim(now.ms, c.loadTimeout) })
	if len(old) > 0 {
		k.refresh(old, fetch)
	}
	return absent, waiting
}

// takeOver notes the leases that flights have been granted, or gives them back
// if the batch is over.
func (b *batch[K, V]) takeOver(a *ask, flights []*flight[K, V], found []finding) {
	remote := b.kind.cache.remote
	b.mu.Lock()
	defer b.mu.Unlock()
	var leased []fullKey
	for i, f := range flights {
		switch {
		case found[i].lease != granted:
		case b.late:
			remote.put(write{full: f.full, token: a.token})
		default:
			f.token = a.token
			leased = append(leased, f.full)
		}
	}
	remote.leases.add(a.token, leased)
}

// keep has a record of Redis stand in for a flight, unless the batch is over:
// expire then reads what does.
func (b *batch[K, V]) keep(f *flight[K, V], r *record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.late {
		f.kept, f.remotely = r, true
	}
}

// expire finishes what is not finished when the time of the batch is over.
func (b *batch[K, V]) expire() {
	b.mu.Lock()
	b.late = true
	b.mu.Unlock()
	b.end(b.all(), b.tooLate())
}

// call finishes flights by fetch, come what may.
func (b *batch[K, V]) call(ctx context.Context, flights []*flight[K, V], fetch Fetch[K, V]) {
	if len(flights) == 0 {
		return
	}
	c := b.kind.cache
	var err error
	returned := false
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cache: fetch of %s: panic: %s", b.kind.name, causeOf(r))
			c.log.ErrorContext(ctx, "cache: panic of a fetch", "kind", b.kind.name, "panic", causeOf(r), "stack", string(debug.Stack()))
		} else if !returned {
			err = fmt.Errorf("cache: fetch of %s ended its goroutine", b.kind.name)
		}
		if ctx.Err() != nil {
			err = b.tooLate() // even if fetch returned nil: what it left may well exist
		}
		b.end(flights, err)
	}()

	b.kind.misses.Add(uint64(len(flights)))
	if b.recall != nil && !b.refresh {
		b.kind.remoteMisses.Add(uint64(len(flights)))
	}
	keys := make([]K, len(flights))
	byKey := make(map[K]*flight[K, V], len(flights))
	for i, f := range flights {
		keys[i] = f.key
		byKey[f.key] = f
	}
	err = fetch(ctx, keys, func(key K, v V, err error) {
		if f, asked := byKey[key]; asked {
			b.answer(f, v, err)
		}
	})
	returned = true
}

func (b *batch[K, V]) tooLate() error {
	return fmt.Errorf("cache: %s not loaded within %s: %w", b.kind.name, b.kind.cache.loadTimeout, context.DeadlineExceeded)
}

// answer finishes a flight by what fetch says, unless it is finished already.
func (b *batch[K, V]) answer(f *flight[K, V], v V, err error) {
	if err != nil {
		if f.claimed.CompareAndSwap(false, true) {
			b.fail(f, err)
		}
		return
	}
	if f.claimed.Load() {
		return
	}
	k := b.kind
	r := k.record(v, b.began) // may panic, as Size does: so before the claim
	if !f.claimed.CompareAndSwap(false, true) {
		return
	}
	if k.finish(f, r, nil, Network) {
		k.cache.remote.put(k.write(f.full, r, f.token, f.member, b.began))
	} else if f.token != "" {
		k.cache.remote.put(write{full: f.full, token: f.token})
	}
}

// fail finishes a flight that the caller has claimed by an error of fetch, or
// by what the cache still has of its record. Others may try at once.
func (b *batch[K, V]) fail(f *flight[K, V], err error) {
	k, c := b.kind, b.kind.cache
	if f.token != "" {
		c.remote.put(write{full: f.full, token: f.token})
	}
	if b.refresh {
		c.refreshErrors.Add(1)
	}
	now := c.now()
	if f.kept == nil {
		k.finish(f, nil, err, Network)
		return
	}
	mayFallBack := c.mayFallBack(err)
	f.kept.standsIn.Store(mayFallBack)
	f.kept.backOff(now.ms)
	if f.kept.mayStandIn(now) && mayFallBack && !k.isDoomed(f) {
		switch {
		case b.refresh:
		case f.remotely:
			k.remoteStale.Add(1)
		default:
			k.memoryStale.Add(1)
		}
		k.finish(f, f.kept, nil, Stale)
		return
	}
	k.finish(f, nil, err, Network)
}

// end finishes those of the flights that are not finished, by err, or if that
// is nil as absent.
func (b *batch[K, V]) end(flights []*flight[K, V], err error) {
	for _, f := range flights {
		var none V
		b.answer(f, none, err)
	}
}

func (k *Kind[K, V]) isDoomed(f *flight[K, V]) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return f.doomed
}

// finish ends a flight that the caller has claimed, by a record, which the
// in-process tier then has, or by an error. If the record was buried meanwhile,
// there is none. It reports whether Redis may have the record.
func (k *Kind[K, V]) finish(f *flight[K, V], r *record, err error, source Source) (writable bool) {
	k.mu.Lock()
	if r != nil && k.isBuried(f.full, f.group) {
		r = nil
	}
	writable = r != nil && !k.traitDropped(f.full.tenant, r) && !k.cache.goneSince(f.full.tenant, r.began)
	if !f.doomed {
		delete(k.flights, f.full)
		if writable {
			k.cache.memory.set(f.full, r)
		}
	}
	k.mu.Unlock()
	if r == nil {
		var none V
		f.resolve(none, err, source, 0)
		return false
	}
	v, _ := r.value.(V)
	f.resolve(v, nil, source, r.fetched)
	return writable
}
