package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"revox-graphql/upstream/fake"
)

// patience is how long until waits. It only ends a test that would fail anyway.
const patience = 2 * time.Minute

// program is the real program, started by start and stopped at the end of the test.
type program struct {
	url     string
	stop    func() // sends the signal
	stopped chan error
	log     *lockedBuffer
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// listening matches the line with the address, as text or as JSON.
var listening = regexp.MustCompile(`msg"?[=:]"?listening"?[ ,]"?url"?[=:]"?([^" ]+)`)

// start runs the program on a free port with an environment, and waits for the line with its address.
func start(t *testing.T, env map[string]string) *program {
	t.Helper()
	var args []string
	if env["GATEWAY_LISTEN"] == "" {
		args = []string{"--listen", "127.0.0.1:0"}
	}
	return startCommand(t.Context(), t, env, args...)
}

// unhurriedServer gives clients more time for their requests: on a busy machine, a client of the same process may be
// late by more than the 5 seconds of newServer. TestSlowClients has those 5 seconds, in simulated time.
func unhurriedServer(server *http.Server) {
	server.ReadHeaderTimeout, server.ReadTimeout = patience, patience
}

// startCommand runs a command that serves, and waits for the line with its address.
func startCommand(ctx context.Context, t *testing.T, env map[string]string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	p := &program{stop: cancel, stopped: make(chan error, 1), log: &lockedBuffer{}}
	reader, writer := io.Pipe()
	go func() {
		command := newInvocation(environ(env), io.Discard, io.MultiWriter(p.log, writer))
		command.prepare = unhurriedServer
		err := command.run(ctx, args)
		_ = writer.CloseWithError(io.EOF)
		p.stopped <- err
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of %s:\n%s", p.url, p.log)
		}
		cancel()
		_ = reader.Close()
	})
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		if match := listening.FindStringSubmatch(lines.Text()); match != nil {
			p.url = match[1]
			break
		}
	}
	if p.url == "" {
		t.Fatalf("it did not listen: %v\n%s", <-p.stopped, p.log)
	}
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	return p
}

func (p *program) get(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, req)
}

func (p *program) query(t *testing.T, query string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	_, response := do(t, req)
	return response
}

func do(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %s %v, and after %d bytes of its body %v", req.URL, resp.Status, resp.Header, len(body), err)
	}
	return resp, string(body)
}

// until waits until a condition holds, which may take as long as it needs on a busy machine. It asks again every few
// milliseconds, so that waiting takes no processor.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("within %v not: %s", patience, what)
		}
	}
}

