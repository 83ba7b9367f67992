package gateway

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream/fake"
)

const smallQuery = `{ calls(first: 1) { nodes { id } } }`

// send asks the program for a path by a method, with headers in pairs.
func (p *program) send(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		} else {
			req.Header.Add(header[i], header[i+1])
		}
	}
	return do(t, req)
}

// refusal reads the one error of a response in the form of GraphQL.
func refusal(t *testing.T, resp *http.Response, body string) (message string, extensions map[string]any) {
	t.Helper()
	var response struct {
		Errors []struct {
			Message    string
			Extensions map[string]any
		}
		Data any
	}
	if err := json.Unmarshal([]byte(body), &response); err != nil || len(response.Errors) != 1 || response.Data != nil {
		t.Fatalf("no GraphQL error: %d %s", resp.StatusCode, body)
	}
	if vary := strings.Join(resp.Header.Values("Vary"), ", "); !strings.Contains(vary, "Authorization") {
		t.Errorf("%d varies by %q", resp.StatusCode, vary)
	}
	return response.Errors[0].Message, response.Errors[0].Extensions
}

// upstreamOf starts a fake upstream of a few calls, and makes the environment for it.
func upstreamOf(t *testing.T, fault func(int, *http.Request) *fake.Response, env ...string) map[string]string {
	t.Helper()
	upstream := fake.New(fake.Config{Seed: 1, Calls: 30})
	upstream.Behave(func(b *fake.Behaviour) { b.Fault = fault })
	rest := httptest.NewServer(upstream)
	t.Cleanup(rest.Close)
	all := map[string]string{"REVOX_API_KEY": "key", "REVOX_BASE_URL": rest.URL, "GATEWAY_UPSTREAM_FIRST_PAGE": "0"}
	for i := 0; i < len(env); i += 2 {
		all[env[i]] = env[i+1]
	}
	return all
}

