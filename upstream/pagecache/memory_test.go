//go:build !race

// The race detector takes memory of its own.

package pagecache

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"testing"
	"time"

	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/rest"
)

// counting calls a handler without a network, and counts the bytes of its responses.
type counting struct {
	http.Handler
	bytes int
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	response := httptest.NewRecorder()
	c.ServeHTTP(response, r)
	c.bytes += response.Body.Len()
	return response.Result(), nil
}

// newMeasured makes a cache over a client that calls the fake without a network.
func newMeasured(maxBytes int) (*Cache, *counting) {
	noon := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	api := &counting{Handler: fake.New(fake.Config{Seed: 1, Calls: 20_000, Now: func() time.Time { return noon }})}
	return New(rest.NewClient(rest.Options{
		BaseURL: &url.URL{Scheme: "http", Host: "upstream.test", Path: "/api"}, Transport: api,
	}), Options{TTL: time.Hour, MaxBytes: maxBytes}), api
}

// heap returns the bytes of live objects.
func heap() float64 {
	runtime.GC()
	runtime.GC() // the second run frees the contents of pools
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}

// However many pages pass through the cache, its memory stays within the bound, and nothing of evicted pages is left.
func TestHeapStaysWithinTheBound(t *testing.T) {
	const bound = 64 << 20
	cache, _ := newMeasured(bound)
	defer cache.Close()
	before, most := heap(), 0.0
	read := 0
	for size := 20; read < 10_000; size++ { // none of these pages covers a larger one
		for number := range 20_000 / size {
			if _, err := cache.ListCalls(t.Context(), ask(number, size)); err != nil {
				t.Fatal(err)
			}
			if read++; read%200 == 0 {
				most = max(most, heap()-before)
			}
		}
	}
	stats := cache.Stats()
	t.Logf("%d pages: %.2f times the bound at most, %d evictions, %d left", read, most/bound, stats.Evictions, stats.Pages)
	if most > 1.1*bound || most < 0.9*bound {
		t.Errorf("the heap takes %.2f times the bound", most/bound)
	}
	if int(stats.Evictions)+stats.Pages != read {
		t.Errorf("%d pages were read, %d evicted, and %d are left", read, stats.Evictions, stats.Pages)
	}
}

// A thousand pages in memory take little more than the bytes of their JSON, and as much as the cache counts.
func TestMemory(t *testing.T) {
	cache, api := newMeasured(1 << 30)
	defer cache.Close()
	read := func(size int) {
		for number := range 200 {
			if page, err := cache.ListCalls(t.Context(), ask(number, size)); err != nil || page.Size != size {
				t.Fatalf("page %d of size %d: %v", number, size, err)
			}
		}
	}
	read(95) // the fake and the client now have their caches
	before, believed := heap(), cache.bytes
	api.bytes = 0
	for size := 96; size <= 100; size++ { // none of these pages covers a larger one
		read(size)
	}
	grown := heap() - before
	t.Logf("%d pages: %.3f times the bytes of their JSON", cache.pages.Len()-200, grown/float64(api.bytes))
	if ratio := grown / float64(api.bytes); ratio > 1.3 {
		t.Errorf("the heap takes %.2f times the JSON", ratio)
	}
	if ratio := grown / float64(cache.bytes-believed); ratio < 0.9 || ratio > 1.1 {
		t.Errorf("the heap takes %.2f times what the cache counts", ratio)
	}
}
