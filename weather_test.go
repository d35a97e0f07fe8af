package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/internal/redistest"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestRedisWeather has two gateways under load lose the Redis that they share, in
// each way in which that can happen, while things change in Drift. No query
// fails; hardly any waits; what clients were shown before the break is never
// taken back; and once Redis is well again, so are both gateways, without a
// restart: they show what is true, and each other's changes.
func TestRedisWeather(t *testing.T) {
	tests := map[string]func(*testing.T) sky{
		"absent at the start": func(t *testing.T) sky {
			s := startRedis(t)
			s.Kill()
			return sky{url: s.URL(), absent: true, clear: func() { s.Restart(t) }}
		},
		"killed and started again": func(t *testing.T) sky {
			s := startRedis(t)
			return sky{url: s.URL(), storm: s.Kill, clear: func() { s.Restart(t) }}
		},
		"frozen": func(t *testing.T) sky {
			s := startRedis(t)
			return sky{url: s.URL(), storm: func() { s.signal(t, syscall.SIGSTOP) }, clear: func() { s.signal(t, syscall.SIGCONT) }}
		},
		"full": func(t *testing.T) sky {
			s := startRedis(t, "--maxmemory-policy", "noeviction")
			return sky{
				url:   s.URL(),
				tells: true,
				storm: func() { s.do(t, "CONFIG", "SET", "maxmemory", "1") },
				clear: func() { s.do(t, "CONFIG", "SET", "maxmemory", "0") },
			}
		},
		"read-only": func(t *testing.T) sky {
			s := startRedis(t)
			return sky{
				url:   s.URL(),
				tells: true,
				storm: func() { s.do(t, "REPLICAOF", "127.0.0.1", "1") }, // nobody is there
				clear: func() { s.do(t, "REPLICAOF", "NO", "ONE") },
			}
		},
		"failing over": failingOver,
		"cluster of which slots move": func(t *testing.T) sky {
			nodes := startCluster(t)
			id := func(s redisServer) string { return strings.TrimSpace(s.do(t, "CLUSTER", "MYID")) }
			return sky{url: clusterURL(nodes), tells: true, storm: func() {
				redisCLI(t, "--cluster", "reshard", nodes[0].Address, "--cluster-from", id(nodes[0]), "--cluster-to", id(nodes[1]), "--cluster-slots", "1500", "--cluster-yes")
			}}
		},
		"cluster of which a node dies": func(t *testing.T) sky {
			nodes := startCluster(t)
			return sky{url: clusterURL(nodes), storm: nodes[2].Kill, clear: func() { nodes[2].Restart(t) }}
		},
	}
	for name, skies := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newTown(t, skies(t)).live()
		})
	}
}

// A sky is a Redis, and what happens to it.
type sky struct {
	url    string
	absent bool   // it is not there yet
	storm  func() // begins the break; nil if it has begun
	clear  func() // ends it; nil if it ends by itself
	tells  bool   // the gateways hear of each other's changes all the same
	loses  bool   // what Redis was told last before the break it may have lost
}

// failingOver is a master that is killed, a replica that takes its place, and
// three sentinels that see to it.
func failingOver(t *testing.T) sky {
	master := startRedis(t)
	host, port, _ := net.SplitHostPort(master.Address)
	replica := startRedis(t, "--replicaof", host+" "+port)
	eventually(t, func() bool {
		return strings.Contains(replica.do(t, "INFO", "replication"), "master_link_status:up")
	})
	var sentinels []string
	for range 3 {
		file := filepath.Join(t.TempDir(), "sentinel.conf")
		text := "sentinel monitor main " + host + " " + port + " 2\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := redisServer{redistest.Reserve(t, file, "--sentinel")}
		s.Ready = "+monitor master main"
		s.Restart(t)
		t.Cleanup(s.Kill)
		sentinels = append(sentinels, s.Address)
		eventually(t, func() bool { return strings.Contains(s.do(t, "SENTINEL", "REPLICAS", "main"), replica.Address) })
	}
	eventually(t, func() bool {
		client := redis.NewSentinelClient(&redis.Options{Addr: sentinels[0]})
		defer client.Close()
		others, err := client.Sentinels(t.Context(), "main").Result()
		return err == nil && len(others) == 2
	})
	return sky{
		url:   "redis-sentinel://" + strings.Join(sentinels, ",") + "/main",
		loses: true,
		storm: master.Kill,
		clear: func() {
			eventually(t, func() bool { return strings.Contains(replica.do(t, "ROLE"), "master") })
			master.Options = append(master.Options, "--replicaof", strings.Replace(replica.Address, ":", " ", 1))
			master.Restart(t) // as a replica
		},
	}
}

