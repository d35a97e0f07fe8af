package cache

import (
	"runtime"
	"time"
)

// EndPauses lets the next call try out a Redis that failed.
func (c *Cache) EndPauses() {
	for _, g := range []*gate{&c.remote.reads, &c.remote.writes} {
		g.mu.Lock()
		g.until = time.Time{}
		g.mu.Unlock()
	}
}

// AllowMembers sets how many members a group may have.
func (c *Cache) AllowMembers(n int) { c.remote.members = n }

// Entered counts the records that are known to be of groups.
func (k *Kind[K, V]) Entered() (entered int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, records := range k.groups.of {
		entered += len(records)
	}
	return entered
}

// BePatient keeps a slow machine from failing a test of a Redis that works.
func (c *Cache) BePatient() { c.remote.timeout.Store(int64(time.Minute)) }

// AwaitHearing waits until the Cache hears of drops, and Redis knows its scripts.
func (c *Cache) AwaitHearing() {
	for c.Stats().Deaf {
		runtime.Gosched()
	}
}

// ScriptOf returns the name of a script by that in Redis.
func ScriptOf(hash string) string {
	for _, s := range scripts {
		if s.hash == hash {
			return s.name
		}
	}
	return hash
}

// Advance lets records age at once.
func (c *Cache) Advance(d time.Duration) { c.ahead.Add(d.Milliseconds()) }

// StopHeart ends the renewal of leases, as the death of the process does.
func (c *Cache) StopHeart() { c.remote.leases.close() }

// LeaseLife is how long a lease lives that is not renewed.
const LeaseLife = leaseLife

// StopHearing lets the Cache hear of no more drops.
func (c *Cache) StopHearing() { c.ears.close() }

// Ears counts the connections that were made to hear of drops.
func (c *Cache) Ears() int64 { return c.ears.tries.Load() }

// Leases returns how many leases are being renewed.
func (c *Cache) Leases() int {
	c.remote.leases.mu.Lock()
	defer c.remote.leases.mu.Unlock()
	return len(c.remote.leases.held)
}

// Owes reports whether Redis is to be told of drops.
func (c *Cache) Owes() bool { return c.remote.owed.any.Load() }

// OnForgetAll calls fn when the Cache forgets all that it holds.
func (c *Cache) OnForgetAll(fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kinds["on forget all"] = onForgetAll{c.kinds["contact"], fn}
}

type onForgetAll struct {
	forgetter
	fn func()
}

func (f onForgetAll) forgetAll() { f.fn() }
