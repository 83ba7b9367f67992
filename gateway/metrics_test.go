package gateway

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics with an address of their own are not at the gateway's.
func TestMetricsAddress(t *testing.T) {
	p := start(t, map[string]string{"GATEWAY_METRICS_LISTEN": "127.0.0.1:0"})
	match := regexp.MustCompile(`msg="serving metrics" url=(\S+)`).FindStringSubmatch(p.log.String())
	if match == nil {
		t.Fatalf("log: %s", p.log)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, match[1], http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, body := do(t, req)
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, "revox_graphql_requests_in_flight") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	req.Host = "evil.example"
	if resp, _ := do(t, req); resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a foreign name gets %d", resp.StatusCode)
	}
	if resp, body := p.get(t, "metrics"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("metrics at the gateway's own address: %d %s", resp.StatusCode, body)
	}
	for _, address := range []string{"9090", "here", "127.0.0.1:x"} {
		_, err := parse(map[string]string{"GATEWAY_METRICS_LISTEN": address})
		if err == nil || !strings.Contains(err.Error(), "GATEWAY_METRICS_LISTEN") {
			t.Errorf("%s: %v", address, err)
		}
	}
	taken := strings.TrimSuffix(strings.TrimPrefix(match[1], "http://"), "/metrics")
	_, err = serveMetrics(t.Context(), taken, newRegistry(), quiet())
	if err == nil || !strings.Contains(err.Error(), "GATEWAY_METRICS_LISTEN") {
		t.Errorf("an address in use: %v", err)
	}
}

// held is a metric whose collection lasts until the test releases it.
type held struct{ begun, goOn chan struct{} }

func (h held) Describe(ch chan<- *prometheus.Desc) {
	ch <- prometheus.NewDesc("held", "Held.", nil, nil)
}

func (h held) Collect(chan<- prometheus.Metric) {
	h.begun <- struct{}{}
	<-h.goOn
}

// At the address for anybody metrics are collected for one at a time.
func TestMetricsOneAtATime(t *testing.T) {
	registry, h := prometheus.NewRegistry(), held{make(chan struct{}, 2), make(chan struct{})}
	registry.MustRegister(h)
	handler := publicMetrics(registry)
	scrape := func() int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
		return w.Code
	}
	first := make(chan int)
	go func() { first <- scrape() }()
	<-h.begun
	second := make(chan int)
	go func() { second <- scrape() }()
	select {
	case <-h.begun:
		t.Error("metrics are collected twice at once")
		close(h.goOn)
		<-second
	case status := <-second:
		if status != http.StatusServiceUnavailable {
			t.Errorf("the second gets %d", status)
		}
		close(h.goOn)
	}
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first gets %d", status)
	}
}
