package limit

import (
	"log/slog"
	"math"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

// TestBucket takes more than a bucket has: what is missing comes back at its
// rate, and those who are spare leave half to others.
func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := New(nil, slog.Default()), Rate{PerSecond: 10, Burst: 6}
		mustTake(t, b, r, 4, true, 3, 100*time.Millisecond)
		mustTake(t, b, r, 1, true, 0, 100*time.Millisecond)
		mustTake(t, b, r, 5, false, 3, 100*time.Millisecond)
		time.Sleep(99 * time.Millisecond)
		mustTake(t, b, r, 1, false, 0, time.Millisecond)
		time.Sleep(time.Millisecond)
		mustTake(t, b, r, 2, false, 1, 100*time.Millisecond)
		time.Sleep(time.Hour)
		mustTake(t, b, r, 7, false, 6, 100*time.Millisecond)
		mustTake(t, b, Rate{}, 1000, false, 1000, 0)
	})
}

// TestBucketOfOne checks that the spare get a token where half of a bucket is none.
func TestBucketOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := New(nil, slog.Default()), Rate{PerSecond: 0.5, Burst: 1}
		mustTake(t, b, r, 1, true, 1, 0)
		mustTake(t, b, r, 1, false, 0, 2*time.Second)
	})
}

func mustTake(t *testing.T, b *Buckets, r Rate, n int, spare bool, want int, wait time.Duration) {
	t.Helper()
	if g := b.Take("key", r, n, spare); g.Tokens != want || g.Wait != wait {
		t.Errorf("of %d tokens %d were taken, and there is one more in %v; want %d and %v", n, g.Tokens, g.Wait, want, wait)
	}
}

// TestRefusal follows a budget without a rate through refusals: a pause for as
// long as it was asked for, then tokens one by one, more and more of them, and
// after a minute none are counted.
func TestRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := New(nil, slog.Default()).Budget("key", Rate{})
		if !budget.Open() {
			t.Fatal("a budget that was never refused has bounds")
		}
		sent := time.Now()
		time.Sleep(10 * time.Millisecond)
		for range 50 { // a volley counts once
			budget.Refused(sent, 2*time.Second, 40)
		}
		if budget.Open() {
			t.Fatal("a refusal sets no bounds")
		}
		if _, _, perSecond := budget.Level(); math.Abs(perSecond-28) > 1e-9 {
			t.Errorf("it gives %v a second, want 28, which is 0.7 of what was accepted", perSecond)
		}
		taken, wait := budget.Take(1, false)
		if taken != 0 || wait < 2*time.Second || wait > 2100*time.Millisecond {
			t.Errorf("in the pause %d tokens were taken, the next is in %v", taken, wait)
		}
		for taken == 0 && time.Since(sent) < 3*time.Second {
			time.Sleep(wait)
			taken, wait = budget.Take(50, false)
		}
		if taken != 1 {
			t.Errorf("at its end %d tokens were taken, want 1", taken)
		}
		most := 0
		for range 20 {
			time.Sleep(time.Second)
			n := 0
			for wait := time.Duration(0); wait < time.Second; {
				taken, next := budget.Take(1000, false)
				n += taken
				time.Sleep(next)
				wait += next
			}
			if n < most {
				t.Errorf("%d tokens in a second after %d in one before", n, most)
			}
			most = n
		}
		if most < 50 {
			t.Errorf("%d tokens in a second are the most, want a rate that recovers", most)
		}
		time.Sleep(time.Minute)
		if taken, _ := budget.Take(5000, false); taken != 5000 || !budget.Open() {
			t.Error("the refusal is not forgotten")
		}
	})
}

