package cache_test

import (
	"testing"

	"github.com/driftgraph/driftgraph/cache"
)

// A Redis that was away and is back with what it had before a drop, as a replica
// has that takes the place of its master, is told of the drop again.
func TestDropsAreToldAgain(t *testing.T) {
	server := startRedis(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	ka, kb := newGroupKind(t, a), newGroupKind(t, b)
	a.AwaitHearing()
	b.AwaitHearing()
	check(t, ka.Load(t.Context(), "t", []int64{1, 2, 10}, new(source).fetch), "1 NETWORK", "2 NETWORK", "10 NETWORK")
	a.Wait()
	if err := server.client(t).Save(t.Context()).Err(); err != nil { // what the replica has
		t.Fatal(err)
	}
	if err := ka.Drop("t", 1); err != nil {
		t.Fatal(err)
	}
	if err := ka.DropGroup("t", groupOf(10)); err != nil {
		t.Fatal(err)
	}
	await(t, "the drops to be heard", func() bool { return b.Stats().DropsHeard == 2 })

	server.stop()
	server.start(t)
	await(t, "the drops to be told again", func() bool { return b.Stats().DropsHeard == 4 })
	a.EndPauses()
	b.EndPauses()
	check(t, kb.Load(t.Context(), "t", []int64{1, 2, 10}, new(source).fetch), "1 NETWORK", "2 REDIS", "10 NETWORK")
}
