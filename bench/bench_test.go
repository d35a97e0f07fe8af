package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// TestMain is also what the variants' processes run.
func TestMain(m *testing.M) {
	if name := os.Getenv(variantKey); name != "" {
		fmt.Fprintln(os.Stderr, "bench:", serveVariant(name))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestBench runs all variants for a moment. That they answer the same is
// checked by the race itself.
func TestBench(t *testing.T) {
	dir := t.TempDir()
	results, drawing := filepath.Join(dir, "out.json"), filepath.Join(dir, "out.svg")
	var out strings.Builder
	if err := run(t.Context(), []string{"-latencies=0,1ms", "-samples=1", "-clients=2", "-load=1ms", "-json", results, "-svg", drawing}, &out); err != nil {
		t.Fatal(err)
	}

	var r Report
	text, err := os.ReadFile(results)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "Redis is left out") {
			t.Error("nothing says that Redis is left out")
		}
	} else if r.RedisLeftOut {
		t.Error("Redis is left out")
	}
	if got := fmt.Sprint(r.latencies()); got != "[0 1]" {
		t.Errorf("latencies are %s, want [0 1]", got)
	}
	for _, latency := range r.latencies() {
		calls := make(map[string]float64)
		for _, name := range r.variants() {
			v := r.of(name, latency)
			if v == nil {
				t.Fatalf("%s is missing at %g ms", name, latency)
			}
			calls[name] = v.Calls
			if v.P50 <= 0 || v.P99 < v.P50 || v.RPS <= 0 || v.CPU <= 0 || v.Mallocs <= 0 || v.Bytes <= 0 {
				t.Errorf("%s at %g ms: %+v", name, latency, *v)
			}
			if !strings.Contains(out.String(), "| "+name+" ") {
				t.Errorf("%s is not printed", name)
			}
		}
		if calls[cold] > calls[handWritten] || calls[handWritten] >= calls[withLoaders] || calls[withLoaders] >= calls[naive] {
			t.Errorf("calls at %g ms are %v", latency, calls)
		}
		if calls[warm] != 0 || calls[shared] != 0 {
			t.Errorf("calls of a full cache at %g ms are %v", latency, calls)
		}
	}
	if r.SandboxInbox <= 0 || r.FirstAnswer <= 0 {
		t.Errorf("no start was measured: %+v", r)
	}

	picture, err := os.ReadFile(drawing)
	if err != nil {
		t.Fatal(err)
	}
	var texts strings.Builder
	for doc := xml.NewDecoder(strings.NewReader(string(picture))); ; {
		token, err := doc.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the plot is not XML: %v", err)
		}
		if chars, ok := token.(xml.CharData); ok {
			texts.Write(chars)
		}
	}
	for _, name := range r.variants() {
		if strings.Count(texts.String(), name+"\n") != 2 {
			t.Errorf("%s is not in both panels of the plot", name)
		}
	}
}

func TestPercentile(t *testing.T) {
	times := make([]time.Duration, 200)
	for i := range times {
		times[i] = time.Duration(i + 1)
	}
	for _, tt := range []struct {
		times []time.Duration
		of    float64
		want  time.Duration
	}{
		{times, 50, 100},
		{times, 99, 198},
		{times, 0, 1},
		{times[:1], 50, 1},
		{times[:3], 99, 3},
	} {
		if got := percentile(tt.times, tt.of); got != tt.want {
			t.Errorf("percentile %g of %d is %d, want %d", tt.of, len(tt.times), got, tt.want)
		}
	}
}

func TestBars(t *testing.T) {
	r := Report{Results: []Result{
		{Variant: handWritten, Latency: 20, Calls: 148, P50: 80, CPU: 10},
		{Variant: cold, Latency: 20, Calls: 148, P50: 90, CPU: 12},
		{Variant: warm, Latency: 20, RSS: 65 << 20},
	}, FirstAnswer: 51, SandboxInbox: 80}
	var missed []string
	for _, b := range r.bars() {
		if !b.met {
			missed = append(missed, b.measured)
		}
	}
	if got, want := strings.Join(missed, ", "), "+10.0 ms, +12.5 %, 65 MiB, 51 ms"; got != want {
		t.Errorf("missed are %s, want %s", got, want)
	}
}
