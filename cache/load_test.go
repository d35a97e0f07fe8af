package cache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/driftgraph/driftgraph/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLoad(t *testing.T) {
	k := newKind(t, cache.New(cache.Options{}))
	var s source
	check(t, k.Load(t.Context(), "t", []int64{3, 1, 2}, s.fetch), "3 NETWORK", "1 NETWORK", "2 NETWORK")
	check(t, k.Load(t.Context(), "t", []int64{2, 4, 2, 3}, s.fetch), "2 L1", "4 NETWORK", "2 L1", "3 L1")
	check(t, k.Load(t.Context(), "t", []int64{5, 6, 5}, s.fetch), "5 NETWORK", "6 NETWORK", "5 NETWORK")
	check(t, k.Load(t.Context(), "t", nil, s.fetch))
	s.asked(t, "[3 1 2]", "[4]", "[5 6]")
}

func TestLoadAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKind(t, cache.New(cache.Options{}))
		s := source{absent: []int64{1, 2}, nils: []int64{2}}
		check(t, k.Load(t.Context(), "t", []int64{1, 2, 3}, s.fetch), "nil NETWORK", "nil NETWORK", "3 NETWORK")
		check(t, k.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "nil L1", "nil L1")
		if v, held := k.Peek("t", 1); v != nil || !held {
			t.Errorf("Peek of an absent record: %v, %t", v, held)
		}
		time.Sleep(absentTTL * 11 / 10)
		check(t, k.Load(t.Context(), "t", []int64{1, 2, 3}, s.fetch), "nil NETWORK", "nil NETWORK", "3 L1")
		s.asked(t, "[1 2 3]", "[1 2]")
	})
}

func TestLoadErrors(t *testing.T) {
	k := newKind(t, cache.New(cache.Options{}))
	s := source{refused: []int64{2}, absent: []int64{4}, err: errors.New("no more calls")}
	for range 2 {
		check(t, k.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "1", "2 is refused")
		check(t, k.Load(t.Context(), "t", []int64{3, 4}, s.fetch), "3", "no more calls")
	}
	s.err, s.refused = nil, nil
	check(t, k.Load(t.Context(), "t", []int64{1, 2, 3, 4}, s.fetch), "1 L1", "2 NETWORK", "3 L1", "nil NETWORK")
	s.asked(t, "[1 2]", "[3 4]", "[2]", "[4]", "[2 4]")
}

// Only the first answer to a key counts, and only those to keys that were asked.
func TestLoadAnswers(t *testing.T) {
	k := newKind(t, cache.New(cache.Options{}))
	fs := k.Load(t.Context(), "t", []int64{1, 2}, func(_ context.Context, _ []int64, answer func(int64, *contact, error)) error {
		var all sync.WaitGroup
		for key := range int64(4) {
			all.Go(func() {
				answer(key, &contact{Name: fmt.Sprint(key)}, nil)
				answer(key, &contact{Name: "again"}, nil)
				answer(key, nil, errBroken)
			})
		}
		all.Wait()
		return errBroken
	})
	check(t, fs, "1 NETWORK", "2 NETWORK")
	if _, held := k.Peek("t", 3); held {
		t.Error("an answer that was not asked for is kept")
	}
}

// Of answers to one key at the same time too, one counts: for who waits, and for the cache.
func TestLoadAnswersAtOnce(t *testing.T) {
	k := newKind(t, cache.New(cache.Options{}))
	for key := range int64(200) {
		f := k.Load(t.Context(), "t", []int64{key}, func(_ context.Context, _ []int64, answer func(int64, *contact, error)) error {
			var all sync.WaitGroup
			for name := range 4 {
				all.Go(func() { answer(key, &contact{Name: fmt.Sprint(name)}, nil) })
			}
			all.Wait()
			return nil
		})[0]
		answered := make(chan *contact, 1)
		f.Then(func() {
			v, _ := f.Result()
			answered <- v
		})
		first := <-answered
		if v, err := f.Wait(t.Context()); v != first || err != nil {
			t.Errorf("%d was %v, and is %v, %v", key, first, v, err)
		}
		if v, _ := k.Peek("t", key); v != first {
			t.Errorf("%d is answered with %v, and kept as %v", key, first, v)
		}
	}
}

