// Package auth says who calls the gateway, and what the caller may do.
package auth

import (
	"context"
	"slices"
)

// A Permission is something that not every caller may do.
type Permission string

// The permissions.
const (
	GDPR Permission = "gdpr" // to have Drift tell or forget what it knows of a person
)

// A Caller is who sends an operation.
type Caller struct {
	Name        string       // as it is told to the caller and written to the audit log
	Permissions []Permission // nil for none
	all         bool         // has every permission
}

// anyone is the caller where the gateway asks for no credential.
var anyone = &Caller{Name: "anonymous", all: true}

type contextKey struct{}

// WithCaller returns a context of the caller's.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// CallerOf returns the caller that a context is of; one who is not known by name
// and may do everything if it is of none.
func CallerOf(ctx context.Context) *Caller {
	if c, ok := ctx.Value(contextKey{}).(*Caller); ok {
		return c
	}
	return anyone
}

// A PermissionError says that a caller has not the permission for something.
type PermissionError struct {
	Permission Permission // that it takes
}

// Error names the permission.
func (e *PermissionError) Error() string {
	return "this takes the permission " + string(e.Permission)
}

// May returns a *PermissionError if the caller has not the permission.
func May(ctx context.Context, p Permission) error {
	if c := CallerOf(ctx); !c.all && !slices.Contains(c.Permissions, p) {
		return &PermissionError{p}
	}
	return nil
}
