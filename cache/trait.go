package cache

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"
)

// traits are what a Kind with a Trait knows of those that were dropped.
type traits struct {
	drops [1024]uint64 // when they were last dropped, as Kind.drops
	last  uint64       // the latest of them
}

// traitMark begins a line of a drop message that tells of a trait: then comes
// what would be the key of a record with its name.
const traitMark = "trait "

// DropTrait is Drop of all records that have a trait, in whatever process they
// are, and returns those that this one and Redis held. What this one cannot read
// of Redis, as another version wrote it, may have the trait: it is dropped too, and
// not returned. It looks at all records of the tenant and kind, in many round trips
// to Redis, so it is for what seldom happens. An error is ErrNotTold: then other processes, or Redis, may hold such
// records until their time is over, and it is worth calling it again.
func (k *Kind[K, V]) DropTrait(ctx context.Context, t Tenant, trait string) ([]V, error) {
	if k.trait == nil {
		return nil, fmt.Errorf("cache: records of kind %s have no trait to drop", k.name)
	}
	name := fullKey{t, k.name, trait}
	found := k.forgetTrait(name)
	c := k.cache
	if c.remote == nil {
		return valuesOf(found), nil
	}
	err := c.remote.insistOn(ctx, func(ctx context.Context) error {
		return c.remote.client.Publish(ctx, dropChannel, c.remote.name+"\n"+traitMark+name.String()).Err()
	})
	var unread []fullKey
	if err == nil {
		unread, err = k.seek(ctx, name, found)
	}
	for full := range slices.Chunk(slices.AppendSeq(unread, maps.Keys(found)), tripRecords) {
		if failure := c.remote.drop(full); err == nil {
			err = failure
		}
		k.forget(full)
		c.dropsSent.Add(uint64(len(full)))
	}
	if err != nil {
		return valuesOf(found), fmt.Errorf("%w: %w", ErrNotTold, err)
	}
	return valuesOf(found), nil
}

func valuesOf[V any](found map[fullKey]V) []V {
	return slices.Collect(maps.Values(found))
}

// forgetTrait forgets the records of this process that have a trait, keeps what
// began before from filling a tier with one, and returns those it held. What is
// being loaded for the tenant may turn out to have it: no load shares that from now on.
func (k *Kind[K, V]) forgetTrait(name fullKey) map[fullKey]V {
	k.mu.Lock()
	k.traits.last = k.cache.seq.Add(1)
	k.traits.drops[slot(name)] = k.traits.last
	for full, f := range k.flights {
		if full.tenant == name.tenant {
			k.doom(f)
		}
	}
	k.mu.Unlock()

	found := make(map[fullKey]V)
	var full []fullKey
	for key, r := range k.cache.memory.all() {
		if v, ok := r.value.(V); ok && key.kind == k.name && key.tenant == name.tenant && k.trait(name.tenant, v) == name.id {
			found[key] = v
			full = append(full, key)
		}
	}
	k.forget(full)
	return found
}

// hearTrait is forgetTrait because another process has said so. What is found is
// dropped from Redis too: it may have been on its way there.
func (k *Kind[K, V]) hearTrait(name fullKey) {
	if k.trait == nil {
		return
	}
	found := k.forgetTrait(name)
	if len(found) == 0 {
		return
	}
	k.cache.work.begin()
	go func() {
		defer k.cache.work.end()
		_ = k.cache.remote.drop(slices.Collect(maps.Keys(found)))
	}()
}

// traitDropped reports whether a record may have been dropped by its trait since
// what brought it began. The caller holds mu.
func (k *Kind[K, V]) traitDropped(t Tenant, r *record) bool {
	if k.trait == nil || k.traits.last <= r.began.seq {
		return false
	}
	v, ok := r.value.(V)
	return ok && k.traits.drops[slot(fullKey{t, k.name, k.trait(t, v)})] > r.began.seq
}

// scanned is how many keys Redis looks at in one step of a search.
const scanned = 1000

// seek adds to found the records in Redis that have a trait, and returns those
// of which it cannot tell, as they cannot be read here.
func (k *Kind[K, V]) seek(ctx context.Context, name fullKey, found map[fullKey]V) (unread []fullKey, err error) {
	began := k.cache.moment()
	err = k.cache.remote.scan(ctx, name.in("").String()+"*", func(key, wire string) {
		full, ok := parseKey(key)
		if _, buried := graveIn(wire); !ok || buried {
			return
		}
		r := k.revive(k.cache.remote.keys.open(full, wire), began)
		if r == nil {
			unread = append(unread, full)
		} else if v, ok := r.value.(V); ok && k.trait(name.tenant, v) == name.id {
			found[full] = v
		}
	})
	return unread, err
}

// insistOn makes one round trip, even if Redis has failed lately.
func (r *remote) insistOn(ctx context.Context, call func(context.Context) error) error {
	err := r.bounded(ctx, call)
	r.count(true, err)
	return err
}

// scan calls see, one at a time, with all records whose keys match a pattern.
func (r *remote) scan(ctx context.Context, pattern string, see func(key, value string)) error {
	scanNode := func(ctx context.Context, node redis.Cmdable) error {
		for cursor := uint64(0); ; {
			var keys []string
			err := r.insistOn(ctx, func(ctx context.Context) (err error) {
				keys, cursor, err = node.Scan(ctx, cursor, pattern, scanned).Result()
				return err
			})
			if err != nil {
				return err
			}
			if err := r.readAll(ctx, node, keys, see); err != nil {
				return err
			}
			if cursor == 0 {
				return nil
			}
		}
	}
	cluster, ok := r.client.(*redis.ClusterClient)
	if !ok {
		return scanNode(ctx, r.client)
	}
	var nodes []*redis.Client // ForEachMaster has them all at once
	if err := cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		nodes = append(nodes, node)
		return nil
	}); err != nil {
		return err
	}
	for _, node := range nodes {
		if err := scanNode(ctx, node); err != nil {
			return err
		}
	}
	return nil
}

// readAll calls see with what Redis holds under keys, those aside that are of
// another type.
func (r *remote) readAll(ctx context.Context, node redis.Cmdable, keys []string, see func(key, value string)) error {
	if len(keys) == 0 {
		return nil
	}
	return r.insistOn(ctx, func(ctx context.Context) error {
		results, err := node.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, key := range keys {
				pipe.Get(ctx, key)
			}
			return nil
		})
		for i, result := range results {
			value, failure := result.(*redis.StringCmd).Result()
			if failure == nil {
				see(keys[i], value)
			} else if isNoRecord(err) { // of the first key that is none
				err = failure
			}
		}
		if isNoRecord(err) {
			return nil
		}
		return err
	})
}

// isNoRecord reports whether an error of a read says that there is no record.
func isNoRecord(err error) bool {
	return err == redis.Nil || redis.HasErrorPrefix(err, "WRONGTYPE")
}
