package graph

import (
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/rs/cors"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// anyOrigin stands for all origins among those that are allowed.
const anyOrigin = "*"

// preflightMaxAge is how many seconds a browser remembers what it was told of
// an origin. No browser does so for longer.
const preflightMaxAge = 7200

// Origins are the origins, such as https://inbox.example.com, whose pages may call
// the gateway beside its own; or "*" alone for all.
//
// The gateway takes no cookies, and never allows a browser to send credentials of
// its own accord.
type Origins []string

// Validate says which of them is no origin.
func (o Origins) Validate() error {
	for _, origin := range o {
		if origin == anyOrigin {
			if len(o) > 1 {
				return errors.New("* stands for all origins, and alone")
			}
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Contains(u.Host, "*") || origin != u.Scheme+"://"+strings.ToLower(u.Host) {
			return fmt.Errorf("%q is no origin; it takes one such as https://inbox.example.com, in small letters and without a path", origin)
		}
	}
	return nil
}

// allows reports whether the pages of an origin may call the gateway.
func (o Origins) allows(origin string) bool {
	return origin != "" && origin != "null" && (slices.Contains(o, origin) || slices.Contains(o, anyOrigin))
}

// Handler lets browsers know of the origins, and refuses what a page of another
// has a browser send that may change something.
func (o Origins) Handler(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { foreign(w, mediaJSON) }))
	if len(o) == 0 {
		return protection.Handler(next)
	}
	if !slices.Contains(o, anyOrigin) {
		for _, origin := range o {
			_ = protection.AddTrustedOrigin(origin) // Validate has seen it
		}
		next = protection.Handler(next)
	} // else a browser asks before it sends JSON, and nothing but JSON is taken
	return cors.New(cors.Options{
		AllowedOrigins: o,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{"X-Request-Id", "Retry-After", "RateLimit", "RateLimit-Policy"},
		MaxAge:         preflightMaxAge,
	}).Handler(next)
}

// foreign refuses a request that a page of another origin has a browser send.
func foreign(w http.ResponseWriter, media string) {
	write(w, media, http.StatusForbidden, &graphql.Response{Errors: gqlerror.List{{
		Message:    "a page of another origin may not ask this",
		Extensions: map[string]any{"code": CodeForbidden},
	}}}, false)
}

// mayQuery reports whether a request by GET is one that no page of another origin
// can have a browser send. Such a page needs no leave to have it fetch an address,
// as the source of a picture or a script, so there must be a sign that it is none:
//
//   - The browser says so, by Sec-Fetch-Site or Origin.
//   - It has a header that a browser asks leave for first.
//   - It comes from a page of the gateway's own, by Referer.
//   - It comes from no browser: those call themselves Mozilla, and a page cannot
//     change that. One that is old, or reaches the gateway by plain HTTP and not on
//     its own machine, sends no Sec-Fetch-Site.
func (o Origins) mayQuery(r *http.Request) bool {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	switch {
	case site == "same-origin" || site == "none":
		return true
	case o.allows(origin):
		return true
	case site != "":
		return false
	case origin != "":
		return sameHost(origin, r)
	case asksLeave(r.Header):
		return true
	}
	return !strings.HasPrefix(r.UserAgent(), "Mozilla/") || sameHost(r.Referer(), r)
}

// asksLeave reports whether a header is there that a page can only have sent to
// another origin if that allows it.
func asksLeave(h http.Header) bool {
	for name := range h {
		switch {
		case name == "Authorization", name == "X-Requested-With", name == "Graphql-Preflight",
			strings.HasPrefix(name, "Apollo-"), strings.HasPrefix(name, "X-Apollo-"), strings.HasPrefix(name, "Driftgraph-"):
			return true
		}
	}
	return isJSON(h)
}

// isJSON reports whether a request says that it has JSON.
func isJSON(h http.Header) bool {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && media == mediaJSON && len(h.Values("Content-Type")) == 1
}

// sameHost reports whether an address is at the host that a request was sent to.
func sameHost(address string, r *http.Request) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// OwnHost has requests refused that were sent to a name which is neither this
// machine's for itself nor that of an allowed origin. Where nobody is asked who
// they are, a page whose name leads here, though it is not the gateway's, would
// be taken for one of the gateway's own.
func (o Origins) OwnHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := url.URL{Host: r.Host}
		name := strings.ToLower(u.Hostname())
		ip := net.ParseIP(name)
		if name == "localhost" || strings.HasSuffix(name, ".localhost") || ip != nil && ip.IsLoopback() ||
			slices.Contains(o, "https://"+strings.ToLower(r.Host)) || slices.Contains(o, "http://"+strings.ToLower(r.Host)) {
			next.ServeHTTP(w, r)
			return
		}
		write(w, mediaJSON, http.StatusMisdirectedRequest, &graphql.Response{Errors: gqlerror.List{{
			Message:    "without AUTH the gateway answers to localhost alone, and to the hosts in CORS_ORIGINS",
			Extensions: map[string]any{"code": CodeForbidden},
		}}}, false)
	})
}
