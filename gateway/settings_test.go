package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/gateway/config"
	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
)

// effect is what a setting changes: two values of it, and what a client, Revox or the operator sees with each.
type effect struct {
	first, second string
	// env are other settings that both have; the upstream is a [revox] unless there is none.
	env     map[string]string
	observe func(b *station) string
	want    [2]string
	// alone is set where the setting changes the process, and not the gateway alone.
	alone bool
}

// station is one gateway with one value of a setting.
type station struct {
	t     *testing.T
	env   map[string]string
	value string
	revox *revox
}

func (b *station) start() *program {
	b.t.Helper()
	return start(b.t, b.env)
}

// revox is an upstream that can wait or fail, and records its requests.
type revox struct {
	*fake.Upstream
	url     string
	arrived chan struct{} // has room for one: a request waits
	fails   atomic.Bool

	mu     sync.Mutex
	asked  []url.Values
	hold   chan struct{} // requests wait until it is closed; nil: they do not
	passes int           // so many of the next requests do not
}

func startRevox(t *testing.T) *revox {
	t.Helper()
	now := func() time.Time { return time.Date(2026, time.March, 14, 12, 0, 0, 0, time.UTC) }
	r := &revox{
		Upstream: fake.New(fake.Config{Seed: 1, Calls: 700, Now: now}), arrived: make(chan struct{}, 1),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.mu.Lock()
		r.asked = append(r.asked, request.URL.Query())
		hold := r.hold
		if r.passes--; r.passes >= 0 {
			hold = nil
		}
		r.mu.Unlock()
		if hold != nil {
			select {
			case r.arrived <- struct{}{}:
			default:
			}
			select {
			case <-hold:
			case <-request.Context().Done():
				return
			}
		}
		if r.fails.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.ServeHTTP(w, request)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL + "/api"
	return r
}

// holdRequests lets requests wait until the test ends, or until release is called.
func (r *revox) holdRequests(t *testing.T) (release func()) {
	t.Helper()
	hold := make(chan struct{})
	r.mu.Lock()
	r.hold = hold
	r.mu.Unlock()
	release = sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release)
	return release
}

// pass lets so many of the next requests pass although others wait.
func (r *revox) pass(requests int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passes = requests
}

// queries returns the values of a parameter in all requests.
func (r *revox) queries(name string) (values []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, query := range r.asked {
		values = append(values, query[name]...)
	}
	return values
}

func (r *revox) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

// result is the code of a response's first error, or OK.
func result(body string) string {
	if match := regexp.MustCompile(`"code":"(\w+)"`).FindStringSubmatch(body); match != nil {
		return match[1]
	}
	if strings.Contains(body, `"data":`) {
		return "OK"
	}
	return body
}

// metric is the value of a metric, by its name with its labels.
func (p *program) metric(t *testing.T, name string) string {
	t.Helper()
	_, metrics := p.get(t, "metrics")
	if match := regexp.MustCompile(`(?m)^revox_graphql_` + regexp.QuoteMeta(name) +
		` (\S+)$`).FindStringSubmatch(metrics); match != nil {
		return match[1]
	}
	return "none"
}

// awaitSum waits until some metrics have a sum.
func (p *program) awaitSum(t *testing.T, want int, names ...string) {
	t.Helper()
	until(t, fmt.Sprintf("%v have the sum %d", names, want), func() bool {
		sum := 0
		for _, name := range names {
			n, _ := strconv.Atoi(p.metric(t, name))
			sum += n
		}
		return sum == want
	})
}

// asks is the result of a query.
func asks(query string) func(b *station) string {
	return func(b *station) string { return result(b.start().query(b.t, query)) }
}

// posts is the result of a request.
func posts(body string, header ...string) func(b *station) string {
	return func(b *station) string {
		header := append([]string{"Content-Type", "application/json"}, header...)
		_, response := b.start().send(b.t, http.MethodPost, "graphql", body, header...)
		return result(response)
	}
}

// gets is the status of a path.
func gets(path string, header ...string) func(b *station) string {
	return func(b *station) string {
		resp, _ := b.start().send(b.t, http.MethodGet, path, "", header...)
		return strconv.Itoa(resp.StatusCode)
	}
}

