package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/internal/redistest"
)

// TestSharedCache has two gateways share a Redis: what one has read costs the
// other no call.
func TestSharedCache(t *testing.T) {
	server := startRedis(t)
	inbox := readQuery(t, "10-inbox")
	first := assemble(t, parts{redis: server.client(t)})
	want := string(first.ask(t, inbox).Text)
	if first.calls() == 0 {
		t.Fatal("the first gateway made no calls")
	}
	first.records.Wait() // until Redis has it

	second := assemble(t, parts{redis: server.client(t), drift: first.drift})
	if diff := cmp.Diff(want, string(second.ask(t, inbox).Text)); diff != "" {
		t.Errorf("the second gateway answers otherwise (-first +second):\n%.4000s", diff)
	}
	if n := first.calls(); n != 0 {
		t.Errorf("the inbox cost another gateway %d calls, want 0", n)
	}
}

// TestRedisKeys asks for all there is: no e-mail address, external id or token
// stands in a key of Redis, and each key has an end.
func TestRedisKeys(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	g := assemble(t, parts{redis: client})
	for _, q := range goldens(t) {
		g.get(t, q.query, q.variables)
	}
	secrets := []string{testToken, "@", "%40"}
	secrets = append(secrets, g.drift.Fixtures().ExternalIDs...)
	for _, id := range g.drift.Fixtures().ContactIDs {
		email, _ := at(g.get(t, fmt.Sprintf("{ contact(id: %d) { email } }", id)), "contact.email").(string)
		if email == "" {
			continue
		}
		g.get(t, fmt.Sprintf("{ contactsByEmail(email: %q) { nodes { name } } }", email))
		secrets = append(secrets, email)
	}
	g.records.Wait()
	keys := client.Keys(t.Context(), "*").Val()
	if len(keys) < 500 {
		t.Fatalf("Redis has %d keys, want one for each record", len(keys))
	}
	for _, key := range keys {
		for _, secret := range secrets {
			if strings.Contains(strings.ToLower(key), strings.ToLower(secret)) {
				t.Errorf("%q stands in the key %s", secret, key)
			}
		}
		if client.PTTL(t.Context(), key).Val() == -1 {
			t.Errorf("%s has no end", key)
		}
	}
}

// TestRedisLost has Redis die under load and come back: no client sees an
// error, and Redis is used again.
func TestRedisLost(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	// Nothing is kept for long, so that Redis is always asked.
	g := assemble(t, parts{redis: client}, "--cache-ttl-team=1ms", "--cache-ttl-user=1ms", "--cache-ttl-conversation-list=1ms", "--cache-ttl-contact=1ms")
	query := `{ teams { name members { name } } conversations(first: 3) { nodes { contact { name } } } }`
	want := string(g.ask(t, query).Text)

	ctx, stop := context.WithCancel(t.Context())
	var asked atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if r := g.ask(t, query); string(r.Text) != want {
					t.Errorf("the answer became %s", r.Text)
					return
				}
				asked.Add(1)
			}
		})
	}
	defer clients.Wait()
	defer stop()
	// reach waits until the clients have had so many more answers.
	reach := func(more int64) {
		for goal := asked.Load() + more; asked.Load() < goal && !t.Failed(); {
			g.ask(t, `{ viewer { caller } }`)
		}
	}
	reach(20)
	server.Kill()
	reach(100)
	server.Restart(t)
	deadline := time.Now().Add(30 * time.Second)
	for !strings.Contains(client.Info(t.Context(), "commandstats").Val(), "cmdstat_mget") {
		reach(1)
		if time.Now().After(deadline) {
			t.Fatal("Redis is back, and is not used")
		}
	}
	stop()
	clients.Wait()
	if log := g.log.String(); strings.Count(log, `"level":"WARN"`)+strings.Count(log, `"level":"ERROR"`) > 20 {
		t.Errorf("the log tells of Redis in too many lines: %.4000s", log)
	}
}

// A redisServer is a redis-server of the test's own.
type redisServer struct{ *redistest.Server }

// startRedis runs a redis-server until the test ends.
func startRedis(t testing.TB, options ...string) redisServer {
	t.Helper()
	return redisServer{redistest.Start(t, options...)}
}

// client returns a client that waits for Redis as long as a busy machine has it
// wait, so that what a test finds does not hang on that.
func (s redisServer) client(t testing.TB) redis.UniversalClient {
	t.Helper()
	client := connectRedis(t, s.PatientURL())
	redistest.BePatient(client)
	return client
}

// connectRedis returns a client with the gateway's own impatience.
func connectRedis(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	client, err := cache.ConnectRedis(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}
