// Package redistest runs redis-servers, each with a port and no file of its own,
// for tests and benchmarks.
package redistest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Ready is what a redis-server logs when it takes connections.
const Ready = "Ready to accept connections"

// A Server is a redis-server that keeps nothing when it ends, unless it is told to.
type Server struct {
	Address string   // HOST:PORT
	Options []string // of the command line, beside those that every Server has
	Ready   string   // what it logs once it is of use

	program, port, bus, dir string
	process                 *exec.Cmd
}

// New returns a Server that does not run yet. Its program is looked up in PATH, and
// dir is its working directory.
func New(program, dir string, options ...string) (*Server, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	bus, err := freePort()
	if err != nil {
		return nil, err
	}
	return &Server{Address: net.JoinHostPort("127.0.0.1", port), Options: options, Ready: Ready, program: path, port: port, bus: bus, dir: dir}, nil
}

// freePort returns a port that nobody listens on, of those that are given to nobody
// who asks for any: so it is still free when a server that was killed starts again.
func freePort() (string, error) {
	for range 100 {
		port := strconv.Itoa(10_000 + rand.IntN(20_000)) // #nosec G404 -- no secret
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return "", errors.New("redistest: there is no free port")
}

// Run runs the server, which is empty, and returns once it is ready.
func (s *Server) Run() error {
	s.process = exec.Command(s.program, append(s.Options, // #nosec G204 -- what the test says
		"--bind", "127.0.0.1", "--port", s.port, "--cluster-port", s.bus, "--dir", s.dir, "--save", "")...)
	out, err := s.process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.process.Start(); err != nil {
		return err
	}
	var said strings.Builder
	for log := bufio.NewScanner(out); log.Scan(); fmt.Fprintln(&said, log.Text()) {
		if strings.Contains(log.Text(), s.Ready) {
			go func() { _, _ = io.Copy(io.Discard, out) }() // a full pipe would stop it
			return nil
		}
	}
	s.Kill()
	return fmt.Errorf("redistest: it does not start:\n%s", &said)
}

// Kill ends the server at once.
func (s *Server) Kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// Signal sends the server's process a signal.
func (s *Server) Signal(sig os.Signal) error { return s.process.Process.Signal(sig) }

// URL returns the URL of the server.
func (s *Server) URL() string { return "redis://" + s.Address }

// PatientURL returns the URL by which a client of ours gives the server a minute
// for each step, so that a busy machine fails none. What bounds a round trip
// besides, BePatient takes away.
func (s *Server) PatientURL() string {
	return s.URL() + "?dial_timeout=1m&read_timeout=1m&write_timeout=1m&pool_timeout=1m"
}

// Start runs a server until the test ends.
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	s := Reserve(t, options...)
	s.Restart(t)
	t.Cleanup(s.Kill)
	return s
}

// Restart runs a server that does not run, or no longer.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
}

// Reserve returns a server that does not run yet. Where none is installed the test
// is skipped, but not in CI.
func Reserve(t testing.TB, options ...string) *Server {
	t.Helper()
	s, err := New("redis-server", t.TempDir(), options...)
	switch {
	case errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	return s
}

// BePatient has a client wait for Redis however soon its callers would give up.
func BePatient(client redis.UniversalClient) { client.AddHook(patience{}) }

// patience is a hook that lets no context end a command.
type patience struct{}

func (patience) DialHook(next redis.DialHook) redis.DialHook { return next }

func (patience) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return next(context.WithoutCancel(ctx), cmd) }
}

func (patience) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { return next(context.WithoutCancel(ctx), cmds) }
}
