package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"revox-graphql/gateway/config"
	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
)

// wired is an engine with an upstream of so many calls, and settings by their variables in pairs.
func wired(t *testing.T, calls int, env ...string) (*fake.Upstream, *engine) {
	t.Helper()
	return wiredTo(t, nil, quiet(), calls, env...)
}

// wiredTo is wired with a memory budget and a log.
func wiredTo(
	t *testing.T, budget *memory.Budget, log *slog.Logger, calls int, env ...string,
) (*fake.Upstream, *engine) {
	t.Helper()
	list := fake.New(fake.Config{Seed: 1, Calls: calls})
	server := httptest.NewServer(list)
	t.Cleanup(server.Close)
	all := map[string]string{"REVOX_BASE_URL": server.URL, "GATEWAY_UPSTREAM_FIRST_PAGE": "0", "GATEWAY_CACHE_TTL": "1h"}
	for i := 0; i < len(env); i += 2 {
		all[env[i]] = env[i+1]
	}
	s, err := parse(all)
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEngine(s, nil, newRegistry(), budget, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.stop)
	return list, e
}

// answers is the engine's response to a query with a key, which counts only with forwarding. The header is in pairs.
func (e *engine) responses(ctx context.Context, key, query string, header ...string) string {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(`{"query": "`+query+`"}`))
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	e.graphQL.ServeHTTP(w, r)
	return w.Body.String()
}

// GATEWAY_CACHE_TENANT_BYTES bounds the pages of one credential, whatever room there is for all.
func TestTenantsBytesAreBounded(t *testing.T) {
	const first = `{ calls(first: 1) { nodes { id } } }`
	const second = `{ calls(first: 1, statuses: [COMPLETED]) { nodes { id } } }`
	for bytes, kept := range map[string]bool{"1KiB": false, "64MiB": true} {
		list, e := wired(t, 300, "GATEWAY_CREDENTIALS", "forward", "GATEWAY_CACHE_BYTES", "64MiB",
			"GATEWAY_CACHE_TENANT_BYTES", bytes)
		for _, query := range []string{first, second} {
			if body := e.responses(t.Context(), "key", query); !strings.Contains(body, `{"data":{"calls":{"nodes":[`) {
				t.Fatal(body)
			}
		}
		list.ResetRequests()
		e.responses(t.Context(), "key", strings.Replace(first, "first: 1", "first: 2", 1)) // no cached response has that
		if got := len(list.Requests()) == 0; got != kept {
			t.Errorf("%s: the first page is in memory: %v", bytes, got)
		}
	}
}

// Requests to upstream beyond GATEWAY_UPSTREAM_CONCURRENCY wait, those beyond GATEWAY_UPSTREAM_QUEUE are rejected. With
// forwarding a credential has half of the concurrency.
func TestRequestsToUpstreamAreBounded(t *testing.T) {
	statuses := []string{
		"INITIALIZING", "QUEUED_FOR_CALLING", "CALLING", "SCHEDULED", "COMPLETED", "CANCELLED", "ERRORED",
	}
	for name, test := range map[string]struct {
		key               string
		env               []string
		inFlight, waiting int
	}{
		"the gateway's key": {"", []string{
			"REVOX_API_KEY", "key", "GATEWAY_UPSTREAM_CONCURRENCY", "2", "GATEWAY_UPSTREAM_QUEUE", "3",
		}, 2, 3},
		"forwarding": {"key", []string{
			"GATEWAY_CREDENTIALS", "forward", "GATEWAY_UPSTREAM_CONCURRENCY", "6", "GATEWAY_UPSTREAM_QUEUE", "1",
		}, 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			list, e := wired(t, 30, test.env...)
			if body := e.responses(t.Context(), test.key, smallQuery); !strings.Contains(body, `{"data":{`) {
				t.Fatal(body) // from now on upstream is known to accept the key
			}
			release := make(chan struct{})
			list.Behave(func(b *fake.Behaviour) {
				b.Fault = func(int, *http.Request) *fake.Response {
					<-release
					return nil
				}
			})
			var rejected atomic.Int32
			var requests sync.WaitGroup
			for _, status := range statuses {
				requests.Go(func() {
					query := fmt.Sprintf(`{ calls(first: 1, statuses: [%s]) { nodes { id } } }`, status)
					if strings.Contains(e.responses(t.Context(), test.key, query), `"code":"OVERLOADED"`) {
						rejected.Add(1)
					}
				})
			}
			until(t, "all requests have come", func() bool {
				inFlight, waiting := e.client.Load()
				return inFlight+waiting+int(rejected.Load()) >= len(statuses)
			})
			if inFlight, waiting := e.client.Load(); inFlight != test.inFlight || waiting != test.waiting {
				t.Errorf("%d in flight and %d waiting", inFlight, waiting)
			}
			close(release)
			requests.Wait()
		})
	}
}

