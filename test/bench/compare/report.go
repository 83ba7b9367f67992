package compare

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/dustin/go-humanize"

	"revox-graphql/test/bench/report"
)

// results are all measurements.
type results struct {
	options *options
	sets    []*requestSet
	samples map[cell][]*sample
	peak    map[string]int // in bytes, by server
	idle    int            // in bytes
	cold    []cold
}

// String returns the report as Markdown.
func (r *results) String() string {
	o := r.options
	var t report.Table
	t.Printf("Rounds: %d, of %d s each; wrk with %d threads and %d connections; "+
		"%d processors shared by all processes; %s.\n"+
		"Medians of the rounds, with the least and the greatest in parentheses. Ratios are of the same round.\n",
		o.rounds, o.seconds, o.threads, o.connections, runtime.NumCPU(), runtime.Version())
	names := []string{plainServer, cachedServer, executingServer, generatedServer}

	t.Head(slices.Concat([]string{"requests per second", "response"}, names,
		[]string{"cached / net/http", "executing / net/http", "executing / generated"})...)
	for _, q := range r.sets {
		t.Row(slices.Concat(
			[]string{q.label(), fmt.Sprintf("%.1f kB", float64(q.meanResponse())/1000)},
			r.medians(q, names, perSecond, func(n float64) string { return humanize.Comma(int64(n)) }),
			[]string{
				r.ratio(q, cachedServer, plainServer), r.ratio(q, executingServer, plainServer),
				r.ratio(q, executingServer, generatedServer),
			},
		)...)
	}
	t.Head(slices.Concat([]string{"CPU µs per request"}, names)...)
	for _, q := range r.sets {
		t.Row(slices.Concat([]string{q.label()},
			r.medians(q, names, func(s *sample) float64 { return float64(s.cpu) / 1e3 }, report.Decimals(0)))...)
	}
	for _, latency := range []struct {
		name string
		of   func(*sample) float64
	}{
		{"p50, ms", func(s *sample) float64 { return float64(s.p50) / 1e6 }},
		{"p99, ms", func(s *sample) float64 { return float64(s.p99) / 1e6 }},
	} {
		t.Head(slices.Concat([]string{latency.name}, names)...)
		for _, q := range r.sets {
			t.Row(slices.Concat([]string{q.label()}, r.medians(q, names, latency.of, report.Decimals(1)))...)
		}
	}

	t.Head("memory (RSS)", "MiB")
	for _, server := range names {
		t.Row(server+", peak", report.Mebibytes(r.peak[server]))
	}
	t.Row("gateway, just started", report.Mebibytes(r.idle))

	reportCold(&t, r.cold, o.workloads[0].label())
	return t.String()
}

func (w *workload) label() string { return w.name + ": " + w.about }

func perSecond(s *sample) float64 { return s.perSecond }

// each returns a figure of every round.
func (r *results) each(q *requestSet, server string, figure func(*sample) float64) []float64 {
	samples := r.samples[cell{q.name, server}]
	figures := make([]float64, len(samples))
	for i, s := range samples {
		figures[i] = figure(s)
	}
	return figures
}

// medians returns the medians of a figure for some servers.
func (r *results) medians(
	q *requestSet, names []string, figure func(*sample) float64, format func(float64) string,
) []string {
	texts := make([]string, len(names))
	for i, server := range names {
		texts[i] = "–"
		if figures := r.each(q, server, figure); len(figures) > 0 {
			texts[i] = format(report.Median(figures))
		}
	}
	return texts
}

// ratio returns the requests per second of one server divided by those of another: the median of the rounds, the least
// and the greatest.
func (r *results) ratio(q *requestSet, server, other string) string {
	ratios, others := r.each(q, server, perSecond), r.each(q, other, perSecond)
	if len(others) == 0 {
		return "–"
	}
	for i := range ratios {
		ratios[i] /= others[i]
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", report.Median(ratios), slices.Min(ratios), slices.Max(ratios))
}
