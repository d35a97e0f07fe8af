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

func newUsers(t *testing.T, ttl time.Duration) *Kind[int64, *user] {
	t.Helper()
	c := New(Options{})
	t.Cleanup(c.Close)
	k, err := NewKind(c, KindOptions[int64, *user]{Name: "user", TTL: ttl, Size: func(u *user) int { return 64 + len(u.Name) }})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newUsers(t, time.Hour)
		for _, u := range []*user{nil, {}, {ID: 1, Name: "Ada", Teams: []string{"a", "b"}}} {
			want := k.record(u)
			wire, err := toWire(want, k.encode)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			got, ok := k.revive(string(wire))
			if !ok || got.fetched != want.fetched || got.expires != want.expires || got.size != want.size {
				t.Errorf("%+v comes back as %+v, %t", want, got, ok)
			}
			if diff := cmp.Diff(want.value, got.value, cmp.Transformer("empty", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
				t.Error(diff)
			}
			time.Sleep(time.UnixMilli(want.expires).Sub(time.Now()))
			if got, ok := k.revive(string(wire)); ok {
				t.Errorf("%+v comes back after its end", got)
			}
		}
	})
}

// A record lives no longer than it would if this process had fetched it when it was fetched.
func TestWireOfOtherTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long, short := newUsers(t, time.Hour), newUsers(t, time.Minute)
		wire, err := toWire(long.record(&user{}), long.encode)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		r, ok := short.revive(string(wire))
		if left := time.Until(time.UnixMilli(r.expires)); !ok || left != 36*time.Second {
			t.Errorf("revived %t, and ends in %s; want 36s, the rest of a minute and its tenth", ok, left)
		}
		time.Sleep(36 * time.Second)
		if _, ok := short.revive(string(wire)); ok {
			t.Error("revived after the longest life of the kind")
		}

		ahead := long.record(&user{})
		ahead.fetched += time.Hour.Milliseconds() // by the clock of another machine
		ahead.expires += time.Hour.Milliseconds()
		if wire, err = toWire(ahead, long.encode); err != nil {
			t.Fatal(err)
		}
		r, ok = short.revive(string(wire))
		if left := time.Until(time.UnixMilli(r.expires)); !ok || left != 66*time.Second {
			t.Errorf("revived %t, and ends in %s; want 66s, a minute and its tenth", ok, left)
		}
	})
}

// Whatever Redis answers, it is a record that ends in time, or none.
func TestReviveAnything(t *testing.T) {
	k := newUsers(t, time.Hour)
	longest := (k.ttl + k.ttl/10).Milliseconds()
	moment := rapid.OneOf(rapid.Int64(), rapid.Map(rapid.Int64Range(-1e7, 1e7), func(ms int64) int64 { return time.Now().UnixMilli() + ms }))
	wires := rapid.Custom(func(t *rapid.T) string {
		r := record{fetched: moment.Draw(t, "fetched"), expires: moment.Draw(t, "expires")}
		if rapid.Bool().Draw(t, "there") {
			r.value = &user{Name: rapid.StringMatching(`[a-z]*`).Draw(t, "name")}
		}
		wire, err := toWire(r, k.encode)
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
		r, ok := k.revive(wire)
		if !ok {
			return
		}
		if now := time.Now().UnixMilli(); r.expires <= before || r.expires > now+longest {
			t.Errorf("%q ends %d ms from now, want 1 to %d", wire, r.expires-now, longest)
		}
		if u, _ := r.value.(*user); r.value != nil && u == nil {
			t.Errorf("%q is a record that is nil", wire)
		}
	})
}
