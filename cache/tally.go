package cache

import "sync/atomic"

// A tally counts what came of the keys that loads asked for.
type tally struct {
	memoryHits, remoteHits, staleHits, misses, shared atomic.Uint64
}

// KindStats are what loads of one kind of record came to since the Cache was
// made. Its counts are of keys.
type KindStats struct {
	L1Hits    uint64 // answered by the in-process tier
	RedisHits uint64 // answered by Redis
	StaleHits uint64 // answered by a record that was older than it should be
	Misses    uint64 // asked of a fetch
	Shared    uint64 // answered by another load that was under way
}

func (t *tally) stats() KindStats {
	return KindStats{t.memoryHits.Load(), t.remoteHits.Load(), t.staleHits.Load(), t.misses.Load(), t.shared.Load()}
}

// KindStats returns the numbers of each kind by its name.
func (c *Cache) KindStats() map[string]KindStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]KindStats, len(c.kinds))
	for name, k := range c.kinds {
		all[name] = k.stats()
	}
	return all
}

// Shared reports whether there is a Redis behind the Cache, answering or not.
func (c *Cache) Shared() bool { return c.remote != nil }
