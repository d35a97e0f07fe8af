package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/loaders"
)

const (
	// What Drift said of a token is believed for tokenLife. When askAhead of that is
	// over Drift is asked anew, while nobody waits for it. If it cannot answer then,
	// it is believed for tokenGrace in all, and Drift asked again each tokenPause.
	tokenLife  = time.Minute
	askAhead   = 45 * time.Second
	tokenGrace = 5 * time.Minute
	tokenPause = 10 * time.Second

	// A token that Drift has refused is refused for refusalLife without a call. So
	// many of those are remembered; those that came last, if there are more.
	refusalLife  = 10 * time.Second
	mostRefusals = 1000

	// Drift is asked about so many tokens at once, each for so long at most. Others
	// wait, up to a number.
	lookUpsAtOnce = 8
	lookUpTime    = 5 * time.Second
	mostLookUps   = 256

	// A tenant that nobody has used for tenantIdle is closed.
	tenantIdle = 15 * time.Minute
)

// A digest stands for a token in this process: a hash that is keyed anew each
// time that it starts.
type digest [sha256.Size]byte

// A standing is what is known of a token. All but doubts is guarded by bearers.mu.
type standing struct {
	caller  *auth.Caller
	learned time.Time     // when Drift was asked what it last said
	failed  time.Time     // when Drift last could not answer
	ends    time.Time     // when the token expires; the zero time for never
	used    time.Time     // when it was last shown
	settled uint64        // doubts that there were when Drift was last asked
	doubts  atomic.Uint64 // calls with the token that Drift has answered by 401
}

// within reports whether Drift was asked so short a while ago, and has not
// refused a call since.
func (s *standing) within(life time.Duration, now time.Time) bool {
	return now.Sub(s.learned) < life && s.doubts.Load() == s.settled
}

// Bearers let in whoever shows a token for Drift, and open a tenant for each.
// What a token is, Drift says: it is asked with that token, and by nothing else
// that the caller sends. What it said is kept in this process only, for a short time.
type bearers struct {
	open  func(string, *drift.TokenInfo) (*tenant, error)
	note  func(context.Context, drift.ID, cache.Tenant) // that records may be kept of a tenant of an organisation
	asker *drift.Client                                 // asks what the token of its context is
	now   func() time.Time
	log   *slog.Logger
	key   []byte // of digests
	most  int    // tenants

	mu      sync.Mutex
	tenants *simplelru.LRU[digest, *tenant]
	refused *lru.Cache[digest, time.Time] // when
	asking  map[digest]*lookUp
	closed  bool
	past    drift.Stats // of tenants that are closed

	stop context.CancelFunc
	work sync.WaitGroup
}

// A lookUp asks Drift what a token is, for all who wait for it.
type lookUp struct {
	done   chan struct{} // closed when the rest is there
	tenant *tenant
	err    error // auth.ErrUnauthenticated or auth.ErrUnknown
}

// newBearers returns bearers of at most so many tenants, which must be closed.
// The asker's Auth is a shownToken.
func newBearers(most int, asker *drift.Client, now func() time.Time, log *slog.Logger, open func(string, *drift.TokenInfo) (*tenant, error), note func(context.Context, drift.ID, cache.Tenant)) *bearers {
	if now == nil {
		now = time.Now
	}
	b := &bearers{open: open, note: note, asker: asker, now: now, log: log, most: most, key: make([]byte, sha256.Size), asking: make(map[digest]*lookUp)}
	_, _ = rand.Read(b.key) // never fails
	// Their one error is a size below 1.
	b.tenants, _ = simplelru.NewLRU[digest, *tenant](most, nil)
	b.refused, _ = lru.New[digest, time.Time](mostRefusals)
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.work.Go(func() {
		tick := time.NewTicker(tenantIdle / 15)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				b.sweep()
			case <-ctx.Done():
				return
			}
		}
	})
	return b
}

// Enter lets in whoever a token is of, and gives them the tenant of that token.
func (b *bearers) Enter(ctx context.Context, token string, wary bool) (context.Context, error) {
	if !canBeToken(token) {
		return nil, auth.ErrUnauthenticated
	}
	name := b.digest(token)
	for {
		in, l, err := b.judge(ctx, name, token, wary)
		if l == nil {
			return in, err
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return nil, auth.ErrUnknown
		}
		switch {
		case errors.Is(l.err, auth.ErrUnknown):
			return b.standIn(ctx, name)
		case l.err != nil:
			return nil, l.err
		}
		if in := b.admit(ctx, l.tenant); in != nil {
			return in, nil
		} // else it was refused a call meanwhile
	}
}

