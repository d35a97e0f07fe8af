package cache_test

import (
	"errors"
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

	server.Kill()
	server.Restart(t)
	await(t, "the drops to be told again", func() bool { return b.Stats().DropsHeard == 4 })
	a.EndPauses()
	b.EndPauses()
	check(t, kb.Load(t.Context(), "t", []int64{1, 2, 10}, new(source).fetch), "1 NETWORK", "2 REDIS", "10 NETWORK")
}

// When a Redis is back, what was dropped lately is owed to it before the process
// forgets what it holds: a load that begins then reads none of it.
func TestDropsAreOwedFirst(t *testing.T) {
	server := startRedis(t)
	c := patient(cache.Options{Redis: server.client(t)})
	k := newKind(t, c)
	if err := k.Drop("t", 1); err != nil {
		t.Fatal(err)
	}
	owed := make(chan bool, 1)
	c.OnForgetAll(func() {
		select {
		case owed <- c.Owes():
		default: // it has broken once more
		}
	})
	server.Kill()
	server.Restart(t)
	if !<-owed {
		t.Error("all is forgotten before the drop is owed")
	}
}

// A Redis that may only be read keeps what is dropped. All processes hear of the
// drop, and none reads it there, until it is gone.
func TestDropsOfReadOnlyRedis(t *testing.T) {
	server := startRedis(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	ka, kb := newGroupKind(t, a), newGroupKind(t, b)
	a.AwaitHearing()
	b.AwaitHearing()
	check(t, ka.Load(t.Context(), "t", []int64{1, 10}, new(source).fetch), "1 NETWORK", "10 NETWORK")
	a.Wait()
	check(t, kb.Load(t.Context(), "t", []int64{1, 10}, nil), "1 REDIS", "10 REDIS")
	client := server.client(t)
	if err := client.SlaveOf(t.Context(), "127.0.0.1", "1").Err(); err != nil { // nobody is there
		t.Fatal(err)
	}
	if err := ka.Drop("t", 1); !errors.Is(err, cache.ErrNotTold) {
		t.Errorf("the drop of a record: %v", err)
	}
	if err := ka.DropGroup("t", groupOf(10)); !errors.Is(err, cache.ErrNotTold) {
		t.Errorf("the drop of a group: %v", err)
	}
	await(t, "the drops to be heard", func() bool { return b.Stats().DropsHeard >= 2 })
	check(t, kb.Load(t.Context(), "t", []int64{1, 10}, new(source).fetch), "1 NETWORK", "10 NETWORK")
	if n := len(recordsIn(t, client)); n != 2 {
		t.Errorf("%d records are in Redis, which may only be read", n)
	}
	if err := client.SlaveOf(t.Context(), "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	await(t, "the records to be removed", func() bool { return len(recordsIn(t, client)) == 0 })
}
