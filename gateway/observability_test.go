package gateway

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"revox-graphql/graph/hostile"
	"revox-graphql/upstream/fake"
)

// unseen stands in variables and literals, and must come out nowhere.
const unseen = "unseen-5d41402a"

// lookUp is a query with the unseen in a variable.
const lookUp = `{"query": "query Find($id: ID!) { node(id: $id) { id } }", "variables": {"id": "` + unseen + `"}}`

// requestLines are the lines of a JSON log about requests.
func requestLines(t *testing.T, log string) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(log) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("no JSON: %s", line)
		}
		if message := entry["msg"]; message == "request" || message == "slow request" {
			lines = append(lines, entry)
		}
	}
	return lines
}

func TestEachRequestIsLogged(t *testing.T) {
	p := start(t, map[string]string{
		"GATEWAY_LOG_FORMAT": "json", "GATEWAY_DEMO_CALLS_PER_MINUTE": "0",
		"GATEWAY_MAX_COST": "500", "GATEWAY_CORS_ORIGINS": "https://app.example",
	})
	post := func(body string, header ...string) {
		p.send(t, http.MethodPost, "graphql", body, append([]string{"Content-Type", "application/json"}, header...)...)
	}
	post(`{"query": "query List { calls(first: 2) { nodes { id } } }"}`, "X-Request-Id", "mine")
	post(`{"query": "query List { calls(first: 2) { nodes { id } } }"}`)
	post(lookUp)
	post(`{"query": "{ calls(first: 100) { nodes { transcript { content } } } }"}`)
	post(`{"query": "{ nonsense }"}`)
	post(`{"query": `)
	p.send(t, http.MethodGet, "graphql?query={__typename}", "", "Sec-Fetch-Site", "cross-site")
	p.send(t, http.MethodPost, "graphql", lookUp, "Host", "evil.example", "Content-Type", "application/json")
	p.send(t, http.MethodOptions, "graphql", "", "Origin", "https://app.example", "Access-Control-Request-Method", "POST")

	lines := requestLines(t, p.log.String())
	want := []map[string]any{
		{
			"operation": "List", "code": "OK", "status": 200., "source": "executed", "cost": 2., "method": "POST",
			"requestId": "mine",
		},
		{"operation": "List", "code": "OK", "status": 200., "source": "cached", "cost": 2., "upstreamRequests": 0.},
		{"operation": "Find", "code": "SCAN_LIMIT_REACHED", "status": 200., "source": "executed", "drift": nil},
		{"operation": "", "code": "QUERY_TOO_COMPLEX", "source": "", "cost": 1100., "limit": "cost"},
		{"code": "GRAPHQL_VALIDATION_FAILED", "hash": ""},
		{"code": "BAD_USER_INPUT", "status": 400.},
		{"code": "BAD_USER_INPUT", "status": 403., "method": "GET"},
		{"code": "BAD_USER_INPUT", "status": 421.},
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), p.log)
	}
	for i := range want {
		got := maps.Clone(lines[i])
		maps.DeleteFunc(got, func(key string, _ any) bool { _, asked := want[i][key]; return !asked })
		maps.DeleteFunc(want[i], func(_ string, value any) bool { return value == nil }) // is not there
		if !maps.Equal(got, want[i]) {
			t.Errorf("line %d: %v, want %v", i, lines[i], want[i])
		}
		if lines[i]["requestId"] == "" || lines[i]["bytes"].(float64) == 0 || lines[i]["ms"] == nil {
			t.Errorf("line %d: %v", i, lines[i])
		}
	}
	if hash, _ := lines[0]["hash"].(string); len(hash) != 64 || lines[1]["hash"] != hash {
		t.Errorf("hashes %v and %v", lines[0]["hash"], lines[1]["hash"])
	}
	if strings.Contains(p.log.String(), unseen) {
		t.Error("a variable is in the log")
	}
}

