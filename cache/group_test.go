package cache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/driftgraph/driftgraph/cache"
)

func TestDropGroupInProcess(t *testing.T) {
	k := newGroupKind(t, cache.New(cache.Options{}))
	s := teller{says: "old"}
	check(t, k.Load(t.Context(), "t", []int64{10, 11, 20, 1}, s.fetch), "old NETWORK", "old NETWORK", "old NETWORK", "old NETWORK")
	check(t, k.Load(t.Context(), "u", []int64{10}, s.fetch), "old NETWORK")
	s.hold = make(chan struct{})
	under := k.Load(t.Context(), "t", []int64{12}, s.fetch)
	if err := k.DropGroup("t", "1"); err != nil {
		t.Fatal(err)
	}
	close(s.hold)
	check(t, under, "old NETWORK")
	s = teller{says: "new"}
	check(t, k.Load(t.Context(), "t", []int64{10, 11, 12, 20, 1}, s.fetch), "new NETWORK", "new NETWORK", "new NETWORK", "old L1", "old L1")
	check(t, k.Load(t.Context(), "u", []int64{10}, s.fetch), "old L1")
	if err := newNamedKind[int64](t, cache.New(cache.Options{}), "list").DropGroup("t", "1"); err == nil {
		t.Error("a kind without groups drops one")
	}
}

// What is put by a fetch that began before a drop of the group is not kept,
// whether the process knew of the key or not.
func TestDropGroupDuringPut(t *testing.T) {
	c := cache.New(cache.Options{})
	k, lists := newGroupKind(t, c), newNamedKind[int64](t, c, "list")
	check(t, lists.Load(t.Context(), "t", []int64{0}, func(ctx context.Context, _ []int64, _ func(int64, *contact, error)) error {
		if err := k.DropGroup("t", "1"); err != nil {
			t.Error(err)
		}
		k.Put(ctx, "t", map[int64]*contact{10: {Name: "old"}, 20: {Name: "old"}})
		return nil
	}), "nil NETWORK")
	if _, held := k.Peek("t", 10); held {
		t.Error("what was dropped is held")
	}
	if _, held := k.Peek("t", 20); !held {
		t.Error("what was not dropped is not held")
	}
}

// What is known of groups stays small, though what they hold comes and goes.
func TestGroupsAreSwept(t *testing.T) {
	k := newGroupKind(t, cache.New(cache.Options{Bytes: 20_000})) // of which some fifty have room
	for key := range int64(20_000) {
		k.Put(t.Context(), "t", map[int64]*contact{key: {}})
	}
	if n := k.Entered(); n > 5000 {
		t.Errorf("%d records are known of groups, of which fifty are held", n)
	}
	k.Put(t.Context(), "t", map[int64]*contact{19_999: {Name: "old"}})
	if err := k.DropGroup("t", "1999"); err != nil {
		t.Fatal(err)
	}
	if _, held := k.Peek("t", 19_999); held {
		t.Error("what was dropped is held")
	}
}

// What is put is known of its group, though the groups are swept for it.
func TestPutSweepsGroups(t *testing.T) {
	k := newGroupKind(t, cache.New(cache.Options{}))
	const most = 3000 // enough for two sweeps
	for key := int64(10); key < most; key++ {
		k.Put(t.Context(), "t", map[int64]*contact{key: {}})
	}
	for key := int64(10); key < most; key += 10 {
		if err := k.DropGroup("t", groupOf(key)); err != nil {
			t.Fatal(err)
		}
	}
	for key := int64(10); key < most; key++ {
		if _, held := k.Peek("t", key); held {
			t.Errorf("%d is held, which was dropped", key)
		}
	}
}

// A process drops what others have read or put, and nothing of it is left.
func TestReplicasDropGroup(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	ka, kb := newGroupKind(t, a), newGroupKind(t, b)
	s := teller{says: "old"}
	check(t, ka.Load(t.Context(), "t", []int64{10, 11, 20, 1}, s.fetch), "old NETWORK", "old NETWORK", "old NETWORK", "old NETWORK")
	ka.Put(t.Context(), "t", map[int64]*contact{12: {Name: "old"}, 13: nil})
	a.Wait()
	check(t, kb.Load(t.Context(), "t", []int64{11, 12, 20}, nil), "old REDIS", "old REDIS", "old REDIS")
	if err := kb.DropGroup("t", "1", "7"); err != nil {
		t.Fatal(err)
	}
	for _, key := range recordsIn(t, client) {
		if key != "dg:1:t:contact:20" && key != "dg:1:t:contact:1" {
			t.Errorf("Redis holds %s, which was dropped", key)
		}
	}
	await(t, "the drop to be heard", func() bool { return a.Stats().DropsHeard == 2 })
	for i, k := range []*cache.Kind[int64, *contact]{ka, kb} {
		for key := int64(10); key < 14; key++ {
			if _, held := k.Peek("t", key); held {
				t.Errorf("replica %d holds %d, which was dropped", i, key)
			}
		}
	}
	s.says = "new"
	check(t, ka.Load(t.Context(), "t", []int64{10, 11, 20, 1}, s.fetch), "new NETWORK", "new NETWORK", "old L1", "old L1")
	a.Wait()
	check(t, kb.Load(t.Context(), "t", []int64{10, 11, 20, 1}, nil), "new REDIS", "new REDIS", "old L1", "old REDIS")
	if got := b.Stats(); got.DropsSent != 2 {
		t.Errorf("stats of who dropped are %+v", got)
	}
	for _, key := range client.Keys(t.Context(), "*").Val() {
		if left := client.PTTL(t.Context(), key).Val(); left <= 0 {
			t.Errorf("%s ends in %s", key, left)
		}
	}
}