// twice is how many requests to Revox the second of two equal queries causes.
func twice(header ...string) func(b *station) string {
	return func(b *station) string {
		p := b.start()
		header := append([]string{"Content-Type", "application/json"}, header...)
		ask := func() {
			_, body := p.send(b.t, http.MethodPost, "graphql", `{"query": "{ calls(first: 5) { nodes { id } } }"}`, header...)
			if got := result(body); got != "OK" {
				b.t.Fatalf("got %s", body)
			}
		}
		ask()
		before := b.revox.count()
		ask()
		return strconv.Itoa(b.revox.count() - before)
	}
}

// logs reports whether the log of a request has a text.
func logs(text string) func(b *station) string {
	return func(b *station) string {
		p := b.start()
		p.query(b.t, smallQuery)
		return strconv.FormatBool(strings.Contains(p.log.String(), text))
	}
}

// firstID is the id of the newest call.
func firstID(t *testing.T, p *program) string {
	t.Helper()
	body := p.query(t, "{ calls(first: 1) { nodes { id } } }")
	match := regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(body)
	if match == nil {
		t.Fatalf("got %s", body)
	}
	return match[1]
}

// attempts returns the result of a query whose first request to Revox never gets a response.
func attempts(b *station) string {
	p, release := b.start(), b.revox.holdRequests(b.t)
	results := make(chan string)
	go func() { results <- p.query(b.t, "{ calls(first: 1) { nodes { id } } }") }()
	<-b.revox.arrived
	b.revox.mu.Lock()
	b.revox.hold = nil // the next ones do not wait
	b.revox.mu.Unlock()
	body := <-results
	release()
	return result(body)
}

// collected is what a collector of traces is sent for one query.
func collected(b *station) string {
	traces, paths := &receiver{}, make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths <- r.URL.Path
		r.URL.Path = "/v1/traces"
		traces.ServeHTTP(w, r)
	}))
	b.t.Cleanup(server.Close)
	for name, value := range b.env {
		b.env[name] = strings.Replace(value, "COLLECTOR", server.URL, 1)
	}
	p := b.start()
	p.query(b.t, smallQuery)
	p.stop()
	if err := <-p.stopped; err != nil {
		b.t.Fatal(err)
	}
	close(paths)
	return <-paths
}

