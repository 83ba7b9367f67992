package stress

import (
	"fmt"
	"slices"
	"strings"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/report"
)

// result is a row of the table.
type result struct {
	name, about           string
	requests              int64 // to the upstream, during the load
	atOnce                int   // the greatest number of concurrent upstream requests
	before, during, after *normalReplies
	peak, group           int // memory of the process, and of its control group with the kernel's buffers, in bytes
	notes                 []string
	series                []int // of memory, in bytes, each second
	err                   error
}

// table returns the table of all results, or "" if there are none.
func (o *options) table() string {
	var t report.Table
	if len(o.results) == 0 {
		return ""
	}
	t.Printf("\n## Stress\n\n")
	switch {
	case o.fallback != "":
		t.Printf("Without a control group (%s): the memory limit of the gateway is %d MiB.\n",
			o.fallback, fallbackLimit>>20)
	case o.goMemLimit != "":
		t.Printf("In a control group of %d MiB, with GOMEMLIMIT=%s.\n", memoryLimit>>20, o.goMemLimit)
	default:
		t.Printf("In a control group of %d MiB.\n", memoryLimit>>20)
	}
	t.Printf("A normal client requests %d pages in memory per second, and %d that are not "+
		"(cold). Latencies are in milliseconds, before and during the load. "+
		"Memory is the peak of the process and of its control group.\n",
		load.NormalPerSecond, coldPerSecond)
	t.Head("scenario", "upstream requests", "at once", "errors", "p50", "p99", "cold p50", "cold max", "MiB", "outcome")
	for _, r := range o.results {
		t.Row(r.cells()...)
	}
	for _, r := range o.results {
		if r.err != nil {
			t.Printf("\n%s: %s.\n", r.name, firstLines(r.err.Error(), 12))
		}
		if r.name == everythingName && len(r.series) > 60 {
			t.Head("minute", "least MiB", "median", "most")
			for i, m := range minutes(r.series) {
				t.Row(fmt.Sprint(i+1), report.Mebibytes(m[0]), report.Mebibytes(m[len(m)/2]), report.Mebibytes(m[len(m)-1]))
			}
		}
	}
	return t.String()
}

// minutes returns the samples of each minute of a series, sorted.
func minutes(series []int) [][]int {
	all := slices.Collect(slices.Chunk(slices.Clone(series), 60))
	for _, minute := range all {
		slices.Sort(minute)
	}
	return all
}

// flat returns an error if memory still grows after the caches have had half of the time to fill: by more than a
// fifth, and by more than 50 MiB, from the minute in the middle to the last whole one. For less than six minutes it
// returns nil.
func flat(series []int) error {
	all := minutes(series[:len(series)/60*60])
	if len(all) < 6 {
		return nil
	}
	middle, last := all[len(all)/2][30], all[len(all)-1][30]
	if last-middle > max(middle/5, 50<<20) {
		return fmt.Errorf("memory grows: %s MiB in the middle, %s at the end",
			report.Mebibytes(middle), report.Mebibytes(last))
	}
	return nil
}

func (r *result) cells() []string {
	outcome := "passed"
	if r.err != nil {
		outcome = "FAILED"
	}
	if len(r.notes) > 0 {
		outcome += "; " + strings.Join(r.notes, ", ")
	}
	if r.during == nil {
		return []string{r.name, "–", "–", "–", "–", "–", "–", "–", "–", outcome}
	}
	memory := report.Mebibytes(r.peak)
	if r.group > 0 {
		memory += " / " + report.Mebibytes(r.group)
	}
	two := func(of func(*normalReplies) string) string { return of(r.before) + " / " + of(r.during) }
	return []string{
		r.name, fmt.Sprint(r.requests), fmt.Sprint(r.atOnce),
		r.during.errors(),
		two(func(n *normalReplies) string { return n.hot.Latency(50) }),
		two(func(n *normalReplies) string { return n.hot.Latency(99) }),
		two(func(n *normalReplies) string { return n.cold.Latency(50) }),
		two(func(n *normalReplies) string { return n.cold.Latency(100) }),
		memory, outcome,
	}
}

// firstLines returns the beginning of a text that may contain the log of a process.
func firstLines(text string, most int) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = fmt.Sprintf("%.400s", lines[i])
	}
	if len(lines) > most {
		lines = append(lines[:most], "…")
	}
	return strings.Join(lines, "\n")
}
