package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// A key is keyPrefix, keyBytes random bytes and their CRC-32, in hexadecimal
// digits: what searches for secrets can tell one from chance.
const (
	keyPrefix = "dg_"
	keyBytes  = 32
)

// NewKey returns a key that nobody has.
func NewKey() string {
	secret := make([]byte, keyBytes)
	_, _ = rand.Read(secret) // never fails
	return keyPrefix + hex.EncodeToString(append(secret, checksum(secret)...))
}

func checksum(secret []byte) []byte {
	sum := crc32.ChecksumIEEE(secret)
	return []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)} // #nosec G115 -- byte by byte
}

// wellFormed reports whether a text can be a key.
func wellFormed(key string) bool {
	digits, ok := strings.CutPrefix(key, keyPrefix)
	if !ok || len(digits) != 2*(keyBytes+4) {
		return false
	}
	text, err := hex.DecodeString(digits)
	return err == nil && string(text[keyBytes:]) == string(checksum(text[:keyBytes]))
}

// A Key is what the gateway knows of a key: whose it is, not the key itself.
type Key struct {
	Name        string       `json:"name"`             // of the caller; several keys may be one caller's
	Hash        Hash         `json:"hash"`             // of the key
	Permissions []Permission `json:"permissions"`      //
	Created     time.Time    `json:"created,omitzero"` // for people to read
	Expires     time.Time    `json:"expires,omitzero"` // the zero time for never
}

// A Hash is the SHA-256 of a key. Slow hashes are for passwords that people think
// of; a key has 256 random bits, of which nobody tries even a small part.
type Hash [sha256.Size]byte

// HashOf returns the hash of a key.
func HashOf(key string) Hash { return sha256.Sum256([]byte(key)) }

const hashPrefix = "sha256:"

// MarshalText writes the hash in hexadecimal digits.
func (h Hash) MarshalText() ([]byte, error) {
	return []byte(hashPrefix + hex.EncodeToString(h[:])), nil
}

// UnmarshalText reads what MarshalText writes.
func (h *Hash) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), hashPrefix)
	sum, err := hex.DecodeString(digits)
	if !ok || err != nil || len(sum) != len(h) {
		return errors.New("hash is not sha256: and 64 hexadecimal digits")
	}
	copy(h[:], sum)
	return nil
}

// Line returns the line of a keys file that tells of the key.
func (k Key) Line() (string, error) {
	if err := k.check(); err != nil {
		return "", err
	}
	text, err := json.Marshal(k)
	return string(text) + "\n", err
}

func (k Key) check() error {
	if k.Name == "" || len(k.Name) > 100 || strings.ContainsFunc(k.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("name is empty, longer than 100 bytes or holds control characters")
	}
	if k.Hash == (Hash{}) {
		return errors.New("hash is missing")
	}
	return CheckPermissions(k.Permissions)
}

// CheckPermissions refuses what is no permission, by name.
func CheckPermissions(list []Permission) error {
	known := Permissions()
	for _, p := range list {
		if !slices.Contains(known, p) {
			return fmt.Errorf("%q is no permission; there are %s", p, join(known))
		}
	}
	return nil
}

func join(list []Permission) string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = string(p)
	}
	return strings.Join(names, ", ")
}
