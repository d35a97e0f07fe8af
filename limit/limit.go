// Package limit bounds how often something is done: by buckets of tokens that
// all processes share through Redis, or by those of this process without one.
//
// A bucket holds Burst tokens and gets PerSecond back each second. Whoever
// takes one may go. A bucket also learns: a refusal by the other side empties it
// for a while and lowers its rate, which then recovers.
package limit

import (
	"math"
	"time"
)

// A Rate is what a bucket gives.
type Rate struct {
	PerSecond float64 // tokens that it gets back each second; 0 for a bucket without bounds
	Burst     int     // tokens that it holds; at least 1 if PerSecond is not 0
}

// A Grant is what came of taking tokens.
type Grant struct {
	Tokens int           // how many were taken
	Wait   time.Duration // until one more is to be had; 0 if all that was asked for was taken
	Left   int           // tokens that the bucket still holds; 0 if it has no bounds
	Rate   Rate          // of the bucket now; its PerSecond is 0 if it has no bounds
}

// A Refusal is an answer by which the other side says that it was asked too often.
type Refusal struct {
	Age        time.Duration // since what was refused was sent
	RetryAfter time.Duration // how long the other side asks to wait; 0 if it does not say
	Accepted   float64       // what it accepted in the last second
}

// How a bucket learns. The numbers are those of the scripts too.
const (
	lowering     = 0.7                    // of what was accepted is the rate after a refusal,
	lowestRate   = 2.0                    // or this
	growth       = 0.1                    // of that comes back each second,
	leastGrowth  = 1.0                    // or this
	shortBurst   = 0.25                   // seconds' worth of tokens is what a bucket holds meanwhile
	recovery     = time.Minute            // after the last refusal it is forgotten
	firstPause   = 250 * time.Millisecond // after a refusal that does not say for how long; twice as long after each further one
	longestPause = 10 * time.Second
)

// A state is what a bucket remembers. Times are in microseconds since 1970. The
// zero state is that of a bucket that is full and was never refused.
//
// Its methods do in this process what the scripts do in Redis, in the same steps.
type state struct {
	full    float64 // when the bucket will be full if nothing is taken
	lowered float64 // its rate right after the last refusal; 0 if there was none
	since   float64 // when that was
	strikes float64 // refusals in a row, with nothing accepted in between
}

// micros returns an instant as states have it.
func micros(t time.Time) float64 { return float64(t.UnixMicro()) }

// rate returns what the bucket gives at present; r is what it gives as a rule.
func (s *state) rate(now float64, r Rate) Rate {
	if s.lowered == 0 || now-s.since >= float64(recovery.Microseconds()) {
		return r
	}
	perSecond := s.lowered + max(growth*s.lowered, leastGrowth)*(now-s.since)/1e6
	if r.PerSecond > 0 && perSecond >= r.PerSecond {
		return r
	}
	burst := int(max(math.Floor(shortBurst*perSecond), 1))
	if r.PerSecond > 0 {
		burst = min(burst, r.Burst)
	}
	return Rate{perSecond, burst}
}

// left returns how many tokens the bucket has; less than 0 in a pause.
func (s *state) left(now float64, r Rate) float64 {
	return float64(r.Burst) - max(s.full-now, 0)*r.PerSecond/1e6
}

// rounding is what a token may lack and still be one.
const rounding = 1e-6

// take takes up to n tokens. Those who are spare leave half of the bucket to others.
func (s *state) take(now float64, r Rate, n int, spare bool) Grant {
	r = s.rate(now, r)
	if r.PerSecond == 0 {
		return Grant{Tokens: n}
	}
	have, keep := s.left(now, r), 0.0
	if spare {
		keep = math.Floor(float64(r.Burst) / 2)
	}
	taken := min(max(math.Floor(have-keep+rounding), 0), float64(n))
	s.full = math.RoundToEven(max(s.full, now) + taken*1e6/r.PerSecond)
	g := Grant{Tokens: int(taken), Left: int(max(math.Floor(have-taken+rounding), 0)), Rate: r}
	if g.Tokens < n {
		g.Wait = time.Duration(math.Ceil((keep+1-have+taken)*1e6/r.PerSecond)) * time.Microsecond
	}
	return g
}

// refuse notes a refusal. The jitter is from 0 to 1. What had been sent before
// the last refusal was heard of belongs to that one.
func (s *state) refuse(now float64, r Rate, f Refusal, jitter float64) {
	pause := float64(f.RetryAfter.Microseconds())
	if s.since == 0 || now-float64(f.Age.Microseconds()) > s.since {
		present := s.rate(now, r)
		s.strikes++
		if s.since == 0 || f.Accepted > 0 || now-s.since >= float64(recovery.Microseconds()) {
			s.strikes = 0
		}
		s.lowered = f.Accepted
		if present.PerSecond > 0 {
			s.lowered = min(s.lowered, present.PerSecond)
		}
		s.lowered = max(lowering*s.lowered, lowestRate)
		if r.PerSecond > 0 {
			s.lowered = min(s.lowered, r.PerSecond)
		}
		s.since = now
		if pause == 0 {
			pause = min(float64(firstPause.Microseconds())*math.Pow(2, s.strikes), float64(longestPause.Microseconds())) * (1 + jitter) / 2
		}
	}
	if pause > 0 { // there is one token at its end; then they come one by one
		r = s.rate(now, r)
		s.full = math.RoundToEven(max(s.full, now+pause+float64(r.Burst-1)*1e6/r.PerSecond))
	}
}

// idle reports whether the state is no different from that of a new bucket.
func (s *state) idle(now float64) bool {
	return s.full <= now && (s.lowered == 0 || now-s.since >= float64(recovery.Microseconds()))
}
