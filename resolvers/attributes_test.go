package resolvers

import (
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// TestPick takes members out of an object as Drift has written it: no
// value means another, and what is no object fails.
func TestPick(t *testing.T) {
	for _, tt := range []struct{ object, names, want string }{
		{`{"a":1,"b":2}`, "a", `{"a":1}`},
		{`{"b":2,"a":1}`, "ab", `{"b":2,"a":1}`},
		{`{"a":1}`, "", `{}`},
		{`{}`, "a", `{}`},
		{`{ "a" : { "c" : [ 1, null ] } , "b" : 2 }`, "a", `{"a":{ "c" : [ 1, null ] }}`},
		{`{"a":9007199254740993}`, "a", `{"a":9007199254740993}`},
		{`{"a":1.50}`, "a", `{"a":1.50}`},
		{`{"a":1,"a":2}`, "a", `{"a":1,"a":2}`},
		{`{"\u0061":"\u003c"}`, "a", `{"a":"<"}`},
		{`[1]`, "a", ""},
		{`{"a":`, "a", ""},
		{``, "a", ""},
	} {
		var names []string
		for _, r := range tt.names {
			names = append(names, string(r))
		}
		got, err := pick(jsontext.Value(tt.object), names)
		if (err != nil) != (tt.want == "") {
			t.Errorf("%s of %s: %v", tt.names, tt.object, err)
		} else if err == nil && !equal(got, tt.want) {
			t.Errorf("%s of %s: got %s, want %s", tt.names, tt.object, got, tt.want)
		}
	}
}

// equal compares JSON but for its blanks.
func equal(got jsontext.Value, want string) bool {
	other := jsontext.Value(want)
	got = slices.Clone(got)
	allow := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), jsontext.PreserveRawStrings(true)}
	return got.Compact(allow...) == nil && other.Compact(allow...) == nil && string(got) == string(other)
}
