package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/driftgraph/driftgraph/auth"
)

// An issuer signs tokens, and serves the keys for it.
type issuer struct {
	*httptest.Server

	mu    sync.Mutex
	keys  map[string]crypto.Signer // that are served, by their ids
	down  bool
	asked int
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{keys: map[string]crypto.Signer{}}
	i.Server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) serve(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	if i.down {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	set := jwkset.JWKSMarshal{}
	for id, key := range i.keys {
		jwk, err := jwkset.NewJWKFromKey(key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: id}})
		if err != nil {
			panic(err)
		}
		set.Keys = append(set.Keys, jwk.Marshal())
	}
	_ = json.NewEncoder(w).Encode(set)
}

// change changes what is served.
func (i *issuer) change(by func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	by()
}

func (i *issuer) times() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// sign signs claims by a method, with whatever key and id.
func sign(t *testing.T, method jwt.SigningMethod, id string, key any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	if id != "" {
		token.Header["kid"] = id
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestTokens holds which tokens are good, and that the others are told apart by
// nothing.
func TestTokens(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	i, c := newIssuer(t), &clock{now: time.Now()}
	good, weak, other := rsaKey(t, 2048), rsaKey(t, 1024), rsaKey(t, 2048)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.keys = map[string]crypto.Signer{"good": good, "weak": weak, "curve": curve, "edwards": edwards}
	public, err := x509.MarshalPKIXPublicKey(good.Public())
	if err != nil {
		t.Fatal(err)
	}
	tokens := auth.NewTokens(auth.TokenOptions{
		KeysURL: i.URL, Issuer: "https://issuer.example", Audience: "driftgraph", Algorithms: []string{"RS256", "ES256", "EdDSA"},
		Claim: "scope", Skew: 30 * time.Second, Log: slog.New(slog.DiscardHandler), Now: c.Now,
	})
	claims := func(changes jwt.MapClaims) jwt.MapClaims {
		all := jwt.MapClaims{
			"iss": "https://issuer.example", "aud": []string{"driftgraph", "another"}, "sub": "maya",
			"exp": c.Now().Add(time.Minute).Unix(), "iat": c.Now().Unix(), "scope": "openid contact_read plan_read contact_read",
		}
		maps.Copy(all, changes)
		maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
		return all
	}
	at := func(d time.Duration) int64 { return c.Now().Add(d).Unix() }
	for name, token := range map[string]string{
		"RS256":            sign(t, jwt.SigningMethodRS256, "good", good, claims(nil)),
		"ES256":            sign(t, jwt.SigningMethodES256, "curve", curve, claims(nil)),
		"EdDSA":            sign(t, jwt.SigningMethodEdDSA, "edwards", edwards, claims(nil)),
		"expired just now": sign(t, jwt.SigningMethodRS256, "good", good, claims(jwt.MapClaims{"exp": at(-20 * time.Second)})),
		"a list":           sign(t, jwt.SigningMethodRS256, "good", good, claims(jwt.MapClaims{"scope": []string{"plan_read", "contact_read", "x"}})),
	} {
		ctx, err := tokens.Enter(t.Context(), token, false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		caller := auth.CallerOf(ctx)
		if caller.Name != "maya" || !slices.Equal(caller.Permissions, []auth.Permission{auth.ContactRead, auth.PlanRead}) {
			t.Errorf("%s: the caller is %+v", name, caller)
		}
		if again, err := tokens.Enter(t.Context(), token, false); err != nil || auth.CallerOf(again) != caller {
			t.Errorf("%s: the second time the caller is another, %v", name, err)
		}
	}
	valid := sign(t, jwt.SigningMethodRS256, "good", good, claims(nil))
	parts := strings.Split(valid, ".")
	for name, token := range map[string]string{
		"no token":                  "",
		"no JWT":                    "dg_0",
		"another claim":             parts[0] + "." + strings.Split(sign(t, jwt.SigningMethodRS256, "good", good, claims(jwt.MapClaims{"sub": "root"})), ".")[1] + "." + parts[2],
		"without a signature":       parts[0] + "." + parts[1] + ".",
		"alg none":                  sign(t, jwt.SigningMethodNone, "good", jwt.UnsafeAllowNoneSignatureType, claims(nil)),
		"HMAC by the public key":    sign(t, jwt.SigningMethodHS256, "good", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), claims(nil)),
		"HMAC by its bytes":         sign(t, jwt.SigningMethodHS256, "good", public, claims(nil)),
		"an algorithm not allowed":  sign(t, jwt.SigningMethodPS256, "good", good, claims(nil)),
		"a short key":               sign(t, jwt.SigningMethodRS256, "weak", weak, claims(nil)),
		"a key that nobody has":     sign(t, jwt.SigningMethodRS256, "other", other, claims(nil)),
		"another's key under an id": sign(t, jwt.SigningMethodRS256, "good", other, claims(nil)),
		"the key of another kind":   sign(t, jwt.SigningMethodRS256, "curve", good, claims(nil)),
		"no id of several":          sign(t, jwt.SigningMethodRS256, "", good, claims(nil)),
		"expired":                   sign(t, jwt.SigningMethodRS256, "good", good, claims(jwt.MapClaims{"exp": at(-time.Minute)})),
		"without an end":            sign(t, jwt.SigningMethodRS256, "good", good, claims(jwt.MapClaims{"exp": nil})),
		"not yet":                   sign(t, jwt.SigningMethodRS256, "good", good, claims(jwt.MapClaims{"nbf": at(time.Minute)})),
		"issued later":              sign(t, jwt.SigningMethodRS256, "good", good, claims(jwt.MapClaims{"iat": at(time.Minute)})),
		"another issuer":            sign(t, jwt.SigningMethodRS256, "good", good, claims(jwt.MapClaims{"iss": "https://other.example"})),
		"no issuer":                 sign(t, jwt.SigningMethodRS256, "good", good, claims(jwt.MapClaims{"iss": nil})),
		"another audience":          sign(t, jwt.SigningMethodRS256, "good", good, claims(jwt.MapClaims{"aud": "other"})),
		"no audience":               sign(t, jwt.SigningMethodRS256, "good", good, claims(jwt.MapClaims{"aud": nil})),
		"nobody":                    sign(t, jwt.SigningMethodRS256, "good", good, claims(jwt.MapClaims{"sub": nil})),
	} {
		if _, err := tokens.Enter(t.Context(), token, false); err != auth.ErrUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTokenKeys rotates the keys of an issuer, and takes the issuer away.
func TestTokenKeys(t *testing.T) {
	i, c := newIssuer(t), &clock{now: time.Now()}
	i.down = true
	first, second := rsaKey(t, 2048), rsaKey(t, 2048)
	tokens := auth.NewTokens(auth.TokenOptions{
		KeysURL: i.URL, Issuer: "i", Audience: "a", Algorithms: auth.Algorithms(), Claim: "realm.roles", Log: slog.New(slog.DiscardHandler), Now: c.Now,
	})
	token := func(id string, key any) string {
		return sign(t, jwt.SigningMethodRS256, id, key, jwt.MapClaims{"iss": "i", "aud": "a", "sub": "maya", "exp": c.Now().Add(time.Hour).Unix(), "realm": map[string]any{"roles": []string{"user_read"}}})
	}
	enter := func(token string, wary bool) error {
		ctx, err := tokens.Enter(t.Context(), token, wary)
		if err == nil && !auth.CallerOf(ctx).May(auth.UserRead) {
			t.Errorf("the caller may %v", auth.CallerOf(ctx).Permissions)
		}
		return err
	}
	old := token("1", first)
	if err := enter(old, false); err != auth.ErrUnknown {
		t.Errorf("while the issuer has never been heard: %v", err)
	}
	i.change(func() { i.down, i.keys = false, map[string]crypto.Signer{"1": first} })
	c.pass(11 * time.Second)
	if err := enter(old, false); err != nil {
		t.Errorf("once it is there: %v", err)
	}

	i.change(func() { i.keys = map[string]crypto.Signer{"2": second} })
	fresh, before := token("2", second), i.times()
	for range 100 {
		if err := enter(fresh, false); err != auth.ErrUnauthenticated {
			t.Errorf("a new key, right after the last fetch: %v", err)
		}
	}
	if n := i.times() - before; n != 0 {
		t.Errorf("it was asked %d times", n)
	}
	c.pass(11 * time.Second)
	if err := enter(fresh, true); err != auth.ErrUnauthenticated || i.times() != before {
		t.Errorf("warily: %v, asked %d times", err, i.times()-before)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if err := enter(fresh, false); err != nil {
				t.Errorf("a new key, some time later: %v", err)
			}
		})
	}
	all.Wait()
	if n := i.times() - before; n != 1 {
		t.Errorf("50 tokens of a new key ask %d times", n)
	}
	if err := enter(old, false); err != auth.ErrUnauthenticated {
		t.Errorf("a key that is no more: %v", err)
	}

	i.change(func() { i.down = true })
	for range 5 {
		c.pass(6 * time.Minute)
		if err := enter(fresh, false); err != nil {
			t.Errorf("while the issuer is down: %v", err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tokens.Enter(gone, "x", false); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("%v", err)
	}
}
