package cache_test

import (
	"strings"
	"testing"

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
