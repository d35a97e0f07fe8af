package graph

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/99designs/gqlgen/graphql"

	"github.com/driftgraph/driftgraph/auth"
)

// A Door asks for the credential of whoever sends a request. A nil Door asks
// nobody.
//
// Whatever is wrong with a credential, the answer is the same. The address that
// counts for the lock-out is that of the connection: a header that names another
// is anybody's to write.
type Door struct {
	Gate    auth.Gate
	lockout auth.Lockout
}

// What is told to those who are not let in.
const (
	wordsUnauthenticated = "this takes a credential that the gateway knows: send it in the header Authorization, after Bearer"
	wordsLocked          = "too many credentials of this address were wrong; try again later"
	wordsUnknown         = "it cannot be told at the moment whose the credential is; try again later"
)

// unknownPause is when to try again where it cannot be told whose a credential is.
const unknownPause = 5 * time.Second

// A rejection is why somebody is not let in.
type rejection struct {
	status int
	code   string
	words  string
	wait   time.Duration // before the next try; 0 for none
}

// Error tells what is told.
func (r *rejection) Error() string { return r.words }

// rejectionOf returns what is told of an error of package auth.
func rejectionOf(err error) *rejection {
	if errors.Is(err, auth.ErrUnknown) {
		return &rejection{http.StatusServiceUnavailable, CodeUpstreamUnavailable, wordsUnknown, unknownPause}
	}
	return &rejection{http.StatusUnauthorized, CodeUnauthenticated, wordsUnauthenticated, 0}
}

// list returns the errors of an answer.
func (r *rejection) list() gqlerror.List {
	told := &gqlerror.Error{Message: r.words, Extensions: map[string]any{"code": r.code}}
	if r.wait > 0 {
		told.Extensions["retryAfterMs"] = r.wait.Milliseconds()
	}
	return gqlerror.List{told}
}

// write answers a request.
func (r *rejection) write(w http.ResponseWriter) {
	if r.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if r.wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(r.wait.Seconds()))))
	}
	write(w, mediaJSON, r.status, &graphql.Response{Errors: r.list()}, false)
}

// enter lets in whoever a credential is of.
func (d *Door) enter(ctx context.Context, remote, credential string) (context.Context, *rejection) {
	entered, err := auth.Enter(ctx, d.Gate, credential, d.lockout.Locked(remote))
	switch {
	case err == nil:
		return entered, nil
	case errors.Is(err, auth.ErrUnauthenticated):
		if wait := d.lockout.Failed(remote); wait > 0 {
			return nil, &rejection{http.StatusTooManyRequests, CodeRateLimited, wordsLocked, wait}
		}
	}
	return nil, rejectionOf(err)
}

// Guard lets requests pass whose credential is somebody's. A WebSocket may show it
// in its first message, as pages in browsers can set no header.
func (d *Door) Guard(next http.Handler) http.Handler {
	if d == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		credential, given := bearer(r.Header.Values("Authorization"))
		switch {
		case given:
			ctx, rejected := d.enter(r.Context(), r.RemoteAddr, credential)
			if rejected != nil {
				rejected.write(w)
				return
			}
			r = r.WithContext(ctx)
		case !isUpgrade(r):
			rejectionOf(auth.ErrUnauthenticated).write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Require lets requests pass whose caller has a permission.
func Require(p auth.Permission, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := auth.May(r.Context(), p); err != nil {
			write(w, mediaJSON, http.StatusForbidden, &graphql.Response{Errors: gqlerror.List{{
				Message: err.Error(), Extensions: map[string]any{"code": CodeForbidden},
			}}}, false)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// enterSocket lets in the caller of a WebSocket by the payload of its first
// message, which may have a member Authorization, as the header has it. Without
// one the header counts.
func (d *Door) enterSocket(ctx context.Context, remote string, payload json.RawMessage) (context.Context, *rejection) {
	if d == nil {
		return ctx, nil
	}
	var members map[string]json.RawMessage
	_ = json.Unmarshal(payload, &members) // what is no object has none
	for name, value := range members {
		if !strings.EqualFold(name, "Authorization") {
			continue
		}
		var text string
		_ = json.Unmarshal(value, &text)
		credential, _ := bearer([]string{text})
		return d.enter(ctx, remote, credential)
	}
	if !auth.Entered(ctx) {
		return nil, rejectionOf(auth.ErrUnauthenticated)
	}
	entered, err := auth.Again(ctx)
	if err != nil {
		return nil, rejectionOf(err)
	}
	return entered, nil
}

// bearer returns the credential that a header carries. Two are none that can be
// anybody's.
func bearer(headers []string) (credential string, given bool) {
	if len(headers) == 0 {
		return "", false
	}
	scheme, credential, _ := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return "", true
	}
	return strings.TrimSpace(credential), true
}
