package cache

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type user struct {
	ID    int64
	Name  string
	Teams []string
}

func newUsers(t *testing.T, ttl, revalidate, keep time.Duration) *Kind[int64, *user] {
	t.Helper()
	c := New(Options{})
	t.Cleanup(c.Close)
	k, err := NewKind(c, KindOptions[int64, *user]{
		Name: "user", TTL: ttl, Revalidate: revalidate, Keep: keep,
		Size: func(u *user) int { return 64 + len(u.Name) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newUsers(t, time.Hour, time.Minute, time.Hour)
		for _, u := range []*user{nil, {}, {ID: 1, Name: "Ada", Teams: []string{"a", "b"}}} {
			want := k.record(u, k.cache.moment())
			wire, err := toWire(want, k.shape, k.encode)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			got := k.revive(string(wire), moment{})
			if got == nil || got.fetched != want.fetched || got.early != want.early || got.fresh != want.fresh ||
				got.stale != want.stale || got.expires != want.expires || got.size != want.size {
				t.Fatalf("%+v comes back as %+v", want, got)
			}
			if diff := cmp.Diff(want.value, got.value, cmp.Transformer("empty", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
				t.Error(diff)
			}
			time.Sleep(time.Until(time.UnixMilli(want.expires)))
			if got := k.revive(string(wire), moment{}); got != nil {
				t.Errorf("%+v comes back after its end", got)
			}
		}
	})
}

// A record lives no longer than it would if this process had fetched it when it was fetched.
func TestWireOfOtherTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long, short := newUsers(t, time.Hour, 0, 0), newUsers(t, time.Minute, 0, 0)
		wire, err := toWire(long.record(&user{}, moment{}), long.shape, long.encode)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		r := short.revive(string(wire), moment{})
		if left := time.Until(time.UnixMilli(r.expires)); left != 36*time.Second {
			t.Errorf("it ends in %s; want 36s, the rest of a minute and its tenth", left)
		}
		time.Sleep(36 * time.Second)
		if short.revive(string(wire), moment{}) != nil {
			t.Error("revived after the longest life of the kind")
		}

		ahead := long.record(&user{}, moment{})
		ahead.fetched += time.Hour.Milliseconds() // by the clock of another machine
		ahead.fresh += time.Hour.Milliseconds()
		ahead.stale += time.Hour.Milliseconds()
		ahead.expires += time.Hour.Milliseconds()
		if wire, err = toWire(ahead, long.shape, long.encode); err != nil {
			t.Fatal(err)
		}
		r = short.revive(string(wire), moment{})
		if left := time.Until(time.UnixMilli(r.expires)); left != 66*time.Second {
			t.Errorf("it ends in %s; want 66s, a minute and its tenth", left)
		}
	})
}

// Whatever Redis answers, it is a record that ends in time, or none.
func TestReviveAnything(t *testing.T) {
	k := newUsers(t, time.Hour, time.Minute, time.Hour)
	longest := func(d time.Duration) int64 { return (d + d/10).Milliseconds() }
	times := rapid.OneOf(rapid.Int64(), rapid.Map(rapid.Int64Range(-1e7, 1e7), func(ms int64) int64 { return time.Now().UnixMilli() + ms }))
	wires := rapid.Custom(func(t *rapid.T) string {
		r := &record{fetched: times.Draw(t, "fetched"), fresh: times.Draw(t, "fresh"), stale: times.Draw(t, "stale"), expires: times.Draw(t, "expires")}
		if rapid.Bool().Draw(t, "there") {
			r.value = &user{Name: rapid.StringMatching(`[a-z]*`).Draw(t, "name")}
		}
		wire, err := toWire(r, k.shape, k.encode)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "spoil") {
			wire[rapid.IntRange(0, len(wire)-1).Draw(t, "byte")] = rapid.Byte().Draw(t, "with")
		}
		return string(wire[:rapid.IntRange(0, len(wire)).Draw(t, "length")])
	})
	rapid.Check(t, func(t *rapid.T) {
		wire := rapid.OneOf(wires, rapid.String()).Draw(t, "wire")
		before := time.Now().UnixMilli()
		r := k.revive(wire, moment{})
		if r == nil {
			return
		}
		now := time.Now().UnixMilli()
		if most := longest(2 * time.Hour); r.expires <= before || r.expires > now+most {
			t.Errorf("%q ends %d ms from now, want 1 to %d", wire, r.expires-now, most)
		}
		if r.stale > r.expires || r.stale > now+longest(time.Hour+time.Minute) {
			t.Errorf("%q is answered at once for %d ms, and kept for %d", wire, r.stale-now, r.expires-now)
		}
		if r.early > r.fresh || r.fresh > r.stale || r.fresh > now+longest(time.Hour) {
			t.Errorf("%q is fresh for %d ms, and answered at once for %d", wire, r.fresh-now, r.stale-now)
		}
		if u, _ := r.value.(*user); r.value != nil && u == nil {
			t.Errorf("%q is a record that is nil", wire)
		}
	})
}