// Reading a kind with groups takes one round trip, as any other.
func TestGroupRoundTrips(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	trips := countTrips(client)
	c := patient(cache.Options{Redis: client})
	k := newGroupKind(t, c)
	check(t, k.Load(t.Context(), "t", []int64{10}, new(source).fetch), "10 NETWORK")
	c.Wait()
	trips.check(t, "recall 1, enroll 1", "fill 1")
	k.Put(t.Context(), "t", map[int64]*contact{20: {}, 1: {}})
	c.Wait()
	trips.check(t, "recall 1, enroll 1", "fill 1", "enroll 1", "fill 2")
}

// A load or a list that began before a drop of the group in another process
// fills no tier, though that other knew of neither.
func TestReplicasDropGroupDuringLoad(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprint("deaf ", deaf), func(t *testing.T) {
			server := startRedis(t)
			a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
			ka, kb, lists := newGroupKind(t, a), newGroupKind(t, b), newNamedKind[int64](t, b, "list")
			if deaf {
				b.StopHearing()
			}
			hold := make(chan struct{})
			before := teller{says: "old"}
			before.hold = hold
			old := kb.Load(t.Context(), "t", []int64{10}, before.fetch)
			list := lists.Load(t.Context(), "t", []int64{0}, func(ctx context.Context, _ []int64, _ func(int64, *contact, error)) error {
				<-hold
				kb.Put(ctx, "t", map[int64]*contact{11: {Name: "old"}})
				return nil
			})
			await(t, "both to be asked of the source", func() bool { return b.Stats().Misses == 2 })
			if err := ka.DropGroup("t", "1"); err != nil {
				t.Fatal(err)
			}
			if !deaf {
				await(t, "the drop to be heard", func() bool { return b.Stats().DropsHeard == 1 })
			}
			close(hold)
			check(t, old, "old NETWORK")
			check(t, list, "nil NETWORK")
			await(t, "all to be written", func() bool { return b.Wait() })
			for key := int64(10); key < 12; key++ {
				if v, held := kb.Peek("t", key); held {
					t.Errorf("%d is held as %v", key, v)
				}
			}
			for _, key := range recordsIn(t, server.client(t)) {
				if !strings.Contains(key, ":list:") {
					t.Errorf("Redis holds %s", key)
				}
			}
			after := teller{says: "new"}
			check(t, ka.Load(t.Context(), "t", []int64{10, 11}, after.fetch), "new NETWORK", "new NETWORK")
			a.Wait()
			check(t, kb.Load(t.Context(), "t", []int64{10, 11}, nil), "new REDIS", "new REDIS")
		})
	}
}

// What Redis has forgotten the group of is not read.
func TestGroupLost(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	ka, kb := newGroupKind(t, a), newGroupKind(t, b)
	s := teller{says: "old"}
	check(t, ka.Load(t.Context(), "t", []int64{10}, s.fetch), "old NETWORK")
	a.Wait()
	if n := client.Del(t.Context(), "{dg:1:t:contact:1}:members").Val(); n != 1 {
		t.Fatal("there is no set of members")
	}
	if err := ka.DropGroup("t", "1"); err != nil {
		t.Fatal(err)
	}
	s.says = "new"
	check(t, kb.Load(t.Context(), "t", []int64{10}, s.fetch), "new NETWORK")
	b.Wait()
	check(t, ka.Load(t.Context(), "t", []int64{10}, nil), "new REDIS")
}

