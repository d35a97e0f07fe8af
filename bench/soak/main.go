// Soak lets two replicas of the gateway bear mixed load for a while: queries,
// mutations, subscriptions and webhooks, with Drift failing now and then and Redis
// being killed. It knows at each moment what is true in Drift, and ends at the
// first answer that is wrong, or staler than is allowed; and it looks at what the
// replicas hold, which must not become more and more.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/driftgraph/driftgraph/bench/local"
	"github.com/driftgraph/driftgraph/internal/redistest"
	"github.com/driftgraph/driftgraph/sandbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// What is allowed.
const (
	// A replica may not have heard of a change for so long: webhooks take some
	// milliseconds, but a connection on which drops are heard may break unnoticed
	// for 5 s.
	staleCalm = 8 * time.Second

	// What changes while Redis is away, or shortly after, the other replica may
	// answer as it was for 30 s.
	staleStorm = 45 * time.Second

	// After Drift has failed, errors may last until operations, pauses and circuits
	// that began then are over.
	forgiven = 20 * time.Second

	// A message that is written while all is well has been told by then.
	toldWithin = 10 * time.Second
)

// The settings of the replicas that differ from the defaults.
var settings = []string{"CACHE_L1_BYTES=8MiB", "DRIFT_TIMEOUT=2s", "OPERATION_TIMEOUT=5s", "LOG_LEVEL=error"}

const (
	token        = "soak"
	webhookToken = "soak"
)

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(out)
	minutes := flags.Float64("minutes", 3, "how long")
	program := flags.String("redis", "redis-server", "Redis to start")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	length := time.Duration(*minutes * float64(time.Minute))
	if length <= 0 {
		return errors.New("-minutes takes more than 0")
	}
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root, err := local.Root(ctx)
	if err != nil {
		return err
	}
	binary, err := local.Build(ctx, root, dir)
	if err != nil {
		return err
	}
	redis, err := redistest.New(*program, dir)
	if err == nil {
		err = redis.Run()
	}
	if err != nil {
		return err
	}
	defer redis.Kill()
	w := newWorld(redis)
	defer w.close()
	if err := w.open(ctx, dir, binary); err != nil {
		return err
	}
	return w.soak(ctx, length, out)
}

// open starts Drift and the replicas.
func (w *world) open(ctx context.Context, dir, binary string) error {
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.serve(door, http.HandlerFunc(w.route))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.drift = sandbox.New(sandbox.Config{
		Seed: 1, Contacts: 2000, Conversations: 4000, MaxMessages: 10, CallLog: -1,
		Webhooks: "http://" + door.Addr().String(), WebhookToken: webhookToken,
	})
	w.stops = append(w.stops, w.drift.Close)
	w.serve(listener, w.drift)
	w.url = "http://" + listener.Addr().String()
	for i := range w.replicas {
		env := append([]string{"DRIFT_TOKEN=" + token, "DRIFT_BASE_URL=" + w.url, "DRIFT_WEBHOOK_TOKEN=" + webhookToken, "REDIS_URL=" + w.redis.URL()}, settings...)
		p, err := local.Start(ctx, dir, binary, env...)
		if err != nil {
			return err
		}
		w.stops = append(w.stops, p.Stop)
		w.replicas[i] = &watch{name: fmt.Sprintf("replica %d", i+1), process: p}
	}
	return nil
}

// serve serves on a listener until the world is closed.
func (w *world) serve(listener net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	w.stops = append(w.stops, func() { _ = server.Close() })
}