// Who is told of an error can load anew.
func TestLoadAfterError(t *testing.T) {
	k := newKind(t, cache.New(cache.Options{}))
	s := source{hold: make(chan struct{}), refused: []int64{1}}
	f := k.Load(t.Context(), "t", []int64{1}, s.fetch)
	again := make(chan []*cache.Future[*contact], 1)
	f[0].Then(func() { again <- k.Load(t.Context(), "t", []int64{1}, new(source).fetch) })
	close(s.hold)
	check(t, f, "1 is refused")
	check(t, <-again, "1 NETWORK")
}

func TestLoadShares(t *testing.T) {
	c := cache.New(cache.Options{})
	k := newKind(t, c)
	s := source{hold: make(chan struct{})}
	first := k.Load(t.Context(), "t", []int64{1, 2}, s.fetch)
	var loads sync.WaitGroup
	for range 100 {
		loads.Go(func() {
			check(t, k.Load(t.Context(), "t", []int64{2}, s.fetch), "2 SHARED")
		})
	}
	for c.Stats().Shared < 100 {
		runtime.Gosched()
	}
	close(s.hold)
	loads.Wait()
	check(t, first, "1 NETWORK", "2 NETWORK")
	s.asked(t, "[1 2]")

	want := cache.Stats{Misses: 2, Shared: 100}
	if got := c.Stats(); got.Misses != want.Misses || got.Shared != want.Shared || got.L1Hits != want.L1Hits {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
}

// Errors are shared by those who wait, and by nobody else.
func TestLoadSharesErrors(t *testing.T) {
	k := newKind(t, cache.New(cache.Options{}))
	s := source{hold: make(chan struct{}), refused: []int64{1}}
	a, b := k.Load(t.Context(), "t", []int64{1}, s.fetch), k.Load(t.Context(), "t", []int64{1}, s.fetch)
	close(s.hold)
	check(t, a, "1 is refused")
	check(t, b, "1 is refused")
	s.refused = nil
	check(t, k.Load(t.Context(), "t", []int64{1}, s.fetch), "1 NETWORK")
	s.asked(t, "[1]", "[1]")
}

// Between the end of a load and its record being held, no other load begins.
func TestLoadFetchesOnce(t *testing.T) {
	k := newKind(t, cache.New(cache.Options{}))
	const keys = 300
	var fetched [keys]atomic.Int32
	fetch := func(_ context.Context, keys []int64, answer func(int64, *contact, error)) error {
		for _, key := range keys {
			fetched[key].Add(1)
			if key%3 > 0 { // the others are absent
				answer(key, &contact{}, nil)
			}
		}
		return nil
	}
	var loads sync.WaitGroup
	for worker := range 8 {
		loads.Go(func() {
			for i := range keys {
				key := int64(i+worker) % keys
				for _, f := range k.Load(t.Context(), "t", []int64{key, (key + 7) % keys}, fetch) {
					if _, err := f.Wait(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	loads.Wait()
	for key := range fetched {
		if n := fetched[key].Load(); n != 1 {
			t.Errorf("%d is fetched %d times", key, n)
		}
	}
}

// A load that ends just as another begins is not made again.
func TestLoadEndsMeanwhile(t *testing.T) {
	c := cache.New(cache.Options{})
	t.Cleanup(c.Close)
	var k *cache.Kind[int64, *contact]
	k, err := cache.NewKind(c, cache.KindOptions[int64, *contact]{
		Name: "contact",
		TTL:  ttl,
		Size: sizeOf,
		ID: func(key int64) string {
			if key == 2 { // Load has looked for 1 by now
				k.Put(t.Context(), "t", map[int64]*contact{1: {Name: "1"}})
			}
			return fmt.Sprint(key)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var s source
	check(t, k.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "1 L1", "2 NETWORK")
	s.asked(t, "[2]")
}

func TestLoadOutlivesCaller(t *testing.T) {
	type name struct{}
	k := newKind(t, cache.New(cache.Options{}))
	hold := make(chan struct{})
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), name{}, "first"))
	fetch := func(ctx context.Context, keys []int64, answer func(int64, *contact, error)) error {
		<-hold
		answer(1, &contact{Name: fmt.Sprint(ctx.Value(name{}), " ", ctx.Err())}, nil)
		return nil
	}
	first := k.Load(ctx, "t", []int64{1}, fetch)[0]
	second := k.Load(t.Context(), "t", []int64{1}, nil)[0]
	cancel()
	if _, err := first.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("caller who cancelled: %v", err)
	}
	close(hold)
	if v, err := second.Wait(t.Context()); err != nil || v.Name != "first <nil>" {
		t.Errorf("other caller: %v, %v; want the value of the first's context, not its end", v, err)
	}
}

func TestLoadTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(cache.Options{LoadTimeout: time.Second})
		k := newKind(t, c)
		hold, late := make(chan struct{}), make(chan struct{})
		deaf := func(ctx context.Context, keys []int64, answer func(int64, *contact, error)) error {
			answer(1, &contact{Name: "1"}, nil)
			<-hold
			answer(2, &contact{Name: "late"}, nil)
			close(late)
			return nil
		}
		var s source
		begun := time.Now()
		fs := k.Load(t.Context(), "t", []int64{1, 2, 3}, deaf)
		check(t, fs[:1], "1 NETWORK")
		for _, f := range fs[1:] {
			if v, err := f.Wait(t.Context()); v != nil || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after the timeout: %v, %v", v, err)
			}
		}
		if got := time.Since(begun); got != time.Second {
			t.Errorf("the timeout took %s", got)
		}
		if c.Wait() {
			t.Error("Wait says that a fetch which hangs has ended")
		}
		close(hold)
		<-late
		if !c.Wait() {
			t.Error("Wait says that something goes on")
		}
		// The late answer is dropped, and the one that never came is not taken for absence.
		check(t, k.Load(t.Context(), "t", []int64{1, 2, 3}, s.fetch), "1 L1", "2 NETWORK", "3 NETWORK")
	})
}

// What a fetch that heeds its timeout has not answered is not taken for absent.
func TestLoadTimeoutHeeded(t *testing.T) {
	k := newKind(t, cache.New(cache.Options{LoadTimeout: time.Millisecond}))
	fetch := func(ctx context.Context, _ []int64, _ func(int64, *contact, error)) error {
		for ctx.Err() == nil { // to be back before the timeout has failed the key
		}
		return nil
	}
	for key := range int64(100) {
		if v, err := k.Load(t.Context(), "t", []int64{key}, fetch)[0].Wait(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("after the timeout: %v, %v", v, err)
		}
	}
}

func TestLoadSurvivesFetch(t *testing.T) {
	ends := map[string]func(){
		"panic":  func() { panic("out of range") },
		"Goexit": runtime.Goexit,
		"nil":    nil,
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			c := cache.New(cache.Options{Log: slog.New(slog.DiscardHandler)})
			k := newKind(t, c)
			var fetch cache.Fetch[int64, *contact]
			want := []string{"cache: fetch of contact", "cache: fetch of contact"}
			if end != nil {
				fetch = func(_ context.Context, _ []int64, answer func(int64, *contact, error)) error {
					answer(1, &contact{Name: "1"}, nil)
					end()
					return nil
				}
				want[0] = "1 NETWORK"
			}
			var s source
			check(t, k.Load(t.Context(), "t", []int64{1, 2}, fetch), want...)
			if !c.Wait() {
				t.Error("something still goes on")
			}
			check(t, k.Load(t.Context(), "t", []int64{2}, s.fetch), "2 NETWORK")
		})
	}
}

