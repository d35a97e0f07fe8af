// Package audit notes who asked what of which person's data, and what came of
// it, without saying who that person is.
package audit

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"time"

	"github.com/driftgraph/driftgraph/auth"
)

// A Result is what came of an operation.
type Result string

// The results.
const (
	Accepted  Result = "accepted"  // Drift took it up
	Refused   Result = "refused"   // Drift refused it
	Failed    Result = "failed"    // it was not carried out
	Unknown   Result = "unknown"   // its answer was lost, so it may have been carried out
	Forbidden Result = "forbidden" // the caller may not ask for it
)

// A Log is an audit log.
type Log struct {
	handler slog.Handler
	key     []byte
	log     *slog.Logger // told when the audit log cannot be written
}

// New returns a log that writes by a handler, whatever its level. Persons are
// named by hashes with the key; without one it is made up, so that the hashes of
// two processes differ. Who else has the key can tell whether a given address was meant.
func New(handler slog.Handler, key string, log *slog.Logger) *Log {
	if key == "" {
		key = rand.Text()
	}
	return &Log{handler: handler, key: []byte(key), log: log}
}

// Write notes an operation on the data of the person with the e-mail address.
func (l *Log) Write(ctx context.Context, operation, email string, result Result) {
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "audit", 0)
	r.AddAttrs(
		slog.Bool("audit", true),
		slog.String("caller", auth.CallerOf(ctx).Name),
		slog.String("operation", operation),
		slog.String("person", l.person(email)),
		slog.String("result", string(result)),
	)
	if err := l.handler.Handle(ctx, r); err != nil {
		l.log.ErrorContext(ctx, "the audit log cannot be written", "operation", operation, "result", string(result), "error", err)
	}
}

// person returns a name for the person with an e-mail address, in any case.
func (l *Log) person(email string) string {
	mac := hmac.New(sha256.New, l.key)
	mac.Write([]byte(strings.ToLower(email)))
	return hex.EncodeToString(mac.Sum(nil))
}
