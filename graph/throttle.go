package graph

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/limit"
)

// A Throttle bounds how often each caller may ask: by HTTP each request, by
// WebSocket each operation and the connection. A nil Throttle bounds nothing.
//
// Callers who showed a credential are told apart by their names, others by the
// address of the connection: a header that names another is anybody's to write.
type Throttle struct {
	Buckets *limit.Buckets
	Rate    limit.Rate
	Secret  []byte // keys the hashes that stand for callers in Redis
}

// take takes a token of the caller of a context.
func (t *Throttle) take(ctx context.Context) limit.Grant {
	return t.Buckets.TakeOne(t.key(ctx), t.Rate)
}

// key names the bucket of a caller, by a hash: names and addresses may be a
// person's.
func (t *Throttle) key(ctx context.Context) string {
	mac := hmac.New(sha256.New, t.Secret)
	mac.Write([]byte(asker(ctx)))
	return "dg:limit:callers:" + hex.EncodeToString(mac.Sum(nil)[:16])
}

// admit tells in the answer what the caller may still ask, and answers the
// request itself if that is nothing. A WebSocket whose caller the door will ask
// later is nobody's yet, and passes.
func (t *Throttle) admit(w http.ResponseWriter, r *http.Request, door *Door) bool {
	if t == nil || door != nil && !auth.Entered(r.Context()) {
		return true
	}
	g := t.take(r.Context())
	full := float64(t.Rate.Burst) / t.Rate.PerSecond
	missing := float64(t.Rate.Burst-g.Left) / t.Rate.PerSecond
	// As in draft-ietf-httpapi-ratelimit-headers-11.
	w.Header().Set("RateLimit-Policy", fmt.Sprintf(`"caller";q=%d;w=%d`, t.Rate.Burst, seconds(full)))
	w.Header().Set("RateLimit", fmt.Sprintf(`"caller";r=%d;t=%d`, g.Left, seconds(missing)))
	if g.Tokens > 0 {
		return true
	}
	w.Header().Set("Retry-After", strconv.Itoa(max(seconds(g.Wait.Seconds()), 1)))
	media := negotiate(r.Header.Values("Accept"))
	if media == "" {
		media = mediaJSON
	}
	write(w, media, http.StatusTooManyRequests, &graphql.Response{Errors: tooOften(g.Wait)}, false)
	return false
}

// refuses returns what is told of an operation that the caller may not ask for
// now; nil if it may be.
func (t *Throttle) refuses(ctx context.Context) gqlerror.List {
	if t == nil {
		return nil
	}
	if g := t.take(ctx); g.Tokens == 0 {
		return tooOften(g.Wait)
	}
	return nil
}

// tooOften says that a caller asks too often.
func tooOften(wait time.Duration) gqlerror.List {
	return gqlerror.List{{
		Message: "you ask more often than a caller may; try again later",
		Extensions: map[string]any{
			"code":         CodeRateLimited,
			"retryAfterMs": int64(math.Ceil(wait.Seconds() * 1000)),
		},
	}}
}

// seconds rounds up to whole ones.
func seconds(s float64) int { return int(math.Ceil(s)) }
