package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/sandbox"
)

// A replica is the program in a process of its own, which can be killed.
type replica struct {
	*gateway
	process *exec.Cmd
}

// startReplica runs the program, with further settings, until it serves.
func startReplica(t testing.TB, drift *sandbox.Sandbox, upstream, redisURL string, env ...string) *replica {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append([]string{
		asProgram + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LISTEN_ADDR=127.0.0.1:0", "LOG_LEVEL=error",
		"DRIFT_TOKEN=" + testToken, "DRIFT_BASE_URL=" + upstream, "REDIS_URL=" + redisURL,
	}, env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{&gateway{drift: drift}, cmd}
	t.Cleanup(r.kill)
	for lines := bufio.NewScanner(out); r.url == "" && lines.Scan(); {
		r.url = serves.FindString(lines.Text())
	}
	if r.url == "" {
		t.Fatal("the program does not start")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return r
}

// kill ends the process at once, as nothing can be prepared for.
func (r *replica) kill() {
	_ = r.process.Process.Kill()
	_ = r.process.Wait()
}

// TestReplicaKilledWhileItLoads kills a replica that holds the lease of a record.
// Another that waits for it loads the record itself, long before it would have
// given up waiting.
func TestReplicaKilledWhileItLoads(t *testing.T) {
	const timeout = time.Minute
	server := startRedis(t)
	asked, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	var calls atomic.Int64
	emulator := newSandbox(sandbox.Config{Gate: func(r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/contacts/") && calls.Add(1) == 1 {
			close(asked)
			<-release
		}
	}})
	upstream := httptest.NewServer(emulator)
	t.Cleanup(upstream.CloseClientConnections)
	settings := []string{"OPERATION_TIMEOUT=" + timeout.String(), "DRIFT_TIMEOUT=" + timeout.String()}
	first := startReplica(t, emulator, upstream.URL, server.URL(), settings...)
	second := startReplica(t, emulator, upstream.URL, server.URL(), settings...)
	query := fmt.Sprintf(`{"query":"{ contact(id: %d) { name } }"}`, emulator.Fixtures().EnrichedContactID)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if res, err := http.Post(first.url+"/graphql", "application/json", strings.NewReader(query)); err == nil {
			res.Body.Close()
			t.Errorf("who is killed answers %s", res.Status)
		}
	}()
	<-asked
	client := server.client(t)
	eventually(t, func() bool { return len(client.Keys(t.Context(), "*:lease").Val()) == 1 })

	answered := make(chan *reply)
	start := time.Now()
	go func() {
		answered <- second.ask(t, fmt.Sprintf("{ contact(id: %d) { name } }", emulator.Fixtures().EnrichedContactID))
	}()
	first.kill()
	<-ended
	r := <-answered
	if r.mustSucceed(t); at(r.data(t), "contact.name") == nil {
		t.Errorf("the other answers %s", r.Text)
	}
	if took := time.Since(start); took > timeout/4 {
		t.Errorf("the other waits for %s; without a lease that ends it would be %s", took, timeout/2)
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("Drift is called %d times, want once by each", n)
	}
}

// TestAllKilledAndStarted kills both replicas and starts them again: what Redis
// has costs no call, and what changed while nobody listened is shown when the
// cache's time is over.
func TestAllKilledAndStarted(t *testing.T) {
	server := startRedis(t)
	emulator := newSandbox(sandbox.Config{})
	upstream := httptest.NewServer(emulator)
	t.Cleanup(upstream.Close)
	f := emulator.Fixtures()
	kept := fmt.Sprintf("{ conversation(id: %d) { status } }", f.ConversationIDs[0])
	changed := fmt.Sprintf("{ contact(id: %d) { phone } }", f.EnrichedContactID)
	begin := func() *replica {
		return startReplica(t, emulator, upstream.URL, server.URL(), "CACHE_TTL_CONVERSATION=1h", "CACHE_TTL_CONTACT=1s", "CACHE_STALE=0s")
	}
	both := [2]*replica{begin(), begin()}
	both[0].get(t, kept)
	client := server.client(t)
	eventually(t, func() bool { // the record is written when the answer is there
		return len(client.Keys(t.Context(), "dg:*").Val()) > 0
	})
	both[1].get(t, kept)
	before := at(both[0].get(t, changed), "contact.phone")
	for _, r := range both {
		r.kill()
	}
	(&gateway{upstream: upstream.URL}).write(t, "PATCH", fmt.Sprintf("/contacts/%d", f.EnrichedContactID), `{"attributes":{"phone":"555-0199"}}`)
	both = [2]*replica{begin(), begin()}
	both[0].calls()
	// A replica asks Drift when Redis takes long to answer, as it may on a busy
	// machine: then another is started in its place.
	for i := range both {
		n := -1
		for range 5 {
			both[i].get(t, kept)
			if n = both[i].calls(); n == 0 {
				break
			}
			both[i].kill()
			both[i] = begin()
		}
		if n != 0 {
			t.Errorf("after the start, what Redis has costs %d calls", n)
		}
	}
	for _, r := range both {
		eventually(t, func() bool {
			phone := at(r.get(t, changed), "contact.phone")
			if phone != before && phone != "555-0199" {
				t.Fatalf("the phone is %v", phone)
			}
			return phone == "555-0199"
		})
	}
}

// TestClocks has Redis hold records of a replica whose clock is wrong by an hour:
// what it wrote in the past is not answered, and what it wrote in the future is
// answered for no longer than a record of now.
func TestClocks(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"behind": -time.Hour, "ahead": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startRedis(t)
			client := server.client(t)
			emulator := newSandbox(sandbox.Config{})
			args := []string{"--cache-ttl-contact=6s", "--cache-stale=0s"}
			wrong := assemble(t, parts{drift: emulator, redis: client}, args...)
			id := emulator.Fixtures().EnrichedContactID
			query := fmt.Sprintf("{ contact(id: %d) { phone } }", id)
			before := at(wrong.get(t, query), "contact.phone")
			wrong.records.Wait()
			if n := shift(t, client, ahead); n != 1 {
				t.Fatalf("%d records are in Redis", n)
			}
			wrong.write(t, "PATCH", fmt.Sprintf("/contacts/%d", id), `{"attributes":{"phone":"555-0199"}}`)
			right := assemble(t, parts{drift: emulator, redis: client}, args...)
			first := at(right.get(t, query), "contact.phone")
			if first != "555-0199" && (first != before || ahead < 0) {
				t.Errorf("at first the phone is %v", first)
			}
			eventually(t, func() bool { return at(right.get(t, query), "contact.phone") == "555-0199" })
		})
	}
}

// shift moves the times of all records in Redis, but not when Redis removes them:
// that is counted from when they are written. It returns how many there are.
func shift(t *testing.T, client redis.UniversalClient, d time.Duration) int {
	t.Helper()
	keys := client.Keys(t.Context(), "dg:*").Val()
	for _, key := range keys {
		record, err := client.Get(t.Context(), key).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		for place := 2; place < 34; place += 8 {
			ms := int64(binary.BigEndian.Uint64(record[place:])) + d.Milliseconds()
			binary.BigEndian.PutUint64(record[place:], uint64(ms))
		}
		if err := client.Set(t.Context(), key, record, redis.KeepTTL).Err(); err != nil {
			t.Fatal(err)
		}
	}
	return len(keys)
}
