// Package probe lets the benchmark look into a process that it measures, over
// a Unix socket: what it has allocated and used, and what its CPU does.
package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Socket is the environment variable that names the socket to listen on.
// Without it a process is not probed.
const Socket = "BENCH_PROBE"

// A Usage is what a process has used since its start.
type Usage struct {
	Mallocs uint64        // objects allocated
	Bytes   uint64        // bytes allocated
	CPU     time.Duration // user and system time
	RSS     int64         // bytes resident now; 0 where there is no /proc
}

// Minus returns what was used since before. RSS stays as it is.
func (u Usage) Minus(before Usage) Usage {
	return Usage{u.Mallocs - before.Mallocs, u.Bytes - before.Bytes, u.CPU - before.CPU, u.RSS}
}

// Plus returns the sum of two uses. RSS is the larger.
func (u Usage) Plus(other Usage) Usage {
	return Usage{u.Mallocs + other.Mallocs, u.Bytes + other.Bytes, u.CPU + other.CPU, max(u.RSS, other.RSS)}
}

// A Standing is what a process holds when its garbage is gone.
type Standing struct {
	Memory     uint64 // bytes in use by objects and stacks
	RSS        int64  // bytes resident; 0 where there is no /proc
	Goroutines int
	Files      int // that are open; 0 where there is no /proc
}

// Serve answers probes in the background if the environment names a socket.
func Serve() {
	socket := os.Getenv(Socket)
	if socket == "" {
		return
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		panic(err) // only a benchmark sets the variable
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/usage", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(usage()) })
	mux.HandleFunc("/standing", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(standing()) })
	mux.HandleFunc("/profile", pprof.Profile)
	mux.HandleFunc("/goroutines", pprof.Handler("goroutine").ServeHTTP)
	go func() { _ = (&http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}).Serve(listener) }()
}

func usage() Usage {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	u := Usage{Mallocs: memory.Mallocs, Bytes: memory.TotalAlloc}
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) == nil {
		u.CPU = time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	u.RSS = resident()
	return u
}

func standing() Standing {
	debug.FreeOSMemory()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	s := Standing{Memory: memory.HeapAlloc + memory.StackInuse, RSS: resident(), Goroutines: runtime.NumGoroutine()}
	if files, err := os.ReadDir("/proc/self/fd"); err == nil {
		s.Files = len(files)
	}
	return s
}

// resident returns how many bytes of the process are in memory, 0 if that cannot be known.
func resident() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(statm))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// A Client asks one process.
type Client struct{ http *http.Client }

// Dial returns a client of the process that listens on the socket.
func Dial(socket string) *Client {
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}}
}

// Usage returns what the process has used so far.
func (c *Client) Usage(ctx context.Context) (Usage, error) {
	var u Usage
	body, err := c.get(ctx, "/usage")
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal(body, &u)
}

// Standing collects the process's garbage and returns what it holds then.
func (c *Client) Standing(ctx context.Context) (Standing, error) {
	var s Standing
	body, err := c.get(ctx, "/standing")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(body, &s)
}

// Goroutines returns what the goroutines of the process do, as text.
func (c *Client) Goroutines(ctx context.Context) ([]byte, error) {
	return c.get(ctx, "/goroutines?debug=1")
}

// Profile returns a CPU profile of the seconds to come.
func (c *Client) Profile(ctx context.Context, seconds int) ([]byte, error) {
	return c.get(ctx, "/profile?seconds="+strconv.Itoa(seconds))
}

func (c *Client) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://probe"+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("probe: %s: %s", path, res.Status)
	}
	return body, err
}

// Close frees the connection.
func (c *Client) Close() { c.http.CloseIdleConnections() }
