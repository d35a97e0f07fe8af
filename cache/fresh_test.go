package cache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/driftgraph/driftgraph/cache"
)

// The times of newStaleKind, beside ttl.
const (
	revalidate = time.Hour
	keep       = 10 * time.Hour
)

// newStaleKind adds the kind contact, whose records are answered when they are
// stale too, and closes the cache with the test.
func newStaleKind(t testing.TB, c *cache.Cache) *cache.Kind[int64, *contact] {
	t.Helper()
	t.Cleanup(c.Close)
	k, err := cache.NewKind(c, cache.KindOptions[int64, *contact]{Name: "contact", TTL: ttl, Revalidate: revalidate, Keep: keep, Size: sizeOf})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var errOutage = errors.New("outage")

// A teller answers with contacts named by what it is told to say.
type teller struct {
	source
	says string
	err  error           // of every key
	ctx  context.Context // of the last call
}

func (s *teller) fetch(ctx context.Context, keys []int64, answer func(int64, *contact, error)) error {
	s.mu.Lock()
	s.ctx = ctx
	s.calls = append(s.calls, fmt.Sprint(keys))
	s.mu.Unlock()
	if s.hold != nil {
		<-s.hold
	}
	for _, key := range keys {
		switch {
		case s.err != nil:
			answer(key, nil, s.err)
		case s.says == "":
			answer(key, nil, nil)
		default:
			answer(key, &contact{Name: s.says}, nil)
		}
	}
	return nil
}

func TestStale(t *testing.T) {
	type name struct{}
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(cache.Options{})
		k := newStaleKind(t, c)
		s := teller{says: "old"}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), name{}, "caller"))
		load := func() []*cache.Future[*contact] { return k.Load(ctx, "t", []int64{1}, s.fetch) }
		check(t, load(), "old NETWORK")
		fetched := time.Now()

		time.Sleep(ttl * 11 / 10)
		s.says, s.hold = "new", make(chan struct{})
		for range 3 {
			fs := load()
			check(t, fs, "old STALE")
			mapped := cache.Map(fs[0], func(c *contact) (string, error) { return c.Name, nil })
			if got := fs[0].Fetched(); !got.Equal(fetched) || !mapped.Fetched().Equal(fetched) || mapped.Source() != cache.Stale {
				t.Errorf("fetched at %s, and mapped %s at %s; want %s", got, mapped.Source(), mapped.Fetched(), fetched)
			}
		}
		cancel()
		synctest.Wait()
		if s.ctx.Value(name{}) != nil || s.ctx.Err() != nil {
			t.Errorf("the refresh has the caller's value %v and end %v", s.ctx.Value(name{}), s.ctx.Err())
		}
		close(s.hold)
		synctest.Wait()
		check(t, load(), "new L1")
		s.asked(t, "[1]", "[1]")
		if got := c.Stats(); got.StaleHits != 3 || got.Refreshes != 1 || got.RefreshErrors != 0 || got.L1Hits != 1 {
			t.Errorf("stats are %+v", got)
		}
	})
}

// A refresh under way is shared by who can wait no longer without it.
func TestStaleEndsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(cache.Options{LoadTimeout: 100 * keep})
		k := newStaleKind(t, c)
		s := teller{says: "old"}
		check(t, k.Load(t.Context(), "t", []int64{1}, s.fetch), "old NETWORK")
		time.Sleep(ttl * 11 / 10)
		s.says, s.hold = "new", make(chan struct{})
		check(t, k.Load(t.Context(), "t", []int64{1}, s.fetch), "old STALE")
		time.Sleep(2 * revalidate)
		fs := k.Load(t.Context(), "t", []int64{1}, s.fetch)
		close(s.hold)
		check(t, fs, "new SHARED")
		s.asked(t, "[1]", "[1]")
	})
}

func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := teller{says: "old"}
		k, load := keptInOutages(t, &s)
		load("old NETWORK")
		fetched := time.Now()
		time.Sleep(ttl + 2*revalidate)
		s.err = errors.New("refused")
		load("refused")
		s.err = errOutage
		time.Sleep(time.Minute)
		fs := k.Load(t.Context(), "t", []int64{1}, s.fetch)
		check(t, fs, "old STALE")
		if got := fs[0].Fetched(); !got.Equal(fetched) {
			t.Errorf("fetched at %s, want %s", got, fetched)
		}
		load("old STALE") // without a call so soon after the last
		s.asked(t, "[1]", "[1]", "[1]")

		time.Sleep(time.Minute)
		s.err, s.says = nil, ""
		load("nil NETWORK") // that there is none is an answer
		load("nil L1")

		s.says = "new"
		time.Sleep(absentTTL * 11 / 10)
		load("new NETWORK")
		s.err = errOutage
		time.Sleep(ttl*11/10 + keep*11/10)
		load("outage")
	})
}

