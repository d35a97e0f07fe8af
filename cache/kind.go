package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/redis/go-redis/v9"
)

// A Kind is a kind of record: what it is called, how long it is kept, how it is
// written. V is a type that can be nil, for nil is what says that there is no
// such record. Make it with NewKind.
type Kind[K comparable, V any] struct {
	cache      *Cache
	name       string
	ttl        time.Duration
	absentTTL  time.Duration
	revalidate time.Duration
	keep       time.Duration
	id         func(K) string
	group      func(K) string         // nil for none
	trait      func(Tenant, V) string // nil for none
	size       func(V) int
	shape      shape
	encode     func(any) ([]byte, error) // of a V
	decode     func([]byte) (V, error)
	refused    sync.Once // logs the first record that cannot be kept in Redis
	tally

	mu      sync.Mutex
	flights map[fullKey]*flight[K, V] // the records being loaded
	drops   [1024]uint64              // when records were last dropped, as moment.seq, by the hash of their keys
	groups  *groups                   // nil if group is
	traits  traits
}

// KindOptions describe a Kind. Name, TTL and Size must be given.
type KindOptions[K comparable, V any] struct {
	// Name is the kind's part of the keys. No other kind of the Cache has it.
	// Records in Redis of a V that is built otherwise are no records. Give the
	// kind another Name if the same V begins to be written otherwise, or to mean
	// something else.
	Name string

	// TTL is how long a record is fresh, give or take a tenth of it at random, so
	// that what was fetched together is not missed together.
	TTL time.Duration

	// Revalidate is how long after TTL a record is still answered at once, while
	// it is refreshed in the background; 0 for not at all. If it is more than 0,
	// a record that is read often is also refreshed in the last fifth of TTL.
	Revalidate time.Duration

	// Keep is how long after TTL a record may stand in when the source cannot be
	// asked, as Options.Fallback says; 0 for Revalidate, and never less.
	// Revalidate and Keep too are give or take a tenth.
	Keep time.Duration

	// AbsentTTL is how long it is taken for granted that there is no such record;
	// 0 for 30 s, or TTL if that is less. That answer is never stale.
	AbsentTTL time.Duration

	// ID returns the text of a key, different for different keys. It stands in
	// Redis in clear, so it must not hold personal data: hash an e-mail address.
	// It may be nil if K is of strings or integers, whose text is then the id.
	ID func(K) string

	// Group returns the group of a key, for DropGroup; "" if it is in none. nil if
	// the kind has no groups. Like an ID, a group stands in Redis in clear.
	Group func(K) string

	// Trait returns what DropTrait finds a record by, as its key does not tell it,
	// such as a hash of an e-mail address; "" for nothing. It is called only once a
	// trait was dropped. A kind has a Trait or a Group, or neither.
	Trait func(Tenant, V) string

	// Size returns about how many bytes a record takes in memory, with all that
	// it alone refers to. It is never called with nil.
	Size func(V) int

	// Encode and Decode write and read a record for Redis. Both are given, or
	// neither: then it is JSON. They are never called with nil.
	Encode func(V) ([]byte, error)
	Decode func([]byte) (V, error)
}

