// Package telemetry reports what the gateway does: metrics for Prometheus, a log line and a trace for each request, and
// log lines for events that the operator should know once.
//
// requests.go reports each GraphQL request, upstream.go the requests to Revox, traces.go the spans, and metrics.go
// registers the metrics of the gateway's parts.
//
// The number of label values is bounded: names and values from outside get labels of their own only up to a limit, and
// no label holds a tenant. To add a metric whose value is read when Prometheus collects it, add a line to metrics.go
// ([RegisterServing], [RegisterCache] and others); to add one that is counted, to [NewRequests] or [NewUpstream]. Then
// add a panel to deploy/grafana/dashboard.json; a test compares the two.
package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"revox-graphql/graph/admission"
	"revox-graphql/internal/memory"
	"revox-graphql/upstream/pagecache"
)

// namespace begins the name of every metric.
const namespace = "revox_graphql"

// metrics makes metrics, and registers them.
type metrics struct{ promauto.Factory }

func newMetrics(registry prometheus.Registerer) metrics { return metrics{promauto.With(registry)} }

// counter makes a counter. Without labels it is 0 from the start: otherwise, Prometheus would not see the first
// increase. With labels it appears with its first value, so an alert that must not miss this value needs another
// metric, or the series from the start.
func (m metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	vec := m.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	if len(labels) == 0 {
		vec.WithLabelValues()
	}
	return vec
}

func (m metrics) gauge(name, help string) prometheus.Gauge {
	return m.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

// histogram makes a histogram, which exists from the start if it has no labels.
func (m metrics) histogram(name, help string, labels []string, buckets ...float64) *prometheus.HistogramVec {
	vec := m.NewHistogramVec(
		prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	if len(labels) == 0 {
		vec.WithLabelValues()
	}
	return vec
}

// readCounter makes a counter whose value is read when Prometheus collects it. label is the name and the value of a
// label, or nothing.
func (m metrics) readCounter(name, help string, read func() uint64, label ...string) {
	m.NewCounterFunc(prometheus.CounterOpts{
		Namespace: namespace, Name: name, Help: help, ConstLabels: labelOf(label),
	}, func() float64 { return float64(read()) })
}

// readGauge makes a gauge whose value is read when Prometheus collects it.
func (m metrics) readGauge(name, help string, read func() int) {
	m.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help},
		func() float64 { return float64(read()) })
}

func labelOf(pair []string) prometheus.Labels {
	if len(pair) == 0 {
		return nil
	}
	return prometheus.Labels{pair[0]: pair[1]}
}

// RegisterBuild registers the version of the program.
func RegisterBuild(registry prometheus.Registerer, version string) {
	promauto.With(registry).NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "1, with the version of the gateway.",
		ConstLabels: prometheus.Labels{"version": version},
	}).Set(1)
}

// Serving has the functions that read the server's state for metrics.
type Serving struct {
	LinesDropped    func() uint64 // how many lines of the log were lost
	StreamsReset    func() uint64 // how many requests over HTTP/2 were reset
	Connections     func() int    // how many connections of clients are open
	IdleClosed      func() uint64 // how many connections were closed to make room for others
	HeadersRejected func() uint64 // how many were closed because of the size of their headers
}

// RegisterServing registers the metrics of the server.
func RegisterServing(registry prometheus.Registerer, s Serving) {
	const closed, why = "connections_closed_total", "Connections that the gateway closed, by the reason: idle (to make " +
		"room for others) or headers (too many bytes of headers were on their way in)."
	m := newMetrics(registry)
	m.readGauge("connections", "Open connections of clients.", s.Connections)
	m.readCounter(closed, why, s.IdleClosed, "reason", "idle")
	m.readCounter(closed, why, s.HeadersRejected, "reason", "headers")
	m.readCounter("streams_reset_total", "Requests over HTTP/2 that the gateway reset because too many were open, and "+
		"their clients had read nothing for longest.", s.StreamsReset)
	m.readCounter("log_lines_dropped_total", "Lines of the log that were lost because nobody read them in time, or "+
		"because they could not be written.", s.LinesDropped)
}

// RegisterAdmission registers the metrics of admission control: how many requests are in flight, and how many were
// rejected because too many were.
func RegisterAdmission(registry prometheus.Registerer, control *admission.Controller) {
	m := newMetrics(registry)
	m.readGauge("requests_in_flight", "GraphQL requests that have been read and have no response yet.", control.InFlight)
	for _, reason := range admission.Reasons() {
		m.readCounter("requests_rejected_total", "GraphQL requests rejected with OVERLOADED, by the bound: in_flight "+
			"(GATEWAY_MAX_CONCURRENT_REQUESTS), body_bytes (of requests being read), memory "+
			"(GATEWAY_MEMORY_LIMIT) or waiting (for the responses of identical requests).",
			func() uint64 { return control.Rejected(reason) }, "reason", reason.String())
	}
}

// RegisterCache registers the metrics of a page cache.
func RegisterCache(registry prometheus.Registerer, stats func() pagecache.Stats) {
	const hits, served = "page_cache_hits_total", "Pages served from memory, by their state: fresh, revalidated (served " +
		"while they were read again) or stale (served because Revox was failing)."
	const misses, missed = "page_cache_misses_total", "Pages that were not in memory, by the result: fetched, shared " +
		"(the request waited for the fetch of another) or rejected (too many waited)."
	m := newMetrics(registry)
	m.readCounter(hits, served, func() uint64 { return stats().Hits }, "state", "fresh")
	m.readCounter(hits, served, func() uint64 { return stats().Revalidated }, "state", "revalidated")
	m.readCounter(hits, served, func() uint64 { return stats().Stale }, "state", "stale")
	m.readCounter(misses, missed, func() uint64 { return stats().Misses }, "result", "fetched")
	m.readCounter(misses, missed, func() uint64 { return stats().Shared }, "result", "shared")
	m.readCounter(misses, missed, func() uint64 { return stats().Refused }, "result", "rejected")
	m.readCounter("page_cache_evictions_total", "Pages evicted before their time, to make room.",
		func() uint64 { return stats().Evictions })
	m.readGauge("page_cache_pages", "Pages in memory.", func() int { return stats().Pages })
	m.readGauge("page_cache_bytes", "Memory of these pages.", func() int { return stats().Bytes })
	m.readGauge("page_cache_tenants", "Credentials that have pages in memory.", func() int { return stats().Tenants })
	m.readGauge("page_cache_waiters", "GraphQL requests that wait for pages that are not in memory.",
		func() int { return stats().Waiting })
}

// RegisterClient registers the load of an upstream client.
func RegisterClient(registry prometheus.Registerer, load func() (inFlight, waiting int)) {
	m := newMetrics(registry)
	m.readGauge("upstream_requests_in_flight", "Requests to Revox in flight.",
		func() int { n, _ := load(); return n })
	m.readGauge("upstream_requests_waiting", "Requests to Revox that wait for a slot.",
		func() int { _, n := load(); return n })
}

// RegisterMemory registers the metrics of a memory budget. For a nil budget it does nothing.
func RegisterMemory(registry prometheus.Registerer, b *memory.Budget) {
	if b == nil {
		return
	}
	m := newMetrics(registry)
	m.readGauge("memory_limit_bytes", "Maximum memory of the process; 0 is no limit.",
		func() int { return int(b.Limit()) })
	for _, action := range []memory.Action{memory.ShrinkResponses, memory.ShrinkPages, memory.RejectWork} {
		m.readCounter("memory_overload_actions_total",
			"How often the gateway shrank a cache to make room for requests, or rejected a request, by the action.",
			func() uint64 { return b.Taken(action) }, "action", action.String())
	}
	registry.MustRegister(accounts{b, prometheus.NewDesc(
		namespace+"_memory_used_bytes", "Memory in use as the gateway counts it, by its purpose.", []string{"account"}, nil,
	)})
}

// accounts collects the accounts of a budget, also those made after the registration.
type accounts struct {
	*memory.Budget
	used *prometheus.Desc
}

// Describe implements [prometheus.Collector].
func (a accounts) Describe(ch chan<- *prometheus.Desc) { ch <- a.used }

// Collect implements [prometheus.Collector].
func (a accounts) Collect(ch chan<- prometheus.Metric) {
	for _, account := range a.Accounts() {
		ch <- prometheus.MustNewConstMetric(a.used, prometheus.GaugeValue, float64(account.Used()), account.Name())
	}
}
