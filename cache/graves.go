package cache

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// LongestBurial is how long a record can be buried.
const LongestBurial = 366 * 24 * time.Hour

// maxGraves bounds the records, and the groups, that a process knows to be
// buried. Redis knows of those on top.
const maxGraves = 1 << 17

// A grave is that of a record, or of a group. Its times are in milliseconds
// since 1970.
type grave struct{ at, until int64 }

// graves are those that a process knows of. Nil ones are empty.
type graves struct {
	any atomic.Bool // whether there may be one

	mu sync.Mutex
	of map[fullKey]grave
}

// dig adds a grave, unless there is one that lasts longer.
func (g *graves) dig(full fullKey, new grave, now int64) {
	new.until = min(new.until, now+LongestBurial.Milliseconds())
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of == nil {
		g.of = make(map[fullKey]grave)
	}
	old, known := g.of[full]
	if new.until <= max(now, old.until) {
		return
	}
	if !known && len(g.of) >= maxGraves {
		g.level(now)
	}
	g.of[full] = new
	g.any.Store(true)
}

// level makes room for a grave: those go whose time is over, and one more if
// there is none.
func (g *graves) level(now int64) {
	var first fullKey
	soonest := grave{until: 1<<63 - 1}
	for full, old := range g.of {
		if old.until <= now {
			delete(g.of, full)
		} else if old.until < soonest.until {
			first, soonest = full, old
		}
	}
	if len(g.of) >= maxGraves {
		delete(g.of, first)
	}
}