// NewKind adds a kind of record to a Cache. It refuses, by an error, a kind
// without Name, TTL or Size, or with a Name that another kind has.
func NewKind[K comparable, V any](c *Cache, o KindOptions[K, V]) (*Kind[K, V], error) {
	k := &Kind[K, V]{
		cache:      c,
		name:       o.Name,
		ttl:        o.TTL,
		absentTTL:  cmp.Or(o.AbsentTTL, min(o.TTL, 30*time.Second)),
		revalidate: o.Revalidate,
		keep:       cmp.Or(o.Keep, o.Revalidate),
		id:         o.ID,
		group:      o.Group,
		trait:      o.Trait,
		size:       o.Size,
		shape:      shapeOf(reflect.TypeFor[V]()),
		encode:     func(v any) ([]byte, error) { return json.Marshal(v) },
		decode:     o.Decode,
		flights:    make(map[fullKey]*flight[K, V]),
	}
	if o.Encode != nil {
		k.encode = func(v any) ([]byte, error) { return o.Encode(v.(V)) }
	}
	if k.decode == nil {
		k.decode = func(b []byte) (v V, err error) {
			err = json.Unmarshal(b, &v)
			return v, err
		}
	}
	if k.id == nil {
		k.id = textOf[K]()
	}
	if k.group != nil {
		k.groups = newGroups()
	}
	switch {
	case k.name == "":
		return nil, errors.New("cache: a kind needs a Name")
	case k.ttl <= 0 || k.absentTTL <= 0:
		return nil, fmt.Errorf("cache: kind %s: TTL is %s and AbsentTTL %s; both must be more than 0", k.name, k.ttl, k.absentTTL)
	case k.revalidate < 0 || k.keep < k.revalidate:
		return nil, fmt.Errorf("cache: kind %s: Revalidate is %s and Keep %s; neither may be less than 0, nor Keep less than Revalidate", k.name, k.revalidate, k.keep)
	case k.id == nil:
		return nil, fmt.Errorf("cache: kind %s: keys of type %s need an ID", k.name, reflect.TypeFor[K]())
	case k.size == nil:
		return nil, fmt.Errorf("cache: kind %s needs a Size", k.name)
	case k.group != nil && k.trait != nil:
		return nil, fmt.Errorf("cache: kind %s has a Group and a Trait; it may have one of them", k.name)
	case (o.Encode == nil) != (o.Decode == nil):
		return nil, fmt.Errorf("cache: kind %s: Encode and Decode go together", k.name)
	case !nilable(reflect.TypeFor[V]()):
		return nil, fmt.Errorf("cache: kind %s: %s cannot be nil; use a pointer", k.name, reflect.TypeFor[V]())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds[k.name] != nil {
		return nil, fmt.Errorf("cache: two kinds have the name %s", k.name)
	}
	c.kinds[k.name] = k
	return k, nil
}

// textOf returns what writes a K of strings or integers, nil for other types.
func textOf[K comparable]() func(K) string {
	switch reflect.TypeFor[K]().Kind() {
	case reflect.String:
		return func(k K) string { return reflect.ValueOf(k).String() }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(k K) string { return strconv.FormatInt(reflect.ValueOf(k).Int(), 10) }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(k K) string { return strconv.FormatUint(reflect.ValueOf(k).Uint(), 10) }
	}
	return nil
}

func nilable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return true
	}
	return false
}

// Peek returns what Load would answer by the in-process tier alone, nil and true
// if it holds that there is no such record. It asks nobody else.
func (k *Kind[K, V]) Peek(t Tenant, key K) (v V, held bool) {
	full := k.full(t, key)
	r := k.cache.memory.get(full)
	if source, _ := judge(r, k.cache.now()); source == 0 {
		return v, k.isBuried(full, k.groupOf(key))
	}
	v, _ = r.value.(V)
	return v, true
}

// Known returns what either tier holds of a record, however old it is; nil if
// neither does. It waits for one round trip to Redis at most, and asks nobody else.
// Of a kind with groups it looks into the in-process tier only.
func (k *Kind[K, V]) Known(t Tenant, key K) (v V) {
	full := k.full(t, key)
	r := k.cache.memory.get(full)
	if remote := k.cache.remote; r == nil && remote != nil && k.group == nil {
		remote.trip(context.Background(), &remote.reads, func(ctx context.Context) error {
			wire, err := remote.client.Get(ctx, full.String()).Result()
			if err == redis.Nil || remote.isOwed(full, nil) {
				return nil
			}
			r = k.revive(remote.keys.open(full, wire), k.cache.moment())
			return err
		})
	}
	if r != nil {
		v, _ = r.value.(V)
	}
	return v
}