// An error by which no old record may stand in is told to all who ask, however
// soon one after the other.
func TestKeepIsForOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := teller{says: "old"}
		_, load := keptInOutages(t, &s)
		load("old NETWORK")
		time.Sleep(ttl + 2*revalidate)
		s.err = errors.New("refused")
		load("refused")
		load("refused")
		s.err = errOutage
		load("old STALE")
		load("old STALE") // without a call
		time.Sleep(time.Minute)
		s.err = errors.New("refused")
		load("refused")
		load("refused")
		s.asked(t, "[1]", "[1]", "[1]", "[1]", "[1]", "[1]")
	})
}

// keptInOutages returns a kind whose old records stand in while its source is out
// of order, and what loads the first of them and holds it against what is wanted.
func keptInOutages(t *testing.T, s *teller) (k *cache.Kind[int64, *contact], load func(want string)) {
	k = newStaleKind(t, cache.New(cache.Options{Fallback: func(err error) bool { return errors.Is(err, errOutage) }}))
	return k, func(want string) {
		t.Helper()
		check(t, k.Load(t.Context(), "t", []int64{1}, s.fetch), want)
	}
}

// While the source fails, it is asked less and less often.
func TestRefreshBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(cache.Options{})
		k := newStaleKind(t, c)
		s := teller{says: "old"}
		check(t, k.Load(t.Context(), "t", []int64{1}, s.fetch), "old NETWORK")
		time.Sleep(ttl * 11 / 10)
		s.err = errOutage
		for _, pause := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			before := c.Stats().RefreshErrors
			for range 3 {
				check(t, k.Load(t.Context(), "t", []int64{1}, s.fetch), "old STALE")
				synctest.Wait()
			}
			time.Sleep(pause*time.Second - time.Millisecond)
			check(t, k.Load(t.Context(), "t", []int64{1}, s.fetch), "old STALE")
			synctest.Wait()
			if got := c.Stats().RefreshErrors; got != before+1 {
				t.Errorf("%d refreshes failed within %d s, want 1", got-before, pause)
			}
			time.Sleep(time.Millisecond)
		}
	})
}

func TestRefreshAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(cache.Options{})
		k := newStaleKind(t, c)
		s := teller{says: "old"}
		keys := []int64{1, 2}
		check(t, k.Load(t.Context(), "t", keys, s.fetch), "old NETWORK", "old NETWORK")
		for range 3 {
			check(t, k.Load(t.Context(), "t", keys[:1], s.fetch), "old L1")
		}
		check(t, k.Load(t.Context(), "t", keys[1:], s.fetch), "old L1")
		s.says = "new"
		time.Sleep(ttl*9/10*8/10 - time.Millisecond)
		check(t, k.Load(t.Context(), "t", keys[:1], s.fetch), "old L1")
		synctest.Wait()
		s.asked(t, "[1 2]")
		time.Sleep(ttl*9/10 - ttl*9/10*8/10)
		check(t, k.Load(t.Context(), "t", keys[:1], s.fetch), "old L1")
		synctest.Wait()
		check(t, k.Load(t.Context(), "t", keys, s.fetch), "new L1", "old L1")
		synctest.Wait()
		if s.asked(t, "[1 2]", "[1]"); c.Stats().Refreshes != 1 {
			t.Errorf("%d refreshes, want 1", c.Stats().Refreshes)
		}
	})
}

func TestDropInProcess(t *testing.T) {
	c := cache.New(cache.Options{})
	k := newKind(t, c)
	k.Put(t.Context(), "t", map[int64]*contact{1: {Name: "1"}, 2: {Name: "2"}})
	if err := k.Drop("t", 1, 3); err != nil {
		t.Error(err)
	}
	if _, held := k.Peek("t", 1); held {
		t.Error("a record that was dropped is held")
	}
	if _, held := k.Peek("t", 2); !held {
		t.Error("a record that was not dropped is not held")
	}
	k.Put(t.Context(), "t", map[int64]*contact{1: {Name: "again"}})
	if _, held := k.Peek("t", 1); !held {
		t.Error("a record put after the drop is not held")
	}
}

// What began before a drop is answered to those who wait, and to nobody else.
func TestDropDuringLoad(t *testing.T) {
	c := cache.New(cache.Options{})
	k := newKind(t, c)
	before, after := teller{says: "old"}, teller{says: "new"}
	before.hold = make(chan struct{})
	old := k.Load(t.Context(), "t", []int64{1}, before.fetch)
	k.Drop("t", 1)
	after.hold = make(chan struct{})
	fresh := k.Load(t.Context(), "t", []int64{1}, after.fetch)
	close(before.hold)
	check(t, old, "old NETWORK")
	if _, held := k.Peek("t", 1); held {
		t.Error("the old answer is held")
	}
	shared := k.Load(t.Context(), "t", []int64{1}, nil)
	close(after.hold)
	check(t, fresh, "new NETWORK")
	check(t, shared, "new SHARED")
	check(t, k.Load(t.Context(), "t", []int64{1}, nil), "new L1")
}

