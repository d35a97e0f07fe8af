package cache_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/internal/redistest"
	"github.com/redis/go-redis/v9"
)

func TestRedis(t *testing.T) {
	server := startRedis(t)
	var s source
	s.absent = []int64{4}

	a := patient(cache.Options{Redis: server.client(t)})
	check(t, newKind(t, a).Load(t.Context(), "t", []int64{1, 2, 3, 4}, s.fetch), "1 NETWORK", "2 NETWORK", "3 NETWORK", "nil NETWORK")
	a.Wait()

	client := server.client(t)
	trips := countTrips(client)
	b := patient(cache.Options{Redis: client})
	k := newKind(t, b)
	check(t, k.Load(t.Context(), "t", []int64{4, 3, 5, 2}, s.fetch), "nil REDIS", "3 REDIS", "5 NETWORK", "2 REDIS")
	b.Wait()
	check(t, k.Load(t.Context(), "t", []int64{2, 3, 4}, s.fetch), "2 L1", "3 L1", "nil L1")
	check(t, k.Load(t.Context(), "u", []int64{1}, s.fetch), "1 NETWORK")
	b.Wait()
	s.asked(t, "[1 2 3 4]", "[5]", "[1]")
	trips.check(t, "recall 4", "fill 1", "recall 1", "fill 1")

	want := cache.Stats{L1Hits: 3, RedisHits: 3, Misses: 2, RedisTrips: 4, RedisReads: 2}
	got := b.Stats()
	if got.Bytes == 0 {
		t.Error("no bytes are held")
	}
	if got.Bytes = 0; got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
}

