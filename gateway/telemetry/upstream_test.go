package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"revox-graphql/upstream"
	"revox-graphql/upstream/attempt"
	"revox-graphql/upstream/pagecache"
)

// gathered returns the values of all metrics by name and labels; the value of a histogram is its count.
func gathered(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var name strings.Builder
			name.WriteString(strings.TrimPrefix(family.GetName(), namespace+"_"))
			for _, label := range metric.GetLabel() {
				name.WriteString(" " + label.GetName() + "=" + label.GetValue())
			}
			values[name.String()] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue() +
				float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return values
}

func TestUpstreamIsCounted(t *testing.T) {
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	u := NewUpstream(registry, 10*time.Second, slog.New(slog.NewTextHandler(&log, nil)))
	mine, yours := upstream.NewCredential("mine").Tenant(), upstream.NewCredential("yours").Tenant()
	for range 2 {
		u.Attempted("ok", time.Second)
		u.Retried(upstream.KindTimeout)
		u.Replayed()
		u.Refused(upstream.KindOverloaded)
		u.FirstPage(mine, 1)
		u.PageSize(yours, 50)
		u.StatusesChecked(mine, false)
		u.Unrecognized("result", "robot")
		u.Unrecognized("mood", "")
	}
	u.BreakerOpened(mine)
	u.BreakerOpened(yours)
	u.BreakerClosed(mine)
	u.RateLowered(mine, 7)
	got := gathered(t, registry)
	for name, want := range map[string]float64{
		"upstream_request_duration_seconds result=ok":          2,
		"upstream_retries_total reason=timeout":                2,
		"upstream_replays_total":                               2,
		"upstream_rejected_total reason=overloaded":            2,
		"upstream_first_page":                                  1,
		"upstream_page_size_limit":                             50,
		"upstream_statuses_applied":                            0,
		"upstream_unrecognized_total field=result value=robot": 2,
		"upstream_unrecognized_total field=mood value=":        2,
		"upstream_circuit_breakers_open":                       1,
		"upstream_rate_limited_total":                          1,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s: %v, want %v", name, value, want)
		}
	}
	u.PageSize(yours, 0)
	if value := gathered(t, registry)["upstream_page_size_limit"]; value != 0 {
		t.Errorf("upstream serves larger pages again, and the limit is %v", value)
	}
	for text, times := range map[string]int{
		"robot": 1, "mood": 1, "first page": 1, "per page": 1,
		"GATEWAY_UPSTREAM_STATUSES_FORMAT": 1, "requestsPerSecond=7": 1,
	} {
		if n := strings.Count(log.String(), text); n != times {
			t.Errorf("%q is logged %d times", text, n)
		}
	}
}

// While upstream fails and requests come, a tenant counts as one with an open circuit breaker, and the log has one
// line. That ends with the first response, or some time after the last request.
func TestOpenBreakersAreCounted(t *testing.T) {
	const outage = 20 * time.Minute
	for name, test := range map[string]struct {
		every, took time.Duration
		err         *upstream.Error
	}{
		"upstream fails at once":    {100 * time.Millisecond, 0, &upstream.Error{Kind: upstream.KindUnavailable}},
		"it is silent":              {time.Second, 10 * time.Second, &upstream.Error{Kind: upstream.KindTimeout}},
		"there are few requests":    {25 * time.Second, 10 * time.Second, &upstream.Error{Kind: upstream.KindTimeout}},
		"it asks for a long pause":  {time.Second, 0, failedFor(attempt.LongestPause)},
		"and is slow, few requests": {25 * time.Second, 10 * time.Second, failedFor(attempt.LongestPause)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				registry := prometheus.NewRegistry()
				tenant := attempt.NewPool(attempt.Options{
					Timeout: 10 * time.Second, RetryDelay: attempt.DefaultRetryDelay, MaxConcurrent: 1, MaxTenantConcurrent: 1,
					MaxWaiting: 8, Observer: NewUpstream(registry, 10*time.Second, slog.New(slog.NewTextHandler(&log, nil))),
				}).Tenant(upstream.Tenant{1})
				send := func(err error) {
					_ = tenant.Do(t.Context(), attempt.Request{Sending: t.Context(), Budget: upstream.NewRequestBudget(1)},
						func(context.Context) error {
							time.Sleep(test.took)
							return err
						})
				}
				open := func() bool { return gathered(t, registry)["upstream_circuit_breakers_open"] == 1 }
				request := time.NewTicker(test.every)
				defer request.Stop()
				fail := func() {
					<-request.C
					go send(test.err)
					synctest.Wait()
				}
				for !open() {
					fail()
				}
				for start := time.Now(); time.Since(start) < outage; fail() {
					if !open() {
						t.Errorf("it is not counted %v after the beginning", time.Since(start))
						break
					}
				}
				if n := strings.Count(log.String(), "circuit breaker opened"); n != 1 {
					t.Errorf("it is logged %d times", n)
				}
				time.Sleep(3 * time.Minute)
				if open() {
					t.Error("it is counted long after the last request")
				}
				send(test.err)
				if !open() || strings.Count(log.String(), "circuit breaker opened") != 2 {
					t.Errorf("another outage: open is %v", open())
				}
				time.Sleep(time.Minute)
				send(nil)
				if open() {
					t.Error("it is counted after a response")
				}
			})
		})
	}
}

