package cache

import (
	"context"
	"sync"
)

// A Trip gathers what loads ask of Redis, of whatever kinds, so that it takes
// one round trip. Without Redis it does nothing, and nothing waits for it.
type Trip struct {
	cache *Cache

	mu    sync.Mutex
	asks  []*ask
	ended bool
}

type tripKey struct{}

// NewTrip returns a Trip, and a context whose loads it gathers. Those wait for
// Redis until Send is called; whoever calls NewTrip also calls End.
func (c *Cache) NewTrip(ctx context.Context) (context.Context, *Trip) {
	t := &Trip{cache: c, ended: c.remote == nil}
	if t.ended {
		return ctx, t
	}
	return context.WithValue(ctx, tripKey{}, t), t
}

// tripOf returns the Trip of a context, nil if it has none.
func tripOf(ctx context.Context) *Trip {
	t, _ := ctx.Value(tripKey{}).(*Trip)
	return t
}

// add has an ask wait for Send, and reports whether it does.
func (t *Trip) add(c *Cache, a *ask) bool {
	if t == nil || a == nil || t.cache != c {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.asks = append(t.asks, a)
	}
	return !t.ended
}

// Send asks Redis for what has been gathered since the last call, in one round
// trip if there is anything. It does not wait for the answer.
func (t *Trip) Send() {
	t.mu.Lock()
	asks := t.asks
	t.asks = nil
	t.mu.Unlock()
	t.send(asks)
}

// End is Send; from then on loads ask Redis at once. It may be called again.
func (t *Trip) End() {
	t.mu.Lock()
	asks := t.asks
	t.asks, t.ended = nil, true
	t.mu.Unlock()
	t.send(asks)
}

func (t *Trip) send(asks []*ask) {
	if len(asks) == 0 {
		return
	}
	t.cache.work.begin()
	go func() {
		defer t.cache.work.end()
		t.cache.remote.ask(context.Background(), asks)
	}()
}
