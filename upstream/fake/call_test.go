package fake_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"revox-graphql/upstream/fake"
)

var orderStatuses = []string{
	"initializing", "queued_for_calling", "calling", "scheduled", "completed", "cancelled", "errored",
}

// TestTheStandingList checks every row of a full list: that it is well formed, that every documented value occurs, and
// that the shares and the sizes are what the package promises.
func TestTheStandingList(t *testing.T) {
	const calls = 6_000 // enough for every value to occur
	began := time.Now()
	u := fake.New(fake.Config{Seed: 1, Calls: calls, Now: still})
	t.Logf("New took %v", time.Since(began))
	all := everything(t, u)
	if len(all) != calls {
		t.Fatalf("%d rows", len(all))
	}

	seen := map[string]int{}
	tools := map[string]int{}
	var bytesTotal, humans, humanBytes, humanEntries int
	for _, r := range all {
		checkTimes(t, &r)
		seen["status "+r.Status]++
		seen["result "+text(r.Result)]++
		seen["dial_error "+text(r.DialError)]++
		seen["ended_by "+text(r.EndedBy)]++
		seen["end_reason "+text(r.EndReason)]++
		if r.StructuredOutput != nil {
			seen["output"]++
		}
		for _, e := range r.Transcript {
			seen["role "+e.Role]++
			checkEntry(t, &e, seen)
			if e.ToolName != nil {
				tools[*e.ToolName]++
			}
		}
		bytesTotal += r.size
		if text(r.Result) == "human" && r.Status == "completed" {
			humans++
			humanBytes += r.size
			humanEntries += len(r.Transcript)
		}
	}
	for _, want := range []string{
		"status queued", "status ringing", "status ongoing", "status completed", "status error",
		"result IVR", "result voicemail", "result human", "result unknown", "result ios-screening-filter", "result ",
		"dial_error number_non_attributed", "dial_error too_many_calls", "dial_error busy",
		"dial_error temporarily_unavailable", "dial_error no_answer", "dial_error no_international_permission",
		"dial_error precondition_failed", "dial_error non_classified_error",
		"role user", "role assistant", "role tool", "ended_by agent", "ended_by user", "ended_by system", "ended_by ",
		"end_reason tool_end_call", "end_reason voicemail", "end_reason transfer", "end_reason ivr_no_navigate",
		"end_reason user_hangup", "end_reason ", "arguments object", "arguments text", "tool failed", "output",
	} {
		if seen[want] == 0 {
			t.Errorf("nothing has %q", want)
		}
	}
	for _, share := range []struct {
		what        string
		least, most int // in percent
	}{
		{"result human", 60, 64},
		{"result voicemail", 12, 16},
		{"result IVR", 4, 6},
		{"result ios-screening-filter", 1, 3},
		{"result unknown", 1, 3},
		{"status error", 13, 17},
	} {
		if n := seen[share.what]; 100*n < share.least*calls || 100*n > share.most*calls {
			t.Errorf("%d of %d calls have %q, expected %d to %d percent", n, calls, share.what, share.least, share.most)
		}
	}
	entries, size := humanEntries/humans, humanBytes/humans
	if entries < 36 || entries > 48 || size < 6_000 || size > 8_000 {
		t.Errorf("a human call has %d entries and %d bytes in the mean", entries, size)
	}
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%7d %s", seen[key], key)
	}
	for _, status := range orderStatuses {
		n := len(u.IDs(status))
		t.Logf("%7d order %s", n, status)
		if n == 0 {
			t.Errorf("no order is %s", status)
		}
	}
	t.Logf(
		"%d tools; a call has %d bytes; a human one %d bytes, %d entries", len(tools), bytesTotal/len(all), size, entries,
	)
}

// lives are what a call has, by its status.
var lives = map[string]func(r *row) bool{
	"queued":  func(r *row) bool { return r.StartedAt == nil && r.AnsweredAt == nil && r.EndedAt == nil },
	"ringing": func(r *row) bool { return r.StartedAt != nil && r.AnsweredAt == nil && r.EndedAt == nil },
	"ongoing": func(r *row) bool {
		return r.AnsweredAt != nil && r.EndedAt == nil && r.EndReason == nil && r.StructuredOutput == nil &&
			r.RecordingURL == nil
	},
	"completed": func(r *row) bool {
		return r.AnsweredAt != nil && r.EndedAt != nil && r.Result != nil && r.DialError == nil
	},
	"error": func(r *row) bool {
		return r.AnsweredAt == nil && r.EndedAt != nil && r.DialError != nil && r.Result == nil && r.Transcript == nil
	},
}

// checkTimes compares a row with what its status allows.
func checkTimes(t *testing.T, r *row) {
	t.Helper()
	ordered := func(early, late *time.Time) bool { return early == nil || late == nil || !late.Before(*early) }
	possible := lives[r.Status]
	ok := possible != nil && possible(r) && strings.HasPrefix(r.PhoneNumber, "+") && len(r.ID) == 36 &&
		ordered(r.StartedAt, r.AnsweredAt) && ordered(r.AnsweredAt, r.EndedAt) && ordered(r.StartedAt, r.EndedAt) &&
		(r.EndedAt == nil || !r.EndedAt.After(moment))
	if !ok {
		t.Errorf("impossible: %+v", *r)
	}
}

