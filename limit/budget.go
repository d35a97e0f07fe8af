package limit

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Budget is how often one side may be asked by all who share a key. It is for
// many goroutines at once.
//
// With a rate, tokens are taken from a bucket. Without one, anything goes until
// the other side refuses: then the bucket has bounds until that is forgotten.
type Budget struct {
	buckets *Buckets
	key     string
	rate    Rate
	looked  atomic.Int64 // when it was last known that there are no bounds, in nanoseconds since 1970

	refused sync.Mutex // held while a refusal is noted
}

// Budget returns the budget of a key, of which the zero Rate sets no bounds.
func (b *Buckets) Budget(key string, r Rate) *Budget {
	return &Budget{buckets: b, key: key, rate: r}
}

// glance is how long it is believed that there are no bounds. After that the
// next who asks looks whether another process was refused.
const glance = 200 * time.Millisecond

// Open reports whether anything goes, as far as is known. It asks nobody.
func (b *Budget) Open() bool {
	if b.rate.PerSecond > 0 || b.buckets.Look(b.key, b.rate).Rate.PerSecond > 0 {
		return false
	}
	return b.buckets.redis == nil || time.Since(time.Unix(0, b.looked.Load())) < glance
}

// Take takes up to n tokens, and returns how many, and if that is fewer, how long
// until there is one more. Those who are spare leave half of the bucket to others.
// Where processes share the budget it is a round trip to Redis.
func (b *Budget) Take(n int, spare bool) (taken int, wait time.Duration) {
	g := b.buckets.Take(b.key, b.rate, n, spare)
	if g.Rate.PerSecond == 0 {
		b.looked.Store(time.Now().UnixNano())
	}
	return g.Tokens, g.Wait
}

// Refused notes that a call was refused because there were too many, and returns
// how long until there is a token. The call was sent at a time, by a process of
// whose calls so many were accepted in the last second; retryAfter is how long
// it is asked to wait, 0 if that is not said.
func (b *Budget) Refused(sent time.Time, retryAfter time.Duration, accepted float64) (wait time.Duration) {
	b.refused.Lock()
	defer b.refused.Unlock()
	if !b.buckets.knows(b.key, sent, retryAfter) {
		b.buckets.Refuse(b.key, b.rate, Refusal{Age: time.Since(sent), RetryAfter: retryAfter, Accepted: accepted})
	}
	return b.buckets.Look(b.key, b.rate).Wait
}

// Level returns how many calls may be made at once at the moment, of how many at
// most, and how many a second, as far as is known. There are no bounds if
// perSecond is 0.
func (b *Budget) Level() (left, most int, perSecond float64) {
	g := b.buckets.Look(b.key, b.rate)
	return g.Left, g.Rate.Burst, g.Rate.PerSecond
}