// effects has each setting.
var effects = map[string]effect{
	"REVOX_API_KEY": {
		first: "", second: "key", want: [2]string{"demo", ""},
		observe: func(b *station) string {
			if b.value == "" {
				delete(b.env, "REVOX_BASE_URL")
			}
			resp, _ := b.start().send(b.t, http.MethodPost, "graphql", `{"query": "{ __typename }"}`, "Content-Type",
				"application/json")
			return resp.Header.Get("X-Revox-Upstream")
		},
	},
	"REVOX_API_KEY_FILE": {
		first: "one", second: "two\n", want: [2]string{"Bearer one", "Bearer two"},
		observe: func(b *station) string {
			delete(b.env, "REVOX_API_KEY")
			b.env["REVOX_API_KEY_FILE"] = write(b.t, b.value)
			b.start().query(b.t, "{ calls(first: 1) { nodes { id } } }")
			requests := b.revox.Requests()
			return requests[len(requests)-1].Authorization
		},
	},
	"REVOX_BASE_URL": {
		first: "/api", second: "/other", want: [2]string{"/api/call", "/other/call"},
		observe: func(b *station) string {
			path := make(chan string, 100)
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { path <- r.URL.Path }))
			b.t.Cleanup(server.Close)
			b.env["REVOX_BASE_URL"] = server.URL + b.value
			b.start().query(b.t, "{ calls(first: 1) { nodes { id } } }")
			return <-path
		},
	},
	"GATEWAY_LISTEN": {
		first: "127.0.0.1:0", second: "0.0.0.0:0", env: map[string]string{"GATEWAY_ALLOW_ANONYMOUS": "true"},
		want: [2]string{"421", "200"}, observe: gets("healthz", "Host", "other.example"),
	},
	"GATEWAY_CREDENTIALS": {
		first: "server", second: "forward", want: [2]string{"OK", "UNAUTHENTICATED"},
		observe: func(b *station) string {
			if b.value == "forward" {
				delete(b.env, "REVOX_API_KEY")
			}
			return asks("{ calls(first: 1) { nodes { id } } }")(b)
		},
	},
	"GATEWAY_TOKENS": {
		first: "", second: "secret", want: [2]string{"OK", "UNAUTHENTICATED"},
		observe: asks("{ __typename }"),
	},
	"GATEWAY_TOKENS_FILE": {
		first: "", second: "secret", want: [2]string{"OK", "UNAUTHENTICATED"},
		observe: func(b *station) string {
			if b.value != "" {
				b.env["GATEWAY_TOKENS_FILE"] = write(b.t, b.value)
			}
			return asks("{ __typename }")(b)
		},
	},
	"GATEWAY_ALLOW_ANONYMOUS": {
		first: "false", second: "true", want: [2]string{"refused", "valid"},
		observe: func(b *station) string {
			args := []string{"--check", "--listen", "0.0.0.0:80"}
			if err := run(b.t.Context(), args, environ(b.env), io.Discard, io.Discard); err != nil {
				return "refused"
			}
			return "valid"
		},
	},
	"GATEWAY_UPSTREAM_PAGE_SIZE": {
		first: "20", second: "50", env: map[string]string{"GATEWAY_MAX_SHIFT": "10"}, want: [2]string{"20", "50"},
		observe: func(b *station) string {
			b.start().query(b.t, "{ calls(first: 100) { nodes { id } } }")
			most := 0
			for _, size := range b.revox.queries("page_size") {
				n, _ := strconv.Atoi(size)
				most = max(most, n)
			}
			return strconv.Itoa(most)
		},
	},
	"GATEWAY_UPSTREAM_FIRST_PAGE": {
		first: "0", second: "1", want: [2]string{"0", "1"},
		observe: func(b *station) string {
			b.start().query(b.t, "{ calls(first: 1) { nodes { id } } }")
			return slices.Min(b.revox.queries("page"))
		},
	},
	"GATEWAY_UPSTREAM_STATUSES_FORMAT": {
		first: "comma", second: "repeat",
		want: [2]string{"completed,errored", "completed"}, observe: func(b *station) string {
			b.start().query(b.t, "{ calls(first: 1, statuses: [COMPLETED, ERRORED]) { nodes { id } } }")
			return strings.ToLower(b.revox.queries("statuses")[0])
		},
	},
	"GATEWAY_UPSTREAM_TIMEOUT": {
		first: "100ms", second: "1m", env: map[string]string{"GATEWAY_UPSTREAM_ATTEMPT_TIMEOUT": "1s"},
		want: [2]string{"UPSTREAM_TIMEOUT", "OK"}, observe: attempts,
	},
	"GATEWAY_UPSTREAM_ATTEMPT_TIMEOUT": {
		first: "1s", second: "1m", env: map[string]string{"GATEWAY_UPSTREAM_TIMEOUT": "5s"},
		want: [2]string{"OK", "UPSTREAM_TIMEOUT"}, observe: attempts,
	},
	"GATEWAY_UPSTREAM_MAX_REQUESTS": {
		first: "30", second: "150", env: map[string]string{"GATEWAY_MAX_SHIFT": "10", "GATEWAY_UPSTREAM_PAGE_SIZE": "20"},
		want: [2]string{"QUERY_TOO_COMPLEX", "OK"},
		observe: asks(`{
			a: calls(statuses: [COMPLETED]) { totalCount } b: calls(statuses: [ERRORED]) { totalCount }
			c: calls(statuses: [COMPLETED, ERRORED]) { totalCount } d: calls { totalCount }
		}`),
	},
	"GATEWAY_UPSTREAM_CONCURRENCY": {
		first: "1", second: "3", want: [2]string{"1", "3"},
		observe: func(b *station) string {
			p, release := b.start(), b.revox.holdRequests(b.t)
			wait := atOnce(b.t, p)
			p.awaitSum(b.t, 3, "upstream_requests_in_flight", "upstream_requests_waiting")
			defer wait()
			defer release()
			return p.metric(b.t, "upstream_requests_in_flight")
		},
	},
	"GATEWAY_UPSTREAM_QUEUE": {
		first: "1", second: "100", env: map[string]string{"GATEWAY_UPSTREAM_CONCURRENCY": "1"}, want: [2]string{"1", "none"},
		observe: func(b *station) string {
			p, release := b.start(), b.revox.holdRequests(b.t)
			wait := atOnce(b.t, p)
			const rejected = `upstream_rejected_total{reason="overloaded"}`
			p.awaitSum(b.t, 3, "upstream_requests_in_flight", "upstream_requests_waiting", rejected)
			defer wait()
			defer release()
			return p.metric(b.t, rejected)
		},
	},
	"GATEWAY_CACHE_TTL": {
		first: "0", second: "1h", env: map[string]string{"GATEWAY_ANSWER_BYTES": "0"},
		want: [2]string{"1", "0"}, observe: twice(),
	},
	"GATEWAY_CACHE_BYTES": {
		first: "1KiB", second: "1MiB", env: map[string]string{"GATEWAY_ANSWER_BYTES": "0"},
		want: [2]string{"1", "0"}, observe: twice(),
	},
	"GATEWAY_CACHE_TENANT_BYTES": {
		first: "1KiB", second: "1MiB", env: map[string]string{
			"GATEWAY_ANSWER_BYTES": "0", "GATEWAY_CREDENTIALS": "forward",
			"REVOX_API_KEY": "",
		},
		want: [2]string{"1", "0"}, observe: twice("Authorization", "Bearer key"),
	},
	"GATEWAY_CACHE_REVALIDATE": {
		first: "0s", second: "1h", env: map[string]string{"GATEWAY_CACHE_TTL": "1ns"}, want: [2]string{"new", "former"},
		observe: func(b *station) string {
			p := b.start()
			former := firstID(b.t, p)
			b.revox.Insert(1)
			if firstID(b.t, p) == former {
				return "former"
			}
			return "new"
		},
	},
	"GATEWAY_CACHE_STALE": {
		first: "0s", second: "1h", env: map[string]string{"GATEWAY_CACHE_TTL": "1ns", "GATEWAY_CACHE_REVALIDATE": "0s"},
		want: [2]string{"UPSTREAM_UNAVAILABLE", "OK"}, observe: func(b *station) string {
			p := b.start()
			firstID(b.t, p)
			b.revox.fails.Store(true)
			return result(p.query(b.t, "{ calls(first: 1) { nodes { id } } }"))
		},
	},
	"GATEWAY_ANSWER_BYTES": {
		first: "0", second: "1MiB", want: [2]string{"none", "1"},
		observe: func(b *station) string {
			p := b.start()
			firstID(b.t, p)
			firstID(b.t, p)
			return p.metric(b.t, `operations_total{source="cached"}`)
		},
	},
	"GATEWAY_MAX_PAGE_SIZE": {
		first: "1", second: "2", want: [2]string{"BAD_USER_INPUT", "OK"},
		observe: asks("{ calls(first: 2) { nodes { id } } }"),
	},
	"GATEWAY_MAX_SHIFT": {
		first: "1", second: "1000", env: map[string]string{"GATEWAY_CACHE_TTL": "0"}, want: [2]string{"CURSOR_EXPIRED", "OK"},
		observe: func(b *station) string {
			b.revox.Behave(func(be *fake.Behaviour) { be.Order = "updated" }) // else the cursor's time finds its call
			p := b.start()
			match := regexp.MustCompile(`"endCursor":"([^"]+)"`).FindStringSubmatch(p.query(b.t,
				"{ calls(first: 5) { pageInfo { endCursor } } }"))
			b.revox.Insert(500)
			return result(p.query(b.t, fmt.Sprintf("{ calls(first: 5, after: %q) { nodes { id } } }", match[1])))
		},
	},
	"GATEWAY_MAX_SCAN_PAGES": {
		first: "1", second: "20", want: [2]string{"SCAN_LIMIT_REACHED", "OK"},
		observe: asks(`{ call(id: "nobody") { id } }`),
	},
	"GATEWAY_SCAN_CONCURRENCY": {
		first: "1", second: "2", want: [2]string{"1", "2"},
		observe: func(b *station) string {
			p, release := b.start(), b.revox.holdRequests(b.t)
			b.revox.pass(1) // the first page
			done := make(chan struct{})
			go func() {
				defer close(done)
				p.query(b.t, `{ call(id: "nobody") { id } }`)
			}()
			most, err := strconv.Atoi(b.value)
			if err != nil {
				b.t.Fatal(err)
			}
			<-b.revox.arrived // the first page's request is in flight no longer
			p.awaitSum(b.t, most, "upstream_requests_in_flight")
			defer func() {
				release()
				<-done
			}()
			return p.metric(b.t, "upstream_requests_in_flight")
		},
	},
	"GATEWAY_MAX_REQUEST_BYTES": {
		first: "1KiB", second: "2KiB", want: [2]string{"QUERY_TOO_LARGE", "OK"},
		observe: asks("{ __typename }" + strings.Repeat(" ", 1024)),
	},
	"GATEWAY_MAX_TOKENS": {
		first: "4", second: "5", want: [2]string{"QUERY_TOO_LARGE", "OK"},
		observe: asks("{ a: __typename }"),
	},
	"GATEWAY_MAX_DEPTH": {
		first: "2", second: "3", want: [2]string{"QUERY_TOO_COMPLEX", "OK"},
		observe: asks("{ calls { nodes { id } } }"),
	},
	"GATEWAY_MAX_ALIASES": {
		first: "1", second: "2", want: [2]string{"QUERY_TOO_COMPLEX", "OK"},
		observe: asks("{ a: __typename b: __typename }"),
	},
	"GATEWAY_MAX_ROOT_FIELDS": {
		first: "1", second: "2", want: [2]string{"QUERY_TOO_COMPLEX", "OK"},
		observe: asks("{ __typename a: __typename }"),
	},
	"GATEWAY_MAX_COST": {
		first: "19", second: "20", want: [2]string{"QUERY_TOO_COMPLEX", "OK"},
		observe: asks("{ calls { nodes { id } } }"),
	},
	"GATEWAY_MAX_ANSWER_BYTES": {
		first: "1KiB", second: "1MiB", want: [2]string{"QUERY_TOO_COMPLEX", "OK"},
		observe: asks("{ calls { nodes { id extra } } }"),
	},
	"GATEWAY_APQ_BYTES": {
		first: "0", second: "1MiB", want: [2]string{"PERSISTED_QUERY_NOT_SUPPORTED", "PERSISTED_QUERY_NOT_FOUND"},
		observe: posts(`{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "` + strings.Repeat("0", 64) + `"}}}`),
	},
	"GATEWAY_TRUSTED_DOCUMENTS": {
		first: "", second: "manifest", want: [2]string{"OK", "PERSISTED_QUERY_REQUIRED"},
		observe: func(b *station) string {
			if b.value != "" {
				b.env["GATEWAY_TRUSTED_DOCUMENTS"] = write(b.t, `{"one": "{ __typename }"}`)
			}
			return asks("{ __typename }")(b)
		},
	},
	"GATEWAY_HOSTS": {
		first: "", second: "calls.example", want: [2]string{"421", "200"},
		observe: gets("healthz", "Host", "calls.example"),
	},
	"GATEWAY_CORS_ORIGINS": {
		first: "", second: "https://app.example", want: [2]string{"", "https://app.example"},
		observe: func(b *station) string {
			resp, _ := b.start().send(b.t, http.MethodGet, "schema.graphqls", "", "Origin", "https://app.example")
			return resp.Header.Get("Access-Control-Allow-Origin")
		},
	},
	"GATEWAY_MEMORY_LIMIT": {
		first: "2GiB", second: "4GiB", want: [2]string{"2.147483648e+09", "4.294967296e+09"},
		alone: true, observe: func(b *station) string {
			return b.start().metric(b.t, "memory_limit_bytes")
		},
	},
	"GATEWAY_MAX_CONCURRENT_REQUESTS": {
		first: "1", second: "2", want: [2]string{"OVERLOADED", "OK"},
		observe: func(b *station) string {
			p, release := b.start(), b.revox.holdRequests(b.t)
			done := make(chan string)
			go func() { done <- p.query(b.t, "{ calls(first: 1) { nodes { id } } }") }()
			p.awaitSum(b.t, 1, "requests_in_flight")
			defer func() { <-done }()
			defer release()
			return result(p.query(b.t, "{ __typename }"))
		},
	},
	"GATEWAY_MAX_CONNECTIONS": {
		first: "1", second: "2", want: [2]string{"closed", "open"},
		observe: func(b *station) string {
			p := b.start()
			former := dial(b.t, p)
			healthy(former)
			healthy(dial(b.t, p))
			if healthy(former) {
				return "open"
			}
			return "closed"
		},
	},
	"GATEWAY_DRAIN_DELAY": {
		first: "0s", second: "1ms", want: [2]string{"false", "true"},
		observe: func(b *station) string {
			p := b.start()
			p.stop()
			if err := <-p.stopped; err != nil {
				b.t.Fatal(err)
			}
			return strconv.FormatBool(strings.Contains(p.log.String(), "for=1ms"))
		},
	},
	"GATEWAY_IDLE_TIMEOUT": {
		first: "1s", second: "1h", want: [2]string{"1s", "1h0m0s"},
		observe: func(b *station) string {
			return idles(b.t, b.env, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").String()
		},
	},
	"GATEWAY_INTROSPECTION": {
		first: "false", second: "true", want: [2]string{"GRAPHQL_VALIDATION_FAILED", "OK"},
		observe: asks("{ __schema { queryType { name } } }"),
	},
	"GATEWAY_LOG_FORMAT": {
		first: "text", second: "json", want: [2]string{"t", "{"},
		observe: func(b *station) string {
			return b.start().log.String()[:1]
		},
	},
	"GATEWAY_LOG_LEVEL": {
		first: "info", second: "debug", want: [2]string{"false", "true"},
		observe: logs("level=DEBUG"),
	},
	"GATEWAY_LOG_REQUESTS": {
		first: "false", second: "true", want: [2]string{"false", "true"},
		observe: logs("msg=request"),
	},
	"GATEWAY_SLOW_REQUEST": {
		first: "1h", second: "1ns", want: [2]string{"false", "true"},
		observe: logs(`msg="slow request"`),
	},
	"OTEL_EXPORTER_OTLP_ENDPOINT": {
		first: "", second: "COLLECTOR/base", want: [2]string{"", "/base/v1/traces"}, observe: collected,
	},
	"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": {
		first: "COLLECTOR/one", second: "COLLECTOR/other", want: [2]string{"/one", "/other"}, observe: collected,
	},
	"GATEWAY_TRACE_SAMPLE": {
		first: "0", second: "1", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "COLLECTOR"},
		want: [2]string{"", "/v1/traces"}, observe: collected,
	},
	"GATEWAY_METRICS_LISTEN": {first: "", second: "127.0.0.1:0", want: [2]string{"200", "404"}, observe: gets("metrics")},
	"GATEWAY_PPROF_LISTEN": {first: "", second: "127.0.0.1:0", want: [2]string{"false", "true"}, observe: logs(
		`msg="serving profiles"`)},
	"GATEWAY_DEMO_CALLS_PER_MINUTE": {
		first: "0", second: "60000", env: map[string]string{
			"REVOX_API_KEY": "", "REVOX_BASE_URL": "",
			"GATEWAY_CACHE_TTL": "0",
		},
		want: [2]string{"still", "moving"}, observe: func(b *station) string {
			p := b.start()
			former := firstID(b.t, p)
			for range 1000 {
				if firstID(b.t, p) != former {
					return "moving"
				}
			}
			return "still"
		},
	},
}

