package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/graph"
)

// The values of AUTH: how callers show who they are.
const (
	authNone   = "none"
	authAPIKey = "api-key"
	authJWT    = "jwt"
	authToken  = "drift-token"
)

// A callersConfig says who may call, and how callers show who they are.
type callersConfig struct {
	Auth                 string        `default:"none" enum:"none,api-key,jwt,drift-token" placeholder:"HOW" help:"How callers show who they are: none, api-key, jwt or drift-token. With none everyone who reaches the gateway may do everything, so it takes a loopback address or the sandbox. With drift-token Drift is asked by the caller's own token, and the gateway has none."`
	AuthKeysFile         string        `placeholder:"FILE" help:"File with the hashes of the keys that AUTH=api-key takes. The command key adds one."`
	AuthJWKSURL          string        `name:"auth-jwks-url" placeholder:"URL" help:"Where the issuer of the tokens that AUTH=jwt takes has the keys that they are signed by: a JWK Set, by https."`
	AuthIssuer           string        `placeholder:"NAME" help:"Issuer of those tokens: their claim iss."`
	AuthAudience         string        `placeholder:"NAME" help:"What those tokens must be for: their claim aud."`
	AuthAlgorithms       []string      `default:"RS256,ES256,EdDSA" placeholder:"LIST" help:"How those tokens may be signed."`
	AuthPermissionsClaim string        `default:"scope" placeholder:"CLAIM" help:"Claim with the permissions: a list, or a text with blanks between them. A claim in others is written realm_access.roles."`
	AuthClockSkew        time.Duration `default:"30s" placeholder:"TIME" help:"How far the issuer's clock may be off, up to 5m."`

	MaxTenants int `default:"1000" placeholder:"N" help:"Most tokens of callers at once that AUTH=drift-token keeps a client, limits and records for; of more, those that were not used for longest are closed, and opened again when they are shown."`

	Rate callerRate `embed:"" prefix:"caller-"`
}

// check refuses what cannot work, by name.
func (c *callersConfig) check() error {
	switch {
	case c.Auth == authAPIKey && c.AuthKeysFile == "":
		return errors.New("AUTH=api-key takes the keys of AUTH_KEYS_FILE: set it")
	case c.Auth != authAPIKey && c.AuthKeysFile != "":
		return errors.New("AUTH_KEYS_FILE is set, which AUTH=api-key alone reads: set AUTH too")
	case c.Auth != authJWT && (c.AuthJWKSURL != "" || c.AuthIssuer != "" || c.AuthAudience != ""):
		return errors.New("AUTH_JWKS_URL, AUTH_ISSUER and AUTH_AUDIENCE are for AUTH=jwt alone: set AUTH too")
	case c.MaxTenants < 1 || c.MaxTenants > 1_000_000:
		return fmt.Errorf("MAX_TENANTS is %d; it takes 1 to 1000000", c.MaxTenants)
	case c.Auth != authJWT:
		return c.Rate.check(c.Auth)
	case c.AuthJWKSURL == "" || c.AuthIssuer == "" || c.AuthAudience == "":
		return errors.New("AUTH=jwt takes AUTH_JWKS_URL, AUTH_ISSUER and AUTH_AUDIENCE: set all three")
	case !trustworthy(c.AuthJWKSURL):
		return errors.New("AUTH_JWKS_URL takes an address such as https://issuer.example/.well-known/jwks.json; http only on this machine")
	case len(c.AuthAlgorithms) == 0:
		return errors.New("AUTH_ALGORITHMS is empty; it takes some of " + strings.Join(auth.Algorithms(), ", "))
	case c.AuthPermissionsClaim == "":
		return errors.New("AUTH_PERMISSIONS_CLAIM is empty; it takes the name of a claim, such as scope")
	case c.AuthClockSkew < 0 || c.AuthClockSkew > 5*time.Minute:
		return fmt.Errorf("AUTH_CLOCK_SKEW is %s; it takes 0s to 5m", c.AuthClockSkew)
	}
	for _, name := range c.AuthAlgorithms {
		if !slices.Contains(auth.Algorithms(), name) {
			return fmt.Errorf("AUTH_ALGORITHMS has %q; it takes some of %s", name, strings.Join(auth.Algorithms(), ", "))
		}
	}
	return c.Rate.check(c.Auth)
}

