package gateway

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"revox-graphql/internal/memory"
	"revox-graphql/upstream/fake"
)

// Everything that the engine keeps is counted in the memory budget.
func TestTheEngineCountsItsMemory(t *testing.T) {
	budget := memory.NewBudget(0, 0, quiet())
	_, e := wiredTo(t, budget, quiet(), 30, "REVOX_API_KEY", "key")
	e.responses(t.Context(), "", smallQuery)
	var names, empty []string
	for _, account := range budget.Accounts() {
		names = append(names, account.Name())
		if account.Used() == 0 {
			empty = append(empty, account.Name())
		}
	}
	slices.Sort(names)
	slices.Sort(empty)
	passing := []string{
		"pages_in_use", "request_bodies", "requests_executing", "responses_being_written", "upstream_responses",
	}
	if !slices.Equal(empty, slices.Sorted(slices.Values(append([]string{"persisted_queries"}, passing...)))) {
		t.Errorf("nothing is counted as %v", empty)
	}
	kept := []string{"documents", "page_cache", "persisted_queries"}
	want := slices.Sorted(slices.Values(slices.Concat(kept, passing, []string{"response_cache"})))
	if !slices.Equal(names, want) {
		t.Errorf("accounts %v, want %v", names, want)
	}
}

// Requests with `Cache-Control: no-cache` share what was read for one of them within refreshInterval.
func TestNoCacheRequestsShareReads(t *testing.T) {
	list, e := wired(t, 30, "REVOX_API_KEY", "key")
	for range 100 { // two requests that are further apart, on a busy machine, share nothing
		for range 2 {
			list.ResetRequests()
			body := e.responses(t.Context(), "", smallQuery, "Cache-Control", "no-cache")
			if !strings.Contains(body, `{"data":{`) {
				t.Fatal(body)
			}
		}
		if len(list.Requests()) == 0 {
			return
		}
	}
	t.Error("each request read again")
}

// Where there is an older page, a request waits for upstream only as long as one attempt may take, and not for further
// attempts.
func TestAnOlderPageIsServedAfterOneAttempt(t *testing.T) {
	list, e := wired(t, 30, "REVOX_API_KEY", "key", "GATEWAY_CACHE_TTL", "1ns",
		"GATEWAY_CACHE_REVALIDATE", "0s", "GATEWAY_CACHE_STALE", "1h",
		"GATEWAY_UPSTREAM_ATTEMPT_TIMEOUT", "1s", "GATEWAY_UPSTREAM_TIMEOUT", "1m")
	if body := e.responses(t.Context(), "", smallQuery); !strings.Contains(body, `{"data":{`) {
		t.Fatal(body)
	}
	release := make(chan struct{})
	defer close(release)
	var attempts atomic.Int32
	list.Behave(func(b *fake.Behaviour) {
		b.Fault = func(int, *http.Request) *fake.Response {
			attempts.Add(1)
			<-release
			return nil
		}
	})
	const longer = `{ calls(first: 2) { nodes { id } } }`
	if body := e.responses(t.Context(), "", longer); !strings.Contains(body, `"stale":`) {
		t.Fatal(body)
	}
	if n := attempts.Load(); n > 2 { // the second begins when the first is given up
		t.Errorf("after %d attempts", n)
	}
}

// The log says when upstream begins to fail, and when it responds again.
func TestFailingUpstreamIsLogged(t *testing.T) {
	log := &lockedBuffer{}
	list, e := wiredTo(t, nil, slog.New(slog.NewTextHandler(log, nil)), 30,
		"REVOX_API_KEY", "key", "GATEWAY_CACHE_TTL", "1ns",
		"GATEWAY_CACHE_REVALIDATE", "0s", "GATEWAY_CACHE_STALE", "1h")
	e.responses(t.Context(), "", smallQuery)
	list.Behave(func(b *fake.Behaviour) {
		b.Fault = func(int, *http.Request) *fake.Response { return &fake.Response{Status: http.StatusServiceUnavailable} }
	})
	// An older page may be served while upstream is still asked in the background.
	await := func(message string) {
		t.Helper()
		until(t, "the log says "+message, func() bool {
			e.responses(t.Context(), "", smallQuery)
			return strings.Contains(log.String(), message)
		})
	}
	await(`msg="upstream is failing: serving stale pages" tenant=`)
	list.Behave(func(b *fake.Behaviour) { b.Fault = nil })
	await(`msg="upstream responds again: serving fresh pages" tenant=`)
}

// An engine that is stopped leaves no connection to upstream open.
func TestStoppingClosesConnections(t *testing.T) {
	s, err := parse(map[string]string{"REVOX_API_KEY": "key", "GATEWAY_UPSTREAM_FIRST_PAGE": "0"})
	if err != nil {
		t.Fatal(err)
	}
	var open atomic.Int32
	server := httptest.NewUnstartedServer(fake.New(fake.Config{Seed: 1, Calls: 30}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	server.Start()
	defer server.Close()
	if s.BaseURL, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
	e, err := newEngine(s, nil, newRegistry(), nil, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if e.responses(t.Context(), "", smallQuery); open.Load() == 0 {
		t.Fatal("no connection is kept")
	}
	e.stop()
	until(t, "all connections are closed", func() bool { return open.Load() == 0 })
}

// Bodies that are being read have at most a quarter of what the largest of all requests in flight would take.
func TestBodiesAreBounded(t *testing.T) {
	budget := memory.NewBudget(0, 0, quiet())
	_, e := wiredTo(t, budget, quiet(), 30, "REVOX_API_KEY", "key",
		"GATEWAY_MAX_CONCURRENT_REQUESTS", "4", "GATEWAY_MAX_REQUEST_BYTES", "64KiB")
	upload := func(body io.Reader) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", body)
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = 60 << 10
		w := httptest.NewRecorder()
		e.graphQL.ServeHTTP(w, r)
		return result(w.Body.String())
	}
	whole := `{"query": "{ __typename }"}` + strings.Repeat(" ", 60<<10-27)
	if got := upload(strings.NewReader(whole)); got != "OK" {
		t.Fatal(got)
	}
	reader, writer := io.Pipe()
	first := make(chan string)
	go func() { first <- upload(reader) }()
	half := 30 << 10
	if _, err := io.WriteString(writer, whole[:half]); err != nil {
		t.Fatal(err)
	}
	if got := upload(strings.NewReader(whole)); got != "OVERLOADED" {
		t.Errorf("a second body: %s", got)
	}
	if _, err := io.WriteString(writer, whole[half:]); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	if got := <-first; got != "OK" {
		t.Errorf("the first body: %s", got)
	}
}
