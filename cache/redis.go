package cache

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// tripTimeout bounds one round trip to Redis as a whole: waiting for a
// connection, making one, asking and being answered.
const tripTimeout = 250 * time.Millisecond

// Bounds of what one run of a script takes, and of what is written in one round
// trip. A record larger than tripBytes makes a round trip by itself.
const (
	runRecords  = 500
	tripRecords = 512
	tripBytes   = 1 << 20
)

// maxQueued bounds the records that wait to be written. What comes on top is
// not written: Redis lacks it then, which is no more than a miss.
const maxQueued = 8192

// gatherPause is how long the writer waits for more records before it writes
// the first, so that those of one answer go together.
const gatherPause = time.Millisecond

// dropLife is how long Redis knows that a record was dropped. What was fetched
// is written only within writableFor of when that began.
const (
	dropLife    = time.Minute
	writableFor = 50 * time.Second
)

// ErrNotTold says that records were dropped in this process, but that Redis and
// other processes may still answer them. They are told as soon as Redis answers,
// unless this process ends before.
var ErrNotTold = errors.New("cache: other processes were not told of the drop")

// A remote is the second tier. A nil remote holds nothing.
type remote struct {
	client  redis.UniversalClient
	cluster bool
	log     *slog.Logger
	work    *work
	timeout atomic.Int64 // of a trip, as a time.Duration
	ms      func() int64 // the time in milliseconds since 1970
	members int          // that a group may have
	keys    *Keys        // that seal what is written; nil for none
	name    string       // of this Cache, among those that share the Redis
	leases  leases
	owed    owed // keys
	owes    owed // groups

	told, toldGroups    told
	graves, groupGraves *graves // those that this process knows of

	reads, writes          gate
	trips, faults, recalls atomic.Uint64
	tokens                 atomic.Uint64 // given out

	mu      sync.Mutex
	queue   []write // waiting for the writer
	writing bool    // the writer is at work
	asks    []*ask  // waiting for the reader
	reading bool    // the reader is at work
}

func newRemote(client redis.UniversalClient, log *slog.Logger, work *work, ms func() int64) *remote {
	var name [8]byte
	rand.Read(name[:])
	_, single := client.(*redis.Client)
	r := &remote{
		client:  client,
		cluster: !single,
		log:     log,
		work:    work,
		ms:      ms,
		members: maxMembers,
		name:    hex.EncodeToString(name[:]),
	}
	r.reads = gate{what: "read", log: log, back: r.tellAgain}
	r.writes = gate{what: "write", log: log, back: r.tellAgain}
	r.timeout.Store(int64(tripTimeout))
	r.leases.renew = r.renew
	r.owed.pay = r.tell
	r.owes.pay = r.disband
	return r
}

// token returns a token that no lease has had.
func (r *remote) token() string {
	return r.name + "/" + strconv.FormatUint(r.tokens.Add(1), 36)
}

// trip makes one round trip, unless the gate keeps it back.
func (r *remote) trip(ctx context.Context, g *gate, call func(context.Context) error) {
	made, err := g.do(func() error { return r.bounded(ctx, call) })
	r.count(made, err)
}

func (r *remote) bounded(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.timeout.Load()))
	defer cancel()
	return call(ctx)
}

func (r *remote) count(made bool, err error) {
	if made {
		r.trips.Add(1)
	}
	if err != nil {
		r.faults.Add(1)
	}
}

// perRun is how many records one run of a script takes: in a cluster one, since
// others may be on other nodes.
func (r *remote) perRun() int {
	if r.cluster {
		return 1
	}
	return runRecords
}

// A question asks for a record, and for a lease if Redis has none of which the
// time at a place in the header exceeds a bound.
type question struct {
	full   fullKey
	member *member // of its group; nil for none
	at     int     // the place, counted from 0
	above  int64   // the bound, in milliseconds since 1970
}

// A finding is what came of a question.
type finding struct {
	wire  string // "" if Redis does not hold the record, or does not tell
	lease int64  // unasked, granted, taken or denied

	generation string // of its group; "" if it has none, or cannot be written
	withGroup  bool   // wire tells of the grave of its group
}

// An ask is the questions of one batch, the shape of the records that are wanted,
// and the token of the leases it is granted.
type ask struct {
	questions []question
	shape     shape
	token     string
	reply     chan []finding // has room for the one reply
}

