package documents

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestParse reads manifests as tools write them, and what is none.
func TestParse(t *testing.T) {
	const apollo = `{"format": "apollo-persisted-query-manifest", "version": 1, "operations": `
	one := map[string]string{"a": "{ x }"}
	for _, tt := range []struct {
		name, text string
		want       map[string]string // nil for none
		refused    string
	}{
		{"Apollo", apollo + `[{"id": "a", "name": "A", "type": "query", "body": "{ x }"}]}`, one, ""},
		{"Apollo, of two", apollo + `[{"id": "a", "body": "{ x }"}, {"id": "b", "body": "{ y }"}]}`, map[string]string{"a": "{ x }", "b": "{ y }"}, ""},
		{"Apollo, of none", apollo + `[]}`, map[string]string{}, ""},
		{"Relay and GraphQL Codegen", `{"a": "{ x }"}`, one, ""},
		{"of none", `{}`, map[string]string{}, ""},
		{"a document that is called format", `{"format": "{ x }", "a": "{ x }"}`, nil, "its format is"},
		{"Apollo, a later version", strings.Replace(apollo, "1", "2", 1) + `[]}`, nil, "its format is"},
		{"another format", `{"format": "other", "version": 1, "operations": []}`, nil, "its format is"},
		{"Apollo, without an id", apollo + `[{"body": "{ x }"}]}`, nil, "it is no manifest"},
		{"Apollo, without a text", apollo + `[{"id": "a"}]}`, nil, "it is no manifest"},
		{"an empty id", `{"": "{ x }"}`, nil, "it is no manifest"},
		{"an empty text", `{"a": ""}`, nil, "it is no manifest"},
		{"a text that is none", `{"a": 7}`, nil, "it is no manifest"},
		{"an id twice", `{"a": "{ x }", "a": "{ y }"}`, nil, "it is no manifest"},
		{"a list", `[{"id": "a", "body": "{ x }"}]`, nil, "it is no manifest"},
		{"null", `null`, nil, "it is no manifest"},
		{"cut", `{"a": "{ x`, nil, "it is no manifest"},
		{"more than one", `{"a": "{ x }"} {}`, nil, "it is no manifest"},
		{"nothing", ``, nil, "it is no manifest"},
	} {
		got, err := parse([]byte(tt.text))
		if tt.want == nil {
			if err == nil || !strings.HasPrefix(err.Error(), tt.refused) {
				t.Errorf("%s: got %v, %v, want %q", tt.name, got, err, tt.refused)
			}
		} else if err != nil || !maps.Equal(got, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

// TestOpenTrusted reads a manifest of which some documents are not valid: they are
// not trusted, and the log names some of them and quotes none.
func TestOpenTrusted(t *testing.T) {
	var text strings.Builder
	text.WriteString(`{"good": "{ x }"`)
	for i := range 15 {
		fmt.Fprintf(&text, `, "bad%02d": "{ secret%d }"`, i, i)
	}
	path := filepath.Join(t.TempDir(), "manifest.json")
	if err := os.WriteFile(path, []byte(text.String()+"}"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	check := func(text string) error {
		if strings.Contains(text, "secret") {
			return errors.New("it has no such field")
		}
		return nil
	}
	trusted, err := OpenTrusted(path, check, slog.New(slog.NewJSONHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if text, found := trusted.Text("good"); !found || text != "{ x }" || !trusted.Has("{ x }") || trusted.Len() != 1 {
		t.Errorf("of %d documents the good one is %q, %t", trusted.Len(), text, found)
	}
	if _, found := trusted.Text("bad00"); found || trusted.Has("{ secret0 }") {
		t.Error("what is not valid is trusted")
	}
	if said := log.String(); !strings.Contains(said, `"count":15`) || !strings.Contains(said, "bad09") || strings.Contains(said, "bad10") || strings.Contains(said, "secret") {
		t.Errorf("the log has %s", said)
	}
	if _, err := OpenTrusted(path+".none", check, slog.New(slog.DiscardHandler)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
