package metrics

import "github.com/prometheus/client_golang/prometheus"

// RegisterRequests registers how many GraphQL requests are under way, and how many were refused because too many were.
func RegisterRequests(registry prometheus.Registerer, inside func() int, shed func() uint64) {
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "requests_in_flight", Help: "GraphQL requests under way.",
		}, func() float64 { return float64(inside()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: namespace, Name: "requests_shed_total", Help: "GraphQL requests that were refused because too many were under way.",
		}, func() float64 { return float64(shed()) }),
	)
}