// Each setting changes what can be seen from outside: a setting that is read and never used would change nothing.
func TestEachSettingHasAnEffect(t *testing.T) {
	for _, name := range config.Variables() {
		e, ok := effects[name]
		if !ok {
			t.Errorf("%s has no row that shows its effect", name)
			continue
		}
		for i, value := range []string{e.first, e.second} {
			t.Run(name+"="+value, func(t *testing.T) {
				if !e.alone {
					t.Parallel()
				}
				revox := startRevox(t)
				env := map[string]string{
					"REVOX_API_KEY": "key", "REVOX_BASE_URL": revox.url, "GATEWAY_UPSTREAM_FIRST_PAGE": "0",
					"GATEWAY_LOG_LEVEL": "info",
				}
				maps.Copy(env, e.env)
				if env["REVOX_API_KEY"] == "" && env["GATEWAY_CREDENTIALS"] == "" {
					delete(env, "REVOX_BASE_URL")
				}
				env[name] = value
				if got := e.observe(&station{t: t, env: env, value: value, revox: revox}); got != e.want[i] {
					t.Errorf("got %q, want %q", got, e.want[i])
				}
			})
		}
	}
	if len(effects) != len(config.Variables()) {
		t.Errorf("%d rows for %d settings", len(effects), len(config.Variables()))
	}
}

