package drift

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// NewTransport returns a pool of connections, which keeps one for each of so many
// calls that may be under way at once.
func NewTransport(concurrency int) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns = 0
	t.MaxIdleConnsPerHost = concurrency
	t.IdleConnTimeout = 50 * time.Second // below the minute after which load balancers like to hang up
	t.MaxResponseHeaderBytes = 64 << 10
	return t
}

// newHTTPClient returns an HTTP client that follows no redirects and keeps no
// cookies.
func newHTTPClient(t *http.Transport) *http.Client {
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// maxProblemBytes is how much is read of an answer that is an error anyway.
const maxProblemBytes = 64 << 10

var (
	errTooLarge = errors.New("it is too large")
	errCut      = errors.New("it is cut short")
)

// exchange sends req and reads the answer into body, at most limit bytes. The
// response is nil if none came; its body is closed. An error wraps the kind of
// failure, or the error of ctx, which is the context of the caller and not the
// one of req, which is shorter. An error holds nothing of what was received.
func exchange(ctx context.Context, client *http.Client, req *http.Request, limit int64, body *bytes.Buffer) (*http.Response, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, lost(ctx, err)
	}
	defer resp.Body.Close()
	if !succeeded(resp.StatusCode) {
		limit = min(limit, maxProblemBytes)
	}
	if resp.ContentLength > limit {
		return resp, fmt.Errorf("%w: %w", ErrInvalid, errTooLarge)
	}
	if resp.ContentLength > 0 {
		body.Grow(int(resp.ContentLength) + bytes.MinRead) // so that ReadFrom need not grow it to see the end
	}
	n, err := body.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if n > limit {
		return resp, fmt.Errorf("%w: %w", ErrInvalid, errTooLarge)
	}
	if err != nil {
		if err := lost(ctx, err); !errors.Is(err, errNoReason) {
			return resp, err
		}
		return resp, fmt.Errorf("%w: %w", ErrInvalid, errCut)
	}
	return resp, nil
}

// succeeded reports whether a status is in the 200s.
func succeeded(status int) bool { return 200 <= status && status < 300 }

// refused reports whether a status is in the 400s: the call was not carried out,
// for a reason that lies with it.
func refused(status int) bool { return 400 <= status && status < 500 }

// watch returns a context whose request sets sent from the moment when it has a
// connection to go out on. Before, nothing of it can have arrived: a host that
// is not known, a refused connection and a bad certificate come to nobody.
//
// The transport looks for another connection only if the one before took nothing
// of a write, which is then as if it was never sent.
func watch(ctx context.Context, sent *atomic.Bool) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})
}

// errNoReason stands for a failure of which nothing more is known that may be
// told: its own text may quote what was received.
var errNoReason = errors.New("the connection failed")

// lost returns why no answer came, in words that hold nothing of it: err itself
// may quote URLs and what was received.
func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		// A socket can see the end of the caller's time before its context does.
		if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
			return context.DeadlineExceeded
		}
		return ErrTimeout
	}
	reason := errNoReason
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		reason = errno
	} else if _, ok := errors.AsType[*net.DNSError](err); ok {
		reason = errors.New("the host is not known")
	} else if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		reason = errors.New("the certificate is not accepted")
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, reason)
}

// buffers holds buffers for bodies between calls.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// putBuffer gives a buffer back, unless one long answer made it large.
func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= 1<<20 {
		b.Reset()
		buffers.Put(b)
	}
}
