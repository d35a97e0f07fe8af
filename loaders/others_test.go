package loaders

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestLateForOther has an operation with little time left begin to read a contact
// for which another waits as well: the call comes too late for the first, and is
// made for the other.
func TestLateForOther(t *testing.T) {
	hold := make(chan struct{})
	s, emulator, records := overSandbox(t, drift.Options{Budget: &paused{hold: hold}})
	id := drift.ID(emulator.Fixtures().ContactIDs[0])
	short, end := context.WithTimeout(t.Context(), 30*time.Second)
	defer end()
	first := s.Loaders(short, Operation{Plan: &Plan{}})
	other := s.Loaders(t.Context(), Operation{Plan: &Plan{}})
	failed := make(chan error, 1)
	go func() {
		_, err := first.Contacts.Load(id)
		failed <- err
	}()
	until(t, func() bool { return records.Stats().Misses > 0 })
	go func() {
		until(t, func() bool { return records.Stats().Shared > 0 })
		close(hold)
	}()
	if c, err := other.Contacts.Load(id); c == nil || err != nil {
		t.Errorf("the operation that has time reads %v, %v", c, err)
	}
	if err := <-failed; !errors.Is(err, drift.ErrRateLimited) {
		t.Errorf("the other fails by %v", err)
	}
}

// TestListRefusedOther has operations look up a user in the list that another had
// begun to read, which may make no more calls: each reads the list by itself. One
// that is over by then is answered too.
func TestListRefusedOther(t *testing.T) {
	for name, over := range map[string]bool{"under way": false, "over": true} {
		t.Run(name, func(t *testing.T) {
			asked, hold := make(chan struct{}), make(chan struct{})
			var begin sync.Once
			s, emulator, _ := overSandbox(t, drift.Options{Admit: func(ctx context.Context, call drift.Call) error {
				begin.Do(func() {
					close(asked)
					<-hold
				})
				return Admit(ctx, call)
			}})
			first := s.Loaders(t.Context(), Operation{Plan: &Plan{}, MaxCalls: 1})
			first.recorder.spent.Calls = 1
			go func() { _, _ = first.UserList.Load(All{}) }()
			<-asked
			ctx, end := context.WithCancel(t.Context())
			defer end()
			l := s.Loaders(ctx, Operation{Plan: &Plan{lists: map[list]bool{users: true}}})
			list, err := l.UserList.batches.Load(ctx, All{})()
			close(hold)
			if err == nil {
				_, err = list.Wait(t.Context())
			}
			var budget *BudgetError
			if !errors.As(err, &budget) {
				t.Fatalf("the list failed by %v", err)
			}
			if over {
				end()
			}
			answered := make(chan *drift.User, 1)
			go func() {
				u, err := l.Users.Load(drift.ID(emulator.Fixtures().UserIDs[0]))
				if (err != nil) != over {
					t.Errorf("it fails by %v", err)
				}
				answered <- u
			}()
			select {
			case u := <-answered:
				if (u == nil) != over {
					t.Errorf("the user is %v", u)
				}
			case <-time.After(20 * time.Second):
				t.Error("it is never answered")
			}
		})
	}
}

// TestMeetingsOverMidnight has the day end while an operation runs: what it asks of
// meetings by default stays the same, so that it is read once.
func TestMeetingsOverMidnight(t *testing.T) {
	s, _, _ := overSandbox(t, drift.Options{})
	present := time.Date(2026, time.March, 9, 23, 59, 59, 0, time.UTC)
	s.SetClock(func() time.Time { return present })
	l := s.Loaders(t.Context(), Operation{Plan: &Plan{}})
	planned, err := l.MeetingWindow(nil, nil)
	present = present.Add(2 * time.Second)
	if w, err2 := l.MeetingWindow(nil, nil); w != planned || err != nil || err2 != nil {
		t.Errorf("meetings are read of %v, then of %v; %v, %v", planned, w, err, err2)
	}
}

// overSandbox returns a source over a sandbox, and its cache.
func overSandbox(t *testing.T, o drift.Options) (*Source, *sandbox.Sandbox, *cache.Cache) {
	t.Helper()
	emulator := sandbox.New(sandbox.Config{Seed: 1})
	t.Cleanup(emulator.Close)
	upstream := httptest.NewServer(emulator)
	t.Cleanup(upstream.Close)
	o.BaseURL, o.Auth = upstream.URL, drift.StaticToken("test")
	api, err := drift.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	records := cache.New(cache.Options{Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(records.Close)
	store, err := NewStore(records, Hourly, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return NewSource(store, api, o.Auth), emulator, records
}

// until waits until something is so, which something under way will bring about.
func until(t *testing.T, so func() bool) {
	for deadline := time.Now().Add(time.Minute); !so() && time.Now().Before(deadline); {
		runtime.Gosched()
	}
}

// A paused budget has a token in a minute, which it says once it is let, and then
// as many as are asked for.
type paused struct {
	hold chan struct{}
	told atomic.Bool
}

func (*paused) Open() bool { return false }

func (p *paused) Take(n int, _ bool) (int, time.Duration) {
	if p.told.Swap(true) {
		return n, 0
	}
	<-p.hold
	return 0, time.Minute
}

func (*paused) Refused(time.Time, time.Duration, float64) time.Duration { return 0 }

func (*paused) Level() (left, most int, perSecond float64) { return 0, 1, 1 }