// No tenant and no kind is ever answered with what another was.
func TestLoadSeparates(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := cache.New(cache.Options{})
		defer c.Close()
		kinds := make(map[string]*cache.Kind[string, *contact])
		for _, name := range []string{"contact", "contact:", "user", "con"} {
			kinds[name] = newNamedKind[string](t, c, name)
		}
		part := rapid.StringMatching(`[a:%]{0,3}`)
		type load struct {
			want string
			f    *cache.Future[*contact]
		}
		var loads []load
		hold := make(chan struct{})
		for range rapid.IntRange(1, 30).Draw(rt, "loads") {
			tenant, id := cache.Tenant(part.Draw(rt, "tenant")), part.Draw(rt, "id")
			name := rapid.SampledFrom(slices.Sorted(maps.Keys(kinds))).Draw(rt, "kind")
			want := fmt.Sprintf("%q %q %q", tenant, name, id)
			if rapid.Bool().Draw(rt, "put") {
				kinds[name].Put(t.Context(), tenant, map[string]*contact{id: {Name: want}})
			}
			fs := kinds[name].Load(t.Context(), tenant, []string{id}, func(_ context.Context, keys []string, answer func(string, *contact, error)) error {
				<-hold
				answer(keys[0], &contact{Name: want}, nil)
				return nil
			})
			loads = append(loads, load{want, fs[0]})
		}
		close(hold)
		for _, l := range loads {
			if v, err := l.f.Wait(t.Context()); err != nil || v.Name != l.want {
				rt.Errorf("load of %s: %v, %v", l.want, v, err)
			}
		}
	})
}

