package cache

import "sync/atomic"

// A tally counts what came of the keys that loads asked for.
type tally struct {
	memoryHits, memoryStale, memoryMisses atomic.Uint64
	remoteHits, remoteStale, remoteMisses atomic.Uint64
	misses, shared                        atomic.Uint64
}

// KindStats are what loads of one kind of record came to since the Cache was
// made. Its counts are of keys.
type KindStats struct {
	L1Hits      uint64 // answered by the in-process tier
	L1Stale     uint64 // likewise, by a record that was older than it should be
	L1Misses    uint64 // not answered by it
	RedisHits   uint64 // answered by Redis
	RedisStale  uint64 // likewise, by a record that was older than it should be
	RedisMisses uint64 // asked of Redis, and not answered by it
	Misses      uint64 // asked of a fetch, to refresh them too
	Shared      uint64 // answered by another load that was under way
}

func (t *tally) stats() KindStats {
	return KindStats{
		L1Hits: t.memoryHits.Load(), L1Stale: t.memoryStale.Load(), L1Misses: t.memoryMisses.Load(),
		RedisHits: t.remoteHits.Load(), RedisStale: t.remoteStale.Load(), RedisMisses: t.remoteMisses.Load(),
		Misses: t.misses.Load(), Shared: t.shared.Load(),
	}
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
