package cache_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/cache"
)

const aDay = 24 * time.Hour

// What is buried is absent for every process, also one that starts afterwards, and
// nothing brings it back: no load, no Put, no drop.
func TestBury(t *testing.T) {
	server := startRedis(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	ka, kb := newKind(t, a), newKind(t, b)
	s := teller{says: "old"}
	check(t, ka.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "old NETWORK", "old NETWORK")
	a.Wait()
	check(t, kb.Load(t.Context(), "t", []int64{1, 2}, nil), "old REDIS", "old REDIS")
	if err := ka.Bury("t", aDay, 1); err != nil {
		t.Fatal(err)
	}
	await(t, "the burial to be heard", func() bool { return b.Stats().DropsHeard == 1 })
	late := patient(cache.Options{Redis: server.client(t)})
	kl := newKind(t, late)
	check(t, ka.Load(t.Context(), "t", []int64{1, 2}, nil), "nil L1", "old L1")
	check(t, kb.Load(t.Context(), "t", []int64{1, 2}, nil), "nil L1", "old L1")
	check(t, kl.Load(t.Context(), "t", []int64{1, 2}, nil), "nil REDIS", "old REDIS")
	for _, k := range []*cache.Kind[int64, *contact]{ka, kb, kl} {
		k.Put(t.Context(), "t", map[int64]*contact{1: {Name: "again"}})
		if err := k.Drop("t", 1); err != nil {
			t.Fatal(err)
		}
		if v, held := k.Peek("t", 1); v != nil || !held {
			t.Errorf("what is buried is %v, known %t", v, held)
		}
		check(t, k.Load(t.Context(), "t", []int64{1}, nil), "nil L1")
	}
	unaware := patient(cache.Options{Redis: server.client(t)})
	ku := newKind(t, unaware)
	ku.Put(t.Context(), "t", map[int64]*contact{1: {Name: "again"}}) // of which only Redis knows better
	unaware.Wait()
	check(t, ku.Load(t.Context(), "t", []int64{1}, nil), "nil REDIS")
	if at := ku.Buried(t.Context(), "t", 1, 2); len(at) != 1 || time.Since(at[1]) > time.Hour {
		t.Errorf("buried are %v", at)
	}
	check(t, ka.Load(t.Context(), "u", []int64{1}, s.fetch), "old NETWORK") // another tenant's is not
}

// A burial ends, and then the record is read as any other.
func TestBurialEnds(t *testing.T) {
	server := startRedis(t)
	c := patient(cache.Options{Redis: server.client(t)})
	k := newKind(t, c)
	if err := k.Bury("t", time.Millisecond, 1); err != nil {
		t.Fatal(err)
	}
	c.Advance(time.Hour)
	client := server.client(t)
	await(t, "Redis to let go of it", func() bool { return client.Exists(t.Context(), "dg:1:t:contact:1").Val() == 0 })
	check(t, k.Load(t.Context(), "t", []int64{1}, (&teller{says: "new"}).fetch), "new NETWORK")
	if err := k.Bury("t", aDay, 1); err != nil {
		t.Fatal(err)
	}
	if left := client.PTTL(t.Context(), "dg:1:t:contact:1").Val(); left <= 23*time.Hour || left > aDay {
		t.Errorf("it is buried for %s, want a day", left)
	}
}

// What a load or a refresh brings that was under way, in whichever process, is
// kept by nobody, and answered to nobody.
func TestBuryDuringLoad(t *testing.T) {
	server := startRedis(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	ka, kb := newStaleKind(t, a), newStaleKind(t, b)
	s := teller{says: "old"}
	check(t, ka.Load(t.Context(), "t", []int64{2}, s.fetch), "old NETWORK")
	a.Advance(ttl + ttl/5)
	held := teller{says: "old", source: source{hold: make(chan struct{})}}
	check(t, ka.Load(t.Context(), "t", []int64{2}, held.fetch), "old STALE") // and refreshes it
	load := kb.Load(t.Context(), "t", []int64{1}, held.fetch)
	await(t, "both to be fetched", func() bool { held.mu.Lock(); defer held.mu.Unlock(); return len(held.calls) == 2 })
	if err := ka.Bury("t", aDay, 1, 2); err != nil {
		t.Fatal(err)
	}
	await(t, "the burial to be heard", func() bool { return b.Stats().DropsHeard == 2 })
	close(held.hold)
	check(t, load, "nil NETWORK")
	a.Wait()
	b.Wait()
	check(t, ka.Load(t.Context(), "t", []int64{1, 2}, nil), "nil L1", "nil L1")
	check(t, kb.Load(t.Context(), "t", []int64{1, 2}, nil), "nil L1", "nil L1")
	check(t, newKind(t, patient(cache.Options{Redis: server.client(t)})).Load(t.Context(), "t", []int64{1, 2}, nil), "nil REDIS", "nil REDIS")
}

// A group is buried with all its records, also those that nobody knew.
func TestBuryGroup(t *testing.T) {
	server := startRedis(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	ka, kb := newGroupKind(t, a), newGroupKind(t, b)
	s := teller{says: "old"}
	check(t, ka.Load(t.Context(), "t", []int64{10, 20}, s.fetch), "old NETWORK", "old NETWORK")
	a.Wait()
	held := teller{says: "old", source: source{hold: make(chan struct{})}}
	load := kb.Load(t.Context(), "t", []int64{12}, held.fetch)
	await(t, "it to be fetched", func() bool { return b.Stats().Misses == 1 })
	if err := ka.BuryGroup("t", aDay, "1"); err != nil {
		t.Fatal(err)
	}
	await(t, "the burial to be heard", func() bool { return b.Stats().DropsHeard == 1 })
	close(held.hold)
	check(t, load, "nil NETWORK")
	b.Wait()
	late := patient(cache.Options{Redis: server.client(t)})
	kl := newGroupKind(t, late)
	kl.Put(t.Context(), "t", map[int64]*contact{13: {Name: "again"}}) // of which only Redis knows better
	late.Wait()
	check(t, kl.Load(t.Context(), "t", []int64{10, 11, 12, 13, 20}, nil), "nil REDIS", "nil REDIS", "nil REDIS", "nil REDIS", "old REDIS")
	check(t, kb.Load(t.Context(), "t", []int64{10, 11, 20}, nil), "nil L1", "nil L1", "old REDIS")
	if got := recordsIn(t, server.client(t)); !slices.Equal(got, []string{"dg:1:t:contact:20"}) {
		t.Errorf("Redis holds %q, want only what is not buried", got)
	}
	await(t, "the leases of what is buried to be given back", func() bool { return late.Leases() == 0 })
}

// A burial that Redis refused holds in the process, and is made up for.
func TestBurialIsMadeUpFor(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	quiet := slog.New(slog.DiscardHandler)
	a, b := patient(cache.Options{Redis: server.client(t), Log: quiet}), patient(cache.Options{Redis: server.client(t), Log: quiet})
	ka, kb := newKind(t, a), newKind(t, b)
	check(t, ka.Load(t.Context(), "t", []int64{1}, (&teller{says: "old"}).fetch), "old NETWORK")
	a.Wait()
	client.Do(t.Context(), "replicaof", "127.0.0.1", "1") // from now on it can only be read
	b.AwaitHearing()
	if err := ka.Bury("t", aDay, 1); !errors.Is(err, cache.ErrNotTold) {
		t.Fatalf("error is %v, want ErrNotTold", err)
	}
	check(t, ka.Load(t.Context(), "t", []int64{1}, nil), "nil L1")
	await(t, "the burial to be heard", func() bool { return b.Stats().DropsHeard > 0 })
	check(t, kb.Load(t.Context(), "t", []int64{1}, nil), "nil L1")
	client.Do(t.Context(), "replicaof", "no", "one")
	await(t, "the burial to be in Redis", func() bool { return strings.HasPrefix(client.Get(t.Context(), "dg:1:t:contact:1").Val(), "\x03\x02") })
	kc := newKind(t, patient(cache.Options{Redis: server.client(t), Log: quiet}))
	check(t, kc.Load(t.Context(), "t", []int64{1}, nil), "nil ") // by Redis, or as it has heard another tell it again
}

// A Redis that comes back with nothing is told of what is buried.
func TestBurialOutlivesRedis(t *testing.T) {
	server := startRedis(t)
	quiet := slog.New(slog.DiscardHandler)
	a := patient(cache.Options{Redis: server.client(t), Log: quiet})
	ka, groups := newKind(t, a), newNamedGroupKind(t, a, "list")
	if err := errors.Join(ka.Bury("t", aDay, 1), groups.BuryGroup("t", aDay, "1")); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	clears := a.Stats().L1Clears
	server.Restart(t)
	await(t, "Redis to be heard again", func() bool { return a.Stats().L1Clears > clears })
	client := server.client(t)
	await(t, "it to be told", func() bool {
		return client.Exists(t.Context(), "dg:1:t:contact:1", "{dg:1:t:list:1}:buried").Val() == 2
	})
	b := patient(cache.Options{Redis: server.client(t), Log: quiet})
	check(t, newKind(t, b).Load(t.Context(), "t", []int64{1}, nil), "nil REDIS")
	check(t, newNamedGroupKind(t, b, "list").Load(t.Context(), "t", []int64{10}, nil), "nil REDIS")
}

// A process that learns from Redis what it has not heard, that a record or its group
// is buried, no longer answers what it holds of it.
func TestBurialIsLearned(t *testing.T) {
	server := startRedis(t)
	a, b := patient(cache.Options{Redis: server.client(t)}), patient(cache.Options{Redis: server.client(t)})
	contacts, kb := newStaleKind(t, a), newStaleKind(t, b)
	var lists [2]*cache.Kind[int64, *contact]
	for i, c := range []*cache.Cache{a, b} {
		k, err := cache.NewKind(c, cache.KindOptions[int64, *contact]{Name: "list", TTL: ttl, Revalidate: revalidate, Group: groupOf, Size: sizeOf})
		if err != nil {
			t.Fatal(err)
		}
		lists[i] = k
	}
	s := teller{says: "old"}
	check(t, contacts.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "old NETWORK", "old NETWORK")
	check(t, lists[0].Load(t.Context(), "t", []int64{10, 11}, s.fetch), "old NETWORK", "old NETWORK")
	a.Wait()
	a.StopHearing()
	if err := errors.Join(kb.Bury("t", cache.LongestBurial, 1, 2), lists[1].BuryGroup("t", cache.LongestBurial, groupOf(10))); err != nil {
		t.Fatal(err)
	}
	if got := contacts.Buried(t.Context(), "t", 2); len(got) != 1 {
		t.Errorf("buried are %v, want 2", got)
	}
	check(t, contacts.Load(t.Context(), "t", []int64{2}, nil), "nil L1")

	a.Advance(ttl * 11 / 10)
	contacts.Load(t.Context(), "t", []int64{1}, s.fetch) // which has it refreshed
	lists[0].Load(t.Context(), "t", []int64{10}, s.fetch)
	a.Wait()
	check(t, contacts.Load(t.Context(), "t", []int64{1}, nil), "nil L1")
	check(t, lists[0].Load(t.Context(), "t", []int64{10, 11}, nil), "nil L1", "nil L1")
}

// What has a trait is dropped wherever it is, and what was under way to be kept
// with it is not.
func TestDropTrait(t *testing.T) {
	server := startRedis(t)
	var caches []*cache.Cache
	var kinds []*cache.Kind[int64, *contact]
	for range 2 {
		c := patient(cache.Options{Redis: server.client(t)})
		t.Cleanup(c.Close)
		k, err := cache.NewKind(c, cache.KindOptions[int64, *contact]{Name: "contact", TTL: ttl, Size: sizeOf, Trait: func(_ cache.Tenant, c *contact) string {
			return strings.ToLower(c.Name)
		}})
		if err != nil {
			t.Fatal(err)
		}
		caches, kinds = append(caches, c), append(kinds, k)
	}
	client := server.client(t)
	kinds[0].Put(t.Context(), "t", map[int64]*contact{1: {Name: "Maya"}, 2: {Name: "Other"}})
	kinds[0].Put(t.Context(), "u", map[int64]*contact{1: {Name: "Maya"}})
	caches[0].Wait()
	kinds[1].Put(t.Context(), "t", map[int64]*contact{3: {Name: "maya"}})
	caches[1].Wait()
	client.Del(t.Context(), "dg:1:t:contact:3") // as if evicted: only the other process has it
	client.RPush(t.Context(), "dg:1:t:contact:no-record", "maya")
	held := teller{says: "Maya", source: source{hold: make(chan struct{})}}
	load := kinds[1].Load(t.Context(), "t", []int64{4}, held.fetch)
	await(t, "it to be fetched", func() bool { return caches[1].Stats().Misses == 1 })

	found, err := kinds[0].DropTrait(t.Context(), "t", "maya")
	if err != nil || len(found) != 1 || found[0].Name != "Maya" {
		t.Errorf("found are %v, %v; want one", found, err)
	}
	await(t, "the other to hear of it", func() bool { _, held := kinds[1].Peek("t", 3); return !held })
	close(held.hold)
	check(t, load, "Maya NETWORK")
	caches[1].Wait()
	client.Del(t.Context(), "dg:1:t:contact:no-record")
	got := recordsIn(t, client)
	slices.Sort(got)
	if want := []string{"dg:1:t:contact:2", "dg:1:u:contact:1"}; !slices.Equal(got, want) {
		t.Errorf("Redis holds %q, want %q", got, want)
	}
	for key, want := range map[int64]bool{1: false, 2: true, 3: false, 4: false} {
		_, held := kinds[0].Peek("t", key)
		_, other := kinds[1].Peek("t", key)
		if held != want || other {
			t.Errorf("%d is held %t by the one, %t by the other", key, held, other)
		}
	}
	if _, err := newNamedKind[int64](t, caches[0], "list").DropTrait(context.Background(), "t", "maya"); err == nil {
		t.Error("a kind without a trait drops one")
	}
}

// No load that begins after a trait was dropped is answered by one from before.
func TestDropTraitDuringLoad(t *testing.T) {
	c := cache.New(cache.Options{})
	t.Cleanup(c.Close)
	k, err := cache.NewKind(c, cache.KindOptions[int64, *contact]{Name: "contact", TTL: ttl, Size: sizeOf, Trait: func(_ cache.Tenant, c *contact) string { return c.Name }})
	if err != nil {
		t.Fatal(err)
	}
	held := teller{says: "maya", source: source{hold: make(chan struct{})}}
	before := k.Load(t.Context(), "t", []int64{1}, held.fetch)
	if _, err := k.DropTrait(t.Context(), "t", "maya"); err != nil {
		t.Fatal(err)
	}
	after := k.Load(t.Context(), "t", []int64{1}, new(source).fetch)
	close(held.hold)
	check(t, before, "maya NETWORK")
	check(t, after, "1 NETWORK")
}
