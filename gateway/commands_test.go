package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
		b.Fault = func(int, *http.Request) *fake.Response { return &fake.Response{Status: http.StatusInternalServerError} }
	})
	for n, ready := 0, true; ready && n < 50; n++ { // until the circuit breaker opens
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

// A query is sent to a gateway that runs already, with its token: one document, and a walk that ends in the same file
// as one that is executed here. Settings of this process do not matter.
func TestQueryOfAnotherGateway(t *testing.T) {
	_, env := startREST(t, 230)
	want, _, _ := command(t.Context(), env, "query", "--all", "--columns", "id,status")
	env["GATEWAY_TOKENS"] = "secret"
	p := start(t, env)
	const document = "{ calls(first: 1) { nodes { __typename } } }"
	const response = `{"data":{"calls":{"nodes":[{"__typename":"Call"}]}}}` + "\n"
	path := filepath.Join(t.TempDir(), "calls")
	for name, test := range map[string]struct {
		token  string
		args   []string
		status int
		out    string
		says   string
	}{
		"a document":     {"secret", []string{"-d", document}, 0, response, ""},
		"an error":       {"secret", []string{"-d", "{ nothing }"}, 1, "", "the response has errors"},
		"no token":       {"", []string{"-d", document}, 1, "", "the response has errors"},
		"a bad token":    {"not one", []string{"-d", document}, 2, "", "--token (GATEWAY_TOKEN) has white space in it"},
		"a walk":         {"secret", []string{"--all", "--columns", "id,status"}, 0, want, ""},
		"to a file":      {"secret", []string{"--all", "--columns", "id,status", "--out", path}, 0, "", ""},
		"a wrong token":  {"wrong", []string{"--all"}, 1, "", "does not accept the token"},
		"a setting":      {"secret", []string{"--all", "--cache-ttl=1s"}, 2, "", "--cache-ttl cannot be used with --url"},
		"a check":        {"secret", []string{"--all", "--check"}, 2, "", "--check cannot be used with --url"},
		"a large page":   {"secret", []string{"--all", "--page-size", "101"}, 2, "", "may be at most 100"},
		"another server": {"secret", []string{"--all", "--url", p.url + "healthz"}, 1, "", "not with GraphQL"},
		"nowhere": {
			"secret", []string{"--all", "--max-wait=0s", "--url", "http://127.0.0.1:1"}, 1, "", "cannot be reached: dial tcp",
		},
		"no address": {"secret", []string{"--all", "--url", "127.0.0.1"}, 2, "", "--url must be the address"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"query", "--url", p.url + "graphql"}, test.args...)
			if test.token != "" && name != "a document" {
				args = append(args, "--token", test.token)
			}
			out, log, status := command(t.Context(), map[string]string{
				"GATEWAY_CACHE_TTL": "long", "REVOX_API_KEY": "", "GATEWAY_TOKEN": test.token,
			}, args...)
			if status != test.status || test.out != "" && out != test.out || !strings.Contains(log, test.says) ||
				test.status == 0 && log != "" {
				t.Errorf("%d, %s, %s", status, out, log)
			}
		})
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != want {
		t.Errorf("the file differs: %v, %s", err, text)
	}
	demo := start(t, nil)
	_, log, status := command(t.Context(), nil, "query", "--url", demo.url, "--all", "--columns", "id", "--out", path)
	if text, err := os.ReadFile(path); status != 2 || err != nil || string(text) != want ||
		!strings.Contains(log, "that gateway serves made-up demo calls") {
		t.Errorf("made-up calls of another gateway: %d, %s", status, log)
	}
	if _, log, status := command(t.Context(), nil, "query", "--token", "x", "--all"); status != 2 {
		t.Errorf("a token without an address: %d, %s", status, log)
	}
}

