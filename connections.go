package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/graph"
)

// connections says how many there may be at once.
type connections struct {
	MaxConnections           int `default:"20000" placeholder:"N" help:"Most connections at once, of any kind; one too many is answered 503."`
	MaxConnectionsPerAddress int `placeholder:"N" help:"Most of them from one address, or one IPv6 network of 64 bits. Default: any number, since behind a proxy all come from one."`
}

// check refuses what cannot work, by name.
func (c connections) check() error {
	switch {
	case c.MaxConnections < 1:
		return fmt.Errorf("MAX_CONNECTIONS is %d; it takes 1 or more", c.MaxConnections)
	case c.MaxConnectionsPerAddress < 0:
		return fmt.Errorf("MAX_CONNECTIONS_PER_ADDRESS is %d; it takes 1 or more", c.MaxConnectionsPerAddress)
	}
	return nil
}

// newServer returns what serves the gateway over HTTP. Whoever sends slowly loses
// the connection.
func newServer(c *serveConfig, h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      c.QueueTimeout + c.longestOperation() + 30*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// A boundedListener takes no more connections at once than it may. One too many is
// told so, that whoever asks can ask another replica, instead of waiting for nobody
// knows how long.
type boundedListener struct {
	net.Listener
	limits    connections
	encrypted bool // clients speak TLS, so that they cannot be told: they are hung up on
	log       *slog.Logger
	turning   atomic.Int64 // those who are being told

	mu   sync.Mutex
	open int
	of   map[netip.Prefix]int // where addresses are counted
	told time.Time            // when the log was told last
}

// bound returns a listener that takes so many of another's connections.
func (c connections) bound(l net.Listener, encrypted bool, log *slog.Logger) *boundedListener {
	return &boundedListener{Listener: l, limits: c, encrypted: encrypted, log: log, of: make(map[netip.Prefix]int)}
}

// Accept returns the next connection that there is room for.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			return nil, errors.Join(errors.New("it listens to what is not TCP"), conn.Close())
		}
		from := auth.NetworkOf(tcp.RemoteAddr().String())
		if l.take(from) {
			return &boundedConn{TCPConn: tcp, release: sync.OnceFunc(func() { l.release(from) })}, nil
		}
		if l.encrypted || l.turning.Add(1) > maxTurning {
			if !l.encrypted {
				l.turning.Add(-1)
			}
			_ = tcp.Close()
			continue
		}
		go func() {
			defer l.turning.Add(-1)
			turnAway(tcp)
		}()
	}
}

// take counts a connection, unless it is one too many.
func (l *boundedListener) take(from netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := cmp.Or(l.limits.MaxConnectionsPerAddress, l.limits.MaxConnections)
	if l.open >= l.limits.MaxConnections || l.of[from] >= most {
		if now := time.Now(); now.Sub(l.told) > time.Minute {
			l.told = now
			l.log.Warn("connections are turned away (MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS)", "open", l.open)
		}
		return false
	}
	l.open++
	l.of[from]++
	return true
}

// release counts a connection no longer.
func (l *boundedListener) release(from netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.of[from]--; l.of[from] == 0 {
		delete(l.of, from)
	}
}

// A boundedConn is one that counts until it is closed.
type boundedConn struct {
	*net.TCPConn
	release func()
}

// Close closes the connection and makes room for another.
func (c *boundedConn) Close() error {
	defer c.release()
	return c.TCPConn.Close()
}

// Those who are turned away, and how long one may take to ask and to hear it.
const (
	maxTurning  = 100
	turningTime = 5 * time.Second
)

// turnAway answers the first request of a connection by 503, whatever it is, and
// closes it.
func turnAway(conn *net.TCPConn) {
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(turningTime)) != nil {
		return
	}
	if _, err := conn.Read(make([]byte, 4<<10)); err != nil { // an answer to no question would confuse clients
		return
	}
	const told = `{"errors":[{"message":"the gateway has as many connections as it takes; try again later","extensions":{"code":"` + graph.CodeRateLimited + `"}}]}`
	fmt.Fprintf(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n"+
		"Cache-Control: no-store\r\nRetry-After: 5\r\nConnection: close\r\n\r\n%s", len(told), told)
	if conn.CloseWrite() == nil { // what is unread when it is closed would take the answer back
		_, _ = io.Copy(io.Discard, io.LimitReader(conn, 1<<20))
	}
}
