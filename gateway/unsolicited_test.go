package gateway

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"revox-graphql/upstream/fake"
)

// What upstream sends unasked, over an idle connection, is logged like everything else, and without what it is.
func TestUnsolicitedResponsesAreLogged(t *testing.T) {
	var mu sync.Mutex
	var conns []net.Conn
	rest := httptest.NewUnstartedServer(fake.New(fake.Config{Seed: 1, Calls: 30}))
	rest.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if state == http.StateNew {
			conns = append(conns, conn)
		}
	}
	rest.Start()
	defer rest.Close()
	c := startChild(t, map[string]string{
		"REVOX_API_KEY": canary, "REVOX_BASE_URL": rest.URL + "/api", "GATEWAY_UPSTREAM_FIRST_PAGE": "0",
	})
	if response := c.query(t, faultQuery); strings.Contains(response, "errors") {
		t.Fatal(response)
	}
	mu.Lock()
	for _, conn := range conns {
		if _, err := conn.Write([]byte("HTTP/1.1 200 OK\r\nX-Hidden: " + hidden + "\r\n\r\n")); err != nil {
			t.Error(err)
		}
	}
	mu.Unlock()
	for c.lines.Scan() {
		line := c.lines.Text()
		if !strings.Contains(line, "Unsolicited response") {
			continue
		}
		if strings.Contains(line, hidden) || strings.Contains(line, "X-Hidden") || !strings.HasPrefix(line, "time=") ||
			!strings.HasSuffix(line, `message="Unsolicited response received on idle HTTP channel" times=1`) {
			t.Errorf("the log has %s", line)
		}
		return
	}
	t.Errorf("nothing is logged: %s", c.log)
}
