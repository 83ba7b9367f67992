package gateway

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"revox-graphql/upstream/fake"
)

// command runs the program with some arguments, and returns its exit status.
func command(ctx context.Context, env map[string]string, args ...string) (stdout, stderr string, status int) {
	var out bytes.Buffer
	log := &lockedBuffer{}
	if err := run(ctx, args, environ(env), &out, log); err != nil {
		status = exitStatus(err)
		_, _ = log.Write([]byte(err.Error() + "\n"))
	}
	return out.String(), log.String(), status
}

// A health check passes while the gateway serves, and that for readiness fails while Revox does.
func TestHealth(t *testing.T) {
	list, env := startREST(t, 10)
	p := start(t, env)
	at := map[string]string{"GATEWAY_LISTEN": p.address()}
	check := func(want int, says string, args ...string) {
		t.Helper()
		out, log, status := command(t.Context(), at, append([]string{"health"}, args...)...)
		if status != want || !strings.Contains(out+log, says) {
			t.Errorf("%q: %d, %s, %s", args, status, out, log)
		}
	}
	check(0, "ok\n")
	check(0, "ok\n", "--ready")
	list.Behave(func(b *fake.Behaviour) {
		b.Fault = func(int, *http.Request) *fake.Answer { return &fake.Answer{Status: http.StatusInternalServerError} }
	})
	for ready := true; ready; { // until the circuit breaker opens
		p.query(t, "{ calls(first: 1) { nodes { id } } }")
		resp, _ := p.get(t, "readyz")
		ready = resp.StatusCode == http.StatusOK
	}
	check(0, "ok\n")
	check(1, "/readyz: 503 Service Unavailable: upstream keeps failing\n", "--ready")
	check(0, "ok\n", "--url", p.url)
	p.stop()
	if err := <-p.stopped; err != nil {
		t.Error(err)
	}
	check(1, "connect: connection refused\n")
	for listen, want := range map[string]string{
		"": "http://127.0.0.1:8080", ":9": "http://127.0.0.1:9", "0.0.0.0:9": "http://127.0.0.1:9",
		"[::]:9": "http://127.0.0.1:9", "[::1]:9": "http://[::1]:9", "10.0.0.1:9": "http://10.0.0.1:9",
		"gateway:9": "http://gateway:9", "127.0.0.1:0": "", "nowhere": "",
	} {
		got, err := localAddress(func(string) string { return listen })
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", listen, got, err)
		}
	}
}

// The flags of the demo reach its endpoint, which a gateway can use.
func TestDemoCommand(t *testing.T) {
	p := startCommand(t.Context(), t, nil, "demo", "--listen", "127.0.0.1:0", "--calls", "45", "--calls-per-minute", "0",
		"--first-page", "1", "--past-end", "404", "--max-page-size", "20", "--order", "reversed", "--statuses-format",
		"repeat", "--key", "right", "--fault", "500:25")
	get := func(path, key string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Split(p.url, "?")[0]+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, body := do(t, req)
		return resp.StatusCode, body
	}
	_, first := get("?page=1&page_size=100", "right")
	if calls := strings.Count(first, `"started_at"`); calls != 20 {
		t.Errorf("%d calls: %s", calls, first)
	}
	if status, body := get("?page=1&page_size=20", "wrong"); status != http.StatusUnauthorized {
		t.Errorf("a wrong key gets %d: %s", status, body)
	}
	if status, body := get("?page=4&page_size=20", "right"); status != http.StatusNotFound {
		t.Errorf("a page past the end: %d: %s", status, body)
	}
	if status, body := get("?page=0&page_size=20", "right"); status != http.StatusUnprocessableEntity {
		t.Errorf("page 0: %d: %s", status, body)
	}
	for n := 5; n < 25; n++ {
		if status, body := get("?page=1&page_size=20", "right"); status != http.StatusOK {
			t.Errorf("request %d gets %d: %s", n, status, body)
		}
	}
	if status, body := get("?page=1&page_size=20", "right"); status != http.StatusInternalServerError {
		t.Errorf("request 25 gets %d: %s", status, body)
	}
	if log := p.log.String(); !strings.Contains(log, "status=401") {
		t.Errorf("the log is %s", log)
	}
	out, log, status := command(t.Context(), map[string]string{
		"REVOX_BASE_URL": strings.Split(p.url, "/call")[0], "REVOX_API_KEY": "right",
		"GATEWAY_UPSTREAM_STATUSES_FORMAT": "repeat",
	}, "query", "--all", "--columns", "id")
	if status != 0 || strings.Count(out, "\n") != 45 {
		t.Errorf("a gateway reads %d calls: %d, %s", strings.Count(out, "\n"), status, log)
	}
	p.stop()
	if err := <-p.stopped; err != nil {
		t.Error(err)
	}
}
