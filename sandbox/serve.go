package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Serve runs a sandbox of one organisation or several alone on listener, which it closes, until ctx ends, and then lets the calls
// under way finish for two seconds. It logs each call at level debug to the Config.Log of its organisation. It returns nil when ctx
// ended it.
func Serve(ctx context.Context, listener net.Listener, orgs ...Config) error {
	p := &Platform{}
	for _, cfg := range orgs {
		s := New(cfg)
		defer s.Close()
		p.orgs = append(p.orgs, s)
	}

	calls, stopCalls := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCalls()
	server := &http.Server{
		Handler:           p,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(p.orgs[0].log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return calls },
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()

	select {
	case err := <-stopped:
		return fmt.Errorf("sandbox: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(calls, 2*time.Second)
	defer cancel()
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		stopCalls() // frees the calls that hang
		return server.Close()
	}
	return err
}
