package export

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// movingCall is a call of a movingList.
type movingCall struct {
	id    int
	ended bool
	moved bool // to another place, since the last export
}

// movingList is a list of calls, newest first, that changes as the test says.
type movingList struct {
	*rand.Rand
	calls []*movingCall
	next  int
}

func (l *movingList) insert() {
	l.calls = slices.Insert(l.calls, 0, &movingCall{id: l.next, ended: l.IntN(3) > 0})
	l.next++
}

func (l *movingList) move(from, to int) {
	call := l.calls[from]
	call.moved = true
	l.calls = slices.Insert(slices.Delete(l.calls, from, from+1), to, call)
}

func (c *movingCall) line() string {
	status, ended := "IN_PROGRESS", "null"
	if c.ended {
		status, ended = "COMPLETED", `"2026-03-14T12:00:00Z"`
	}
	return fmt.Sprintf(`{"id":"%d","status":"%s","endedAt":%s}`, c.id, status, ended)
}

func (l *movingList) lines() (lines []string) {
	for _, call := range l.calls {
		lines = append(lines, call.line())
	}
	return lines
}

// ask responds with a page. A cursor is the number of calls before it: the list does not change during a run.
func (l *movingList) ask(_ context.Context, text []byte) ([]byte, error) {
	var r Request
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, err
	}
	var cursor string
	_ = json.Unmarshal(r.Variables[afterVariable], &cursor)
	from, _ := strconv.Atoi(cursor)
	first, err := strconv.Atoi(string(r.Variables[firstVariable]))
	to := min(from+first, len(l.calls))
	return fmt.Appendf(nil, `{"data":{"calls":{"nodes":[%s],"_exportPage":{"hasNextPage":%t,"endCursor":"%d"}}}}`,
		strings.Join(l.lines()[from:to], ","), to < len(l.calls), to), err
}

// change lets some calls arrive, end, leave or move. It returns whether one stays that was in the list before.
func (l *movingList) change() (stays bool) {
	old := l.next
	for range l.IntN(4) {
		l.insert()
	}
	for range l.IntN(4) {
		i := l.IntN(len(l.calls))
		l.calls[i].ended = true
	}
	for range l.IntN(3) {
		if i := l.IntN(len(l.calls)); len(l.calls) > 1 {
			l.calls = slices.Delete(l.calls, i, i+1)
		}
	}
	known := 0
	for _, call := range l.calls {
		if call.id < old {
			known++
		}
	}
	for range min(l.IntN(4), known-1) { // where all have moved, nothing tells what is new
		if l.IntN(2) == 0 {
			l.move(len(l.calls)-1, 0)
		} else {
			l.move(l.IntN(len(l.calls)), l.IntN(len(l.calls)))
		}
	}
	return known > 0
}

// An update of a small file, after random changes of the list: calls that did not move are as in a new export, in the
// same order. No line is lost: one that is not in the file, although its call is listed, is one of a call that moved,
// and counted.
func TestUpdateOfARandomList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls")
	schema := loadSchema(t)
	l := &movingList{Rand: rand.New(rand.NewPCG(1, 2))}
	for round := range 300 {
		l.calls, l.next = nil, 0
		for range 1 + l.IntN(30) {
			l.insert()
		}
		before := l.lines()
		var log []string
		o := &Options{
			Ask: l.ask, Schema: schema, Request: Request{Query: "{ calls { nodes { id status endedAt } } }"},
			PageSize: 1 + l.IntN(40), Notify: func(line string) { log = append(log, line) },
		}
		text := strings.Join(before, "\n") + "\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if !l.change() {
			continue
		}
		ended := time.Date(2026, time.March, 14, 13, 0, 0, 0, time.UTC)
		err := UpdateFile(t.Context(), o, path, UpdateOptions{Now: func() time.Time { return ended }})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := l.compare(before, strings.Fields(string(got)), log); wrong != "" {
			t.Fatalf("round %d: %s; pages of %d, before\n%s\nthe list\n%s\nand the file\n%s\n%s", round, wrong, o.PageSize,
				strings.Join(before, "\n"), strings.Join(l.lines(), "\n"), got, log)
		}
	}
}

// compare returns what is wrong with the lines of a file; "" if nothing is.
func (l *movingList) compare(before, got, log []string) string {
	moved, listed := map[string]bool{}, map[string]bool{}
	var want, unmoved []string
	for _, call := range l.calls {
		listed[call.line()] = true
		if moved[call.line()] = call.moved; !call.moved {
			want = append(want, call.line())
		}
	}
	ids := map[string]bool{}
	for _, line := range got {
		id, _, _ := strings.Cut(line, ",")
		if ids[id] {
			return "a call twice: " + line
		}
		ids[id] = true
		if listed[line] && !moved[line] {
			unmoved = append(unmoved, line)
		}
	}
	if !slices.Equal(unmoved, want) {
		return fmt.Sprintf("%d of the calls that did not move, and not %d", len(unmoved), len(want))
	}
	var added, updated, gone, missing int
	if _, err := fmt.Sscanf(strings.Join(log, ""), "%d calls added, %d updated, %d no longer listed", &added, &updated,
		&gone); err != nil {
		return err.Error()
	}
	for _, line := range before {
		if id, _, _ := strings.Cut(line, ","); !ids[id] {
			missing++
		}
	}
	if missing != gone {
		return fmt.Sprintf("%d lines are missing", missing)
	}
	return ""
}
