package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/hashicorp/golang-lru/v2"
	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/documents"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/limit"
	"github.com/driftgraph/driftgraph/loaders"
)

// A tenant is what the gateway has for one credential for Drift: nothing that
// was read by one is ever answered to another.
type tenant struct {
	api    *drift.Client
	source *loaders.Source

	// Of a caller's own credential:
	org  drift.ID // that it belongs to
	name digest
	standing
}

type tenantKey struct{}

// enter returns a context of the tenant and its caller.
func (t *tenant) enter(ctx context.Context) context.Context {
	return auth.WithCaller(context.WithValue(ctx, tenantKey{}, t), t.caller)
}

// close ends what the tenant has to itself. Operations that run go on.
func (t *tenant) close() {
	t.source.Close()
	t.api.Close()
}

// tenants are all tenants of a gateway, and what they share: the records, which
// are kept apart by their keys, and the bus.
type tenants struct {
	tenantOptions
	bus     *events.Bus
	keys    *cache.Keys // of what is in Redis; nil if it is not encrypted
	records *cache.Cache
	store   *loaders.Store
	limits  *limit.Buckets

	own *tenant // of the gateway's own credential; nil if callers bring theirs

	// If they do:
	bearers       *bearers
	organisations *organisations
	nobody        *tenant         // of who has none: Drift is asked nothing for it
	connections   *http.Transport // of all clients
}

// tenantOptions say where tenants read from, and where what they read is kept.
type tenantOptions struct {
	Config  *serveConfig
	BaseURL string
	Auth    drift.Auth            // the gateway's own credential; nil if callers bring theirs
	Redis   redis.UniversalClient // nil for none
	Log     *slog.Logger
	Now     func() time.Time                  // nil for the machine's clock
	Told    func(context.Context, drift.Call) // of each HTTP request to Drift when it has ended
}

