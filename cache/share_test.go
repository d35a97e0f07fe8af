package cache_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/driftgraph/driftgraph/cache"
)

// Of many processes that want the same at once, one fetches it.
func TestReplicasShare(t *testing.T) {
	server := startRedis(t)
	s := source{hold: make(chan struct{}), absent: []int64{3}}
	var all [][]*cache.Future[*contact]
	var caches []*cache.Cache
	for range 3 {
		c := patient(cache.Options{Redis: server.client(t)})
		caches = append(caches, c)
		all = append(all, newKind(t, c).Load(t.Context(), "t", []int64{1, 2, 3}, s.fetch))
	}
	await(t, "two of three to wait", func() bool {
		return caches[0].Stats().LeaseWaits+caches[1].Stats().LeaseWaits+caches[2].Stats().LeaseWaits == 6
	})
	close(s.hold)
	network := 0
	for i, fs := range all {
		check(t, fs, "1 ", "2 ", "nil ")
		if caches[i].Stats().Misses > 0 {
			network++
		}
	}
	s.asked(t, "[1 2 3]")
	if network != 1 {
		t.Errorf("%d of 3 asked the source", network)
	}
}

// What one process has of a batch reaches the others before the batch has ended.
func TestReplicasShareEarly(t *testing.T) {
	server := startRedis(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	began, hold := make(chan struct{}), make(chan struct{})
	first := newKind(t, a).Load(t.Context(), "t", []int64{1, 2}, func(_ context.Context, _ []int64, answer func(int64, *contact, error)) error {
		answer(1, &contact{Name: "1"}, nil)
		close(began)
		<-hold
		return nil
	})
	<-began
	check(t, newKind(t, b).Load(t.Context(), "t", []int64{1}, nil), "1 REDIS")
	close(hold)
	check(t, first, "1 NETWORK", "nil NETWORK")
}

// A process that loads for long keeps its lease, and one that dies loses it. On a
// machine that stands still for as long as a lease lives it is lost before: then it
// is tried anew.
func TestReplicaDies(t *testing.T) {
	for range 5 {
		if replicaDies(t) {
			return
		}
	}
	t.Error("the lease is renewed too late, time and again")
}

// replicaDies reports false if the lease could not be renewed in time.
func replicaDies(t *testing.T) bool {
	server := startRedis(t)
	client := server.client(t)
	trips := countTrips(client)
	var mu sync.Mutex
	var last time.Time        // when it was renewed
	var longest time.Duration // that it was not
	renewed := func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		longest, last = max(longest, time.Since(last)), time.Now()
		return longest
	}
	trips.before = func(trip string) {
		if strings.HasPrefix(trip, "renew") {
			renewed()
		}
	}
	a, b := patient(cache.Options{Redis: client}), patient(cache.Options{Redis: server.client(t)})
	held := source{hold: make(chan struct{})}
	last = time.Now()
	lost := newKind(t, a).Load(t.Context(), "t", []int64{1}, held.fetch)
	other := server.client(t)
	lease := "{dg:1:t:contact:1}:lease"
	await(t, "the lease to be taken", func() bool { return other.Exists(t.Context(), lease).Val() == 1 })
	var s source
	waiting := newKind(t, b).Load(t.Context(), "t", []int64{1}, s.fetch)

	await(t, "the lease to be renewed for longer than it lives", func() bool { return trips.count("renew 1") >= 4 })
	ended := waiting[0].Done()
	if renewed() > cache.LeaseLife*2/3 {
		close(held.hold)
		check(t, lost, "1 NETWORK")
		return false
	}
	if s.asked(t); ended {
		t.Error("a load has ended that another process is making")
	}
	a.StopHeart()
	if left := other.PTTL(t.Context(), lease).Val(); left > cache.LeaseLife {
		t.Errorf("after the death of its holder the lease lives for %s, want %s at most", left, cache.LeaseLife)
	}
	check(t, waiting, "1 NETWORK")
	if got := b.Stats(); got.LeaseWaits != 1 || got.Misses != 1 {
		t.Errorf("stats are %+v", got)
	}
	close(held.hold)
	check(t, lost, "1 NETWORK")
	return true
}