func checkEntry(t *testing.T, e *entry, seen map[string]int) {
	t.Helper()
	isTool := e.Role == "tool"
	if isTool != (e.ToolName != nil) || isTool != (e.ToolArguments != nil) || isTool != (e.ToolIsError != nil) {
		t.Errorf("half a tool: %+v", *e)
	}
	if e.Content == "" || !utf8.ValidString(e.Content) || strings.ContainsAny(e.Content, "<>|") ||
		strings.Contains(e.Content, "  ") {
		t.Errorf("bad text: %q", e.Content)
	}
	if !isTool {
		if first, _ := utf8.DecodeRuneInString(e.Content); unicode.IsLower(first) {
			t.Errorf("a sentence begins small: %s", e.Content)
		}
		return
	}
	switch e.ToolArguments[0] {
	case '{':
		seen["arguments object"]++
	case '"':
		seen["arguments text"]++
	default:
		t.Errorf("arguments are neither object nor text: %s", e.ToolArguments)
	}
	if *e.ToolIsError {
		seen["tool failed"]++
	}
	if e.Content[0] == '{' && !json.Valid([]byte(e.Content)) {
		t.Errorf("a tool answered broken JSON: %s", e.Content)
	}
}

// TestNoLineIsRepeated: no long line comes twice in one conversation.
func TestNoLineIsRepeated(t *testing.T) {
	u := fake.New(fake.Config{Seed: 2, Calls: 3_000, Now: still})
	for _, r := range everything(t, u) {
		said := map[string]bool{}
		for _, e := range r.Transcript {
			if e.Role != "tool" && len(e.Content) > 25 && said[e.Content] {
				t.Errorf("%s says twice: %s", r.ID, e.Content)
			}
			said[e.Content] = true
		}
	}
}

// TestLife follows calls from their arrival to their end with a clock that the test moves.
func TestLife(t *testing.T) {
	clock := &manual{at: moment}
	u := fake.New(fake.Config{Seed: 9, Calls: 0, Now: clock.now})
	u.Insert(40)
	rank := map[string]int{"queued": 0, "ringing": 1, "ongoing": 2, "completed": 3, "error": 3}
	passed := map[string]int{}
	last := page(t, u, 0, 60, "")
	for range 130 {
		clock.add(9 * time.Second)
		rows := page(t, u, 0, 60, "")
		for i, r := range rows {
			was := last[i]
			passed[was.Status+" to "+r.Status]++
			if rank[r.Status] < rank[was.Status] {
				t.Fatalf("%s went from %s to %s", r.ID, was.Status, r.Status)
			}
			if len(r.Transcript) < len(was.Transcript) {
				t.Fatalf("%s: the transcript shrank", r.ID)
			}
			for n, e := range was.Transcript {
				if e.Content != r.Transcript[n].Content {
					t.Fatalf("%s: entry %d changed", r.ID, n)
				}
			}
			if rank[was.Status] == 3 &&
				fmt.Sprint(r.size, r.EndedAt, r.Status) != fmt.Sprint(was.size, was.EndedAt, was.Status) {
				t.Fatalf("%s changed after its end", r.ID)
			}
		}
		last = rows
	}
	for _, want := range []string{"queued to ringing", "ringing to ongoing", "ongoing to completed", "ringing to error"} {
		if passed[want] == 0 {
			t.Errorf("no call went from %s: %v", want, passed)
		}
	}
	if open := len(u.IDs("initializing", "queued_for_calling", "calling")); open != 0 {
		t.Errorf("%d orders are still open in the end", open)
	}
}

// TestWhatIsOverStays: a call that was over when the list was made has the same bytes at any later time.
func TestWhatIsOverStays(t *testing.T) {
	clock := &manual{at: moment}
	u := fake.New(fake.Config{Seed: 10, Calls: 500, Now: clock.now})
	const older = "page=1&page_size=250"
	before := bytes.Clone(ask(t, u, older).Body.Bytes())
	clock.add(90 * time.Minute)
	if !bytes.Equal(before, ask(t, u, older).Body.Bytes()) {
		t.Error("old calls changed")
	}
	for _, r := range page(t, u, 0, 250, "") {
		if r.Status != "completed" && r.Status != "error" {
			t.Errorf("%s is still %s", r.ID, r.Status)
		}
	}
}

func TestTheHeadIsAlive(t *testing.T) {
	for seed := range uint64(40) {
		u := fake.New(fake.Config{Seed: seed, Calls: 400, Now: still})
		states := map[string]int{}
		for _, r := range page(t, u, 0, 20, "") {
			states[r.Status]++
		}
		if states["queued"] == 0 || states["ringing"] == 0 || states["ongoing"] == 0 || len(u.IDs("initializing")) == 0 {
			t.Errorf("seed %d: %v", seed, states)
		}
	}
}

func TestAtRestItIsSmall(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC() // twice: a pool is emptied by the second
	runtime.ReadMemStats(&before)
	u := fake.New(fake.Config{Seed: 1, Calls: fake.DefaultCalls, Now: still})
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	heap := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d calls keep %d kB", len(u.IDs()), heap>>10)
	if heap > 4<<20 {
		t.Errorf("%d bytes", heap)
	}
}