// failedFor is a 503 with `Retry-After`.
func failedFor(pause time.Duration) *upstream.Error {
	return &upstream.Error{Kind: upstream.KindUnavailable, Status: 503, RetryAfter: pause}
}

// Lower request rates are counted each time, and logged seldom.
func TestLowerRatesAreLoggedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		registry := prometheus.NewRegistry()
		u := NewUpstream(registry, 10*time.Second, slog.New(slog.NewTextHandler(&log, nil)))
		for i := range 60 {
			u.RateLowered(upstream.Tenant{byte(i)}, 7)
			time.Sleep(2 * time.Second)
		}
		if got := gathered(t, registry)["upstream_rate_limited_total"]; got != 60 {
			t.Errorf("%v are counted", got)
		}
		if n := strings.Count(log.String(), "\n"); n != 2 {
			t.Errorf("%d lines:\n%s", n, &log)
		}
	})
}

// Metrics without labels are 0 from the start, so that Prometheus sees the first increase; so are those of labels with
// an alert.
func TestMetricsBeginAtZero(t *testing.T) {
	registry := prometheus.NewRegistry()
	NewUpstream(registry, 10*time.Second, slog.New(slog.DiscardHandler))
	NewRequests(registry, RequestOptions{})
	got := gathered(t, registry)
	for _, name := range []string{
		"upstream_replays_total", "upstream_rate_limited_total", "response_bytes_total", "request_cost",
		"request_upstream_requests", "walk_drift_rows", "upstream_circuit_breakers_open",
		"last_internal_error_timestamp_seconds", "upstream_request_duration_seconds result=unauthenticated",
		"upstream_request_duration_seconds result=forbidden",
	} {
		if value, ok := got[name]; !ok || value != 0 {
			t.Errorf("%s: %v, %v", name, value, ok)
		}
	}
	if _, ok := got["upstream_statuses_applied"]; ok {
		t.Error("nothing is known yet of statuses")
	}
}

// The number of names from outside is bounded, and every occurrence is counted. The rest does not count as a field of
// that name.
func TestUnrecognizedLabelsAreBounded(t *testing.T) {
	registry := prometheus.NewRegistry()
	u := NewUpstream(registry, 10*time.Second, slog.New(slog.DiscardHandler))
	u.Unrecognized("other", "")
	for i := range 3*maxNames - 1 {
		u.Unrecognized(fmt.Sprint("field ", i), "")
	}
	got := gathered(t, registry)
	for field, want := range map[string]float64{"other": 1, "(other)": 2 * maxNames} {
		if n := got["upstream_unrecognized_total field="+field+" value="]; n != want {
			t.Errorf("%s: %v", field, n)
		}
	}
	series, sum := 0, 0.0
	for name, value := range got {
		if strings.HasPrefix(name, "upstream_unrecognized_total ") {
			series++
			sum += value
		}
	}
	if series != maxNames+1 || sum != 3*maxNames {
		t.Errorf("%d series of %v", series, sum)
	}
}

func TestCacheIsCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	RegisterCache(registry, func() pagecache.Stats {
		return pagecache.Stats{
			Hits: 1, Revalidated: 2, Stale: 3, Misses: 4, Shared: 5, Evictions: 6, Pages: 7, Bytes: 8, Tenants: 9,
			Refused: 10, Waiting: 11,
		}
	})
	got := gathered(t, registry)
	for name, want := range map[string]float64{
		"page_cache_hits_total state=fresh": 1, "page_cache_hits_total state=revalidated": 2, "page_cache_hits_total " +
			"state=stale": 3,
		"page_cache_misses_total result=fetched": 4, "page_cache_misses_total result=shared": 5,
		"page_cache_evictions_total": 6,
		"page_cache_pages":           7, "page_cache_bytes": 8, "page_cache_tenants": 9,
		"page_cache_misses_total result=rejected": 10, "page_cache_waiters": 11,
	} {
		if got[name] != want {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
}
