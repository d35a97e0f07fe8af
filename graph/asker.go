package graph

import (
	"context"
	"net/netip"

	"github.com/driftgraph/driftgraph/auth"
)

type remoteKey struct{}

// withRemote returns the context of a request whose connection comes from an address.
func withRemote(ctx context.Context, remote string) context.Context {
	return context.WithValue(ctx, remoteKey{}, remote)
}

// asker names who asks, to count how often and to take turns: whoever showed a
// credential by name, anybody else by the address of the connection. A header that
// names another address is anybody's to write.
func asker(ctx context.Context) string {
	if auth.Entered(ctx) {
		return "caller\x00" + auth.CallerOf(ctx).Name
	}
	remote, _ := ctx.Value(remoteKey{}).(string)
	return "address\x00" + network(remote)
}

// network returns what an address is counted by. Whoever has an IPv6 address has
// all of its /64.
func network(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	address := at.Addr().Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	prefix, _ := address.Prefix(64)
	return prefix.String()
}
