package limit

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/internal/redistest"
)

// TestShared has two processes take from one bucket at once: together they never
// get more than it gives, and hardly less.
func TestShared(t *testing.T) {
	server := startRedis(t)
	r := Rate{PerSecond: 200, Burst: 20}
	var taken atomic.Int64
	begun := time.Now()
	var processes sync.WaitGroup
	for range 2 {
		b := New(server.client(t), slog.New(slog.DiscardHandler))
		for range 4 {
			processes.Go(func() {
				for taken.Load() < 150 {
					g := b.Take("shared", r, 3, false)
					taken.Add(int64(g.Tokens))
					time.Sleep(g.Wait)
				}
			})
		}
		defer func() {
			if b.down {
				t.Error("Redis was given up")
			}
		}()
	}
	processes.Wait()
	elapsed := time.Since(begun)
	if most := 20 + 200*elapsed.Seconds() + 1; float64(taken.Load()) > most {
		t.Errorf("%d tokens were taken in %v, at most %.0f are allowed", taken.Load(), elapsed, most)
	}
}

// TestSharedPause has one process be refused: the other pauses too, though it
// makes no trip to Redis for each of its calls.
func TestSharedPause(t *testing.T) {
	server := startRedis(t)
	first := New(server.client(t), slog.Default()).Budget("drift", Rate{})
	second := New(server.client(t), slog.Default()).Budget("drift", Rate{})
	if taken, _ := second.Take(3, false); taken != 3 || !second.Open() {
		t.Fatal("there are bounds before any refusal")
	}
	first.Refused(time.Now(), time.Hour, 5)
	deadline := time.Now().Add(10 * time.Second)
	for second.Open() { // for a moment it goes by what it knew
		if time.Now().After(deadline) {
			t.Fatal("it never looks")
		}
	}
	if taken, wait := second.Take(1, false); taken != 0 || wait < 59*time.Minute {
		t.Errorf("%d tokens were taken, the next is in %v", taken, wait)
	}
	if left, _, perSecond := second.Level(); left != 0 || perSecond < 3 {
		t.Errorf("%d are left, at %v a second", left, perSecond)
	}
}

// TestRedisLost stops Redis: the bucket goes on in the process as full as it was,
// without a wait for each token, and in Redis again when that is back.
func TestRedisLost(t *testing.T) {
	server := startRedis(t)
	b, r := New(server.client(t), slog.New(slog.DiscardHandler)), Rate{PerSecond: 0.001, Burst: 10}
	if g := b.Take("key", r, 7, false); g.Tokens != 7 || g.Left != 3 {
		t.Fatalf("got %+v", g)
	}
	server.Kill()
	if g := b.Take("key", r, 2, false); g.Tokens != 2 {
		t.Errorf("without Redis %d tokens were taken, want 2", g.Tokens)
	}
	begun := time.Now()
	for range 2000 {
		if g := b.Take("key", r, 10, false); g.Tokens > 1 || g.Wait < time.Minute {
			t.Fatalf("got %+v from what was left", g)
		}
	}
	if elapsed := time.Since(begun); elapsed > 5*time.Second {
		t.Errorf("each token waits for a Redis that is down: %v", elapsed)
	}
	server.Restart(t)
	deadline := time.Now().Add(20 * time.Second)
	for client := server.client(t); client.Exists(t.Context(), "key").Val() == 0; {
		b.Take("key", r, 1, false)
		if time.Now().After(deadline) {
			t.Fatal("Redis is back, and is not used")
		}
	}
}

// TestManyKeys has more come than are remembered.
func TestManyKeys(t *testing.T) {
	b := New(nil, slog.Default())
	var key [3]byte
	for i := range 3 * maxStates {
		key = [3]byte{byte(i), byte(i >> 8), byte(i >> 16)}
		if g := b.Take(string(key[:]), Rate{PerSecond: 0.001, Burst: 1}, 1, false); g.Tokens != 1 {
			t.Fatal("a newcomer got no token")
		}
	}
	if len(b.states) > maxStates {
		t.Errorf("%d buckets are remembered, want %d at most", len(b.states), maxStates)
	}
}

// A redisServer is a redis-server of the test's own.
type redisServer struct{ *redistest.Server }

// startRedis runs a redis-server until the test ends.
func startRedis(t *testing.T) redisServer {
	t.Helper()
	return redisServer{redistest.Start(t)}
}

// client returns a client that does not try again by itself, and waits for a Redis
// on a busy machine.
func (s redisServer) client(t *testing.T) redis.UniversalClient {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Address, MaxRetries: -1, DialerRetries: 1, ReadTimeout: time.Minute})
	redistest.BePatient(client)
	t.Cleanup(func() { client.Close() })
	return client
}
