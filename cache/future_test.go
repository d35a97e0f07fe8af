package cache_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/driftgraph/driftgraph/cache"
)

var errBroken = errors.New("broken")

func TestFutureInHand(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()

	f := cache.Resolved(7, cache.Redis)
	if v, err := f.Wait(ended); v != 7 || err != nil {
		t.Errorf("Wait: %d, %v", v, err)
	}
	if v, err := f.Result(); v != 7 || err != nil || !f.Done() || f.Source() != cache.Redis {
		t.Errorf("Result: %d, %v; done %t, source %v", v, err, f.Done(), f.Source())
	}
	called := false
	f.Then(func() { called = true })
	if !called {
		t.Error("Then did not call at once")
	}

	g := cache.Failed[int](errBroken)
	if v, err := g.Wait(ended); v != 0 || err != errBroken || g.Source() != 0 {
		t.Errorf("failed future: %d, %v, source %v", v, err, g.Source())
	}
}

func TestFutureUnderWay(t *testing.T) {
	k := newKind(t, cache.New(cache.Options{}))
	answers := make(chan *contact)
	f := k.Load(t.Context(), "t", []int64{1}, func(ctx context.Context, keys []int64, answer func(int64, *contact, error)) error {
		answer(1, <-answers, nil)
		return nil
	})[0]

	if f.Done() {
		t.Error("done before it is answered")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Result of an unresolved future does not panic")
			}
		}()
		f.Result()
	}()

	cause := errors.New("client has gone")
	ended, end := context.WithCancelCause(t.Context())
	end(cause)
	if v, err := f.Wait(ended); v != nil || err != cause {
		t.Errorf("Wait with a context that has ended: %v, %v; want its cause", v, err)
	}

	var order []string
	f.Then(func() { order = append(order, "first") })
	resolved := make(chan struct{})
	f.Then(func() { order = append(order, "second"); close(resolved) })
	answers <- &contact{Name: "Ada"}
	<-resolved
	if len(order) != 2 || order[0] != "first" {
		t.Errorf("Then called %q", order)
	}
	f.Then(func() { order = append(order, "third") })
	if len(order) != 3 {
		t.Error("Then did not call at once what came after the answer")
	}
	if v, err := f.Wait(ended); v.Name != "Ada" || err != nil || f.Source() != cache.Network {
		t.Errorf("Wait: %v, %v, source %v", v, err, f.Source())
	}
}

func TestMap(t *testing.T) {
	k := newKind(t, cache.New(cache.Options{}))
	answers := make(chan *contact)
	fetch := func(ctx context.Context, keys []int64, answer func(int64, *contact, error)) error {
		v := <-answers
		if v == nil {
			return errBroken
		}
		answer(keys[0], v, nil)
		return nil
	}
	number := func(c *contact) (int, error) { return strconv.Atoi(c.Name) }

	for _, underWay := range []bool{true, false} {
		f := k.Load(t.Context(), "t", []int64{1}, fetch)[0]
		n := cache.Map(f, number)
		failed := cache.Map(f, func(*contact) (int, error) { return 0, errBroken })
		panicked := cache.Map(f, func(*contact) (int, error) { panic("mapped") })
		again := cache.Map(n, func(n int) (string, error) { return strconv.Itoa(n + 1), nil })
		want := cache.L1
		if underWay {
			want = cache.Network
			if n.Done() || again.Done() {
				t.Error("done before the future that it maps")
			}
			answers <- &contact{Name: "41"}
		}
		if v, err := n.Wait(t.Context()); v != 41 || err != nil || n.Source() != want {
			t.Errorf("under way %t: %d, %v, source %v", underWay, v, err, n.Source())
		}
		if v, err := again.Wait(t.Context()); v != "42" || err != nil || again.Source() != want {
			t.Errorf("under way %t: %q, %v, source %v", underWay, v, err, again.Source())
		}
		if _, err := failed.Wait(t.Context()); err != errBroken {
			t.Errorf("under way %t: error %v, want %v", underWay, err, errBroken)
		}
		if _, err := panicked.Wait(t.Context()); err == nil {
			t.Errorf("under way %t: no error after a panic", underWay)
		}
	}

	n := cache.Map(k.Load(t.Context(), "t", []int64{2}, fetch)[0], number)
	answers <- nil
	if _, err := n.Wait(t.Context()); err != errBroken {
		t.Errorf("error of the mapped future is %v, want %v", err, errBroken)
	}
}