func TestLogLevelAndSlowRequests(t *testing.T) {
	quick := start(t, map[string]string{"GATEWAY_LOG_REQUESTS": "false", "GATEWAY_SLOW_REQUEST": "1h"})
	quick.query(t, smallQuery)
	if log := quick.log.String(); strings.Contains(log, "request") {
		t.Errorf("log: %s", log)
	}
	p := start(t, map[string]string{"GATEWAY_SLOW_REQUEST": "1ns", "GATEWAY_LOG_REQUESTS": "false"})
	p.query(t, smallQuery)
	if log := p.log.String(); !strings.Contains(log, `level=WARN msg="slow request"`) {
		t.Errorf("log: %s", log)
	}
	var log bytes.Buffer
	s, err := parse(map[string]string{"GATEWAY_LOG_LEVEL": "warn"})
	if err != nil {
		t.Fatal(err)
	}
	s.Logger(&log).Info("hidden")
	s.Logger(&log).Warn("shown")
	if got := log.String(); strings.Contains(got, "hidden") || !strings.Contains(got, "shown") {
		t.Errorf("log: %s", got)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	p := start(t, map[string]string{"GATEWAY_DEMO_CALLS_PER_MINUTE": "0", "GATEWAY_LOG_LEVEL": "info"})
	p.query(t, `query List { calls(first: 2) { nodes { id } } }`)
	p.query(t, `query List { calls(first: 2) { nodes { id } } }`)
	p.query(t, `{ calls(first: 2) { nodes { id } } }`)
	p.query(t, `query Deep { nonsense }`)
	p.query(t, `query Costly { calls(first: 100) { nodes {`+hostile.Numbered(" t%d: transcript { role }", 5)+` } } }`)
	p.query(t, `{ `+strings.Repeat("a: __typename ", 400)+`}`)
	_, metrics := p.get(t, "metrics")
	for _, line := range []string{
		`revox_graphql_requests_total{code="OK",operation="List"} 2`,
		`revox_graphql_requests_total{code="OK",operation="(anonymous)"} 1`,
		`revox_graphql_requests_total{code="GRAPHQL_VALIDATION_FAILED",operation="(none)"} 1`,
		`revox_graphql_requests_total{code="QUERY_TOO_LARGE",operation="(none)"} 1`,
		`revox_graphql_requests_total{code="QUERY_TOO_COMPLEX",operation="(other)"} 1`, // it was not executed
		`revox_graphql_request_duration_seconds_count{operation="List"} 2`,
		`revox_graphql_operations_total{source="executed"} 2`,
		`revox_graphql_operations_total{source="cached"} 1`,
		`revox_graphql_limits_exceeded_total{limit="tokens"} 1`,
		`revox_graphql_request_cost_sum 5106`,
		`revox_graphql_upstream_requests_in_flight 0`,
	} {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line,
				regexp.MustCompile(`(?m)^revox_graphql_(request|operations|limits).*$`).FindAllString(metrics, -1))
		}
	}
}

// The log and the metrics have the drift of a cursor's call.
func TestDriftIsCounted(t *testing.T) {
	list := fake.New(fake.Config{Seed: 1, Calls: 300})
	upstream := httptest.NewServer(list)
	t.Cleanup(upstream.Close)
	p := start(t, map[string]string{
		"REVOX_API_KEY": "key", "REVOX_BASE_URL": upstream.URL + "/api",
		"GATEWAY_CACHE_TTL": "0s", "GATEWAY_LOG_FORMAT": "json",
	})
	var page struct {
		Data struct {
			Calls struct{ PageInfo struct{ EndCursor string } }
		}
	}
	if err := json.Unmarshal([]byte(p.query(t, `{ calls(first: 5) { pageInfo { endCursor } } }`)), &page); err != nil {
		t.Fatal(err)
	}
	list.Insert(7)
	p.query(t, fmt.Sprintf(`query Next { calls(first: 5, after: %q) { nodes { id } } }`,
		page.Data.Calls.PageInfo.EndCursor))
	lines := requestLines(t, p.log.String())
	if last := lines[len(lines)-1]; last["drift"] != 7. {
		t.Errorf("%v", last)
	}
	if _, metrics := p.get(t, "metrics"); !strings.Contains(metrics, "\nrevox_graphql_walk_drift_rows_sum 7\n") {
		t.Error("the drift is not counted")
	}
}

// receiver is a collector that receives traces.
type receiver struct {
	mu    sync.Mutex
	spans []*tracepb.Span
	body  bytes.Buffer
}

