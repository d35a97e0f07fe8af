package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// A Delivery says how events are posted. The zero value does what Drift is taken to do; nothing of it is documented.
type Delivery struct {
	Timeout time.Duration   // of one attempt; 0 means 5 s. Any status in the 200s in time is success
	Pauses  []time.Duration // before each further attempt; nil means 1 s, 10 s and 60 s, empty means that there is none
	Queue   int             // how many events may wait or be under way; 0 means 1,000. Those beyond are dropped

	// What follows makes a receiver prove itself.

	TokenIn    TokenPlace // where the verification token stands
	OtherForms bool       // send the other form of each event of which clients know two; see PostSamples
	Twice      bool       // post each event a second time, right after the first
	Reorder    int        // hold events back until so many wait, or Drain is called; then post them one by one, the last first
}

// A TokenPlace is where an event carries the verification token.
type TokenPlace string

const (
	Everywhere TokenPlace = ""       // in the header X-Verification-Token and in the body, as Drift does
	InHeader   TokenPlace = "header" // only there
	InBody     TokenPlace = "body"   // only there
	Nowhere    TokenPlace = "nowhere"
)

// Deliveries counts what became of events.
type Deliveries struct {
	Accepted int // the receiver answered in the 200s
	Retried  int // attempts after one that failed
	GivenUp  int // no attempt succeeded
	Dropped  int // never tried to the end: too many waited, or the sandbox was closed
}

// postsAtOnce is how many posts may be under way together.
const postsAtOnce = 16

// A post is an event on its way.
type post struct {
	lane int64 // events of one lane are posted one after the other
	kind string
	body []byte
}

// A courier posts events. Those of one lane keep their order, and wait for one that is being retried.
type courier struct {
	url, token string
	cfg        Delivery
	client     *http.Client
	log        *slog.Logger

	ctx     context.Context
	stop    context.CancelFunc
	workers sync.WaitGroup // one for each lane that has posts
	slots   chan struct{}  // taken by posts under way

	mu     sync.Mutex
	lanes  map[int64][]post // the first of each is under way
	held   []post           // of Reorder
	count  int              // posts in lanes and held
	idle   chan struct{}    // closed when count falls to 0; nil while it is 0
	counts Deliveries
	closed bool
}

func newCourier(url, token string, cfg Delivery, log *slog.Logger) *courier {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Pauses == nil {
		cfg.Pauses = []time.Duration{time.Second, 10 * time.Second, time.Minute}
	}
	cfg.Queue = or(cfg.Queue, 1000)
	ctx, stop := context.WithCancel(context.Background())
	return &courier{
		url: url, token: token, cfg: cfg, log: log, ctx: ctx, stop: stop,
		slots: make(chan struct{}, postsAtOnce), lanes: make(map[int64][]post),
		client: &http.Client{
			Transport:     http.DefaultTransport.(*http.Transport).Clone(),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// send takes an event for delivery and returns at once.
func (c *courier) send(p post) {
	c.mu.Lock()
	defer c.mu.Unlock()
	copies := 1
	if c.cfg.Twice {
		copies = 2
	}
	for range copies {
		if c.closed || c.count >= c.cfg.Queue {
			c.counts.Dropped++
			c.log.Warn("webhook dropped", "event", p.kind, "waiting", c.count)
			continue
		}
		if c.count++; c.idle == nil {
			c.idle = make(chan struct{})
		}
		if c.cfg.Reorder > 0 {
			c.held = append(c.held, p)
			continue
		}
		c.line(p)
	}
	if c.cfg.Reorder > 0 && len(c.held) >= c.cfg.Reorder {
		c.release()
	}
}

// release lets go of what is held back. The caller holds the lock.
func (c *courier) release() {
	for _, p := range slices.Backward(c.held) {
		p.lane = 0
		c.line(p)
	}
	c.held = nil
}

// line puts a post at the end of its lane. The caller holds the lock.
func (c *courier) line(p post) {
	c.lanes[p.lane] = append(c.lanes[p.lane], p)
	if len(c.lanes[p.lane]) == 1 {
		c.workers.Go(func() { c.work(p.lane) })
	}
}

// work delivers a lane until it is empty.
func (c *courier) work(lane int64) {
	for {
		c.mu.Lock()
		p := c.lanes[lane][0]
		c.mu.Unlock()
		count := c.deliver(p)
		c.mu.Lock()
		*count++
		rest := c.lanes[lane][1:]
		c.lanes[lane] = rest
		if len(rest) == 0 {
			delete(c.lanes, lane)
		}
		c.leave(1)
		c.mu.Unlock()
		if len(rest) == 0 {
			return
		}
	}
}

// leave counts posts that are done with. The caller holds the lock.
func (c *courier) leave(n int) {
	if c.count -= n; c.count == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
}

// deliver tries until the receiver accepts or there is no further attempt, and returns the count that this falls under.
func (c *courier) deliver(p post) *int {
	for attempt := 0; ; attempt++ {
		err := c.attempt(p)
		switch {
		case err == nil:
			return &c.counts.Accepted
		case c.ctx.Err() != nil:
			return &c.counts.Dropped
		case attempt == len(c.cfg.Pauses):
			c.log.Warn("webhook given up", "event", p.kind, "attempts", attempt+1, "error", err)
			return &c.counts.GivenUp
		}
		c.log.Debug("webhook failed", "event", p.kind, "attempt", attempt+1, "error", err)
		if !wait(c.ctx, c.cfg.Pauses[attempt]) {
			return &c.counts.Dropped
		}
		c.mu.Lock()
		c.counts.Retried++
		c.mu.Unlock()
	}
}

// attempt posts once.
func (c *courier) attempt(p post) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(p.body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if c.cfg.TokenIn == Everywhere || c.cfg.TokenIn == InHeader {
		r.Header.Set("X-Verification-Token", c.token)
	}
	answer, err := c.client.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err // without the URL, which may hold a secret
	} else if err != nil {
		return err
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}

// close ends the attempts under way and drops what waits.
func (c *courier) close() {
	c.mu.Lock()
	c.closed = true
	c.counts.Dropped += len(c.held)
	c.leave(len(c.held))
	c.held = nil
	c.mu.Unlock()
	c.stop()
	c.workers.Wait()
	c.client.CloseIdleConnections()
}

// Drain waits until no event is on its way: each was accepted, given up or dropped. It posts what Delivery.Reorder holds
// back. Its error is that of ctx.
func (s *Sandbox) Drain(ctx context.Context) error {
	c := s.courier
	if c == nil {
		return nil
	}
	for {
		c.mu.Lock()
		c.release()
		idle := c.idle
		c.mu.Unlock()
		if idle == nil {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Deliveries returns what became of the events so far.
func (s *Sandbox) Deliveries() Deliveries {
	if s.courier == nil {
		return Deliveries{}
	}
	s.courier.mu.Lock()
	defer s.courier.mu.Unlock()
	return s.courier.counts
}
