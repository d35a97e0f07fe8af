package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2"
	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/loaders"
)

const (
	// So many tenants of an organisation are known in Redis; the latest, if there are more.
	mostOfOrganisation = 1000

	// What Redis could not be told or asked is tried again each oweAgain.
	oweAgain = time.Second

	// registryTimeout bounds a round trip to Redis.
	registryTimeout = 250 * time.Millisecond

	// wipeAgain is how long after a wipe another one removes what was on its way.
	wipeAgain = time.Second

	// Who was forgotten purgedLately is not forgotten again for another copy of the
	// same event. So many of those are remembered.
	purgedLately = 10 * time.Minute
	mostPurged   = 1000

	// So many tenants are told of a change at the same time.
	dropsAtOnce = 16

	// So many records of an organisation are remembered to have changed. If more have
	// while Redis is away, all that is kept of it is forgotten.
	mostUndone = 1000
)

// Organisations know which tenants each organisation has of whom records may be
// kept: in this process, in others, or in Redis alone. Replicas tell each other by
// a sorted set in Redis for each organisation, which outlives the records.
type organisations struct {
	redis  redis.UniversalClient // nil for none
	prefix string                // of the keys of sets
	life   time.Duration         // of what is known of a tenant
	drop   func(cache.Tenant, loaders.Change) error
	wipe   func(context.Context, cache.Tenant, loaders.Person) error
	open   func(drift.ID) []*loaders.Source // the tenants that are open here, which are to be closed once more
	name   func(string) digest
	purged *lru.Cache[digest, time.Time] // when persons were forgotten, of those lately
	log    *slog.Logger

	mu      sync.Mutex
	known   map[drift.ID]map[cache.Tenant]time.Time // until when, for those that this process has had
	untold  map[drift.ID]map[cache.Tenant]struct{}  // of whom Redis could not be told
	undone  map[drift.ID]loaders.Change             // changes that came while Redis could not say of whom it knows
	all     map[drift.ID]bool                       // organisations that had more than mostUndone of those
	timer   *time.Timer                             // to make up for that; nil if there is nothing
	owing   bool                                    // the log was told so
	closed  bool
	working sync.WaitGroup
}

// note notes that records may be kept of a tenant from now on.
func (o *organisations) note(ctx context.Context, org drift.ID, t cache.Tenant) {
	now := time.Now()
	o.mu.Lock()
	for id, all := range o.known {
		maps.DeleteFunc(all, func(_ cache.Tenant, until time.Time) bool { return now.After(until) })
		if len(all) == 0 {
			delete(o.known, id)
		}
	}
	if o.known[org] == nil {
		o.known[org] = make(map[cache.Tenant]time.Time)
	}
	o.known[org][t] = now.Add(o.life)
	o.mu.Unlock()
	if o.tell(ctx, org, t) != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.untold[org] == nil {
			o.untold[org] = make(map[cache.Tenant]struct{})
		}
		o.untold[org][t] = struct{}{}
		o.owe()
	}
}

// key names the set of an organisation by a hash. Whoever tries all numbers finds
// which organisation it is, which is no secret.
func (o *organisations) key(org drift.ID) string {
	return o.prefix + string(cache.NewTenant([]byte("organisation"), []byte(org.String())))
}

// tell tells the other replicas of a tenant.
func (o *organisations) tell(ctx context.Context, org drift.ID, t cache.Tenant) error {
	if o.redis == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, registryTimeout)
	defer cancel()
	now, key := time.Now(), o.key(org)
	_, err := o.redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.ZAdd(ctx, key, redis.Z{Score: float64(now.Add(o.life).UnixMilli()), Member: string(t)})
		p.ZRemRangeByScore(ctx, key, "-inf", strconv.FormatInt(now.UnixMilli(), 10))
		p.ZRemRangeByRank(ctx, key, 0, -mostOfOrganisation-1)
		p.PExpire(ctx, key, o.life)
		return nil
	})
	return err
}

// tenants returns the tenants of an organisation. If Redis cannot be asked they
// are those that this process knows of, with an error.
func (o *organisations) tenants(ctx context.Context, org drift.ID) ([]cache.Tenant, error) {
	all := make(map[cache.Tenant]struct{})
	o.mu.Lock()
	for t := range o.known[org] {
		all[t] = struct{}{}
	}
	o.mu.Unlock()
	var err error
	if o.redis != nil {
		ctx, cancel := context.WithTimeout(ctx, registryTimeout)
		defer cancel()
		var names []string
		if names, err = o.redis.ZRange(ctx, o.key(org), 0, -1).Result(); err != nil {
			err = fmt.Errorf("the tenants of an organisation are not known: %w", err)
		}
		for _, name := range names {
			all[cache.Tenant(name)] = struct{}{}
		}
	}
	return slices.Collect(maps.Keys(all)), err
}

