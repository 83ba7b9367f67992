package telemetry

import "github.com/prometheus/client_golang/prometheus"

// ServingOptions are counts of what was given up so that the gateway goes on serving.
type ServingOptions struct {
	LinesDropped func() uint64 // of the log
	StreamsCut   func() uint64 // requests over HTTP/2

	// Connections is how many connections clients have, and ConnectionsClosed how many were closed for others.
	Connections       func() int
	ConnectionsClosed func() uint64
}

// RegisterServing registers their metrics.
func RegisterServing(registry prometheus.Registerer, opts ServingOptions) {
	counter := func(name, help string, count func() uint64) {
		registry.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help},
			func() float64 { return float64(count()) },
		))
	}
	counter("log_lines_dropped_total",
		"Lines of the log that were lost, because nobody read them in time or they could not be written.", opts.LinesDropped)
	counter(
		"streams_cut_total",
		"Requests over HTTP/2 that were cut off because too many were open, and their clients had taken nothing for longest.",
		opts.StreamsCut,
	)
	counter("connections_closed_total",
		"Idle connections that were closed to make room for others.", opts.ConnectionsClosed)
	registry.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Namespace: namespace, Name: "connections", Help: "Connections of clients."},
		func() float64 { return float64(opts.Connections()) },
	))
}
