package events

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
)

const (
	// queueLength bounds the events that wait for a subscriber.
	queueLength = 64

	// An event that is told again within repeatWindow is passed over. At most
	// rememberedEvents are remembered.
	repeatWindow     = 5 * time.Minute
	rememberedEvents = 1 << 16

	// publishTimeout bounds how long telling the other processes may take. If it
	// fails they are told of a gap as soon as they can be, tried each owedPause.
	publishTimeout = 500 * time.Millisecond
	owedPause      = time.Second
)

// ErrClosed ends the subscriptions of a Bus that is closed.
var ErrClosed = errors.New("events: the bus is closed")

// A Bus carries the events of all organisations. Events of one process come in the order
// in which it published them; those of several come in any.
type Bus struct {
	redis   redis.UniversalClient // nil if there is none
	channel string
	name    string // of this process among those that share the channel
	log     *slog.Logger

	mu          sync.Mutex
	subscribers map[Filter]map[*Subscription]struct{}
	seen        map[name]struct{}
	order       []sighting // of what is seen, the oldest first
	closed      bool
	owed        bool // the others are to be told of a gap
	owing       bool // owe is at it

	stop    context.CancelFunc
	stopped context.Context
	work    sync.WaitGroup

	published, repeated, heard, gaps, overflows atomic.Uint64
}

// A name is that of an event: an id, among those of its organisation.
type name struct {
	org drift.ID
	id  string
}

// A sighting is an event that was told, and when.
type sighting struct {
	name
	at time.Time
}

// NewBus returns a Bus that those share who name it alike. With Redis, which may be nil,
// the Listener of the Bus must be given to the Cache of the same Redis.
func NewBus(shared redis.UniversalClient, called cache.Tenant, log *slog.Logger) *Bus {
	b := &Bus{
		redis:       shared,
		channel:     "dg:1:" + string(called) + ":events",
		name:        rand.Text(),
		log:         log,
		subscribers: make(map[Filter]map[*Subscription]struct{}),
		seen:        make(map[name]struct{}),
	}
	b.stopped, b.stop = context.WithCancel(context.Background())
	return b
}

// Listener returns what hears the events of other processes; nil without Redis.
func (b *Bus) Listener() *cache.Listener {
	if b.redis == nil {
		return nil
	}
	interrupted := func() { b.deliver(Event{Kind: Gap, Reason: Disconnected}) }
	return &cache.Listener{Channel: b.channel, Began: interrupted, Hear: b.hear, Lost: interrupted}
}

// Close ends all subscriptions.
func (b *Bus) Close() {
	b.stop()
	b.mu.Lock()
	b.closed = true
	for _, all := range b.subscribers {
		for s := range all {
			s.end()
		}
	}
	b.mu.Unlock()
	b.work.Wait()
}

// Publish tells all subscribers of events, but for those that were told before.
// If the other processes cannot be told, their subscribers hear of a gap later.
func (b *Bus) Publish(list ...Event) {
	list = b.unheard(list)
	if len(list) == 0 {
		return
	}
	b.published.Add(uint64(len(list)))
	for _, e := range list {
		b.deliver(e)
	}
	if b.redis == nil {
		return
	}
	b.mu.Lock()
	mute := b.owing
	b.owed = b.owed || mute
	b.mu.Unlock()
	if !mute && b.tell(list...) != nil {
		b.owe()
	}
}

// unheard returns the events that were not told before, and remembers them.
func (b *Bus) unheard(list []Event) []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for len(b.order) > 0 && (len(b.order) >= rememberedEvents || now.Sub(b.order[0].at) > repeatWindow) {
		delete(b.seen, b.order[0].name)
		b.order = b.order[1:]
	}
	fresh := make([]Event, 0, len(list))
	for _, e := range list {
		event := name{e.Org, e.ID}
		if _, repeated := b.seen[event]; repeated && e.ID != "" {
			b.repeated.Add(1)
			continue
		}
		if e.ID != "" {
			b.seen[event] = struct{}{}
			b.order = append(b.order, sighting{event, now})
		}
		fresh = append(fresh, e)
	}
	return fresh
}

// tell tells the other processes.
func (b *Bus) tell(list ...Event) error {
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(b.stopped, publishTimeout)
	defer cancel()
	return b.redis.Publish(ctx, b.channel, b.name+"\n"+string(text)).Err()
}

