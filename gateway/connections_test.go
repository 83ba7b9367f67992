package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"revox-graphql/upstream/fake"
)

// Clients that hold more connections than there may be files, in whatever state, keep the gateway from asking upstream
// as little as each other from asking the gateway.
func TestConnectionsAreBounded(t *testing.T) {
	const files, room = 200, 100 // half of the files, as more than that would be kept
	for name, test := range map[string]struct {
		sends string
		busy  bool // so they cannot be closed for others
	}{
		"they send nothing":  {"", false},
		"they are idle":      {"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", false},
		"they send a header": {"GET /healthz HTTP/1.1\r\nHost: local", false},
		"they send a body": {
			"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{", true,
		},
		"they speak HTTP/2": {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list := fake.New(fake.Config{Seed: 1, Calls: 30})
			arrived, goOn := make(chan struct{}), make(chan struct{})
			list.Behave(func(b *fake.Behaviour) {
				b.Fault = func(n int, _ *http.Request) *fake.Response {
					if n > 1 {
						return nil
					}
					close(arrived)
					<-goOn
					return &fake.Response{Status: http.StatusInternalServerError} // so it is asked again
				}
			})
			rest := httptest.NewUnstartedServer(list)
			rest.Config.SetKeepAlivesEnabled(false) // so each request takes a connection of its own
			rest.Start()
			t.Cleanup(rest.Close)
			release := sync.OnceFunc(func() { close(goOn) })
			t.Cleanup(release)
			c := startChild(t, map[string]string{
				"REVOX_API_KEY": "key", "REVOX_BASE_URL": rest.URL, "GATEWAY_UPSTREAM_FIRST_PAGE": "0", "GATEWAY_CACHE_TTL": "0",
				"GATEWAY_METRICS_LISTEN": "127.0.0.1:0", "GATEWAY_LOG_REQUESTS": "false",
				"GATEWAY_UPSTREAM_ATTEMPT_TIMEOUT": "60s", "GATEWAY_UPSTREAM_TIMEOUT": "300s", // for a busy machine
			}, "/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0"`, files))
			metrics := regexp.MustCompile(`msg="serving metrics" url=(\S+)`).FindStringSubmatch(c.log.String())[1]
			go func() { _, _ = io.Copy(io.Discard, c.stderr) }()

			const query = "graphql?query={calls(first:1){nodes{id}}}"
			client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
			ask := func() string {
				resp, err := client.Get(c.url + query)
				if err != nil {
					return err.Error()
				}
				defer func() { _ = resp.Body.Close() }()
				body, _ := io.ReadAll(resp.Body)
				return string(body)
			}
			early := make(chan string, 1)
			go func() { early <- ask() }()
			<-arrived
			connect := func() {
				for range files + room {
					conn, err := net.Dial("tcp", c.address())
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = conn.Close() })
					_, _ = io.WriteString(conn, test.sends) // fails where it has been closed for another
				}
			}
			connect()
			held := fmt.Sprintf("\nrevox_graphql_connections %d\n", room)
			metric := func() string {
				resp, err := client.Get(metrics)
				if err != nil {
					return err.Error() // the machine is busy: it is asked again
				}
				defer func() { _ = resp.Body.Close() }()
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					return err.Error()
				}
				return string(body)
			}
			until(t, held, func() bool {
				if strings.Contains(metric(), held) {
					return true
				}
				connect() // on a busy machine, the first ones may have run out of time meanwhile
				return false
			})
			// Those without a request have been closed for later ones.
			count := regexp.MustCompile(`\nrevox_graphql_connections_closed_total{reason="idle"} (\d+)`)
			closed := count.FindStringSubmatch(metric())
			if closed == nil || closed[1] == "0" && !test.busy {
				t.Errorf("closed: %v", closed)
			}
			release()
			if body := <-early; !strings.Contains(body, list.IDs()[0]) {
				t.Errorf("a connection from before gets %s", body)
			}
			if !test.busy {
				if body := ask(); !strings.Contains(body, list.IDs()[0]) {
					t.Errorf("a later connection gets %s", body)
				}
			}
			c.signal(t, syscall.SIGTERM)
		})
	}
}
