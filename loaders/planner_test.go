package loaders_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"

	"github.com/driftgraph/driftgraph/audit"
	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/resolvers"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestAllForeseen shows that the planner foresees whatever the documents
// of testdata read, so that no timer runs: a key that it did not foresee would be
// gathered for longer than the operation may take.
func TestAllForeseen(t *testing.T) {
	t.Cleanup(loaders.SetWindow(20 * time.Second))
	files, err := filepath.Glob("../testdata/*/*.graphql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no queries in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".graphql"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			params := &graphql.RawParams{Query: string(text)}
			if values, err := os.ReadFile(strings.TrimSuffix(file, ".graphql") + ".variables.json"); err == nil {
				if err := json.Unmarshal(values, &params.Variables); err != nil {
					t.Fatal(err)
				}
			}
			e := newExecutor(t)
			for _, state := range []string{"cold", "warm"} {
				ctx := graphql.StartOperationTrace(t.Context())
				op, refused := e.CreateOperationContext(ctx, params)
				if refused != nil {
					t.Fatal(refused)
				}
				respond, ctx := e.DispatchOperation(ctx, op)
				for _, err := range respond(ctx).Errors {
					if strings.Contains(err.Message, "longer than it may") {
						t.Errorf("%s: %v was not foreseen", state, err.Path)
					}
				}
			}
		})
	}
}

// newExecutor returns what runs operations over a sandbox.
func newExecutor(t *testing.T) *executor.Executor {
	t.Helper()
	present := time.Date(2026, time.March, 9, 14, 30, 0, 0, time.UTC)
	upstream := httptest.NewServer(sandbox.New(sandbox.Config{Seed: 1, Now: present}))
	t.Cleanup(upstream.Close)
	auth := drift.StaticToken("test")
	api, err := drift.New(drift.Options{BaseURL: upstream.URL, Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	records := cache.New(cache.Options{Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(records.Close)
	store, err := loaders.NewStore(records, loaders.Hourly, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	source := loaders.NewSource(store, api, auth)
	source.SetClock(func() time.Time { return present })
	e := executor.New(graph.NewExecutableSchema(graph.Config{Resolvers: &resolvers.Resolver{Audit: audit.New(slog.DiscardHandler, "", slog.New(slog.DiscardHandler))}}))
	e.SetErrorPresenter((&graph.Presenter{Log: slog.New(slog.DiscardHandler)}).Present)
	e.Use(graph.REST{Source: func(context.Context) *loaders.Source { return source }, MaxCalls: 500, Timeout: 10 * time.Second, MutationTimeout: 10 * time.Second})
	return e
}
