package graph_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/graph"
	"revox-graphql/upstream"
	"revox-graphql/upstream/pagecache"
	"revox-graphql/upstream/rest"
)

// noCacheGateway is a gateway in the time of a bubble, that honours no-cache once per second, and counts what it asks.
type noCacheGateway struct {
	http.Handler
	list  *clockList
	cache *pagecache.Cache

	mu      sync.Mutex
	asked   map[string]int // requests to upstream by key and page number
	refresh []bool         // of the pages that were asked of the cache, whether they were to be refreshed
}

func (g *noCacheGateway) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	g.mu.Lock()
	g.refresh = append(g.refresh, opts.Refresh)
	g.mu.Unlock()
	return g.cache.ListCalls(ctx, opts)
}

func (g *noCacheGateway) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	g.asked[r.Header.Get("Authorization")+" "+r.URL.Query().Get("page")]++
	g.mu.Unlock()
	return g.list.RoundTrip(r)
}

func newNoCacheGateway(t *testing.T) *noCacheGateway {
	t.Helper()
	g := &noCacheGateway{asked: map[string]int{}, list: &clockList{
		began: time.Now(), latency: func() time.Duration { return 10 * time.Millisecond },
		down: func(time.Time) bool { return false },
	}}
	c := rest.NewClient(rest.Options{
		BaseURL: &url.URL{Scheme: "http", Host: "upstream.test"}, Transport: g,
	})
	t.Cleanup(c.Close)
	g.cache = pagecache.New(c, pagecache.Options{
		TTL: 15 * time.Second, Revalidate: 15 * time.Second, MaxBytes: 64 << 20, Timeout: 30 * time.Second, MaxWaiters: 4,
	})
	t.Cleanup(g.cache.Close)
	handler, err := graph.NewHandler(graph.Options{
		Calls: g, Known: g.cache, Cached: true, ResponseCacheBytes: 1 << 20, NoCacheInterval: time.Second,
		Authenticate: withKeys,
		PageSize:     20, MaxCount: 100, MaxShift: 1000, MaxScan: 20, Timeout: 30 * time.Second,
		Limits: limits, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	g.Handler = handler
	return g
}

// ask asks for the first 20 calls, and returns the Age of the response.
func (g *noCacheGateway) ask(t *testing.T, key string, noCache bool) (age int) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/graphql?query="+url.QueryEscape(`{ calls { nodes { id } } }`), http.NoBody)
	r.Header.Set("Authorization", "Bearer "+key)
	if noCache {
		r.Header.Set("Cache-Control", "no-cache")
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if strings.Contains(w.Body.String(), `"errors"`) {
		t.Errorf("got %s", w.Body)
	}
	age, _ = strconv.Atoi(w.Header().Get("Age"))
	return age
}

// However often a client asks with no-cache, upstream is asked for each page once a second, for each key; and what is
// shown is no older than that.
func TestNoCacheIsHonouredOncePerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newNoCacheGateway(t)
		for range 500 {
			time.Sleep(20 * time.Millisecond)
			for _, key := range []string{"one", "two"} {
				if age := g.ask(t, key, true); age > 1 {
					t.Errorf("it is %d s old", age)
				}
			}
		}
		for _, key := range []string{"one", "two"} {
			if n := g.asked["Bearer "+key+" 0"]; n < 5 || n > 12 {
				t.Errorf("%s was asked for %d times in %v", key, n, time.Since(g.list.began))
			}
		}
	})
}

// The first request with no-cache after a while takes nothing that was read before.
func TestNoCacheIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newNoCacheGateway(t)
		for want, noCache := range []bool{false, true, true, false} {
			g.ask(t, "one", noCache)
			if got := g.asked["Bearer one 0"]; got != []int{1, 2, 2, 2}[want] {
				t.Errorf("request %d: %d requests to upstream", want, got)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if !slices.Equal(g.refresh, []bool{false, true, true}) { // the last response was cached
			t.Errorf("refreshes: %v", g.refresh)
		}
		time.Sleep(time.Second)
		g.ask(t, "one", true)
		if got := g.asked["Bearer one 0"]; got != 3 {
			t.Errorf("a second later: %d requests to upstream", got)
		}
	})
}

// A request with no-cache of one key says nothing about the pages of another.
func TestNoCacheOfOneKeyOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newNoCacheGateway(t)
		g.ask(t, "one", true)
		for want, noCache := range []bool{false, true} {
			time.Sleep(100 * time.Millisecond)
			g.ask(t, "two", noCache)
			if got := g.asked["Bearer two 0"]; got != want+1 {
				t.Errorf("%d requests to upstream", got)
			}
		}
	})
}
