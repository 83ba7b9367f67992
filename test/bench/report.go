package main

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/dustin/go-humanize"
)

// report is what was measured.
type report struct {
	options   *options
	questions []*questions
	samples   map[cell][]*sample
	peak      map[string]int // in bytes, by server
	idle      int            // in bytes
	cold      cold
}

// String is the report as Markdown.
func (r *report) String() string {
	o := r.options
	var t table
	t.printf("Rounds: %d, of %d s each; wrk with %d threads and %d connections; %d processors shared by all; %s.\n"+
		"Medians of the rounds; in parentheses the least and the most. Ratios are of the same round.\n",
		o.rounds, o.seconds, o.threads, o.connections, runtime.NumCPU(), runtime.Version())
	servers := []string{plainServer, rememberedServer, executingServer, generatedServer}

	t.head(slices.Concat([]string{"requests a second", "an answer"}, servers,
		[]string{"remembered / net/http", "executing / net/http", "executing / generated"})...)
	for _, q := range r.questions {
		t.row(slices.Concat(
			[]string{q.label(), fmt.Sprintf("%.1f kB", float64(q.meanAnswer())/1000)},
			r.medians(q, servers, perSecond, func(n float64) string { return humanize.Comma(int64(n)) }),
			[]string{
				r.ratio(q, rememberedServer, plainServer), r.ratio(q, executingServer, plainServer),
				r.ratio(q, executingServer, generatedServer),
			},
		)...)
	}
	t.head(slices.Concat([]string{"CPU µs a request"}, servers)...)
	for _, q := range r.questions {
		t.row(slices.Concat([]string{q.label()},
			r.medians(q, servers, func(s *sample) float64 { return float64(s.cpu) / 1e3 }, decimals(0)))...)
	}
	for _, latency := range []struct {
		name string
		of   func(*sample) float64
	}{
		{"p50, ms", func(s *sample) float64 { return float64(s.p50) / 1e6 }},
		{"p99, ms", func(s *sample) float64 { return float64(s.p99) / 1e6 }},
	} {
		t.head(slices.Concat([]string{latency.name}, servers)...)
		for _, q := range r.questions {
			t.row(slices.Concat([]string{q.label()}, r.medians(q, servers, latency.of, decimals(1)))...)
		}
	}

	t.head("memory (RSS)", "MiB")
	for _, server := range servers {
		t.row(server+", at its peak", mebibytes(r.peak[server]))
	}
	t.row("the gateway, just started", mebibytes(r.idle))

	through, direct := r.cold.gateway, r.cold.direct
	t.head(fmt.Sprintf("%d calls from an upstream that takes %v, ms", coldCalls, coldLatency), "p50", "p99")
	t.row("through the gateway", milliseconds(percentile(through, 50)), milliseconds(percentile(through, 99)))
	t.row("directly", milliseconds(percentile(direct, 50)), milliseconds(percentile(direct, 99)))
	t.row("difference", milliseconds(percentile(through, 50)-percentile(direct, 50)),
		milliseconds(percentile(through, 99)-percentile(direct, 99)))
	return t.String()
}

func (w *workload) label() string { return w.name + ": " + w.about }

func perSecond(s *sample) float64 { return s.perSecond }

// each is a figure of every round.
func (r *report) each(q *questions, server string, figure func(*sample) float64) []float64 {
	samples := r.samples[cell{q.name, server}]
	figures := make([]float64, len(samples))
	for i, s := range samples {
		figures[i] = figure(s)
	}
	return figures
}

// medians are the medians of a figure for some servers.
func (r *report) medians(q *questions, servers []string, figure func(*sample) float64, format func(float64) string) []string {
	texts := make([]string, len(servers))
	for i, server := range servers {
		texts[i] = format(median(r.each(q, server, figure)))
	}
	return texts
}

// ratio is how many times as many requests one server answers as another.
func (r *report) ratio(q *questions, server, other string) string {
	ratios, others := r.each(q, server, perSecond), r.each(q, other, perSecond)
	for i := range ratios {
		ratios[i] /= others[i]
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
}
