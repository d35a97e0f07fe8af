package cache

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A sealed record is its header, with sealedFlag in byte 1, and then
//
//	4 bytes   the id of the key
//	12 bytes  a nonce
//	          what follows the header in a plain record, encrypted
//	16 bytes  the tag, which also vouches for the header
//
// The tag vouches for the key in Redis too, so a record is worth nothing in the
// place of another. The AES-256 key is derived from the one that is configured
// and from when the record was fetched, to about 19 hours: so many random nonces
// may be drawn from one, 2³², and no gateway writes as many in that time.
const (
	sealedFlag   = 0x80
	keySize      = 32
	keyIDSize    = 4
	sealOverhead = keyIDSize + 28
	periodBits   = 26 // of milliseconds
	maxCiphers   = 16 // that are kept for a key: those of forged times are not worth it
)

// The labels keep what is derived from a key for one purpose from equalling
// what is derived for another.
const (
	sealLabel  = "driftgraph/cache/seal/v1:"
	keyIDLabel = "driftgraph/cache/key-id/v1"
)

// Keys encrypt what a Cache writes to Redis, and decrypt what it reads. The
// first key encrypts, all decrypt. nil Keys leave all as it is.
type Keys struct {
	all []*sealKey
}

type sealKey struct {
	id     string
	secret []byte

	mu      sync.Mutex
	ciphers map[int64]cipher.AEAD // by period
}

// errKeys says what ParseKeys takes. It quotes nothing.
var errKeys = errors.New("cache: a key is 32 random bytes in base64 or as 64 hexadecimal digits, as `openssl rand -base64 32` makes them; several are separated by commas, the one to encrypt with first")

// ParseKeys reads keys, separated by commas, each of 32 bytes in base64 or in
// hexadecimal. Its error says what it takes and holds nothing of what was given.
func ParseKeys(text string) (*Keys, error) {
	var keys Keys
	for word := range strings.SplitSeq(text, ",") {
		secret, err := decodeKey(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		id, err := hkdf.Expand(sha256.New, secret, keyIDLabel, keyIDSize)
		if err != nil {
			return nil, err
		}
		keys.all = append(keys.all, &sealKey{id: string(id), secret: secret, ciphers: make(map[int64]cipher.AEAD)})
	}
	return &keys, nil
}

func decodeKey(word string) ([]byte, error) {
	secret, err := hex.DecodeString(word)
	if err != nil || len(secret) != keySize {
		word = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(word, "="))
		secret, err = base64.RawStdEncoding.DecodeString(word)
	}
	if err != nil || len(secret) != keySize || bytes.Count(secret, secret[:1]) == keySize {
		return nil, errKeys
	}
	return secret, nil
}

// seal returns what is written to Redis under a key for a plain record.
func (k *Keys) seal(key string, plain []byte) ([]byte, error) {
	first := k.all[0]
	aead, err := first.cipher(plain)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(plain)+sealOverhead)
	out = append(out, plain[:headerSize]...)
	out[1] |= sealedFlag
	out = append(out, first.id...)
	return aead.Seal(out, nil, plain[headerSize:], vouched(out, key)), nil // #nosec G407 -- the AEAD draws the nonce itself
}

// open returns the plain record that wire, found in Redis, holds; "" if none of
// the keys has sealed it for that place. What is not sealed is none: else
// whoever can write to Redis could answer queries.
func (k *Keys) open(full fullKey, wire string) string {
	if k == nil {
		return wire
	}
	return k.unseal(full.String(), wire)
}

// unseal returns what wire, found at a place in Redis, holds; "" if none of the
// keys has sealed it for that place.
func (k *Keys) unseal(place, wire string) string {
	if len(wire) < headerSize+sealOverhead || len(wire) > maxWireSize+sealOverhead || wire[1]&sealedFlag == 0 {
		return ""
	}
	sealed := []byte(wire)
	head, body := sealed[:headerSize+keyIDSize], sealed[headerSize+keyIDSize:]
	for _, candidate := range k.all {
		if candidate.id != wire[headerSize:headerSize+keyIDSize] {
			continue
		}
		aead, err := candidate.cipher(head)
		if err != nil {
			return ""
		}
		plain := append(make([]byte, 0, len(wire)), head[:headerSize]...)
		plain[1] &^= sealedFlag
		if plain, err = aead.Open(plain, nil, body, vouched(head, place)); err == nil {
			return string(plain)
		}
	}
	return ""
}

// SealText returns what is written to Redis at a place, which is no key of a
// record, for a text that is none either. nil Keys leave it as it is.
func (k *Keys) SealText(place, text string, now time.Time) (string, error) {
	if k == nil {
		return text, nil
	}
	plain := make([]byte, headerSize, headerSize+len(text))
	plain[0] = layoutVersion
	binary.BigEndian.PutUint64(plain[fetchedAt:], uint64(now.UnixMilli())) // #nosec G115 -- any 64 bits name a period
	sealed, err := k.seal(place, append(plain, text...))
	return string(sealed), err
}

// OpenText returns the text that SealText has sealed for a place; "" if none of
// the keys has.
func (k *Keys) OpenText(place, sealed string) string {
	if k == nil {
		return sealed
	}
	plain := k.unseal(place, sealed)
	return plain[min(headerSize, len(plain)):]
}

// vouched returns what a tag vouches for beside the record: its header, the id
// of the key, and where in Redis it is.
func vouched(head []byte, key string) []byte {
	return append(append(make([]byte, 0, len(head)+len(key)), head...), key...)
}

// cipher returns what seals records with the given header.
func (k *sealKey) cipher(header []byte) (cipher.AEAD, error) {
	period := int64(binary.BigEndian.Uint64(header[fetchedAt:])) >> periodBits // #nosec G115 -- any 64 bits name a period
	k.mu.Lock()
	defer k.mu.Unlock()
	if aead := k.ciphers[period]; aead != nil {
		return aead, nil
	}
	secret, err := hkdf.Expand(sha256.New, k.secret, sealLabel+strconv.FormatInt(period, 10), keySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	if len(k.ciphers) >= maxCiphers {
		clear(k.ciphers)
	}
	k.ciphers[period] = aead
	return aead, nil
}
