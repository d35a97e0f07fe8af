// Package drift is a client of Drift's REST API: one method for each endpoint
// that it uses, and the records that they take and return as Go types.
//
// What is odd in Drift's JSON ends here: its envelopes, its page links, ids that
// come as numbers or strings, times in milliseconds, enums in either case. A
// record marshals to the JSON that it was read from, apart from members that
// the type does not have, so what Unmarshal(Marshal(r)) gives equals r.
//
// A [Client] is made with [New] and is safe for many goroutines. Its failures
// are of type *[Error]; [errors.Is] tells their kinds apart.
package drift

import (
	"errors"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// An ID is a number by which Drift knows a record. It has 64 bits, more than a
// float64 holds. 0 stands for an absent id; Drift gives out none.
//
// It is read from a JSON number, from a string of digits, or from null and the
// empty string, which are 0. It is written as a number.
type ID int64

// String returns id in decimal digits.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParseID reads what [ID.String] writes of an id above 0: digits without sign,
// blanks or leading zeros, so that an id has one spelling only.
func ParseID(s string) (ID, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || s[0] < '1' || s[0] > '9' {
		return 0, errors.New("drift: an id is a number from 1 to 9223372036854775807, in digits only")
	}
	return ID(n), nil
}

// UnmarshalJSONFrom reads an id in any of the forms that Drift uses.
func (id *ID) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	digits, err := readNumber(dec)
	if err != nil || len(digits) == 0 {
		*id = 0
		return err
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		return errors.New("not an id of 64 bits")
	}
	*id = ID(n)
	return nil
}

// Millis is an instant in milliseconds since 1 January 1970 UTC, as Drift
// writes all its times. 0 stands for an absent instant.
//
// It is read from a JSON number, whole or not, from a string holding one, or
// from null and the empty string, which are 0. It is written as a whole number.
type Millis int64

// MillisOf returns t cut to milliseconds, and 0 for the zero time.
func MillisOf(t time.Time) Millis {
	if t.IsZero() {
		return 0
	}
	return Millis(t.UnixMilli())
}

// Time returns m in UTC, and the zero time if m is absent.
func (m Millis) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m)).UTC()
}

// UnmarshalJSONFrom reads an instant in any of the forms that Drift uses.
func (m *Millis) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	digits, err := readNumber(dec)
	if err != nil || len(digits) == 0 {
		*m = 0
		return err
	}
	if n, err := strconv.ParseInt(string(digits), 10, 64); err == nil {
		*m = Millis(n)
		return nil
	}
	f, err := strconv.ParseFloat(string(digits), 64)
	if err != nil || !(-1<<63 <= f && f < 1<<63) {
		return errors.New("not a number of milliseconds")
	}
	*m = Millis(f)
	return nil
}