// find returns the grave of a record or group that is buried now.
func (g *graves) find(full fullKey, now int64) (found grave, ok bool) {
	if g == nil || !g.any.Load() {
		return grave{}, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	found, ok = g.of[full]
	if ok && found.until <= now {
		delete(g.of, full)
		g.any.Store(len(g.of) > 0)
		return grave{}, false
	}
	return found, ok
}

// all returns what is buried now.
func (g *graves) all(now int64) (full []fullKey) {
	if g == nil || !g.any.Load() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, grave := range g.of {
		if grave.until > now {
			full = append(full, key)
		}
	}
	return full
}

// wire returns what stands in Redis in the place of a record that is buried: the
// header alone, which says so.
func (g grave) wire() string {
	b := []byte{layoutVersion, buriedFlag}
	for _, ms := range [...]int64{g.at, g.until, g.until, g.until} {
		b = binary.BigEndian.AppendUint64(b, uint64(ms)) // #nosec G115 -- the same 64 bits, read again by graveIn
	}
	return string(append(b, make([]byte, headerSize-shapeAt)...)) // whatever the shape of the record was
}

// graveIn returns the grave that s, found in Redis, tells of, if it does.
func graveIn(s string) (g grave, ok bool) {
	if len(s) != headerSize || s[0] != layoutVersion || s[1] != buriedFlag {
		return grave{}, false
	}
	at := func(i int) int64 { return int64(binary.BigEndian.Uint64([]byte(s[i:]))) } // #nosec G115 -- any 64 bits are a time, which dig then bounds
	return grave{at(2), at(staleAt)}, true
}

// text writes a grave for drop messages, and for the mark of a group.
func (g grave) text() string { return fmt.Sprintf("%d-%d", g.at, g.until) }

func graveFrom(text string) (g grave, ok bool) {
	n, err := fmt.Sscanf(text, "%d-%d", &g.at, &g.until)
	return g, n == 2 && err == nil
}

// graveMark begins a line of a drop message that tells of a burial: then come
// the grave, a blank, and what the line of a drop would be.
const graveMark = "grave "

// cutGrave returns what a line of a drop message tells of a burial, if it does,
// and the rest of it.
func cutGrave(line string) (g grave, buried bool, rest string) {
	text, marked := strings.CutPrefix(line, graveMark)
	if !marked {
		return grave{}, false, line
	}
	text, rest, _ = strings.Cut(text, " ")
	g, buried = graveFrom(text)
	return g, buried, rest
}

// withGrave returns a line of a drop message for a key, with its grave if it has one.
func withGrave(g grave, buried bool, line string) string {
	if !buried {
		return line
	}
	return graveMark + g.text() + " " + line
}

// life returns for how many milliseconds more a grave is kept, 0 if it is none.
func (g grave) life(now int64) int64 { return max(g.until-now, 0) }

// Bury is Drop, and then keeps records from coming back: for a while, up to
// LongestBurial, there is none of them, for any process. That is answered without
// a call, what a load, a refresh or a Put brings of them is thrown away, and a
// Drop does not end it. Redis may evict that knowledge as it may anything; the
// processes that have heard of it keep it.
func (k *Kind[K, V]) Bury(t Tenant, life time.Duration, keys ...K) error {
	g := k.cache.newGrave(life)
	for _, key := range keys {
		k.cache.graves.dig(k.full(t, key), g, g.at)
	}
	return k.Drop(t, keys...) // which tells of graves
}

// BuryGroup is Bury of all records whose keys are in one of the groups, known
// here or not.
func (k *Kind[K, V]) BuryGroup(t Tenant, life time.Duration, groups ...string) error {
	g := k.cache.newGrave(life)
	for _, group := range groups {
		if group != "" {
			k.cache.groupGraves.dig(fullKey{t, k.name, group}, g, g.at)
		}
	}
	return k.DropGroup(t, groups...)
}

func (c *Cache) newGrave(life time.Duration) grave {
	now := c.ms()
	return grave{now, now + life.Milliseconds()}
}

// Buried returns which of some records are buried, and since when. It asks Redis,
// in one round trip, for those of which this process does not know it. Records
// that are buried with their group are not among them.
func (k *Kind[K, V]) Buried(ctx context.Context, t Tenant, keys ...K) map[K]time.Time {
	now := k.cache.ms()
	buried := make(map[K]time.Time)
	var unknown []K
	for _, key := range keys {
		if g, ok := k.cache.graves.find(k.full(t, key), now); ok {
			buried[key] = time.UnixMilli(g.at)
		} else {
			unknown = append(unknown, key)
		}
	}
	if k.cache.remote == nil || len(unknown) == 0 {
		return buried
	}
	full := make([]fullKey, len(unknown))
	for i, key := range unknown {
		full[i] = k.full(t, key)
	}
	for i, wire := range k.cache.remote.headers(ctx, full) {
		if g, ok := graveIn(wire); ok && g.until > now {
			k.cache.graves.dig(full[i], g, now)
			k.forget(full[i : i+1])
			buried[unknown[i]] = time.UnixMilli(g.at)
		}
	}
	return buried
}

// isBuried reports whether this process knows that a record is buried, alone or
// with its group.
func (k *Kind[K, V]) isBuried(full fullKey, group string) bool {
	c := k.cache
	if !c.graves.any.Load() && !c.groupGraves.any.Load() {
		return false
	}
	now := c.ms()
	_, buried := c.graves.find(full, now)
	if !buried && group != "" {
		_, buried = c.groupGraves.find(full.in(group), now)
	}
	return buried
}

// bury finishes a flight whose record Redis knows to be buried: there is none. If
// that is news, what the process holds is forgotten.
func (b *batch[K, V]) bury(f *flight[K, V], g grave, withGroup bool) {
	k, c := b.kind, b.kind.cache
	news := !k.isBuried(f.full, f.group)
	if withGroup {
		c.groupGraves.dig(f.member.group, g, c.ms())
	} else {
		c.graves.dig(f.full, g, c.ms())
	}
	switch {
	case !news:
	case withGroup:
		k.forgetGroups([]fullKey{f.member.group})
	default:
		k.forget([]fullKey{f.full})
	}
	if !f.claimed.CompareAndSwap(false, true) {
		return
	}
	if f.token != "" {
		c.remote.put(write{full: f.full, token: f.token})
	}
	k.remoteHits.Add(1)
	k.finish(f, nil, nil, Redis)
}

// headers returns the headers of records in Redis, "" of those that it does not
// hold, and of all if it fails.
func (r *remote) headers(ctx context.Context, full []fullKey) []string {
	found := make([]string, len(full))
	r.trip(ctx, &r.reads, func(ctx context.Context) error {
		pipe := r.client.Pipeline()
		results := make([]*redis.StringCmd, len(full))
		for i, key := range full {
			results[i] = pipe.GetRange(ctx, key.String(), 0, headerSize-1)
		}
		_, err := pipe.Exec(ctx)
		for i, result := range results {
			found[i] = result.Val()
		}
		return err
	})
	return found
}
