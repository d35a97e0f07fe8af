package cache

import (
	"encoding/binary"
	"errors"
)

// A record in Redis is a header and, if there is such a record, what its kind's
// Encode makes of the value. The header is
//
//	byte  0      layout version
//	byte  1      1 if there is no such record, 2 if it is buried, else 0
//	bytes 2-9    when it was fetched, in milliseconds since 1970, big endian
//	bytes 10-17  until when it is fresh, likewise
//	bytes 18-25  until when it is answered at once
//	bytes 26-33  until when it is kept
//	bytes 34-37  the shape of its kind's records
const (
	layoutVersion = 3
	buriedFlag    = 2
	headerSize    = 38
	fetchedAt     = 2
	freshAt       = 10
	staleAt       = 18
	shapeAt       = 34
)

// maxWireSize bounds what a record takes in Redis, in bytes. Larger ones are
// neither written nor, whoever wrote them, looked at.
const maxWireSize = 4 << 20

var (
	errTooLarge = errors.New("cache: record is too large for Redis")
	errNil      = errors.New("cache: nil in place of a record")
)

// toWire returns what is kept in Redis of r, whose kind's records have a shape.
func toWire(r *record, shape shape, encode func(value any) ([]byte, error)) ([]byte, error) {
	b := make([]byte, 2, 1024)
	b[0] = layoutVersion
	for _, ms := range [...]int64{r.fetched, r.fresh, r.stale, r.expires} {
		b = binary.BigEndian.AppendUint64(b, uint64(ms)) // #nosec G115 -- the same 64 bits, read again by fromWire
	}
	b = append(b, shape[:]...)
	if r.value == nil {
		b[1] = 1
		return b, nil
	}
	value, err := guard(func() ([]byte, error) { return encode(r.value) })
	if err != nil {
		return nil, err
	}
	if headerSize+len(value) > maxWireSize {
		return nil, errTooLarge
	}
	return append(b, value...), nil
}

// fromWire returns what s, which may be anything, keeps of a record: its times,
// and its value still encoded, nil if there is no such record. It returns no
// record if s keeps none, or one of another shape, or tells of a grave.
func fromWire(s string, shape shape) (r *record, encoded []byte) {
	if len(s) < headerSize || len(s) > maxWireSize || s[0] != layoutVersion || s[1] > 1 || s[shapeAt:headerSize] != string(shape[:]) {
		return nil, nil
	}
	b := []byte(s)
	at := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[i:])) } // #nosec G115 -- any 64 bits are a time, which revive then bounds
	r = &record{fetched: at(fetchedAt), fresh: at(freshAt), stale: at(staleAt), expires: at(26)}
	if b[1] == 0 {
		encoded = b[headerSize:]
	}
	return r, encoded
}