// ask answers asks in one round trip. If Redis fails, it is as empty, and denies leases.
func (r *remote) ask(ctx context.Context, asks []*ask) {
	total := 0
	for _, a := range asks {
		total += len(a.questions)
	}
	found := make([]finding, total)
	for i := range found {
		found[i].lease = denied
	}
	defer func() {
		for _, a := range asks {
			n := len(a.questions)
			r.ignoreOwed(a, found)
			a.reply <- found[:n:n]
			found = found[n:]
		}
	}()
	r.trip(ctx, &r.reads, func(ctx context.Context) error {
		r.recalls.Add(1)
		recalls := recallRuns(asks, total, r.perRun())
		results, enrolled, members, err := r.recall(ctx, recalls, asks)
		i := 0
		for _, result := range results {
			values, _ := result.Slice()
			n := min(r.perRun(), total-i)
			for j := range len(values) / 2 {
				f := &found[i+j]
				f.wire, _ = values[j].(string)
				f.lease, _ = values[n+j].(int64)
			}
			i += n
		}
		members.judge(enrolled, found)
		return err
	})
}

// isOwed reports whether Redis does not know that a record was dropped, alone or
// with its group.
func (r *remote) isOwed(full fullKey, m *member) bool {
	return r.owed.any.Load() && r.owed.has(full) || m != nil && r.owes.any.Load() && r.owes.has(m.group)
}

// ignoreOwed takes from what was found for an ask the records that were dropped
// without the knowledge of Redis. A lease that was granted is the asker's even so.
func (r *remote) ignoreOwed(a *ask, found []finding) {
	for i, q := range a.questions {
		f := &found[i]
		if !r.isOwed(q.full, q.member) {
			continue
		}
		if f.lease != granted {
			*f = finding{lease: denied}
		} else if _, buried := graveIn(f.wire); !buried {
			f.wire = ""
		}
	}
}

// recallRuns returns the runs of recall for asks, each of so many records.
func recallRuns(asks []*ask, total, perRun int) []run {
	life := leaseLife.Milliseconds()
	runs := make([]run, 0, (total+perRun-1)/perRun)
	for _, a := range asks {
		alike := 0 // questions before this one, in the same run, that only differ in their records
		for i, q := range a.questions {
			if len(runs) == 0 || len(runs[len(runs)-1].keys) == perRun {
				runs = append(runs, run{recallScript, make([]string, 0, min(total, perRun)), []any{life}})
				total -= perRun
				alike = 0
			}
			current := &runs[len(runs)-1]
			current.keys = append(current.keys, q.full.String())
			if alike == 0 || q.at != a.questions[i-1].at || q.above != a.questions[i-1].above {
				current.args = append(current.args, 0, a.token, q.at, q.above, string(a.shape[:]))
				alike = 0
			}
			alike++
			current.args[len(current.args)-5] = alike
		}
	}
	return runs
}

// askAgain answers an ask together with others that come while a round trip for
// such is under way.
func (r *remote) askAgain(a *ask) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asks = append(r.asks, a)
	if !r.reading {
		r.reading = true
		r.work.begin()
		go r.read()
	}
}

func (r *remote) read() {
	defer r.work.end()
	for {
		r.mu.Lock()
		asks := r.asks
		r.asks = nil
		r.reading = len(asks) > 0
		r.mu.Unlock()
		if len(asks) == 0 {
			return
		}
		r.ask(context.Background(), asks)
	}
}

// A write is a record on its way to Redis, or back to others the lease of one.
type write struct {
	full   fullKey
	token  string    // of its lease, if it has one
	member *member   // of its group; nil for none
	record *record   // nil to give back the lease only
	began  time.Time // when what brought the record began
	kind   keeper    // nil if record is
}

// A keeper is a Kind, of whatever types.
type keeper interface {
	mayWrite(full fullKey, r *record) bool
	wire(r *record) ([]byte, error)
	refuse(full fullKey, r *record)
	cannotWrite(error)
}

