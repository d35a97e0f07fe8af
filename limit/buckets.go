package limit

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/redis/go-redis/v9"
)

// Buckets are those of one Redis, or of this process alone. While Redis cannot be
// asked, each process goes on by itself from where its buckets were.
//
// Keys are stored as they are: they must hold no secret and name no person. Each
// ends when its bucket is full again and no refusal is remembered.
type Buckets struct {
	redis redis.UniversalClient // nil for this process alone
	log   *slog.Logger

	mu     sync.Mutex
	states map[string]*state // of this process's own, and the last known of those in Redis
	down   bool              // Redis fails
	again  time.Time         // when to ask it again
	swept  time.Time         // when the states were last looked through for those that are not needed
	leases *simplelru.LRU[string, *lease]
}

// New returns buckets that are shared through a Redis, or not if that is nil.
func New(client redis.UniversalClient, log *slog.Logger) *Buckets {
	return &Buckets{redis: client, log: log, states: make(map[string]*state)}
}

const (
	patience   = 150 * time.Millisecond // for Redis
	pauseAfter = time.Second            // before a Redis that failed is asked again
	maxStates  = 20_000                 // that are remembered
	sweepAfter = time.Second            // before they are looked through again
)

// Take takes up to n tokens from a bucket. Those who are spare leave half of the
// bucket to others.
func (b *Buckets) Take(key string, r Rate, n int, spare bool) Grant {
	if b.ask() {
		flag := 0
		if spare {
			flag = 1
		}
		if g, ok := b.run(takes, key, r, n, flag); ok {
			return g
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	return b.state(key, now).take(micros(now), r, n, spare)
}

// Refuse notes that what was done with a token of a bucket was refused: the
// bucket is empty for a while, and gives less from then on.
func (b *Buckets) Refuse(key string, r Rate, f Refusal) {
	jitter := rand.Float64() // #nosec G404 -- spreads attempts in time, no secret
	if b.ask() {
		if _, ok := b.run(refuses, key, r, f.Age.Microseconds(), f.RetryAfter.Microseconds(), f.Accepted, jitter); ok {
			return
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.state(key, now).refuse(micros(now), r, f, jitter)
}

// Look returns what Take would return for one token, as far as is known without
// asking Redis, and takes none.
func (b *Buckets) Look(key string, r Rate) Grant {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.states[key]
	if s == nil {
		s = new(state)
	}
	now, peek := micros(time.Now()), *s
	g := peek.take(now, r, 1, false)
	g.Left += g.Tokens
	return g
}

// knows reports whether a refusal of what was sent at a time adds nothing to
// what this process knows of a bucket: it is of the same volley as the last one,
// and asks for no longer wait.
func (b *Buckets) knows(key string, sent time.Time, retryAfter time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.states[key]
	return s != nil && micros(sent) <= s.since && (retryAfter == 0 || micros(time.Now().Add(retryAfter)) <= s.full)
}

// state returns the state of a bucket in this process. The caller holds mu.
func (b *Buckets) state(key string, now time.Time) *state {
	s := b.states[key]
	if s == nil {
		if len(b.states) >= maxStates && now.Sub(b.swept) >= sweepAfter {
			b.swept = now
			maps.DeleteFunc(b.states, func(_ string, s *state) bool { return s.idle(micros(now)) })
		}
		for other := range b.states { // any: there is no room for all who come
			if len(b.states) < maxStates {
				break
			}
			delete(b.states, other)
		}
		s = new(state)
		b.states[key] = s
	}
	return s
}

// ask reports whether Redis is to be asked. One that fails is tried by one call
// now and then.
func (b *Buckets) ask() bool {
	if b.redis == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.down {
		return true
	}
	now := time.Now()
	if now.Before(b.again) {
		return false
	}
	b.again = now.Add(pauseAfter)
	return true
}

// run runs a script on a bucket, and remembers the state that it tells.
func (b *Buckets) run(script *redis.Script, key string, r Rate, args ...any) (Grant, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	reply, err := script.Run(ctx, b.redis, []string{key}, append(args, r.PerSecond, r.Burst)...).StringSlice()
	var told [6]float64
	if err == nil && len(reply) != len(told) {
		err = errAnswer
	}
	for i := range told {
		if err == nil {
			told[i], err = strconv.ParseFloat(reply[i], 64)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if err != nil {
		if !b.down {
			b.log.Warn("limit: Redis fails; each process limits by itself", "error", err)
		}
		b.down, b.again = true, now.Add(pauseAfter)
		return Grant{}, false
	}
	if b.down {
		b.down = false
		b.log.Info("limit: Redis is back")
	}
	s := b.state(key, now)
	at := micros(now)
	*s = state{full: at + told[2], lowered: told[3], since: at - told[4], strikes: told[5]}
	if told[4] < 0 {
		s.since = 0
	}
	g := s.take(at, r, 0, false) // what is left
	g.Tokens, g.Wait = int(told[0]), time.Duration(told[1])*time.Microsecond
	return g, true
}

// errAnswer says that a script answered other than it is written.
var errAnswer = errors.New("the answer of a script cannot be read")
