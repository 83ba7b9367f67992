package telemetry

import "github.com/prometheus/client_golang/prometheus"

// RegisterLog registers the metric of the log: dropped is how many of its lines are lost.
func RegisterLog(registry prometheus.Registerer, dropped func() uint64) {
	registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: namespace, Name: "log_lines_dropped_total",
		Help: "Lines of the log that were lost, because nobody read them in time or they could not be written.",
	}, func() float64 { return float64(dropped()) }))
}
