package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/driftgraph/driftgraph/audit"
)

// TestLevel writes by a handler that shows errors only: the audit log is
// complete all the same.
func TestLevel(t *testing.T) {
	var b bytes.Buffer
	quiet := slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelError})
	audit.New(quiet, "key", slog.New(quiet)).Write(t.Context(), "requestDataDeletion", "maya@example.com", audit.Accepted)
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("the audit log has %q: %v", b.String(), err)
	}
	if line["operation"] != "requestDataDeletion" || line["result"] != "accepted" || line["caller"] != "anonymous" || line["audit"] != true {
		t.Errorf("the audit log has %v", line)
	}
}

// TestKey holds that only the key makes hashes comparable.
func TestKey(t *testing.T) {
	person := func(key, email string) any {
		var b bytes.Buffer
		h := slog.NewJSONHandler(&b, nil)
		audit.New(h, key, slog.New(h)).Write(t.Context(), "x", email, audit.Accepted)
		var line map[string]any
		if err := json.Unmarshal(b.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		return line["person"]
	}
	one := person("a", "maya@example.com")
	if one != person("a", "Maya@Example.com") {
		t.Error("the case of the address matters")
	}
	for name, other := range map[string]any{"key": person("b", "maya@example.com"), "address": person("a", "mia@example.com"), "key that is made up": person("", "maya@example.com")} {
		if one == other {
			t.Errorf("another %s gives the same hash", name)
		}
	}
	if person("", "maya@example.com") == person("", "maya@example.com") {
		t.Error("two keys that were made up are the same")
	}
}

// TestUnwritable has the audit log fail: the other log says so, and not whom it
// was about.
func TestUnwritable(t *testing.T) {
	var b bytes.Buffer
	l := audit.New(slog.NewJSONHandler(broken{}, nil), "key", slog.New(slog.NewTextHandler(&b, nil)))
	l.Write(t.Context(), "requestDataDeletion", "maya@example.com", audit.Accepted)
	if said := b.String(); !strings.Contains(said, "the audit log cannot be written") || !strings.Contains(said, "level=ERROR") || strings.Contains(said, "maya") {
		t.Errorf("the log has %q", said)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }
