package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/hashicorp/golang-lru/v2"
)

// Algorithms returns the algorithms that a token may be signed by: those with a
// public key. Where one key both signs and checks, whoever can check a token could
// make one.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

const (
	// Keys are fetched anew once they are older than keysAge, and for a token
	// of a key that is not known; but not sooner than keysPause after the last try.
	keysAge   = 5 * time.Minute
	keysPause = 10 * time.Second

	keysTimeout = 5 * time.Second
	maxKeySet   = 1 << 20 // bytes
	minRSA      = 2048    // bits

	// So many callers are remembered, so that one is the same over all tokens.
	mostCallers = 10_000
)

// TokenOptions say which tokens are good.
type TokenOptions struct {
	KeysURL    string   // where the keys are that tokens are signed by, as a JWK Set
	Issuer     string   // of tokens, the claim iss
	Audience   string   // that tokens must be for, the claim aud
	Algorithms []string // by which they may be signed, of those of Algorithms
	Claim      string   // that has the permissions: a list, or a text with blanks between them
	Skew       time.Duration
	Log        *slog.Logger
	Now        func() time.Time // nil for the clock of the machine
}

// Tokens let in whoever shows a JSON Web Token that is signed by a key of the
// issuer's. Keys are kept while the issuer cannot be asked for them.
type Tokens struct {
	TokenOptions
	parser  *jwt.Parser
	client  *http.Client
	callers *lru.Cache[string, *Caller]

	mu      sync.Mutex
	keys    map[string]signer // by their ids
	fetched time.Time         // when; the zero time if they never were
	tried   time.Time         // when they were last asked for
	flight  chan struct{}     // closed when the fetch under way has ended; nil if none is
}

// A signer is a key that tokens may be signed by.
type signer struct {
	key       any    // public
	algorithm string // that it is for; "" for each that fits it
}

// NewTokens returns Tokens, and begins to fetch the keys.
func NewTokens(o TokenOptions) *Tokens {
	if o.Now == nil {
		o.Now = time.Now
	}
	t := &Tokens{TokenOptions: o, client: &http.Client{
		Timeout:       keysTimeout,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.callers, _ = lru.New[string, *Caller](mostCallers) // its one error is a size below 1
	t.parser = jwt.NewParser(
		jwt.WithValidMethods(o.Algorithms), jwt.WithIssuer(o.Issuer), jwt.WithAudience(o.Audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(o.Skew), jwt.WithTimeFunc(o.Now), jwt.WithStrictDecoding(),
	)
	t.mu.Lock()
	t.fetch()
	t.mu.Unlock()
	return t
}

// Enter lets in the subject of a token.
func (t *Tokens) Enter(ctx context.Context, token string, wary bool) (context.Context, error) {
	claims := jwt.MapClaims{}
	_, err := t.parser.ParseWithClaims(token, claims, func(token *jwt.Token) (any, error) {
		id, _ := token.Header["kid"].(string)
		return t.key(ctx, id, token.Method.Alg(), wary)
	})
	if errors.Is(err, ErrUnknown) {
		return nil, ErrUnknown
	}
	subject, _ := claims["sub"].(string)
	if err != nil || subject == "" || len(subject) > 256 {
		return nil, ErrUnauthenticated
	}
	return WithCaller(ctx, t.caller(subject, t.permissions(claims))), nil
}

// caller returns the caller of a name who has these permissions.
func (t *Tokens) caller(name string, permissions []Permission) *Caller {
	key := name + "\x00" + join(permissions)
	if c, ok := t.callers.Get(key); ok {
		return c
	}
	c := &Caller{Name: name, Permissions: permissions}
	if before, found, _ := t.callers.PeekOrAdd(key, c); found {
		return before
	}
	return c
}

// permissions returns those that the claims name. What else they name is not
// the gateway's.
func (t *Tokens) permissions(claims jwt.MapClaims) []Permission {
	var names []string
	switch v := claimOf(claims, t.Claim).(type) {
	case string:
		names = strings.Fields(v)
	case []any:
		for _, entry := range v {
			if name, ok := entry.(string); ok {
				names = append(names, name)
			}
		}
	}
	permissions := []Permission{}
	for _, p := range Permissions() { // in their order, each once
		if slices.Contains(names, string(p)) {
			permissions = append(permissions, p)
		}
	}
	return permissions
}

// claimOf returns a claim by its name, or by the names on the way to it, such as
// realm_access.roles; nil if there is none.
func claimOf(claims map[string]any, name string) any {
	if v, ok := claims[name]; ok {
		return v
	}
	first, rest, more := strings.Cut(name, ".")
	below, ok := claims[first].(map[string]any)
	if !more || !ok {
		return nil
	}
	return claimOf(below, rest)
}

// key returns the key of an id for an algorithm. A token without an id is signed
// by the only key that there is. One who must be met warily causes no fetch.
func (t *Tokens) key(ctx context.Context, id, algorithm string, wary bool) (any, error) {
	t.mu.Lock()
	s, known := t.find(id)
	old := t.Now().Sub(t.fetched) >= keysAge
	if (old || !known && !wary) && t.flight == nil && t.Now().Sub(t.tried) >= keysPause {
		t.fetch()
	}
	flight := t.flight
	t.mu.Unlock()
	if !known && flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, ErrUnknown
		}
		t.mu.Lock()
		s, known = t.find(id)
		t.mu.Unlock()
	}
	t.mu.Lock()
	never := t.fetched.IsZero()
	t.mu.Unlock()
	switch {
	case never:
		return nil, ErrUnknown
	case !known, s.algorithm != "" && s.algorithm != algorithm:
		return nil, ErrUnauthenticated
	}
	return s.key, nil
}

// find returns the key of an id. Who calls it holds mu.
func (t *Tokens) find(id string) (s signer, known bool) {
	if id == "" && len(t.keys) == 1 {
		for _, s := range t.keys {
			return s, true
		}
	}
	s, known = t.keys[id]
	return s, known
}

// fetch has the keys fetched in the background, once for all who wait for them.
// Who calls it holds mu.
func (t *Tokens) fetch() {
	flight := make(chan struct{})
	t.flight, t.tried = flight, t.Now()
	go func() {
		keys, err := t.load()
		t.mu.Lock()
		if err == nil {
			t.keys, t.fetched = keys, t.Now()
		}
		t.flight = nil
		t.mu.Unlock()
		close(flight)
		if err != nil {
			t.Log.Warn("the keys of tokens cannot be fetched; those of before stay", "error", err)
		}
	}()
}

// load fetches the keys. Those that no token may be signed by are left out.
func (t *Tokens) load() (map[string]signer, error) {
	res, err := t.client.Get(t.KeysURL)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer has the status %d", res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	var set jwkset.JWKSMarshal
	if len(text) > maxKeySet || json.Unmarshal(text, &set) != nil {
		return nil, fmt.Errorf("the answer is no JWK Set of at most %d bytes", maxKeySet)
	}
	keys := make(map[string]signer)
	for _, described := range set.Keys {
		jwk, err := jwkset.NewJWKFromMarshal(described, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil || described.USE == jwkset.UseEnc || !strong(jwk.Key()) {
			continue
		}
		keys[described.KID] = signer{jwk.Key(), described.ALG.String()}
	}
	if len(keys) == 0 {
		return nil, errors.New("the answer has no key that tokens may be signed by")
	}
	return keys, nil
}

// strong reports whether a key is public, and as long as it should be.
func strong(key any) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= minRSA
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}