func TestDropDuringRefresh(t *testing.T) {
	c := cache.New(cache.Options{Fallback: func(error) bool { return true }})
	k := newStaleKind(t, c)
	s := teller{says: "old"}
	check(t, k.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "old NETWORK", "old NETWORK")
	c.Advance(ttl * 11 / 10)
	s.hold = make(chan struct{})
	check(t, k.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "old STALE", "old STALE")
	k.Drop("t", 1)
	close(s.hold)
	c.Wait()
	if _, held := k.Peek("t", 1); held {
		t.Error("the refresh brought a record back that was dropped meanwhile")
	}
	check(t, k.Load(t.Context(), "t", []int64{2}, nil), "old L1")

	// Nor may what was dropped stand in.
	c.Advance(ttl * 11 / 10)
	s.hold, s.err = make(chan struct{}), errOutage
	check(t, k.Load(t.Context(), "t", []int64{2}, s.fetch), "old STALE")
	k.Drop("t", 2)
	close(s.hold)
	check(t, k.Load(t.Context(), "t", []int64{2}, s.fetch), "outage")

	c.Wait()
	s.says, s.hold, s.err = "old", nil, nil
	check(t, k.Load(t.Context(), "t", []int64{3}, s.fetch), "old NETWORK")
	c.Advance(ttl*11/10 + 2*revalidate)
	s.hold, s.err = make(chan struct{}), errOutage
	fs := k.Load(t.Context(), "t", []int64{3}, s.fetch)
	k.Drop("t", 3)
	close(s.hold)
	check(t, fs, "outage")
}

// Nor may what is dropped just as a load begins.
func TestDropAsLoadBegins(t *testing.T) {
	c := cache.New(cache.Options{Fallback: func(error) bool { return true }})
	t.Cleanup(c.Close)
	var k *cache.Kind[int64, *contact]
	k, err := cache.NewKind(c, cache.KindOptions[int64, *contact]{
		Name: "contact", TTL: ttl, Revalidate: revalidate, Keep: keep, Size: sizeOf,
		ID: func(key int64) string {
			if key == 2 { // Load has found 1 by now
				k.Drop("t", 1)
			}
			return fmt.Sprint(key)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := teller{says: "old"}
	check(t, k.Load(t.Context(), "t", []int64{1}, s.fetch), "old NETWORK")
	c.Advance(ttl*11/10 + 2*revalidate)
	s.err = errOutage
	check(t, k.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "outage", "outage")
}

// Of what a list brings, nothing is kept that was dropped since its fetch began.
func TestDropDuringPut(t *testing.T) {
	c := cache.New(cache.Options{})
	k, lists := newKind(t, c), newNamedKind[int64](t, c, "list")
	began, hold := make(chan struct{}), make(chan struct{})
	f := lists.Load(t.Context(), "t", []int64{0}, func(ctx context.Context, _ []int64, answer func(int64, *contact, error)) error {
		close(began)
		<-hold
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		k.Put(ctx, "t", map[int64]*contact{1: {Name: "old"}, 2: {Name: "2"}})
		return nil
	})
	<-began
	k.Drop("t", 1)
	close(hold)
	check(t, f, "nil NETWORK")
	if v, held := k.Peek("t", 1); held {
		t.Errorf("%v is held", v)
	}
	if _, held := k.Peek("t", 2); !held {
		t.Error("what was not dropped is not held")
	}
}

// Nothing is kept of what a list brings when its time is over.
func TestPutTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(cache.Options{LoadTimeout: time.Second})
		k, lists := newKind(t, c), newNamedKind[int64](t, c, "list")
		f := lists.Load(t.Context(), "t", []int64{0}, func(ctx context.Context, _ []int64, _ func(int64, *contact, error)) error {
			<-ctx.Done()
			k.Put(ctx, "t", map[int64]*contact{1: {Name: "late"}})
			return nil
		})
		check(t, f, "cache: list not loaded")
		synctest.Wait()
		if v, held := k.Peek("t", 1); held {
			t.Errorf("%v is held", v)
		}
	})
}

func TestStaleKindRefused(t *testing.T) {
	c := cache.New(cache.Options{})
	t.Cleanup(c.Close)
	for _, o := range []cache.KindOptions[int64, *contact]{
		{Revalidate: -1},
		{Revalidate: time.Hour, Keep: time.Minute},
		{Keep: -1},
	} {
		o.Name, o.TTL, o.Size = "contact", ttl, sizeOf
		if _, err := cache.NewKind(c, o); err == nil || !strings.Contains(err.Error(), "Keep") {
			t.Errorf("Revalidate %s and Keep %s: error is %v", o.Revalidate, o.Keep, err)
		}
	}
}
