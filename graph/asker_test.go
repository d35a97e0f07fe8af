package graph

import "testing"

// TestAsker holds which addresses are one asker: those that one may have.
func TestAsker(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:1234":             "192.0.2.7/32",
		"192.0.2.8:1234":             "192.0.2.8/32",
		"[::ffff:192.0.2.7]:80":      "192.0.2.7/32",
		"[2001:db8:1:2:3:4:5:6]:443": "2001:db8:1:2::/64",
		"[2001:db8:1:2::9]:443":      "2001:db8:1:2::/64",
		"[2001:db8:1:3::9]:443":      "2001:db8:1:3::/64",
	} {
		if got := asker(withRemote(t.Context(), remote)); got != "address\x00"+want {
			t.Errorf("%q asks as %q, want that of %q", remote, got, want)
		}
	}
}