// Put keeps records that came along with another answer and are as complete as
// those that Load fetches; a nil one says that there is no such record. It does
// not wait for Redis.
//
// In a Fetch, ctx is that which the Fetch was called with, or derived from it:
// what was dropped since the Fetch began is not kept, nor is anything once its
// time is over. Elsewhere the records are taken to be as they are now.
//
// What was dropped within the last minute Redis takes only from a Load: it
// cannot tell whether a Put is younger. Then the in-process tier lets go of it too.
func (k *Kind[K, V]) Put(ctx context.Context, t Tenant, records map[K]V) {
	began, fetched := fetchOf(ctx)
	if !fetched {
		began = k.cache.moment()
	} else if ctx.Err() != nil {
		return
	}
	writes := make([]write, 0, len(records))
	for key, v := range records {
		full, group, r := k.full(t, key), k.groupOf(key), k.record(v, began)
		if k.keepUnlessDropped(full, group, r) {
			writes = append(writes, k.write(full, r, "", k.member(t, group), began))
		}
	}
	k.cache.remote.put(writes...)
}

func (k *Kind[K, V]) keepUnlessDropped(full fullKey, group string, r *record) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.droppedSince(full, group, r.began) || k.isBuried(full, group) || k.traitDropped(full.tenant, r) {
		return false
	}
	k.cache.memory.set(full, r)
	k.enter(full, group) // once it is held, else a sweep takes it out
	return true
}

// Drop forgets records in this process, in Redis, and in all processes that
// share it. No load, refresh or Put that began before Drop returned fills a tier
// after it; those who wait for such a load get its answer. No load that begins
// after it returned shares one from before, in this process; in the others that
// holds as soon as they hear of it.
//
// It waits for one round trip to Redis. An error is ErrNotTold: this process has
// forgotten the records, others not yet.
func (k *Kind[K, V]) Drop(t Tenant, keys ...K) error {
	full := make([]fullKey, len(keys))
	for i, key := range keys {
		full[i] = k.full(t, key)
	}
	k.forget(full)
	if k.cache.remote == nil || len(full) == 0 {
		return nil
	}
	err := k.cache.remote.drop(full)
	k.forget(full) // what was read from Redis until now
	k.cache.dropsSent.Add(uint64(len(keys)))
	return err
}

// forget drops records from the in-process tier, and keeps what has begun
// before from filling it.
func (k *Kind[K, V]) forget(full []fullKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	seq := k.cache.seq.Add(1)
	for _, key := range full {
		k.drops[slot(key)] = seq
		k.letGo(key)
	}
}

// letGo drops a record, and the flight that may bring it.
func (k *Kind[K, V]) letGo(full fullKey) {
	k.doom(k.flights[full])
	k.cache.memory.drop(full)
}

// forgetAll does the same for all records, but for those in the in-process
// tier, which its caller has put in doubt.
func (k *Kind[K, V]) forgetAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	seq := k.cache.seq.Add(1)
	for i := range k.drops {
		k.drops[i] = seq
	}
	for _, f := range k.flights {
		k.doom(f)
	}
}

// doom lets a flight go on for those who wait for it, and nobody else.
func (k *Kind[K, V]) doom(f *flight[K, V]) {
	if f != nil {
		f.doomed = true
		delete(k.flights, f.full)
	}
}

// droppedSince reports whether a record may have been dropped since a moment.
// The caller holds mu.
func (k *Kind[K, V]) droppedSince(full fullKey, group string, began moment) bool {
	return k.cache.goneSince(full.tenant, began) || k.drops[slot(full)] > began.seq || group != "" && k.groups.drops[slot(full.in(group))] > began.seq
}

// seed is of the hash of keys within this process.
var seed = maphash.MakeSeed()

// slot returns the place of a key in Kind.drops. Keys that share one are at
// worst taken for dropped when another was.
func slot(full fullKey) uint64 {
	return maphash.Comparable(seed, full) % 1024
}

func (k *Kind[K, V]) full(t Tenant, key K) fullKey {
	return fullKey{t, k.name, k.id(key)}
}