// The gateway rejects what pages can make a browser send by GET without a preflight.
func TestCrossSiteGET(t *testing.T) {
	const foreign = "https://evil.example"
	const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	p := start(t, map[string]string{"GATEWAY_CORS_ORIGINS": "https://app.example"})
	self := strings.TrimSuffix(p.url, "/")
	for _, test := range []struct {
		name   string
		header []string
		taken  bool
	}{
		{"curl", nil, true},
		{"Node's fetch", []string{"User-Agent", "node", "Sec-Fetch-Mode", "cors", "Accept-Language", "*"}, true},
		{"our own page", []string{"Sec-Fetch-Site", "same-origin", "User-Agent", firefox}, true},
		{"the address bar", []string{"Sec-Fetch-Site", "none", "User-Agent", firefox}, true},
		{"a foreign page's picture", []string{"Sec-Fetch-Site", "cross-site", "User-Agent", firefox}, false},
		{"a page of a sister host", []string{"Sec-Fetch-Site", "same-site"}, false},
		{"a foreign page's fetch", []string{"Sec-Fetch-Site", "cross-site", "Origin", foreign}, false},
		{"a listed page's fetch", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example"}, true},
		{"our own page in an old browser", []string{"Origin", self, "User-Agent", firefox}, true},
		{"a foreign page in an old browser", []string{"Origin", foreign, "User-Agent", firefox}, false},
		{"a page without an origin", []string{"Origin", "null"}, false},
		{"a browser that does not tell", []string{"User-Agent", firefox}, false},
		{"apollo-require-preflight", []string{"Sec-Fetch-Site", "cross-site", "Apollo-Require-Preflight", "true"}, true},
		{"x-apollo-operation-name", []string{"Sec-Fetch-Site", "cross-site", "X-Apollo-Operation-Name", "Q"}, true},
		{"an empty header proves nothing", []string{"Sec-Fetch-Site", "cross-site", "Apollo-Require-Preflight", ""}, false},
		{"JSON as content type", []string{
			"Sec-Fetch-Site", "cross-site", "Content-Type",
			"application/json; charset=utf-8",
		}, true},
		{"a content type of forms", []string{
			"Sec-Fetch-Site", "cross-site", "Content-Type",
			"text/plain; x=application/json",
		}, false},
		{"a broken content type", []string{
			"Sec-Fetch-Site", "cross-site", "Content-Type",
			"text/plain,application/json",
		}, false},
		{"a bearer token", []string{"Sec-Fetch-Site", "cross-site", "Authorization", "Bearer one"}, true},
		{"a remembered password", []string{"Sec-Fetch-Site", "cross-site", "Authorization", "Basic b25lOnR3bw=="}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, body := p.send(t, http.MethodGet, "graphql?query="+url.QueryEscape(smallQuery), "", test.header...)
			if test.taken {
				if resp.StatusCode != http.StatusOK || !strings.Contains(body, `"nodes":[{`) {
					t.Errorf("%d %s", resp.StatusCode, body)
				}
				return
			}
			message, extensions := refusal(t, resp, body)
			if resp.StatusCode != http.StatusForbidden || extensions["code"] != "BAD_USER_INPUT" ||
				!strings.Contains(message, "apollo-require-preflight") {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	for _, contentType := range []string{
		"", "text/plain", "application/x-www-form-urlencoded",
		"multipart/form-data; boundary=x",
	} {
		resp, body := p.send(t, http.MethodPost, "graphql", `{"query": "{ calls { totalCount } }"}`, "Content-Type",
			contentType)
		if _, extensions := refusal(t, resp, body); resp.StatusCode != http.StatusUnsupportedMediaType ||
			extensions["code"] != "BAD_USER_INPUT" {
			t.Errorf("POST as %q: %d %s", contentType, resp.StatusCode, body)
		}
	}
}

// An origin that GATEWAY_CORS_ORIGINS lists, and one that looks like it.
const listed, other = "https://app.example", "https://app.example.evil.example"

// startCORS serves a gateway with tokens to pages of a listed origin.
func startCORS(t *testing.T) *program {
	t.Helper()
	return start(t, map[string]string{"GATEWAY_CORS_ORIGINS": "http://localhost:5173, " + listed, "GATEWAY_TOKENS": "one"})
}

// A preflight is answered for listed origins only.
func TestPreflight(t *testing.T) {
	p := startCORS(t)
	preflight := func(origin string, headers ...string) *http.Response {
		asked := []string{"Origin", origin, "Access-Control-Request-Method", "POST"}
		for _, header := range headers {
			asked = append(asked, "Access-Control-Request-Headers", header)
		}
		resp, _ := p.send(t, http.MethodOptions, "graphql", "", asked...)
		return resp
	}
	// Headers of Apollo Client and OpenTelemetry, and an unknown one.
	asked := "apollographql-client-name,apollographql-client-version,authorization,baggage,traceparent," +
		"x-mine,x-query-cost,x-request-id"
	resp := preflight(listed, asked)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":  listed,
		"Access-Control-Allow-Methods": "GET, POST",
		"Access-Control-Allow-Headers": asked,
		"Access-Control-Max-Age":       "600",
		"Vary":                         "Origin, Access-Control-Request-Headers",
	} {
		if got := strings.Join(resp.Header.Values(name), ", "); got != want {
			t.Errorf("preflight: %s is %q", name, got)
		}
	}
	if resp.StatusCode != http.StatusNoContent {
		t.Errorf("preflight: %d", resp.StatusCode)
	}
	for _, headers := range [][]string{nil, {"authorization"}, {"authorization", "x-mine"}} {
		resp := preflight(listed, headers...)
		got := resp.Header.Get("Access-Control-Allow-Headers")
		if got != strings.Join(headers, ", ") || resp.StatusCode != http.StatusNoContent {
			t.Errorf("preflight for %q: %d %q", headers, resp.StatusCode, got)
		}
	}
	for _, origin := range []string{other, "null", "http://app.example", "https://APP.example"} {
		resp := preflight(origin, "authorization")
		allowed := resp.Header.Get("Access-Control-Allow-Origin") + resp.Header.Get("Access-Control-Allow-Headers")
		if resp.StatusCode != http.StatusForbidden || allowed != "" || resp.Header.Get("Vary") != "Origin" {
			t.Errorf("preflight of %s: %d %v", origin, resp.StatusCode, resp.Header)
		}
	}
	without := start(t, nil)
	resp, _ = without.send(t, http.MethodOptions, "graphql", "", "Origin", listed, "Access-Control-Request-Method", "POST")
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without the setting: %d %v", resp.StatusCode, resp.Header)
	}
}

// Listed pages can read responses and rejections alike, and no others can.
func TestCORS(t *testing.T) {
	p := startCORS(t)
	for _, token := range []string{"one", "wrong"} {
		for _, origin := range []string{listed, other, ""} {
			resp, _ := p.send(t, http.MethodPost, "graphql", `{"query": "{ __typename }"}`, "Content-Type", "application/json",
				"Authorization", "Bearer "+token, "Origin", origin)
			allowed, exposed := resp.Header.Get("Access-Control-Allow-Origin"), resp.Header.Get("Access-Control-Expose-Headers")
			wantAllowed, wantExposed := "", ""
			if origin == listed {
				wantAllowed, wantExposed = listed, "age, etag, retry-after, www-authenticate, x-request-id, x-revox-upstream"
			}
			if allowed != wantAllowed || exposed != wantExposed {
				t.Errorf("%s, %s: %d %v", token, origin, resp.StatusCode, resp.Header)
			}
			if vary := strings.Join(resp.Header.Values("Vary"), ", "); vary != "Origin, Authorization, Accept, Accept-Encoding" {
				t.Errorf("%s, %s: Vary is %q", token, origin, vary)
			}
			if resp.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
		}
	}
}

// The gateway rejects a name that a page of another origin has pointed here.
func TestHosts(t *testing.T) {
	p := start(t, map[string]string{"GATEWAY_HOSTS": "calls.example.com,other"})
	port := regexp.MustCompile(`:\d+`).FindString(p.url)
	for host, known := range map[string]bool{
		"localhost": true, "LocalHost:1": true, "127.0.0.1": true, "127.0.0.1" + port: true,
		"[::1]": true, "[::1]" + port: true,
		"calls.example.com": true, "Calls.Example.com:8443": true, "other": true,
		"evil.example": false, "evil.example" + port: false,
		"localhost.evil.example": false, "10.0.0.1": false, "[::2]": false,
	} {
		resp, body := p.send(t, http.MethodPost, "graphql", `{"query": "{ __typename }"}`, "Content-Type", "application/json",
			"Host", host)
		if known {
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %d %s", host, resp.StatusCode, body)
			}
			continue
		}
		if message, extensions := refusal(t, resp, body); resp.StatusCode != http.StatusMisdirectedRequest ||
			extensions["code"] != "BAD_USER_INPUT" || !strings.Contains(message, "GATEWAY_HOSTS") {
			t.Errorf("%s: %d %s", host, resp.StatusCode, body)
		}
		if resp, body := p.send(t, http.MethodGet, "", "", "Host", host); resp.StatusCode != http.StatusMisdirectedRequest ||
			strings.Contains(body, "<") {
			t.Errorf("%s: the page: %d %s", host, resp.StatusCode, body)
		}
	}
}

// Beyond loopback names are checked only where the operator has listed some, and probes may come by address.
func TestHostsBeyondLoopback(t *testing.T) {
	for _, test := range []struct {
		listen, names, host string
		status              int
	}{
		{":80", "", "anything.example", 200},
		{":80", "calls.example", "calls.example", 200},
		{":80", "calls.example", "10.1.2.3:8080", 200},
		{":80", "calls.example", "localhost:80", 200},
		{":80", "calls.example", "anything.example", 421},
		{"gateway.internal:80", "calls.example", "gateway.internal", 200},
		{"localhost:80", "", "10.1.2.3:8080", 421},
		{"127.0.0.2:80", "", "127.0.0.2", 200},
		{"[::1]:80", "", "[::1]:80", 200},
	} {
		s, err := parse(map[string]string{"GATEWAY_LISTEN": test.listen, "GATEWAY_HOSTS": test.names})
		if err != nil {
			t.Fatal(err)
		}
		r, w := httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody), httptest.NewRecorder()
		r.Host = test.host
		hostGuard(s, false)(text("ok")).ServeHTTP(w, r)
		if w.Code != test.status {
			t.Errorf("%+v: %d", test, w.Code)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	p := start(t, nil)
	for _, id := range []string{"a", "Ab-9._z", strings.Repeat("x", 128)} {
		if resp, _ := p.send(t, http.MethodGet, "healthz", "", "X-Request-Id", id); resp.Header.Get("X-Request-Id") != id {
			t.Errorf("%q became %q", id, resp.Header.Get("X-Request-Id"))
		}
	}
	seen := map[string]bool{}
	for _, id := range []string{"", "a b", strings.Repeat("x", 129), `a"b`, "a/b", "é", "a,b"} {
		for _, path := range []string{"", "graphql", "nothing", "schema.graphqls", "readyz", "metrics"} {
			resp, _ := p.send(t, http.MethodGet, path, "", "X-Request-Id", id)
			got := resp.Header.Values("X-Request-Id")
			if len(got) != 1 || len(got[0]) < 20 || seen[got[0]] {
				t.Errorf("%s, %q: %q", path, id, got)
			}
			seen[strings.Join(got, "")] = true
		}
	}
	if resp, _ := p.send(t, http.MethodGet, "healthz", "", "Host", "evil.example", "X-Request-Id",
		"mine"); resp.Header.Get("X-Request-Id") != "mine" {
		t.Error("a refusal has no id")
	}
}

// A client that sends a body slowly takes no slot of admission control.
func TestSlowBodiesTakeNoSlot(t *testing.T) {
	const most = 2
	p := start(t, map[string]string{"GATEWAY_MAX_CONCURRENT_REQUESTS": fmt.Sprint(most)})
	for range 5 * most {
		conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(p.url, "http://"), "/"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		// The gateway says so when it begins to read the body.
		_, _ = io.WriteString(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: "+
			"application/json\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
			t.Fatalf("%q, %v", line, err)
		}
		_, _ = io.WriteString(conn, "{")
	}
	if body := p.query(t, smallQuery); !strings.Contains(body, `"nodes":[{`) {
		t.Errorf("got %s", body)
	}
	if _, body := p.get(t, "metrics"); !strings.Contains(body, "\nrevox_graphql_requests_in_flight 0\n") ||
		!strings.Contains(body, "\nrevox_graphql_requests_rejected_total{reason=\"in_flight\"} 0\n") {
		t.Errorf("metrics: %s", regexp.MustCompile(`(?m)^revox_graphql_requests_.*$`).FindAllString(body, -1))
	}
}

// A client that reads a response slowly takes no slot of admission control.
func TestSlowReadersTakeNoSlot(t *testing.T) {
	const most = 2
	p := start(t, map[string]string{
		"GATEWAY_MAX_CONCURRENT_REQUESTS": fmt.Sprint(most), "GATEWAY_CACHE_TTL": "1h",
		"GATEWAY_DEMO_CALLS_PER_MINUTE": "0",
	})
	const body = `{"query": "{ calls(first: 100) { nodes { transcript { content } } } }"}`
	request := fmt.Sprintf("POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: "+
		"application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for range 5 * most {
		conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(p.url, "http://"), "/"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		// More responses than the buffers of a connection hold.
		go func() { _, _ = io.WriteString(conn, strings.Repeat(request, 100)) }()
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	until(t, "a request has a slot beside slow clients", func() bool {
		return strings.Contains(p.query(t, smallQuery), `"nodes":[{`)
	})
	until(t, "slow clients have no slots", func() bool {
		_, body := p.get(t, "metrics")
		return strings.Contains(body, "\nrevox_graphql_requests_in_flight 0\n")
	})
	if waited := time.Since(began); waited > 40*time.Second { // they have 60 s to read
		t.Errorf("slow clients had the slots for %v", waited)
	}
}

// Requests beyond the limit are rejected, and do not disturb those in flight. Cached responses have no limit.
func TestShedding(t *testing.T) {
	const most = 3
	arrived, goOn := make(chan struct{}, most), make(chan struct{})
	env := upstreamOf(t, func(_ int, r *http.Request) *fake.Response {
		if r.FormValue("statuses") != "" {
			arrived <- struct{}{}
			<-goOn
		}
		return nil
	}, "GATEWAY_MAX_CONCURRENT_REQUESTS", fmt.Sprint(most), "GATEWAY_CACHE_TTL", "1h")
	p := start(t, env)
	cached := p.query(t, smallQuery)
	responses := make(chan string, most)
	// Lists of their own: they would share a request for one list.
	for _, status := range []string{"COMPLETED", "SCHEDULED", "ERRORED"} {
		go func() { responses <- p.query(t, `{ calls(first: 1, statuses: [`+status+`]) { nodes { id } } }`) }()
	}
	for range most {
		<-arrived
	}
	// A cached response needs no slot.
	if body := p.query(t, smallQuery); body != cached || !strings.Contains(body, `"nodes":[{`) {
		t.Errorf("the cached response is %s", body)
	}
	// Many more change nothing, and other paths respond.
	var refused atomic.Int64
	var all sync.WaitGroup
	for i := range 50 { // of their own: identical ones would wait for one another
		all.Go(func() {
			resp, body := p.send(t, http.MethodPost, "graphql", fmt.Sprintf(`{"query": "{ a%d: __typename }"}`, i),
				"Content-Type", "application/json")
			_, extensions := refusal(t, resp, body)
			if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "1" &&
				extensions["code"] == "OVERLOADED" && extensions["retryAfter"] == 1.0 {
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if refused.Load() != 50 {
		t.Errorf("%d of 50 were rejected", refused.Load())
	}
	if _, body := p.get(t, "metrics"); !strings.Contains(body, "\nrevox_graphql_requests_in_flight 3\n") ||
		!strings.Contains(body, "\nrevox_graphql_requests_rejected_total{reason=\"in_flight\"} 50\n") {
		t.Errorf("metrics: %s", regexp.MustCompile(`(?m)^revox_graphql_requests_.*$`).FindAllString(body, -1))
	}
	close(goOn)
	for range most {
		if body := <-responses; !strings.Contains(body, `{"data":{"calls":{"nodes":[`) {
			t.Errorf("got %s", body)
		}
	}
	if body := p.query(t, smallQuery); !strings.Contains(body, `"nodes":[{`) {
		t.Errorf("after the rush: %s", body)
	}
	if strings.Contains(p.log.String(), "panic") {
		t.Errorf("log: %s", p.log)
	}
}

// Not ready while upstream fails, and ready again by itself once upstream is, though no client asks.
func TestReadyFollowsUpstream(t *testing.T) {
	var down atomic.Bool
	fault := func(int, *http.Request) *fake.Response {
		if down.Load() {
			return &fake.Response{Status: http.StatusInternalServerError}
		}
		return nil
	}
	p := start(t, upstreamOf(t, fault, "GATEWAY_CACHE_TTL", "0"))
	if resp, body := p.get(t, "readyz"); resp.StatusCode != http.StatusOK || body != "ok\n" {
		t.Errorf("at the start: %d %q", resp.StatusCode, body)
	}
	down.Store(true)
	await := func(status int) string {
		var body string
		until(t, fmt.Sprintf("/readyz answers with %d", status), func() bool {
			if status != http.StatusOK {
				p.query(t, smallQuery)
			}
			var resp *http.Response
			resp, body = p.get(t, "readyz")
			return resp.StatusCode == status
		})
		return body
	}
	if body := await(http.StatusServiceUnavailable); body != "upstream keeps failing\n" {
		t.Errorf("got %q", body)
	}
	if _, body := p.get(t, "metrics"); !strings.Contains(body, "\nrevox_graphql_upstream_circuit_breakers_open 1\n") {
		t.Error("the open breaker is not counted")
	}
	if resp, _ := p.get(t, "healthz"); resp.StatusCode != http.StatusOK {
		t.Error("it is alive all the same")
	}
	down.Store(false)
	await(http.StatusOK)
}

// A 401 says in its realm whose credential is missing, and pages of other origins may read that.
func TestChallenge(t *testing.T) {
	for name, test := range map[string]struct {
		env   []string
		realm string
	}{
		"a token of the gateway": {[]string{"REVOX_API_KEY", "key", "GATEWAY_TOKENS", "right"}, "revox-graphql"},
		"the client's key":       {[]string{"REVOX_API_KEY", "", "GATEWAY_CREDENTIALS", "forward"}, "Revox"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, upstreamOf(t, nil, append(test.env, "GATEWAY_CORS_ORIGINS", listed)...))
			resp, body := p.send(t, http.MethodPost, "graphql", `{"query": "{ __typename }"}`, "Content-Type",
				"application/json", "Origin", listed)
			challenge := resp.Header.Get("WWW-Authenticate")
			if want := `Bearer realm="` + test.realm + `"`; resp.StatusCode != http.StatusUnauthorized || challenge != want {
				t.Errorf("%d, %q: %s", resp.StatusCode, challenge, body)
			}
			if exposed := resp.Header.Get("Access-Control-Expose-Headers"); !strings.Contains(exposed, "www-authenticate") {
				t.Errorf("pages may read %q", exposed)
			}
		})
	}
}

// With forwarding, upstream failing for one credential says nothing about the gateway.
func TestReadyWithForwarding(t *testing.T) {
	fault := func(int, *http.Request) *fake.Response { return &fake.Response{Status: http.StatusInternalServerError} }
	p := start(t, upstreamOf(t, fault, "REVOX_API_KEY", "", "GATEWAY_CREDENTIALS", "forward"))
	until(t, "the breaker is open", func() bool { // which needs a second
		_, body := p.send(t, http.MethodPost, "graphql", `{"query": "{ calls { nodes { id } } }"}`, "Content-Type",
			"application/json", "Authorization", "Bearer one")
		if !strings.Contains(body, "UPSTREAM_UNAVAILABLE") {
			t.Fatalf("got %s", body)
		}
		_, metrics := p.get(t, "metrics")
		return strings.Contains(metrics, "\nrevox_graphql_upstream_circuit_breakers_open 1\n")
	})
	if resp, body := p.get(t, "readyz"); resp.StatusCode != http.StatusOK {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

// After the signal the program reports at once that it is not ready, and accepts requests until the delay is over.
func TestDrainDelay(t *testing.T) {
	p := start(t, map[string]string{"GATEWAY_DRAIN_DELAY": "1500ms"})
	began := time.Now()
	p.stop()
	until(t, "the signal is noticed", func() bool { return strings.Contains(p.log.String(), "no longer ready") })
	if resp, body := p.get(t, "readyz"); resp.StatusCode != http.StatusServiceUnavailable || body != "stopping\n" ||
		!resp.Close {
		t.Errorf("readyz: %d %q, the connection ends: %v", resp.StatusCode, body, resp.Close)
	}
	if body := p.query(t, smallQuery); !strings.Contains(body, `"nodes":[{`) {
		t.Errorf("got %s", body)
	}
	if err := <-p.stopped; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("it stopped after %v", took)
	}
}

// Tokens come and go with the file, within a second or two.
func TestTokensFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	write := func(content string) {
		t.Helper()
		next := path + ".next" // put in place at once, as one should
		if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
	write("# the shop's\nfirst\n\n  second  \n")
	p := start(t, map[string]string{"GATEWAY_TOKENS": "setting", "GATEWAY_TOKENS_FILE": path})
	status := func(token string) int {
		resp, _ := p.send(t, http.MethodPost, "graphql", `{"query": "{ __typename }"}`, "Content-Type", "application/json",
			"Authorization", token)
		return resp.StatusCode
	}
	for token, want := range map[string]int{
		"Bearer setting": 200, "Bearer first": 200, "bearer second": 200, "Bearer # the shop's": 401, "Bearer ": 401,
		"": 401, "Bearer firs": 401, "Basic first": 401,
	} {
		if got := status(token); got != want {
			t.Errorf("%q: %d", token, got)
		}
	}
	await := func(token string, want int) {
		t.Helper()
		until(t, fmt.Sprintf("%s is answered with %d", token, want), func() bool { return status(token) == want })
	}
	write("third\n")
	await("Bearer third", 200)
	if status("Bearer first") != 401 || status("Bearer setting") != 200 {
		t.Error("a removed token is still accepted, or another is not")
	}
	if log := p.log.String(); strings.Contains(log, "third") || !strings.Contains(log, "a file was read again") {
		t.Errorf("the log does not tell, or tells a token: %s", log)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	p := start(t, nil)
	for _, path := range []string{"nothing", "graphql/x", "healthz/x", "Graphql", "assets/../x"} {
		if resp, body := p.get(t, path); resp.StatusCode != http.StatusNotFound ||
			!strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	const reading = "GET, HEAD, OPTIONS"
	for path, allow := range map[string]string{
		"": reading, "healthz": reading, "readyz": reading, "metrics": reading, "schema.graphqls": reading,
		"graphql": "GET, POST",
	} {
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodOptions} {
			want := http.StatusMethodNotAllowed
			if method == http.MethodOptions && allow == reading {
				want = http.StatusNoContent
			}
			if resp, _ := p.send(t, method, path, ""); resp.StatusCode != want || resp.Header.Get("Allow") != allow {
				t.Errorf("%s /%s: %d, Allow: %s", method, path, resp.StatusCode, resp.Header.Get("Allow"))
			}
		}
	}
}

// overHTTP2 is a client that speaks HTTP/2 without TLS.
func overHTTP2(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Proxies may speak HTTP/2 without TLS.
func TestHTTP2(t *testing.T) {
	p := start(t, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"graphql",
		strings.NewReader(`{"query": "{ calls(first: 1) { nodes { id } } }"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := overHTTP2(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.ProtoMajor != 2 || !bytes.Contains(body, []byte(`"nodes":[{`)) {
		t.Errorf("%s %d %s, %v", resp.Proto, resp.StatusCode, body, err)
	}
}

// pipes is a listener whose connections are in memory, so that time can be made up.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	close(l.closed)
	return nil
}

func (*pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A client that stops in the middle of its headers or its body is waited for, but not for long; between two requests it
// is waited for as long as it is set.
func TestSlowClients(t *testing.T) {
	const healthy = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for name, test := range map[string]struct {
		sends string
		waits time.Duration
		idle  string // the setting
	}{
		"headers": {"POST /graphql HTTP/1.1\r\nHost: local", 5 * time.Second, ""},
		"body": {"POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
			"x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", 15 * time.Second, ""},
		"nothing":                                {"", 5 * time.Second, ""},
		"idle":                                   {healthy, 620 * time.Second, ""},
		"idle, as it is set":                     {healthy, 90 * time.Second, "90s"},
		"headers of a second request":            {healthy + "GET /healthz", 5 * time.Second, ""},
		"idle for little, and slow all the same": {healthy + "GET /healthz", 5 * time.Second, "2s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := parse(map[string]string{"GATEWAY_CREDENTIALS": "forward", "GATEWAY_IDLE_TIMEOUT": test.idle})
				if err != nil {
					t.Fatal(err)
				}
				log := quiet()
				handler, stop, err := routes(s, newRegistry(), nil, new(atomic.Bool), nil, log)
				if err != nil {
					t.Fatal(err)
				}
				defer stop()
				listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				server := newServer(s, handler, log)
				go func() { _ = server.Serve(listener) }()
				defer func() { _ = server.Close() }()
				client, conn := net.Pipe()
				listener.conns <- conn
				began := time.Now()
				go func() { _, _ = io.WriteString(client, test.sends) }()
				_, _ = io.Copy(io.Discard, client) // until the server closes the connection
				if waited := time.Since(began); waited < test.waits || waited > test.waits+time.Second {
					t.Errorf("it was waited for %v", waited)
				}
			})
		})
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
