package cache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Source says where an answer came from.
type Source uint8

// The sources. The zero Source is that of a future made by Failed, and of one
// that is not resolved yet.
const (
	L1      Source = iota + 1 // the in-process tier
	Redis                     // the second tier
	Network                   // the fetch that this load made
	Shared                    // another load of the same record, which was under way
	Stale                     // either tier; the record is older than it should be, as Future.Fetched tells
)

// String returns L1, REDIS, NETWORK, SHARED or STALE, and nothing for the zero Source.
func (s Source) String() string {
	switch s {
	case L1:
		return "L1"
	case Redis:
		return "REDIS"
	case Network:
		return "NETWORK"
	case Shared:
		return "SHARED"
	case Stale:
		return "STALE"
	}
	return ""
}

// A Future is an answer that is there or being fetched. It is made by Load,
// Resolved, Failed or Map, and may be used by many goroutines.
type Future[V any] struct {
	promise *promise[V] // the answer under way; nil if it was there from the start
	value   V
	err     error
	fetched int64  // in milliseconds since 1970; 0 if it is not known, or the promise's
	source  Source // 0 if it is the promise's
}

// Resolved returns a future that holds v.
func Resolved[V any](v V, source Source) *Future[V] {
	return &Future[V]{value: v, source: source}
}

// Failed returns a future that holds an error.
func Failed[V any](err error) *Future[V] {
	return &Future[V]{err: err}
}

// Map returns a future of what fn makes of f's value; an error of f passes by
// fn. Map does not wait: fn runs as it would by Then. A panic of fn becomes the
// future's error.
func Map[A, B any](f *Future[A], fn func(A) (B, error)) *Future[B] {
	apply := func() (B, error) {
		a, err := f.Result()
		if err != nil {
			var none B
			return none, err
		}
		return guard(func() (B, error) { return fn(a) })
	}
	if f.promise == nil {
		b, err := apply()
		return &Future[B]{value: b, err: err, source: f.source, fetched: f.fetched}
	}
	p := new(promise[B])
	f.promise.then(func() {
		b, err := apply()
		p.resolve(b, err, f.Source(), f.fetchedAt())
	})
	return &Future[B]{promise: p}
}

// Wait returns the answer, or the cause of ctx's end if that comes first. A
// future that is resolved answers whatever became of ctx.
func (f *Future[V]) Wait(ctx context.Context) (V, error) {
	if f.promise == nil {
		return f.value, f.err
	}
	if resolved := f.promise.wait(); resolved != nil {
		select {
		case <-resolved:
		case <-ctx.Done():
			if !f.promise.done() {
				var none V
				return none, context.Cause(ctx)
			}
		}
	}
	return f.promise.value, f.promise.err
}

// Done reports whether the answer is there.
func (f *Future[V]) Done() bool {
	return f.promise == nil || f.promise.done()
}

// Then has fn run once the answer is there: at once, before Then returns, if it
// already is, else in the goroutine that brings it. So fn must neither block
// nor panic.
func (f *Future[V]) Then(fn func()) {
	if f.promise == nil {
		fn()
		return
	}
	f.promise.then(fn)
}

// Result returns the answer. It panics if the answer is not there: call it once
// Done has said so, or from Then.
func (f *Future[V]) Result() (V, error) {
	if f.promise == nil {
		return f.value, f.err
	}
	if !f.promise.done() {
		panic("cache: Result of a future that is not resolved")
	}
	return f.promise.value, f.promise.err
}

// Source returns where the answer came from, as this caller sees it: Shared if
// another load brings it, unless it is Stale. Like Result, it is for resolved futures.
func (f *Future[V]) Source() Source {
	if f.promise == nil || !f.promise.done() {
		return f.source
	}
	if f.source == 0 || f.promise.source == Stale {
		return f.promise.source
	}
	return f.source
}

// Fetched returns when the source was asked for the answer, by the clock of the
// process that asked, to the millisecond. It is the zero Time for an error and
// for what did not come from a Load. Like Result, it is for resolved futures.
func (f *Future[V]) Fetched() time.Time {
	if ms := f.fetchedAt(); ms != 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

func (f *Future[V]) fetchedAt() int64 {
	if f.promise == nil || !f.promise.done() {
		return f.fetched
	}
	return f.promise.fetched
}

// A promise is an answer under way, and what all futures of it share.
type promise[V any] struct {
	value   V
	err     error
	fetched int64
	source  Source

	resolved atomic.Bool // value, err, fetched and source are written before it turns true, and never after

	mu        sync.Mutex
	waiting   chan struct{} // closed when resolved; nil until someone waits
	callbacks []func()      // to run when resolved
}

func (p *promise[V]) done() bool { return p.resolved.Load() }

// resolve brings the answer. Only one call may be made.
func (p *promise[V]) resolve(v V, err error, source Source, fetched int64) {
	p.value, p.err, p.source, p.fetched = v, err, source, fetched
	p.mu.Lock()
	p.resolved.Store(true)
	waiting, callbacks := p.waiting, p.callbacks
	p.callbacks = nil
	p.mu.Unlock()
	if waiting != nil {
		close(waiting)
	}
	for _, fn := range callbacks {
		fn()
	}
}

// wait returns a channel that is closed when the answer is there, or nil if it
// is there already.
func (p *promise[V]) wait() <-chan struct{} {
	if p.done() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done() {
		return nil
	}
	if p.waiting == nil {
		p.waiting = make(chan struct{})
	}
	return p.waiting
}

func (p *promise[V]) then(fn func()) {
	p.mu.Lock()
	if !p.done() {
		p.callbacks = append(p.callbacks, fn)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	fn()
}
