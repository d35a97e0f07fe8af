package cache_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/redis/go-redis/v9"
)

// Processes that have a key in common share what is in Redis. To others it is
// empty, and what they wrote is not read: neither is an error.
func TestRedisSealed(t *testing.T) {
	server := startRedis(t)
	keys := func(words ...string) *cache.Keys {
		for i, word := range words {
			words[i] = hex.EncodeToString([]byte((word + strings.Repeat("-", 32))[:32]))
		}
		k, err := cache.ParseKeys(strings.Join(words, ","))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	s := source{absent: []int64{4}}
	reads := func(name string, k *cache.Keys, want ...string) {
		t.Helper()
		c := patient(cache.Options{Redis: server.client(t), Keys: k})
		t.Log(name)
		check(t, newKind(t, c).Load(t.Context(), "t", []int64{1, 4}, s.fetch), want...)
		c.Wait()
	}
	network, redis := []string{"1 NETWORK", "nil NETWORK"}, []string{"1 REDIS", "nil REDIS"}

	reads("no key yet", nil, network...)
	reads("what is plain is not taken", keys("old"), network...)
	reads("the same key", keys("old"), redis...)
	reads("no key", nil, network...)
	reads("the same key, what is plain written anew", keys("old"), network...)
	reads("rotated: the old key still opens", keys("new", "old"), redis...)
	reads("only the new key", keys("new"), network...)
	reads("rotated: the new key is first", keys("new", "old"), redis...)
	reads("a process that was not restarted yet", keys("old", "new"), redis...)
}

// With keys, nothing of a record can be read in Redis, nor does it count in the
// place of another.
func TestRedisSealedDump(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	secret, err := cache.ParseKeys(strings.Repeat("0e0f", 16))
	if err != nil {
		t.Fatal(err)
	}
	for _, sealed := range []bool{false, true} {
		client.FlushAll(t.Context())
		o := cache.Options{Redis: client}
		if sealed {
			o.Keys = secret
		}
		c := patient(o)
		newKind(t, c).Put(t.Context(), "t", map[int64]*contact{1: {Name: "ada-the-marked"}, 2: {Name: "eve-the-marked"}})
		c.Wait()
		if marked := strings.Contains(dump(t, client), "the-marked"); marked == sealed {
			t.Errorf("sealed %t, and a name can be read: %t", sealed, marked)
		}
	}

	swapped := client.Get(t.Context(), "dg:1:t:contact:2").Val()
	if swapped == "" {
		t.Fatal("there is no record")
	}
	client.Set(t.Context(), "dg:1:t:contact:1", swapped, ttl)
	c := patient(cache.Options{Redis: client, Keys: secret})
	check(t, newKind(t, c).Load(t.Context(), "t", []int64{1, 2}, new(source).fetch), "1 NETWORK", "eve-the-marked REDIS")
}

// dump returns all strings in Redis.
func dump(t *testing.T, client redis.UniversalClient) string {
	t.Helper()
	var all strings.Builder
	for _, key := range client.Keys(t.Context(), "*").Val() {
		all.WriteString(key + " " + client.Get(t.Context(), key).Val() + "\n")
	}
	return all.String()
}
