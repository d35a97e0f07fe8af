package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/driftgraph/driftgraph/sandbox"
)

// from has requests of a test come from an address of this machine.
func from(t *testing.T, address string) *http.Client {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("this system has one loopback address")
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, to)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestFairAddresses has one address flood a gateway that asks nobody who they are,
// with many operations, and then another ask for one contact: its call is made
// before those of the flood that wait, by HTTP.
func TestFairAddresses(t *testing.T) {
	t.Parallel()
	const operations, each, underWay = 30, 3, 2
	opened := make(chan struct{})
	g := newGateway(t, sandbox.Config{Gate: func(r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/contacts/") {
			<-opened
		}
	}}, fmt.Sprint("--drift-concurrency=", underWay), "--operation-timeout=5m", "--drift-timeout=5m")
	waiting := func(n int) {
		t.Helper()
		eventually(t, func() bool { return scrapeMetrics(t, g.url).value("driftgraph_drift_calls_waiting") == float64(n) })
	}
	ask := func(client *http.Client, query string) {
		res, err := client.Post(g.url+"/graphql", "application/json", strings.NewReader(fmt.Sprintf(`{"query":%q}`, query)))
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("the answer is %s", res.Status)
		}
	}
	var clients sync.WaitGroup
	flood, light := from(t, "127.0.0.1"), from(t, "127.0.0.2")
	for i := range operations {
		clients.Go(func() { ask(flood, g.contactsOf(each*i, each)) })
	}
	waiting(operations*each - underWay)
	clients.Go(func() { ask(light, g.contactsOf(199, 1)) })
	waiting(operations*each - underWay + 1)
	close(opened)
	clients.Wait()
	last := fmt.Sprint("/contacts/", g.drift.Fixtures().ContactIDs[199])
	at := slices.IndexFunc(g.drift.Calls(), func(c sandbox.Call) bool { return strings.HasPrefix(c.URL, last) })
	if at < 0 || at > 3*underWay { // those under way, and as many of the flood in turn
		t.Errorf("the other address has the %dth of %d calls", at+1, len(g.drift.Calls()))
	}
}
