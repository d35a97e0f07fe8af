package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// A Platform is several organisations at one address, as Drift is. A call goes to the organisation of its bearer token, be
// the token revoked or past its end since; that organisation has it in its log. A call with another token, or with none, goes
// to the first, which refuses it where a token is needed.
//
// The organisations share nothing: each has its own ids, limits, faults and webhooks. The same id is a record of its own in each.
type Platform struct {
	orgs []*Sandbox
}

// NewPlatform makes a platform of organisations, of which there is at least one. It does not close them.
func NewPlatform(orgs ...*Sandbox) *Platform { return &Platform{orgs} }

// ServeHTTP has the organisation of the token answer.
func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, to := bearer(r.Header), p.orgs[0]
	if i := slices.IndexFunc(p.orgs, func(s *Sandbox) bool { return s.access.has(token) }); i >= 0 {
		to = p.orgs[i]
	}
	to.ServeHTTP(w, r)
}

// tokenSyntax is one token as Config.Split reads it: token, organisation, scopes, lifetime.
var tokenSyntax = regexp.MustCompile(`^([!-~]+)@(\d{1,18})(?::([a-z_+]+))?(?:/([0-9a-z.]+))?$`)

// Split makes configurations of organisations that take the tokens of a list, separated by commas or blanks:
//
//	TOKEN@ORGANISATION[:SCOPE+SCOPE...][/LIFETIME]
//
// A token without scopes may do everything, and one without a lifetime is good for ever. The organisations come in the order in
// which the list names them. They are as cfg says but for their tokens, ids and seeds: each seed is one more than the one before.
func (cfg Config) Split(list string) ([]Config, error) {
	var split []Config
	seen := make(map[string]bool)
	for i, item := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		org, g, err := parseToken(item)
		if err == nil && seen[g.Token] {
			err = errors.New("it is in the list twice")
		}
		if err != nil {
			return nil, fmt.Errorf("sandbox: token %d: %w", i+1, err) // not by its text: it may be a real one
		}
		seen[g.Token] = true
		at := slices.IndexFunc(split, func(c Config) bool { return c.OrgID == org })
		if at < 0 {
			at = len(split)
			split = append(split, cfg)
			split[at].OrgID, split[at].Seed, split[at].Token, split[at].Grants = org, cfg.Seed+uint64(at), "", nil
		}
		split[at].Grants = append(split[at].Grants, g)
	}
	return split, nil
}

func parseToken(item string) (org int64, g Grant, err error) {
	parts := tokenSyntax.FindStringSubmatch(item)
	if parts == nil {
		return 0, Grant{}, errors.New("it is not TOKEN@ORGANISATION[:SCOPE+SCOPE][/LIFETIME]")
	}
	g.Token = parts[1]
	if org, err = strconv.ParseInt(parts[2], 10, 64); err != nil || org == 0 {
		return 0, Grant{}, errors.New("an organisation is a number above 0")
	}
	if parts[3] != "" {
		g.Scopes = strings.Split(parts[3], "+")
	}
	for _, scope := range g.Scopes {
		if !slices.Contains(allScopes, scope) {
			return 0, Grant{}, fmt.Errorf("there is no scope %q", scope)
		}
	}
	if parts[4] != "" {
		if g.Lifetime, err = time.ParseDuration(parts[4]); err != nil || g.Lifetime <= 0 {
			return 0, Grant{}, fmt.Errorf("its lifetime is %q; it takes a time such as 30m", parts[4])
		}
	}
	return org, g, nil
}
