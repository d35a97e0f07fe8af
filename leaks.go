package main

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/redact"
)

// redactor returns what keeps the secrets of the configuration, whether or not
// it could be read to its end, out of what is logged and printed.
func (c *cli) redactor() *redact.Redactor {
	secrets := []string{
		c.Serve.DriftToken, c.Serve.DriftClientSecret, c.Serve.DriftRefreshToken, c.Serve.DriftWebhookToken, c.Serve.AuditKey,
		c.Serve.SandboxKnobs.WebhookToken, c.Sandbox.Token, c.Sandbox.Knobs.WebhookToken,
	}
	secrets = append(secrets, strings.Split(c.Serve.CacheKey, ",")...)
	secrets = append(secrets, passwordsIn(c.Serve.RedisURL)...)
	secrets = append(secrets, passwordsIn(os.Getenv("REDIS_URL"))...)
	if orgs, err := c.Sandbox.organisations(); err == nil {
		for _, org := range orgs {
			for _, g := range org.Grants {
				secrets = append(secrets, g.Token)
			}
		}
	}
	for _, name := range []string{"DRIFT_TOKEN", "DRIFT_CLIENT_SECRET", "DRIFT_REFRESH_TOKEN", "DRIFT_WEBHOOK_TOKEN", "AUDIT_KEY", "CACHE_KEY"} {
		secrets = append(secrets, os.Getenv(name)) // which may not have been read yet
	}
	return redact.New(secrets...)
}

// passwordsIn returns the passwords in the URL of a Redis, which net/url does not
// read if it has several hosts.
func passwordsIn(address string) (passwords []string) {
	_, rest, _ := strings.Cut(address, "://")
	rest, options, _ := strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		_, password, _ := strings.Cut(rest[:at], ":")
		passwords = append(passwords, password)
		if plain, err := url.PathUnescape(password); err == nil {
			passwords = append(passwords, plain)
		}
	}
	values, _ := url.ParseQuery(options) // those that can be read
	for _, name := range []string{"password", "sentinel_password"} {
		passwords = append(passwords, values[name]...)
	}
	return passwords
}

// withRecovery answers a request whose handler panics as any other that fails
// inside: by an id, under which the log has the stack. What was sent before is
// cut off.
func withRecovery(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			switch {
			case cause == nil:
				return
			case cause == http.ErrAbortHandler: // not a fault: the server is to hang up
				panic(cause)
			}
			id := rand.Text()
			log.ErrorContext(r.Context(), "internal error", "errorId", id, "error", redact.Panicked(cause))
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Header().Del("Content-Length")
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, `{"errors":[{"message":"internal error","extensions":{"code":%q,"errorId":%q}}]}`, graph.CodeInternalServerError, id)
		}()
		next.ServeHTTP(w, r)
	})
}
