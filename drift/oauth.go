package drift

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// OAuthOptions are the settings of an [OAuth]. The id and secret of the app and
// a refresh token are required.
type OAuthOptions struct {
	BaseURL      string        // where the API is; default https://driftapi.com
	ClientID     string        // of the app
	ClientSecret string        // of the app
	RefreshToken string        // from the consent of the organisation; the first one, Drift replaces it at each renewal
	StorePath    string        // file that the latest refresh token is kept in; blank to keep it in memory only
	Timeout      time.Duration // of one renewal; default 10 s
	Log          *slog.Logger  // told when the file cannot be written; default [slog.Default]
}

// LogValue returns no part of the secrets.
func (o OAuthOptions) LogValue() slog.Value {
	return slog.GroupValue(slog.String("ClientID", o.ClientID), slog.String("StorePath", o.StorePath))
}

// String returns no part of the secrets.
func (o OAuthOptions) String() string { return fmt.Sprintf("{ClientID: %s}", o.ClientID) }

// GoString returns no part of the secrets.
func (o OAuthOptions) GoString() string { return "drift.OAuthOptions" + o.String() }

// An OAuth is an [Auth] that gets access tokens for a refresh token, and the
// next ones before they run out. It makes one renewal at a time, however many
// goroutines wait for it.
//
// With each access token Drift gives a new refresh token. If a store is set, it
// is kept there, and the one in the store is used instead of the configured one
// from then on: to configure another, remove the file. Two processes must not
// share a refresh token, since the renewal of one makes the other's worthless.
type OAuth struct {
	url, id, secret string
	store           string
	identity        []byte
	timeout         time.Duration
	log             *slog.Logger
	http            *http.Client
	now             func() time.Time

	mu       sync.Mutex
	refresh  string
	access   string    // blank before the first renewal
	renewAt  time.Time // when to look for the next access token
	expires  time.Time // when this one runs out
	renewing *renewal  // the one under way, nil if none is
	failed   *renewal  // the last one, if it failed
	failedAt time.Time // when it had failed
}

// A renewal is the getting of an access token.
type renewal struct {
	done  chan struct{} // closed when the rest is set
	token string
	err   error
}

// defaultLifetime is how long an access token lasts if Drift does not say.
const defaultLifetime = 2 * time.Hour

// renewAgain is how long a token that still lasts is used after its renewal
// failed, before the next attempt.
const renewAgain = 5 * time.Second

// refusedPause is how long, where there is no token to use meanwhile, no other
// renewal is tried after one that failed: all who come fail as it did.
const refusedPause = time.Second

// NewOAuth returns an OAuth with the given settings, or an error that says which
// of them makes no sense. It reads the store and sees whether it can be
// written, but makes no call.
func NewOAuth(o OAuthOptions) (*OAuth, error) {
	base, err := baseURL(o.BaseURL)
	switch {
	case err != nil:
		return nil, err
	case o.ClientID == "":
		return nil, errors.New("drift: ClientID is missing")
	case o.ClientSecret == "":
		return nil, errors.New("drift: ClientSecret is missing")
	case o.RefreshToken == "":
		return nil, errors.New("drift: RefreshToken is missing")
	case o.Timeout < 0:
		return nil, fmt.Errorf("drift: Timeout is %v; it must be above 0", o.Timeout)
	}
	connections := NewTransport(1)
	connections.DisableKeepAlives = true // there are hours between two renewals
	a := &OAuth{
		url:      base + tokenRoute,
		id:       o.ClientID,
		secret:   o.ClientSecret,
		store:    o.StorePath,
		identity: []byte(o.ClientID + "\x00" + o.RefreshToken),
		timeout:  cmp.Or(o.Timeout, 10*time.Second),
		log:      cmp.Or(o.Log, slog.Default()),
		http:     newHTTPClient(connections),
		now:      time.Now,
		refresh:  o.RefreshToken,
	}
	if a.store == "" {
		return a, nil
	}
	stored, err := readStore(a.store)
	if err != nil {
		return nil, err
	}
	a.refresh = cmp.Or(stored, a.refresh)
	return a, nil
}

// Identity returns bytes made of the app's id and the configured refresh token,
// which stay the same over renewals.
func (a *OAuth) Identity() []byte { return bytes.Clone(a.identity) }

// String returns no part of the secrets.
func (a *OAuth) String() string { return "OAuth " + redacted }

// GoString returns no part of the secrets.
func (a *OAuth) GoString() string { return a.String() }

// LogValue returns no part of the secrets.
func (a *OAuth) LogValue() slog.Value { return slog.StringValue(a.String()) }

// Token returns the access token. If it has run out, Token waits for the next;
// if it is about to, the next is fetched in the background.
//
// It fails with an [ErrUnauthorized] if Drift refuses to give a token, with an
// [ErrUnavailable] or [ErrTimeout] if Drift cannot be reached, and with the
// error of ctx.
func (a *OAuth) Token(ctx context.Context) (string, error) {
	a.mu.Lock()
	now := a.now()
	if a.access != "" && now.Before(a.expires) {
		defer a.mu.Unlock()
		if !now.Before(a.renewAt) {
			a.renew()
		}
		return a.access, nil
	}
	next := a.renew()
	a.mu.Unlock()
	return next.wait(ctx)
}

// Renew returns an access token other than stale. It makes a renewal only if
// stale is still the token in use; otherwise another caller has made it. It
// fails as [OAuth.Token] does.
func (a *OAuth) Renew(ctx context.Context, stale string) (string, error) {
	a.mu.Lock()
	if a.access != "" && a.access != stale {
		defer a.mu.Unlock()
		return a.access, nil
	}
	next := a.renew()
	a.mu.Unlock()
	return next.wait(ctx)
}