// However many keys a batch has, it takes one round trip to read them. They are
// written as they come, together with what comes meanwhile.
func TestRedisRoundTrips(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	trips := countTrips(client)
	c := patient(cache.Options{Redis: client})
	k := newKind(t, c)
	keys := make([]int64, 250)
	for i := range keys {
		keys[i] = int64(i)
	}
	for _, f := range k.Load(t.Context(), "t", keys, new(source).fetch) {
		if _, err := f.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	c.Wait()
	written := 0
	for i, trip := range trips.seen {
		var script string
		var records int
		fmt.Sscan(trip, &script, &records)
		if i == 0 && trip != "recall 250" || i > 0 && script != "fill" {
			t.Errorf("round trip %d to Redis is %s", i, trip)
		}
		if script == "fill" {
			written += records
		}
	}
	if written != 250 || len(trips.seen) > 100 {
		t.Errorf("%d records are written, all in %d round trips", written, len(trips.seen))
	}
}

// A hit does not wait for the fetch of the others.
func TestRedisPartialHits(t *testing.T) {
	server := startRedis(t)
	a := patient(cache.Options{Redis: server.client(t)})
	newKind(t, a).Put(t.Context(), "t", map[int64]*contact{1: {Name: "1"}})
	a.Wait()

	s := source{hold: make(chan struct{})}
	fs := newKind(t, patient(cache.Options{Redis: server.client(t)})).Load(t.Context(), "t", []int64{1, 2}, s.fetch)
	check(t, fs[:1], "1 REDIS")
	if fs[1].Done() {
		t.Error("a key that is held back is answered")
	}
	close(s.hold)
	check(t, fs[1:], "2 NETWORK")
}

func TestRedisExpiry(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	c := patient(cache.Options{Redis: client})
	k := newKind(t, c)
	s := source{absent: []int64{7}}
	check(t, k.Load(t.Context(), "t", []int64{7, 8}, s.fetch), "nil NETWORK", "8 NETWORK")
	records := make(map[int64]*contact)
	for key := range int64(1000) {
		records[key] = &contact{}
	}
	k.Put(t.Context(), "u", records)
	c.Wait()

	keys := client.Keys(t.Context(), "*").Val()
	if len(keys) != 1002 {
		t.Fatalf("%d keys in Redis, want 1002", len(keys))
	}
	form := regexp.MustCompile(`^dg:1:[tu]:contact:\d+$`)
	differ := make(map[time.Duration]bool)
	for _, key := range keys {
		longest := ttl
		if key == "dg:1:t:contact:7" {
			longest = absentTTL
		}
		left := client.PTTL(t.Context(), key).Val()
		if left <= 0 || left > longest*11/10 {
			t.Errorf("%s ends in %s; want it to end within %s", key, left, longest*11/10)
		}
		if !form.MatchString(key) {
			t.Errorf("there is a key %q in Redis", key)
		}
		differ[left.Truncate(time.Second)] = true
	}
	if len(differ) < 10 {
		t.Errorf("all records end within %d s", len(differ))
	}
}

// Processes that load and put the same records at once all see the right ones.
func TestRedisConcurrent(t *testing.T) {
	server := startRedis(t)
	var all sync.WaitGroup
	for range 2 {
		c := patient(cache.Options{Redis: server.client(t), Bytes: 20_000}) // of which some hundred have room
		k := newKind(t, c)
		for worker := range 4 {
			all.Go(func() {
				for i := range int64(100) {
					keys := []int64{i, i + int64(worker), 3 * i, i % 7}
					s := source{absent: []int64{5, 50}}
					for j, f := range k.Load(t.Context(), "t", keys, s.fetch) {
						v, err := f.Wait(t.Context())
						absent := keys[j] == 5 || keys[j] == 50
						if err != nil || (v == nil) != absent || v != nil && v.Name != fmt.Sprint(keys[j]) {
							t.Errorf("%d is %v, %v", keys[j], v, err)
						}
					}
					k.Put(t.Context(), "t", map[int64]*contact{i + 1000: {Name: fmt.Sprint(i + 1000)}})
				}
			})
		}
	}
	all.Wait()
}

// Whatever is in Redis under a key of ours, it is a record or a miss.
func TestRedisGarbage(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	ctx, key := t.Context(), "dg:1:t:contact:1"
	a := patient(cache.Options{Redis: client})
	newKind(t, a).Put(t.Context(), "t", map[int64]*contact{1: {Name: "good"}})
	a.Wait()
	good := client.Get(ctx, key).Val()
	header := good[:34]

	tests := map[string]string{
		"empty":         "",
		"one byte":      "\x01",
		"only a header": header,
		"cut":           good[:len(good)-2],
		"longer":        good + "}",
		"other version": "\x01" + good[1:],
		"other flags":   "\x02\x03" + good[2:],
		"null":          header + "null",
		"other type":    header + `{"Name":7}`,
		"no JSON":       header + "\xff\xfe",
		"ended":         good[:2] + strings.Repeat("\x00", 32) + good[34:],
		"never fetched": good[:2] + strings.Repeat("\xff", 8) + good[10:],
		"never ends":    good[:2] + strings.Repeat("\x7f"+strings.Repeat("\xff", 7), 4) + good[34:],
		"huge":          header + `{"Name":"` + strings.Repeat("x", 4<<20) + `"}`,
	}
	for name, value := range tests {
		t.Run(name, func(t *testing.T) {
			client.Set(ctx, key, value, 0)
			c := patient(cache.Options{Redis: client})
			check(t, newKind(t, c).Load(ctx, "t", []int64{1}, new(source).fetch), "1 NETWORK")
			c.Wait()
			if s := c.Stats(); s.RedisErrors != 0 {
				t.Errorf("%d errors of Redis", s.RedisErrors)
			}
			if left := client.PTTL(ctx, key).Val(); left <= 0 {
				t.Errorf("what replaced it ends in %s", left)
			}
		})
	}
	t.Run("a list", func(t *testing.T) {
		client.Del(ctx, key)
		client.RPush(ctx, key, "good")
		check(t, newKind(t, patient(cache.Options{Redis: client})).Load(ctx, "t", []int64{1}, new(source).fetch), "1 NETWORK")
	})
	t.Run("good", func(t *testing.T) {
		client.Set(ctx, key, good, 0)
		check(t, newKind(t, patient(cache.Options{Redis: client})).Load(ctx, "t", []int64{1}, nil), "good REDIS")
	})
}

// What Redis cannot keep takes what it was to replace with it, and is told of once.
func TestRedisUnwritable(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	log := new(lines)
	c := patient(cache.Options{Redis: client, Log: slog.New(log)})
	t.Cleanup(c.Close)
	k, err := cache.NewKind(c, cache.KindOptions[string, *contact]{
		Name: "contact",
		TTL:  ttl,
		Size: sizeOf,
		Encode: func(c *contact) ([]byte, error) {
			switch c.Name {
			case "error":
				return nil, errBroken
			case "panic":
				panic("encode")
			}
			return []byte(c.Name), nil
		},
		Decode: func(b []byte) (*contact, error) {
			if string(b) == "unreadable" {
				panic("decode")
			}
			return &contact{Name: string(b)}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"error", "panic", strings.Repeat("x", 4<<20)} {
		k.Put(t.Context(), "t", map[string]*contact{"1": {Name: "good"}})
		c.Wait()
		if n := client.DBSize(t.Context()).Val(); n != 1 {
			t.Fatalf("%d records in Redis, want 1", n)
		}
		k.Put(t.Context(), "t", map[string]*contact{"1": {Name: name}})
		c.Wait()
		if n := client.DBSize(t.Context()).Val(); n != 0 {
			t.Errorf("%.10s: %d records in Redis, want none", name, n)
		}
		if v, held := k.Peek("t", "1"); !held || v.Name != name {
			t.Errorf("%.10s is not held in the process", name)
		}
	}
	log.check(t, "WARN cache: records of a kind")

	k.Put(t.Context(), "t", map[string]*contact{"2": {Name: "unreadable"}})
	c.Wait()
	fetch := func(context.Context, []int64, func(int64, *contact, error)) error { return nil }
	check(t, newKind(t, patient(cache.Options{Redis: client})).Load(t.Context(), "t", []int64{2}, fetch), "nil NETWORK")
}

func TestRedisDown(t *testing.T) {
	client := connect(t, "unix://"+filepath.Join(t.TempDir(), "nobody"))
	log := new(lines)
	c := cache.New(cache.Options{Redis: client, Log: slog.New(log)})
	k := newKind(t, c)
	begun := time.Now()
	for key := range int64(100) {
		check(t, k.Load(t.Context(), "t", []int64{key}, new(source).fetch), fmt.Sprint(key, " NETWORK"))
		check(t, k.Load(t.Context(), "t", []int64{key}, nil), fmt.Sprint(key, " L1"))
	}
	atMostOneTripAPause(t, c, begun)
	log.check(t, "WARN cache: Redis fails")
}

// A server that accepts connections and never answers costs a timeout each
// pause, however much is asked.
func TestRedisHung(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() }) // what it has not accepted is in its queue
	for _, url := range []string{"redis://" + listener.Addr().String(), fmt.Sprintf("redis://%[1]s,%[1]s", listener.Addr())} {
		client := connect(t, url)
		log := new(lines)
		c := cache.New(cache.Options{Redis: client, Log: slog.New(log)})
		k := newKind(t, c)
		begun := time.Now()
		for key := range int64(200) {
			check(t, k.Load(t.Context(), "t", []int64{key}, new(source).fetch), fmt.Sprint(key, " NETWORK"))
			k.Put(t.Context(), "t", map[int64]*contact{-key: {}})
		}
		atMostOneTripAPause(t, c, begun)
		log.check(t, "WARN cache: Redis fails")
		if !c.Wait() {
			t.Error("writes still wait for Redis")
		}
	}
}

// What waits to be written is bounded; what comes on top is left out.
func TestRedisSlow(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	hold := make(chan struct{})
	countTrips(client).hold = hold
	c := patient(cache.Options{Redis: client})
	k := newKind(t, c)
	for key := range int64(30_000) {
		k.Put(t.Context(), "t", map[int64]*contact{key: {}})
	}
	close(hold)
	for !c.Wait() {
	}
	if n := client.DBSize(t.Context()).Val(); n < 8192 || n > 2*8192 { // as many wait, and no more are in the writer's hands
		t.Errorf("%d records are written of 30000 that came while Redis did not answer, want about 8192", n)
	}
}

func TestRedisRestart(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	var pool []*redis.Conn // so that the restart breaks many connections at once
	for range 10 {
		conn := client.(*redis.Client).Conn()
		conn.Ping(t.Context())
		pool = append(pool, conn)
	}
	for _, conn := range pool {
		conn.Close()
	}
	log := new(lines)
	c := patient(cache.Options{Redis: client, Log: slog.New(log)})
	k := newKind(t, c)
	load := func(key int64) {
		t.Helper()
		check(t, k.Load(t.Context(), "t", []int64{key}, new(source).fetch), fmt.Sprint(key, " NETWORK"))
		c.Wait()
	}
	load(1)
	log.check(t)

	server.Kill()
	load(2)
	load(3)
	log.check(t, "WARN cache: Redis fails")

	server.Restart(t)
	c.EndPauses()
	load(4)
	log.check(t, "WARN cache: Redis fails", "INFO cache: Redis is back")

	other := newKind(t, patient(cache.Options{Redis: server.client(t)}))
	check(t, other.Load(t.Context(), "t", []int64{2, 4}, new(source).fetch), "2 NETWORK", "4 REDIS")
}

// A Redis that is full refuses writes; what it holds is still read.
func TestRedisFull(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	a := patient(cache.Options{Redis: client})
	newKind(t, a).Put(t.Context(), "t", map[int64]*contact{1: {Name: "1"}, 2: {Name: "2"}})
	a.Wait()
	client.ConfigSet(t.Context(), "maxmemory", "1")

	log := new(lines)
	b := patient(cache.Options{Redis: client, Log: slog.New(log)})
	k := newKind(t, b)
	check(t, k.Load(t.Context(), "t", []int64{1, 3}, new(source).fetch), "1 REDIS", "3 NETWORK")
	b.Wait()
	check(t, k.Load(t.Context(), "t", []int64{2}, nil), "2 REDIS")
	log.check(t, "WARN cache: Redis fails")

	client.ConfigSet(t.Context(), "maxmemory", "0")
	b.EndPauses()
	k.Put(t.Context(), "t", map[int64]*contact{4: {}})
	b.Wait()
	log.check(t, "WARN cache: Redis fails", "INFO cache: Redis is back")
}

func TestRedisCluster(t *testing.T) {
	server := startRedis(t, "--cluster-enabled", "yes")
	if err := server.client(t).ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	cluster := func() redis.UniversalClient {
		client := connect(t, fmt.Sprintf("redis://%s,%s", server.Address, strings.TrimPrefix(server.PatientURL(), "redis://")))
		for client.Ping(t.Context()).Err() != nil || !strings.Contains(client.ClusterInfo(t.Context()).Val(), "cluster_state:ok") {
		}
		return client
	}
	keys := []int64{1, 2, 3, 4, 5, 6, 7, 8}
	a := patient(cache.Options{Redis: cluster()})
	ka := newKind(t, a)
	for _, f := range ka.Load(t.Context(), "t", keys, new(source).fetch) {
		f.Wait(t.Context())
	}
	a.Wait()

	client := cluster()
	trips := countTrips(client)
	b := patient(cache.Options{Redis: client})
	kb := newKind(t, b)
	check(t, kb.Load(t.Context(), "t", append(keys, 9), new(source).fetch),
		"1 REDIS", "2 REDIS", "3 REDIS", "4 REDIS", "5 REDIS", "6 REDIS", "7 REDIS", "8 REDIS", "9 NETWORK")
	b.Wait()
	trips.check(t, "recall 9", "fill 1")

	if err := kb.Drop("t", 1, 2); err != nil {
		t.Fatal(err)
	}
	await(t, "the drops to be heard", func() bool { return a.Stats().DropsHeard == 2 })
	check(t, kb.Load(t.Context(), "t", []int64{1, 3}, new(source).fetch), "1 NETWORK", "3 L1")
	if _, held := ka.Peek("t", 1); held {
		t.Error("a record that was dropped by another is held")
	}
}

func TestConnectRedis(t *testing.T) {
	tests := []struct {
		url  string
		want string // addresses, user, password and database; "" for an error
	}{
		{"redis://localhost", "localhost:6379   0"},
		{"redis://ann:s%3Ae@cache.example:7000/3", "cache.example:7000 ann s:e 3"},
		{"rediss://:secret@cache.example", "cache.example:6379  secret 0"},
		{"unix:///run/redis,1.sock", "/run/redis,1.sock   0"},
		{"redis://localhost?pool_size=7", "localhost:6379   0"},
		{"redis://ann:secret@a:1,b,[::1],[::2]:4", "a:1,b:6379,[::1]:6379,[::2]:4 ann secret 0"},
		{"redis://a,a/", "a:6379,a:6379   0"},
		{"redis://a?addr=b:2&addr=c:3", "a:6379,b:2,c:3   0"},
		{"redis-sentinel://ann:s%3Ae@a,b:7000/main", "FailoverClient ann s:e 0"},
		{"rediss-sentinel://a:1/main/2?sentinel_username=bea&sentinel_password=secret", "FailoverClient   2"},
		{"redis-sentinel://ann:secret@a,b", ""},
		{"redis-sentinel://ann:secret@a,b/main/x", ""},
		{"redis-sentinel://ann:secret@a/main?master_name=other", ""},
		{"http-sentinel://ann:secret@a/main", ""},
		{"", ""},
		{"localhost:6379", ""},
		{"http://ann:secret@localhost", ""},
		{"redis://ann:secret@localhost/zero", ""},
		{"redis://ann:secret@localhost:port", ""},
		{"redis://ann:se/cret@localhost", ""},
		{"redis://ann:se?cret@localhost", ""},
		{"redis://ann:se cret%@localhost", ""},
		{"redis://ann:secret@localhost?secret=1", ""},
		{"redis://ann:secret@a,b/1", ""},
		{"redis://ann:secret@a,,b", ""},
		{"redis://ann:secret@a,b:c:d", ""},
		{"unix://ann:secret@", ""},
	}
	for _, tt := range tests {
		client, err := cache.ConnectRedis(tt.url)
		if err != nil {
			if tt.want != "" {
				t.Errorf("%s: %v", tt.url, err)
			}
			if strings.Contains(err.Error(), "cret") || !strings.Contains(err.Error(), "redis://[user") {
				t.Errorf("%s: error %q tells the password, or not what is taken", tt.url, err)
			}
			continue
		}
		var got string
		switch c := client.(type) {
		case *redis.Client:
			o := c.Options()
			got = fmt.Sprint(o.Addr, " ", o.Username, " ", o.Password, " ", o.DB)
			if o.MaxRetries != 0 || o.DialerRetries != 1 || max(o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout) > 100*time.Millisecond || !o.ContextTimeoutEnabled {
				t.Errorf("%s: the client does not give up soon: %+v", tt.url, o)
			}
		case *redis.ClusterClient:
			o := c.Options()
			got = fmt.Sprint(strings.Join(o.Addrs, ","), " ", o.Username, " ", o.Password, " 0")
			if o.MaxRetries != -1 || o.DialerRetries != 1 || max(o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout) > 100*time.Millisecond || !o.ContextTimeoutEnabled {
				t.Errorf("%s: the client does not give up soon: %+v", tt.url, o)
			}
		}
		client.Close()
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.url, got, tt.want)
		}
	}
}

