package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"revox-graphql/upstream/pagecache"
)

// cache collects the statistics of a page cache when they are asked for.
type cache struct {
	stats                    func() pagecache.Stats
	served, flights          *prometheus.Desc
	evictions                *prometheus.Desc
	pages, bytes, tenantsNow *prometheus.Desc
	waiting                  *prometheus.Desc
}

// RegisterCache registers the metrics of a page cache.
func RegisterCache(registry prometheus.Registerer, stats func() pagecache.Stats) {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "cache", name), help, labels, nil)
	}
	registry.MustRegister(&cache{
		stats: stats,
		served: describe(
			"served_total",
			"Pages served from memory: fresh, older while they were refreshed, or stale because Revox was failing.",
			"as",
		),
		flights: describe("missed_total",
			"Pages not in memory: asked for, awaited with others, or refused because too many waited.", "and"),
		evictions:  describe("evictions_total", "Pages that left memory before their time, to make room."),
		pages:      describe("pages", "Pages in memory."),
		bytes:      describe("bytes", "Memory that these pages take."),
		tenantsNow: describe("tenants", "Credentials that have pages in memory."),
		waiting:    describe("waiting", "GraphQL requests that wait for pages that are not in memory."),
	})
}

// Describe implements [prometheus.Collector].
func (c *cache) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements [prometheus.Collector].
func (c *cache) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n int) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n))
	}
	count(c.served, s.Hits, "fresh")
	count(c.served, s.Revalidated, "revalidated")
	count(c.served, s.Stale, "stale")
	count(c.flights, s.Misses, "asked")
	count(c.flights, s.Shared, "shared")
	count(c.flights, s.Refused, "refused")
	count(c.evictions, s.Evictions)
	gauge(c.pages, s.Pages)
	gauge(c.bytes, s.Bytes)
	gauge(c.tenantsNow, s.Tenants)
	gauge(c.waiting, s.Waiting)
}