// put has records written, after those that wait already. It does not wait.
func (r *remote) put(records ...write) {
	if r == nil || len(records) == 0 {
		return
	}
	if r.reads.isShut() {
		r.leases.forget(records)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	room := min(len(records), maxQueued-len(r.queue))
	r.queue = append(r.queue, records[:room]...)
	r.leases.forget(records[room:])
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
	time.Sleep(gatherPause)
	for {
		r.mu.Lock()
		records := r.queue
		r.queue = nil
		r.writing = len(records) > 0
		r.mu.Unlock()
		if len(records) == 0 {
			return
		}
		for left := records; len(left) > 0; {
			left = r.writeSome(left)
		}
		r.leases.forget(records)
	}
}

// writeSome writes as many of the records as suit one round trip, and returns
// the others: none when Redis fails, since they would only fail too.
func (r *remote) writeSome(records []write) (others []write) {
	r.trip(context.Background(), &r.writes, func(ctx context.Context) error {
		if err := r.enrollLate(ctx, records[:min(len(records), tripRecords)]); err != nil {
			return err
		}
		var runs []run
		n, size := 0, 0
		for n < min(len(records), tripRecords) && size < tripBytes {
			if n%r.perRun() == 0 {
				runs = append(runs, run{script: fillScript})
			}
			size += r.add(&runs[len(runs)-1], records[n])
			n++
		}
		others = records[n:]
		results, err := r.run(ctx, runs)
		i := 0
		for _, result := range results {
			allowed, _ := result.Slice()
			for j, ok := range allowed {
				if w := records[i+j]; ok == int64(0) && w.record != nil {
					w.kind.refuse(w.full, w.record)
				}
			}
			i += r.perRun()
		}
		return err
	})
	return others
}

// add adds to a run what writes w, and returns the bytes that it sends. What
// cannot be written takes what was there before with it, so that Redis never
// holds an older record than the one that was to replace it.
func (r *remote) add(run *run, w write) int {
	key := w.full.String()
	run.keys = append(run.keys, key)
	life, value := int64(-1), []byte(nil)
	if w.record != nil && time.Since(w.began) < writableFor && w.kind.mayWrite(w.full, w.record) {
		var err error
		life = 0
		if value, err = w.kind.wire(w.record); err == nil && r.keys != nil {
			value, err = r.keys.seal(key, value)
		}
		if err != nil {
			w.kind.cannotWrite(err)
			value = nil
		} else if value = w.member.sign(value); value != nil {
			life = max(w.record.expires-r.ms(), 0)
		}
	}
	run.args = append(run.args, w.token, life, value)
	return len(key) + len(value)
}

// drop removes records from Redis and tells the other processes, or sees to it
// that this is made up for.
func (r *remote) drop(full []fullKey) error {
	err := r.tell(full)
	if err != nil {
		r.owed.add(full)
		return fmt.Errorf("%w: %w", ErrNotTold, err)
	}
	return nil
}

// tell tells Redis and the other processes of drops, and of the burials among
// them, in one round trip, even if Redis has failed lately.
func (r *remote) tell(full []fullKey) error {
	var runs []run
	var all []string
	for some := range slices.Chunk(full, r.perRun()) {
		message := []string{r.name}
		run := run{script: dropScript, args: []any{dropLife.Milliseconds(), dropChannel, ""}}
		for _, full := range some {
			key := full.String()
			g, buried := r.graves.find(full, r.ms())
			run.keys = append(run.keys, key)
			run.args = append(run.args, g.life(r.ms()), g.wire())
			message = append(message, withGrave(g, buried, key))
		}
		run.args[2] = strings.Join(message, "\n")
		runs = append(runs, run)
		all = append(all, message[1:]...)
	}
	_, err := r.insist(runs)
	if err != nil {
		r.warn(err, all)
		return err
	}
	r.told.add(full)
	return nil
}

// warn tells the other processes of drops that Redis refused, as one does that
// may only be read: then what it holds of them is not as it should be.
func (r *remote) warn(err error, lines []string) {
	var refusal redis.Error
	if errors.As(err, &refusal) {
		_ = r.bounded(context.Background(), func(ctx context.Context) error {
			return r.client.Publish(ctx, dropChannel, r.name+"\n"+owedMark+strings.Join(lines, "\n")).Err()
		})
	}
}

// insist makes runs in one round trip, even if Redis has failed lately.
func (r *remote) insist(runs []run) (results []*redis.Cmd, err error) {
	err = r.bounded(context.Background(), func(ctx context.Context) error {
		results, err = r.run(ctx, runs)
		return err
	})
	r.count(true, err)
	return results, err
}

// renew lets the leases of this process live on, in one round trip.
func (r *remote) renew(held map[fullKey]string) {
	var runs []run
	for full, token := range held {
		if len(runs) == 0 || len(runs[len(runs)-1].keys) == r.perRun() {
			runs = append(runs, run{script: renewScript, args: []any{leaseLife.Milliseconds()}})
		}
		last := &runs[len(runs)-1]
		last.keys = append(last.keys, full.String())
		last.args = append(last.args, token)
	}
	r.trip(context.Background(), &r.reads, func(ctx context.Context) error {
		_, err := r.run(ctx, runs)
		return err
	})
}
