package cache

import (
	"time"

	"github.com/maypok86/otter/v2"
)

// A record is what the cache holds under a key.
type record struct {
	value   any   // of the kind's type; nil if there is no such record
	size    int   // bytes that value takes in memory, roughly
	fetched int64 // when it was fetched, in milliseconds since 1970
	expires int64 // when it ends, likewise; in both tiers
}

// overhead is about what the in-process tier adds to a record: its key, its
// node, its place in the table and in the queues of the eviction policy.
const overhead = 200

// A memory is the in-process tier. A nil memory holds nothing.
type memory struct {
	records *otter.Cache[fullKey, record]
	largest int64 // weight that a record may have
}

// newMemory returns a tier of at most so many bytes.
func newMemory(bytes int64) *memory {
	return &memory{
		largest: min(bytes/8, 1<<31),
		records: otter.Must(&otter.Options[fullKey, record]{
			MaximumWeight: uint64(bytes),
			Weigher:       func(k fullKey, r record) uint32 { return uint32(weight(k, r)) },
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[fullKey, record]) time.Duration {
				return max(time.UnixMilli(e.Value.expires).Sub(time.Unix(0, e.SnapshotAtNano)), 1) // 0 would mean for ever
			}),
		}),
	}
}

func weight(k fullKey, r record) int64 {
	return int64(max(r.size, 0)) + int64(len(k.id)) + overhead
}

func (m *memory) get(k fullKey) (record, bool) {
	if m == nil {
		return record{}, false
	}
	return m.records.GetIfPresent(k)
}

// set keeps a record in place of what was there. A record so large that it
// would push out an eighth of the tier is not kept.
func (m *memory) set(k fullKey, r record) {
	if m == nil {
		return
	}
	if weight(k, r) > m.largest {
		m.records.Invalidate(k)
		return
	}
	m.records.Set(k, r)
}

// bytes returns the weight of all records.
func (m *memory) bytes() int64 {
	if m == nil {
		return 0
	}
	return int64(m.records.WeightedSize())
}

// stop ends the goroutine that drops expired records. Those are never returned
// anyway; from then on they go when room is needed.
func (m *memory) stop() {
	if m != nil {
		m.records.StopAllGoroutines()
	}
}
