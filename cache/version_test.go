package cache_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/cache"
)

// TestVersions has this version share a Redis with one that names its records by
// another version, and with one that lays them out otherwise under the same name:
// what either has written is never taken for a record of this version, what is
// named otherwise is left as it is, and of what both may say of drops that is
// heard which is understood.
func TestVersions(t *testing.T) {
	client := startRedis(t).client(t)
	c := patient(cache.Options{Redis: client})
	k := newKind(t, c)
	s := new(source)
	check(t, k.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "1 NETWORK", "2 NETWORK")
	c.Wait()

	// Every key of this version gets one of the next beside it, of the same text.
	keys := client.Keys(t.Context(), "dg:1:*").Val()
	others := map[string]string{}
	for _, key := range keys {
		if client.Type(t.Context(), key).Val() != "string" {
			continue
		}
		other := "dg:2:" + strings.TrimPrefix(key, "dg:1:")
		others[other] = "of another version"
		if err := client.Set(t.Context(), other, others[other], 0).Err(); err != nil {
			t.Fatal(err)
		}
		// And what stands under its own name is as a future version lays it out.
		value := []byte(client.Get(t.Context(), key).Val())
		value[0] = 200
		if err := client.Set(t.Context(), key, value, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if len(others) < 2 {
		t.Fatalf("Redis holds %v, want two records at least", keys)
	}
	second := patient(cache.Options{Redis: client})
	check(t, newKind(t, second).Load(t.Context(), "t", []int64{1, 2}, s.fetch), "1 NETWORK", "2 NETWORK")
	second.Wait()

	// What another version says of drops, in words that are not known here, does no
	// harm; a line among them that is understood is heard.
	held := func(key int64) bool { _, held := k.Peek("t", key); return held }
	check(t, k.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "1 L1", "2 L1")
	for _, message := range []string{
		"", "\n", "another", "another\n\x00\xff", "another\ndg:2:t:contact:1", "another\nbury all\ndg:1:t:nothing:1\ndg:1:t", "{\"drop\":[1]}",
		"another\nwhat nobody knows\ndg:1:t:contact:2\ngroup dg:9:t:contact:1",
	} {
		if err := client.Publish(t.Context(), "dg:1:drops", message).Err(); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the drop to be heard", func() bool { return !held(2) })
	if !held(1) {
		t.Error("what was not dropped is forgotten")
	}
	if err := k.Drop("t", 1); err != nil {
		t.Fatal(err)
	}
	for other, want := range others {
		if got := client.Get(t.Context(), other).Val(); got != want {
			t.Errorf("%s of another version became %q", other, got)
		}
	}
}

// TestShapes has two versions share a Redis that say the same kind is of different
// types, as when a field is added: neither answers what the other wrote, whether
// it is encrypted or not, one replica of a version loads a record for the others
// of it, and what one version drops, buries or drops by its trait, the other does
// not answer.
func TestShapes(t *testing.T) {
	for _, secret := range []string{"", strings.Repeat("5a0f", 16)} {
		server := startRedis(t)
		s := new(source)
		var keys *cache.Keys
		if secret != "" {
			var err error
			if keys, err = cache.ParseKeys(secret); err != nil {
				t.Fatal(err)
			}
		}
		open := func() *cache.Cache {
			c := patient(cache.Options{Redis: server.client(t), Keys: keys})
			t.Cleanup(c.Close)
			return c
		}
		trait := func(cache.Tenant, *contact) string { return "everybody" }
		old := open()
		o, err := cache.NewKind(old, cache.KindOptions[int64, *contact]{Name: "contact", TTL: ttl, Size: sizeOf, Trait: trait})
		if err != nil {
			t.Fatal(err)
		}
		// The field that is new is what the older version knows by another name.
		type newer struct{ Name, Phone string }
		var calls atomic.Int64
		fetch := func(_ context.Context, keys []int64, answer func(int64, *newer, error)) error {
			calls.Add(int64(len(keys)))
			for _, key := range keys {
				answer(key, &newer{fmt.Sprint(key), "555"}, nil)
			}
			return nil
		}
		var replicas []*cache.Cache
		var kinds []*cache.Kind[int64, *newer]
		for range 2 {
			c := open()
			k, err := cache.NewKind(c, cache.KindOptions[int64, *newer]{Name: "contact", TTL: ttl, Size: func(*newer) int { return 16 }})
			if err != nil {
				t.Fatal(err)
			}
			replicas, kinds = append(replicas, c), append(kinds, k)
		}
		all := []int64{1, 2, 3}
		check(t, o.Load(t.Context(), "t", all, s.fetch), "1 NETWORK", "2 NETWORK", "3 NETWORK")
		old.Wait()
		for i, source := range []cache.Source{cache.Network, cache.Redis} {
			for _, f := range kinds[i].Load(t.Context(), "t", all, fetch) {
				if v, err := f.Wait(t.Context()); err != nil || v == nil || v.Phone != "555" || f.Source() != source {
					t.Errorf("the replica %d answers %+v from %s, %v; want it from %s", i, v, f.Source(), err, source)
				}
			}
			replicas[i].Wait()
		}
		if n := calls.Load(); n != 3 {
			t.Errorf("the newer version fetches %d records, want 3", n)
		}
		if v := o.Known("u", 1); v != nil {
			t.Errorf("another tenant knows %+v", v)
		}

		held := func(k *cache.Kind[int64, *newer], key int64) bool {
			v, held := k.Peek("t", key)
			return held && v != nil
		}
		if err := o.Drop("t", 1); err != nil {
			t.Fatal(err)
		}
		if err := o.Bury("t", time.Hour, 2); err != nil {
			t.Fatal(err)
		}
		for _, k := range kinds {
			await(t, "the other version to hear of it", func() bool { return !held(k, 1) && !held(k, 2) })
			if v := k.Known("t", 1); v != nil || !held(k, 3) {
				t.Errorf("1 is known as %+v, and 3 is held %t", v, held(k, 3))
			}
		}
		fresh := open() // which has heard nothing
		k, err := cache.NewKind(fresh, cache.KindOptions[int64, *newer]{Name: "contact", TTL: ttl, Size: func(*newer) int { return 16 }})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []cache.Source{cache.Network, cache.Redis, cache.Redis} {
			f := k.Load(t.Context(), "t", all[i:i+1], fetch)[0]
			if v, err := f.Wait(t.Context()); err != nil || (v == nil) != (i == 1) || f.Source() != want {
				t.Errorf("after the drops %d is %+v from %s, %v; want it from %s", i+1, v, f.Source(), err, want)
			}
		}
		fresh.Wait()

		// What the older version cannot read may be of whom it is to forget.
		if _, err := o.DropTrait(t.Context(), "t", "everybody"); err != nil {
			t.Fatal(err)
		}
		if got, want := recordsIn(t, server.client(t)), []string{"dg:1:t:contact:2"}; !slices.Equal(got, want) {
			t.Errorf("Redis holds %q, want the grave %q", got, want)
		}
		await(t, "the other version to hear of it", func() bool { return !held(kinds[0], 3) })
	}
}