// write writes a file, and returns its path.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// atOnce asks for three lists at once, without waiting for the responses, which wait does.
func atOnce(t *testing.T, p *program) (wait func()) {
	t.Helper()
	var all sync.WaitGroup
	for _, status := range []string{"COMPLETED", "ERRORED", "CANCELLED"} {
		body, err := json.Marshal(map[string]string{"query": "{ calls(first: 1, statuses: [" + status +
			"]) { nodes { id } } }"})
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			if resp, err := http.Post(p.url+"graphql", "application/json", strings.NewReader(string(body))); err == nil {
				_ = resp.Body.Close()
			}
		})
	}
	return all.Wait
}

// dial opens a connection that stays open.
func dial(t *testing.T, p *program) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// healthy reports whether a request over a connection gets a response.
func healthy(conn net.Conn) bool {
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return false
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK
}

// A response without a body that is late is never sent: it has the time of the upstream work, and half a minute more.
// Each chunk of a body has a deadline of its own instead.
func TestWriteTimeout(t *testing.T) {
	for took, want := range map[time.Duration]bool{59 * time.Second: true, 61 * time.Second: false} {
		synctest.Test(t, func(t *testing.T) {
			s, err := parse(map[string]string{"GATEWAY_UPSTREAM_TIMEOUT": "30s"})
			if err != nil {
				t.Fatal(err)
			}
			handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				<-time.After(took)
				w.WriteHeader(http.StatusNoContent)
			})
			listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
			server := newServer(s, handler, quiet())
			go func() { _ = server.Serve(listener) }()
			defer func() { _ = server.Close() }()
			client, conn := net.Pipe()
			listener.conns <- conn
			go func() {
				_, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			}()
			response, _ := io.ReadAll(client)
			if got := strings.Contains(string(response), "204"); got != want {
				t.Errorf("after %v: %q", took, response)
			}
		})
	}
}

