package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"revox-graphql/upstream/fake"
)

// livingREST is a list whose clock the test moves.
type livingREST struct {
	*fake.Upstream
	minutes atomic.Int64
	env     map[string]string
	dir     string
}

func startLiving(t *testing.T, calls int) *livingREST {
	t.Helper()
	l := &livingREST{dir: t.TempDir()}
	l.Upstream = fake.New(fake.Config{Seed: 1, Calls: calls, Now: func() time.Time {
		return time.Date(2026, time.March, 14, 12, 0, 0, 0, time.UTC).Add(time.Duration(l.minutes.Load()) * time.Minute)
	}})
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	l.env = map[string]string{"REVOX_API_KEY": "key", "REVOX_BASE_URL": server.URL + "/api"}
	return l
}

func (l *livingREST) path(name string) string { return filepath.Join(l.dir, name) }

// run exports to a file, and returns its lines and what was logged.
func (l *livingREST) run(t *testing.T, status int, file string, args ...string) (lines []string, log string) {
	t.Helper()
	l.ResetRequests()
	args = append([]string{"--all", "--columns", "id,status,endedAt,endReason", "--out", l.path(file)}, args...)
	_, log, got := runQuery(t, l.env, args...)
	if got != status {
		t.Fatalf("exit status %d: %s", got, log)
	}
	text, err := os.ReadFile(l.path(file))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(strings.Lines(string(text))), log
}

// An update leaves the file that a new export would write, says what has changed, and reads no more than it must.
func TestUpdate(t *testing.T) {
	l := startLiving(t, 3000)
	before, _ := l.run(t, 0, "calls")
	for _, test := range []struct {
		name     string
		happens  func()
		requests int
	}{
		{"nothing", func() {}, 1},
		{"calls arrive", func() { l.Insert(10) }, 1},
		{"calls are made", func() { l.minutes.Add(2) }, 1},
		{"and end", func() { l.minutes.Add(60) }, 1},
		{"calls leave", func() { l.Remove(l.IDs()[3], l.IDs()[7]) }, 1},
		{"many arrive", func() { l.Insert(5000); l.minutes.Add(90) }, 28 + 2 + 5},
		{"one is sorted again", func() { l.Move(l.IDs()[4000], 2) }, 1},
	} {
		test.happens()
		got, log := l.run(t, 0, "calls", "--update", "--changes", l.path("changes"))
		requests := len(l.Requests())
		want, _ := l.run(t, 0, "fresh")
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d lines, want %d; %s", test.name, len(got), len(want), log)
		}
		if requests > test.requests {
			t.Errorf("%s: %d requests", test.name, requests)
		}
		t.Logf("%s: %d requests, %s", test.name, requests, strings.TrimSpace(log))
		checkChanges(t, test.name, l.path("changes"), before, got)
		before = got
		if err := os.Remove(l.path("fresh")); err != nil {
			t.Fatal(err)
		}
	}
}

