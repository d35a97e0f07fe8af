// Package auth says who calls the gateway, and what the caller may do.
package auth

import (
	"context"
	"slices"
)

// A Permission is something that not every caller may do. Those that are scopes
// of Drift's bear its names.
type Permission string

// The permissions. What each lets a caller do stands in the schema.
const (
	ContactRead       Permission = "contact_read"
	ContactWrite      Permission = "contact_write"
	AllContactRead    Permission = "all_contact_read"
	ConversationRead  Permission = "conversation_read"
	ConversationWrite Permission = "conversation_write"
	UserRead          Permission = "user_read"
	UserWrite         Permission = "user_write"
	AccountRead       Permission = "account_read"
	AccountWrite      Permission = "account_write"
	PlaybookRead      Permission = "playbook_read"
	GDPRRead          Permission = "gdpr_read"
	GDPRWrite         Permission = "gdpr_write"

	PlanRead   Permission = "plan_read"  // to be told what an operation cost Drift
	Introspect Permission = "introspect" // to ask for the schema
)

// Permissions returns all permissions.
func Permissions() []Permission {
	return []Permission{
		ContactRead, ContactWrite, AllContactRead, ConversationRead, ConversationWrite, UserRead, UserWrite,
		AccountRead, AccountWrite, PlaybookRead, GDPRRead, GDPRWrite, PlanRead, Introspect,
	}
}

// A Caller is who sends an operation.
type Caller struct {
	Name        string       // as it is told to the caller and written to the audit log
	Permissions []Permission // nil for none
}

// May reports whether the caller has a permission.
func (c *Caller) May(p Permission) bool { return slices.Contains(c.Permissions, p) }

// anyone is the caller where the gateway asks for no credential.
var anyone = &Caller{Name: "anonymous", Permissions: Permissions()}

type callerKey struct{}

// WithCaller returns a context of the caller's.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns the caller that a context is of; one who is not known by name
// and may do everything if it is of none.
func CallerOf(ctx context.Context) *Caller {
	if c, ok := ctx.Value(callerKey{}).(*Caller); ok {
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
	if !CallerOf(ctx).May(p) {
		return &PermissionError{p}
	}
	return nil
}
