package gateway

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"revox-graphql/upstream/fake"
)

// asProgram, set in the environment, lets the test's binary be the program: one that can be killed.
const asProgram = "TEST_AS_REVOX_GRAPHQL"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(Main(os.Args[1:]))
	}
	handleSIGHUP()
	os.Exit(m.Run())
}

var update = flag.Bool("update", false, "rewrite the golden files")

// startREST serves a list of calls. Its clock stands still, so that answers can be compared.
func startREST(t *testing.T, calls int) (*fake.Upstream, map[string]string) {
	t.Helper()
	list := fake.New(fake.Config{Seed: 1, Calls: calls, Now: func() time.Time {
		return time.Date(2026, time.March, 14, 12,
			0, 0, 0, time.UTC)
	}})
	server := httptest.NewServer(list)
	t.Cleanup(server.Close)
	return list, map[string]string{"REVOX_API_KEY": "key", "REVOX_BASE_URL": server.URL + "/api"}
}

// runQuery is the command, and what comes of it.
func runQuery(t *testing.T, env map[string]string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out bytes.Buffer
	log := &lockedBuffer{} // what was asked in the background may still be logged
	err := run(t.Context(), append([]string{"query"}, args...), environ(env), &out, log)
	if err != nil {
		status = exitStatus(err)
		_, _ = fmt.Fprintln(log, err)
	}
	return out.String(), log.String(), status
}

// Each file in testdata/query holds the arguments of a query, a line each, and beside it is what comes of it. To add a
// case, drop in a file and run `go test -run TestQueries -update`; then read what came out.
func TestQueries(t *testing.T) {
	_, env := startREST(t, 100)
	cases, err := filepath.Glob("testdata/query/*.args")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".args"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			out, log, status := runQuery(t, env, strings.Split(strings.TrimSpace(string(text)), "\n")...)
			got := fmt.Sprintf("%s--- standard error, and exit status %d\n%s", out, status, log)
			golden := strings.TrimSuffix(path, ".args") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || string(want) != got {
				t.Errorf("%v; it differs: run with -update and look at the difference. Got:\n%s", err, got)
			}
		})
	}
}

// A variable that the operation does not have is rejected, with the same words as for a walk. What cannot be parsed, or
// lacks the operation, gets the gateway's own error.
func TestVariablesOfNoOperation(t *testing.T) {
	_, env := startREST(t, 30)
	const plain, named = "{ calls(first: 3) { totalCount } }", "query A($n: Int) { calls(first: $n) { totalCount } } "
	for _, test := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{plain, "--filter", `{"result": ["VOICEMAIL"]}`}, 2, "the operation has no variable $filter\n"},
		{[]string{plain, "--var", "n=1"}, 2, "the operation has no variable $n\n"},
		{[]string{named, "--var", "n=1"}, 0, ""},
		{[]string{named, "--var", "m=1"}, 2, `there is no "$m" (did you mean "$n"?): the operation has $n`},
		{[]string{named, "--variables", `{"n": 1, "N": 2}`}, 2, `there is no "$N"`},
		{[]string{named + "query B { __typename }", "--operation", "A", "--var", "n=1"}, 0, ""},
		{[]string{named + "query B { __typename }", "--operation", "B", "--var", "n=1"}, 2, "has no variable $n\n"},
		{[]string{named + "query B { __typename }", "--operation", "C", "--var", "n=1"}, 1, "GRAPHQL_VALIDATION_FAILED"},
		{[]string{named + "query B { __typename }", "--var", "n=1"}, 1, `"errors"`},
		{[]string{"{ calls", "--var", "n=1"}, 1, "GRAPHQL_PARSE_FAILED"},
		{[]string{"{ nothing }"}, 1, "GRAPHQL_VALIDATION_FAILED"},
	} {
		out, log, status := runQuery(t, env, append([]string{"-d"}, test.args...)...)
		if status != test.status || !strings.Contains(out+log, test.says) || status == 2 && out != "" {
			t.Errorf("%q: %d, %s, %s", test.args, status, out, log)
		}
		if status != 2 || strings.Contains(test.args[0], "query B") {
			continue
		}
		all := append([]string{"--all", "-d"}, test.args...)
		if _, walk, status := runQuery(t, env, all...); status != 2 || walk != log {
			t.Errorf("%q: %d, %s, and without --all %s", all, status, walk, log)
		}
	}
}

