package gateway

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"revox-graphql/upstream/fake"
)

// Wrong use has the exit status 2 for every command, and a failure has 1.
func TestExitStatuses(t *testing.T) {
	_, env := startREST(t, 30)
	busy := start(t, nil)
	address := strings.TrimSuffix(strings.TrimPrefix(busy.url, "http://"), "/")
	for _, test := range []struct {
		args string
		want int
	}{
		{"--nope", 2},
		{"-x", 2},
		{"--cache-ttl", 2},
		{"--cache-ttl=long", 2},
		{"--cache-ttl=-1s", 2},
		{"--credentials=mine", 2},
		{"querry", 2},
		{"serve more", 2},
		{"--listen=nowhere", 2},
		{"--tokens-file=no/such/file", 2},
		{"--trusted-documents=no/such/file --check", 2},
		{"--listen=" + address, 1},
		{"query --nope", 2},
		{"query", 2},
		{"query -d {calls(first:1){nodes{id}}}", 0},
		{"query -d {calls(first:1000){nodes{id}}}", 1}, // a response, with an error
		{"query --all --columns=id", 0},
		{"--version", 0},
		{"--help", 0},
		{"query --help", 0},
		{"-h", 0},
		{"help", 0},
		{"help query", 0},
		{"help completion", 0},
		{"help nope", 2},
		{"help query more", 2},
		{"version", 0},
		{"version more", 2},
		{"version --nope", 2},
		{"query --version", 0},
		{"completion bash", 0},
		{"completion zsh", 0},
		{"completion fish", 0},
		{"completion nope", 2},
		{"serve --nope", 2},
		{"--introspection=maybe", 2},
		{"--listen --check", 2},
		{"query --all --columns --pretty", 2},
		{"query --all --header=maybe", 2},
		{"query --all --no-header=maybe", 2},
		{"query --all --no-header", 0},
		{"query --all --page-size=many", 2},
		{"query --all --max-wait=long", 2},
		{"--check --allow-anonymous", 0},
		{"-v", 0},
		{"query -v", 0},
		{"version --listen=:80", 2},
		{"query --listen=:80 -d {__typename}", 2},
		{"query -d {__typename} --format=table", 2},
		{"query -d {__typename} --since=2026-03-14", 2},
		{"query --all --since=yesterday", 2},
		{"query --all --since=2026-03-14 -d {calls{nodes{id}}}", 2},
		{"query --all --since=2026-03-14 -d {calls{nodes{begin:startedAt}}}", 0},
		{"query --all --bom", 2},
		{"query --all --format=csv --bom", 0},
		{"query --all --format=table --out x", 2},
		{"query --all --format=xml", 2},
		{"query --url=nowhere -d {__typename}", 2},
		{"query --url=http://127.0.0.1:1 -d {__typename}", 1},
		{"query --token=x -d {__typename}", 2},
		{"query --url=" + busy.url + " -d {__typename}", 0},
		{"query --url=" + busy.url + " -d {nothing}", 1},
		{"query --url=" + busy.url + " --all --columns=id", 0},
		{"query --url=" + busy.url + " --all --columns=nothing", 2},
		{"health --url=" + busy.url, 0},
		{"health --url=" + busy.url + " --ready", 0},
		{"health --url=http://127.0.0.1:1", 1},
		{"health --timeout=0s", 2},
		{"health --listen=:80", 2},
		{"demo --version", 0},
		{"demo --listen=" + address, 1},
		{"demo --calls=-1", 2},
		{"demo --calls-per-minute=NaN", 2},
		{"demo --removed-per-minute=60001", 2},
		{"demo --first-page=2", 2},
		{"demo --max-page-size=-1", 2},
		{"demo --lag=-1", 2},
		{"demo --latency=-1s", 2},
		{"demo --order=best", 2},
		{"demo --past-end=418", 2},
		{"demo --statuses-format=xml", 2},
		{"demo --fault=418", 2},
		{"demo --fault=429:0", 2},
		{"demo --cache-ttl=1s", 2},
		{"completion --nope", 2},
		{"completion bash --nope", 2},
		{"completion bash more", 2},
	} {
		t.Run(test.args, func(t *testing.T) {
			err := run(t.Context(), strings.Fields(test.args), environ(env), io.Discard, io.Discard)
			status := 0
			if err != nil {
				status = exitStatus(err)
			}
			if status != test.want {
				t.Errorf("%d: %v", status, err)
			}
		})
	}
}

