package cache

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// dropChannel is where drops are told: the name of the Cache, then the keys, each
// in a line. A group stands there as groupMark and what would be the key of a
// record with its name. What is buried has graveMark before that. If Redis has not
// done what it was told of them, owedMark comes first.
const (
	dropChannel = "dg:" + keyVersion + ":drops"
	groupMark   = "group "
	owedMark    = "owed\n"
)

// A process that cannot hear of drops still uses its own tier a little. While
// nothing has been heard from Redis for deafWindow, it answers only what it got
// within that time; and within downWindow while Redis fails as a whole, for then
// drops reach nobody, and the source would have to bear all the load.
//
// Whoever has heard nothing for tickPause publishes a tick, by the way that drops
// go: an answer on the connection itself would not show that it leads to where
// drops are published, as it no longer does when another server has become the
// master. Without a tick for silence, the connection is given up and made anew,
// after listenPause if that fails.
const (
	deafWindow  = 5 * time.Second
	downWindow  = 30 * time.Second
	tickPause   = time.Second
	silence     = 3 * time.Second
	listenPause = 100 * time.Millisecond
)

// A Listener hears what is published on a channel of the Redis that a Cache
// uses, by the connection on which the Cache hears of drops. So whoever drops and
// then publishes is heard in that order, if Redis is no cluster. Its functions
// are called one at a time and must not wait.
type Listener struct {
	Channel string
	Began   func()               // from now on all is heard; what was published before may have been missed
	Hear    func(payload string) // what was published, by this process too
	Lost    func()               // nothing is heard until Began is called again
}

// ears hear of the drops of other processes, by a connection of their own.
type ears struct {
	cache    *Cache
	listener *Listener // nil for none
	cancel   context.CancelFunc
	ended    chan struct{}

	deaf bool // the log was told so

	begun atomic.Int64 // the moment at which the subscription began; what the process got before may have been dropped
	heard atomic.Int64 // the last moment at which Redis was heard
	tries atomic.Int64 // connections made, or tried
}

func listen(c *Cache, l *Listener) *ears {
	ctx, cancel := context.WithCancel(context.Background())
	e := &ears{cache: c, listener: l, cancel: cancel, ended: make(chan struct{})}
	go e.run(ctx)
	return e
}

func (e *ears) close() {
	e.cancel()
	<-e.ended
}

// trust returns the moment since which what began is as good as what is heard.
func (e *ears) trust(now time.Duration) time.Duration {
	begun := time.Duration(e.begun.Load())
	if now-time.Duration(e.heard.Load()) <= deafWindow {
		return begun
	}
	window := deafWindow
	if e.cache.remote.reads.isShut() {
		window = downWindow
	}
	return max(begun, now-window)
}

// areDeaf reports whether what is dropped is not heard: not yet, or no longer.
func (e *ears) areDeaf(now time.Duration) bool {
	heard := time.Duration(e.heard.Load())
	return heard == 0 || now-heard > deafWindow
}

// run listens until ctx ends.
func (e *ears) run(ctx context.Context) {
	defer close(e.ended)
	for ctx.Err() == nil {
		e.listen(ctx)
		select {
		case <-time.After(listenPause):
		case <-ctx.Done():
		}
	}
}

// listen listens until the connection breaks.
func (e *ears) listen(ctx context.Context) {
	e.tries.Add(1)
	channels := []string{dropChannel}
	if e.listener != nil {
		channels = append(channels, e.listener.Channel)
	}
	subscription := e.cache.remote.client.Subscribe(ctx, channels...)
	defer subscription.Close()
	hearing, listening := false, false // listening: for the listener, too
	defer func() {
		if listening {
			e.listener.Lost()
		}
		if hearing && ctx.Err() == nil {
			e.deaf = true
			e.cache.log.Warn("cache: what other processes drop is not heard")
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = subscription.Close() })
	defer stop()
	last := time.Now()
	for {
		message, err := subscription.ReceiveTimeout(ctx, tickPause)
		var timeout interface{ Timeout() bool }
		switch {
		case err == nil:
			last = time.Now()
		case errors.As(err, &timeout) && timeout.Timeout() && time.Since(last) < silence:
			_ = e.cache.remote.bounded(ctx, e.tick) // if it fails, the silence lasts
			continue
		default:
			return
		}
		switch m := message.(type) {
		case *redis.Message:
			if m.Channel == dropChannel {
				e.cache.hear(m.Payload)
			} else {
				e.listener.Hear(m.Payload)
			}
		case *redis.Subscription:
			if m.Channel == dropChannel {
				e.begin(ctx)
				hearing = true
				if e.deaf {
					e.deaf = false
					e.cache.log.Info("cache: what other processes drop is heard again")
				}
			} else {
				listening = true
				e.listener.Began()
			}
		}
		e.heard.Store(int64(time.Since(e.cache.epoch)))
	}
}

// tick publishes a message that drops nothing.
func (e *ears) tick(ctx context.Context) error {
	return e.cache.remote.client.Publish(ctx, dropChannel, e.cache.remote.name+"\n").Err()
}

// begin puts in doubt what the process has got before, for drops may have been missed.
func (e *ears) begin(ctx context.Context) {
	c := e.cache
	first := e.begun.Swap(int64(time.Since(c.epoch))) == 0
	if !first { // before all is forgotten, so that it is not read from Redis again
		c.remote.tellAgain()
	}
	c.mu.Lock()
	for _, k := range c.kinds {
		k.forgetAll()
	}
	c.mu.Unlock()
	c.memory.clear()
	if !first {
		c.clears.Add(1)
	}
	_ = c.remote.bounded(ctx, c.remote.teach) // else the first call of each script does
}

// hear forgets what another process has dropped, or buried.
func (c *Cache) hear(message string) {
	sender, rest, _ := strings.Cut(message, "\n")
	if sender == c.remote.name {
		return
	}
	rest, owed := strings.CutPrefix(rest, owedMark)
	byKind := make(map[string]*heard)
	for line := range strings.SplitSeq(rest, "\n") {
		if name, is := strings.CutPrefix(line, tenantMark); is {
			if full, ok := parseKey(name); ok {
				c.Forget(full.tenant)
			}
			continue
		}
		g, buried, line := cutGrave(line)
		line, isTrait := strings.CutPrefix(line, traitMark)
		key, isGroup := strings.CutPrefix(line, groupMark)
		full, ok := parseKey(key)
		if !ok {
			continue
		}
		h := byKind[full.kind]
		if h == nil {
			h = new(heard)
			byKind[full.kind] = h
		}
		if isTrait {
			if k := c.kind(full.kind); k != nil {
				k.hearTrait(full)
			}
			continue
		}
		graves := &c.graves
		if isGroup {
			graves = &c.groupGraves
		}
		if buried { // before they are forgotten, so that nothing comes between
			graves.dig(full, g, c.ms())
		}
		if isGroup {
			h.groups = append(h.groups, full)
		} else {
			h.full = append(h.full, full)
		}
	}
	for name, h := range byKind {
		if owed { // before they are forgotten, so that they are not read from Redis again
			c.remote.owed.add(h.full)
			c.remote.owes.add(h.groups)
		}
		if k := c.kind(name); k != nil {
			k.forget(h.full)
			k.forgetGroups(h.groups)
			c.dropsHeard.Add(uint64(len(h.full) + len(h.groups)))
		}
	}
}

// heard is what a message tells of one kind.
type heard struct{ full, groups []fullKey }

// kind returns the kind of a name, nil if there is none.
func (c *Cache) kind(name string) forgetter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kinds[name]
}