func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &sent) != nil {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.body.Write(body)
	for _, resource := range sent.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// attributesOf are those of a span, as texts.
func attributesOf(span *tracepb.Span) map[string]string {
	attributes := map[string]string{}
	for _, a := range span.GetAttributes() {
		attributes[a.GetKey()] = a.GetValue().GetStringValue()
		if a.GetValue().GetStringValue() == "" {
			attributes[a.GetKey()] = fmt.Sprint(a.GetValue().GetIntValue())
		}
	}
	return attributes
}

// byKind are the spans that arrived so far, of requests to the gateway and of attempts at upstream.
func (c *receiver) byKind() (server, client []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.spans {
		switch span.GetKind() {
		case tracepb.Span_SPAN_KIND_SERVER:
			server = append(server, span)
		case tracepb.Span_SPAN_KIND_CLIENT:
			client = append(client, span)
		}
	}
	return server, client
}

// tracedRequests are what [traceRequests] leaves behind.
type tracedRequests struct {
	log            string
	traces         *receiver
	server, client []*tracepb.Span
	propagated     []string // the headers Traceparent that upstream got
}

const tracedID = "4bf92f3577b34da6a3ce929d0e0e4736"

// traceRequests sends four requests: two with the client's trace, the first of which needs two attempts at upstream;
// one that the client does not want traced; and one without a trace. Then it stops the gateway.
func traceRequests(t *testing.T) *tracedRequests {
	t.Helper()
	r := &tracedRequests{traces: &receiver{}}
	list := fake.New(fake.Config{Seed: 1, Calls: 300})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.propagated = append(r.propagated, request.Header.Get("Traceparent"))
		if len(r.propagated) == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		list.ServeHTTP(w, request)
	}))
	t.Cleanup(upstream.Close)
	endpoint := httptest.NewServer(r.traces)
	t.Cleanup(endpoint.Close)
	p := start(t, map[string]string{
		"REVOX_API_KEY": "secret-" + unseen, "REVOX_BASE_URL": upstream.URL + "/api",
		"GATEWAY_UPSTREAM_FIRST_PAGE": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint.URL, "GATEWAY_LOG_FORMAT": "json",
	})
	send := func(flags, body string) {
		p.send(t, http.MethodPost, "graphql", body, "Content-Type", "application/json", "Traceparent",
			"00-"+tracedID+"-00f067aa0ba902b7-"+flags)
	}
	const list2 = `{"query": "query List { calls(first: 2) { nodes { id } } }"}`
	send("01", list2)
	send("01", list2)
	send("00", lookUp)
	p.send(t, http.MethodGet, "graphql?"+url.Values{
		"query":     {`query Get($id: ID!) { call(id: $id) { id } }`},
		"variables": {`{"id": "` + unseen + `"}`},
	}.Encode(), "")
	p.stop()
	if err := <-p.stopped; err != nil {
		t.Fatal(err)
	}
	r.log = p.log.String()
	if r.server, r.client = r.traces.byKind(); len(r.server) != 3 {
		t.Fatalf("%d requests traced, want 3", len(r.server))
	}
	return r
}

// A trace continues the client's, through the gateway, to every attempt at upstream.
func TestTraces(t *testing.T) {
	r := traceRequests(t)
	cold, warm, get := r.server[0], r.server[1], r.server[2]
	if fmt.Sprintf("%x", cold.GetTraceId()) != tracedID || cold.GetName() != "query List" ||
		fmt.Sprintf("%x", cold.GetParentSpanId()) != "00f067aa0ba902b7" {
		t.Errorf("the cold request is %v", cold)
	}
	if string(warm.GetTraceId()) != string(cold.GetTraceId()) || string(get.GetTraceId()) == string(cold.GetTraceId()) {
		t.Error("the traces are mixed up")
	}
	statuses := map[string]int{}
	for _, span := range r.client {
		if string(span.GetParentSpanId()) == string(cold.GetSpanId()) {
			statuses[attributesOf(span)["http.response.status_code"]]++
		}
		if sent := fmt.Sprintf("00-%x-%x-01", span.GetTraceId(), span.GetSpanId()); !slices.Contains(r.propagated, sent) {
			t.Errorf("upstream did not get %s: %v", sent, r.propagated)
		}
	}
	if statuses["502"] != 1 || statuses["200"] != 1 || len(statuses) != 2 {
		t.Errorf("attempts of the cold request, by status: %v", statuses)
	}
	if lines := requestLines(t, r.log); lines[0]["traceId"] != tracedID || lines[2]["traceId"] != nil {
		t.Errorf("trace ids in the log: %v and %v", lines[0]["traceId"], lines[2]["traceId"])
	}
}

