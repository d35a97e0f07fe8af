package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/graph"
)

// listen serves a handler on a loopback port as the program does, and returns its
// address. Times that are not 0 take the place of the program's own.
func listen(t *testing.T, limits connections, header, whole time.Duration, h http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	server := newServer(new(serveConfig), h, log)
	if server.ReadHeaderTimeout <= 0 || server.ReadTimeout <= 0 || server.IdleTimeout <= 0 || server.WriteTimeout <= 0 {
		t.Errorf("a time of the server has no end: %+v", server)
	}
	if header > 0 {
		server.ReadHeaderTimeout, server.ReadTimeout = header, whole
	}
	go func() { _ = server.Serve(limits.bound(listener, false, log)) }()
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

func dialTCP(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// request asks on a connection and returns the status and the body.
func request(t *testing.T, conn net.Conn) (*http.Response, string) {
	t.Helper()
	const body = `{"query":"{ viewer { caller } }"}`
	fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// TestConnections opens more connections than there may be: those that are open are
// answered as ever, one more is told so, and there is room again when one ends.
func TestConnections(t *testing.T) {
	t.Parallel()
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })
	for name, limits := range map[string]connections{
		"of all":         {MaxConnections: 3},
		"of one address": {MaxConnections: 1000, MaxConnectionsPerAddress: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := listen(t, limits, 0, 0, answer)
			var open []net.Conn
			for range 3 {
				open = append(open, dialTCP(t, address))
				if res, text := request(t, open[len(open)-1]); res.StatusCode != http.StatusOK || text != "here" {
					t.Fatalf("it is answered %d %s", res.StatusCode, text)
				}
			}
			for range 5 { // which count for nothing
				res, text := request(t, dialTCP(t, address))
				if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || !res.Close || !strings.Contains(text, graph.CodeRateLimited) {
					t.Fatalf("one too many is answered %d %v %s", res.StatusCode, res.Header, text)
				}
			}
			for _, conn := range open {
				if res, text := request(t, conn); res.StatusCode != http.StatusOK {
					t.Errorf("one that was open is answered %d %s", res.StatusCode, text)
				}
			}
			open[0].Close()
			eventually(t, func() bool {
				res, _ := request(t, dialTCP(t, address))
				return res.StatusCode == http.StatusOK
			})
		})
	}
}

// TestSlowClients has clients send a header and a body that never end: they lose
// their connections, and nobody else waits for them.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "cut", http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, "here")
	})
	const each = 10
	address := listen(t, connections{MaxConnections: 2*each + 1}, time.Second, 2*time.Second, read)
	ended := make(chan error, 2*each)
	for i := range 2 * each {
		begin, more := "POST /graphql HTTP/1.1\r\nHost: x\r\n", "X-More: x\r\n"
		if i%2 == 1 {
			begin, more = begin+"Content-Length: 1000000\r\n\r\n", "x"
		}
		conn := dialTCP(t, address)
		if _, err := io.WriteString(conn, begin); err != nil {
			t.Fatal(err)
		}
		go func() { // a little at a time, until it is cut off
			for {
				if _, err := io.WriteString(conn, more); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		go func() {
			_, err := io.Copy(io.Discard, conn)
			if timeout, ok := err.(net.Error); !ok || !timeout.Timeout() {
				err = nil // however the server has ended it
			}
			ended <- err
		}()
	}
	answered := func() bool { // or cut off, on a machine that is as slow as they are
		res, err := http.Post("http://"+address, "application/json", strings.NewReader("{}"))
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	}
	eventually(t, answered)
	for range 2 * each {
		if err := <-ended; err != nil {
			t.Errorf("a slow client keeps its connection: %v", err)
		}
	}
	eventually(t, answered)
}

// TestProgramConnections holds that the program as it runs bounds connections, and
// cuts off who sends no more of a header.
func TestProgramConnections(t *testing.T) {
	t.Parallel()
	p := start(t, "--listen-addr=127.0.0.1:0", "--max-connections=3")
	t.Cleanup(func() {
		p.stop()
		<-p.ended
	})
	address := strings.TrimPrefix(p.url, "http://")
	slow := dialTCP(t, address)
	if _, err := io.WriteString(slow, "POST /graphql HTTP/1.1\r\nHost: x\r\n"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if res, text := request(t, dialTCP(t, address)); res.StatusCode != http.StatusOK {
			t.Fatalf("it is answered %d %s", res.StatusCode, text)
		}
	}
	if res, text := request(t, dialTCP(t, address)); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, graph.CodeRateLimited) {
		t.Errorf("one too many is answered %d %s", res.StatusCode, text)
	}
	if _, err := io.Copy(io.Discard, slow); err != nil {
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			t.Error("a header that never ends is awaited")
		}
	}
}

// TestServerOutlasts holds that the server gives each operation the time that it may
// take, waiting for its turn included.
func TestServerOutlasts(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--mutation-timeout=1h"}, {"--operation-timeout=1h", "--mutation-timeout=1s"}, {"--operation-timeout=1h"}} {
		var c cli
		parser, err := c.parser(io.Discard, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err != nil {
			t.Fatal(err)
		}
		server := newServer(&c.Serve, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
		if longest := max(c.Serve.OperationTimeout, c.Serve.mutationTimeout()); server.WriteTimeout <= longest+c.Serve.QueueTimeout {
			t.Errorf("with %q an answer may take %s, and the server gives up after %s", args, longest, server.WriteTimeout)
		}
	}
}
