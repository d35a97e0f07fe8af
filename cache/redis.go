package cache

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// tripTimeout bounds one round trip to Redis as a whole: waiting for a
// connection, making one, asking and being answered.
const tripTimeout = 250 * time.Millisecond

// Bounds of what is written in one round trip. A record larger than tripBytes
// makes one by itself.
const (
	tripRecords = 512
	tripBytes   = 1 << 20
)

// maxQueued bounds the records that wait to be written. What comes on top is
// not written: Redis lacks it then, which is no more than a miss.
const maxQueued = 8192

// A remote is the second tier. A nil remote holds nothing.
type remote struct {
	client  redis.UniversalClient
	log     *slog.Logger
	work    *work
	timeout time.Duration // of a trip

	reads, writes gate
	trips, faults atomic.Uint64

	mu      sync.Mutex
	queue   []write // waiting for the writer
	writing bool    // the writer is at work
}

// A write is a record on its way to Redis.
type write struct {
	full fullKey
	record
	encode  func(value any) ([]byte, error)
	refused *sync.Once // logs the first record of the kind that cannot be written
}

func newRemote(client redis.UniversalClient, log *slog.Logger, work *work) *remote {
	return &remote{
		client:  client,
		log:     log,
		work:    work,
		timeout: tripTimeout,
		reads:   gate{what: "read", log: log},
		writes:  gate{what: "write", log: log},
	}
}

// trip makes one round trip, unless the gate keeps it back.
func (r *remote) trip(ctx context.Context, g *gate, call func(context.Context) error) {
	made, err := g.do(func() error {
		ctx, cancel := context.WithTimeout(ctx, r.timeout)
		defer cancel()
		return call(ctx)
	})
	if made {
		r.trips.Add(1)
	}
	if err != nil {
		r.faults.Add(1)
	}
}

// get returns what Redis holds under each key, "" for what it does not hold or
// does not tell.
func (r *remote) get(ctx context.Context, full []fullKey) []string {
	found := make([]string, len(full))
	if r == nil {
		return found
	}
	r.trip(ctx, &r.reads, func(ctx context.Context) error {
		keys := make([]string, len(full))
		for i, key := range full {
			keys[i] = key.String()
		}
		// One MGET is cheaper than a pipeline of GETs. But of a cluster's MGET
		// go-redis makes one for each slot, and of a pipeline one for each node.
		if single, ok := r.client.(*redis.Client); ok {
			values, err := single.MGet(ctx, keys...).Result()
			for i := range min(len(values), len(found)) {
				found[i], _ = values[i].(string)
			}
			return err
		}
		pipe := r.client.Pipeline()
		gets := make([]*redis.StringCmd, len(keys))
		for i, key := range keys {
			gets[i] = pipe.Get(ctx, key)
		}
		_, _ = pipe.Exec(ctx) // the first error among the commands', which follow
		var failure error
		for i, get := range gets {
			s, err := get.Result()
			found[i] = s
			if err != nil && !errors.Is(err, redis.Nil) {
				failure = err
			}
		}
		return failure
	})
	return found
}

// put has records written, after those that wait already. It does not wait.
func (r *remote) put(records []write) {
	if r == nil || len(records) == 0 || r.reads.isShut() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue, records[:min(len(records), maxQueued-len(r.queue))]...)
	if !r.writing {
		r.writing = true
		r.work.begin()
		go r.write()
	}
}

// write empties the queue, then ends. While one round trip is under way, the
// queue gathers the records of the next.
func (r *remote) write() {
	defer r.work.end()
	for {
		r.mu.Lock()
		records := r.queue
		r.queue = nil
		r.writing = len(records) > 0
		r.mu.Unlock()
		if len(records) == 0 {
			return
		}
		for len(records) > 0 {
			records = r.writeSome(records)
		}
	}
}

// writeSome writes as many of the records as suit one round trip, and returns
// the others: none when Redis fails, since they would only fail too.
func (r *remote) writeSome(records []write) (others []write) {
	r.trip(context.Background(), &r.writes, func(ctx context.Context) error {
		pipe := r.client.Pipeline()
		size := 0
		for pipe.Len() < min(len(records), tripRecords) && size < tripBytes {
			size += r.add(ctx, pipe, records[pipe.Len()])
		}
		others = records[pipe.Len():]
		_, err := pipe.Exec(ctx)
		return err
	})
	return others
}

// add adds the command that writes w, and returns the bytes that it sends. What
// cannot be written takes what was there before with it, so that Redis never
// holds an older record than the one that was to replace it.
func (r *remote) add(ctx context.Context, pipe redis.Pipeliner, w write) int {
	key := w.full.String()
	value, err := toWire(w.record, w.encode)
	life := time.Until(time.UnixMilli(w.expires)).Truncate(time.Millisecond)
	if err != nil || life <= 0 {
		if err != nil {
			w.refused.Do(func() {
				r.log.Warn("cache: records of a kind cannot all be kept in Redis", "kind", w.full.kind, "error", err)
			})
		}
		pipe.Del(ctx, key)
		return len(key)
	}
	pipe.Set(ctx, key, value, life)
	return len(key) + len(value)
}