// What a group has no room for is kept in the process only.
func TestGroupIsFull(t *testing.T) {
	server := startRedis(t)
	c := patient(cache.Options{Redis: server.client(t)})
	c.AllowMembers(2)
	k := newGroupKind(t, c)
	check(t, k.Load(t.Context(), "t", []int64{10, 11, 12}, new(source).fetch), "10 ", "11 ", "12 ")
	c.Wait()
	if n := len(recordsIn(t, server.client(t))); n != 2 {
		t.Errorf("%d records are in Redis, want 2", n)
	}
	check(t, k.Load(t.Context(), "t", []int64{10, 11, 12}, nil), "10 L1", "11 L1", "12 L1")
	if err := k.DropGroup("t", "1"); err != nil {
		t.Fatal(err)
	}
	check(t, k.Load(t.Context(), "t", []int64{12}, new(source).fetch), "12 NETWORK")
	c.Wait()
	if got := recordsIn(t, server.client(t)); len(got) != 1 {
		t.Errorf("Redis holds %q, want one record", got)
	}
}

// A drop of a group that Redis refused holds in the process, and is made up for.
func TestDropGroupIsMadeUpFor(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	quiet := slog.New(slog.DiscardHandler)
	a, b := patient(cache.Options{Redis: server.client(t), Log: quiet}), patient(cache.Options{Redis: server.client(t), Log: quiet})
	ka, kb := newGroupKind(t, a), newGroupKind(t, b)
	s := teller{says: "old"}
	check(t, ka.Load(t.Context(), "t", []int64{10, 20}, s.fetch), "old NETWORK", "old NETWORK")
	a.Wait()
	client.Do(t.Context(), "replicaof", "127.0.0.1", "1") // from now on it can only be read
	b.AwaitHearing()
	if err := ka.DropGroup("t", "1"); !errors.Is(err, cache.ErrNotTold) {
		t.Fatalf("error is %v, want ErrNotTold", err)
	}
	s.says = "new"
	check(t, ka.Load(t.Context(), "t", []int64{10}, s.fetch), "new NETWORK")
	await(t, "the drop to be heard", func() bool { return b.Stats().DropsHeard > 0 })
	check(t, kb.Load(t.Context(), "t", []int64{10, 20}, s.fetch), "new NETWORK", "old REDIS")

	client.Do(t.Context(), "replicaof", "no", "one")
	await(t, "the record to be removed", func() bool { return slices.Equal(recordsIn(t, client), []string{"dg:1:t:contact:20"}) })
}

// Where the removal of values fails, they are not read any more, and are
// removed later.
func TestDropGroupInPart(t *testing.T) {
	server := startRedis(t)
	client, other := server.client(t), server.client(t)
	trips := countTrips(client)
	quiet := slog.New(slog.DiscardHandler)
	a, b := patient(cache.Options{Redis: client, Log: quiet}), patient(cache.Options{Redis: server.client(t), Log: quiet})
	ka, kb := newGroupKind(t, a), newGroupKind(t, b)
	s := teller{says: "old"}
	check(t, ka.Load(t.Context(), "t", []int64{10, 11}, s.fetch), "old NETWORK", "old NETWORK")
	a.Wait()
	broken := sync.OnceFunc(func() { other.Do(t.Context(), "replicaof", "127.0.0.1", "1") })
	trips.before = func(trip string) {
		if trip == "drop 2" {
			broken()
		}
	}
	if err := ka.DropGroup("t", "1"); !errors.Is(err, cache.ErrNotTold) {
		t.Fatalf("error is %v, want ErrNotTold", err)
	}
	if n := len(recordsIn(t, other)); n != 2 {
		t.Fatalf("%d records are left in Redis, want 2", n)
	}
	s.says = "new"
	check(t, kb.Load(t.Context(), "t", []int64{10}, s.fetch), "new NETWORK")
	other.Do(t.Context(), "replicaof", "no", "one")
	await(t, "what is left to be removed", func() bool { return len(recordsIn(t, other)) == 0 })
}

func TestDropGroupInCluster(t *testing.T) {
	server := startRedis(t, "--cluster-enabled", "yes")
	if err := server.client(t).ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	var kinds []*cache.Kind[int64, *contact]
	var caches []*cache.Cache
	for range 2 {
		client := connect(t, fmt.Sprintf("redis://%s,%s", server.Address, strings.TrimPrefix(server.PatientURL(), "redis://")))
		for client.Ping(t.Context()).Err() != nil || !strings.Contains(client.ClusterInfo(t.Context()).Val(), "cluster_state:ok") {
		}
		c := patient(cache.Options{Redis: client})
		caches, kinds = append(caches, c), append(kinds, newGroupKind(t, c))
	}
	s := teller{says: "old"}
	check(t, kinds[0].Load(t.Context(), "t", []int64{10, 11, 20}, s.fetch), "old NETWORK", "old NETWORK", "old NETWORK")
	caches[0].Wait()
	check(t, kinds[1].Load(t.Context(), "t", []int64{10, 11, 20}, nil), "old REDIS", "old REDIS", "old REDIS")
	if err := kinds[1].DropGroup("t", "1"); err != nil {
		t.Fatal(err)
	}
	await(t, "the drop to be heard", func() bool { return caches[0].Stats().DropsHeard == 1 })
	if got := recordsIn(t, server.client(t)); len(got) != 1 {
		t.Errorf("Redis holds %q, want only what was not dropped", got)
	}
	s.says = "new"
	check(t, kinds[0].Load(t.Context(), "t", []int64{10, 11, 20}, s.fetch), "new NETWORK", "new NETWORK", "old L1")
	caches[0].Wait()
	check(t, kinds[1].Load(t.Context(), "t", []int64{10, 11, 20}, nil), "new REDIS", "new REDIS", "old L1")
}