// TestBackoff refuses call after call without saying for how long: the pauses
// grow, and end with the first that is accepted.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := New(nil, slog.Default()).Budget("key", Rate{PerSecond: 100, Burst: 100})
		least, most := firstPause/2, firstPause
		for range 8 {
			time.Sleep(time.Millisecond)
			budget.Refused(time.Now(), 0, 0)
			_, wait := budget.Take(1, false)
			if wait < least || wait > most+time.Second { // a token comes a second after the pause
				t.Errorf("the pause is %v, want %v to %v", wait, least, most)
			}
			time.Sleep(wait)
			if taken, _ := budget.Take(1, false); taken != 1 {
				t.Error("no token after the pause")
			}
			least, most = min(2*least, longestPause/2), min(2*most, longestPause)
		}
		budget.Refused(time.Now(), 0, 20)
		if _, wait := budget.Take(1, false); wait > firstPause+time.Second {
			t.Errorf("the pause is still %v", wait)
		}
	})
}

// TestScripts does the same things at the same times to a state and, by the
// scripts, to a hash in Redis: all that they answer is the same.
func TestScripts(t *testing.T) {
	client := startRedis(t).client(t)
	// The time of the test stands in for that of Redis.
	timed := func(script string) *redis.Script {
		return redis.NewScript(strings.Replace(script, "redis.call('TIME')", "{0, tonumber(KEYS[2])}", 1))
	}
	take, refuse := timed(takeScript), timed(refuseScript)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		key := "test:" + strconv.Itoa(n)
		r := Rate{PerSecond: rapid.SampledFrom([]float64{0, 0.7, 1, 50.0 / 60, 10, 333}).Draw(t, "perSecond"), Burst: rapid.IntRange(1, 40).Draw(t, "burst")}
		if r.PerSecond == 0 {
			r.Burst = 0
		}
		s, now := state{}, 1.8e15
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now += float64(rapid.SampledFrom([]int{1, 999, 100_000, 1_000_000, 7_654_321, 61_000_000}).Draw(t, "pause"))
			at := strconv.FormatFloat(now, 'f', 0, 64)
			var g Grant
			var cmd *redis.Cmd
			if rapid.IntRange(0, 3).Draw(t, "act") > 0 {
				want, spare := rapid.IntRange(0, 30).Draw(t, "n"), rapid.Bool().Draw(t, "spare")
				flag := 0
				if spare {
					flag = 1
				}
				g = s.take(now, r, want, spare)
				cmd = take.Run(t.Context(), client, []string{key, at}, want, flag, r.PerSecond, r.Burst)
			} else {
				f := Refusal{
					Age:        rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(t, "age"),
					RetryAfter: rapid.SampledFrom([]time.Duration{0, time.Second, 45 * time.Second}).Draw(t, "retryAfter"),
					Accepted:   rapid.SampledFrom([]float64{0, 1, 17, 500}).Draw(t, "accepted"),
				}
				jitter := rapid.Float64Range(0, 1).Draw(t, "jitter")
				s.refuse(now, r, f, jitter)
				cmd = refuse.Run(t.Context(), client, []string{key, at}, f.Age.Microseconds(), f.RetryAfter.Microseconds(), f.Accepted, jitter, r.PerSecond, r.Burst)
			}
			got, err := cmd.StringSlice()
			if err != nil {
				t.Fatal(err)
			}
			var told [6]float64
			for i := range told {
				told[i], _ = strconv.ParseFloat(got[i], 64)
			}
			since := -1.0
			if s.since > 0 {
				since = now - s.since
			}
			want := [6]float64{float64(g.Tokens), float64(g.Wait.Microseconds()), s.full - now, s.lowered, since, s.strikes}
			want[2], told[2] = max(want[2], 0), max(told[2], 0) // whether it was filled just now or long ago
			if told != want {
				t.Fatalf("the script says %v, want %v", told, want)
			}
			kept := client.Exists(t.Context(), key).Val() > 0
			if left := client.PTTL(t.Context(), key).Val(); kept && (left <= 0 || left > 25*time.Hour) {
				t.Fatalf("the key lasts for %v", left)
			}
		}
	})
}