// owe tells the other processes of a gap as soon as Redis lets it. Until then
// they are told of nothing else.
func (b *Bus) owe() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owed = true
	if b.owing || b.closed {
		return
	}
	b.owing = true
	b.log.Warn("other replicas cannot be told of events; their subscribers will hear of a gap")
	b.work.Go(func() {
		pause := time.NewTicker(owedPause)
		defer pause.Stop()
		for b.owes() {
			select {
			case <-b.stopped.Done():
				return
			case <-pause.C:
			}
			b.mu.Lock()
			b.owed = false // before it is told: what is not told from now on is owed anew
			b.mu.Unlock()
			if b.tell(Event{Kind: Gap, Reason: Disconnected}) != nil {
				b.mu.Lock()
				b.owed = true
				b.mu.Unlock()
			}
		}
		b.log.Info("other replicas are told of events again")
	})
}

// owes reports whether the other processes are still to be told of a gap.
func (b *Bus) owes() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owing = b.owed
	return b.owed
}

// hear takes what a process has told.
func (b *Bus) hear(message string) {
	sender, text, _ := strings.Cut(message, "\n")
	if sender == b.name {
		return
	}
	var list []Event
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		list = []Event{{Kind: Gap, Reason: Disconnected}} // of a version that tells events otherwise
	}
	for _, e := range b.unheard(list) {
		b.heard.Add(1)
		b.deliver(e)
	}
}

// deliver hands an event to the subscribers in this process.
func (b *Bus) deliver(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Kind == Gap {
		for _, all := range b.subscribers {
			for s := range all {
				s.interrupt(e.Reason)
			}
		}
		return
	}
	d := &Delivery{Event: e}
	for _, f := range []Filter{{e.Org, e.Kind, e.subject()}, {Org: e.Org, Kind: e.Kind}} {
		for s := range b.subscribers[f] {
			s.put(d)
		}
		if f.Of == 0 {
			break
		}
	}
}

// Subscribe returns a subscription to the events that a filter selects, from now
// on. Whoever asked for it closes it.
func (b *Bus) Subscribe(f Filter) *Subscription {
	s := &Subscription{bus: b, filter: f, wake: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		s.end()
		return s
	}
	all := b.subscribers[f]
	if all == nil {
		all = make(map[*Subscription]struct{})
		b.subscribers[f] = all
	}
	all[s] = struct{}{}
	return s
}

// Stats are numbers since the Bus was made, but for Subscribers.
type Stats struct {
	Subscribers int    // now
	Published   uint64 // events of this process
	Heard       uint64 // events of others
	Repeated    uint64 // events that were told before, and passed over
	Gaps        uint64 // gaps that subscribers were told of, of which
	Overflows   uint64 // are of subscribers that did not keep up
}

// Stats returns the present numbers.
func (b *Bus) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Stats{Published: b.published.Load(), Heard: b.heard.Load(), Repeated: b.repeated.Load(), Gaps: b.gaps.Load(), Overflows: b.overflows.Load()}
	for _, all := range b.subscribers {
		s.Subscribers += len(all)
	}
	return s
}

// A Subscription is a queue of events for one subscriber. When it is full it is
// emptied, and a gap takes its place.
type Subscription struct {
	bus    *Bus
	filter Filter
	wake   chan struct{} // holds a value if there may be something new

	mu    sync.Mutex
	gap   Reason // "" for none; comes before what is in the queue
	queue []*Delivery
	ended bool
}

// Next returns the next event. It waits for one until ctx ends; its error is that
// of ctx, or ErrClosed.
func (s *Subscription) Next(ctx context.Context) (*Delivery, error) {
	for {
		if d, err := s.take(); d != nil || err != nil {
			return d, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take returns what comes next, nil if nothing waits.
func (s *Subscription) take() (*Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return nil, ErrClosed
	case s.gap != "":
		d := &Delivery{Event: Event{Kind: Gap, Reason: s.gap}}
		s.gap = ""
		return d, nil
	case len(s.queue) > 0:
		d := s.queue[0]
		s.queue[0] = nil // others may be done with it
		s.queue = s.queue[1:]
		return d, nil
	}
	return nil, nil
}

// put adds an event to the queue.
func (s *Subscription) put(d *Delivery) {
	s.mu.Lock()
	full := len(s.queue) >= queueLength
	if !full {
		s.queue = append(s.queue, d)
	}
	s.mu.Unlock()
	if full {
		s.bus.overflows.Add(1)
		s.interrupt(Overflow)
		return
	}
	s.signal()
}

// interrupt puts a gap in the place of all that waits: who has missed events
// reads anew what it shows, which is what those that wait would have it do.
func (s *Subscription) interrupt(r Reason) {
	s.mu.Lock()
	if s.gap == "" {
		s.bus.gaps.Add(1)
	}
	s.gap, s.queue = r, nil
	s.mu.Unlock()
	s.signal()
}

func (s *Subscription) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	all := s.bus.subscribers[s.filter]
	if delete(all, s); len(all) == 0 {
		delete(s.bus.subscribers, s.filter)
	}
}