// startCluster runs a cluster of three nodes.
func startCluster(t *testing.T) (nodes []redisServer) {
	create := []string{"--cluster", "create"}
	for range 3 {
		s := startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		nodes = append(nodes, s)
		create = append(create, s.Address)
	}
	redisCLI(t, append(create, "--cluster-yes")...)
	for _, s := range nodes {
		eventually(t, func() bool { return strings.Contains(s.do(t, "CLUSTER", "INFO"), "cluster_state:ok") })
	}
	return nodes
}

func clusterURL(nodes []redisServer) string {
	var hosts []string
	for _, s := range nodes {
		hosts = append(hosts, s.Address)
	}
	return "redis://" + strings.Join(hosts, ",")
}

// A town is two gateways that share a Redis, and clients who ask both of them
// for the phone numbers of contacts. Those are changed in Drift, each number one
// more than the one before; the webhooks come to the first gateway.
type town struct {
	*testing.T
	sky
	gateways [2]*gateway
	contacts []int64

	phase  atomic.Int32      // what is asked in one and answered in another is not judged by floors
	number []atomic.Int64    // of each contact, in Drift
	floors [2][]atomic.Int64 // by gateway and contact: what it has shown, and may not take back
	mu     sync.Mutex
	took   map[int32][]time.Duration // by phase
	bad    string                    // the first answer that is wrong
}

// The phases of a town.
const (
	before = iota
	during
	recovering
	after
)

func newTown(t *testing.T, s sky) *town {
	w := &town{T: t, sky: s, took: map[int32][]time.Duration{}}
	args := []string{"--cache-ttl-contact=1h", "--cache-ttl-team=1ms"} // teams are asked of Redis each time
	w.gateways[0] = newLiveGateway(t, sandbox.Config{}, parts{redis: connectRedis(t, s.url), lost: true}, args...)
	w.gateways[1] = assemble(t, parts{redis: connectRedis(t, s.url), lost: true, drift: w.gateways[0].drift}, args...)
	f := w.gateways[0].drift.Fixtures()
	w.contacts = []int64{f.EnrichedContactID, f.EmployedContactID, f.FreemailContactID}
	w.number = make([]atomic.Int64, len(w.contacts))
	for i := range w.floors {
		w.floors[i] = make([]atomic.Int64, len(w.contacts))
	}
	return w
}

// live is a day in the town.
func (w *town) live() {
	w.enter(recovering)
	for i := range w.contacts {
		w.change(i)
	}
	ctx, stop := context.WithCancel(w.Context())
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil && !w.Failed(); n++ {
				w.visit(i%2, (i+n)%len(w.contacts))
				time.Sleep(5 * time.Millisecond) // so that the machine bears it
			}
		})
	}
	defer clients.Wait()
	defer stop()

	if !w.absent {
		w.settle()
		w.enter(before)
		w.answers(50)
	}
	w.enter(during)
	if w.storm != nil {
		w.storm()
	}
	for i := range w.contacts {
		if w.change(i); w.tells {
			w.shown(i)
		}
	}
	w.answers(150)
	w.enter(recovering)
	if w.clear != nil {
		w.clear()
	}
	w.settle()
	w.enter(after)
	for i := range w.contacts {
		w.change(i)
		w.shown(i)
	}
	stop()
	clients.Wait()
	w.judge()
}

// enter begins a phase.
func (w *town) enter(phase int32) {
	w.phase.Store(phase)
	w.Logf("%s: %s", time.Now().Format("05.000"), [...]string{"before", "during", "recovering", "after"}[phase])
}

// change changes a contact in Drift, which posts it to the first gateway.
func (w *town) change(contact int) {
	number := w.number[contact].Add(1)
	w.gateways[0].write(w.T, "PATCH", fmt.Sprintf("/contacts/%d", w.contacts[contact]), fmt.Sprintf(`{"attributes":{"phone":"555-%d"}}`, number))
}

