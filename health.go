package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/driftgraph/driftgraph/metrics"
	"github.com/driftgraph/driftgraph/queue"
)

// A health is what balancers and operators ask of the gateway.
type health struct {
	draining atomic.Bool // the process is about to end
	metrics  *metrics.Metrics
	queue    *queue.Queue
}

// mount serves the health of the gateway: /livez says that the process lives,
// /readyz whether it is to be sent requests.
func (h *health) mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case h.draining.Load():
			http.Error(w, "draining", http.StatusServiceUnavailable)
		case h.queue.Overloaded():
			http.Error(w, "overloaded", http.StatusServiceUnavailable)
		default:
			_, _ = io.WriteString(w, "ok\n")
		}
	})
	mux.Handle("GET /metrics", h.metrics.Handler())
}

// leave has clients open other connections for what they ask next, which find
// another replica, once the process is about to end.
func (h *health) leave(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// newAdmin returns what ADMIN_ADDR serves: the health of the gateway, and
// profiles of the process. The command line, which may hold secrets, is not
// among them.
func newAdmin(h *health) http.Handler {
	mux := http.NewServeMux()
	h.mount(mux)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// startAdmin serves what operators ask on an address of its own.
func startAdmin(addr string, h *health, log *slog.Logger) (*http.Server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("ADMIN_ADDR: %w", err)
	}
	admin := &http.Server{
		Addr:              listener.Addr().String(),
		Handler:           newAdmin(h),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      2 * time.Minute, // a profile takes as long as it is asked to
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() { _ = admin.Serve(listener) }()
	return admin, nil
}