// A span says what the request was and how the gateway served it, and holds no variables and no key.
func TestTraceAttributes(t *testing.T) {
	r := traceRequests(t)
	for i, want := range []map[string]string{
		{
			"graphql.operation.name": "List", "revox_graphql.source": "executed", "revox_graphql.upstream_requests": "2",
			"revox_graphql.code": "OK", "http.response.status_code": "200",
		},
		{"graphql.operation.name": "List", "revox_graphql.source": "cached", "revox_graphql.upstream_requests": "0"},
		{"graphql.operation.name": "Get", "http.request.method": "GET"},
	} {
		got := attributesOf(r.server[i])
		for name, value := range want {
			if got[name] != value {
				t.Errorf("request %d: %s is %q, want %q", i, name, got[name], value)
			}
		}
	}
	if bytes.Contains(r.traces.body.Bytes(), []byte(unseen)) || strings.Contains(r.log, unseen) {
		t.Error("a variable or the key is in the traces or the log")
	}
}

func TestProfiles(t *testing.T) {
	p := start(t, map[string]string{"GATEWAY_PPROF_LISTEN": "127.0.0.1:0"})
	match := regexp.MustCompile(`msg="serving profiles" url=(\S+)`).FindStringSubmatch(p.log.String())
	if match == nil {
		t.Fatalf("log: %s", p.log)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, match[1]+"goroutine?debug=1", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if resp, body := do(t, req); resp.StatusCode != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	req.Host = "evil.example"
	if resp, _ := do(t, req); resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a foreign name gets %d", resp.StatusCode)
	}
	if resp, body := p.get(t, "debug/pprof/"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("profiles at the gateway's own address: %d %s", resp.StatusCode, body)
	}
	for _, address := range []string{"0.0.0.0:6060", ":6060", "10.0.0.1:6060", "here"} {
		if _, err := parse(map[string]string{"GATEWAY_PPROF_LISTEN": address}); err == nil ||
			!strings.Contains(err.Error(), "GATEWAY_PPROF_LISTEN") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// The separate addresses serve a few connections at once, and further ones when one of these has ended.
func TestSideConnectionsAreBounded(t *testing.T) {
	p := start(t, map[string]string{"GATEWAY_PPROF_LISTEN": "127.0.0.1:0", "GATEWAY_METRICS_LISTEN": "127.0.0.1:0"})
	for kind, path := range map[string]string{"profiles": "/debug/pprof/cmdline", "metrics": "/nothing"} {
		t.Run(kind, func(t *testing.T) {
			match := regexp.MustCompile(`msg="serving ` + kind + `" url=http://([^/]+)/`).FindStringSubmatch(p.log.String())
			if match == nil {
				t.Fatalf("log: %s", p.log)
			}
			ask := func(conn net.Conn) error {
				_, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
				if err != nil {
					return err
				}
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, resp.Body)
				return err
			}
			conns := make([]net.Conn, sideConnections+1)
			for i := range conns {
				conn, err := net.Dial("tcp", match[1])
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(time.Minute))
				conns[i] = conn
			}
			for _, conn := range conns[:sideConnections] {
				if err := ask(conn); err != nil {
					t.Fatal(err)
				}
			}
			served := make(chan error, 1)
			go func() { served <- ask(conns[sideConnections]) }()
			for range 100 { // in which a server without a bound would serve that too
				if err := ask(conns[0]); err != nil {
					t.Fatal(err)
				}
			}
			select {
			case err := <-served:
				t.Errorf("%d connections are served at once: %v", len(conns), err)
			default:
				_ = conns[1].Close()
				if err := <-served; err != nil {
					t.Errorf("after one has ended: %v", err)
				}
			}
		})
	}
}
