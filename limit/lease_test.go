package limit

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
)

// A counter counts the commands that are sent to Redis.
type counter struct{ commands atomic.Int64 }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.commands.Add(1)
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// TestLease takes the tokens of one bucket one by one, in two processes: together
// they get no more than it holds, few of them by a round trip of their own, and
// none to learn again that there is nothing left.
func TestLease(t *testing.T) {
	server := startRedis(t)
	r := Rate{PerSecond: 0.001, Burst: 1000}
	trips := new(counter)
	var both [2]*Buckets
	for i := range both {
		client := server.client(t)
		client.AddHook(trips)
		both[i] = New(client, slog.Default())
	}
	granted := 0
	for i := 0; ; i++ {
		g := both[i/10%2].TakeOne("key", r)
		if g.Tokens == 0 {
			break
		}
		granted++
	}
	if granted > r.Burst || granted < r.Burst/10 {
		t.Errorf("%d tokens were granted of %d", granted, r.Burst)
	}
	if n := int(trips.commands.Load()); n > granted/2 {
		t.Errorf("%d tokens took %d commands", granted, n)
	}
	for _, b := range both {
		for b.TakeOne("key", r).Tokens > 0 { // what it holds ahead
		}
	}
	trips.commands.Store(0)
	for _, b := range both {
		for range 100 {
			if g := b.TakeOne("key", r); g.Tokens > 0 || g.Wait <= 0 {
				t.Fatalf("an empty bucket grants %+v", g)
			}
		}
	}
	if n := trips.commands.Load(); n != 0 {
		t.Errorf("it took %d commands to refuse", n)
	}
}

// TestLeaseOfFew takes the tokens of a small bucket, of which none may be taken ahead.
func TestLeaseOfFew(t *testing.T) {
	server := startRedis(t)
	r := Rate{PerSecond: 0.001, Burst: 6}
	a, b := New(server.client(t), slog.Default()), New(server.client(t), slog.Default())
	for i := range 6 {
		if g := []*Buckets{a, b}[i%2].TakeOne("key", r); g.Tokens != 1 || g.Left != 5-i {
			t.Fatalf("token %d: %+v", i, g)
		}
	}
	if g := a.TakeOne("key", r); g.Tokens != 0 {
		t.Errorf("a seventh: %+v", g)
	}
}
