package cache

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/url"
	"strings"
)

// A Tenant separates callers that must not see each other's data: it is part of
// every key, in both tiers and in the sharing of loads. The empty Tenant is one
// of its own, no wildcard.
type Tenant string

// tenantDomain keys the hash of NewTenant. It is no secret: it keeps a Tenant
// from equalling a hash that something else makes of the same identity. It must
// never change, nor differ between processes that share a Redis.
const tenantDomain = "driftgraph/cache/tenant/v1"

// NewTenant returns the Tenant of an identity, such as an organisation, or a
// credential and its scopes. Equal parts in equal order make equal Tenants, and
// no others do: where one part ends and the next begins counts too. It is a
// hash of 128 bits, so a credential cannot be read from a key; an identity that
// can be guessed, such as a small number, can be tried.
func NewTenant(identity ...[]byte) Tenant {
	mac := hmac.New(sha256.New, []byte(tenantDomain))
	for _, part := range identity {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write(part)
	}
	return Tenant(hex.EncodeToString(mac.Sum(nil)[:16]))
}

// A fullKey is what names a record among all of a Cache.
type fullKey struct {
	tenant Tenant
	kind   string
	id     string
}

// in returns the name of a group of k's tenant and kind.
func (k fullKey) in(group string) fullKey { return fullKey{k.tenant, k.kind, group} }

// keyVersion is part of each key in Redis. Raise it when the same key would
// come to mean another record.
const keyVersion = "1"

// String returns the record's key in Redis, dg:<version>:<tenant>:<kind>:<id>.
// No two records have the same: what could be read as the end of a part is escaped.
func (k fullKey) String() string {
	var b strings.Builder
	b.Grow(len("dg:") + len(keyVersion) + len(k.tenant) + len(k.kind) + len(k.id) + 3)
	b.WriteString("dg:" + keyVersion)
	for _, part := range [...]string{string(k.tenant), k.kind, k.id} {
		b.WriteByte(':')
		escape(&b, part)
	}
	return b.String()
}

// parseKey returns what has s for its String.
func parseKey(s string) (k fullKey, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) != 5 || parts[0] != "dg" || parts[1] != keyVersion {
		return fullKey{}, false
	}
	for i, part := range parts[2:] {
		text, err := url.PathUnescape(part)
		if err != nil {
			return fullKey{}, false
		}
		parts[2+i] = text
	}
	return fullKey{Tenant(parts[2]), parts[3], parts[4]}, true
}

// escape writes s with all but letters, digits and "-", "_", "." and "~" as
// %XX. Braces are among those: in a cluster they would choose the key's node.
func escape(b *strings.Builder, s string) {
	const hexDigits = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~':
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
}