// record returns what is kept of v, which has been fetched just now, by what
// began at a moment.
func (k *Kind[K, V]) record(v V, began moment) *record {
	r := &record{fetched: k.cache.ms(), began: began}
	if isNil(v) {
		r.fresh = r.fetched + aTenthMoreOrLess(k.absentTTL)
		r.stale, r.expires = r.fresh, r.fresh
	} else {
		r.value, r.size = v, k.size(v)
		r.fresh = r.fetched + aTenthMoreOrLess(k.ttl)
		r.stale = r.fresh
		if k.revalidate > 0 {
			r.stale += aTenthMoreOrLess(k.revalidate)
		}
		r.expires = r.stale
		if k.keep > k.revalidate {
			r.expires += aTenthMoreOrLess(k.keep - k.revalidate)
		}
	}
	k.setEarly(r)
	return r
}

// aTenthMoreOrLess returns about so many milliseconds, at least one.
func aTenthMoreOrLess(d time.Duration) int64 {
	return max((d - d/10 + rand.N(d/5+1)).Milliseconds(), 1) // #nosec G404 -- spreads ends in time, no secret
}

// setEarly sets from when a record is refreshed ahead, if its kind's are.
func (k *Kind[K, V]) setEarly(r *record) {
	r.early = r.fresh
	if k.revalidate > 0 && r.value != nil {
		r.early -= max(r.fresh-r.fetched, 0) / 5
	}
}

// write returns what writes a record to Redis.
func (k *Kind[K, V]) write(full fullKey, r *record, token string, m *member, began moment) write {
	return write{full, token, m, r, k.cache.epoch.Add(began.at), k}
}

// mayWrite reports whether a record that waited to be written still may be: its
// tenant or its trait, which Redis does not know of, has not been dropped meanwhile.
func (k *Kind[K, V]) mayWrite(full fullKey, r *record) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.cache.goneSince(full.tenant, r.began) && !k.traitDropped(full.tenant, r)
}

func (k *Kind[K, V]) wire(r *record) ([]byte, error) { return toWire(r, k.shape, k.encode) }

// cannotWrite logs the first record of the kind that cannot be kept in Redis.
func (k *Kind[K, V]) cannotWrite(err error) {
	k.refused.Do(func() {
		k.cache.log.Warn("cache: records of a kind cannot all be kept in Redis", "kind", k.name, "error", err)
	})
}

// refuse drops a record from the in-process tier of which Redis says that it
// was dropped: this process has not heard of that yet, or the record is younger
// than the drop, which costs no more than a miss.
func (k *Kind[K, V]) refuse(full fullKey, r *record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cache.memory.get(full) == r {
		k.cache.memory.drop(full)
	}
}

// revive returns the record that s, found in Redis, keeps, if it is one that
// has not ended, else nil. It lives no longer than a record fetched at its time
// would, whatever the writer's settings and clock were.
func (k *Kind[K, V]) revive(s string, began moment) *record {
	r, encoded := fromWire(s, k.shape)
	if r == nil {
		return nil
	}
	now := k.cache.ms()
	if encoded == nil {
		r.expires = min(r.expires, r.fresh)
		k.curb(r, now, k.absentTTL, 0, 0)
	} else {
		k.curb(r, now, k.ttl, k.revalidate, k.keep)
	}
	if r.expires <= now {
		return nil
	}
	r.began = began
	if encoded == nil {
		k.setEarly(r)
		return r
	}
	r, err := guard(func() (*record, error) {
		v, err := k.decode(encoded)
		if err != nil {
			return nil, err
		}
		if isNil(v) {
			return nil, errNil
		}
		r.value, r.size = v, k.size(v)
		k.setEarly(r)
		return r, nil
	})
	if err != nil {
		return nil
	}
	return r
}

// curb ends the times of a record where they would at the latest if it had been
// fetched by this process, or now if its own clock is ahead.
func (k *Kind[K, V]) curb(r *record, now int64, ttl, revalidate, keep time.Duration) {
	curb := func(until int64, longest time.Duration) int64 {
		ms := (longest + longest/10).Milliseconds()
		return min(until, r.fetched+ms, now+ms)
	}
	r.expires = curb(r.expires, ttl+keep)
	r.stale = min(curb(r.stale, ttl+revalidate), r.expires)
	r.fresh = min(curb(r.fresh, ttl), r.stale)
}

// isNil reports whether v, of a type that is nilable, is nil.
func isNil[V any](v V) bool { return reflect.ValueOf(v).IsNil() }
