package cache_test

import (
	"testing"

	"github.com/driftgraph/driftgraph/cache"
)

// TestForget forgets a tenant while loads of it are under way: they answer who
// waits for them, and fill neither tier. Another tenant keeps what it has.
func TestForget(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	c := patient(cache.Options{Redis: client})
	k := newKind(t, c)
	var quick source
	for _, tenant := range []cache.Tenant{"t", "u"} {
		check(t, k.Load(t.Context(), tenant, []int64{1}, quick.fetch), "1 NETWORK")
	}
	held := source{hold: make(chan struct{})}
	late := k.Load(t.Context(), "t", []int64{2}, held.fetch)
	other := k.Load(t.Context(), "u", []int64{2}, held.fetch)
	await(t, "both loads to be under way", func() bool {
		held.mu.Lock()
		defer held.mu.Unlock()
		return len(held.calls) == 2
	})
	c.Forget("t")
	close(held.hold)
	check(t, late, "2 NETWORK")
	check(t, other, "2 NETWORK")
	c.Wait()
	for _, key := range []int64{1, 2} {
		if _, holds := k.Peek("t", key); holds {
			t.Errorf("%d is held", key)
		}
		if _, holds := k.Peek("u", key); !holds {
			t.Errorf("%d of another tenant is gone", key)
		}
	}
	check(t, k.Load(t.Context(), "t", []int64{1}, quick.fetch), "1 REDIS") // which another process may need
}