// A filter leaves out calls of an export, and of a count, which reads the whole list whatever the bounds of a server.
func TestFiltersOfQueries(t *testing.T) {
	_, env := startREST(t, 430)
	env["GATEWAY_MAX_SCAN_PAGES"], env["GATEWAY_MAX_COST"] = "1", "1000"
	query := func(args ...string) string {
		t.Helper()
		out, log, status := command(t.Context(), env, append([]string{"query"}, args...)...)
		if status != 0 || log != "" {
			t.Fatalf("%q: %d, %s", args, status, log)
		}
		return out
	}
	const filter = `{"result": ["HUMAN"]}`
	var want []string
	for line := range strings.Lines(query("--all", "--columns", "id,result")) {
		if strings.Contains(line, `"HUMAN"`) {
			want = append(want, line)
		}
	}
	got := query("--all", "--columns", "id,result", "--filter", filter)
	if got != strings.Join(want, "") || len(want) < 20 {
		t.Errorf("got %s, want %s", got, want)
	}
	document := `query ($filter: CallFilter) { calls(filter: $filter) { nodes { id result } } }`
	if got := query("--all", "-d", document, "--filter", filter); got != strings.Join(want, "") {
		t.Errorf("with a document: got %s", got)
	}
	var counted struct {
		Data struct {
			CallStats struct {
				Count  int
				Groups []struct {
					Result string
					Count  int
				}
				Scan struct{ Complete bool }
			}
		}
	}
	text := query("--stats", "--filter", filter, "--var", `groupBy=["RESULT"]`)
	if err := json.Unmarshal([]byte(text), &counted); err != nil {
		t.Fatal(err)
	}
	stats := counted.Data.CallStats
	if stats.Count != len(want) || len(stats.Groups) != 1 || stats.Groups[0].Result != "HUMAN" ||
		stats.Groups[0].Count != len(want) || !stats.Scan.Complete {
		t.Errorf("got %s, want %d", text, len(want))
	}
	for _, args := range [][]string{
		{"--all", "--filter", "{"},
		{"--all", "--filter", `{"result": []}`},
		{"--all", "--filter", ""},
		{"--all", "--filter", "{}", "--var", "filter={}"},
		{"--all", "-d", "{ calls { nodes { id } } }", "--filter", filter},
		{"--all", "--update", "--out", t.TempDir() + "/calls", "--filter", filter},
		{"--stats", "--all"},
		{"--stats", "-d", "{ __typename }"},
		{"--stats", "--format", "csv"},
		{"--stats", "--var", `groupby=["RESULT"]`},
		{"--stats", "--variables", `{"timezone": "Europe/Paris"}`},
	} {
		if _, log, status := command(t.Context(), env, append([]string{"query"}, args...)...); status != 2 || log == "" {
			t.Errorf("%q: %d, %s", args, status, log)
		}
	}
}

// The formats and bounds of a walk, as the command has them.
func TestWalkOptions(t *testing.T) {
	_, env := startREST(t, 230)
	walk := func(args ...string) string {
		t.Helper()
		out, log, status := command(t.Context(), env, append([]string{"query", "--all"}, args...)...)
		if status != 0 || log != "" {
			t.Fatalf("%q: %d, %s", args, status, log)
		}
		return out
	}
	lines := strings.Split(walk("--format", "table"), "\n")
	status := strings.Index(lines[0], "status")
	if len(lines) != 232 || status != len("3a846fa9-9ef8-46f3-a124-8cd815c1c9ae")+2 ||
		!strings.HasPrefix(lines[0], "id ") || !regexp.MustCompile(`^[0-9a-f-]{36}  [A-Z]`).MatchString(lines[230]) {
		t.Errorf("the table has %d lines:\n%s\n%s", len(lines), lines[0], lines[230])
	}
	if table := walk("--format", "table", "--no-header", "--columns", "id"); strings.Count(table, "\n") != 230 {
		t.Errorf("got %s", table)
	}
	if csv := walk("--format", "csv", "--bom", "--columns", "id"); !strings.HasPrefix(csv, "\ufeffid\n") {
		t.Errorf("got %q", csv[:20])
	}
	all := strings.Split(walk("--columns", "id,startedAt"), "\n")
	const since = "2026-03-14T11:00:00Z"
	var want []string
	for _, line := range all[:len(all)-1] {
		var call struct{ StartedAt *time.Time }
		if err := json.Unmarshal([]byte(line), &call); err != nil {
			t.Fatal(err)
		}
		if call.StartedAt == nil || call.StartedAt.Format(time.RFC3339) >= since {
			want = append(want, line)
		}
	}
	got := walk("--columns", "id,startedAt", "--since", since, "--page-size", "20")
	if len(want) < 20 || len(want) > 200 || got != strings.Join(want, "\n")+"\n" {
		t.Errorf("%d calls, and not %d", strings.Count(got, "\n"), len(want))
	}
	if got := walk("--columns", "id", "--since", since); strings.Count(got, "\n") != len(want) ||
		strings.Contains(got, "startedAt") {
		t.Errorf("without the column: %s", got)
	}
	if lower := walk("--columns", "id,startedAt", "--since", strings.ToLower(since)); lower != got {
		t.Errorf("in small letters, %d calls", strings.Count(lower, "\n"))
	}
	if got := walk("--columns", "id", "--since", "2026-03-14"); strings.Count(got, "\n") <= len(want) {
		t.Errorf("a date: %s", got)
	}
}

