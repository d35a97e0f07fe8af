package graph

import (
	stdjson "encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/relay"
)

// MarshalDriftID writes an id of Drift's as text, since it has 64 bits. An
// absent one is null.
func MarshalDriftID(id drift.ID) graphql.Marshaler {
	if id == 0 {
		return graphql.Null
	}
	return graphql.WriterFunc(func(w io.Writer) {
		b := append(make([]byte, 0, 24), '"')
		b = strconv.AppendInt(b, int64(id), 10)
		_, _ = w.Write(append(b, '"'))
	})
}

// UnmarshalDriftID reads an id of Drift's.
func UnmarshalDriftID(v any) (drift.ID, error) {
	s, err := graphql.UnmarshalID(v)
	if err != nil {
		return 0, err
	}
	return drift.ParseID(s)
}

// dateTime is RFC 3339 in UTC with milliseconds.
const dateTime = "2006-01-02T15:04:05.000Z"

// The instants that RFC 3339 can write: those of the years 0 to 9999.
var (
	earliest = drift.MillisOf(time.Date(0, time.January, 1, 0, 0, 0, 0, time.UTC))
	latest   = drift.MillisOf(time.Date(10000, time.January, 1, 0, 0, 0, 0, time.UTC)) - 1
)

// MarshalDateTime writes an instant. An absent one is null, and so is one that
// no client could read.
func MarshalDateTime(m drift.Millis) graphql.Marshaler {
	if m == 0 || m < earliest || m > latest {
		return graphql.Null
	}
	return graphql.WriterFunc(func(w io.Writer) {
		b := append(make([]byte, 0, 32), '"')
		b = m.Time().AppendFormat(b, dateTime)
		_, _ = w.Write(append(b, '"'))
	})
}

// UnmarshalDateTime reads an instant in RFC 3339, in any zone.
func UnmarshalDateTime(v any) (drift.Millis, error) {
	if s, ok := v.(string); ok {
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return drift.MillisOf(t), nil
		}
	}
	return 0, relay.BadInput("a DateTime takes RFC 3339, such as \"2026-03-09T14:30:00.000Z\"")
}

// MarshalJSON writes a value as Drift sent it. An absent one is null.
func MarshalJSON(v jsontext.Value) graphql.Marshaler {
	if len(v) == 0 {
		return graphql.Null
	}
	return graphql.WriterFunc(func(w io.Writer) { _, _ = w.Write(v) })
}

// UnmarshalJSON reads any value. The standard library's encoder writes it,
// since numbers in variables come as its json.Number.
func UnmarshalJSON(v any) (jsontext.Value, error) {
	text, err := stdjson.Marshal(v)
	return text, err
}