func TestDemo(t *testing.T) {
	p := start(t, nil)
	if !strings.Contains(p.log.String(), "upstream=demo") || !strings.Contains(p.log.String(), "made-up demo calls") {
		t.Errorf("the log does not say that it is a demo: %s", p.log)
	}
	if resp, body := p.get(t, "healthz"); resp.StatusCode != 200 || body != "ok\n" {
		t.Errorf("healthz: %d %q", resp.StatusCode, body)
	}
	want, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	if _, body := p.get(t, "schema.graphqls"); body != string(want) {
		t.Error("the SDL differs from the file")
	}
	if resp, body := p.get(t, ""); resp.StatusCode != 200 || !strings.Contains(body, "<title>Revox GraphQL</title>") {
		t.Errorf("explorer: %d %q", resp.StatusCode, body)
	}
	if resp, _ := p.get(t, "nothing"); resp.StatusCode != 404 {
		t.Errorf("an unknown path: %d", resp.StatusCode)
	}
	if body := p.query(t, `{ calls(first: 2) { nodes { id } pageInfo { hasNextPage } } }`); !strings.Contains(body,
		`"hasNextPage":true`) {
		t.Errorf("got %s", body)
	}
	p.stop()
	if err := <-p.stopped; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestRealUpstream(t *testing.T) {
	const key = "sk_canary_7f3a"
	upstream := fake.New(fake.Config{Seed: 1, Calls: 30})
	upstream.Behave(func(b *fake.Behaviour) { b.Key, b.FirstPage, b.StatusesFormat = key, 1, "brackets" })
	rest := httptest.NewServer(upstream)
	defer rest.Close()
	p := start(t, map[string]string{
		"REVOX_API_KEY": key, "REVOX_BASE_URL": rest.URL + "/api/", "GATEWAY_UPSTREAM_STATUSES_FORMAT": "brackets",
	})
	body := p.query(t, `{ calls(statuses: [COMPLETED, SCHEDULED], first: 3) { nodes { id } totalCount } }`)
	ids := upstream.IDs("completed", "scheduled")
	for _, id := range ids[:3] {
		if !strings.Contains(body, id) {
			t.Errorf("%s is missing in %s", id, body)
		}
	}
	resp, _ := p.get(t, "graphql")
	if resp.Header.Get("X-Revox-Upstream") != "" || strings.Contains(p.log.String(), key) {
		t.Errorf("headers %v, log %s", resp.Header, p.log)
	}
	p.stop()
	if err := <-p.stopped; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// Requests in flight when the signal comes get their responses.
func TestDrain(t *testing.T) {
	upstream := fake.New(fake.Config{Seed: 1, Calls: 30})
	arrived, goOn := make(chan struct{}), make(chan struct{})
	upstream.Behave(func(b *fake.Behaviour) {
		b.Fault = func(int, *http.Request) *fake.Response {
			close(arrived)
			<-goOn
			return nil
		}
	})
	rest := httptest.NewServer(upstream)
	defer rest.Close()
	p := start(t, map[string]string{
		"REVOX_API_KEY": "key", "REVOX_BASE_URL": rest.URL, "GATEWAY_UPSTREAM_FIRST_PAGE": "0",
	})
	response := make(chan string)
	go func() { response <- p.query(t, `{ calls(first: 2) { nodes { id } } }`) }()
	<-arrived
	p.stop()
	// It still waits.
	until(t, "it no longer listens", func() bool {
		conn, err := net.Dial("tcp", p.address())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	close(goOn)
	if body := <-response; !strings.Contains(body, upstream.IDs()[0]) {
		t.Errorf("got %s", body)
	}
	if err := <-p.stopped; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	err = run(t.Context(), []string{"--listen", taken.Addr().String()}, nil, io.Discard, io.Discard)
	if err == nil || !strings.HasPrefix(err.Error(), "--listen (GATEWAY_LISTEN) cannot be used: ") ||
		!strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

// documentation is the README, and all of docs.
func documentation(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	text.WriteString(readme(t))
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(content)
	}
	return text.String()
}

func readme(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// The help has every setting that the documentation has.
func TestHelpShowsEverySetting(t *testing.T) {
	var help bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, nil, &help, io.Discard); err != nil {
		t.Fatal(err)
	}
	documentation, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| `(--[a-z-]+)` ")
	settings := row.FindAllStringSubmatch(string(documentation), -1)
	if len(settings) < 50 {
		t.Fatalf("the documentation has %d settings", len(settings))
	}
	for _, setting := range settings {
		if text := help.String(); !strings.Contains(text, "($"+setting[1]+")") || !strings.Contains(text, " "+setting[2]) {
			t.Errorf("--help does not show %s", setting[1])
		}
	}
}

// A manifest that cannot be used stops the start with one line that names the setting and the document.
func TestBadTrustedDocuments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "manifest.json")
	if err := os.WriteFile(path, []byte(`{"old": "{ calls { rows } }"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"GATEWAY_TRUSTED_DOCUMENTS": path, "GATEWAY_LISTEN": "127.0.0.1:0"}
	err := run(t.Context(), nil, environ(env), io.Discard, io.Discard)
	if err == nil || !strings.HasPrefix(err.Error(), "--trusted-documents (GATEWAY_TRUSTED_DOCUMENTS) cannot be used: ") ||
		!strings.Contains(err.Error(), `"old"`) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

// The settings of limits and persisted operations reach the handler.
func TestLimitsAreSettings(t *testing.T) {
	for env, want := range map[string]string{
		"GATEWAY_MAX_REQUEST_BYTES=1KiB": `{"query": "{ __typename }` + strings.Repeat(" ", 1024) + `"}`,
		"GATEWAY_MAX_TOKENS=4":           `{"query": "{ a: __typename }"}`,
		"GATEWAY_MAX_DEPTH=2":            `{"query": "{ calls { nodes { id } } }"}`,
		"GATEWAY_MAX_ALIASES=1":          `{"query": "{ a: __typename b: __typename }"}`,
		"GATEWAY_MAX_ROOT_FIELDS=1":      `{"query": "{ __typename a: __typename }"}`,
		"GATEWAY_MAX_COST=19":            `{"query": "{ calls { nodes { id } } }"}`,
		"GATEWAY_MAX_ANSWER_BYTES=1KiB":  `{"query": "{ calls { nodes { id extra } } }"}`,
		"GATEWAY_APQ_BYTES=0":            `{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "x"}}}`,
	} {
		t.Run(env, func(t *testing.T) {
			for _, set := range []bool{true, false} {
				variables := map[string]string{}
				if name, value, _ := strings.Cut(env, "="); set {
					variables[name] = value
				}
				resp, err := http.Post(start(t, variables).url+"graphql", "application/json", strings.NewReader(want))
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				refused := strings.Contains(string(body), `"code":"QUERY_TOO_`) || strings.Contains(string(body), "NOT_SUPPORTED")
				if err != nil || refused != set {
					t.Errorf("set %v: %s", set, body)
				}
			}
		})
	}
}

// The README's query answers as printed there.
func TestREADMEExample(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```graphql\n(.*?)```.*?```json\n(.*?)```").FindStringSubmatch(readme(t))
	if blocks == nil {
		t.Fatal("the README has no query with a response")
	}
	p := start(t, nil)
	compact := func(text string) string {
		var out bytes.Buffer
		if err := json.Compact(&out, []byte(text)); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return out.String()
	}
	if got := p.query(t, blocks[1]); compact(got) != compact(blocks[2]) {
		t.Errorf("got %s", got)
	}
}
