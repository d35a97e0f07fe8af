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

// ListenAndServe runs a sandbox alone on addr until ctx ends, and then lets the calls under way finish for two seconds. It
// logs the address, and each call at level debug, instead of to cfg.Log. It returns nil when ctx ended it.
func ListenAndServe(ctx context.Context, addr string, cfg Config, log *slog.Logger) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	cfg.Log = log
	s := New(cfg)
	defer s.Close()

	calls, stopCalls := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCalls()
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return calls },
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	log.Info("sandbox listening", "url", "http://"+listener.Addr().String())

	select {
	case err := <-stopped:
		return fmt.Errorf("sandbox: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(calls, 2*time.Second)
	defer cancel()
	err = server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		stopCalls() // frees the calls that hang
		return server.Close()
	}
	return err
}
