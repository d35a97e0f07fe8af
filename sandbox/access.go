package sandbox

import (
	"fmt"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// An OAuthClient is an app that may get tokens from POST /oauth2/token.
type OAuthClient struct {
	ID, Secret   string
	RefreshToken string        // can be traded for the first pair of tokens; each pair replaces the one before
	Code         string        // an authorization code that can be traded for a pair, once; empty if there is none
	Lifetime     time.Duration // of an access token; 0 means two hours, as with Drift
}

// A Grant is a token that somebody was given.
type Grant struct {
	Token    string
	Scopes   []string      // what it may do; nil means what Config.Scopes says
	Lifetime time.Duration // from when the sandbox learns of it; 0 means for ever
}

// A grant is a pair of tokens.
type grant struct {
	access, refresh string   // access is empty until the first trade of a refresh token
	scopes          []string // what access may do
	created         time.Time
	lifetime        time.Duration // 0 means for ever
}

func (g *grant) expired() bool { return g.lifetime > 0 && time.Since(g.created) >= g.lifetime }

// access knows the tokens.
type access struct {
	client *OAuthClient
	scopes []string  // of the app
	lax    bool      // every token is good
	now    time.Time // when a token that was not granted here is said to have been made

	mu     sync.Mutex
	rng    *rand.Rand // for new tokens
	grants []*grant
	code   string          // not traded yet
	dead   map[string]bool // tokens that were revoked, and those of an app that was uninstalled
	issued map[string]bool // every token that was good once, but for those that are good as any is
}

func newAccess(cfg Config) *access {
	a := &access{
		client: cfg.OAuth,
		scopes: cfg.Scopes,
		lax:    cfg.Token == "" && cfg.OAuth == nil && cfg.Grants == nil,
		now:    cfg.present(),
		rng:    rand.New(rand.NewPCG(cfg.Seed, 0xacce55)),
		dead:   make(map[string]bool),
		issued: make(map[string]bool),
	}
	if a.scopes == nil {
		a.scopes = allScopes
	}
	if cfg.Token != "" {
		a.add(Grant{Token: cfg.Token})
	}
	for _, g := range cfg.Grants {
		a.add(g)
	}
	if cfg.OAuth != nil {
		a.grants = append(a.grants, &grant{refresh: cfg.OAuth.RefreshToken})
		a.code = cfg.OAuth.Code
	}
	return a
}

// add makes a token good from now on. In a sandbox whose time stands still it was made at that time, unless it ends.
func (a *access) add(g Grant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	created := a.now
	if g.Lifetime > 0 {
		created = time.Now()
	}
	if g.Scopes == nil {
		g.Scopes = a.scopes
	}
	a.forget(g.Token)
	delete(a.dead, g.Token)
	a.issued[g.Token] = true
	a.grants = append(a.grants, &grant{access: g.Token, scopes: g.Scopes, created: created, lifetime: g.Lifetime})
}

// forget removes what is known of an access token. The caller holds the lock.
func (a *access) forget(token string) {
	a.grants = slices.DeleteFunc(a.grants, func(g *grant) bool { return g.access == token })
}

// has reports whether the token is or was good here, be it because any is.
func (a *access) has(token string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.issued[token] || a.lax && token != ""
}

// Grant makes a token good while the sandbox runs, or gives it other scopes and a new life.
func (s *Sandbox) Grant(g Grant) { s.access.add(g) }

// Revoke makes a token good for nothing, until it is granted again. Calls that were let in with it are still answered.
func (s *Sandbox) Revoke(token string) {
	a := s.access
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(token)
	a.dead[token] = true
}

// check refuses a token that is not good, or not for this scope.
func (a *access) check(token, scope string) error {
	g := a.find(token)
	if g == nil {
		// Drift's own words.
		return &refusal{http.StatusUnauthorized, "authentication_error", "The access token is invalid or has expired", 0}
	}
	if scope != "" && !slices.Contains(g.scopes, scope) {
		return refuse(http.StatusForbidden, "authentication_error", "token lacks scope %s", scope)
	}
	return nil
}

// find returns the grant behind a good access token, or nil.
func (a *access) find(token string) *grant {
	a.mu.Lock()
	defer a.mu.Unlock()
	if token == "" || a.dead[token] {
		return nil
	}
	for _, g := range a.grants {
		if g.access == token && !g.expired() {
			return g
		}
	}
	if a.lax {
		return &grant{access: token, scopes: a.scopes, created: a.now}
	}
	return nil
}

// A trade is what a client asks for a pair of tokens with.
type trade struct {
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	GrantType    string `json:"grantType"`
	Code         string `json:"code"`
	RefreshToken string `json:"refreshToken"`
}

// redeem makes a new pair. The tokens that it replaces are good for nothing from then on.
func (a *access) redeem(t trade) (*grant, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.knows(t.ClientID, t.ClientSecret) {
		return nil, refuse(http.StatusUnauthorized, "authentication_error", "no such client, or not its secret")
	}
	g := &grant{scopes: a.scopes, created: time.Now(), lifetime: a.client.Lifetime}
	if g.lifetime == 0 {
		g.lifetime = 2 * time.Hour
	}
	switch t.GrantType {
	case "authorization_code":
		if t.Code == "" || t.Code != a.code {
			return nil, invalid("the code is unknown or was used before")
		}
		a.code = ""
	case "refresh_token":
		i := slices.IndexFunc(a.grants, func(g *grant) bool { return g.refresh != "" && g.refresh == t.RefreshToken })
		if i < 0 {
			return nil, invalid("the refresh token is unknown or was used before")
		}
		a.grants = slices.Delete(a.grants, i, i+1)
	default:
		return nil, invalid("the grant type must be authorization_code or refresh_token")
	}
	g.access = fmt.Sprintf("acc_sandbox_%016x", a.rng.Uint64())
	g.refresh = fmt.Sprintf("ref_sandbox_%016x", a.rng.Uint64())
	a.issued[g.access] = true
	a.grants = append(a.grants, g)
	return g, nil
}

// knows reports whether these are the credentials of the client.
func (a *access) knows(id, secret string) bool {
	return a.client != nil && id == a.client.ID && secret == a.client.Secret
}

// grantToken trades a code or a refresh token for a pair of tokens, in the dialect that the client speaks.
//
// POST /oauth2/token
func (s *Sandbox) grantToken(r *request) (answer, error) {
	var t trade
	kind, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	camel := kind == "application/json"
	if camel {
		if err := r.decode(&t); err != nil {
			return answer{}, err
		}
	} else {
		form, err := url.ParseQuery(string(r.body))
		if err != nil {
			return answer{}, invalid("the body is not a form: %v", err)
		}
		t = trade{form.Get("client_id"), form.Get("client_secret"), form.Get("grant_type"), form.Get("code"), form.Get("refresh_token")}
	}
	g, err := s.access.redeem(t)
	if err != nil {
		return answer{}, err
	}
	if camel {
		return bare(struct {
			AccessToken  string `json:"accessToken"`
			RefreshToken string `json:"refreshToken"`
			OrgID        int64  `json:"orgId"`
		}{g.access, g.refresh, s.org.id})
	}
	return bare(struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		ExpiresIn    int64  `json:"expires_in"` // seconds
		TokenType    string `json:"token_type"`
		OrgID        int64  `json:"orgId"`
	}{g.access, g.refresh, int64(g.lifetime / time.Second), "bearer", s.org.id})
}

