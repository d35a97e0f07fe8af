package graph

import (
	stdjson "encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/relay"
)

func TestDriftID(t *testing.T) {
	for id, want := range map[drift.ID]string{0: "null", 5: `"5"`, math.MaxInt64: `"9223372036854775807"`} {
		if got := text(MarshalDriftID(id)); got != want {
			t.Errorf("%d is written %s, want %s", id, got, want)
		}
	}
	for _, v := range []any{"17035536800", int64(17035536800), stdjson.Number("17035536800")} {
		if id, err := UnmarshalDriftID(v); id != 17035536800 || err != nil {
			t.Errorf("%T %v is read as %d, %v", v, v, id, err)
		}
	}
	for _, v := range []any{"", "x", "-1", 1.5, true, nil, []any{}} {
		if id, err := UnmarshalDriftID(v); err == nil {
			t.Errorf("%T %v is read as %d", v, v, id)
		}
	}
}

func TestDateTime(t *testing.T) {
	for m, want := range map[drift.Millis]string{
		0:               "null",
		1:               `"1970-01-01T00:00:00.001Z"`,
		1772021261730:   `"2026-02-25T12:07:41.730Z"`,
		-1:              `"1969-12-31T23:59:59.999Z"`,
		253402300799999: `"9999-12-31T23:59:59.999Z"`,
		253402300800000: "null", // RFC 3339 ends with the year 9999
		math.MaxInt64:   "null",
		math.MinInt64:   "null",
	} {
		if got := text(MarshalDateTime(m)); got != want {
			t.Errorf("%d is written %s, want %s", m, got, want)
		}
	}
	for v, want := range map[string]drift.Millis{
		"2026-02-25T12:07:41.730Z":       1772021261730,
		"2026-02-25T14:07:41.73+02:00":   1772021261730,
		"2026-02-25T12:07:41Z":           1772021261000,
		"2026-02-25T12:07:41.730999999Z": 1772021261730,
		"1969-12-31T23:59:59.999Z":       -1,
	} {
		if got, err := UnmarshalDateTime(v); got != want || err != nil {
			t.Errorf("%s is read as %d, %v; want %d", v, got, err, want)
		}
	}
	for _, v := range []any{"", "now", "2026-02-25", "2026-02-25T12:07:41", "2026-02-25 12:07:41Z", "2026-02-30T00:00:00Z", 1772021261730, stdjson.Number("1772021261730"), nil} {
		var input *relay.InputError
		if got, err := UnmarshalDateTime(v); !errors.As(err, &input) {
			t.Errorf("%v is read as %d, %v; want an InputError", v, got, err)
		}
	}
}

func TestDateTimeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drift.Millis(rapid.Int64Range(-62135596799999, 253402300799999).Draw(t, "instant"))
		if m == 0 {
			return
		}
		var written string
		if err := stdjson.Unmarshal([]byte(text(MarshalDateTime(m))), &written); err != nil {
			t.Fatal(err)
		}
		if _, err := time.Parse(time.RFC3339Nano, written); err != nil {
			t.Fatal(err)
		}
		if got, err := UnmarshalDateTime(written); got != m || err != nil {
			t.Fatalf("%d is written %s and read as %d, %v", m, written, got, err)
		}
	})
}

func TestJSON(t *testing.T) {
	if got := text(MarshalJSON(nil)); got != "null" {
		t.Errorf("an absent value is written %s", got)
	}
	for _, v := range []string{`null`, `{"a":[1,2.50,"ü"],"a b":null}`, `12345678901234567890`, `"x"`} {
		if got := text(MarshalJSON(jsontext.Value(v))); got != v {
			t.Errorf("%s is written %s", v, got)
		}
	}
	for v, want := range map[any]string{
		stdjson.Number("12345678901234567890"): "12345678901234567890", stdjson.Number("1.50"): "1.50", "x": `"x"`, true: "true", nil: "null",
	} {
		if got, err := UnmarshalJSON(v); string(got) != want || err != nil {
			t.Errorf("%v is read as %s, %v; want %s", v, got, err, want)
		}
	}
	got, err := UnmarshalJSON(map[string]any{"b": []any{stdjson.Number("9007199254740993")}})
	if want := `{"b":[9007199254740993]}`; got.String() != want || err != nil {
		t.Errorf("an object is read as %s, %v; want %s", got, err, want)
	}
}
