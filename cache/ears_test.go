package cache

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTrust(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name              string
		begun, heard, now time.Duration
		down              bool
		want              time.Duration
	}{
		{"not heard yet", 0, 0, 4 * s, false, 0},
		{"never heard", 0, 0, 100 * s, false, 95 * s},
		{"hearing", 3 * s, 99 * s, 100 * s, false, 3 * s},
		{"deaf for less than the window", 3 * s, 95 * s, 100 * s, false, 3 * s},
		{"deaf", 3 * s, 94 * s, 100 * s, false, 95 * s},
		{"deaf since it began", 97 * s, 97 * s, 103 * s, false, 98 * s},
		{"Redis is down", 3 * s, 94 * s, 100 * s, true, 70 * s},
	} {
		log := slog.New(slog.DiscardHandler)
		e := &ears{cache: &Cache{remote: &remote{reads: gate{log: log}}}}
		if tt.down {
			e.cache.remote.reads.do(func() error { return errors.New("down") })
		}
		e.begun.Store(int64(tt.begun))
		e.heard.Store(int64(tt.heard))
		if got := e.trust(tt.now); got != tt.want {
			t.Errorf("%s: what began at %s is trusted, want %s", tt.name, got, tt.want)
		}
	}
}

// A process that is deaf answers only what it got within the window.
func TestDeaf(t *testing.T) {
	k := newUsers(t, time.Hour, 0, 0)
	c := k.cache
	c.remote = &remote{reads: gate{log: c.log}}
	c.ears = &ears{cache: c, cancel: func() {}, ended: make(chan struct{})}
	close(c.ears.ended)
	c.epoch = c.epoch.Add(-time.Hour) // so long has nothing been heard
	k.cache.memory.set(k.full("t", 1), k.record(&user{}, moment{at: time.Hour - 2*deafWindow}))
	k.cache.memory.set(k.full("t", 2), k.record(&user{}, c.moment()))
	if _, held := k.Peek("t", 1); held {
		t.Error("a record from before the window is answered")
	}
	if _, held := k.Peek("t", 2); !held {
		t.Error("a record of just now is not answered")
	}
	c.ears.heard.Store(int64(time.Hour))
	if _, held := k.Peek("t", 1); !held {
		t.Error("a record is not answered though drops are heard")
	}
}

func TestParseKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := fullKey{Tenant(rapid.String().Draw(t, "tenant")), rapid.String().Draw(t, "kind"), rapid.String().Draw(t, "id")}
		if got, ok := parseKey(want.String()); !ok || got != want {
			t.Errorf("%q comes back as %q, %t", want, got, ok)
		}
	})
	for _, s := range []string{"", "dg:1:t:contact", "dg:1:t:contact:1:2", "dg:0:t:contact:1", "dg:1:t:contact:%", "xx:1:t:contact:1"} {
		if got, ok := parseKey(s); ok {
			t.Errorf("%q is taken for %q", s, got)
		}
	}
}

func TestPollPause(t *testing.T) {
	for waited, want := range map[time.Duration]time.Duration{
		0:                      shortestPoll,
		40 * time.Millisecond:  5 * time.Millisecond,
		100 * time.Millisecond: 12500 * time.Microsecond,
		time.Minute:            longestPoll,
	} {
		if got := pollPause(waited); got != want {
			t.Errorf("after %s the next poll is in %s, want %s", waited, got, want)
		}
	}
}

// What was dropped after it was found old is not refreshed: it might stand in.
func TestRefreshOfDropped(t *testing.T) {
	k := newUsers(t, time.Hour, time.Hour, time.Hour)
	r := k.record(&user{}, k.cache.moment())
	k.Drop("t", 1)
	k.refresh([]miss[int64, *user]{{key: 1, full: k.full("t", 1), kept: r}}, nil)
	if got := k.cache.Stats().Refreshes; got != 0 {
		t.Errorf("%d refreshes, want none", got)
	}
}

