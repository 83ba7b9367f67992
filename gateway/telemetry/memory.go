package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"revox-graphql/internal/memory"
)

// budget collects what is known of the process's memory when that is asked for.
type budget struct {
	*memory.Budget
	limit, used, actions *prometheus.Desc
}

// RegisterMemory registers the metrics of a memory budget; of none there are no metrics.
func RegisterMemory(registry prometheus.Registerer, b *memory.Budget) {
	if b == nil {
		return
	}
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "memory", name), help, labels, nil)
	}
	registry.MustRegister(&budget{
		Budget:  b,
		limit:   describe("limit_bytes", "Memory that the process may take; 0 is any."),
		used:    describe("used_bytes", "Memory that is counted, by what it is for.", "account"),
		actions: describe("overload_actions_total", "How often something was done because memory was scarce.", "action"),
	})
}

// Describe implements [prometheus.Collector].
func (b *budget) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(b, ch) }

// Collect implements [prometheus.Collector].
func (b *budget) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(b.limit, prometheus.GaugeValue, float64(b.Limit()))
	for _, account := range b.Accounts() {
		ch <- prometheus.MustNewConstMetric(b.used, prometheus.GaugeValue, float64(account.Used()), account.Name())
	}
	for _, action := range []memory.Action{memory.ShrinkResponses, memory.ShrinkPages, memory.RejectWork} {
		ch <- prometheus.MustNewConstMetric(b.actions, prometheus.CounterValue, float64(b.Taken(action)), action.String())
	}
}
