package graph

import "testing"

// TestNetwork holds which addresses are one asker: those that one may have.
func TestNetwork(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:1234":             "192.0.2.7",
		"192.0.2.8:1234":             "192.0.2.8",
		"[::ffff:192.0.2.7]:80":      "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:443": "2001:db8:1:2::/64",
		"[2001:db8:1:2::9]:443":      "2001:db8:1:2::/64",
		"[2001:db8:1:3::9]:443":      "2001:db8:1:3::/64",
		"[fe80::1%eth0]:443":         "fe80::/64",
		"@":                          "@", // of a Unix socket
		"":                           "",
	} {
		if got := network(remote); got != want {
			t.Errorf("%q is of %q, want %q", remote, got, want)
		}
	}
}
