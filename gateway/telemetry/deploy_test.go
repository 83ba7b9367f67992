package telemetry

import (
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"revox-graphql/graph/admission"
	"revox-graphql/internal/memory"
	"revox-graphql/upstream/pagecache"
)

// described returns the names of all metrics as Prometheus stores them, also of those without a value yet.
func described(t *testing.T) map[string]bool {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	NewUpstream(registry, 10*time.Second, slog.New(slog.DiscardHandler))
	RegisterCache(registry, func() pagecache.Stats { return pagecache.Stats{} })
	RegisterClient(registry, func() (int, int) { return 0, 0 })
	RegisterBuild(registry, "v1")
	budget := memory.NewBudget(1, 1, slog.New(slog.DiscardHandler))
	budget.Account("one")
	RegisterMemory(registry, budget)
	RegisterServing(registry, Serving{})
	RegisterAdmission(registry, admission.New(1, 1, 1, nil))
	NewRequests(registry, RequestOptions{})
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		registry.Describe(descriptions)
	}()
	names := map[string]bool{}
	name := regexp.MustCompile(`fqName: "(\w+)"`)
	for d := range descriptions {
		match := name.FindStringSubmatch(d.String())
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			names[match[1]+suffix] = true
		}
	}
	return names
}

// Every metric that the dashboard, the alerts and the README name exists, and every metric of the gateway is on the
// dashboard.
func TestNamedMetricsExist(t *testing.T) {
	known := described(t)
	metric := regexp.MustCompile(`\b(revox_graphql|go|process)_\w+`)
	onDashboard := map[string]bool{}
	for _, path := range []string{
		"../../deploy/grafana/dashboard.json", "../../deploy/prometheus/alerts.yml",
		"../../README.md",
	} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		named := metric.FindAllString(string(content), -1)
		if len(named) == 0 && path != "../../README.md" {
			t.Errorf("%s names no metrics", path)
		}
		for _, name := range named {
			if !known[name] {
				t.Errorf("%s names %s, which does not exist", path, name)
			}
			if strings.HasSuffix(path, "dashboard.json") {
				onDashboard[regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")] = true
			}
		}
	}
	for name := range known {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, namespace+"_") && name == base && !onDashboard[name] {
			t.Errorf("%s is not on the dashboard", name)
		}
	}
}