func TestPut(t *testing.T) {
	k := newKind(t, cache.New(cache.Options{}))
	k.Put(t.Context(), "t", map[int64]*contact{1: {Name: "old"}})
	k.Put(t.Context(), "t", map[int64]*contact{1: {Name: "1"}, 2: nil})
	var s source
	check(t, k.Load(t.Context(), "t", []int64{1, 2}, s.fetch), "1 L1", "nil L1")
	if v, held := k.Peek("t", 1); !held || v.Name != "1" {
		t.Errorf("Peek: %v, %t", v, held)
	}
	if v, held := k.Peek("t", 3); held {
		t.Errorf("Peek of what was never put: %v", v)
	}
	s.asked(t)
}

// Records that came together do not go together, and all go in time.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKind(t, cache.New(cache.Options{}))
		records := make(map[int64]*contact)
		for key := range int64(1000) {
			records[key] = &contact{}
		}
		k.Put(t.Context(), "t", records)
		held := func() (n int) {
			for key := range records {
				if _, held := k.Peek("t", key); held {
					n++
				}
			}
			return n
		}
		time.Sleep(ttl*9/10 - time.Millisecond)
		if got := held(); got != 1000 {
			t.Errorf("%d of 1000 are held before nine tenths of the TTL", got)
		}
		time.Sleep(ttl / 10)
		if got := held(); got < 300 || got > 700 {
			t.Errorf("%d of 1000 are held at the TTL, want about half", got)
		}
		time.Sleep(ttl/10 + 2*time.Millisecond)
		if got := held(); got != 0 {
			t.Errorf("%d of 1000 are held after eleven tenths of the TTL", got)
		}
	})
}

func TestShortestTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(cache.Options{})
		t.Cleanup(c.Close)
		k, err := cache.NewKind(c, cache.KindOptions[int64, *contact]{Name: "contact", TTL: 1, Size: sizeOf})
		if err != nil {
			t.Fatal(err)
		}
		k.Put(t.Context(), "t", map[int64]*contact{1: {}})
		time.Sleep(2 * time.Millisecond)
		if _, held := k.Peek("t", 1); held {
			t.Error("a record with a TTL of 1 ns is held for ever")
		}
	})
}