// trustworthy reports whether what an address says is the word of its host.
func trustworthy(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// checkOpen refuses to let everyone do everything with the organisation's data:
// without a credential of theirs, callers must be on this machine.
func (c *serveConfig) checkOpen(addr net.Addr) error {
	tcp, ok := addr.(*net.TCPAddr)
	if c.Callers.Auth != authNone || c.sandboxed() || ok && tcp.IP.IsLoopback() {
		return nil
	}
	return fmt.Errorf("AUTH=none on %s lets everyone who reaches it read and change what the token for Drift may: "+
		"set AUTH=api-key and AUTH_KEYS_FILE, or AUTH=jwt or drift-token, or LISTEN_ADDR to an address of this machine alone, such as 127.0.0.1:8080", addr)
}

// door returns what asks callers who they are, nil if nobody is asked, and a line
// about who they are. The tenants are those of their tokens, if they bring some.
func (c *serveConfig) door(addr net.Addr, t *tenants, log *slog.Logger) (*graph.Door, string, error) {
	switch c.Callers.Auth {
	case authAPIKey:
		keys, err := auth.OpenKeys(c.Callers.AuthKeysFile, log, nil)
		if err != nil {
			return nil, "", fmt.Errorf("AUTH_KEYS_FILE: %w", err)
		}
		return &graph.Door{Gate: keys}, fmt.Sprintf("who shows one of %d keys (AUTH=api-key)", keys.Len()), nil
	case authJWT:
		tokens := auth.NewTokens(auth.TokenOptions{
			KeysURL: c.Callers.AuthJWKSURL, Issuer: c.Callers.AuthIssuer, Audience: c.Callers.AuthAudience, Algorithms: c.Callers.AuthAlgorithms,
			Claim: c.Callers.AuthPermissionsClaim, Skew: c.Callers.AuthClockSkew, Log: log,
		})
		return &graph.Door{Gate: tokens}, "who shows a token of " + c.Callers.AuthIssuer + " (AUTH=jwt)", nil
	case authToken:
		return &graph.Door{Gate: t.bearers}, "who shows a token that Drift takes, and as what that is (AUTH=drift-token)", nil
	}
	if err := c.checkOpen(addr); err != nil {
		return nil, "", err
	}
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		return nil, "everyone on this machine (AUTH=none)", nil
	}
	return nil, "everyone who reaches this address (AUTH=none)", nil
}

// A keyConfig is a key to be made.
type keyConfig struct {
	Name        string            `required:"" env:"-" placeholder:"NAME" help:"Whose key it is: the name of the caller, as viewer and the audit log tell it. One caller may have several."`
	Permissions []auth.Permission `required:"" env:"-" placeholder:"LIST" help:"What the caller may do, such as contact_read,conversation_read."`
	Expires     keyLife           `default:"365d" env:"-" placeholder:"TIME" help:"How long the key is good for: a number of days such as 90d, a time such as 12h, or never."`
	KeysFile    string            `name:"auth-keys-file" env:"AUTH_KEYS_FILE" placeholder:"FILE" help:"File to add the key to. Without it the line is printed that belongs there."`
}

// Validate refuses what cannot work, by name.
func (c *keyConfig) Validate() error {
	if err := auth.CheckPermissions(c.Permissions); err != nil {
		return fmt.Errorf("--permissions: %w", err)
	}
	return nil
}

// keyLife is how long a key is good for; 0 for ever.
type keyLife time.Duration

// UnmarshalText reads a number of days, another time, or never.
func (l *keyLife) UnmarshalText(text []byte) error {
	if string(text) == "never" {
		*l = 0
		return nil
	}
	life, err := time.ParseDuration(string(text))
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		life = time.Duration(n) * 24 * time.Hour
		if n > 36500 {
			err = errors.New("too long")
		}
	}
	if err != nil || life <= 0 {
		return fmt.Errorf("takes a time such as 90d or 12h, or never, not %q", text)
	}
	*l = keyLife(life)
	return nil
}

// makeKey makes a key, notes its hash, and prints the key: it is told here and
// nowhere else.
func makeKey(c *keyConfig, stdout, stderr io.Writer) error {
	now := time.Now().UTC().Truncate(time.Second)
	secret := auth.NewKey()
	key := auth.Key{Name: c.Name, Hash: auth.HashOf(secret), Permissions: c.Permissions, Created: now}
	if c.Expires > 0 {
		key.Expires = now.Add(time.Duration(c.Expires))
	}
	line, err := key.Line()
	if err != nil {
		return err
	}
	if c.KeysFile == "" {
		fmt.Fprintf(stderr, "The key, which is not told again, and the line that belongs into the file of AUTH_KEYS_FILE:\n")
		_, err = fmt.Fprintf(stdout, "%s\n%s", secret, line)
		return err
	}
	if err := auth.AppendKey(c.KeysFile, line); err != nil {
		return fmt.Errorf("AUTH_KEYS_FILE: %w", err)
	}
	until := "for ever"
	if c.Expires > 0 {
		until = "until " + key.Expires.Format(time.RFC3339)
	}
	fmt.Fprintf(stderr, "The key of %s, good %s. It is not told again; %s holds its hash.\n", c.Name, until, c.KeysFile)
	_, err = fmt.Fprintln(stdout, secret)
	return err
}
