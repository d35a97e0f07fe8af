package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/driftgraph/driftgraph/bench/probe"
	"github.com/driftgraph/driftgraph/internal/redistest"
)

// TestJudge holds which answers are allowed: none from before a version was, and
// none from after it was another for too long.
func TestJudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory("a contact")
		time.Sleep(time.Second)
		one := h.begin()
		time.Sleep(time.Second)
		early := time.Now()
		h.settle(one)
		time.Sleep(10 * time.Second)
		unsettled := h.begin()
		now := time.Now()
		tests := map[string]struct {
			version         int
			asked, answered time.Time
			allowed         time.Duration
			age             time.Duration
			wrong           string
		}{
			"the latest":                       {one, now, now, 0, 0, ""},
			"one that is not known to be":      {unsettled, now, now, 0, 0, ""},
			"one while it changes":             {0, early, now, 0, 0, ""},
			"an old one within what is let":    {0, now, now, 10 * time.Second, 10 * time.Second, ""},
			"an old one":                       {0, now, now, 9 * time.Second, 10 * time.Second, "10s after it was another"},
			"one that never was":               {3, now, now, time.Hour, 0, "there are 3"},
			"none":                             {-1, now, now, time.Hour, 0, "there are 3"},
			"one that was answered beforehand": {unsettled, early, early, time.Hour, 0, "10s before it was"},
		}
		for name, tt := range tests {
			age, err := h.judge(tt.version, tt.asked, tt.answered, func(time.Time) time.Duration { return tt.allowed })
			if age != tt.age || (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("%s: age %s, %v", name, age, err)
			}
		}
		if h.latest() != one {
			t.Errorf("the latest is %d", h.latest())
		}
	})
}

func TestSeasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s seasons
		start := time.Now()
		at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
		time.Sleep(10 * time.Second)
		s.begin()
		time.Sleep(10 * time.Second)
		s.end()
		for _, tt := range []struct {
			from, to int
			want     bool
		}{{0, 10, false}, {0, 11, true}, {12, 13, true}, {21, 22, true}, {24, 30, true}, {25, 30, false}} {
			if got := s.touch(at(tt.from), at(tt.to), 5*time.Second); got != tt.want {
				t.Errorf("from %d s to %d s it touches: %t", tt.from, tt.to, got)
			}
		}
		s.begin()
		if !s.touch(at(1000), at(1001), 0) {
			t.Error("a season that lasts is not touched")
		}
	})
}

// TestRising has one of the numbers of a process rise.
func TestRising(t *testing.T) {
	flat, bursts, rising := &watch{name: "flat"}, &watch{name: "bursts"}, &watch{name: "rising"}
	for i := range 30 {
		flat.samples = append(flat.samples, probe.Standing{Memory: 20e6 + uint64(i%3)*1e6, RSS: 60e6, Goroutines: 100 + i%10, Files: 20})
		rising.samples = append(rising.samples, probe.Standing{Memory: 20e6, RSS: 60e6, Goroutines: 100 + 20*i, Files: 20})
		busy := 0 // more and more often, with all given back in between
		if i%10 > 9-i/4 {
			busy = 64
		}
		bursts.samples = append(bursts.samples, probe.Standing{Memory: 20e6, RSS: 60e6, Goroutines: 100 + busy, Files: 20 + busy})
	}
	var out strings.Builder
	for _, w := range []*watch{flat, bursts} {
		if err := w.judge(&out); err != nil {
			t.Error(err)
		}
	}
	if err := rising.judge(&out); err == nil || !strings.Contains(err.Error(), "goroutines of rising") {
		t.Errorf("what rises is %v", err)
	}
	if strings.Count(out.String(), "RISING") != 1 {
		t.Errorf("it prints %s", &out)
	}
}

// TestSoak soaks for a moment.
func TestSoak(t *testing.T) {
	redistest.Reserve(t) // there must be one
	var out strings.Builder
	if err := run(t.Context(), []string{"-minutes=0.1"}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, word := range []string{"queries", "mutations", "webhooks", "events", "No answer was wrong"} {
		if !strings.Contains(out.String(), word) {
			t.Errorf("the report does not tell of %s:\n%s", word, &out)
		}
	}
}