// checkChanges compares a file of changes with the lines before and after.
func checkChanges(t *testing.T, name, path string, before, after []string) {
	t.Helper()
	id := func(line string) string {
		var call struct{ ID string }
		if err := json.Unmarshal([]byte(line), &call); err != nil {
			t.Fatal(err)
		}
		return call.ID
	}
	old := map[string]string{}
	for _, line := range before {
		old[id(line)] = line
	}
	var want []string
	for _, line := range after {
		switch was, known := old[id(line)]; {
		case !known:
			want = append(want, `{"op":"add",`+line[1:])
		case was != line:
			want = append(want, `{"op":"update",`+line[1:])
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(strings.Lines(string(text))); !slices.Equal(got, want) {
		t.Errorf("%s: %d changes, want %d", name, len(got), len(want))
	}
}

// A call that ended a moment ago is read again, with all that come before it.
func TestUpdateReadsRecentCallsAgain(t *testing.T) {
	l := startLiving(t, 3000)
	l.run(t, 0, "calls")
	l.run(t, 0, "calls", "--update", "--grace", "876000h")
	if n := len(l.Requests()); n < 3000/200 {
		t.Errorf("%d requests", n)
	}
}

// What cannot be updated stays as it was, and the error has the reason.
func TestUpdateThatFails(t *testing.T) {
	l := startLiving(t, 500)
	before, _ := l.run(t, 0, "calls")
	stays := func(why, log string) {
		t.Helper()
		text, err := os.ReadFile(l.path("calls"))
		if err != nil || string(text) != strings.Join(before, "") || !strings.Contains(log, why) {
			t.Errorf("%v, %s", err, log)
		}
		if _, err := os.Stat(l.path("calls.part")); err == nil {
			t.Error("calls.part is left")
		}
	}
	_, log := l.run(t, 2, "calls", "--update", "--columns", "result")
	stays("its lines have other columns", log)
	_, log, status := runQuery(t, l.env, "--all", "--columns", "id,status", "--out", l.path("calls"), "--update")
	if status != 2 {
		t.Error(status)
	}
	stays("--update needs `endedAt` in each line", log)
	other := startLiving(t, 0)
	other.Insert(300)
	other.Remove(l.IDs()...)
	l.env["REVOX_BASE_URL"] = other.env["REVOX_BASE_URL"]
	_, log = l.run(t, 2, "calls", "--update", "--max-wait", "0s")
	stays("and may be another account's", log)
	_, log, status = runQuery(t, l.env, "--all", "--out", l.dir, "--update")
	if status != 2 || !strings.Contains(log, "is no file") {
		t.Errorf("%d: %s", status, log)
	}
	for _, args := range [][]string{
		{"--all", "--update"},
		{"--all", "--out", "a", "--update", "--format", "csv"},
		{"--all", "--out", "a", "--changes", "b"},
		{"--all", "--out", "a", "--update", "--changes", "a"},
		{"--all", "--out", "a", "--update", "--grace", "-1s"},
		{"--update", "-d", "{ calls { nodes { id } } }"},
	} {
		if _, log, status := runQuery(t, l.env, args...); status != 2 {
			t.Errorf("%v: %d, %s", args, status, log)
		}
	}
}

// A call that comes to pass a filter, or whose order comes to have a status, can be older than what an update reads.
func TestUpdateOfAChoice(t *testing.T) {
	l := startLiving(t, 300)
	const variables = "query ($f: CallFilter, $s: [CallOrderStatus!] = [COMPLETED]) { calls(filter: $f, statuses: $s) "
	for _, test := range []struct {
		document, choice string
		args             []string
	}{
		{"{ calls(statuses: [COMPLETED, SCHEDULED]) ", "statuses", nil},
		{"{ calls(filter: {status: [COMPLETED]}) ", "filter", nil},
		{"{ calls(statuses: null, filter: null) ", "", nil},
		{variables, "statuses", nil},
		{variables, "statuses", []string{"--var", "f=null"}},
		{variables, "filter", []string{"--var", "s=null", "--var", `f={"result": ["HUMAN"]}`}},
		{variables, "", []string{"--var", "s=null"}},
	} {
		args := append([]string{"--all", "-d", test.document + "{ nodes { id status endedAt } } }"}, test.args...)
		_, log, status := runQuery(t, l.env, append(args, "--out", l.path("calls"), "--update")...)
		want := 0
		if test.choice != "" {
			want = 2
		}
		rejected := strings.Contains(log, "--update cannot be used with `"+test.choice+"`")
		if status != want || rejected != (want == 2) {
			t.Errorf("%q: %d, %s", args, status, log)
		}
	}
}

// Without a file, or with one that is not finished, the export is made first. Its changes are what the file had not.
func TestUpdateOfNothing(t *testing.T) {
	l := startLiving(t, 1500)
	before, _ := l.run(t, 0, "calls", "--update", "--changes", l.path("changes"))
	if len(before) != 1500 {
		t.Errorf("%d lines", len(before))
	}
	checkChanges(t, "no file", l.path("changes"), nil, before)

	l.Insert(10)
	l.minutes.Add(60)
	l.Behave(func(b *fake.Behaviour) {
		b.Fault = func(_ int, r *http.Request) *fake.Response {
			if page, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil && page < 4 {
				return nil
			}
			return &fake.Response{Status: http.StatusServiceUnavailable}
		}
	})
	l.run(t, 1, "calls", "--max-wait", "0s")
	if _, err := os.Stat(l.path("calls.state")); err != nil {
		t.Fatalf("the export was not interrupted: %v", err)
	}
	l.Behave(func(b *fake.Behaviour) { b.Fault = nil })
	after, _ := l.run(t, 0, "calls", "--update", "--changes", l.path("changes"))
	if len(after) != 1510 {
		t.Errorf("%d lines", len(after))
	}
	checkChanges(t, "an unfinished export", l.path("changes"), before, after)
	if first := l.Requests()[0]; first.PageSize < 100 {
		t.Errorf("the next run finds out again what is known: %s", first.RawQuery)
	}
}

// Calls from the end of the file that were re-sorted to the head of the list do not end the update: the calls between
// are still listed. Neither does the update of a file of --since go on below its last line.
func TestUpdateAfterTheEndMoved(t *testing.T) {
	for _, test := range []struct{ calls, moved, requests int }{{3000, 1, 1}, {3000, 8, 1}, {300, 100, 10}, {5, 1, 10}} {
		l := startLiving(t, test.calls)
		l.run(t, 0, "calls")
		for range test.moved {
			ids := l.IDs()
			l.Move(ids[len(ids)-1], 0)
		}
		got, log := l.run(t, 0, "calls", "--update")
		requests := len(l.Requests())
		want, _ := l.run(t, 0, "fresh")
		if !slices.Equal(got, want) || requests > test.requests {
			t.Errorf("%+v: %d lines with %d requests, want %d; %s", test, len(got), requests, len(want), log)
		}
	}
	l := startLiving(t, 300)
	all, _ := l.run(t, 0, "all")
	for _, lines := range []int{1, 5, 20} {
		if err := os.WriteFile(l.path("calls"), []byte(strings.Join(all[:lines], "")), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, log := l.run(t, 0, "calls", "--update"); !slices.Equal(got, all[:lines]) {
			t.Errorf("%d lines became %d; %s", lines, len(got), log)
		}
	}
}
