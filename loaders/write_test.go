package loaders_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestWriteGoesOn has the client hang up while a write is under way: it goes on
// to its end, and no other one begins.
func TestWriteGoesOn(t *testing.T) {
	emulator := sandbox.New(sandbox.Config{Seed: 1})
	ctx, hangUp := context.WithCancel(t.Context())
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hangUp()
		emulator.ServeHTTP(w, r)
	}))
	defer upstream.Close()
	token := drift.StaticToken("test")
	api, err := drift.New(drift.Options{BaseURL: upstream.URL, Auth: token, Admit: loaders.Admit, OnCall: loaders.Record})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	records := cache.New(cache.Options{Log: slog.New(slog.DiscardHandler)})
	defer records.Close()
	store, err := loaders.NewStore(records, loaders.Hourly, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	l := loaders.NewSource(store, api, token).Loaders(ctx, loaders.Operation{Plan: &loaders.Plan{}})
	ids := emulator.Fixtures().ContactIDs
	if err := l.Write.DeleteContact(ctx, drift.ID(ids[0])); err != nil {
		t.Errorf("the write that was under way failed: %v", err)
	}
	if err := l.Write.DeleteContact(ctx, drift.ID(ids[1])); err == nil {
		t.Error("a write began when the client had hung up")
	}
	if calls := emulator.Calls(); len(calls) != 1 || calls[0].Status != http.StatusAccepted {
		t.Errorf("Drift had the calls %+v, want one", calls)
	}
	if n := l.Spent().Calls; n != 1 {
		t.Errorf("the operation is told to have made %d calls, want 1", n)
	}
}
