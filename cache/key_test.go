package cache

import (
	"regexp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestKey(t *testing.T) {
	tests := []struct {
		key  fullKey
		want string
	}{
		{fullKey{"t", "contact", "17035536800"}, "dg:1:t:contact:17035536800"},
		{fullKey{"t", "account", "123458_example.com"}, "dg:1:t:account:123458_example.com"},
		{fullKey{"t", "page", "a:b%{c} é"}, "dg:1:t:page:a%3Ab%25%7Bc%7D%20%C3%A9"},
		{fullKey{}, "dg:1:::"},
	}
	for _, tt := range tests {
		if got := tt.key.String(); got != tt.want {
			t.Errorf("key of %+v is %q, want %q", tt.key, got, tt.want)
		}
	}
}

// awkward generates what is most likely to be taken for the end of a part.
var awkward = rapid.OneOf(rapid.StringMatching(`[ab:%{}]{0,6}`), rapid.StringMatching(`(a|:|%3A|%25|%){0,4}`), rapid.String())

func TestKeysDiffer(t *testing.T) {
	printable := regexp.MustCompile(`^[!-~]*$`)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) fullKey {
			return fullKey{Tenant(awkward.Draw(t, label+" tenant")), awkward.Draw(t, label+" kind"), awkward.Draw(t, label+" id")}
		}
		a, b := draw("a"), draw("b")
		if (a == b) != (a.String() == b.String()) {
			t.Errorf("%+v and %+v have the keys %q and %q", a, b, a, b)
		}
		if !printable.MatchString(a.String()) {
			t.Errorf("key of %+v is not printable: %q", a, a)
		}
		// Text moved from one part to the next makes another key.
		whole := awkward.Draw(t, "whole")
		i, j := rapid.IntRange(0, len(whole)).Draw(t, "i"), rapid.IntRange(0, len(whole)).Draw(t, "j")
		c, d := fullKey{"t", whole[:i], whole[i:]}, fullKey{"t", whole[:j], whole[j:]}
		if (i == j) != (c.String() == d.String()) {
			t.Errorf("%+v and %+v have the keys %q and %q", c, d, c, d)
		}
	})
}

func TestTenantsDiffer(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{32}$`)
	parts := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]byte("ab\x00\x01")), 0, 4), 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		same := slices.EqualFunc(a, b, slices.Equal)
		if same != (NewTenant(a...) == NewTenant(b...)) {
			t.Errorf("tenants of %q and %q: %s and %s", a, b, NewTenant(a...), NewTenant(b...))
		}
		if !form.MatchString(string(NewTenant(a...))) {
			t.Errorf("tenant of %q is %q", a, NewTenant(a...))
		}
	})
	// Processes of different versions share a Redis, so this must stay as it is.
	if got, want := NewTenant([]byte("org"), []byte("1")), Tenant("d6d3e96f778b304f1525b514b440dd83"); got != want {
		t.Errorf("tenant is %s, want %s", got, want)
	}
}