// change forgets what has changed in an organisation, for all of its tenants, and
// for those that are known to be some. Its error says that others may answer what
// they have for a while.
func (o *organisations) change(org drift.ID, c loaders.Change, some ...cache.Tenant) error {
	all, err := o.tenants(context.Background(), org)
	for _, t := range some {
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	if err != nil {
		o.delay(org, c)
	}
	return errors.Join(err, o.dropAll(all, c))
}

// delay sees to it that a change is forgotten for those tenants, too, of whom Redis
// alone knows.
func (o *organisations) delay(org drift.ID, c loaders.Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	undone := o.undone[org]
	if undone.Add(c); undone.Len() <= mostUndone && !o.all[org] {
		o.undone[org] = undone
	} else {
		o.all[org] = true
		delete(o.undone, org)
	}
	o.owe()
}

// dropAll forgets a change for some tenants.
func (o *organisations) dropAll(all []cache.Tenant, c loaders.Change) error {
	failures := make([]error, len(all))
	atOnce := make(chan struct{}, dropsAtOnce)
	var drops sync.WaitGroup
	for i, t := range all {
		atOnce <- struct{}{}
		drops.Go(func() {
			defer func() { <-atOnce }()
			failures[i] = o.drop(t, c)
		})
	}
	drops.Wait()
	return errors.Join(failures...)
}

// purge forgets a person for all tenants of an organisation. By those that are open
// here Drift is asked who that is; of the others all goes that is kept of them.
func (o *organisations) purge(ctx context.Context, org drift.ID, email string) error {
	name := o.name(org.String() + "\x00" + strings.ToLower(email))
	if at, known := o.purged.Get(name); known && time.Since(at) < purgedLately {
		return nil
	}
	var known loaders.Person
	done := make(map[cache.Tenant]bool)
	sources := o.open(org)
	for _, s := range sources {
		defer s.Close()
		p, err := s.Purge(ctx, email)
		if known.Add(p); err != nil {
			o.log.WarnContext(ctx, "a person is not known by a token, so all that was read by it is forgotten", "error", err)
			continue
		}
		done[s.Tenant()] = true
	}
	for _, s := range sources { // one token may show what another does not
		if len(sources) > 1 && done[s.Tenant()] {
			done[s.Tenant()] = s.PurgeKnown(ctx, known) == nil
		}
	}
	err := o.wipeOthers(ctx, org, known, done)
	if err == nil {
		o.purged.Add(name, time.Now())
	}
	return err
}

// forget forgets a person for all tenants of an organisation but the one that has
// looked the person up. That it failed is logged, for somebody must do it again.
func (o *organisations) forget(org drift.ID, but cache.Tenant, p loaders.Person) {
	ctx := context.Background()
	done := map[cache.Tenant]bool{but: true}
	for _, s := range o.open(org) {
		if !done[s.Tenant()] {
			done[s.Tenant()] = s.PurgeKnown(ctx, p) == nil
		}
		s.Close()
	}
	if err := o.wipeOthers(ctx, org, p, done); err != nil {
		o.log.Error("a person whom Drift is to forget may not be forgotten here altogether; request the deletion again", "error", err)
	}
}

// wipeOthers forgets all that is kept of the tenants of an organisation that are
// not done; twice, for what other replicas were about to write.
func (o *organisations) wipeOthers(ctx context.Context, org drift.ID, p loaders.Person, done map[cache.Tenant]bool) error {
	all, err := o.tenants(context.WithoutCancel(ctx), org)
	all = slices.DeleteFunc(all, func(t cache.Tenant) bool { return done[t] })
	for again := range 2 {
		for _, t := range all {
			err = errors.Join(err, o.wipe(context.WithoutCancel(ctx), t, p))
		}
		if again == 0 && o.redis != nil && len(all) > 0 {
			select {
			case <-time.After(wipeAgain):
			case <-ctx.Done():
			}
		}
	}
	return err
}

// owe sees to it that what Redis was not told or asked is made up for. Who calls
// it holds mu.
func (o *organisations) owe() {
	if o.timer != nil || o.closed {
		return
	}
	if !o.owing {
		o.owing = true
		o.log.Warn("Redis does not say which tenants organisations have; it is asked again until it does")
	}
	o.timer = time.AfterFunc(oweAgain, o.pay)
}

// pay tells and asks Redis what it could not be told or asked before.
func (o *organisations) pay() {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return
	}
	o.working.Add(1)
	defer o.working.Done()
	untold, undone, wiped := o.untold, o.undone, o.all
	o.untold, o.undone, o.all = make(map[drift.ID]map[cache.Tenant]struct{}), make(map[drift.ID]loaders.Change), make(map[drift.ID]bool)
	o.timer = nil
	o.mu.Unlock()
	for org, all := range untold {
		for t := range all {
			o.note(context.Background(), org, t)
		}
	}
	for org, c := range undone {
		all, err := o.tenants(context.Background(), org)
		if err != nil { // those that this process knows of have been told before
			o.delay(org, c)
			continue
		}
		_ = o.dropAll(all, c) // what of it is not told to others, the cache makes up for
	}
	for org := range wiped {
		all, err := o.tenants(context.Background(), org)
		for _, t := range all {
			if err == nil {
				err = o.wipe(context.Background(), t, loaders.Person{})
			}
		}
		if err != nil {
			o.mu.Lock()
			o.all[org] = true
			o.owe()
			o.mu.Unlock()
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.owing && o.timer == nil {
		o.owing = false
		o.log.Info("Redis says again which tenants organisations have")
	}
}

// Close ends what is made up for.
func (o *organisations) Close() {
	o.mu.Lock()
	o.closed = true
	if o.timer != nil {
		o.timer.Stop()
	}
	o.mu.Unlock()
	o.working.Wait()
}
