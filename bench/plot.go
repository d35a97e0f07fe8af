package main

import (
	"fmt"
	"math"
	"strings"
)

// Measures of the plot, in pixels.
const (
	plotWidth  = 840
	plotLeft   = 232 // where the bars begin
	plotRight  = 84  // beyond the longest bar, for its label
	barHeight  = 14
	barStep    = 18 // from a bar of a variant to its next
	variantGap = 12
	headHeight = 46 // of a panel
)

// plot draws the calls and the median time of each variant as bars on
// logarithmic scales. The colours follow the reader's light or dark mode.
func plot(r *Report) []byte {
	var s strings.Builder
	body, height := panels(r)
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="t">
<title id="t">Calls to Drift and median time of the inbox query, by variant</title>
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 }
.note, .tick { font-size: 11px; fill: #59636e }
.grid { stroke: #d1d9e0 }
.b0 { fill: #7c8792 } .b1 { fill: #2f6fd0 } .b2 { fill: #b4540a } .b3 { fill: #6f42c1 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.note, .tick { fill: #9198a1 }
.grid { stroke: #3d444d }
.b0 { fill: #8b949e } .b1 { fill: #5c9dff } .b2 { fill: #f0883e } .b3 { fill: #b392f0 }
}
</style>
%s</svg>
`, plotWidth, height, plotWidth, height, body)
	return []byte(s.String())
}

// A series is a value for each variant, drawn in one colour.
type series struct {
	label  string
	class  string
	format string
	values []float64
}

func panels(r *Report) (body string, height int) {
	var s strings.Builder
	latencies := r.latencies()
	calls := series{class: "b1", format: "%.0f"}
	for _, name := range r.variants() {
		calls.values = append(calls.values, r.of(name, latencies[0]).Calls)
	}
	height = panel(&s, 0, "Calls to Drift for one inbox query", r.variants(), []series{calls})

	var times []series
	for i, latency := range latencies {
		t := series{label: fmt.Sprintf("Drift answers in %g ms", latency), class: fmt.Sprintf("b%d", i%4), format: "%.3g ms"}
		for _, name := range r.variants() {
			t.values = append(t.values, r.of(name, latency).P50)
		}
		times = append(times, t)
	}
	height = panel(&s, height, "Median time of one inbox query, ms", r.variants(), times)
	return s.String(), height
}

// panel draws bars below top, and returns where it ends.
func panel(s *strings.Builder, top int, title string, variants []string, groups []series) (bottom int) {
	lowest, highest := math.Inf(1), 0.0
	for _, g := range groups {
		for _, v := range g.values {
			if v > 0 {
				lowest, highest = min(lowest, v), max(highest, v)
			}
		}
	}
	from, to := 0.0, 1.0 // the powers of ten that the scale spans
	if highest > 0 {
		from, to = math.Floor(math.Log10(lowest)), math.Ceil(math.Log10(highest))
	}
	from = min(from, 0)
	to = max(to, from+1)
	x := func(v float64) float64 {
		return plotLeft + (math.Log10(v)-from)/(to-from)*(plotWidth-plotLeft-plotRight)
	}

	fmt.Fprintf(s, "<text class=\"head\" x=\"8\" y=\"%d\">%s</text>\n", top+20, title)
	legend := plotLeft
	for _, g := range groups {
		if g.label != "" {
			fmt.Fprintf(s, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"10\" height=\"10\"/><text class=\"note\" x=\"%d\" y=\"%d\">%s</text>\n",
				g.class, legend, top+30, legend+15, top+39, g.label)
			legend += 165
		}
	}
	y := top + headHeight
	bottom = y + len(variants)*(len(groups)*barStep+variantGap)
	for power := from; power <= to; power++ {
		at := x(math.Pow(10, power))
		fmt.Fprintf(s, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/><text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
			at, at, y, bottom, at, bottom+14, math.Pow(10, power))
	}
	for i, name := range variants {
		middle := y + (variantGap+len(groups)*barStep)/2
		fmt.Fprintf(s, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", plotLeft-10, middle+4, name)
		for j, g := range groups {
			v, end := g.values[i], float64(plotLeft)
			line := y + variantGap/2 + j*barStep + (barStep-barHeight)/2
			if v > 0 {
				end = x(v)
				fmt.Fprintf(s, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>", g.class, plotLeft, line, end-plotLeft, barHeight)
			}
			fmt.Fprintf(s, "<text class=\"note\" x=\"%.1f\" y=\"%d\">%s</text>\n", end+6, line+barHeight-3, fmt.Sprintf(g.format, v))
		}
		y += len(groups)*barStep + variantGap
	}
	return bottom + 34
}
