package cache_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/cache"
)

// TestForget forgets a tenant while loads of it are under way: they answer who
// waits for them, and fill neither tier. Another tenant keeps what it has.
func TestForget(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	c := patient(cache.Options{Redis: client})
	k := newKind(t, c)
	var quick source
	for _, tenant := range []cache.Tenant{"t", "u"} {
		check(t, k.Load(t.Context(), tenant, []int64{1}, quick.fetch), "1 NETWORK")
	}
	c.Wait() // until Redis has them
	held := source{hold: make(chan struct{})}
	late := k.Load(t.Context(), "t", []int64{2}, held.fetch)
	other := k.Load(t.Context(), "u", []int64{2}, held.fetch)
	await(t, "both loads to be under way", func() bool {
		held.mu.Lock()
		defer held.mu.Unlock()
		return len(held.calls) == 2
	})
	c.Forget("t")
	close(held.hold)
	check(t, late, "2 NETWORK")
	check(t, other, "2 NETWORK")
	c.Wait()
	for _, key := range []int64{1, 2} {
		if _, holds := k.Peek("t", key); holds {
			t.Errorf("%d is held", key)
		}
		if _, holds := k.Peek("u", key); !holds {
			t.Errorf("%d of another tenant is gone", key)
		}
	}
	check(t, k.Load(t.Context(), "t", []int64{1}, quick.fetch), "1 REDIS") // which another process may need
}

// What waits to be written when its tenant is forgotten is not.
func TestForgetWaiting(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	trips := countTrips(client)
	began, hold := make(chan struct{}, 2), make(chan struct{})
	trips.before = func(trip string) {
		if trip == "fill 1" {
			began <- struct{}{}
			<-hold
		}
	}
	c := patient(cache.Options{Redis: client})
	k := newKind(t, c)
	k.Put(t.Context(), "u", map[int64]*contact{1: {}})
	<-began
	k.Put(t.Context(), "t", map[int64]*contact{1: {}}) // in the next round trip
	c.Forget("t")
	close(hold)
	c.Wait()
	if got := recordsIn(t, client); !slices.Equal(got, []string{"dg:1:u:contact:1"}) {
		t.Errorf("Redis holds %q", got)
	}
}

// What Redis refuses to tell of one key is not taken for nothing because another
// has ended meanwhile.
func TestWipeIsRefused(t *testing.T) {
	server := startRedis(t)
	client, admin := server.client(t), server.client(t)
	c := patient(cache.Options{Redis: client})
	newKind(t, c).Put(t.Context(), "t", map[int64]*contact{1: {}, 2: {}, 3: {}})
	c.Wait()
	client.AddHook(refusal{admin})
	if err := c.Wipe(t.Context(), "t"); !errors.Is(err, cache.ErrNotTold) {
		t.Errorf("error is %v, want ErrNotTold; Redis holds %q", err, recordsIn(t, admin))
	}
}

// A refusal ends the first of the keys that are read at once, and refuses the
// others, as a node of a cluster does whose slots move.
type refusal struct{ admin redis.UniversalClient }

func (r refusal) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r refusal) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (r refusal) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if len(cmds) < 2 || cmds[0].Name() != "get" {
			return next(ctx, cmds)
		}
		r.admin.Del(ctx, cmds[0].Args()[1].(string))
		err := next(ctx, cmds) // that of the first that failed
		for _, cmd := range cmds[1:] {
			cmd.SetErr(errors.New("MOVED 1 127.0.0.1:1"))
		}
		return err
	}
}
