package loaders

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/sandbox"
)

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
	store, err := NewStore(records, TTL{
		Contact: time.Hour, User: time.Hour, Conversation: time.Hour, ConversationList: time.Hour, ConversationStats: time.Hour,
		ConversationReport: time.Hour, Message: time.Hour, Account: time.Hour, Team: time.Hour, Playbook: time.Hour, Meeting: time.Hour,
		ContactAttribute: time.Hour, Viewer: time.Hour,
	}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return NewSource(store, api, o.Auth), emulator, records
}
