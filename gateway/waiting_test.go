package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"revox-graphql/upstream/fake"
)

// Upstream hangs, and more clients wait for a page that is not in memory than requests may be in flight. Clients of
// cached pages get responses, and those beyond the limit of waiters are rejected at once.
func TestWaitingLeavesRoomForMemory(t *testing.T) {
	const most = 8
	const waiting = 1 + most/2 // one is executed; as many wait for its response as may wait for others
	const inMemory = `{ calls(first: 5) { nodes { id } } }`
	release := make(chan struct{})
	env := upstreamOf(t, func(_ int, r *http.Request) *fake.Response {
		if r.URL.Query().Get("statuses") != "" {
			<-release
		}
		return nil
	}, "GATEWAY_MAX_CONCURRENT_REQUESTS", fmt.Sprint(most), "GATEWAY_CACHE_TTL", "1h")
	p := start(t, env)
	want := p.query(t, inMemory)
	responses := make(chan string)
	var asking sync.WaitGroup
	for range 5 * most {
		asking.Go(func() { responses <- p.query(t, `{ calls(first: 5, statuses: [COMPLETED]) { nodes { id } } }`) })
	}
	for range 5*most - waiting {
		if body := <-responses; !strings.Contains(body, `"code":"OVERLOADED"`) || !strings.Contains(body, `"retryAfter":1`) {
			t.Errorf("got %s", body)
		}
	}
	for _, query := range []string{
		inMemory, `{ calls(first: 4) { nodes { phoneNumber } } }`, `{ calls(first: 3) { nodes { id } } }`,
	} {
		body := p.query(t, query)
		if strings.Contains(body, "errors") || query == inMemory && body != want {
			t.Errorf("%s: %s", query, body)
		}
	}
	until(t, "the metrics say how many wait for a page", func() bool {
		return p.metric(t, "page_cache_waiters") == "1"
	})
	close(release)
	for range waiting {
		if body := <-responses; !strings.Contains(body, `{"data":{"calls":{"nodes":[`) {
			t.Errorf("got %s", body)
		}
	}
	asking.Wait()
}

// With forwarding, keys that upstream has not accepted share a few slots, and the others are not affected.
func TestMadeUpKeysHaveAShare(t *testing.T) {
	const made = 5
	release := make(chan struct{})
	env := upstreamOf(t, func(_ int, r *http.Request) *fake.Response {
		if r.Header.Get("Authorization") == "Bearer good" {
			return nil
		}
		<-release
		return &fake.Response{Status: http.StatusUnauthorized}
	}, "GATEWAY_CREDENTIALS", "forward", "GATEWAY_UPSTREAM_CONCURRENCY", "8", "GATEWAY_UPSTREAM_QUEUE", "8")
	delete(env, "REVOX_API_KEY")
	p := start(t, env)
	ask := func(key, query string) string {
		_, body := p.send(t, http.MethodPost, "graphql", `{"query": "`+query+`"}`,
			"Content-Type", "application/json", "Authorization", "Bearer "+key)
		return body
	}
	good := func(query string) {
		t.Helper()
		if body := ask("good", query); !strings.Contains(body, `{"data":{"calls":{"nodes":[`) {
			t.Errorf("got %s", body)
		}
	}
	good(`{ calls(first: 5) { nodes { id } } }`)
	responses := make(chan string)
	for i := range made {
		go func() { responses <- ask(fmt.Sprint("made-up-", i), `{ calls(first: 5) { nodes { id } } }`) }()
	}
	for range made - 2 { // of the rest one is asked with, and one waits
		if body := <-responses; !strings.Contains(body, `"code":"OVERLOADED"`) {
			t.Errorf("got %s", body)
		}
	}
	for _, status := range []string{"COMPLETED", "SCHEDULED", "ERRORED"} {
		good(`{ calls(first: 5, statuses: [` + status + `]) { nodes { id } } }`)
	}
	close(release)
	for range 2 {
		if body := <-responses; !strings.Contains(body, `"code":"UNAUTHENTICATED"`) {
			t.Errorf("got %s", body)
		}
	}
}
