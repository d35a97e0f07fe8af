package sandbox_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/driftgraph/driftgraph/sandbox"
)

func TestServe(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	c, log, ended := listen(t, ctx, sandbox.Config{Conversations: 10})
	c.get("/users/list")
	stop()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if _, err := http.Get(c.url); err == nil {
		t.Error("still listening after the end")
	}
	if got := log.String(); !strings.Contains(got, "method=GET url=/users/list status=200") {
		t.Errorf("the call is not in the log:\n%s", got)
	}
}

// TestServeHanging ends a sandbox while a call hangs that its client does not give up.
func TestServeHanging(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	c, _, ended := listen(t, ctx, sandbox.Config{
		Conversations: 10, Faults: []sandbox.Fault{{Route: "*", Kind: sandbox.Hang}}, Gate: func(*http.Request) { stop() },
	})
	if answer := c.raw(t.Context(), "/users/list"); answer != nil {
		t.Errorf("the call that hangs got %s", answer.Status)
		answer.Body.Close()
	}
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

// listen runs a sandbox alone until ctx ends. Its last result gets what Serve returns.
func listen(t *testing.T, ctx context.Context, cfg sandbox.Config) (*client, *lines, <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log, ended := &lines{}, make(chan error, 1)
	cfg.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	go func() { ended <- sandbox.Serve(ctx, listener, cfg) }()
	return &client{t, "http://" + listener.Addr().String(), "sandbox"}, log, ended
}

// lines is a log.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}