// badCloser is standard output on a file system that reports a full disk only on close.
type badCloser struct{ bytes.Buffer }

func (*badCloser) Close() error { return syscall.ENOSPC }

func TestOutputThatCannotBeClosed(t *testing.T) {
	_, env := startREST(t, 30)
	for _, args := range []string{"query --all", "query -d {__typename}"} {
		err := run(t.Context(), strings.Fields(args), environ(env), &badCloser{}, io.Discard)
		if !errors.Is(err, syscall.ENOSPC) || exitStatus(err) != 1 {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// A key of the structured output that has a dot is a column, of a document that is composed and of one's own.
func TestColumnOfAKeyWithADot(t *testing.T) {
	list, env := startREST(t, 0)
	list.SetRows(
		json.RawMessage(`{"id":"1","status":"completed",
			"structured_output":{"a.b":1,"a":{"b":2,"c":3},"x":{"y.z":[{"v.w":4}]},"p,q":5}}`),
		json.RawMessage(`{"id":"2","status":"completed","structured_output":{"a":{"b":2}}}`),
		json.RawMessage(`{"id":"3","status":"completed"}`),
	)
	const columns = `structuredOutput.a.b,structuredOutput.a\.b,structuredOutput.a.c,` +
		`structuredOutput.x.y.z.0.v.w,extra.o.p`
	const want = columns + `,id,"structuredOutput.p,q"
1,1,3,4,,1,5
2,,,,,2,
,,,,,3,
`
	for _, document := range []string{"", "{ calls { nodes { id structuredOutput extra } } }"} {
		args := []string{"--all", "--format=csv", "--columns", columns, "--columns", `id,structuredOutput.p\,q`}
		if document != "" {
			args = append(args, "-d", document)
		}
		out, log, status := runQuery(t, env, args...)
		if status != 0 || out != want || log != "revox-graphql: no call has a value for extra.o.p\n" {
			t.Errorf("%q: %d, %s\n%s", document, status, log, out)
		}
	}
}

// Whatever texts Revox sends, NDJSON stays JSON, and CSV can be read again.
func TestOddTexts(t *testing.T) {
	// What is sent, as a text of the schema, within JSON, and in CSV.
	for _, test := range []struct{ name, raw, text, json, cell string }{
		{"lines and quotes", `"a\r\n\"b\",c\nd\re"`, `"a\r\n\"b\",c\nd\re"`, `"a\r\n\"b\",c\nd\re"`, "a\r\n\"b\",c\nd\re"},
		{"spaces", `" a "`, `" a "`, `" a "`, " a "},
		{"an end of data", `"\\."`, `"\\."`, `"\\."`, `\.`},
		{"a line end alone", `"\r"`, `"\r"`, `"\r"`, "'\r"},
		{"NUL", `"\u0000=1"`, `"\u0000=1"`, `"\u0000=1"`, "'\x00=1"},
		{"a formula", `"=1+1"`, `"=1+1"`, `"=1+1"`, "'=1+1"},
		{"a formula in full width", `"＝1+1"`, `"＝1+1"`, `"＝1+1"`, "'＝1+1"},
		{"half of a surrogate pair", `"a\ud83d"`, "\"a\ufffd\"", `"a\ud83d"`, "a\ufffd"},
		{"the other half", `"\ude00b"`, "\"\ufffdb\"", `"\ude00b"`, "\ufffdb"},
		{"invalid UTF-8", "\"a\xffb\"", "\"a\ufffdb\"", "\"a\ufffdb\"", "a\ufffdb"},
		{"an emoji", `"\ud83d\ude00"`, `"😀"`, `"\ud83d\ude00"`, "😀"},
		{"line separators", "\"a\u2028b\"", "\"a\u2028b\"", "\"a\u2028b\"", "a\u2028b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			list, env := startREST(t, 0)
			list.SetRows(
				json.RawMessage(`{"id":"1","status":"completed","end_reason":`+test.raw+`,"new":`+test.raw+`,`+
					`"structured_output":{"k":`+test.raw+`,"n":9007199254740993,"l":[[1,{"m":2}]]}}`),
				json.RawMessage(`{"id":"2","status":"completed"}`),
			)
			const columns = "id,endReason,structuredOutput.k,extra.new,structuredOutput.n,structuredOutput.l," +
				"structuredOutput.l.0.1.m"
			out, log, status := runQuery(t, env, "--all", "--columns", columns)
			want := `{"id":"1","endReason":` + test.text + `,"structuredOutput.k":` + test.json + `,"extra.new":` + test.json +
				`,"structuredOutput.n":9007199254740993,"structuredOutput.l":[[1,{"m":2}]],"structuredOutput.l.0.1.m":2}`
			if first, _, _ := strings.Cut(out, "\n"); status != 0 || first != want || strings.Count(out, "\n") != 2 {
				t.Errorf("%d, %s: got\n%s\nand not\n%s", status, log, out, want)
			}
			out, log, status = runQuery(t, env, "--all", "--format=csv", "--columns", columns)
			out = strings.ReplaceAll(out, "\r\n", "\r\r\n") // of which the reader drops one
			rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
			cells := []string{"1", test.cell, test.cell, test.cell, "9007199254740993", `[[1,{"m":2}]]`, "2"}
			if err != nil || status != 0 || len(rows) != 3 || !slices.Equal(rows[1], cells) || rows[2][0] != "2" {
				t.Errorf("%d, %v, %s: got %q of\n%s", status, err, log, rows, out)
			}
		})
	}
}

// interruptQuery begins a file, and fails after some pages.
func interruptQuery(t *testing.T, list *fake.Upstream, env map[string]string, path string) {
	t.Helper()
	list.Behave(func(b *fake.Behaviour) {
		b.Fault = func(_ int, r *http.Request) *fake.Response {
			// Not by the number of the request: pages are read ahead, and any of them may come before the first page.
			if page, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil && page < 7 {
				return nil
			}
			return &fake.Response{Status: http.StatusForbidden, Body: []byte("no")}
		}
	})
	_, log, status := runQuery(t, env, "--all", "--page-size=20", "--upstream-page-size=20", "--out", path)
	if status != 1 || strings.Contains(log, "stopped after 0 calls") {
		t.Fatalf("%d, %s", status, log)
	}
	list.Behave(func(b *fake.Behaviour) { b.Fault = nil })
}

// A file that was begun with one key is not gone on with by another, which may read other calls.
func TestAnotherKey(t *testing.T) {
	list, env := startREST(t, 250)
	path := filepath.Join(t.TempDir(), "calls")
	interruptQuery(t, list, env, path)
	state, err := os.ReadFile(path + ".state")
	if err != nil || strings.Contains(string(state), env["REVOX_API_KEY"]+`"`) {
		t.Errorf("%v, the state is %s", err, state)
	}
	other := map[string]string{"REVOX_API_KEY": "another", "REVOX_BASE_URL": env["REVOX_BASE_URL"]}
	if _, log, status := runQuery(t, other, "--all", "--out", path); status != 2 || !strings.Contains(log, "the key") {
		t.Errorf("%d, %s", status, log)
	}
	for _, args := range [][]string{
		{"--columns", "id"}, {"--format", "csv"}, {"--var", `statuses=["COMPLETED"]`}, {"-d", "{ calls { nodes { id } } }"},
	} {
		_, log, status := runQuery(t, env, append(args, "--all", "--out", path)...)
		if status != 2 || !strings.Contains(log, "of another query") {
			t.Errorf("%v: %d, %s", args, status, log)
		}
	}
	if _, log, status := runQuery(t, env, "--all", "--out", path); status != 0 {
		t.Errorf("%d, %s", status, log)
	}
	checkLines(t, path, list.IDs(), list.IDs(), 5)
}

// A call that comes twice is noticed whichever columns there are.
func TestTwiceWithoutAnID(t *testing.T) {
	list, env := startREST(t, 0)
	var rows []json.RawMessage
	for i := range 50 { // the last ten are the first ones again, two pages on
		rows = append(rows, json.RawMessage(fmt.Sprintf(`{"id":"%d","status":"completed"}`, i%40)))
	}
	list.SetRows(rows...)
	for _, columns := range []string{"id,status", "status"} {
		out, log, status := runQuery(t, env, "--all", "--columns", columns, "--page-size=20", "--upstream-page-size=20")
		if status != 1 || strings.Count(out, "\n") != 50 ||
			!strings.Contains(log, "10 calls are in the output more than once") {
			t.Errorf("%s: %d, %s\n%s", columns, status, log, out)
		}
		if columns == "status" && strings.Contains(out, "id") {
			t.Errorf("a line has more than its column:\n%s", out)
		}
	}
}
