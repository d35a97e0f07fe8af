package cache

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
