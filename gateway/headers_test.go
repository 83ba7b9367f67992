package gateway

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"revox-graphql/gateway/telemetry"
	"revox-graphql/internal/middleware"
)

// large is a request by GET with a query string of so many bytes.
func large(size int) string {
	return "GET /graphql?query={__typename}%23" + strings.Repeat("x", size) + " HTTP/1.1\r\nHost: localhost\r\n"
}

// startHeaders serves the gateway with a bound for all headers on their way in; 0 is its own bound.
func startHeaders(t *testing.T, most int, env ...string) *program {
	t.Helper()
	all := map[string]string{"REVOX_API_KEY": "key"}
	for i := 0; i < len(env); i += 2 {
		all[env[i]] = env[i+1]
	}
	s, err := parse(all)
	if err != nil {
		t.Fatal(err)
	}
	bounds, registry := newBounds(s, nil), newRegistry()
	if most > 0 {
		bounds.headers = middleware.NewHeaders(most)
	}
	telemetry.RegisterServing(registry, bounds.metrics(func() uint64 { return 0 }))
	handler, stop, err := routes(s, registry, nil, new(atomic.Bool), nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(s, handler, quiet())
	server.ReadHeaderTimeout, server.ReadTimeout = time.Minute, time.Minute // a busy machine reads slowly
	bounds.watch(server)
	go func() { _ = server.Serve(bounds.listen(listener)) }()
	t.Cleanup(func() { _ = server.Close() })
	return &program{url: "http://" + listener.Addr().String() + "/", log: &lockedBuffer{}}
}

// Connections that send large headers and do not end them are ended when all of them have sent too much. Meanwhile and
// after that other requests get responses; the counted bytes are released.
func TestHeadersOnTheirWayAreBounded(t *testing.T) {
	const size, most = 200 << 10, 1 << 20
	p := startHeaders(t, most)
	usual := func(when string) {
		t.Helper()
		if body := p.query(t, "{ __typename }"); !strings.Contains(body, `"Query"`) {
			t.Errorf("%s: %s", when, body)
		}
	}
	for range 3 {
		var conns []net.Conn
		ended := make(chan net.Conn, 100)
		var readers sync.WaitGroup
		for len(ended) == 0 && len(conns)*size <= 2*most {
			conn, err := net.Dial("tcp", p.address())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
			readers.Go(func() {
				if response, _ := io.ReadAll(conn); len(response) > 0 {
					t.Errorf("it gets a response, as if the request were wrong: %s", response)
				}
				ended <- conn
			})
			_, _ = io.WriteString(conn, large(size)) // an error is that of a connection that has been ended
			usual("while headers are on their way")
		}
		ended <- <-ended // one is ended now, or as soon as the gateway has read what was sent
		for _, conn := range conns {
			_ = conn.Close()
		}
		readers.Wait()
	}
	// All is given back once the gateway has seen that they have left: as much fits as in the beginning.
	for began, fits := time.Now(), 0; fits < 2*most/size; {
		resp, err := http.Get(p.url + "graphql?query={__typename}%23" + strings.Repeat("x", size))
		if err != nil { // it has been ended, too
			fits = 0
			if time.Since(began) > time.Minute {
				t.Fatal(err)
			}
			continue
		}
		_ = resp.Body.Close()
		fits++
	}
	usual("in the end")
	refused := regexp.MustCompile(`(?m)^revox_graphql_connections_closed_total\{reason="headers"\} ([1-9])`)
	if _, metrics := p.get(t, "metrics"); !refused.MatchString(metrics) {
		t.Error("connections that were ended are not counted")
	}
}

// All headers on their way may take 32 MiB, which is two of the largest requests that a setting can allow.
func TestTheBoundOfHeaders(t *testing.T) {
	const size, fit = 11 << 20, 2
	p := startHeaders(t, 0, "GATEWAY_MAX_REQUEST_BYTES", "12MiB")
	const none = `revox_graphql_connections_closed_total{reason="headers"} 0`
	for sent := 1; sent <= 3*fit; sent++ {
		conn, err := net.Dial("tcp", p.address())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, large(size)) // an error is that of a connection that has been ended
		if _, metrics := p.get(t, "metrics"); !strings.Contains(metrics, none) {
			if sent <= fit {
				t.Errorf("%d headers do not fit", sent)
			}
			return
		}
	}
	t.Errorf("%d headers fit", 3*fit)
}

// A connection that is used again counts each header separately, and bodies not at all, over HTTP/1.1 and HTTP/2.
func TestHeadersOfOneConnection(t *testing.T) {
	const most = 300 << 10
	for name, client := range map[string]*http.Client{"HTTP/1.1": {Transport: &http.Transport{}}, "HTTP/2": overHTTP2(t)} {
		t.Run(name, func(t *testing.T) {
			p := startHeaders(t, most)
			defer client.CloseIdleConnections()
			for i := range 10 {
				method, path, body := http.MethodGet, "graphql?query={__typename}%23"+strings.Repeat("x", 200<<10), ""
				if i%2 == 1 {
					method, path = http.MethodPost, "graphql"
					body = `{"query": "{ __typename }"` + strings.Repeat(" ", 200<<10) + "}"
				}
				req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(req)
				if err != nil {
					t.Fatalf("request %d: %v", i, err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Fatalf("request %d: %d", i, resp.StatusCode)
				}
			}
		})
	}
}