// wait returns what the renewal gave once it is done.
func (r *renewal) wait(ctx context.Context) (string, error) {
	select {
	case <-r.done:
		return r.token, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// renew returns the renewal under way and starts one if there is none. It is
// nobody's in particular and has a time limit of its own, so a caller who gives
// up does not end it for the others. a.mu must be held.
func (a *OAuth) renew() *renewal {
	if a.renewing != nil {
		return a.renewing
	}
	if a.failed != nil && a.now().Sub(a.failedAt) < refusedPause {
		return a.failed
	}
	r := &renewal{done: make(chan struct{})}
	a.renewing = r
	refresh := a.refresh
	go func() {
		defer close(r.done)
		got, err := a.exchange(refresh)
		rotated := err == nil && got.refresh != "" && got.refresh != refresh
		if rotated && a.store != "" {
			if err := writeStore(a.store, got.refresh); err != nil {
				a.log.Error("the new refresh token of Drift is not stored, it is lost when this process ends", "error", err)
			}
		}

		a.mu.Lock()
		defer a.mu.Unlock()
		a.renewing = nil
		now := a.now()
		if err != nil {
			r.err = err
			a.failed, a.failedAt = r, now
			a.renewAt = now.Add(renewAgain)
			return
		}
		a.failed = nil
		if rotated {
			a.refresh = got.refresh
		}
		r.token = got.access
		a.access = got.access
		a.expires = now.Add(got.lifetime)
		a.renewAt = a.expires.Add(-min(time.Minute, got.lifetime/10))
	}()
	return r
}

// tokens is what a renewal gives.
type tokens struct {
	access   string
	refresh  string // blank if the old one still counts
	lifetime time.Duration
}

// tokenRoute is where tokens are given.
const tokenRoute = "/oauth2/token" // #nosec G101 -- a path, no credential

// exchange asks Drift for an access token.
//
// POST /oauth2/token
// https://devdocs.drift.com/docs/authentication-and-scopes
func (a *OAuth) exchange(refresh string) (tokens, error) {
	failed := &Error{Method: http.MethodPost, Route: tokenRoute}
	ctx, cancel := context.WithTimeout(context.Background(), a.timeout)
	defer cancel()
	form := url.Values{
		"client_id":     {a.id},
		"client_secret": {a.secret},
		"refresh_token": {refresh},
		"grant_type":    {"refresh_token"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, strings.NewReader(form.Encode()))
	if err != nil {
		failed.Err = fmt.Errorf("%w: the call has no URL", ErrRefused)
		return tokens{}, failed
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")

	var body bytes.Buffer
	resp, err := exchange(context.Background(), a.http, req, 1<<20, &body)
	if resp != nil {
		failed.Status = resp.StatusCode
	}
	switch {
	case resp != nil && !succeeded(resp.StatusCode):
		// What the body says may quote what was sent. It is not looked at.
		failed.RetryAfter = retryAfter(resp.Header)
		if kind := kindOf(resp.StatusCode); kind != ErrUnavailable && kind != ErrRateLimited && kind != ErrInvalid {
			failed.Err = fmt.Errorf("%w: the refresh token or the app is refused", ErrUnauthorized)
		}
		return tokens{}, failed
	case err != nil:
		failed.Err = err
		return tokens{}, failed
	}
	got, err := readTokens(body.Bytes())
	if err != nil {
		failed.Err = fmt.Errorf("%w: %w", ErrInvalid, explain(err))
		return tokens{}, failed
	}
	return got, nil
}

// readTokens reads the answer to a renewal: the documented one, or an older one
// with other names.
func readTokens(body []byte) (tokens, error) {
	var found struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		ExpiresIn    text   `json:"expires_in"` // seconds
		OldAccess    string `json:"accessToken"`
		OldRefresh   string `json:"refreshToken"`
		OldExpiresIn text   `json:"expiresIn"`
	}
	if err := json.Unmarshal(body, &found, lenient); err != nil {
		return tokens{}, err
	}
	got := tokens{
		access:   cmp.Or(found.AccessToken, found.OldAccess),
		refresh:  cmp.Or(found.RefreshToken, found.OldRefresh),
		lifetime: defaultLifetime,
	}
	if !validToken(got.access) {
		return tokens{}, errors.New("no access token")
	}
	if s, err := strconv.ParseUint(string(cmp.Or(found.ExpiresIn, found.OldExpiresIn)), 10, 32); err == nil && s > 0 {
		got.lifetime = time.Duration(s) * time.Second
	}
	return got, nil
}

// readStore returns the refresh token in the file, or a blank string if there
// is no file. It fails if others than the owner may touch the file, or if it
// will not be possible to replace it.
func readStore(path string) (string, error) {
	probe, err := os.CreateTemp(filepath.Dir(path), storePattern)
	if err != nil {
		return "", fmt.Errorf("drift: the token store cannot be written: %w", err)
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())

	f, err := os.Open(path) // #nosec G304 -- the operator names the file
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("drift: the token store cannot be read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("drift: the token store cannot be read: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return "", fmt.Errorf("drift: the token store %s has mode %v; it must be a file that its owner alone can read (chmod 600)", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return "", fmt.Errorf("drift: the token store cannot be read: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if !validToken(token) {
		return "", fmt.Errorf("drift: the token store %s holds no token; remove it to start from the configured one", path)
	}
	return token, nil
}

// storePattern names the files that become the store.
const storePattern = ".drift-token-*"

// writeStore replaces the refresh token in the file, which only its owner can
// read. Whoever reads the file sees the old token or the new one.
func writeStore(path, token string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), storePattern) // has mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.WriteString(token + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
