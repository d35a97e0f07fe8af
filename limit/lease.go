package limit

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// A process that takes tokens of a bucket in Redis one by one, each soon after
	// the last, takes some ahead. What it has not used leaseLife later is lost.
	leaseLife = 250 * time.Millisecond

	// At most one in leasePart of what a bucket holds is taken ahead.
	leasePart = 10
)

// A lease is the tokens of a bucket that this process has taken ahead.
type lease struct {
	tokens int
	until  time.Time // when they are lost
	left   int       // in the bucket, when Redis was last asked
	batch  int       // how many were asked for
	asked  time.Time // when that was
	asking bool      // it is under way
	empty  time.Time // there is nothing to be had before
}

// TakeOne takes a token from a bucket, as Take does. Of a bucket that is in demand
// it takes some more from Redis, twice as many each time, and asks no more while
// it has those, or knows that there are none: so one process may refuse what
// another still has tokens for, for leaseLife at most.
func (b *Buckets) TakeOne(key string, r Rate) Grant {
	if b.redis == nil || r.PerSecond == 0 {
		return b.Take(key, r, 1, false)
	}
	b.mu.Lock()
	l, now := b.lease(key), time.Now()
	if !now.Before(l.until) {
		l.tokens = 0
	}
	if l.tokens > 0 {
		l.tokens--
		g := Grant{Tokens: 1, Left: l.left + l.tokens, Rate: r}
		b.mu.Unlock()
		return g
	}
	if wait := l.empty.Sub(now); wait > 0 {
		b.mu.Unlock()
		return Grant{Wait: wait, Rate: r}
	}
	n, first := 1, !l.asking
	if first {
		if now.Sub(l.asked) < leaseLife {
			n = min(2*l.batch, max(1, r.Burst/leasePart))
		}
		l.asking, l.asked, l.batch = true, now, n
	}
	b.mu.Unlock()

	g := b.Take(key, r, n, false)
	b.mu.Lock()
	defer b.mu.Unlock()
	now = time.Now()
	if first {
		l.asking = false
	}
	if g.Tokens == 0 {
		l.empty = now.Add(g.Wait)
		return g
	}
	if g.Tokens > 1 {
		l.tokens, l.until = g.Tokens-1, now.Add(leaseLife)
	}
	l.left = g.Left
	return Grant{Tokens: 1, Left: g.Left + l.tokens, Rate: g.Rate}
}

// lease returns the lease of a bucket. The caller holds mu.
func (b *Buckets) lease(key string) *lease {
	if b.leases == nil {
		b.leases, _ = simplelru.NewLRU[string, *lease](maxStates, nil) // its one error is a size below 1
	}
	l, known := b.leases.Get(key)
	if !known {
		l = new(lease)
		b.leases.Add(key, l)
	}
	return l
}