// Whatever goes on in two processes, a load that begins after a drop of its
// group is told of everywhere is answered by nothing from before it, and no
// value is in Redis that a drop of the group would leave there.
func TestDropGroupInvariant(t *testing.T) {
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
			k, err := cache.NewKind(c, cache.KindOptions[int64, *contact]{
				Name: "contact", TTL: ttl, Revalidate: revalidate, Keep: keep, Size: sizeOf, Group: groupOf,
			})
			if err != nil {
				rt.Fatal(err)
			}
			caches, kinds = append(caches, c), append(kinds, k)
		}
		var mu sync.Mutex
		version := 0         // of the group, in the source
		drops := [2]uint64{} // by each process
		var held []chan struct{}
		fetchOf := func(k *cache.Kind[int64, *contact], hold chan struct{}) cache.Fetch[int64, *contact] {
			return func(ctx context.Context, asked []int64, answer func(int64, *contact, error)) error {
				mu.Lock()
				now := fmt.Sprint(version)
				mu.Unlock()
				<-hold
				for _, key := range asked {
					answer(key, &contact{Name: now}, nil)
				}
				k.Put(ctx, tenant, map[int64]*contact{21 - asked[0]: {Name: now}})
				return nil
			}
		}
		type load struct {
			f       *cache.Future[*contact]
			atLeast int
		}
		var loads []load
		letGo := func() {
			for _, hold := range held {
				close(hold)
			}
			held = nil
		}
		defer letGo()
		drop := func(i int) {
			if err := kinds[i].DropGroup(tenant, "1"); err != nil {
				rt.Fatal(err)
			}
			drops[i]++
			await(t, "the drop to be heard", func() bool { return caches[1-i].Stats().DropsHeard >= drops[i] })
		}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			i := rapid.IntRange(0, 1).Draw(rt, "process")
			switch rapid.SampledFrom([]string{"load", "load", "load", "change", "let go", "age"}).Draw(rt, "step") {
			case "load":
				hold := make(chan struct{})
				held = append(held, hold)
				key := int64(rapid.IntRange(10, 11).Draw(rt, "key"))
				loads = append(loads, load{kinds[i].Load(t.Context(), tenant, []int64{key}, fetchOf(kinds[i], hold))[0], version})
			case "change":
				mu.Lock()
				version++
				mu.Unlock()
				drop(i)
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
				rt.Fatalf("a load that began at version %d is answered with %d", l.atLeast, got)
			}
		}
		await(t, "all to be written", func() bool { return caches[0].Wait() && caches[1].Wait() })
		drop(0)
		for _, key := range recordsIn(t, clients[0]) {
			if strings.HasPrefix(key, fmt.Sprintf("dg:1:%s:", tenant)) {
				rt.Fatalf("a drop of the group left %s", key)
			}
		}
	})
}

// groupOf returns the tens of a key: those below 10 are in no group.
func groupOf(key int64) string {
	if key < 10 {
		return ""
	}
	return fmt.Sprint(key / 10)
}

// newGroupKind is newKind with groups.
func newGroupKind(t testing.TB, c *cache.Cache) *cache.Kind[int64, *contact] {
	t.Helper()
	t.Cleanup(c.Close)
	t.Cleanup(c.Close)
	return newNamedGroupKind(t, c, "contact")
}

func newNamedGroupKind(t testing.TB, c *cache.Cache, name string) *cache.Kind[int64, *contact] {
	t.Helper()
	k, err := cache.NewKind(c, cache.KindOptions[int64, *contact]{Name: name, TTL: ttl, Size: sizeOf, Group: groupOf})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// recordsIn returns the keys of the records that Redis holds.
func recordsIn(t testing.TB, client redis.UniversalClient) (records []string) {
	t.Helper()
	for _, key := range client.Keys(t.Context(), "*").Val() {
		if !strings.HasPrefix(key, "{") {
			records = append(records, key)
		}
	}
	return records
}
