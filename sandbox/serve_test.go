package sandbox_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/driftgraph/driftgraph/sandbox"
)

func TestListenAndServe(t *testing.T) {
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
	if err := sandbox.ListenAndServe(t.Context(), "127.0.0.1:nowhere", sandbox.Config{}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no error for an address that makes no sense")
	}
}

// TestListenAndServeHanging ends a sandbox while a call hangs that its client does not give up.
func TestListenAndServeHanging(t *testing.T) {
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

// listen runs a sandbox alone until ctx ends. Its last result gets what ListenAndServe returns.
func listen(t *testing.T, ctx context.Context, cfg sandbox.Config) (*client, *lines, <-chan error) {
	t.Helper()
	log, ended := &lines{address: make(chan string, 1)}, make(chan error, 1)
	go func() {
		logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		ended <- sandbox.ListenAndServe(ctx, "127.0.0.1:0", cfg, logger)
	}()
	return &client{t, <-log.address, "sandbox"}, log, ended
}

// lines is a log that hands on the address that it is told.
type lines struct {
	address chan string

	mu  sync.Mutex
	all bytes.Buffer
}

// addressIn finds the address in a line.
var addressIn = regexp.MustCompile(`url=(http://\S+)`)

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if address := addressIn.FindSubmatch(p); address != nil {
		l.address <- string(address[1])
	}
	return l.all.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}
