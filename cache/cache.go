// Package cache keeps records by tenant, kind and id for a while: in this
// process, and in a Redis that other processes share.
//
// Whoever asks for records by Kind.Load says how to fetch those that neither
// tier holds. Loads of one record at the same time, in one process, make one
// fetch. A record that does not exist is an answer too, and kept; an error never is.
//
// A record is fresh for a while, then stale: still answered, and refreshed in
// the background. Of the processes that share a Redis one at a time fetches a
// record, and all hear when one is dropped.
//
// Redis can only help. While it fails or does not answer, it is an empty cache,
// asked again once in a while. A cluster fails when one of its nodes does.
//
// Records are shared: by all callers, and with the goroutine that writes them
// to Redis. Nobody may change one that was answered, put or loaded.
package cache

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Options are the settings of a Cache. The zero value keeps 64 MiB in the
// process, and uses no Redis.
type Options struct {
	// Bytes bounds the in-process tier, 0 for 64 MiB. With a negative value
	// there is none: records come from Redis, and only loads under way are shared.
	Bytes int64

	// Redis is the second tier; nil for none. ConnectRedis makes a client that
	// suits. Another must give up soon, and heed contexts (ContextTimeoutEnabled).
	// Whoever made it closes it, after the Cache.
	Redis redis.UniversalClient

	// Keys encrypt the records in Redis; nil for none. Then what is not encrypted
	// by one of them is no record, whoever wrote it.
	Keys *Keys

	// Listener hears what is published in Redis beside drops; nil for none.
	Listener *Listener

	// LoadTimeout bounds one load as a whole, whatever the context of the caller
	// who started it allows, since others may share it; 0 for 15 s.
	LoadTimeout time.Duration

	// LeasePatience bounds how long a load waits for that of another process before
	// it asks the source itself; 0 for half of LoadTimeout.
	LeasePatience time.Duration

	// Fallback says by which errors of a fetch the source cannot answer now, such
	// as an outage, a timeout or a rate limit. Then a record that is older than it
	// should be may stand in, as KindOptions.Keep says. nil for none.
	Fallback func(error) bool

	// Log tells when Redis begins to fail and when it is back, and of panics of
	// a fetch; nil for slog.Default().
	Log *slog.Logger
}

// A Cache holds records of the kinds that NewKind adds to it.
type Cache struct {
	memory      *memory // nil if there is no in-process tier
	remote      *remote // nil if there is no Redis
	ears        *ears   // nil if there is no Redis
	loadTimeout time.Duration
	patience    time.Duration // with another process
	fallback    func(error) bool
	log         *slog.Logger
	work        work
	graves      graves // of records
	groupGraves graves
	epoch       time.Time           // when the Cache was made
	seq         atomic.Uint64       // counts the drops that this process made or heard
	gone        [1024]atomic.Uint64 // when all of a tenant was last forgotten, as Kind.drops
	ahead       atomic.Int64        // milliseconds that ms is ahead of the clock; only tests set it

	refreshes, refreshErrors, leaseWaits atomic.Uint64
	dropsSent, dropsHeard, clears        atomic.Uint64

	mu    sync.Mutex
	kinds map[string]forgetter // by name
}

// A forgetter is a Kind, of whatever types.
type forgetter interface {
	stats() KindStats
	forget(full []fullKey)
	forgetGroups(groups []fullKey)
	forgetAll()
	forgetTenant(t Tenant)
	hearTrait(name fullKey)
}

// New returns a Cache. It does not wait for Redis, which may be down.
func New(o Options) *Cache {
	o.LoadTimeout = cmp.Or(o.LoadTimeout, 15*time.Second)
	c := &Cache{
		loadTimeout: o.LoadTimeout,
		patience:    cmp.Or(o.LeasePatience, o.LoadTimeout/2),
		log:         cmp.Or(o.Log, slog.Default()),
		kinds:       make(map[string]forgetter),
		fallback:    o.Fallback,
		epoch:       time.Now(),
	}
	if bytes := cmp.Or(o.Bytes, 64<<20); bytes > 0 {
		c.memory = newMemory(bytes)
	}
	if o.Redis != nil {
		c.remote = newRemote(o.Redis, c.log, &c.work, c.ms)
		c.remote.keys = o.Keys
		c.remote.graves, c.remote.groupGraves = &c.graves, &c.groupGraves
		c.ears = listen(c, o.Listener)
	}
	return c
}

// drainTimeout bounds how long Wait and Close wait.
const drainTimeout = 2 * time.Second

// Wait waits for the loads under way and for what they and Put write to Redis,
// 2 s at most. It reports whether all of it has ended.
func (c *Cache) Wait() bool {
	return c.work.wait(drainTimeout)
}

// Close is Wait, and then stops what the Cache does by itself. A closed Cache
// still answers.
func (c *Cache) Close() {
	c.Wait()
	if c.remote != nil {
		c.ears.close()
		c.remote.leases.close()
		c.remote.owed.close()
		c.remote.owes.close()
	}
	c.memory.stop()
}

// Held returns the keys and records that the in-process tier holds, the keys as
// in Redis. It is for whoever must show that something is held no longer.
func (c *Cache) Held() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for key, r := range c.memory.all() {
			if !yield(key.String(), r.value) {
				return
			}
		}
	}
}

