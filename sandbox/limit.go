package sandbox

import (
	"maps"
	"net/http"
	"sync"
	"time"
)

// A limiter is a bucket for each token, from which every call takes one and which fills up again with time.
type limiter struct {
	rate, burst float64 // calls a second, and calls at once

	mu      sync.Mutex
	buckets map[string]bucket
}

// A bucket held so many calls at a time.
type bucket struct {
	calls float64
	at    time.Time
}

// newLimiter makes a limiter. Rate 0 lets everything pass.
func newLimiter(rate, burst float64) *limiter {
	if burst <= 0 {
		burst = max(rate, 1)
	}
	return &limiter{rate: rate, burst: burst, buckets: make(map[string]bucket)}
}

// take counts a call, or refuses it if the token has made too many.
func (l *limiter) take(token string) error {
	if l.rate <= 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	b, ok := l.buckets[token]
	if !ok {
		l.forgetIdle(now)
		b = bucket{l.burst, now}
	}
	b = bucket{l.level(b, now), now}
	if b.calls < 1 {
		l.buckets[token] = b
		retry := time.Duration((1 - b.calls) / l.rate * float64(time.Second))
		return &refusal{http.StatusTooManyRequests, "rate_limit", "sandbox: request budget used up, slow down", retry}
	}
	b.calls--
	l.buckets[token] = b
	return nil
}

// level says how full a bucket is now.
func (l *limiter) level(b bucket, now time.Time) float64 {
	return min(l.burst, b.calls+now.Sub(b.at).Seconds()*l.rate)
}

// forgetIdle drops the buckets that are full, and so no different from new ones, when there are many.
func (l *limiter) forgetIdle(now time.Time) {
	if len(l.buckets) >= 1000 {
		maps.DeleteFunc(l.buckets, func(_ string, b bucket) bool { return l.level(b, now) >= l.burst })
	}
}