// newTenants returns the tenants of a gateway, which must be closed.
func newTenants(o tenantOptions) (*tenants, error) {
	keys, err := o.Config.cacheKeys()
	if err != nil {
		return nil, err
	}
	t := &tenants{tenantOptions: o, limits: limit.New(o.Redis, o.Log), keys: keys}
	t.bus = events.NewBus(o.Redis, t.shared("events"), o.Log)
	t.records = cache.New(cache.Options{
		Bytes: int64(o.Config.CacheL1Bytes), Redis: o.Redis, Keys: keys, Listener: t.bus.Listener(),
		LoadTimeout: o.Config.longestOperation(), LeasePatience: min(o.Config.OperationTimeout, o.Config.mutationTimeout()) / 2,
		Fallback: loaders.Fallback, Log: o.Log,
	})
	if t.store, err = loaders.NewStore(t.records, o.Config.CacheTTL.loaders(), o.Config.CacheStale); err == nil {
		t.store.SetTombstone(o.Config.CacheTombstone)
		err = t.openAll()
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// reportRate keeps to the 60 reports that Drift takes in a minute, whichever
// minute it counts.
var reportRate = limit.Rate{PerSecond: 50.0 / 60, Burst: 10}

// shared returns what names something that all replicas share. With the gateway's
// own credential it is the tenant of that.
func (t *tenants) shared(what string) cache.Tenant {
	if t.Auth != nil {
		return cache.NewTenant(t.Auth.Identity())
	}
	return cache.NewTenant([]byte(what))
}

// openAll opens what there is for the gateway's own credential, or makes ready
// for those of callers.
func (t *tenants) openAll() (err error) {
	if t.Auth != nil {
		t.own, err = t.open(t.Auth, loaders.NewSource)
		return err
	}
	t.connections = drift.NewTransport(4 * t.Config.DriftConcurrency)
	asker, err := drift.New(drift.Options{
		BaseURL: t.BaseURL, Auth: shownToken{}, Timeout: min(t.Config.DriftTimeout, lookUpTime), Concurrency: lookUpsAtOnce,
		UserAgent: userAgent(), Transport: t.connections, OnCall: t.Told,
	})
	if err != nil {
		return fmt.Errorf("the client of Drift: %w", err)
	}
	t.organisations = &organisations{
		redis: t.Redis, prefix: "dg:1:" + string(t.shared("organisations")) + ":",
		life: 2*(t.Config.CacheTTL.longest()+t.Config.CacheStale) + 10*time.Minute, drop: t.store.Drop, wipe: t.store.Wipe, log: t.Log,
		known: make(map[drift.ID]map[cache.Tenant]time.Time), untold: make(map[drift.ID]map[cache.Tenant]struct{}), undone: make(map[drift.ID]loaders.Change), all: make(map[drift.ID]bool),
		open: func(org drift.ID) []*loaders.Source { return t.bearers.sourcesOf(org) },
		name: func(text string) digest { return t.bearers.digest(text) },
	}
	t.organisations.purged, _ = lru.New[digest, time.Time](mostPurged) // its one error is a size below 1
	if t.nobody, err = t.open(noToken(rand.Text()), loaders.NewSource); err == nil {
		t.nobody.org = -1 // which is no organisation's
		t.bearers = newBearers(t.Config.Callers.MaxTenants, asker, t.Now, t.Log, t.openFor, t.organisations.note)
	}
	return err
}

// openFor returns the tenant of a caller's token.
func (t *tenants) openFor(token string, info *drift.TokenInfo) (*tenant, error) {
	opened, err := t.open(drift.StaticToken(token), loaders.OpenSource)
	if err != nil {
		return nil, err
	}
	opened.org = info.OrgID
	opened.source.ShareChanges(func(c loaders.Change) error { return t.organisations.change(opened.org, c, opened.source.Tenant()) }, func(p loaders.Person) {
		t.bearers.later(func() { t.organisations.forget(opened.org, opened.source.Tenant(), p) })
	})
	return opened, nil
}

// noToken is the credential of who has none. It names a tenant, and calls nobody.
type noToken string

// Token fails.
func (noToken) Token(context.Context) (string, error) { return "", drift.ErrUnauthorized }

// Renew fails.
func (noToken) Renew(context.Context, string) (string, error) { return "", drift.ErrUnauthorized }

// Identity returns what names the tenant.
func (n noToken) Identity() []byte { return []byte(n) }

func userAgent() string { return "driftgraph/" + version() }

// open returns the tenant of a credential.
func (t *tenants) open(credential drift.Auth, source func(*loaders.Store, *drift.Client, drift.Auth) *loaders.Source) (*tenant, error) {
	budget := "dg:limit:" + string(cache.NewTenant(credential.Identity())) + ":"
	opened := new(tenant)
	var err error
	opened.api, err = drift.New(drift.Options{
		BaseURL: t.BaseURL, Auth: credential, Timeout: t.Config.DriftTimeout, Concurrency: t.Config.DriftConcurrency, UserAgent: userAgent(),
		Budget: t.limits.Budget(budget+"calls", t.Config.driftRate()), ReportBudget: t.limits.Budget(budget+"reports", reportRate),
		Transport: t.connections, Admit: loaders.Admit, OnCall: func(ctx context.Context, call drift.Call) {
			if call.Status == http.StatusUnauthorized {
				opened.doubts.Add(1)
			}
			loaders.Record(ctx, call)
			t.Told(ctx, call)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("the client of Drift: %w", err)
	}
	opened.source = source(t.store, opened.api, credential)
	if t.Now != nil {
		opened.source.SetClock(t.Now)
	}
	return opened, nil
}

// of returns the tenant of a context: the gateway's own, or the caller's. One that
// nobody was let into is nobody's.
func (t *tenants) of(ctx context.Context) *tenant {
	if t.own != nil {
		return t.own
	}
	if entered, ok := ctx.Value(tenantKey{}).(*tenant); ok {
		return entered
	}
	return t.nobody
}

// Close ends what tenants do by themselves, once nothing is asked of them.
func (t *tenants) Close() {
	if t.own != nil {
		t.own.api.Close()
	}
	if t.bearers != nil {
		t.bearers.Close()
		t.organisations.Close()
	}
	if t.connections != nil {
		t.connections.CloseIdleConnections()
	}
	t.records.Close()
	t.bus.Close()
}

// stats returns the numbers of the clients of all tenants.
func (t *tenants) stats() []drift.Stats {
	if t.own == nil {
		return t.bearers.stats()
	}
	return []drift.Stats{t.own.api.Stats()}
}

// source returns where an operation reads from: the source of its caller's tenant.
func (t *tenants) source(ctx context.Context) *loaders.Source { return t.of(ctx).source }

// persisted returns which documents clients may name instead of sending them, of
// which the executor checks those that are trusted.
func (t *tenants) persisted(e *graph.Executor) (*graph.Persisted, error) {
	p := &graph.Persisted{
		Store:  documents.NewStore(documents.StoreOptions{Redis: t.Redis, Keys: t.keys, Log: t.Log}),
		Only:   t.Config.TrustedDocumentsOnly,
		Tenant: func(ctx context.Context) cache.Tenant { return t.source(ctx).Tenant() },
	}
	if t.Config.TrustedDocuments == "" {
		return p, nil
	}
	var err error
	p.Trusted, err = documents.OpenTrusted(t.Config.TrustedDocuments, func(text string) error {
		if refused := e.Check(text); refused != nil {
			return refused[0]
		}
		return nil
	}, t.Log)
	if err != nil {
		return nil, fmt.Errorf("TRUSTED_DOCUMENTS: %s: %w", t.Config.TrustedDocuments, err)
	}
	return p, nil
}

// subscribe returns a subscription to the events of the caller's organisation.
func (t *tenants) subscribe(ctx context.Context, f events.Filter) *events.Subscription {
	f.Org = t.of(ctx).org
	return t.bus.Subscribe(f)
}

// hears reports whether an event is of the caller's organisation.
func (t *tenants) hears(ctx context.Context, e events.Event) bool { return e.Org == t.of(ctx).org }

// purge forgets a person of the organisation, 0 if there is one only.
func (t *tenants) purge(ctx context.Context, org drift.ID, email string) error {
	if t.own != nil {
		_, err := t.own.source.Purge(ctx, email)
		return err
	}
	return t.organisations.purge(ctx, org, email)
}

// drop forgets what has changed in an organisation.
func (t *tenants) drop(org drift.ID, c loaders.Change) error {
	if t.own != nil {
		return t.own.source.Drop(c)
	}
	return t.organisations.change(org, c)
}
