package cache

import (
	"testing"
	"time"
)

// FuzzWire reads what may stand in Redis, with keys and without. It is a record
// that ends in time, or none; with keys none that was not sealed by one of them.
func FuzzWire(f *testing.F) {
	c := New(Options{})
	f.Cleanup(c.Close)
	k, err := NewKind(c, KindOptions[int64, *user]{Name: "user", TTL: time.Hour, Size: func(u *user) int { return len(u.Name) }})
	if err != nil {
		f.Fatal(err)
	}
	place, keys := fullKey{"t", "user", "1"}, mustKeys(f, 1)
	for _, u := range []*user{nil, {}, {ID: 1, Name: "Ada", Teams: []string{"a"}}} {
		plain, err := toWire(k.record(u, moment{}), k.shape, k.encode)
		if err != nil {
			f.Fatal(err)
		}
		sealed, err := keys.seal(place.String(), plain)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(plain), false)
		f.Add(string(sealed), true)
		f.Add(string(plain), true)
		f.Add(string(sealed), false)
	}
	f.Fuzz(func(t *testing.T, wire string, sealed bool) {
		if sealed {
			opened := mustKeys(t, 2).open(place, wire) // of which nothing here is
			if opened != "" {
				t.Errorf("%q opens to %q", wire, opened)
			}
			wire = keys.open(place, wire)
		}
		r := k.revive(wire, moment{})
		if r == nil {
			return
		}
		now := time.Now().UnixMilli()
		if r.expires > now+(2*time.Hour).Milliseconds() || r.fresh > r.stale || r.stale > r.expires {
			t.Errorf("%q is %+v", wire, r)
		}
	})
}
