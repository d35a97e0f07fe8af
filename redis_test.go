package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
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

	// A gateway that finds Redis slow asks Drift, and the machine may be slow
	// now and then.
	calls := -1
	for range 5 {
		second := assemble(t, parts{redis: server.client(t), drift: first.drift})
		if diff := cmp.Diff(want, string(second.ask(t, inbox).Text)); diff != "" {
			t.Fatalf("the second gateway answers otherwise (-first +second):\n%.4000s", diff)
		}
		if calls = first.calls(); calls == 0 {
			break
		}
	}
	if calls != 0 {
		t.Errorf("the inbox cost another gateway %d calls, want 0", calls)
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
		if client.PTTL(t.Context(), key).Val() <= 0 {
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
	server.stop()
	reach(100)
	server.start(t)
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
type redisServer struct {
	address string
	options []string
	ready   string // what it logs when it is
	process *exec.Cmd
}

// startRedis runs a redis-server until the test ends. Without one installed the
// test is skipped, but not in CI.
func startRedis(t *testing.T, options ...string) *redisServer {
	t.Helper()
	s := reserveRedis(t, options...)
	s.start(t)
	t.Cleanup(s.stop)
	return s
}

// reserveRedis returns a redis-server that does not run yet.
func reserveRedis(t *testing.T, options ...string) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	_, port, _ := net.SplitHostPort(free.Addr().String())
	return &redisServer{
		address: free.Addr().String(),
		options: append(options, "--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", ""),
		ready:   "Ready to accept connections",
	}
}

// url returns the URL of the server.
func (s *redisServer) url() string { return "redis://" + s.address }

// start runs the server, and returns when it is ready.
func (s *redisServer) start(t *testing.T) {
	t.Helper()
	s.process = exec.Command("redis-server", s.options...)
	out, err := s.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	for log := bufio.NewScanner(out); log.Scan(); {
		if strings.Contains(log.Text(), s.ready) {
			go func() { _, _ = io.Copy(io.Discard, out) }() // a full pipe would stop it
			return
		}
	}
	t.Fatal("redis-server does not start")
}

func (s *redisServer) stop() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// client returns a client with the gateway's own impatience.
func (s *redisServer) client(t *testing.T) redis.UniversalClient {
	t.Helper()
	return connectRedis(t, s.url())
}

// calm returns a client for a gateway that is calm.
func (s *redisServer) calm(t *testing.T) redis.UniversalClient {
	t.Helper()
	return connectRedis(t, s.url()+"?dial_timeout=1m&read_timeout=1m&write_timeout=1m&pool_timeout=1m")
}
