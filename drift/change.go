package drift

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Change is what an update does to a field. The zero Change leaves the field
// alone: nothing is sent of it.
type Change[T any] struct {
	given bool
	value *T
}

// Set returns the change to the value, which is sent as null if it is nil. The
// reference shows no field that null clears, so Drift may refuse it.
func Set[T any](value *T) Change[T] { return Change[T]{true, value} }

// IsZero reports whether the field is left alone.
func (c Change[T]) IsZero() bool { return !c.given }

// MarshalJSONTo writes the value, or null.
func (c Change[T]) MarshalJSONTo(enc *jsontext.Encoder) error {
	return json.MarshalEncode(enc, c.value)
}