func TestBytes(t *testing.T) {
	const bytes = 1 << 20
	c := cache.New(cache.Options{Bytes: bytes})
	k := newKind(t, c)
	for key := range int64(2000) {
		k.Put(t.Context(), "t", map[int64]*contact{key: {Name: strings.Repeat("x", int(key))}})
	}
	// The tier makes room in the background, but soon.
	for begun := time.Now(); c.Stats().Bytes > bytes; runtime.Gosched() {
		if time.Since(begun) > time.Minute {
			t.Fatalf("%d bytes are held, %d allowed", c.Stats().Bytes, bytes)
		}
	}
	if got := c.Stats().Bytes; got < bytes/2 {
		t.Errorf("only %d bytes are held of %d", got, bytes)
	}

	k.Put(t.Context(), "u", map[int64]*contact{1: {Name: "small"}})
	k.Put(t.Context(), "u", map[int64]*contact{1: {Name: strings.Repeat("x", bytes/8)}})
	if v, held := k.Peek("u", 1); held {
		t.Errorf("a record of %d bytes is held, or one that it replaced", len(v.Name))
	}
}

func TestNoMemory(t *testing.T) {
	c := cache.New(cache.Options{Bytes: -1})
	k := newKind(t, c)
	s := source{hold: make(chan struct{})}
	k.Put(t.Context(), "t", map[int64]*contact{1: {}})
	a, b := k.Load(t.Context(), "t", []int64{1}, s.fetch), k.Load(t.Context(), "t", []int64{1}, s.fetch)
	close(s.hold)
	check(t, a, "1 NETWORK")
	check(t, b, "1 SHARED")
	check(t, k.Load(t.Context(), "t", []int64{1}, s.fetch), "1 NETWORK")
	s.asked(t, "[1]", "[1]")
	if got := c.Stats().Bytes; got != 0 {
		t.Errorf("%d bytes are held", got)
	}
}

func TestKindIDs(t *testing.T) {
	type number int32
	type text string
	c := cache.New(cache.Options{})
	t.Cleanup(c.Close)
	testIDs(t, c, "number", []number{-1 << 31, -1, 0, 1, 1<<31 - 1})
	testIDs(t, c, "uint64", []uint64{0, 1, 1<<64 - 1})
	testIDs(t, c, "text", []text{"", "0", "00", ":", "é"})
}

// testIDs checks that each key has a record of its own.
func testIDs[K comparable](t *testing.T, c *cache.Cache, name string, keys []K) {
	t.Helper()
	k := newNamedKind[K](t, c, name)
	for _, key := range keys {
		k.Put(t.Context(), "t", map[K]*contact{key: {Name: fmt.Sprint(key)}})
	}
	for _, key := range keys {
		if v, held := k.Peek("t", key); !held || v.Name != fmt.Sprint(key) {
			t.Errorf("%s %v is %v, %t", name, key, v, held)
		}
	}
}

