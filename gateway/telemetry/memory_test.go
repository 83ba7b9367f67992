package telemetry

import (
	"log/slog"
	"maps"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"revox-graphql/internal/memory"
)

// The metrics of memory are what the budget counts and does. Without a budget there are none.
func TestMemoryMetrics(t *testing.T) {
	// 800 bytes may be counted, and 500 with a large request.
	budget := memory.NewBudget(2000, 1000, slog.New(slog.DiscardHandler))
	pages, requests := budget.Account("page_cache"), budget.Account("requests_executing")
	budget.Shrinks(memory.ShrinkPages, pages, func(bytes int64) int64 {
		bytes = min(bytes, pages.Used())
		pages.Release(bytes)
		return bytes
	})
	pages.Add(500)
	requests.Reserve(300)
	requests.Reserve(700)
	registry := prometheus.NewRegistry()
	RegisterMemory(registry, nil)
	RegisterMemory(registry, budget)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var name strings.Builder
			name.WriteString(strings.TrimPrefix(family.GetName(), "revox_graphql_memory_"))
			for _, label := range metric.GetLabel() {
				name.WriteString(" " + label.GetName() + "=" + label.GetValue())
			}
			got[name.String()] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
		}
	}
	want := map[string]float64{
		"limit_bytes":                                         2000,
		"used_bytes account=page_cache":                       200, // none are evicted for the request that is rejected
		"used_bytes account=requests_executing":               300,
		"overload_actions_total action=shrink_response_cache": 0,
		"overload_actions_total action=shrink_page_cache":     1,
		"overload_actions_total action=reject_requests":       1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
