package cache

import (
	"context"
	"fmt"
	"slices"
)

// tenantMark begins a line of a drop message that tells of a tenant: then comes
// what would be the key of a record of its without kind and id.
const tenantMark = "tenant "

// Wipe is Forget in all processes, and drops what Redis holds of the tenant, but
// for what is buried. It looks at all keys, in many round trips to Redis, so it is
// for what seldom happens. What a process writes that has not heard of it yet, may
// be left: who must be sure calls it again some time later. An error is
// ErrNotTold: then other processes, or Redis, may hold records until their time is over.
func (c *Cache) Wipe(ctx context.Context, t Tenant) error {
	c.Forget(t)
	if c.remote == nil {
		return nil
	}
	name := fullKey{tenant: t}.String() // with two colons at its end
	err := c.remote.insistOn(ctx, func(ctx context.Context) error {
		return c.remote.client.Publish(ctx, dropChannel, c.remote.name+"\n"+tenantMark+name).Err()
	})
	var held []fullKey
	if err == nil {
		err = c.remote.scan(ctx, name[:len(name)-1]+"*", func(key, _ string) {
			if full, ok := parseKey(key); ok && full.tenant == t {
				held = append(held, full)
			}
		})
	}
	for some := range slices.Chunk(held, runRecords) {
		if failure := c.remote.drop(some); err == nil {
			err = failure
		}
	}
	c.Forget(t) // what was read from Redis until now
	c.dropsSent.Add(uint64(len(held)))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotTold, err)
	}
	return nil
}

// goneSince reports whether all of a tenant was forgotten after a moment. Tenants
// that share a place are at worst taken for forgotten when another was.
func (c *Cache) goneSince(t Tenant, began moment) bool {
	return c.gone[slot(fullKey{tenant: t})].Load() > began.seq
}

// Forget drops all records of a tenant from the in-process tier. No load, refresh
// or Put that began before Forget returned fills either tier after it; those who
// wait for such a load get its answer. What Redis and other processes hold stays.
//
// It looks at all records of all tenants.
func (c *Cache) Forget(t Tenant) {
	place := &c.gone[slot(fullKey{tenant: t})]
	for seq := c.seq.Add(1); ; {
		old := place.Load()
		if old >= seq || place.CompareAndSwap(old, seq) {
			break
		}
	}
	c.mu.Lock()
	kinds := make([]forgetter, 0, len(c.kinds))
	for _, k := range c.kinds {
		kinds = append(kinds, k)
	}
	c.mu.Unlock()
	for _, k := range kinds {
		k.forgetTenant(t)
	}
	for full := range c.memory.all() {
		if full.tenant == t {
			c.memory.drop(full)
		}
	}
}

// forgetTenant ends the sharing of the tenant's loads. A load that ends from now
// on sees that its tenant is gone: it holds mu for that, as this does.
func (k *Kind[K, V]) forgetTenant(t Tenant) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for full, f := range k.flights {
		if full.tenant == t {
			k.doom(f)
		}
	}
}