// A file that is there already is never replaced by the demo's calls: a key that a script has not got would do that.
func TestDemoReplacesNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls")
	if err := os.WriteFile(path, []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, log, status := runQuery(t, nil, "--all", "--columns", "id", "--out", path)
	text, err := os.ReadFile(path)
	if err != nil || string(text) != "mine\n" || status != 2 || !strings.Contains(log, "set REVOX_API_KEY") {
		t.Errorf("%d, %v: %s, %s", status, err, text, log)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, log, status = runQuery(t, nil, "--all", "--columns", "id", "--out", path); status != 0 {
		t.Errorf("%d: %s", status, log)
	}
}

// Without a key the demo answers, and says so.
func TestQueryOfTheDemo(t *testing.T) {
	out, log, status := runQuery(t, nil, "--document", `{ calls(first: 1) { nodes { __typename } } }`)
	if out != `{"data":{"calls":{"nodes":[{"__typename":"Call"}]}}}`+"\n" ||
		!strings.Contains(log, "made-up demo calls") || status != 0 {
		t.Errorf("%d, %s, %s", status, out, log)
	}
}

// A query takes the settings about Revox from the environment, and none about clients: it runs beside a gateway.
func TestQuerySettings(t *testing.T) {
	_, env := startREST(t, 30)
	env["GATEWAY_LISTEN"], env["GATEWAY_TOKENS_FILE"], env["GATEWAY_DRAIN_DELAY"] = "0.0.0.0:80", "no/such/file", "long"
	env["GATEWAY_TRUSTED_DOCUMENTS"], env["GATEWAY_INTROSPECTION"] = "no/such/file", "false"
	env["GATEWAY_TOKENS"] = "secret"
	out, log, status := runQuery(t, env, "-d", "{ calls(first: 1) { nodes { __typename } } __schema { queryType { name "+
		"} } }")
	if status != 0 || log != "" || !strings.Contains(out, `"queryType"`) {
		t.Errorf("%d, %s, %s", status, out, log)
	}
	env["GATEWAY_MAX_PAGE_SIZE"] = "3"
	if out, _, status := runQuery(t, env, "-d", "{ calls(first: 4) { nodes { id } } }"); status != 1 ||
		!strings.Contains(out, "at most 3") {
		t.Errorf("%d, %s", status, out)
	}
	if out, _, status := runQuery(t, env, "--all"); status != 0 || strings.Count(out, "\n") != 30 {
		t.Errorf("%d, %s", status, out)
	}
	for _, args := range []string{
		"", "--all --pretty", "-d {calls} file", "--out x -d {calls}", "--columns id -d {calls}", "- --variables -",
		"--all --out x --after y",
		"--all --page-size 0", "--all --max-wait -1s", "--all --format xml", "--all --listen :80 ",
		"--check=false --tokens a --all", "no/such/file", "one two",
		"-d {calls} --variables no/such/file", "-d {calls} --variables {", "-d {calls} --var a", "-d {calls} --var a=b",
		"--all --columns ids", "--all -d {calls}",
		"--nope", "--all --columns=", "--all --columns transcript.content", "--all --columns id.x",
		"--all --columns id, status", `--all --var statuses=["completed"]`, `--all --var statuses=["COMPLETE"]`,
		`--all --var status=["COMPLETED"]`, "--all --out .", "--all --out no/such/folder/x", "--all --after x",
		"--all --operation X", "--all --var statuses=null --var statuses=null",
		"--all --out=", "--all --document=", "--all --variables=", "--all --operation=",
		"--all -d {calls(first:1000){nodes{id}}}",
	} {
		out, log, status := runQuery(t, env, strings.Fields(args)...)
		if status != 2 || out != "" || log == "" {
			t.Errorf("%s: %d, %s, %s", args, status, out, log)
		}
	}
	if _, log, status := runQuery(t, env, "-d", "{ __typename }", "--variables", "[1]"); status != 2 ||
		!strings.Contains(log, "--variables must be a JSON object") {
		t.Errorf("variables that are a list: %d, %s", status, log)
	}
	if _, log, status := runQuery(t, env, "--all", ""); status != 2 || !strings.HasPrefix(log, "FILE is empty\n") {
		t.Errorf("a file without a name: %d, %s", status, log)
	}
	if _, log, status := runQuery(t, env, "--all", "--after", ""); status != 0 {
		t.Errorf("from the beginning: %d, %s", status, log)
	}
	env["GATEWAY_CACHE_TTL"] = "long"
	if _, log, status := runQuery(t, env, "--all"); status != 2 ||
		!strings.HasPrefix(log, "--cache-ttl (GATEWAY_CACHE_TTL)") {
		t.Errorf("%d, %s", status, log)
	}
}

// The documentation has every flag of a query.
func TestQueryFlagsAreDocumented(t *testing.T) {
	help, _, status := runQuery(t, nil, "--help")
	own, settings, ok := strings.Cut(help, "Settings:")
	if status != 0 || !ok || strings.Contains(help, "--listen") || !strings.Contains(settings, "$REVOX_BASE_URL") {
		t.Fatalf("%d, %s", status, help)
	}
	flags := regexp.MustCompile(`(?m)^  (?:-\w,|   ) --([a-z-]+)`).FindAllStringSubmatch(own, -1)
	if len(flags) < 15 {
		t.Fatalf("%d flags in %s", len(flags), own)
	}
	text := documentation(t)
	for _, flag := range flags {
		if !strings.Contains(text, "--"+flag[1]) && !strings.Contains(text, "--no-"+flag[1]) && flag[1] != "help" {
			t.Errorf("the documentation lacks --%s", flag[1])
		}
	}
}

// A call that cannot be read is reported, and the others arrive.
func TestUnreadableCall(t *testing.T) {
	list, env := startREST(t, 0)
	list.SetRows(json.RawMessage(`{"id":"a"}`), json.RawMessage(`{"no":"id"}`), json.RawMessage(`{"id":"c"}`))
	path := filepath.Join(t.TempDir(), "calls")
	out, log, status := runQuery(t, env, "--all", "--columns", "id", "--out", path)
	text, err := os.ReadFile(path)
	if err != nil || out != "" || status != 1 || string(text) != `{"id":"a"}`+"\n"+`{"id":"c"}`+"\n" ||
		!strings.Contains(log, "UPSTREAM_INVALID_RESPONSE: The call at place 2 ") {
		t.Errorf("%d, %v: %s, %s", status, err, text, log)
	}
}

// killer kills the program a little after the n-th request that upstream gets.
type killer struct {
	after   atomic.Int64 // nanoseconds
	request atomic.Int64
	count   atomic.Int64
	process atomic.Pointer[os.Process]
}

func (k *killer) fault(int, *http.Request) *fake.Response {
	if process := k.process.Load(); process != nil && k.count.Add(1) == k.request.Load() {
		time.AfterFunc(time.Duration(k.after.Load()), func() { _ = process.Kill() })
	}
	return nil
}

// Killed at any moment, again and again, and run again until it is done, a walk has every call once: whether the list
// stands still or moves meanwhile.
func TestKilledWalks(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const calls = 3000
	for _, moving := range []bool{false, true} {
		t.Run(fmt.Sprintf("moving=%t", moving), func(t *testing.T) {
			list, env := startREST(t, calls)
			dice := rand.New(rand.NewPCG(1, 2))
			k := &killer{}
			list.Behave(func(b *fake.Behaviour) { b.Fault = k.fault })
			first := list.IDs()
			path := filepath.Join(t.TempDir(), "calls")
			kills := 0
			for ; ; kills++ {
				cmd := exec.CommandContext(t.Context(), self, "query", "--all", "--page-size=20", "--upstream-page-size=20",
					"--columns=id,transcript", "--out", path)
				cmd.Env = append(os.Environ(), asProgram+"=1")
				for name, value := range env {
					cmd.Env = append(cmd.Env, name+"="+value)
				}
				var log bytes.Buffer
				cmd.Stderr = &log
				// Requests of the last process may still be in flight. A process begins with three requests that find out the
				// first page, and with some that find its place in a list that has moved.
				k.request.Store(1 + dice.Int64N(24))
				k.after.Store(dice.Int64N(int64(4 * time.Millisecond)))
				k.count.Store(0)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				k.process.Store(cmd.Process)
				err := cmd.Wait()
				k.process.Store(nil)
				if err == nil {
					break
				}
				if cmd.ProcessState.ExitCode() != -1 {
					t.Fatalf("it was not killed, but ended with %v\n%s", err, &log)
				}
				if moving {
					ids := list.IDs()
					list.Remove(ids[dice.IntN(len(ids))], ids[dice.IntN(len(ids))])
					list.Insert(dice.IntN(12))
				}
				if kills > 1000 {
					t.Fatalf("it does not get to the end\n%s", &log)
				}
			}
			checkLines(t, path, first, list.IDs(), kills)
		})
	}
}

// checkLines compares a file with the list as it was at first and at last: a call of both is there once, and no call
// twice.
func checkLines(t *testing.T, path string, first, last []string, kills int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	lines := 0
	for line := range strings.Lines(string(text)) {
		var call struct{ ID string }
		if err := json.Unmarshal([]byte(line), &call); err != nil || call.ID == "" || !strings.HasSuffix(line, "\n") {
			t.Fatalf("line %d is %v: %s", lines, err, line)
		}
		seen[call.ID]++
		lines++
	}
	twice, lost := 0, 0
	for _, n := range seen {
		twice += n - 1
	}
	slices.Sort(last)
	for _, id := range first {
		if _, still := slices.BinarySearch(last, id); still && seen[id] == 0 {
			lost++
		}
	}
	t.Logf("killed %d times: %d lines, %d twice, %d lost", kills, lines, twice, lost)
	if twice > 0 || lost > 0 || kills < 5 || lines < len(first)*9/10 {
		t.Errorf("killed %d times: %d lines, %d twice, %d lost", kills, lines, twice, lost)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("it leaves %v", entries)
	}
}
