package auth_test

import (
	"errors"
	"testing"

	"github.com/driftgraph/driftgraph/auth"
)

// TestMay holds who may do what: everyone where nobody is asked who they are,
// else who has the permission.
func TestMay(t *testing.T) {
	ctx := t.Context()
	if name := auth.CallerOf(ctx).Name; name != "anonymous" {
		t.Errorf("a caller who was not asked is %q", name)
	}
	if err := auth.May(ctx, auth.GDPRWrite); err != nil {
		t.Errorf("a caller who was not asked: %v", err)
	}
	officer := auth.WithCaller(ctx, &auth.Caller{Name: "officer", Permissions: []auth.Permission{auth.GDPRWrite}})
	if err := auth.May(officer, auth.GDPRWrite); err != nil || auth.CallerOf(officer).Name != "officer" {
		t.Errorf("%s with the permission: %v", auth.CallerOf(officer).Name, err)
	}
	for name, c := range map[string]*auth.Caller{"none": {Name: "agent"}, "another": {Name: "agent", Permissions: []auth.Permission{"other"}}} {
		var missing *auth.PermissionError
		if err := auth.May(auth.WithCaller(ctx, c), auth.GDPRWrite); !errors.As(err, &missing) || missing.Permission != auth.GDPRWrite {
			t.Errorf("a caller with %s of the permissions gets %v", name, err)
		}
	}
}
