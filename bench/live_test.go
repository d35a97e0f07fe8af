package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/driftgraph/driftgraph/internal/redistest"
)

// TestBenchLive tells a few subscribers of a few webhooks.
func TestBenchLive(t *testing.T) {
	redistest.Reserve(t) // there must be one
	results := filepath.Join(t.TempDir(), "out.json")
	var out strings.Builder
	if err := run(t.Context(), []string{"live", "-subscribers=10", "-webhooks=3", "-idle=50", "-json", results}, &out); err != nil {
		t.Fatal(err)
	}
	var r LiveReport
	text, err := os.ReadFile(results)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Told) != 2 || len(r.Idle) != 1 {
		t.Fatalf("the report is %+v", r)
	}
	for i, each := range []int{10, 1} {
		told := r.Told[i]
		if told.Each != each || told.Subscribers != 10 || told.Webhooks != 3 || told.P50 <= 0 || told.P99 < told.P50 || told.Max < told.P99 || told.CPU <= 0 || told.Calls < 1 {
			t.Errorf("told is %+v", told)
		}
		if !strings.Contains(out.String(), told.Name) {
			t.Errorf("%q is not printed", told.Name)
		}
	}
	if idle := r.Idle[0]; idle.Subscribers != 50 || idle.Goroutines < 1 || idle.Process <= 0 {
		t.Errorf("idle is %+v", idle)
	}
}

func TestLiveFlags(t *testing.T) {
	for _, args := range []string{"-subscribers=0", "-webhooks=0", "-idle=x", "-idle=0", "-nothing"} {
		if _, err := parseLive([]string{args}, new(strings.Builder)); err == nil {
			t.Errorf("%s is taken", args)
		}
	}
}