// canBeToken reports whether a text can be a token: whatever stands in a header
// without blanks.
func canBeToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

func (b *bearers) digest(token string) (d digest) {
	mac := hmac.New(sha256.New, b.key)
	mac.Write([]byte(token))
	mac.Sum(d[:0])
	return d
}

// judge lets in by what is known. If that does not suffice it returns the look-up
// to wait for.
func (b *bearers) judge(ctx context.Context, name digest, token string, wary bool) (context.Context, *lookUp, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// A map finds a token by its digest, which whoever guesses can neither steer nor
	// know: the time that takes tells of no token. The comparison that decides takes
	// always the same.
	t, known := b.tenants.Get(name)
	known = known && subtle.ConstantTimeCompare(name[:], t.name[:]) == 1
	now := b.now()
	if known {
		t.used = now
		switch {
		case t.expired(now):
			b.remove(name)
			return nil, nil, auth.ErrUnauthenticated
		case t.within(askAhead, now):
			return t.enter(ctx), nil, nil
		case t.within(tokenLife, now):
			b.ask(ctx, name, token)
			return t.enter(ctx), nil, nil
		case t.within(tokenGrace, now) && now.Sub(t.failed) < tokenPause:
			return t.enter(ctx), nil, nil
		}
	}
	if at, refused := b.refused.Get(name); refused && now.Sub(at) < refusalLife || !known && wary {
		return nil, nil, auth.ErrUnauthenticated
	}
	l := b.ask(ctx, name, token)
	if l == nil {
		return nil, nil, auth.ErrUnknown
	}
	return nil, l, nil
}

// standIn lets in by what was known a short while ago, as Drift cannot answer.
func (b *bearers) standIn(ctx context.Context, name digest) (context.Context, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t, known := b.tenants.Peek(name); known && !t.expired(b.now()) && t.within(tokenGrace, b.now()) {
		return t.enter(ctx), nil
	}
	return nil, auth.ErrUnknown
}

// admit lets in by what was learned just now, nil if there has been doubt since.
func (b *bearers) admit(ctx context.Context, t *tenant) context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !t.within(tokenLife, b.now()) {
		return nil
	}
	return t.enter(ctx)
}

// expired reports whether the time of the token is over.
func (s *standing) expired(now time.Time) bool { return !s.ends.IsZero() && !now.Before(s.ends) }

// ask returns the look-up of a token that is under way, or begins one; nil if too
// many are. Who calls it holds mu.
func (b *bearers) ask(ctx context.Context, name digest, token string) *lookUp {
	if l := b.asking[name]; l != nil {
		return l
	}
	if len(b.asking) >= mostLookUps || b.closed {
		return nil
	}
	l := &lookUp{done: make(chan struct{})}
	b.asking[name] = l
	var doubts uint64
	if t, known := b.tenants.Peek(name); known {
		doubts = t.doubts.Load()
	}
	begun := b.now()
	b.work.Go(func() {
		defer close(l.done)
		// Others may wait for it, and who began it may go.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookUpTime)
		defer cancel()
		info, err := b.asker.TokenInfo(context.WithValue(ctx, shownKey{}, token))
		if err == nil {
			l.tenant, err = b.learn(ctx, name, token, info, begun, doubts)
		}
		l.err = b.settle(ctx, name, err)
	})
	return l
}

// learn notes what Drift says of a token, and opens a tenant if it has none.
func (b *bearers) learn(ctx context.Context, name digest, token string, info *drift.TokenInfo, begun time.Time, doubts uint64) (*tenant, error) {
	b.mu.Lock()
	t, known := b.tenants.Peek(name)
	b.mu.Unlock()
	if known = known && t.org == info.OrgID; !known {
		var err error
		if t, err = b.open(token, info); err != nil {
			return nil, err
		}
		t.name, doubts = name, 0
	}
	b.note(ctx, info.OrgID, t.source.Tenant()) // before anything is kept
	t.source.Keep(ctx, info)
	b.mu.Lock()
	defer b.mu.Unlock()
	if now, _ := b.tenants.Peek(name); known && now != t { // it was closed meanwhile
		var err error
		if t, err = b.open(token, info); err != nil {
			return nil, err
		}
		t.name, doubts = name, 0
	}
	t.learned, t.settled, t.failed, t.ends = begun, doubts, time.Time{}, time.Time{}
	if info.ExpiresIn > 0 {
		t.ends = info.CreatedAt.Time().Add(info.ExpiresIn)
	}
	if caller := callerOf(info); t.caller == nil || t.caller.Name != caller.Name || !slices.Equal(t.caller.Permissions, caller.Permissions) {
		t.caller = caller // else it stays the same one, as those who share answers are told apart by it
	}
	if t.used.IsZero() {
		t.used = begun
	}
	if now, _ := b.tenants.Peek(name); now != t {
		b.remove(name)
		if b.tenants.Len() >= b.most {
			oldest, _, _ := b.tenants.GetOldest()
			b.remove(oldest)
		}
		b.tenants.Add(name, t)
	}
	if t.expired(b.now()) {
		b.remove(name)
		return nil, auth.ErrUnauthenticated
	}
	return t, nil
}

