package graph

import (
	"context"

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
	return "address\x00" + auth.NetworkOf(remote).String()
}
