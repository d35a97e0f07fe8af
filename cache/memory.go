package cache

import (
	"iter"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// A record is what the cache holds under a key. Its times are in milliseconds
// since 1970, each no earlier than the one before.
type record struct {
	value   any   // of the kind's type; nil if there is no such record
	size    int   // bytes that value takes in memory, roughly
	fetched int64 // when it was fetched
	early   int64 // from when it is refreshed if it is read often; fresh if it never is
	fresh   int64 // until when it is fresh
	stale   int64 // until when it is answered at once, and refreshed
	expires int64 // until when it is kept, in both tiers

	// began is when this process began what brought the record: it shows every
	// change that the process had heard of by then.
	began moment

	reads    atomic.Uint32 // in this process, up to hotReads
	failures atomic.Uint32 // of refreshes, one after another
	standsIn atomic.Bool   // the last of them was one by which the record may stand in
	retry    atomic.Int64  // before then it is not refreshed
}

// hotReads is how often a record must have been read to be refreshed ahead.
const hotReads = 3

// How long a record is not refreshed: after the first refresh that failed, and at most.
const (
	shortestRetry = time.Second
	longestRetry  = 30 * time.Second
)

// touch counts a read.
func (r *record) touch() {
	if r.reads.Load() < hotReads {
		r.reads.Add(1)
	}
}

// claim reports whether the caller is to refresh r. No other is, for a while.
func (r *record) claim(now int64, while time.Duration) bool {
	retry := r.retry.Load()
	return retry <= now && r.retry.CompareAndSwap(retry, now+while.Milliseconds())
}

// backOff notes that the source failed when it was asked for r again.
func (r *record) backOff(now int64) {
	pause := min(shortestRetry<<min(r.failures.Add(1)-1, 10), longestRetry)
	r.retry.Store(now + pause.Milliseconds())
}

// overhead is about what the in-process tier adds to a record: its times, its
// key, its node, its place in the table and in the queues of the eviction policy.
const overhead = 300

// A memory is the in-process tier. A nil memory holds nothing.
type memory struct {
	records *otter.Cache[fullKey, *record]
	largest int64 // weight that a record may have
}

// newMemory returns a tier of at most so many bytes.
func newMemory(bytes int64) *memory {
	return &memory{
		largest: min(bytes/8, 1<<31),
		records: otter.Must(&otter.Options[fullKey, *record]{
			MaximumWeight: uint64(bytes),                                                     // #nosec G115 -- more than 0
			Weigher:       func(k fullKey, r *record) uint32 { return uint32(weight(k, r)) }, // #nosec G115 -- a record has 16 MiB at most
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[fullKey, *record]) time.Duration {
				return max(time.UnixMilli(e.Value.expires).Sub(time.Unix(0, e.SnapshotAtNano)), 1) // 0 would mean for ever
			}),
		}),
	}
}

func weight(k fullKey, r *record) int64 {
	return int64(max(r.size, 0)) + int64(len(k.id)) + overhead
}

// get returns the record under k, nil if there is none.
func (m *memory) get(k fullKey) *record {
	if m == nil {
		return nil
	}
	r, _ := m.records.GetIfPresent(k)
	return r
}

// holds reports whether there is a record under k, which counts as no read.
func (m *memory) holds(k fullKey) bool {
	if m == nil {
		return false
	}
	_, held := m.records.GetEntryQuietly(k)
	return held
}

// set keeps a record in place of what was there. A record so large that it
// would push out an eighth of the tier is not kept.
func (m *memory) set(k fullKey, r *record) {
	if m == nil {
		return
	}
	if weight(k, r) > m.largest {
		m.records.Invalidate(k)
		return
	}
	m.records.Set(k, r)
}

// drop forgets what is under k.
func (m *memory) drop(k fullKey) {
	if m != nil {
		m.records.Invalidate(k)
	}
}

// all returns all records.
func (m *memory) all() iter.Seq2[fullKey, *record] {
	if m == nil {
		return func(func(fullKey, *record) bool) {}
	}
	return m.records.All()
}

// clear forgets everything.
func (m *memory) clear() {
	if m != nil {
		m.records.InvalidateAll()
	}
}

// bytes returns the weight of all records.
func (m *memory) bytes() int64 {
	if m == nil {
		return 0
	}
	return int64(m.records.WeightedSize()) // #nosec G115 -- bounded by Options.Bytes, an int64
}

// stop ends the goroutine that drops expired records. Those are never returned
// anyway; from then on they go when room is needed.
func (m *memory) stop() {
	if m != nil {
		m.records.StopAllGoroutines()
	}
}