// appID is the app that all tokens belong to.
const appID = "app_5521"

// describeToken tells what a token is for.
//
// POST /app/token_info
func (s *Sandbox) describeToken(r *request) (answer, error) {
	var in struct {
		AccessToken string `json:"access_token"`
		Camel       string `json:"accessToken"` // as Airbyte's connector once spelt it
	}
	if err := r.decode(&in); err != nil {
		return answer{}, err
	}
	token := in.AccessToken + in.Camel
	if token == "" {
		return answer{}, invalid("access_token is missing")
	}
	g := s.access.find(token)
	if g == nil {
		return answer{}, notFound("no such token")
	}
	return bare(struct {
		AccessToken string `json:"access_token"`
		UserID      string `json:"authenticated_userid"`
		Credential  string `json:"credential_id"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"` // milliseconds, unlike that of POST /oauth2/token; 0 means never
		CreatedAt   int64  `json:"created_at"`
		Scope       string `json:"scope"`
		ID          string `json:"id"`
	}{
		g.access, fmt.Sprintf("orgId:%d", s.org.id), appID, "bearer", g.lifetime.Milliseconds(),
		g.created.UnixMilli(), strings.Join(g.scopes, " "), "7733190042",
	})
}

// uninstall removes the app: the tokens that were granted to it die, and the one that the call was made with.
//
// POST /app/uninstall
func (s *Sandbox) uninstall(r *request) (answer, error) {
	id, secret := r.get("clientId"), r.get("clientSecret")
	if id == "" || secret == "" {
		return answer{}, invalid("clientId and clientSecret are required")
	}
	a := s.access
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client != nil && !a.knows(id, secret) {
		return answer{}, refuse(http.StatusUnauthorized, "authentication_error", "no such client, or not its secret")
	}
	a.grants, a.code = nil, ""
	a.dead[r.token] = true
	s.emitDisconnected()
	return done(http.StatusOK)
}
