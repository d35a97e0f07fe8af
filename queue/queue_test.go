package queue

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// enter has one of a class begin, or fails the test.
func enter(t *testing.T, q *Queue, c Class) (leave func()) {
	t.Helper()
	leave, err := q.Enter(t.Context(), c)
	if err != nil {
		t.Errorf("%s: %v", c, err)
		return func() {}
	}
	return leave
}

// TestOrder has many wait for one place: interactive ones begin before heavy
// ones, those before events, but each eighth is who has waited longest.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Options{Running: 1, Waiting: 100, Patience: time.Hour})
		leave := enter(t, q, Interactive)
		var mu sync.Mutex
		var order []Class
		for _, c := range []Class{Event, Heavy, Interactive} { // the least first
			for range 10 {
				go func() {
					leave := enter(t, q, c)
					mu.Lock()
					order = append(order, c)
					mu.Unlock()
					leave()
				}()
			}
			time.Sleep(time.Millisecond)
		}
		leave()
		synctest.Wait()
		var want []Class
		left := map[Class]int{Interactive: 10, Heavy: 10, Event: 10}
		for i := range 30 {
			next := Interactive
			if i%8 == 7 {
				next = Event
			}
			for ; left[next] == 0; next = (next + 1) % classes {
			}
			left[next]--
			want = append(want, next)
		}
		if !slices.Equal(order, want) {
			t.Errorf("they begin in the order %v, want %v", order, want)
		}
	})
}

// TestPatience has those wait in vain: they are sent away when their time is
// over, but for events.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Options{Running: 1, Waiting: 2, Patience: time.Second})
		leave := enter(t, q, Interactive)
		began := time.Now()
		var full *FullError
		if _, err := q.Enter(t.Context(), Heavy); !errors.As(err, &full) || time.Since(began) != time.Second {
			t.Errorf("after %s the error is %v", time.Since(began), err)
		} else if full.RetryAfter < time.Second || full.RetryAfter > 5*time.Second {
			t.Errorf("it is to come again after %s", full.RetryAfter)
		}
		event := make(chan struct{})
		go func() {
			enter(t, q, Event)()
			close(event)
		}()
		time.Sleep(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Millisecond); cancel() }()
		if _, err := q.Enter(ctx, Interactive); !errors.Is(err, context.Canceled) {
			t.Errorf("who goes away gets %v", err)
		}
		leave()
		<-event
		if s := q.Stats(Heavy); s.Shed != 1 || s.Waiting != 0 {
			t.Errorf("of heavy ones the numbers are %+v", s)
		}
		if s := q.Stats(Interactive); s.Shed != 0 || s.Running != 0 || s.Waiting != 0 {
			t.Errorf("of interactive ones the numbers are %+v", s)
		}
	})
}

// TestFull fills the queue: a heavy one is sent away at once, and also one that
// waits, for an interactive one.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Options{Running: 1, Waiting: 1, Patience: time.Hour})
		leave := enter(t, q, Interactive)
		waits := make(chan error)
		go func() {
			_, err := q.Enter(t.Context(), Heavy)
			waits <- err
		}()
		synctest.Wait()
		var full *FullError
		if _, err := q.Enter(t.Context(), Heavy); !errors.As(err, &full) {
			t.Errorf("a second one that would wait gets %v", err)
		}
		go enter(t, q, Interactive)
		if err := <-waits; !errors.As(err, &full) {
			t.Errorf("who is to make room gets %v", err)
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		if s := q.Stats(Interactive); s.Running != 1 || s.Queued != 1 {
			t.Errorf("the numbers are %+v", s)
		}
	})
}

// TestHeavyShare holds that heavy ones leave room for others.
func TestHeavyShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Options{Running: 8, Waiting: 100, Patience: time.Minute})
		var leaves []func()
		for range 2 {
			leaves = append(leaves, enter(t, q, Heavy))
		}
		third := make(chan struct{})
		go func() { enter(t, q, Heavy)(); close(third) }()
		synctest.Wait()
		for range 6 {
			leaves = append(leaves, enter(t, q, Interactive)) // at once, although a heavy one waits
		}
		if s := q.Stats(Heavy); s.Running != 2 || s.Waiting != 1 {
			t.Errorf("of heavy ones the numbers are %+v", s)
		}
		leaves[0]()
		<-third
		for _, leave := range leaves {
			leave()
			leave() // which does nothing any more
		}
		if n := q.total(); n != 0 {
			t.Errorf("%d run when all have left", n)
		}
	})
}

// TestOverloaded sends somebody away each second: only after a while it is an
// overload, and not any more soon after the last.
func TestOverloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Options{Running: 1, Waiting: 1, Patience: time.Second})
		defer enter(t, q, Interactive)()
		for i := range 10 {
			_, _ = q.Enter(t.Context(), Interactive)
			if got, want := q.Overloaded(), i >= 5; got != want {
				t.Errorf("after %d s it is overloaded: %t, want %t", i, got, want)
			}
		}
		time.Sleep(overloadPause)
		if q.Overloaded() {
			t.Error("it is overloaded though nobody was sent away")
		}
	})
}

// TestBounds has classes come and go at random: never do more run than may, and
// in the end all is empty and nobody was forgotten.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := Options{Running: rapid.IntRange(1, 5).Draw(rt, "running"), Waiting: rapid.IntRange(1, 5).Draw(rt, "waiting"), Patience: 3 * time.Millisecond}
		comers := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) [3]int {
			return [3]int{rapid.IntRange(0, int(classes)-1).Draw(rt, "class"), rapid.IntRange(0, 5).Draw(rt, "comes"), rapid.IntRange(0, 5).Draw(rt, "stays")}
		}), 1, 40).Draw(rt, "comers")
		synctest.Test(t, func(t *testing.T) {
			q := New(o)
			var ended sync.WaitGroup
			for _, c := range comers {
				ended.Go(func() {
					time.Sleep(time.Duration(c[1]) * time.Millisecond)
					leave, err := q.Enter(t.Context(), Class(c[0]))
					if err != nil {
						return
					}
					q.mu.Lock()
					if q.total() > o.Running || q.running[Heavy] > max(o.Running/heavyShare, 1) {
						t.Errorf("%v run, at most %d may", q.running, o.Running)
					}
					q.mu.Unlock()
					time.Sleep(time.Duration(c[2]) * time.Millisecond)
					leave()
				})
			}
			ended.Wait()
			for _, c := range Classes() {
				if s := q.Stats(c); s.Running != 0 || s.Waiting != 0 {
					t.Errorf("%s: in the end the numbers are %+v", c, s)
				}
			}
		})
	})
}
