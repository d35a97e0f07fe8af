package drift

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// TokenInfo is what Drift knows of an access token. It never holds the token.
type TokenInfo struct {
	OrgID        ID            // the organisation that the token belongs to; never absent
	CredentialID string        // the app that it was issued to
	Scopes       []string      // what it may be used for, such as contact_read
	ExpiresIn    time.Duration // how long it lasts from CreatedAt on; 0 if for ever
	CreatedAt    Millis        // when it was issued
}

// orgPrefix is what Drift writes before the organisation's id.
const orgPrefix = "orgId:"

// tokenInfoJSON is a TokenInfo on the wire.
type tokenInfoJSON struct {
	User         string `json:"authenticated_userid"`
	CredentialID text   `json:"credential_id,omitzero"`
	Scope        string `json:"scope,omitzero"`
	ExpiresIn    Millis `json:"expires_in"`
	CreatedAt    Millis `json:"created_at,omitzero"`
}

// MarshalJSONTo writes t as Drift does, without the token.
func (t *TokenInfo) MarshalJSONTo(enc *jsontext.Encoder) error {
	return json.MarshalEncode(enc, &tokenInfoJSON{
		User:         orgPrefix + t.OrgID.String(),
		CredentialID: text(t.CredentialID),
		Scope:        strings.Join(t.Scopes, " "),
		ExpiresIn:    Millis(t.ExpiresIn.Milliseconds()),
		CreatedAt:    t.CreatedAt,
	})
}

// UnmarshalJSONFrom reads what Drift says of a token, and leaves the token out.
func (t *TokenInfo) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var wire tokenInfoJSON
	if err := json.UnmarshalDecode(dec, &wire); err != nil {
		return err
	}
	id, err := ParseID(strings.TrimSpace(strings.TrimPrefix(wire.User, orgPrefix)))
	if err != nil {
		return errors.New("no organisation")
	}
	*t = TokenInfo{
		OrgID:        id,
		CredentialID: string(wire.CredentialID),
		Scopes:       strings.Fields(wire.Scope),
		ExpiresIn:    time.Duration(wire.ExpiresIn) * time.Millisecond,
		CreatedAt:    wire.CreatedAt,
	}
	return nil
}

// TokenInfo returns what Drift knows of the token that the client uses.
//
// POST /app/token_info
// https://devdocs.drift.com/docs/get-token-information
func (c *Client) TokenInfo(ctx context.Context) (*TokenInfo, error) {
	post := call{
		method: http.MethodPost,
		route:  "/app/token_info",
		reads:  true,
		body: func(token string) any {
			return map[string]string{"access_token": token}
		},
	}
	return fetch(ctx, c, post, func(a answer) (*TokenInfo, error) { return unwrap[TokenInfo](a.body) })
}
