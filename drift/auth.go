package drift

import (
	"context"
	"log/slog"
)

// An Auth is a source of access tokens. Its methods may be called by many
// goroutines at once.
type Auth interface {
	// Token returns a token to make a call with.
	Token(ctx context.Context) (string, error)

	// Renew returns a token to use instead of stale, which Drift did not accept.
	// It returns stale itself if there is no other.
	Renew(ctx context.Context, stale string) (string, error)

	// Identity returns bytes that tell the credential from any other and stay
	// the same for its life, over renewals and in all processes that have it.
	// They are secret: the input of a keyed hash, never to be logged or stored.
	Identity() []byte
}

// A StaticToken is the access token of a private app, which lasts until it is
// revoked. It prints as [REDACTED].
type StaticToken string

// redacted stands for a secret in whatever is printed.
const redacted = "[REDACTED]"

// Token returns t.
func (t StaticToken) Token(context.Context) (string, error) { return string(t), nil }

// Renew returns stale: there is no other token.
func (t StaticToken) Renew(_ context.Context, stale string) (string, error) { return stale, nil }

// Identity returns the token.
func (t StaticToken) Identity() []byte { return []byte(t) }

// String returns no part of the token.
func (t StaticToken) String() string { return redacted }

// GoString returns no part of the token.
func (t StaticToken) GoString() string { return redacted }

// LogValue returns no part of the token.
func (t StaticToken) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns no part of the token.
func (t StaticToken) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// validToken reports whether s can stand in an Authorization header.
func validToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