// A walk through a gateway that is down at the start waits for it, and says so.
func TestGatewayThatIsDownAtFirst(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `{"data":{"calls":{"nodes":[{"id":"1"}],"_exportPage":{"hasNextPage":false}}}}`)
	}))
	defer server.Close()
	args := []string{"query", "--url", server.URL, "--all", "--columns", "id"}
	out, log, status := command(t.Context(), nil, append(args, "--max-wait", "1m")...)
	if status != 0 || out != `{"id":"1"}`+"\n" || !strings.Contains(log, "cannot be reached: ") ||
		strings.Count(log, ". Retrying in 1s.\n") != 1 {
		t.Errorf("%d, %s, %s", status, out, log)
	}
	requests.Store(0)
	if out, log, status := command(t.Context(), nil, append(args, "--max-wait", "0s")...); status != 1 || out != "" ||
		strings.Contains(log, "Retrying") || requests.Load() != 1 {
		t.Errorf("no time to wait: %d, %s, %s", status, out, log)
	}
}

// Every command has a help, by a flag and by a word, which says what the command does; and wrong use of it has the exit
// status 2 and says nothing on standard output.
func TestCommands(t *testing.T) {
	names := []string{"help"} // Cobra adds it later
	for _, c := range (&commandLine{}).newCommand(io.Discard).Commands() {
		names = append(names, c.Name())
	}
	slices.Sort(names)
	if want := []string{"completion", "demo", "health", "help", "query", "serve", "version"}; !slices.Equal(names, want) {
		t.Errorf("the commands are %q", names)
	}
	overview, _, _ := command(t.Context(), nil, "help")
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			checkHelp(t, name)
			if !regexp.MustCompile(`(?m)^  ` + name + ` +[A-Z]`).MatchString(overview) {
				t.Errorf("it is missing in the overview: %s", overview)
			}
			for _, wrong := range [][]string{{"--nope"}, {"-z"}, {"one", "two", "three"}, {"--help=perhaps"}} {
				out, log, status := command(t.Context(), nil, append([]string{name}, wrong...)...)
				if status != 2 || out != "" || log == "" {
					t.Errorf("%q: %d, %s, %s", wrong, status, out, log)
				}
			}
		})
	}
}

// checkHelp checks the help of a command.
func checkHelp(t *testing.T, name string) {
	t.Helper()
	help, log, status := command(t.Context(), nil, name, "--help")
	if status != 0 || log != "" || !strings.Contains(help, "Usage:\n  revox-graphql "+name) ||
		!strings.Contains(help, "--help ") || !strings.Contains(help, "--version ") {
		t.Errorf("%d, %s, %s", status, log, help)
	}
	if strings.Contains(help, "`") { // pflag takes the first word in backquotes for the name of the value
		t.Errorf("backquotes in %s", help)
	}
	if word, log, status := command(t.Context(), nil, "help", name); status != 0 || log != "" || word != help {
		t.Errorf("by a word: %d, %s, %s", status, log, word)
	}
	for line := range strings.SplitSeq(help, "\n") {
		if len([]rune(line)) > 120 {
			t.Errorf("a long line: %s", line)
		}
	}
}

// docs/ has the faults and the flags of the command demo.
func TestDemoIsDocumented(t *testing.T) {
	text := documentation(t)
	help, _, _ := command(t.Context(), nil, "demo", "--help")
	_, faults, _ := strings.Cut(help, "The faults:\n")
	faults, flags, _ := strings.Cut(faults, "Usage:")
	for _, name := range regexp.MustCompile(`(?m)^  (\w+) `).FindAllStringSubmatch(faults, -1) {
		if !strings.Contains(text, "`"+name[1]+"`") {
			t.Errorf("the documentation lacks the fault %s", name[1])
		}
	}
	for _, name := range regexp.MustCompile(`(?m)^ +--([a-z-]+)`).FindAllStringSubmatch(flags, -1) {
		if !strings.Contains(text, "`--"+name[1]) {
			t.Errorf("the documentation lacks --%s", name[1])
		}
	}
}