// With forwarding, requests with keys that upstream has never accepted have an eighth of the waiting requests together.
func TestUnprovenKeysWaitInTheirShare(t *testing.T) {
	const all, waiting = 10, 3 // of 32 requests 24 may wait
	list, e := wired(t, 30, "GATEWAY_CREDENTIALS", "forward", "GATEWAY_MAX_CONCURRENT_REQUESTS", "32")
	release := make(chan struct{})
	list.Behave(func(b *fake.Behaviour) {
		b.Fault = func(int, *http.Request) *fake.Response {
			<-release
			return nil
		}
	})
	var rejected atomic.Int32
	var requests sync.WaitGroup
	for i := range all {
		requests.Go(func() {
			if strings.Contains(e.responses(t.Context(), fmt.Sprint("key", i), smallQuery), `"code":"OVERLOADED"`) {
				rejected.Add(1)
			}
		})
	}
	until(t, "all requests have come", func() bool {
		inFlight, queued := e.client.Load()
		return inFlight+queued+int(rejected.Load()) >= all
	})
	if got := rejected.Load(); got != all-waiting {
		t.Errorf("%d of %d were rejected", got, all)
	}
	close(release)
	requests.Wait()
}

// With forwarding, a credential has half of the requests to upstream. Reading ahead takes half of what it has.
func TestReadingAheadLeavesSlots(t *testing.T) {
	for _, test := range []struct {
		slots, setting int
		forward        bool
		want           int
	}{
		{slots: 32, setting: 100, want: 16},
		{slots: 32, setting: 100, forward: true, want: 8},
		{slots: 32, setting: 4, want: 4},
		{slots: 1, setting: 100, want: 1},
		{slots: 1, setting: 100, forward: true, want: 1},
	} {
		s := config.Settings{UpstreamConcurrency: test.slots, ScanConcurrency: test.setting}
		s.Forward = test.forward
		if got := scanConcurrency(&s); got != test.want {
			t.Errorf("%+v: %d pages at once", test, got)
		}
	}
}

// Where pages are cached it pays to read more rows than a request needs, and else it does not.
func TestWithoutACacheNoMoreIsReadThanNeeded(t *testing.T) {
	for ttl, more := range map[string]bool{"0": false, "1h": true} {
		list, e := wired(t, 300, "REVOX_API_KEY", "key", "GATEWAY_CACHE_TTL", ttl)
		const query = `{ calls(first: 50%s) { nodes { id } pageInfo { endCursor } } }`
		first := e.responses(t.Context(), "", fmt.Sprintf(query, ""))
		cursor := regexp.MustCompile(`"endCursor":"([^"]+)"`).FindStringSubmatch(first)
		if cursor == nil {
			t.Fatal(first)
		}
		list.ResetRequests()
		body := e.responses(t.Context(), "", fmt.Sprintf(query, `, after: \"`+cursor[1]+`\"`))
		requests := list.Requests()
		if len(requests) == 0 || !strings.Contains(body, `{"data":{`) {
			t.Fatalf("%d requests: %s", len(requests), body)
		}
		// The 50 rows before, the next 50, and 50 that may be needed later.
		if got := requests[0].PageSize >= 150; got != more {
			t.Errorf("a cache for %s: %s", ttl, requests[0].RawQuery)
		}
	}
}

// Whether upstream understands several statuses is checked, without a client that waits for it.
func TestStatusesAreChecked(t *testing.T) {
	list, e := wired(t, 30, "REVOX_API_KEY", "key")
	const both = `{ calls(first: 1, statuses: [COMPLETED, ERRORED]) { nodes { id } } }`
	if body := e.responses(t.Context(), "", both); !strings.Contains(body, `{"data":{`) {
		t.Fatal(body)
	}
	checks := func() (n int) {
		for _, r := range list.Requests() {
			if len(r.Statuses) == 1 {
				n++
			}
		}
		return n
	}
	until(t, "a status is read by itself", func() bool { return checks() > 0 })
}

// lister is an upstream that is one function.
type lister func(ctx context.Context) error

func (l lister) ListCalls(ctx context.Context, _ upstream.ListCallsOptions) (*upstream.Page, error) {
	return nil, l(ctx)
}

// A request for readiness that its client gives up goes on, within its own time: the next finds its result.
func TestTheReadinessProbeGoesOn(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	open, probes := true, 0
	ready := &readiness{
		draining:   new(atomic.Bool),
		failing:    func(upstream.Tenant) bool { return open },
		credential: func() upstream.Credential { return upstream.Credential{} },
		client: lister(func(ctx context.Context) error {
			probes++
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("the probe has no deadline")
			}
			open = ctx.Err() != nil
			return ctx.Err()
		}),
	}
	for _, ctx := range []context.Context{gone, t.Context()} {
		w := httptest.NewRecorder()
		ready.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", http.NoBody))
		if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d %s, %v", w.Code, w.Body, w.Header())
		}
	}
	if probes != 1 {
		t.Errorf("%d probes", probes)
	}
}

// An engine that ends closes its connections to upstream. By themselves, these end only after 90 s without a request.
func TestTheEngineClosesItsConnections(t *testing.T) {
	opened, closed := make(chan net.Conn, 100), make(chan net.Conn, 100)
	server := httptest.NewUnstartedServer(fake.New(fake.Config{Seed: 1, Calls: 30}))
	server.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened <- conn
		case http.StateClosed:
			closed <- conn
		}
	}
	server.Start()
	defer server.Close()
	s, err := parse(map[string]string{
		"REVOX_API_KEY": "key", "REVOX_BASE_URL": server.URL, "GATEWAY_UPSTREAM_FIRST_PAGE": "0",
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEngine(s, nil, newRegistry(), nil, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if body := e.responses(t.Context(), "", smallQuery); !strings.Contains(body, `{"data":{`) {
		t.Fatal(body)
	}
	e.stop()
	for range len(opened) {
		select {
		case <-closed:
		case <-time.After(time.Minute):
			t.Fatal("a connection is still open")
		}
	}
}