// settle ends a look-up, and returns what it came to.
func (b *bearers) settle(ctx context.Context, name digest, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.asking, name)
	switch {
	case err == nil:
		return nil
	case refusesToken(err):
		b.remove(name)
		b.refused.Add(name, b.now())
		if !errors.Is(err, drift.ErrUnauthorized) && !errors.Is(err, auth.ErrUnauthenticated) {
			b.log.InfoContext(ctx, "a token was refused by other than 401", "error", err)
		}
		return auth.ErrUnauthenticated
	}
	if t, known := b.tenants.Peek(name); known {
		t.failed = b.now()
	}
	b.log.WarnContext(ctx, "Drift does not say what a token is", "error", err)
	return auth.ErrUnknown
}

// refusesToken reports whether an error says that a token is nobody's: not that
// Drift cannot say.
func refusesToken(err error) bool {
	for _, kind := range []error{auth.ErrUnauthenticated, drift.ErrUnauthorized, drift.ErrForbidden, drift.ErrNotFound, drift.ErrRefused} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// callerOf returns the caller whose token it is: an app in an organisation, who
// may do what the token may.
func callerOf(info *drift.TokenInfo) *auth.Caller {
	c := &auth.Caller{Name: "organisation " + info.OrgID.String()}
	app := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, info.CredentialID)
	if app != "" {
		c.Name += ", app " + app[:min(len(app), 64)]
	}
	for _, p := range auth.Permissions() {
		if p == auth.PlanRead || p == auth.Introspect || slices.Contains(info.Scopes, string(p)) {
			c.Permissions = append(c.Permissions, p)
		}
	}
	return c
}

// remove closes the tenant of a token, if it has one. Who calls it holds mu.
func (b *bearers) remove(name digest) {
	t, known := b.tenants.Peek(name)
	if !known {
		return
	}
	b.tenants.Remove(name)
	s := t.api.Stats()
	b.past.Calls, b.past.Retries, b.past.Refused = b.past.Calls+s.Calls, b.past.Retries+s.Retries, b.past.Refused+s.Refused
	b.past.Late, b.past.Waited = b.past.Late+s.Late, b.past.Waited+s.Waited
	if b.closed {
		t.close()
	} else {
		b.work.Go(t.close) // which looks at all records
	}
}

// sourcesOf returns the sources of an organisation's tenants that are open. Whoever
// asks closes them.
func (b *bearers) sourcesOf(org drift.ID) (sources []*loaders.Source) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.tenants.Values() {
		if t.org == org {
			t.source.Hold()
			sources = append(sources, t.source)
		}
	}
	return sources
}

// later does something in the background, unless all is about to end.
func (b *bearers) later(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.work.Go(do)
	}
}

// sweep closes the tenants that nobody has used for long.
func (b *bearers) sweep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		name, oldest, any := b.tenants.GetOldest()
		if !any || b.now().Sub(oldest.used) < tenantIdle {
			return
		}
		b.remove(name)
	}
}

// stats returns the numbers of the clients of all tenants that are open, and of
// those that were.
func (b *bearers) stats() []drift.Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []drift.Stats{b.past, b.asker.Stats()}
	for _, t := range b.tenants.Values() {
		all = append(all, t.api.Stats())
	}
	return all
}

// Close closes all tenants.
func (b *bearers) Close() {
	b.mu.Lock()
	b.closed = true
	for _, name := range b.tenants.Keys() {
		b.remove(name)
	}
	b.mu.Unlock()
	b.stop()
	b.work.Wait()
}

type shownKey struct{}

// A shownToken is the token that the context of a call bears: that of whoever is
// about to be let in.
type shownToken struct{}

// Token returns the token of a context.
func (shownToken) Token(ctx context.Context) (string, error) {
	if token, ok := ctx.Value(shownKey{}).(string); ok {
		return token, nil
	}
	return "", drift.ErrUnauthorized
}

// Renew returns stale: there is no other token.
func (shownToken) Renew(_ context.Context, stale string) (string, error) { return stale, nil }

// Identity returns nothing: nothing is kept of what such calls read.
func (shownToken) Identity() []byte { return nil }