// The header of a request may be a little larger than its body: a GET has the document in its query string.
func TestMaxHeaderBytes(t *testing.T) {
	p := start(t, map[string]string{"GATEWAY_MAX_REQUEST_BYTES": "1KiB"})
	for size, want := range map[int]int{1<<10 + headerBytes: 200, 1<<10 + headerBytes + 8<<10: 431} {
		if resp, _ := p.send(t, http.MethodGet, "healthz", "", "X-Filler", strings.Repeat("x",
			size)); resp.StatusCode != want {
			t.Errorf("%d bytes: %d, want %d", size, resp.StatusCode, want)
		}
	}
}

// patient is an upstream whose response comes when the test lets it come.
type patient struct {
	asked   chan context.Context
	respond chan struct{}
}

func (p *patient) ListCalls(ctx context.Context, _ upstream.ListCallsOptions) (*upstream.Page, error) {
	p.asked <- ctx
	<-p.respond
	return nil, ctx.Err()
}

// A client that asks for readiness and leaves does not end the request that finds out whether upstream is back: else a
// balancer with little patience would keep the gateway out for ever.
func TestReadinessOutlastsItsClient(t *testing.T) {
	p := &patient{make(chan context.Context), make(chan struct{})}
	ready := &readiness{
		draining: new(atomic.Bool), failing: func(upstream.Tenant) bool { return true }, client: p,
		credential: func() upstream.Credential { return upstream.Credential{} },
	}
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ready.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/readyz", http.NoBody).WithContext(ctx))
	}()
	asked := <-p.asked
	leave()
	if err := asked.Err(); err != nil {
		t.Error(err)
	}
	close(p.respond)
	<-done
}

// idles is how long a connection stays open on which something was sent, in the time of a test.
func idles(t *testing.T, env map[string]string, sends string) (waited time.Duration) {
	t.Helper()
	s, err := parse(env)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		handler, stop, err := routes(s, newRegistry(), nil, new(atomic.Bool), nil, quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := newServer(s, handler, quiet())
		go func() { _ = server.Serve(listener) }()
		defer func() { _ = server.Close() }()
		client, conn := net.Pipe()
		listener.conns <- conn
		began := time.Now()
		go func() { _, _ = io.WriteString(client, sends) }()
		_, _ = io.Copy(io.Discard, client) // until the server closes the connection
		waited = time.Since(began)
	})
	return waited
}
