package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/driftgraph/driftgraph/bench/local"
	"github.com/driftgraph/driftgraph/bench/probe"
)

// A watch follows what a process holds.
type watch struct {
	name    string
	process *local.Process
	samples []probe.Standing
}

// sample adds a sample each pause, until ctx ends.
func (w *watch) sample(ctx context.Context, pause time.Duration) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		s, err := w.process.Probe.Standing(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s cannot be looked into: %w", w.name, err)
		}
		w.samples = append(w.samples, s)
	}
}

// A measure is one number of a sample, and how far the lowest of it may rise from
// the second third of the time to the last.
type measure struct {
	name  string
	unit  float64 // that it is shown in
	of    func(probe.Standing) float64
	ratio float64
	slack float64
}

var measures = []measure{
	{"heap and stacks, MB", 1e6, func(s probe.Standing) float64 { return float64(s.Memory) }, 1.2, 4e6},
	{"resident, MB", 1e6, func(s probe.Standing) float64 { return float64(s.RSS) }, 1.2, 8e6},
	{"goroutines", 1, func(s probe.Standing) float64 { return float64(s.Goroutines) }, 1.2, 50},
	{"open files", 1, func(s probe.Standing) float64 { return float64(s.Files) }, 1.2, 20},
}

// fewest is how many samples it takes to tell whether something rises.
const fewest = 9

// judge prints what the process held, and returns an error if it holds more and
// more.
func (w *watch) judge(out io.Writer) (err error) {
	if len(w.samples) < fewest {
		fmt.Fprintf(out, "%s: %d samples are too few to judge what it holds\n", w.name, len(w.samples))
		return nil
	}
	third := len(w.samples) / 3
	for _, m := range measures {
		first, second, last := m.least(w.samples[:third]), m.least(w.samples[third:2*third]), m.least(w.samples[2*third:])
		verdict := "flat"
		if last > second*m.ratio+m.slack {
			verdict = "RISING"
			err = fmt.Errorf("%s of %s rise from %.4g to %.4g", m.name, w.name, second/m.unit, last/m.unit)
		}
		fmt.Fprintf(out, "| %s | %s | %.4g | %.4g | %.4g | %s |\n", w.name, m.name, first/m.unit, second/m.unit, last/m.unit, verdict)
	}
	return err
}

// least returns the lowest of a number's values. Connections and goroutines come
// and go with the load, by dozens while Drift hangs; what is never given back
// raises the lowest of them too.
func (m measure) least(samples []probe.Standing) float64 {
	least := m.of(samples[0])
	for _, s := range samples[1:] {
		least = min(least, m.of(s))
	}
	return least
}