// A moment is a point in the life of a Cache.
type moment struct {
	at  time.Duration // since it was made
	seq uint64        // the drops by then
}

func (c *Cache) moment() moment {
	return moment{time.Since(c.epoch), c.seq.Load()}
}

// ms returns the time in milliseconds since 1970.
func (c *Cache) ms() int64 { return time.Now().UnixMilli() + c.ahead.Load() }

// An instant is what a load needs to know of the time.
type instant struct {
	ms    int64         // since 1970
	trust time.Duration // records that began before this moment are not used: they may have been dropped
}

func (c *Cache) now() instant {
	now := time.Now()
	i := instant{ms: now.UnixMilli() + c.ahead.Load()}
	if c.ears != nil {
		i.trust = c.ears.trust(now.Sub(c.epoch))
	}
	return i
}

// mayFallBack reports whether by an error of a fetch an old record may stand in.
func (c *Cache) mayFallBack(err error) bool {
	if c.fallback == nil {
		return false
	}
	may, failure := guard(func() (bool, error) { return c.fallback(err), nil })
	return may && failure == nil
}

type fetchKey struct{}

// withFetch returns the context of a fetch that began at a moment. It has no
// Trip: whoever would send that may wait for the fetch.
func withFetch(ctx context.Context, began moment) context.Context {
	return context.WithValue(context.WithValue(ctx, tripKey{}, nil), fetchKey{}, began)
}

// fetchOf returns when the fetch of a context began, if it is one's.
func fetchOf(ctx context.Context) (began moment, ok bool) {
	began, ok = ctx.Value(fetchKey{}).(moment)
	return began, ok
}

// Stats are what a Cache has done since it was made. Its counts are of keys
// but for RedisTrips, RedisErrors, RedisReads, L1Clears and Bytes.
type Stats struct {
	L1Hits      uint64 // answered by the in-process tier
	RedisHits   uint64 // answered by Redis
	StaleHits   uint64 // answered by a record that was older than it should be
	Misses      uint64 // asked of a fetch
	Shared      uint64 // answered by another load that was under way
	RedisTrips  uint64 // round trips to Redis, for whatever purpose, of which
	RedisErrors uint64 // failed
	RedisReads  uint64 // those of RedisTrips that a load waits for

	Refreshes     uint64 // refreshed in the background, of which
	RefreshErrors uint64 // failed
	LeaseWaits    uint64 // waited for because another process was loading them
	DropsSent     uint64 // dropped by this process, keys and groups
	DropsHeard    uint64 // dropped by another that told this one
	L1Clears      uint64 // how often the in-process tier was emptied, because drops may have been missed

	Bytes     int64 // what the in-process tier holds now
	RedisDown bool  // Redis has failed, and not answered since
	Deaf      bool  // what other processes drop is not heard, so that the in-process tier answers only what is new
}

// Stats returns what the Cache has done so far.
func (c *Cache) Stats() Stats {
	s := Stats{
		Refreshes:     c.refreshes.Load(),
		RefreshErrors: c.refreshErrors.Load(),
		LeaseWaits:    c.leaseWaits.Load(),
		DropsSent:     c.dropsSent.Load(),
		DropsHeard:    c.dropsHeard.Load(),
		L1Clears:      c.clears.Load(),
		Bytes:         c.memory.bytes(),
	}
	for _, k := range c.KindStats() {
		s.L1Hits += k.L1Hits
		s.RedisHits += k.RedisHits
		s.StaleHits += k.L1Stale + k.RedisStale
		s.Misses += k.Misses
		s.Shared += k.Shared
	}
	if c.remote != nil {
		s.RedisTrips = c.remote.trips.Load()
		s.RedisErrors = c.remote.faults.Load()
		s.RedisReads = c.remote.recalls.Load()
		s.RedisDown = c.remote.reads.isShut() || c.remote.writes.isShut()
		s.Deaf = c.ears.areDeaf(time.Since(c.epoch))
	}
	return s
}

// work counts what goes on in the background.
type work struct {
	mu    sync.Mutex
	n     int
	ended chan struct{} // closed when n falls to 0; nil if nobody waits for it
}

func (w *work) begin() {
	w.mu.Lock()
	w.n++
	w.mu.Unlock()
}

func (w *work) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n--
	if w.n == 0 && w.ended != nil {
		close(w.ended)
		w.ended = nil
	}
}

// wait waits until nothing goes on, or the timeout ends, and reports which.
func (w *work) wait(timeout time.Duration) bool {
	w.mu.Lock()
	if w.n == 0 {
		w.mu.Unlock()
		return true
	}
	if w.ended == nil {
		w.ended = make(chan struct{})
	}
	ended := w.ended
	w.mu.Unlock()

	select {
	case <-ended:
		return true
	case <-time.After(timeout):
		return false
	}
}

// guard calls fn and makes an error of its panic.
func guard[T any](fn func() (T, error)) (v T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cache: panic: %s", causeOf(r))
		}
	}()
	return fn()
}

// causeOf returns what may be told of the cause of a panic: what the runtime
// says of it, or else its type, for its text may hold anything.
func causeOf(panicked any) string {
	if err, ok := panicked.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", panicked)
}
