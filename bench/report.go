package main

import (
	"fmt"
	"io"
	"strings"
)

// of returns the result of a variant at a latency, nil if it was left out.
func (r *Report) of(variant string, latency float64) *Result {
	for i := range r.Results {
		if r.Results[i].Variant == variant && r.Results[i].Latency == latency {
			return &r.Results[i]
		}
	}
	return nil
}

// variants returns the names of the variants in the order in which they are
// shown, the dearest first.
func (r *Report) variants() []string {
	names := []string{naive, withLoaders, handWritten, cold, warm}
	if !r.RedisLeftOut {
		names = append(names, shared)
	}
	return names
}

// latencies returns the latencies in the order in which they were measured.
func (r *Report) latencies() []float64 {
	var list []float64
	for _, result := range r.Results {
		if len(list) == 0 || list[len(list)-1] != result.Latency {
			list = append(list, result.Latency)
		}
	}
	return list
}

// print writes a table for each latency, and how the bars are met, in Markdown.
func (r *Report) print(w io.Writer) {
	for _, latency := range r.latencies() {
		fmt.Fprintf(w, "Drift answers in %g ms; × is against the hand-written client:\n\n", latency)
		base := r.of(handWritten, latency)
		rows := [][]string{{"", "calls", "p50", "p99", "CPU", "queries/s", "allocations", "allocated"}}
		for _, name := range r.variants() {
			v := r.of(name, latency)
			rows = append(rows, []string{
				name,
				ratio("%.4g", v.Calls, base.Calls),
				ratio("%.1f ms", v.P50, base.P50),
				ratio("%.1f ms", v.P99, base.P99),
				ratio("%.2f ms", v.CPU, base.CPU),
				ratio("%.0f", v.RPS, base.RPS),
				ratio("%.0f", v.Mallocs, base.Mallocs),
				ratio("%.1f MB", v.Bytes/1e6, base.Bytes/1e6),
			})
		}
		table(w, rows)
	}
	if r.RedisLeftOut {
		fmt.Fprint(w, "Redis is left out: no redis-server.\n\n")
	}
	rows := [][]string{{"Bar", "measured", ""}}
	for _, b := range r.bars() {
		verdict := "met"
		if !b.met {
			verdict = "**missed**"
		}
		rows = append(rows, []string{b.name, b.measured, verdict})
	}
	table(w, rows)
	for _, call := range r.DifferentURLs {
		fmt.Fprintln(w, "Not asked for by both the gateway and the hand-written client:", call)
	}
}

func ratio(format string, v, base float64) string {
	text := fmt.Sprintf(format, v)
	switch {
	case v == 0 || base == 0 || v == base:
		return text
	case v < base/10:
		return fmt.Sprintf("%s (%.2f×)", text, v/base)
	}
	return fmt.Sprintf("%s (%.3g×)", text, v/base)
}

// table writes rows, the first of them the head, as a table that is also
// readable as it is.
func table(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	line := func(cells []string, fill string) {
		for i, cell := range cells {
			fmt.Fprintf(w, "| %s%s ", cell, strings.Repeat(fill, widths[i]-len([]rune(cell))))
		}
		fmt.Fprintln(w, "|")
	}
	line(rows[0], " ")
	line(make([]string, len(rows[0])), "-")
	for _, row := range rows[1:] {
		line(row, " ")
	}
	fmt.Fprintln(w)
}

// A bar is what the design asks for.
type bar struct {
	name, measured string
	met            bool
}

func (r *Report) bars() []bar {
	var bars []bar
	for _, latency := range r.latencies() {
		hand, ours, kept := r.of(handWritten, latency), r.of(cold, latency), r.of(warm, latency)
		at := fmt.Sprintf(" at %g ms", latency)
		bars = append(bars, bar{"cold: the calls of the hand-written client" + at, fmt.Sprintf("%.4g", ours.Calls), ours.Calls <= hand.Calls})
		if latency > 0 {
			bars = append(bars, bar{
				"cold: p50 at most 10 % or 3 ms over the hand-written client" + at,
				fmt.Sprintf("%+.1f ms, %+.1f %%", ours.P50-hand.P50, 100*(ours.P50/hand.P50-1)),
				ours.P50 <= max(1.1*hand.P50, hand.P50+3),
			})
		}
		bars = append(bars,
			bar{"cold: CPU at most 1.25 × the hand-written client" + at, fmt.Sprintf("%.2f ×", ours.CPU/hand.CPU), ours.CPU <= 1.25*hand.CPU},
			bar{"warm: no calls" + at, fmt.Sprintf("%.4g", kept.Calls), kept.Calls == 0},
		)
		if v := r.of(shared, latency); v != nil {
			bars = append(bars, bar{"first query of a new process over a filled Redis: no calls" + at, fmt.Sprintf("%.4g", v.Calls), v.Calls == 0})
		}
		if kept.RSS > 0 {
			bars = append(bars, bar{"at most 64 MiB resident after a load of cached queries" + at, fmt.Sprintf("%.0f MiB", kept.RSS/(1<<20)), kept.RSS <= 64<<20})
		}
	}
	return append(bars,
		bar{"start to the inbox out of the embedded sandbox: under 1 s", fmt.Sprintf("%.0f ms", r.SandboxInbox), r.SandboxInbox < 1000},
		bar{"start to the first answer with a token: at most 50 ms", fmt.Sprintf("%.0f ms", r.FirstAnswer), r.FirstAnswer <= 50},
	)
}
