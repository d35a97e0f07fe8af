package cache_test

import (
	"context"
	"log/slog"
	"runtime"
	"testing"

	"github.com/driftgraph/driftgraph/cache"
)

// What a Trip gathers of several kinds takes one round trip.
func TestTrip(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	trips := countTrips(client)
	a := patient(cache.Options{Redis: server.client(t)})
	newKind(t, a).Put(t.Context(), "t", map[int64]*contact{1: {Name: "1"}, 2: {Name: "2"}})
	a.Wait()

	c := patient(cache.Options{Redis: client})
	contacts, users := newKind(t, c), newNamedKind[int64](t, c, "user")
	ctx, trip := c.NewTrip(t.Context())
	defer trip.End()
	var s source
	first := contacts.Load(ctx, "t", []int64{1, 2}, s.fetch)
	second := users.Load(ctx, "t", []int64{3}, s.fetch)
	shared := users.Load(t.Context(), "t", []int64{3}, s.fetch)
	for range 100 {
		runtime.Gosched()
	}
	if trips.check(t); first[0].Done() || second[0].Done() {
		t.Error("a load does not wait for Send")
	}
	trip.Send()
	check(t, first, "1 REDIS", "2 REDIS")
	check(t, second, "3 NETWORK")
	check(t, shared, "3 SHARED")
	c.Wait()
	trips.check(t, "recall 3", "fill 1")

	trip.Send() // of nothing
	third := users.Load(ctx, "t", []int64{4}, s.fetch)
	trip.Send()
	check(t, third, "4 NETWORK")
	c.Wait()
	trips.check(t, "recall 3", "fill 1", "recall 1", "fill 1")

	left := users.Load(ctx, "t", []int64{5}, s.fetch)
	trip.End()
	trip.End()
	check(t, left, "5 NETWORK")
	check(t, users.Load(ctx, "t", []int64{6}, s.fetch), "6 NETWORK")
}

// A load that a fetch makes is not held back by the Trip of its caller.
func TestTripOfFetch(t *testing.T) {
	server := startRedis(t)
	c := patient(cache.Options{Redis: server.client(t)})
	contacts, users := newKind(t, c), newNamedKind[int64](t, c, "user")
	ctx, trip := c.NewTrip(t.Context())
	defer trip.End()
	fs := contacts.Load(ctx, "t", []int64{1}, func(ctx context.Context, _ []int64, answer func(int64, *contact, error)) error {
		v, err := users.Load(ctx, "t", []int64{7}, new(source).fetch)[0].Wait(ctx)
		answer(1, v, err)
		return nil
	})
	trip.Send()
	check(t, fs, "7 NETWORK")
}

// Without Redis, and for a Cache that is not its own, a Trip holds nothing back.
func TestTripOfOther(t *testing.T) {
	without := cache.New(cache.Options{})
	ctx, trip := without.NewTrip(t.Context())
	defer trip.End()
	check(t, newKind(t, without).Load(ctx, "t", []int64{1}, new(source).fetch), "1 NETWORK")
	trip.Send()

	client := startRedis(t).client(t)
	one, other := patient(cache.Options{Redis: client}), patient(cache.Options{Redis: client})
	t.Cleanup(one.Close)
	ctx, trip = one.NewTrip(t.Context())
	defer trip.End()
	check(t, newKind(t, other).Load(ctx, "t", []int64{1}, new(source).fetch), "1 NETWORK")
}

// A Trip whose round trip fails is as one that finds nothing.
func TestTripFails(t *testing.T) {
	server := startRedis(t)
	log := new(lines)
	c := patient(cache.Options{Redis: server.client(t), Log: slog.New(log)})
	k := newKind(t, c)
	ctx, trip := c.NewTrip(t.Context())
	defer trip.End()
	fs := k.Load(ctx, "t", []int64{1, 2}, new(source).fetch)
	server.Kill()
	trip.Send()
	check(t, fs, "1 NETWORK", "2 NETWORK")
	c.Wait()
	log.check(t, "WARN cache: Redis fails")
}
