package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

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
	own     *tenant // of the gateway's own credential
}

// tenantOptions say where tenants read from, and where what they read is kept.
type tenantOptions struct {
	Config  *serveConfig
	BaseURL string
	Auth    drift.Auth            // the gateway's own credential
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
	t := &tenants{
		tenantOptions: o,
		bus:           events.NewBus(o.Redis, cache.NewTenant(o.Auth.Identity()), o.Log),
		limits:        limit.New(o.Redis, o.Log),
		keys:          keys,
	}
	t.records = cache.New(cache.Options{
		Bytes: int64(o.Config.CacheL1Bytes), Redis: o.Redis, Keys: keys, Listener: t.bus.Listener(),
		LoadTimeout: o.Config.longestOperation(), LeasePatience: min(o.Config.OperationTimeout, o.Config.mutationTimeout()) / 2,
		Fallback: loaders.Fallback, Log: o.Log,
	})
	if t.store, err = loaders.NewStore(t.records, o.Config.CacheTTL.loaders(), o.Config.CacheStale); err == nil {
		t.store.SetTombstone(o.Config.CacheTombstone)
		t.own, err = t.open(o.Auth)
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

// open returns the tenant of a credential.
func (t *tenants) open(auth drift.Auth) (*tenant, error) {
	budget := "dg:limit:" + string(cache.NewTenant(auth.Identity())) + ":"
	api, err := drift.New(drift.Options{
		BaseURL: t.BaseURL, Auth: auth, Timeout: t.Config.DriftTimeout, Concurrency: t.Config.DriftConcurrency, UserAgent: "driftgraph/" + version(),
		Budget: t.limits.Budget(budget+"calls", t.Config.driftRate()), ReportBudget: t.limits.Budget(budget+"reports", reportRate),
		Admit: loaders.Admit, OnCall: t.called,
	})
	if err != nil {
		return nil, fmt.Errorf("the client of Drift: %w", err)
	}
	opened := &tenant{api: api, source: loaders.NewSource(t.store, api, auth)}
	if t.Now != nil {
		opened.source.SetClock(t.Now)
	}
	return opened, nil
}

// called notes an HTTP request to Drift that has ended.
func (t *tenants) called(ctx context.Context, call drift.Call) {
	loaders.Record(ctx, call)
	t.Told(ctx, call)
}

// Close ends what tenants do by themselves, once nothing is asked of them.
func (t *tenants) Close() {
	if t.own != nil {
		t.own.api.Close()
	}
	t.records.Close()
	t.bus.Close()
}

// stats returns the numbers of the clients of all tenants.
func (t *tenants) stats() []drift.Stats {
	return []drift.Stats{t.own.api.Stats()}
}

// source returns where an operation reads from: the source of its caller's tenant.
func (t *tenants) source(context.Context) *loaders.Source { return t.own.source }

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

// subscribe returns a subscription to the events of the caller's tenant.
func (t *tenants) subscribe(_ context.Context, f events.Filter) *events.Subscription {
	return t.bus.Subscribe(f)
}