// atMostOneTripAPause checks that Redis was asked no more often than a gate allows.
func atMostOneTripAPause(t *testing.T, c *cache.Cache, begun time.Time) {
	t.Helper()
	pauses := int(time.Since(begun) / (100 * time.Millisecond))
	if s := c.Stats(); s.RedisErrors == 0 || s.RedisTrips > uint64(1+pauses) {
		t.Errorf("%d of %d round trips failed in %d pauses; want one in each", s.RedisErrors, s.RedisTrips, pauses)
	}
}

// A redisServer is a Redis of the test's own.
type redisServer struct{ *redistest.Server }

// startRedis starts a Redis that ends with the test.
func startRedis(t testing.TB, options ...string) redisServer {
	t.Helper()
	return redisServer{redistest.Start(t, options...)}
}

func (s redisServer) client(t testing.TB) redis.UniversalClient {
	t.Helper()
	return connect(t, s.PatientURL())
}

// patient returns a cache that gives Redis as much time, and hears of drops.
func patient(o cache.Options) *cache.Cache {
	c := cache.New(o)
	c.BePatient()
	c.AwaitHearing()
	return c
}

// connect returns a client that is closed after the caches of the test.
func connect(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	client, err := cache.ConnectRedis(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// trips are the round trips of a client: the name of the script, and of how many records.
type trips struct {
	hold   <-chan struct{}   // if not nil, scripts wait until it is closed
	before func(trip string) // if not nil, is called before each

	mu   sync.Mutex
	seen []string
}

func countTrips(client redis.UniversalClient) *trips {
	n := new(trips)
	client.AddHook(n)
	return n
}

func (n *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (n *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (n *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if trip := n.add(cmds); trip != "" {
			if n.hold != nil {
				<-n.hold
			}
			if n.before != nil {
				n.before(trip)
			}
		}
		return next(ctx, cmds)
	}
}

// add counts a round trip of scripts, and returns it; "" if it is none.
func (n *trips) add(cmds []redis.Cmder) string {
	var trip, script string
	records := 0
	for _, cmd := range cmds {
		args := cmd.Args()
		if cmd.Name() != "evalsha" { // the greeting of a connection
			return ""
		}
		if name := cache.ScriptOf(args[1].(string)); name != script && script != "" {
			trip, script, records = fmt.Sprint(trip, script, " ", records, ", "), name, 0
		} else {
			script = name
		}
		records += args[2].(int)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	trip = fmt.Sprint(trip, script, " ", records)
	n.seen = append(n.seen, trip)
	return trip
}

func (n *trips) check(t *testing.T, want ...string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(n.seen, want) {
		t.Errorf("round trips to Redis are %q, want %q", n.seen, want)
	}
}

// lines keeps the lines of a log: level and message.
type lines struct {
	mu   sync.Mutex
	seen []string
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !strings.Contains(r.Message, "heard") { // which the listener tells when it comes to it
		l.seen = append(l.seen, fmt.Sprint(r.Level, " ", r.Message))
	}
	return nil
}

// check checks how each line begins.
func (l *lines) check(t *testing.T, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.EqualFunc(l.seen, want, strings.HasPrefix) {
		t.Errorf("the log is %q, want %q", l.seen, want)
	}
}
