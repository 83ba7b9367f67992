package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"revox-graphql/upstream/fake"
)

// address is where the program listens.
func (p *program) address() string {
	return strings.TrimSuffix(strings.TrimPrefix(p.url, "http://"), "/")
}

// raw sends bytes as they are, and returns all that comes back.
func (p *program) raw(t *testing.T, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(response)
}

// The log and the metrics distinguish a client that leaves while its query runs from failures.
func TestClientsThatLeaveAreNoErrors(t *testing.T) {
	arrived, goOn := make(chan struct{}, 10), make(chan struct{})
	defer close(goOn)
	p := start(t, upstreamOf(t, func(int, *http.Request) *fake.Response {
		arrived <- struct{}{}
		<-goOn
		return nil
	}, "GATEWAY_LOG_FORMAT", "json"))
	conn, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"query": "query Left { calls(first: 2) { nodes { id } } }"}`
	_, err = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n%s", len(body), body)
	if err != nil {
		t.Fatal(err)
	}
	<-arrived
	_ = conn.Close()
	const counted = "\nrevox_graphql_requests_total{code=\"CLIENT_CLOSED_REQUEST\",operation=\"Left\"} 1\n"
	until(t, "it is counted", func() bool {
		_, metrics := p.get(t, "metrics")
		return strings.Contains(metrics, counted)
	})
	var lines []map[string]any
	until(t, "it is logged", func() bool { // after it has been counted
		lines = requestLines(t, p.log.String())
		return len(lines) == 1
	})
	if lines[0]["status"] != 499. || lines[0]["code"] != "CLIENT_CLOSED_REQUEST" || lines[0]["operation"] != "Left" {
		t.Errorf("%v", lines[0])
	}
	if log := p.log.String(); strings.Contains(log, "ERROR") || strings.Contains(log, "WARN") {
		t.Errorf("log: %s", log)
	}
}

// Probes by HTTP/1.0 name no host, and a full name may end with a dot. The rest of the names is in TestHosts.
func TestNamesOfTheGateway(t *testing.T) {
	p := start(t, map[string]string{"GATEWAY_HOSTS": "calls.example.com,dotted.example."})
	ask := func(request, fields string) string {
		t.Helper()
		status, _, _ := strings.Cut(p.raw(t, request+"\r\n"+fields+"Connection: close\r\n\r\n"), "\r\n")
		_, status, _ = strings.Cut(status, " ")
		return status[:3]
	}
	for _, test := range []struct{ request, fields, status string }{
		{"GET /healthz HTTP/1.0", "", "200"},
		{"HEAD /healthz HTTP/1.0", "", "200"},
		{"GET /readyz HTTP/1.0", "", "200"},
		{"OPTIONS / HTTP/1.0", "", "204"}, // HAProxy's default
		{"OPTIONS /healthz HTTP/1.0", "", "204"},
		{"GET /healthz HTTP/1.1", "Host:\r\n", "200"},
		{"GET /healthz HTTP/1.0", "Host: evil.example\r\n", "421"},
		{"GET / HTTP/1.0", "", "421"},
		{"GET /metrics HTTP/1.0", "", "421"},
		{"GET /graphql?query={__typename} HTTP/1.0", "", "421"},
		{"GET /graphql?query={__typename} HTTP/1.1", "Host: localhost.\r\n", "200"},
		{"GET /graphql?query={__typename} HTTP/1.1", "Host: LOCALHOST.:80\r\n", "200"},
		{"GET /graphql?query={__typename} HTTP/1.1", "Host: calls.example.com.:443\r\n", "200"},
		{"GET /graphql?query={__typename} HTTP/1.1", "Host: dotted.example\r\n", "200"},
		{"GET /graphql?query={__typename} HTTP/1.1", "Host: dotted.example.\r\n", "200"},
		{"GET /graphql?query={__typename} HTTP/1.1", "Host: [0:0:0:0:0:0:0:1]:80\r\n", "200"},
		{"GET /graphql?query={__typename} HTTP/1.1", "Host: localhost..\r\n", "421"},
		{"GET /graphql?query={__typename} HTTP/1.1", "Host: .\r\n", "421"},
		{"GET /graphql?query={__typename} HTTP/1.1", "Host: evil.example.\r\n", "421"},
	} {
		if got := ask(test.request, test.fields); got != test.status {
			t.Errorf("%s, %q: %s, want %s", test.request, test.fields, got, test.status)
		}
	}
}

// A path that ends with a slash is the same, for every method and refusal.
func TestSlashAfterGraphQL(t *testing.T) {
	p := start(t, map[string]string{"GATEWAY_CORS_ORIGINS": "https://app.example"})
	for _, test := range []struct {
		method, query, body string
		header              []string
	}{
		{http.MethodPost, "", `{"query": "{ __typename }"}`, []string{"Content-Type", "application/json"}},
		{http.MethodGet, "?query={__typename}", "", nil},
		{http.MethodGet, "?query={__typename}", "", []string{"Sec-Fetch-Site", "cross-site"}},
		{http.MethodPost, "", "{}", []string{"Host", "evil.example"}},
		{http.MethodPut, "", "", nil},
		{http.MethodOptions, "", "", []string{"Origin", "https://app.example", "Access-Control-Request-Method", "POST"}},
	} {
		plain, want := p.send(t, test.method, "graphql"+test.query, test.body, test.header...)
		slash, got := p.send(t, test.method, "graphql/"+test.query, test.body, test.header...)
		if plain.StatusCode != slash.StatusCode || want != got ||
			plain.Header.Get("Content-Type") != slash.Header.Get("Content-Type") {
			t.Errorf("%s %v: %d %s, and with a slash %d %s",
				test.method, test.header, plain.StatusCode, want, slash.StatusCode, got)
		}
	}
	const counted = `revox_graphql_requests_total{code="OK",operation="(anonymous)"} 4`
	if _, metrics := p.get(t, "metrics"); !strings.Contains(metrics, counted) {
		t.Error("requests to the path with a slash are not counted")
	}
}

// A browser that opens the endpoint, or the place where other servers have GraphiQL, is led to the page, also where a
// proxy serves the gateway below a path. All other requests are as they were.
func TestBrowsersAreLedToThePage(t *testing.T) {
	p := start(t, nil)
	const chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	const firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	const agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	for _, test := range []struct {
		method, path, accept string
		status               int
		location             string
	}{
		{http.MethodGet, "graphql", chrome, 302, "./"},
		{http.MethodGet, "graphql", firefox, 302, "./"},
		{http.MethodGet, "graphql/", chrome, 302, "../"},
		{http.MethodGet, "graphql", "text/html", 302, "./"},
		{http.MethodGet, "graphiql", chrome, 302, "./"},
		{http.MethodGet, "graphiql/", chrome, 302, "../"},
		{http.MethodGet, "graphiql", "", 302, "./"},
		{http.MethodHead, "graphiql", "", 302, "./"},
		{http.MethodPost, "graphiql", chrome, 405, ""},
		{http.MethodGet, "graphiql/x", chrome, 404, ""},
		{http.MethodGet, "graphql?query={__typename}", chrome, 200, ""},
		{http.MethodGet, "graphql/?query={__typename}", chrome, 200, ""},
		{http.MethodGet, "graphql", "", 400, ""},
		{http.MethodGet, "graphql", "*/*", 400, ""},
		{http.MethodGet, "graphql", "application/json, text/html", 400, ""},
		{http.MethodGet, "graphql", "text/html;q=0.5, application/graphql-response+json", 400, ""},
		{http.MethodPost, "graphql", chrome, 415, ""},
		{http.MethodPut, "graphql", chrome, 405, ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), test.method, p.url+test.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Accept": {test.accept}, "User-Agent": {agent}, "Sec-Fetch-Site": {"none"}}
		resp, err := http.DefaultTransport.RoundTrip(req) // a client would follow
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != test.status || resp.Header.Get("Location") != test.location {
			t.Errorf("%s /%s %s: %d, %q, %s", test.method, test.path, test.accept, resp.StatusCode,
				resp.Header.Get("Location"), body)
		}
		if resp.StatusCode == http.StatusFound && resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("/%s may be cached", test.path)
		}
		if strings.HasPrefix(test.path, "graphql") && !strings.Contains(resp.Header.Get("Vary"), "Accept") {
			t.Errorf("%s /%s %s does not vary by Accept", test.method, test.path, test.accept)
		}
	}
	p.stop()
	if err := <-p.stopped; err != nil {
		t.Error(err)
	}
	if lines := strings.Count(p.log.String(), "msg=request "); lines != 8 {
		t.Errorf("%d requests are logged, and only redirects must not be", lines)
	}
}

// A client that opens a WebSocket gets an error that says what the gateway supports, also without a token. The gateway
// ignores other upgrades.
func TestUpgrades(t *testing.T) {
	p := start(t, map[string]string{"GATEWAY_TOKENS": "one"})
	for protocol, opens := range map[string]bool{
		"websocket": true, "WebSocket": true, "h2c, websocket": true, "h2c": false,
	} {
		for _, token := range []string{"", "Bearer one"} {
			resp, body := p.send(t, http.MethodGet, "graphql?query={__typename}", "",
				"Connection", "Upgrade", "Upgrade", protocol,
				"Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-Websocket-Version", "13",
				"Sec-Websocket-Protocol", "graphql-transport-ws", "Authorization", token)
			if opens {
				message, extensions := refusal(t, resp, body)
				if resp.StatusCode != 400 || extensions["code"] != "BAD_USER_INPUT" || !strings.Contains(message, "POST or GET") {
					t.Errorf("%s: %d %s", protocol, resp.StatusCode, body)
				}
			} else if want := map[string]int{"": 401, "Bearer one": 200}[token]; resp.StatusCode != want {
				t.Errorf("%s, %q: %d %s", protocol, token, resp.StatusCode, body)
			}
		}
	}
}

// A GET may be as large as a POST; a larger one is rejected with a GraphQL error.
func TestLargeGET(t *testing.T) {
	p := start(t, nil)
	query := func(size int) string {
		const begin = "graphql?query={__typename}%23"
		return begin + strings.Repeat("x", size-len(begin)+len("graphql?"))
	}
	for name, client := range map[string]*http.Client{"HTTP/1.1": http.DefaultClient, "HTTP/2": overHTTP2(t)} {
		for _, size := range []int{30_000, 256 << 10} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+query(size), http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-More", strings.Repeat("x", 8<<10))
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"__typename":"Query"`) {
				t.Errorf("%s, %d bytes: %d %.200s, %v", name, size, resp.StatusCode, body, err)
			}
		}
	}
	resp, body := p.send(t, http.MethodGet, query(256<<10+1), "")
	_, extensions := refusal(t, resp, body)
	if resp.StatusCode != 413 || extensions["code"] != "QUERY_TOO_LARGE" || extensions["limit"] != 262144. {
		t.Errorf("a byte more: %d %s", resp.StatusCode, body)
	}
	small := start(t, map[string]string{"GATEWAY_MAX_REQUEST_BYTES": "1KiB"})
	if resp, body := small.send(t, http.MethodGet, query(30_000), ""); resp.StatusCode != 431 {
		t.Errorf("30 kB where 1 KiB is allowed: %d %s", resp.StatusCode, body)
	}
}