// A tenant may be forgotten at any moment, as between two looks of a refresh at it.
func TestForgottenAsRefreshBegins(t *testing.T) {
	k := newUsers(t, time.Hour, time.Hour, 0)
	shutOff(t, k)
	looked := false
	k.groups = newGroups()
	k.group = func(int64) string {
		if looked { // refresh has found that it was not dropped
			k.cache.gone[slot(fullKey{tenant: "t"})].Store(k.cache.seq.Add(1)) // as Forget does without mu
		}
		looked = true
		return ""
	}
	r := k.record(&user{}, k.cache.moment())
	k.refresh([]miss[int64, *user]{{key: 1, full: k.full("t", 1), kept: r}}, func(context.Context, []int64, func(int64, *user, error)) error { return nil })
	if got := k.cache.refreshes.Load(); !k.cache.Wait() || got != 1 {
		t.Errorf("%d refreshes, want 1, or it has not ended", got)
	}
}

// What began to be fetched before Redis may have forgotten a drop is not written,
// but its lease is given back.
func TestTooLateToWrite(t *testing.T) {
	k := newUsers(t, time.Hour, 0, 0)
	for age, written := range map[time.Duration]bool{0: true, writableFor: false} {
		w := k.write(k.full("t", 1), k.record(&user{}, moment{}), "token", nil, moment{})
		w.began = time.Now().Add(-age)
		var r run
		(&remote{ms: k.cache.ms}).add(&r, w)
		if life := r.args[1].(int64); (life > 0) != written || !written && life != -1 {
			t.Errorf("a record that began %s ago is written for %d ms", age, life)
		}
	}
	if writableFor >= dropLife {
		t.Error("Redis may forget a drop while what began before it is written")
	}
}

// shutOff gives a kind a Redis that has failed, so that nothing is sent to it.
func shutOff(t *testing.T, k *Kind[int64, *user]) *remote {
	t.Helper()
	r := newRemote(nil, slog.New(slog.DiscardHandler), &k.cache.work, k.cache.ms)
	r.reads.do(func() error { return errors.New("down") })
	r.reads.until = time.Now().Add(time.Hour)
	k.cache.remote = r
	t.Cleanup(func() { k.cache.remote = nil })
	return r
}

// loadOf returns the batch of a load of one record.
func loadOf(k *Kind[int64, *user], key int64) *batch[int64, *user] {
	return k.join([]miss[int64, *user]{{future: new(Future[*user]), key: key, full: k.full("t", key)}}, k.cache.now())
}

// Who sees first that the time of a load is over ends the load: what else would
// do so is stopped with it.
func TestTimeEndsWhileRedisIsAsked(t *testing.T) {
	k := newUsers(t, time.Hour, 0, 0)
	shutOff(t, k)
	b := loadOf(k, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.hear(ctx, b.ask(b.all()), b.all(), nil)
	if !b.flights[0].done() || len(k.flights) > 0 {
		t.Errorf("the load has ended %t, %d are under way", b.flights[0].done(), len(k.flights))
	}
}

// What Redis has to stand in may come as the time of a load ends.
func TestTimeEndsAsRedisAnswers(t *testing.T) {
	k := newUsers(t, time.Hour, 0, 10*time.Hour)
	shutOff(t, k)
	old, err := k.wire(k.record(&user{}, k.cache.moment()))
	if err != nil {
		t.Fatal(err)
	}
	k.cache.Advance(2 * time.Hour)
	b := loadOf(k, 1)
	a := b.ask(b.all())
	a.reply <- []finding{{wire: string(old), lease: denied}}
	var ended sync.WaitGroup
	ended.Go(b.expire)
	b.hear(t.Context(), a, b.all(), nil)
	ended.Wait() // the race detector sees whether both looked at once
	if !b.flights[0].done() {
		t.Error("the load has not ended")
	}
}

// A batch that is over takes over no lease, which nobody would give back.
func TestTakeOverTooLate(t *testing.T) {
	k := newUsers(t, time.Hour, 0, 0)
	r := shutOff(t, k)
	for _, late := range []bool{false, true} {
		b := &batch[int64, *user]{kind: k, late: late}
		f := &flight[int64, *user]{batch: b, key: 1, full: k.full("t", 1)}
		b.takeOver(&ask{token: "token"}, []*flight[int64, *user]{f}, []finding{{lease: granted}})
		if held := len(r.leases.held) > 0; held == late || (f.token == "") != late {
			t.Errorf("late %t: the lease is held %t, by %q", late, held, f.token)
		}
		r.leases.forget([]write{{full: f.full, token: f.token}})
	}
}