// Of what is asked for at once, what no other process loads is fetched, though the
// rest comes from another process meanwhile.
func TestReplicaHasSome(t *testing.T) {
	server := startRedis(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	theirs, ours := source{hold: make(chan struct{})}, source{hold: make(chan struct{})}
	first := newKind(t, a).Load(t.Context(), "t", []int64{1}, theirs.fetch)
	await(t, "the lease to be taken", func() bool { return a.Stats().Misses == 1 })
	both := newKind(t, b).Load(t.Context(), "t", []int64{1, 2}, ours.fetch)
	await(t, "one to be waited for", func() bool { return b.Stats().LeaseWaits == 1 })
	close(theirs.hold)
	check(t, both[:1], "1 REDIS")
	close(ours.hold)
	check(t, both[1:], "2 NETWORK")
	check(t, first, "1 NETWORK")
	ours.asked(t, "[2]")
}

// Where one process fails, the others try: one after another.
func TestReplicaFails(t *testing.T) {
	server := startRedis(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	failing := source{hold: make(chan struct{}), refused: []int64{1}}
	first := newKind(t, a).Load(t.Context(), "t", []int64{1}, failing.fetch)
	await(t, "the lease to be taken", func() bool { return a.Stats().Misses == 1 })
	second := newKind(t, b).Load(t.Context(), "t", []int64{1}, new(source).fetch)
	await(t, "the other to wait", func() bool { return b.Stats().LeaseWaits == 1 })
	close(failing.hold)
	check(t, first, "1 is refused")
	check(t, second, "1 NETWORK")
	a.Wait()
	b.Wait()
	for _, key := range server.client(t).Keys(t.Context(), "*").Val() {
		if strings.HasSuffix(key, ":lease") {
			t.Errorf("%s is still taken", key)
		}
	}
}

// A load that hangs loses its lease when its time is over, though its fetch goes on.
func TestReplicaIsLate(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	c := patient(cache.Options{Redis: server.client(t), LoadTimeout: 100 * time.Millisecond})
	k := newKind(t, c)
	s := source{hold: make(chan struct{})}
	fs := k.Load(t.Context(), "t", []int64{1}, s.fetch)
	check(t, fs, "cache: contact not loaded")
	await(t, "the lease to be given back", func() bool { return client.DBSize(t.Context()).Val() == 0 && c.Leases() == 0 })
	close(s.hold)
}

// A load whose time is over before Redis answers takes no lease.
func TestReplicaIsTooLate(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	trips := countTrips(client)
	c := patient(cache.Options{Redis: client, LoadTimeout: 50 * time.Millisecond})
	k := newKind(t, c)
	hold := make(chan struct{})
	trips.before = func(trip string) {
		if trip == "recall 1" {
			<-hold
		}
	}
	check(t, k.Load(t.Context(), "t", []int64{1}, new(source).fetch), "cache: contact not loaded")
	close(hold)
	await(t, "all to be done", func() bool { return c.Wait() })
	if n := c.Leases(); n != 0 {
		t.Errorf("%d leases are renewed", n)
	}
}

// A lease of a record that the clock makes fresh again is given back.
func TestReplicaPutsClockBack(t *testing.T) {
	server := startRedis(t)
	a := patient(cache.Options{Redis: server.client(t)})
	check(t, newKind(t, a).Load(t.Context(), "t", []int64{1}, new(source).fetch), "1 NETWORK")
	a.Wait()
	client := server.client(t)
	trips := countTrips(client)
	b := patient(cache.Options{Redis: client})
	k := newKind(t, b)
	hold := make(chan struct{})
	trips.before = func(trip string) {
		if trip == "recall 1" {
			<-hold
		}
	}
	b.Advance(2 * ttl)
	load := k.Load(t.Context(), "t", []int64{1}, nil)
	b.Advance(-2 * ttl)
	close(hold)
	check(t, load, "1 REDIS")
	b.Wait()
	if n := b.Leases(); n != 0 {
		t.Errorf("%d leases are renewed", n)
	}
}

// Who waits for another process when Redis fails goes to the source.
func TestReplicaLosesRedis(t *testing.T) {
	server := startRedis(t)
	quiet := slog.New(slog.DiscardHandler)
	a, b := patient(cache.Options{Redis: server.client(t), Log: quiet}), patient(cache.Options{Redis: server.client(t), Log: quiet})
	held := source{hold: make(chan struct{})}
	first := newKind(t, a).Load(t.Context(), "t", []int64{1}, held.fetch)
	await(t, "the lease to be taken", func() bool { return a.Stats().Misses == 1 })
	second := newKind(t, b).Load(t.Context(), "t", []int64{1}, new(source).fetch)
	await(t, "the other to wait", func() bool { return b.Stats().LeaseWaits == 1 })
	server.Kill()
	check(t, second, "1 NETWORK")
	close(held.hold)
	check(t, first, "1 NETWORK")
}

// Who has waited for half of the time that a load may take goes to the source.
func TestReplicaHangs(t *testing.T) {
	server := startRedis(t)
	a := patient(cache.Options{Redis: server.client(t)})
	b := patient(cache.Options{Redis: server.client(t), LoadTimeout: time.Second})
	held := source{hold: make(chan struct{})}
	first := newKind(t, a).Load(t.Context(), "t", []int64{1}, held.fetch)
	await(t, "the lease to be taken", func() bool { return a.Stats().Misses == 1 })
	check(t, newKind(t, b).Load(t.Context(), "t", []int64{1}, new(source).fetch), "1 NETWORK")
	close(held.hold)
	check(t, first, "1 NETWORK")
}

// Who has been patient with another process goes to the source, however long a load
// may take.
func TestReplicaPatience(t *testing.T) {
	server := startRedis(t)
	a := patient(cache.Options{Redis: server.client(t)})
	b := patient(cache.Options{Redis: server.client(t), LoadTimeout: time.Hour, LeasePatience: 200 * time.Millisecond})
	held := source{hold: make(chan struct{})}
	first := newKind(t, a).Load(t.Context(), "t", []int64{1}, held.fetch)
	await(t, "the lease to be taken", func() bool { return a.Stats().Misses == 1 })
	check(t, newKind(t, b).Load(t.Context(), "t", []int64{1}, new(source).fetch), "1 NETWORK")
	close(held.hold)
	check(t, first, "1 NETWORK")
}

// Of two processes that find the same record stale, one refreshes it for both.
func TestReplicasRefreshOnce(t *testing.T) {
	server := startRedis(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	ka, kb := newStaleKind(t, a), newStaleKind(t, b)
	s := teller{says: "old"}
	check(t, ka.Load(t.Context(), "t", []int64{1}, s.fetch), "old NETWORK")
	a.Wait()
	check(t, kb.Load(t.Context(), "t", []int64{1}, s.fetch), "old REDIS")

	a.Advance(ttl * 11 / 10)
	b.Advance(ttl * 11 / 10)
	s.says, s.hold = "new", make(chan struct{})
	check(t, ka.Load(t.Context(), "t", []int64{1}, s.fetch), "old STALE")
	await(t, "one to fetch", func() bool { return a.Stats().Misses == 2 })
	check(t, kb.Load(t.Context(), "t", []int64{1}, s.fetch), "old STALE")
	await(t, "the other to wait", func() bool { return b.Stats().LeaseWaits == 1 })
	close(s.hold)
	await(t, "both to be done", func() bool { return a.Wait() && b.Wait() })
	check(t, ka.Load(t.Context(), "t", []int64{1}, nil), "new L1")
	check(t, kb.Load(t.Context(), "t", []int64{1}, nil), "new L1")
	s.asked(t, "[1]", "[1]")

	// A process that comes later finds the record stale in Redis.
	c := patient(cache.Options{Redis: server.client(t)})
	c.Advance(2 * ttl * 11 / 10)
	kc := newStaleKind(t, c)
	check(t, kc.Load(t.Context(), "t", []int64{1}, s.fetch), "new STALE")
	await(t, "the refresh", func() bool { return c.Wait() })
	check(t, kc.Load(t.Context(), "t", []int64{1}, nil), "new L1")
	s.asked(t, "[1]", "[1]", "[1]")
}

// Of two processes that refresh the same record ahead, one fetches it too.
func TestReplicasRefreshAheadOnce(t *testing.T) {
	server := startRedis(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	ka, kb := newStaleKind(t, a), newStaleKind(t, b)
	s := teller{says: "old"}
	check(t, ka.Load(t.Context(), "t", []int64{1}, s.fetch), "old NETWORK")
	a.Wait()
	check(t, kb.Load(t.Context(), "t", []int64{1}, s.fetch), "old REDIS")
	for range 3 {
		check(t, ka.Load(t.Context(), "t", []int64{1}, s.fetch), "old L1")
		check(t, kb.Load(t.Context(), "t", []int64{1}, s.fetch), "old L1")
	}
	a.Advance(ttl * 89 / 100)
	b.Advance(ttl * 89 / 100)
	s.says, s.hold = "new", make(chan struct{})
	check(t, ka.Load(t.Context(), "t", []int64{1}, s.fetch), "old L1")
	await(t, "one to fetch", func() bool { return a.Stats().Misses == 2 })
	check(t, kb.Load(t.Context(), "t", []int64{1}, s.fetch), "old L1")
	await(t, "the other to wait", func() bool { return b.Stats().LeaseWaits == 1 })
	close(s.hold)
	await(t, "both to be done", func() bool { return a.Wait() && b.Wait() })
	check(t, ka.Load(t.Context(), "t", []int64{1}, nil), "new L1")
	check(t, kb.Load(t.Context(), "t", []int64{1}, nil), "new L1")
	s.asked(t, "[1]", "[1]")
}

// A record that Redis keeps stands in when the source fails.
func TestReplicasKeep(t *testing.T) {
	server := startRedis(t)
	a := patient(cache.Options{Redis: server.client(t)})
	s := teller{says: "old"}
	check(t, newStaleKind(t, a).Load(t.Context(), "t", []int64{1}, s.fetch), "old NETWORK")
	a.Wait()
	b := patient(cache.Options{Redis: server.client(t), Fallback: func(error) bool { return true }})
	b.Advance(ttl*11/10 + 2*revalidate)
	s.err = errOutage
	check(t, newStaleKind(t, b).Load(t.Context(), "t", []int64{1}, s.fetch), "old STALE")
	s.asked(t, "[1]", "[1]")
}

func TestReplicasDrop(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	ka, kb := newKind(t, a), newKind(t, b)
	s := teller{says: "old"}
	keys := []int64{1, 2}
	check(t, ka.Load(t.Context(), "t", keys, s.fetch), "old NETWORK", "old NETWORK")
	a.Wait()
	check(t, kb.Load(t.Context(), "t", keys, s.fetch), "old REDIS", "old REDIS")
	if err := ka.Drop("t", 1, 7); err != nil {
		t.Fatal(err)
	}
	if n := client.Exists(t.Context(), "dg:1:t:contact:1").Val(); n != 0 {
		t.Error("Redis holds a record that was dropped")
	}
	await(t, "the drop to be heard", func() bool { return b.Stats().DropsHeard == 2 })
	for i, k := range []*cache.Kind[int64, *contact]{ka, kb} {
		if _, held := k.Peek("t", 1); held {
			t.Errorf("replica %d holds a record that was dropped", i)
		}
		if _, held := k.Peek("t", 2); !held {
			t.Errorf("replica %d does not hold a record that was not dropped", i)
		}
	}
	s.says = "new"
	check(t, kb.Load(t.Context(), "t", keys, s.fetch), "new NETWORK", "old L1")
	b.Wait()
	check(t, ka.Load(t.Context(), "t", keys, s.fetch), "new REDIS", "old L1")
	if got := a.Stats(); got.DropsSent != 2 || got.DropsHeard != 0 {
		t.Errorf("stats of who dropped are %+v", got)
	}
	for _, key := range client.Keys(t.Context(), "*").Val() {
		if left := client.PTTL(t.Context(), key).Val(); left <= 0 {
			t.Errorf("%s ends in %s", key, left)
		}
	}
}

// A load or a list that began before a drop in another process fills no tier.
func TestReplicasDropDuringLoad(t *testing.T) {
	server := startRedis(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	ka, kb, lists := newKind(t, a), newKind(t, b), newNamedKind[int64](t, b, "list")
	before := teller{says: "old"}
	before.hold = make(chan struct{})
	old := kb.Load(t.Context(), "t", []int64{1}, before.fetch)
	list := lists.Load(t.Context(), "t", []int64{0}, func(ctx context.Context, _ []int64, answer func(int64, *contact, error)) error {
		<-before.hold
		kb.Put(ctx, "t", map[int64]*contact{2: {Name: "old"}})
		return nil
	})
	await(t, "both to be asked of the source", func() bool { return b.Stats().Misses == 2 })
	if err := ka.Drop("t", 1, 2); err != nil {
		t.Fatal(err)
	}
	await(t, "the drop to be heard", func() bool { return b.Stats().DropsHeard == 2 })
	close(before.hold)
	check(t, old, "old NETWORK")
	check(t, list, "nil NETWORK")
	await(t, "all to be written", func() bool { return b.Wait() })
	for key := range int64(2) {
		if v, held := kb.Peek("t", key+1); held {
			t.Errorf("%d is held as %v", key+1, v)
		}
	}
	after := teller{says: "new"}
	check(t, ka.Load(t.Context(), "t", []int64{1, 2}, after.fetch), "new NETWORK", "new NETWORK")
	a.Wait()
	check(t, kb.Load(t.Context(), "t", []int64{1, 2}, nil), "new REDIS", "new REDIS")
}

// What a load reads from Redis while the drop is on its way there is not kept either.
func TestDropOnItsWay(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	trips := countTrips(client)
	c := patient(cache.Options{Redis: client})
	k := newKind(t, c)
	k.Put(t.Context(), "t", map[int64]*contact{1: {Name: "old"}})
	c.Wait()
	trips.before = func(trip string) {
		if trip == "drop 1" {
			check(t, k.Load(t.Context(), "t", []int64{1}, nil), "old REDIS")
		}
	}
	if err := k.Drop("t", 1); err != nil {
		t.Fatal(err)
	}
	if v, held := k.Peek("t", 1); held {
		t.Errorf("%v is held", v)
	}
	check(t, k.Load(t.Context(), "t", []int64{1}, (&teller{says: "new"}).fetch), "new NETWORK")
}

// A write that is on its way when its record is dropped is refused, and one that
// was just before is removed.
func TestDropMeetsWrite(t *testing.T) {
	server := startRedis(t)
	for _, first := range []string{"drop", "write"} {
		t.Run(first+" first", func(t *testing.T) {
			client := server.client(t)
			trips := countTrips(client)
			a, b := patient(cache.Options{Redis: client}), patient(cache.Options{Redis: server.client(t)})
			ka, kb := newNamedKind[int64](t, a, first), newNamedKind[int64](t, b, first)
			t.Cleanup(a.Close)
			t.Cleanup(b.Close)
			arrived, goOn := make(chan struct{}), make(chan struct{})
			if first == "drop" {
				trips.before = func(trip string) {
					if trip == "fill 1" {
						close(arrived)
						<-goOn
					}
				}
			} else {
				close(goOn)
			}
			check(t, ka.Load(t.Context(), "t", []int64{1}, new(source).fetch), "1 NETWORK")
			if first == "drop" {
				<-arrived
			} else {
				a.Wait()
			}
			if err := kb.Drop("t", 1); err != nil {
				t.Fatal(err)
			}
			if first == "drop" {
				close(goOn)
			}
			await(t, "the write to be made, and the drop to be heard", func() bool { return a.Wait() && a.Stats().DropsHeard == 1 })
			if _, held := ka.Peek("t", 1); held {
				t.Error("what was dropped is held")
			}
			check(t, kb.Load(t.Context(), "t", []int64{1}, (&teller{says: "new"}).fetch), "new NETWORK")
		})
	}
}

// A process that hears of no drop still writes nothing that began before one,
// and lets go of it when Redis refuses it.
func TestDeafReplicaIsRefused(t *testing.T) {
	server := startRedis(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	ka, kb, lists := newKind(t, a), newKind(t, b), newNamedKind[int64](t, b, "list")
	b.StopHearing()
	before := teller{says: "old"}
	before.hold = make(chan struct{})
	old := kb.Load(t.Context(), "t", []int64{1}, before.fetch)
	list := lists.Load(t.Context(), "t", []int64{0}, func(ctx context.Context, _ []int64, answer func(int64, *contact, error)) error {
		<-before.hold
		kb.Put(ctx, "t", map[int64]*contact{2: {Name: "old"}})
		return nil
	})
	await(t, "both to be asked of the source", func() bool { return b.Stats().Misses == 2 })
	if err := ka.Drop("t", 1, 2); err != nil {
		t.Fatal(err)
	}
	close(before.hold)
	check(t, old, "old NETWORK")
	check(t, list, "nil NETWORK")
	await(t, "all to be refused", func() bool { return b.Wait() })
	for key := range int64(2) {
		if v, held := kb.Peek("t", key+1); held {
			t.Errorf("%d is held as %v", key+1, v)
		}
	}
	after := teller{says: "new"}
	check(t, ka.Load(t.Context(), "t", []int64{1, 2}, after.fetch), "new NETWORK", "new NETWORK")
}

// After a break of the connection that hears of drops, what came before is asked for again.
func TestReplicaHearsAgain(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	ka, kb := newKind(t, a), newKind(t, b)
	s := teller{says: "old"}
	check(t, kb.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "old NETWORK", "old NETWORK")
	b.Wait()
	hold := source{hold: make(chan struct{})}
	under := kb.Load(t.Context(), "t", []int64{3}, hold.fetch) // which began before the break

	if n, err := client.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Result(); n != 2 || err != nil {
		t.Fatalf("%d connections are cut, %v; want 2", n, err)
	}
	if err := ka.Drop("t", 1); err != nil { // while nobody hears, or just before
		t.Fatal(err)
	}
	await(t, "the connection to be there again", func() bool { return b.Stats().L1Clears == 1 })
	b.AwaitHearing()
	if _, held := kb.Peek("t", 2); held {
		t.Error("what came before the break is held")
	}
	after := kb.Load(t.Context(), "t", []int64{3}, nil)
	close(hold.hold)
	check(t, under, "3 NETWORK")
	check(t, after, "3 REDIS")
	s.says = "new"
	check(t, kb.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "new NETWORK", "old REDIS")
	if _, held := kb.Peek("t", 1); !held {
		t.Error("what came after the break is not held")
	}
}

// A connection that is open and brings nothing is made anew.
func TestReplicaHalfOpen(t *testing.T) {
	server := startRedis(t)
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	var mute sync.Mutex // is held while nothing gets through
	go func() {
		for {
			near, err := proxy.Accept()
			if err != nil {
				return
			}
			go func() {
				defer near.Close()
				far, err := net.Dial("tcp", server.Address)
				if err != nil {
					return
				}
				defer far.Close()
				go io.Copy(far, near)
				buffer := make([]byte, 1<<16)
				for {
					n, err := far.Read(buffer)
					mute.Lock() // while the line is mute
					//lint:ignore SA2001 nothing is guarded but the moment
					mute.Unlock()
					if _, late := near.Write(buffer[:n]); err != nil || late != nil {
						return
					}
				}
			}()
		}
	}()
	c := patient(cache.Options{Redis: connect(t, "redis://"+proxy.Addr().String()), Log: slog.New(slog.DiscardHandler)})
	k := newKind(t, c)
	k.Put(t.Context(), "t", map[int64]*contact{1: {Name: "1"}})
	c.Wait()
	mute.Lock()
	dead := c.Ears()
	await(t, "the connection to be given up", func() bool { return c.Ears() > dead })
	mute.Unlock()
	await(t, "the connection to be there again", func() bool { return c.Stats().L1Clears > 0 })
	if _, held := k.Peek("t", 1); held {
		t.Error("what came before the silence is held")
	}
}

// Without Redis to tell the others a drop is made in the process, and says so.
func TestDropWithoutRedis(t *testing.T) {
	client := connect(t, "unix://"+filepath.Join(t.TempDir(), "nobody"))
	k := newKind(t, cache.New(cache.Options{Redis: client, Log: slog.New(slog.DiscardHandler)}))
	k.Put(t.Context(), "t", map[int64]*contact{1: {Name: "1"}})
	if err := k.Drop("t", 1); !errors.Is(err, cache.ErrNotTold) {
		t.Errorf("error is %v, want ErrNotTold", err)
	}
	if _, held := k.Peek("t", 1); held {
		t.Error("a record that was dropped is held")
	}
	if err := k.Drop("t"); err != nil {
		t.Errorf("a drop of nothing: %v", err)
	}
}

// A drop that Redis refused holds in all processes, and is made up for.
func TestDropIsMadeUpFor(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	quiet := slog.New(slog.DiscardHandler)
	a, b := patient(cache.Options{Redis: server.client(t), Log: quiet}), patient(cache.Options{Redis: server.client(t), Log: quiet})
	ka, kb := newKind(t, a), newKind(t, b)
	s := teller{says: "old"}
	check(t, ka.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "old NETWORK", "old NETWORK")
	a.Wait()
	client.Do(t.Context(), "replicaof", "127.0.0.1", "1") // from now on it can only be read
	check(t, kb.Load(t.Context(), "t", []int64{1}, nil), "old REDIS")
	b.AwaitHearing()
	if err := ka.Drop("t", 1); !errors.Is(err, cache.ErrNotTold) {
		t.Fatalf("error is %v, want ErrNotTold", err)
	}
	s.says = "new"
	check(t, ka.Load(t.Context(), "t", []int64{1}, s.fetch), "new NETWORK")
	await(t, "the drop to be heard", func() bool { return b.Stats().DropsHeard > 0 })
	check(t, kb.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "new NETWORK", "old REDIS")

	client.Do(t.Context(), "replicaof", "no", "one")
	await(t, "the record to be removed", func() bool { return slices.Equal(recordsIn(t, client), []string{"dg:1:t:contact:2"}) })
}

// A drop that Redis does not know of holds for what is so old that it would only
// stand in, too.
func TestDropIsMadeUpForLate(t *testing.T) {
	server := startRedis(t)
	client, admin := server.client(t), server.client(t)
	trips := countTrips(client)
	hold := make(chan struct{})
	var drops atomic.Int32
	trips.before = func(trip string) {
		if trip == "drop 1" && drops.Add(1) > 1 { // to make up for it
			<-hold
		}
	}
	c := patient(cache.Options{Redis: client, Log: slog.New(slog.DiscardHandler), Fallback: func(err error) bool { return errors.Is(err, errOutage) }})
	k := newStaleKind(t, c)
	t.Cleanup(func() { close(hold) })
	s := teller{says: "old"}
	check(t, k.Load(t.Context(), "t", []int64{1}, s.fetch), "old NETWORK")
	c.Wait()
	admin.Do(t.Context(), "replicaof", "127.0.0.1", "1") // from now on it can only be read
	if err := k.Drop("t", 1); !errors.Is(err, cache.ErrNotTold) {
		t.Fatalf("error is %v, want ErrNotTold", err)
	}
	admin.Do(t.Context(), "replicaof", "no", "one")
	if v := k.Known("t", 1); v != nil {
		t.Errorf("%s is known, which was dropped", v.Name)
	}
	c.Advance(ttl + 2*revalidate)
	s.err = errOutage
	check(t, k.Load(t.Context(), "t", []int64{1}, s.fetch), "outage")
}

// Whatever goes on in two processes, a load that begins after a drop is told of
// everywhere is answered by nothing from before it.
func TestDropInvariant(t *testing.T) {
	server := startRedis(t)
	clients := []redis.UniversalClient{server.client(t), server.client(t)}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		tenant := cache.Tenant(fmt.Sprint("t", round)) // what is in Redis of other rounds is of others
		var caches []*cache.Cache
		var kinds []*cache.Kind[int64, *contact]
		for _, client := range clients {
			c := patient(cache.Options{Redis: client})
			defer c.Close()
			k, err := cache.NewKind(c, cache.KindOptions[int64, *contact]{Name: "contact", TTL: ttl, Revalidate: revalidate, Keep: keep, Size: sizeOf})
			if err != nil {
				rt.Fatal(err)
			}
			caches, kinds = append(caches, c), append(kinds, k)
		}
		const keys = 2
		var mu sync.Mutex
		version := [keys]int{} // in the source
		drops := [2]uint64{}   // by each process

		// A fetch reads the source at once, and answers when it is let go.
		type fetch struct{ hold chan struct{} }
		var held []fetch
		fetchOf := func(k *cache.Kind[int64, *contact], hold chan struct{}) cache.Fetch[int64, *contact] {
			return func(ctx context.Context, asked []int64, answer func(int64, *contact, error)) error {
				mu.Lock()
				now := version
				mu.Unlock()
				<-hold
				for _, key := range asked {
					answer(key, &contact{Name: fmt.Sprint(now[key])}, nil)
				}
				other := (asked[0] + 1) % keys
				k.Put(ctx, tenant, map[int64]*contact{other: {Name: fmt.Sprint(now[other])}})
				return nil
			}
		}
		type load struct {
			f       *cache.Future[*contact]
			key     int64
			atLeast int
		}
		var loads []load
		letGo := func() {
			for _, f := range held {
				close(f.hold)
			}
			held = nil
		}
		defer letGo()
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			i := rapid.IntRange(0, 1).Draw(rt, "process")
			key := int64(rapid.IntRange(0, keys-1).Draw(rt, "key"))
			switch rapid.SampledFrom([]string{"load", "load", "load", "change", "let go", "age"}).Draw(rt, "step") {
			case "load":
				hold := make(chan struct{})
				held = append(held, fetch{hold})
				f := kinds[i].Load(t.Context(), tenant, []int64{key}, fetchOf(kinds[i], hold))[0]
				loads = append(loads, load{f, key, version[key]})
			case "change":
				mu.Lock()
				version[key]++
				mu.Unlock()
				if err := kinds[i].Drop(tenant, key); err != nil {
					rt.Fatal(err)
				}
				drops[i]++
				await(t, "the drop to be heard", func() bool { return caches[1-i].Stats().DropsHeard >= drops[i] })
			case "let go":
				letGo()
			case "age":
				caches[i].Advance(ttl / 2)
			}
		}
		letGo()
		for _, l := range loads {
			v, err := l.f.Wait(t.Context())
			if err != nil {
				rt.Fatal(err)
			}
			var got int
			fmt.Sscan(v.Name, &got)
			if got < l.atLeast {
				rt.Fatalf("a load of %d that began at version %d is answered with %d", l.key, l.atLeast, got)
			}
		}
	})
}

// await waits until something is so.
func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	for begun := time.Now(); !so(); runtime.Gosched() {
		if time.Since(begun) > time.Minute {
			t.Fatalf("waited for %s", what)
		}
	}
}

// count returns how many of the round trips were such.
func (n *trips) count(which string) (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, trip := range n.seen {
		if strings.HasPrefix(trip, which) {
			count++
		}
	}
	return count
}