// visit asks a gateway for a contact.
func (w *town) visit(gateway, contact int) int64 {
	phase, floor := w.phase.Load(), w.floors[gateway][contact].Load()
	start := time.Now()
	r := w.gateways[gateway].ask(w.T, fmt.Sprintf("{ contact(id: %d) { phone } teams { name } }", w.contacts[contact]))
	took := time.Since(start)
	same := w.phase.Load() == phase
	w.mu.Lock()
	defer w.mu.Unlock()
	if same {
		w.took[phase] = append(w.took[phase], took)
	}
	if w.bad != "" {
		return 0
	}
	phone, _ := at(r.data(w.T), "contact.phone").(string)
	number, _ := strconv.ParseInt(strings.TrimPrefix(phone, "555-"), 10, 64)
	switch {
	case r.Status != 200 || len(r.Errors) > 0:
		w.bad = fmt.Sprintf("in phase %d gateway %d answers %d %s", phase, gateway, r.Status, r.Text)
	case number > w.number[contact].Load():
		w.bad = fmt.Sprintf("in phase %d gateway %d shows the number %d, which never was", phase, gateway, number)
	case same && number < floor && (phase == before || phase == after || phase == during && !w.loses):
		w.bad = fmt.Sprintf("in phase %d gateway %d shows the number %d, after %d", phase, gateway, number, floor)
	}
	if same && (phase == before || phase == after) {
		raise(&w.floors[gateway][contact], number)
	}
	if w.bad != "" {
		w.Error(w.bad)
	}
	return number
}

// raise makes v at least n.
func raise(v *atomic.Int64, n int64) {
	for old := v.Load(); old < n && !v.CompareAndSwap(old, n); old = v.Load() {
	}
}

// shown waits until both gateways show the number that a contact has.
func (w *town) shown(contact int) {
	w.Helper()
	for gateway := range w.gateways {
		eventually(w, func() bool { return w.Failed() || w.visit(gateway, contact) == w.number[contact].Load() })
	}
}

// settled is how long a town must show nothing but what is true to be taken for
// well: longer than it takes to make up for a drop that Redis was not told of.
const settled = 1500 * time.Millisecond

// settle waits until both gateways show what is true, and keep to it.
func (w *town) settle() {
	w.Helper()
	since := time.Now()
	eventually(w, func() bool {
		for gateway := range w.gateways {
			for contact := range w.contacts {
				if w.visit(gateway, contact) != w.number[contact].Load() {
					since = time.Now()
				}
			}
		}
		return w.Failed() || time.Since(since) > settled
	})
	for gateway := range w.gateways {
		for contact := range w.contacts {
			w.floors[gateway][contact].Store(w.number[contact].Load())
		}
	}
}

// answers waits until clients have had so many more in this phase.
func (w *town) answers(n int) {
	w.Helper()
	phase := w.phase.Load()
	eventually(w, func() bool {
		time.Sleep(time.Millisecond)
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.Failed() || len(w.took[phase]) >= n
	})
}

// tripTimeout is how long the gateway waits for Redis at most.
const tripTimeout = 250 * time.Millisecond

// judge looks at how long clients waited, and at what was logged.
func (w *town) judge() {
	usual := w.took[after]
	for _, took := range w.took {
		slices.Sort(took)
	}
	bound := tripTimeout + 5*usual[len(usual)*9/10]
	if storm := w.took[during]; storm[len(storm)*9/10] > bound {
		w.Errorf("during the break a tenth of the queries took more than %s; the bound is %s", storm[len(storm)*9/10], bound)
	}
	for i, g := range w.gateways {
		lines := strings.Split(g.log.String(), "\n")
		told := 0
		for _, line := range lines {
			if strings.Contains(line, "Redis fails") {
				told++
			}
		}
		if told > 20 {
			w.Errorf("gateway %d tells %d times that Redis fails", i, told)
		}
	}
}

// signal sends the server's process a signal.
func (s redisServer) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := s.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// do sends the server a command, and returns what it answers.
func (s redisServer) do(t *testing.T, args ...string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(s.Address)
	return redisCLI(t, append([]string{"-h", host, "-p", port}, args...)...)
}

// redisCLI runs redis-cli.
func redisCLI(t *testing.T, args ...string) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; { // a server that changes its part closes connections
		out, err := exec.CommandContext(t.Context(), "redis-cli", args...).CombinedOutput()
		if err == nil && !regexp.MustCompile(`^(ERR|\[ERR\])`).Match(out) {
			return string(out)
		}
		if time.Now().After(deadline) {
			t.Fatalf("redis-cli %s: %v\n%s", args, err, out)
		}
	}
}
