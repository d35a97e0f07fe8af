package main

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/google/go-cmp/cmp"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/resolvers"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestWithoutPlanner answers the queries of testdata without looking ahead: the
// resolvers alone must come to the same answers, only later.
func TestWithoutPlanner(t *testing.T) {
	emulator := newSandbox(sandbox.Config{})
	upstream := httptest.NewServer(emulator)
	defer upstream.Close()
	for _, q := range goldens(t) {
		t.Run(filepath.Base(q.path), func(t *testing.T) {
			records := cache.New(cache.Options{Log: slog.New(slog.DiscardHandler)})
			defer records.Close()
			var c cli
			parser, err := c.parser(os.Stdout, os.Stderr)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(nil); err != nil {
				t.Fatal(err)
			}
			store, err := loaders.NewStore(records, c.Serve.CacheTTL.loaders(), c.Serve.CacheStale)
			if err != nil {
				t.Fatal(err)
			}
			auth := drift.StaticToken(testToken)
			api, err := drift.New(drift.Options{BaseURL: upstream.URL, Auth: auth, Timeout: c.Serve.DriftTimeout, Concurrency: c.Serve.DriftConcurrency})
			if err != nil {
				t.Fatal(err)
			}
			defer api.Close()
			source := loaders.NewSource(store, api, auth)
			source.SetClock(func() time.Time { return present })

			e := executor.New(graph.NewExecutableSchema(graph.Config{Resolvers: &resolvers.Resolver{}}))
			e.SetErrorPresenter((&graph.Presenter{Log: slog.New(slog.DiscardHandler)}).Present)
			e.AroundOperations(func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
				return next(loaders.Attach(ctx, source.Loaders(ctx, loaders.Operation{Plan: loaders.Compile(graphql.GetOperationContext(ctx), nil)})))
			})
			server := httptest.NewServer(&graph.Handler{Executor: e, MaxBodyBytes: 1 << 20, MaxVariablesBytes: 1 << 20})
			defer server.Close()

			want, err := os.ReadFile(q.path + ".json")
			if err != nil {
				t.Fatal(err)
			}
			got := indented(t, (&gateway{url: server.URL}).ask(t, q.query, q.variables))
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the answer differs from %s.json (-want +got):\n%.4000s", q.path, diff)
			}
		})
	}
}
