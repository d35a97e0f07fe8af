package auth

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const (
	// An address may show so many wrong credentials at once, and one more in each
	// failurePause.
	mostFailures = 10
	failurePause = 6 * time.Second

	// So many addresses are remembered; those that failed last, if there are more.
	mostAddresses = 10_000
)

// A Lockout counts wrong credentials by the address that they come from. The
// zero value is ready.
//
// Whoever shows a right one is not locked out with the others of the address, be
// it a proxy or an office: else a few wrong ones would keep all of them out.
type Lockout struct {
	once      sync.Once
	addresses *lru.Cache[netip.Prefix, *rate.Limiter]
}

// of returns the limiter of an address, a new one if there is none and make says so.
func (l *Lockout) of(remote string, make bool) *rate.Limiter {
	l.once.Do(func() { l.addresses, _ = lru.New[netip.Prefix, *rate.Limiter](mostAddresses) })
	network := NetworkOf(remote)
	limiter, ok := l.addresses.Get(network)
	if ok || !make {
		return limiter
	}
	limiter = rate.NewLimiter(rate.Every(failurePause), mostFailures)
	if before, found, _ := l.addresses.PeekOrAdd(network, limiter); found {
		return before
	}
	return limiter
}

// Locked reports whether an address, as http.Request.RemoteAddr has it, has failed
// so often that it is to be met warily.
func (l *Lockout) Locked(remote string) bool {
	limiter := l.of(remote, false)
	return limiter != nil && limiter.Tokens() < 1
}

// Failed counts a wrong credential. It returns how long the address is to wait
// until the next, 0 if it need not.
func (l *Lockout) Failed(remote string) time.Duration {
	reservation := l.of(remote, true).Reserve()
	wait := reservation.Delay()
	if wait > 0 {
		reservation.Cancel()
	}
	return wait
}

// NetworkOf returns what counts as one address: with IPv6 a network of 64 bits,
// any address of which its owner can take.
func NetworkOf(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	network, _ := addr.Prefix(bits)
	return network
}