func TestKindRefused(t *testing.T) {
	type pair [2]int
	c := cache.New(cache.Options{})
	t.Cleanup(c.Close)
	newNamedKind[int64](t, c, "taken")
	good := cache.KindOptions[int64, *contact]{Name: "contact", TTL: time.Minute, Size: sizeOf}
	with := func(change func(*cache.KindOptions[int64, *contact])) error {
		o := good
		change(&o)
		_, err := cache.NewKind(c, o)
		return err
	}
	_, noID := cache.NewKind(c, cache.KindOptions[pair, *contact]{Name: "pair", TTL: time.Minute, Size: sizeOf})
	_, noNil := cache.NewKind(c, cache.KindOptions[int64, contact]{Name: "value", TTL: time.Minute, Size: func(contact) int { return 1 }})
	tests := []struct {
		err  error
		want string
	}{
		{with(func(o *cache.KindOptions[int64, *contact]) { o.Name = "" }), "Name"},
		{with(func(o *cache.KindOptions[int64, *contact]) { o.Name = "taken" }), "taken"},
		{with(func(o *cache.KindOptions[int64, *contact]) { o.TTL = 0 }), "TTL"},
		{with(func(o *cache.KindOptions[int64, *contact]) { o.TTL = -time.Second }), "TTL"},
		{with(func(o *cache.KindOptions[int64, *contact]) { o.AbsentTTL = -time.Second }), "AbsentTTL"},
		{with(func(o *cache.KindOptions[int64, *contact]) { o.Size = nil }), "Size"},
		{with(func(o *cache.KindOptions[int64, *contact]) {
			o.Encode = func(*contact) ([]byte, error) { return nil, nil }
		}), "Decode"},
		{noID, "ID"},
		{noNil, "pointer"},
	}
	for _, tt := range tests {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("error is %v, want one about %s", tt.err, tt.want)
		}
	}
	if err := with(func(*cache.KindOptions[int64, *contact]) {}); err != nil {
		t.Error(err)
	}
}

// The TTLs of newKind.
const (
	ttl       = 10 * time.Minute
	absentTTL = 30 * time.Second
)

type contact struct{ Name string }

func sizeOf(c *contact) int { return 16 + len(c.Name) }

// newKind adds the kind contact to a cache, and closes the cache with the test.
func newKind(t testing.TB, c *cache.Cache) *cache.Kind[int64, *contact] {
	t.Helper()
	t.Cleanup(c.Close)
	return newNamedKind[int64](t, c, "contact")
}

func newNamedKind[K comparable](t testing.TB, c *cache.Cache, name string) *cache.Kind[K, *contact] {
	t.Helper()
	k, err := cache.NewKind(c, cache.KindOptions[K, *contact]{Name: name, TTL: ttl, Size: sizeOf})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A source answers with contacts that have their key for a name.
type source struct {
	hold    chan struct{} // if not nil, fetch waits until it is closed
	absent  []int64       // keys without an answer
	nils    []int64       // those among them that are answered with nil
	refused []int64       // keys that are answered with an error
	err     error         // of the fetch, if it leaves a key without an answer

	mu    sync.Mutex
	calls []string // the keys of each
}

func (s *source) fetch(_ context.Context, keys []int64, answer func(int64, *contact, error)) (err error) {
	s.mu.Lock()
	s.calls = append(s.calls, fmt.Sprint(keys))
	s.mu.Unlock()
	if s.hold != nil {
		<-s.hold
	}
	for _, key := range keys {
		switch {
		case slices.Contains(s.refused, key):
			answer(key, &contact{Name: "not to be seen"}, fmt.Errorf("%d is refused", key))
		case slices.Contains(s.nils, key):
			answer(key, nil, nil)
		case slices.Contains(s.absent, key):
			err = s.err
		default:
			answer(key, &contact{Name: fmt.Sprint(key)}, nil)
		}
	}
	return err
}

// asked checks the keys of all calls of fetch.
func (s *source) asked(t testing.TB, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.calls, want) {
		t.Errorf("fetched %q, want %q", s.calls, want)
	}
}

// check waits for futures and checks that each begins as wanted: with the name
// or nil and the source, or the error.
func check(t testing.TB, fs []*cache.Future[*contact], want ...string) {
	t.Helper()
	if len(fs) != len(want) {
		t.Fatalf("%d futures, want %d", len(fs), len(want))
	}
	for i, f := range fs {
		v, err := f.Wait(t.Context())
		got := fmt.Sprint("nil ", f.Source())
		switch {
		case v != nil && err != nil:
			got = fmt.Sprintf("both %v and %v", v, err)
		case err != nil:
			got = err.Error()
		case v != nil:
			got = fmt.Sprint(v.Name, " ", f.Source())
		}
		if !strings.HasPrefix(got, want[i]) {
			t.Errorf("future %d is %q, want %q", i, got, want[i])
		}
	}
}
