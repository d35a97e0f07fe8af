package auth

import (
	"context"
	"errors"
)

// ErrUnauthenticated says that a credential is nobody's: that there is none such,
// that it has expired or was withdrawn, or that it is malformed. Which of these
// it is nobody is told.
var ErrUnauthenticated = errors.New("auth: the credential is nobody's")

// ErrUnknown says that it cannot be told at the moment whose a credential is.
var ErrUnknown = errors.New("auth: it cannot be told at the moment whose the credential is")

// maxCredential bounds the bytes of a credential, whatever its kind.
const maxCredential = 8 << 10

// A Gate knows callers by what they show.
type Gate interface {
	// Enter returns a context, made of ctx, of the caller whose credential it is.
	// Its error is ErrUnauthenticated or ErrUnknown. Where somebody guesses
	// credentials it is asked warily: then it spends nothing on one that it has
	// not seen before.
	Enter(ctx context.Context, credential string, wary bool) (context.Context, error)
}

type entryKey struct{}

// An entry is how the caller of a context was let in.
type entry struct {
	gate       Gate
	credential string
}

// Enter lets in whoever a credential is of, as Gate.Enter does, and notes in the
// context how, for Again.
func Enter(ctx context.Context, g Gate, credential string, wary bool) (context.Context, error) {
	if len(credential) > maxCredential {
		return nil, ErrUnauthenticated
	}
	ctx, err := g.Enter(ctx, credential, wary)
	if err != nil {
		return nil, err
	}
	return context.WithValue(ctx, entryKey{}, &entry{g, credential}), nil
}

// Entered reports whether a context is of somebody who showed a credential.
func Entered(ctx context.Context) bool { return ctx.Value(entryKey{}) != nil }

// Again judges anew the caller of a context, who may have shown the credential
// long ago. Where nobody was asked for one, everybody stays.
func Again(ctx context.Context) (context.Context, error) {
	e, ok := ctx.Value(entryKey{}).(*entry)
	if !ok {
		return ctx, nil
	}
	return e.gate.Enter(ctx, e.credential, false)
}
