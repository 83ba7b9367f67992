package filter

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// The guarantee about filtered lists, tested against a model: random filters are walked over random lists while calls
// arrive, leave and are re-sorted, between requests and in the middle of them. The oracle knows the list's history, and
// says by itself which calls pass. It checks each walk:
//
//   - every call that passes and has kept its place in the list since the walk began is shown once;
//   - no other call is shown that does not pass;
//   - no call is shown that lies outside the range between the cursors;
//   - the walk ends, and where a page says that nothing follows, nothing does.
//
// Some walks end at a cursor instead of the end of the list. Some lists are ordered by time, strictly or about so, and
// some are not.

// world is a list of calls by their numbers, and its history.
type world struct {
	t       rapid.TB
	clock   string
	ids     []int       // the newest first
	steady  map[int]int // since which change a call has had its place
	changes int
	next    int
	calls   map[int]upstream.Row
	move    func() // called while a request is under way
	asked   int
	jumped  bool // a call was re-sorted
}

// attributes are what the model knows of a call.
type attributes struct {
	started  int64 // 0: unknown
	seconds  int   // -1: unknown
	result   string
	phone    string
	said     string
	nps      int
	failures bool
}

// mix makes a number out of a call's number that looks random.
func mix(n, salt int) int { return int((uint32(n)*2654435761 + uint32(salt)*40503) >> 7 & 0xFFFF) }

const minute = 60_000

// firstStart is when the first call started.
var firstStart = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC).UnixMilli()

func (w *world) of(n int) attributes {
	a := attributes{
		started: firstStart + int64(n)*minute,
		seconds: mix(n, 1)%300 - 1,
		result:  []string{"human", "voicemail", "IVR", "unknown", "", "new-one"}[mix(n, 2)%6],
		phone:   fmt.Sprintf("+33%d", 600000000+mix(n, 3)),
		said:    []string{"I want a REFUND", "no thanks", "Caf\u00e9 noir", "Hauptstraße"}[mix(n, 4)%4],
		nps:     mix(n, 5) % 11, failures: mix(n, 6)%3 == 0,
	}
	switch w.clock {
	case "jittered":
		a.started += int64(mix(n, 7) % 8 * minute)
	case "shuffled":
		a.started = firstStart + int64(mix(n, 8)%500)*minute
	case "in order at the head":
		if n < 5000 {
			a.started = firstStart + int64(mix(n, 8)%5000)*minute
		}
	case "the tail turns": // and the head is dense
		switch a.started = firstStart + int64(10*n)*minute; {
		case n >= 5800:
			a.started = firstStart + int64(58_000+n-5800)*minute
		case n < 3000:
			a.started = firstStart + int64(25*(3000-n))*minute
		}
	case "gaps":
		if mix(n, 9)%3 == 0 {
			a.started = 0
		}
	}
	return a
}

// row is a call as upstream has it.
func (w *world) row(n int) upstream.Row {
	if row, ok := w.calls[n]; ok {
		return row
	}
	a := w.of(n)
	call := map[string]any{
		"id": strconv.Itoa(n), "status": "completed", "phone_number": a.phone,
		"structured_output": map[string]any{"nps": a.nps},
		"transcript": []any{
			map[string]any{"role": "user", "content": a.said},
			map[string]any{"role": "tool", "content": "", "tool_name": "book", "tool_is_error": a.failures},
		},
	}
	if a.result != "" {
		call["result"] = a.result
	}
	if a.started != 0 {
		call["started_at"] = time.UnixMilli(a.started).UTC().Format(time.RFC3339Nano)
	}
	if a.seconds >= 0 {
		answered := time.UnixMilli(firstStart).UTC()
		call["answered_at"] = answered.Format(time.RFC3339)
		call["ended_at"] = answered.Add(time.Duration(a.seconds) * time.Second).Format(time.RFC3339)
	}
	body, err := json.Marshal(map[string]any{"calls": []any{call}})
	if err != nil {
		w.t.Fatal(err)
	}
	page, _, err := upstream.ParsePage(context.Background(), body, 1)
	if err != nil || page.Rows[0].Call == nil {
		w.t.Fatalf("%v: %s", err, body)
	}
	w.calls[n] = page.Rows[0]
	return page.Rows[0]
}

// ListCalls implements [upstream.Lister].
func (w *world) ListCalls(_ context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	if err := opts.Budget.Take(); err != nil {
		return nil, err
	}
	page := &upstream.Page{Number: opts.Page, Size: opts.PageSize, AskedAt: time.Now()}
	w.asked++
	if w.move != nil {
		w.move()
	}
	for i := page.Offset(); i < min(len(w.ids), page.Offset()+page.Size); i++ {
		page.Rows = append(page.Rows, w.row(w.ids[i]))
	}
	return page, nil
}

func (w *world) insert(calls int) {
	w.changes++
	for range calls {
		w.ids = slices.Insert(w.ids, 0, w.next)
		w.steady[w.next] = w.changes
		w.next++
	}
}

func (w *world) remove(at int) {
	w.changes++
	if at < len(w.ids) {
		delete(w.steady, w.ids[at])
		w.ids = slices.Delete(w.ids, at, at+1)
	}
}

// jump re-sorts a call.
func (w *world) jump(from, to int) {
	w.changes++
	if from >= len(w.ids) {
		return
	}
	n := w.ids[from]
	w.steady[n] = w.changes
	const near = 8 // of two calls so near to each other, either may be the one that has moved
	if lo, hi := min(from, to), max(from, to); hi-lo <= near {
		for _, n := range w.ids[lo:min(hi+1, len(w.ids))] {
			w.steady[n] = w.changes
		}
	}
	w.ids = slices.Insert(slices.Delete(w.ids, from, from+1), min(to, len(w.ids)-1), n)
}

func (w *world) change(t *rapid.T) {
	switch rapid.IntRange(0, 3).Draw(t, "change") {
	case 0:
		w.insert(rapid.IntRange(1, 30).Draw(t, "calls"))
	case 1, 2:
		w.remove(rapid.IntRange(0, len(w.ids)).Draw(t, "at"))
	case 3:
		// In the other lists, a call that is re-sorted would not be at its time. Of several that are re-sorted a cursor may
		// know too many; package pagination tests when that may be.
		if w.clock == "shuffled" && !w.jumped && len(w.ids) > 40 {
			w.jumped = true
			w.jump(rapid.IntRange(0, len(w.ids)).Draw(t, "from"), rapid.IntRange(0, len(w.ids)).Draw(t, "to"))
		}
	}
}

// modelFilter is a filter, and the same in the model's words.
type modelFilter struct {
	text   string
	passes func(a attributes) bool
}

func drawFilter(t *rapid.T, deep int, members []int) modelFilter {
	var texts []string
	var all []func(a attributes) bool
	add := func(passes func(a attributes) bool, format string, args ...any) {
		texts, all = append(texts, fmt.Sprintf(format, args...)), append(all, passes)
	}
	more := rapid.SliceOfNDistinct(rapid.IntRange(0, 8), 0, 3, nameOf).Draw(t, "members")
	for _, member := range more {
		if !slices.Contains(members, member) {
			members = append(members, member)
		}
	}
	for _, member := range members {
		drawMember(t, member, deep, add)
	}
	return modelFilter{"{" + strings.Join(texts, ", ") + "}", func(a attributes) bool {
		return !slices.ContainsFunc(all, func(passes func(attributes) bool) bool { return !passes(a) })
	}}
}

// nameOf tells members apart by their names.
func nameOf(member int) int { return min(member, 7) }

func drawMember(
	t *rapid.T, member, deep int, add func(passes func(a attributes) bool, format string, args ...any),
) {
	switch member {
	case 0:
		from := firstStart + int64(rapid.IntRange(-50, 500).Draw(t, "from"))*minute
		before := from + int64(rapid.IntRange(1, 300).Draw(t, "minutes"))*minute
		add(func(a attributes) bool { return a.started != 0 && a.started >= from && a.started < before },
			`"startedAt": {"from": %q, "before": %q}`, rfc3339(from), rfc3339(before))
	case 1:
		if deep == MaxDepth {
			return
		}
		at := firstStart + int64(rapid.IntRange(-50, 500).Draw(t, "time"))*minute
		add(func(a attributes) bool { return a.started >= at || a.phone[4] == '1' },
			`"anyOf": [{"startedAt": {"from": %q}}, {"phoneNumber": {"startsWith": "+3361"}}]`, rfc3339(at))
	case 2:
		least, most := rapid.IntRange(0, 200).Draw(t, "min"), rapid.IntRange(200, 300).Draw(t, "max")
		add(func(a attributes) bool { return a.seconds >= least && a.seconds <= most },
			`"durationSeconds": {"min": %d, "max": %d}`, least, most)
	case 3:
		add(func(a attributes) bool { return a.result == "human" || a.result == "new-one" },
			`"result": ["HUMAN", "UNRECOGNIZED"]`)
	case 4:
		digit := rapid.IntRange(0, 9).Draw(t, "digit")
		add(func(a attributes) bool { return strings.Contains(a.phone, strconv.Itoa(digit)) },
			`"phoneNumber": {"contains": "%d"}`, digit)
	case 5:
		add(func(a attributes) bool { return strings.HasPrefix(a.said, "Caf") },
			`"transcript": {"contains": "CAFE\u0301"}`)
	case 6:
		least := rapid.IntRange(0, 10).Draw(t, "nps")
		add(func(a attributes) bool { return a.nps >= least && a.failures },
			`"structuredOutput": [{"path": "nps", "min": %d}], "tool": {"failed": true}`, least)
	case 7:
		if deep == 0 { // "anyOf" alone may be given already
			one, other := drawFilter(t, MaxDepth, nil), drawFilter(t, MaxDepth, nil)
			add(func(a attributes) bool { return one.passes(a) || other.passes(a) },
				`"not": {"not": {"anyOf": [%s, %s]}}`, one.text, other.text)
		}
	case 8:
		if deep < MaxDepth {
			inner := drawFilter(t, deep+1, nil)
			add(func(a attributes) bool { return !inner.passes(a) }, `"not": %s`, inner.text)
		}
	}
}

func rfc3339(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// walker reads a filtered list page by page, from one end to the other.
type walker struct {
	t        *rapid.T
	w        *world
	lists    *pagination.Lists
	filter   *Filter
	passes   func(attributes) bool // says of the filter what it should do
	back     bool
	standing bool // the list stands still
	moves    int  // how often the list still moves during a request
	began    int  // how many changes there had been when the walk began
	seen     map[int]bool
	cursor   *relay.Cursor // nil: at the start
	bound    *relay.Cursor // at which the walk ends; nil: the end of the list
	boundID  int           // its call
}

func modelProperty(t *rapid.T) {
	k := drawWalker(t)
	for page := 0; ; page++ {
		if page > 2000 {
			t.Fatal("an endless walk")
		}
		k.change(page)
		rng := relay.Range{Count: rapid.SampledFrom([]int{1, 5, 20, 100}).Draw(t, "count"), Backward: k.back}
		if rng.After, rng.Before = k.cursor, k.bound; k.back {
			rng.Before, rng.After = k.cursor, k.bound
		}
		n := pagination.Selection{Rows: true, Next: true, Previous: true}
		maxPages := rapid.IntRange(1, 4).Draw(t, "pages")
		got, err := k.filter.Read(t.Context(), k.lists.Reader(pagination.Request{}), rng, n, Options{MaxPages: maxPages})
		if errors.Is(err, pagination.ErrCursorExpired) || err != nil && k.moves < 1 && !k.standing {
			return // what the cursor knows has left; package pagination tests when that may be
		}
		if err != nil {
			t.Fatal(err)
		}
		k.check(got, rng.Count)
		if !k.goOn(got) {
			break
		}
	}
	if k.bound != nil && !k.kept(k.boundID) {
		return
	}
	for n := range k.w.steady {
		if k.kept(n) && !k.seen[n] && k.passes(k.w.of(n)) && !k.beyond(n) {
			t.Fatalf("call %d passes and has been in the list all the time, and was not shown", n)
		}
	}
}

// drawWalker makes a list, a filter and a walker.
func drawWalker(t *rapid.T) *walker {
	w := &world{
		t: t, clock: rapid.SampledFrom([]string{"exact", "jittered", "shuffled", "gaps"}).Draw(t, "clock"),
		steady: map[int]int{}, calls: map[int]upstream.Row{},
	}
	w.insert(rapid.IntRange(0, 400).Draw(t, "rows"))
	lists := pagination.New(w, pagination.Options{
		PageSize: rapid.IntRange(20, 70).Draw(t, "page size"), MaxShift: 1000, Log: slog.New(slog.DiscardHandler),
	})
	chosen := drawFilter(t, 0, rapid.SampledFrom([][]int{nil, {0}}).Draw(t, "at least"))
	compiled, err := Compile("filter", input(t, chosen.text))
	if err != nil {
		t.Fatalf("%s: %v", chosen.text, err)
	}
	t.Logf("%s over %d calls, %s", chosen.text, len(w.ids), w.clock)
	k := &walker{t: t, w: w, lists: lists, filter: compiled, passes: chosen.passes, seen: map[int]bool{}}
	k.back = rapid.Bool().Draw(t, "back")
	if len(w.ids) > 0 && rapid.IntRange(0, 3).Draw(t, "bound") == 0 {
		k.drawBound(rapid.IntRange(0, len(w.ids)-1).Draw(t, "at"))
	}
	k.standing = rapid.Bool().Draw(t, "the list stands still")
	w.move = func() {
		if k.moves > 0 {
			k.moves--
			w.change(t)
		}
	}
	return k
}

// drawBound lets the walk end at the call at an index.
func (k *walker) drawBound(at int) {
	k.t.Helper()
	rng := relay.Range{Count: at + 1}
	win, err := k.lists.Reader(pagination.Request{}).Window(k.t.Context(), rng, pagination.Selection{Rows: true})
	if err != nil {
		k.t.Fatal(err)
	}
	k.bound, k.boundID = new(win.Cursor(at)), k.w.ids[at]
}

// kept reports whether a call has kept its place since the walk began.
func (k *walker) kept(n int) bool {
	since, ok := k.w.steady[n]
	return ok && since <= k.began
}

// beyond reports whether a call lies at or beyond the call at which the walk ends, if both have kept their places.
func (k *walker) beyond(n int) bool {
	if k.bound == nil || !k.kept(n) || !k.kept(k.boundID) {
		return false
	}
	at, bound := slices.Index(k.w.ids, n), slices.Index(k.w.ids, k.boundID)
	return at == bound || at > bound != k.back
}

// change changes the list before the request for a page, and draws how often it will move meanwhile.
func (k *walker) change(page int) {
	k.moves = 0
	if page == 0 {
		k.began = k.w.changes
		return
	}
	if k.standing {
		return
	}
	if rapid.IntRange(0, 2).Draw(k.t, "moves") == 0 {
		k.w.change(k.t)
	}
	k.moves = rapid.IntRange(0, 1).Draw(k.t, "moves during the request")
}

// check checks the rows of a page for which so many were asked.
func (k *walker) check(got *Page, asked int) {
	k.t.Helper()
	for _, row := range got.Rows() {
		n, _ := strconv.Atoi(row.Call.ID)
		if !k.passes(k.w.of(n)) {
			k.t.Fatalf("call %d does not pass, and is shown", n)
		}
		if k.beyond(n) {
			k.t.Fatalf("call %d is not before call %d, and is shown", n, k.boundID)
		}
		if k.seen[n] && k.kept(n) {
			k.t.Fatalf("call %d came twice", n)
		}
		k.seen[n] = true
	}
	if len(got.Rows()) == asked != (got.StoppedBy == StopPageFull) {
		k.t.Fatalf("%d of %d rows, stopped by %d", len(got.Rows()), asked, got.StoppedBy)
	}
}

// goOn takes the cursor for the next page, and reports whether there is one.
func (k *walker) goOn(got *Page) bool {
	k.t.Helper()
	more, next := got.HasNext(), got.EndCursor()
	if k.back {
		more, next = got.HasPrevious(), got.StartCursor()
	}
	more = more && (k.bound == nil || !got.Complete()) // the list may continue beyond the bound
	if more && (next == nil || k.cursor != nil && next.String() == k.cursor.String()) {
		k.t.Fatal("there is more, and no way to go on")
	}
	k.cursor = next
	return more
}

func TestModel(t *testing.T) {
	// The same schedules each time, unless another seed or number of them is asked for.
	seed, checks := flag.Lookup("rapid.seed"), flag.Lookup("rapid.checks")
	if seed.Value.String() == "0" && checks.Value.String() == checks.DefValue {
		for name, value := range map[string]string{"rapid.seed": "1", "rapid.checks": "1000"} {
			was := flag.Lookup(name).Value.String()
			if err := flag.Set(name, value); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = flag.Set(name, was) }()
		}
	}
	rapid.Check(t, modelProperty)
}

// A range of times is found at any depth by few requests, down the list and up, and all of it is.
func TestJumpToATime(t *testing.T) {
	const calls, page = 20_000, 200
	most := 2*bits.Len(calls/page-1) + 4
	for _, clock := range []string{"exact", "jittered", "gaps"} {
		rows := map[int]upstream.Row{}
		for _, back := range []bool{false, true} {
			for _, day := range []int{0, 1, 3, 7, 12, 13} {
				t.Run(fmt.Sprintf("%s, up %v, day %d", clock, back, day), func(t *testing.T) {
					w := &world{t: t, clock: clock, steady: map[int]int{}, calls: rows}
					for n := range calls {
						w.ids = append(w.ids, calls-1-n)
					}
					lists := pagination.New(w, pagination.Options{
						PageSize: page, MaxShift: 1000, Log: slog.New(slog.DiscardHandler),
					})
					from := firstStart + int64(day)*24*60*minute
					before := from + 24*60*minute
					text := fmt.Sprintf(`{"startedAt": {"from": %q, "before": %q}}`, rfc3339(from), rfc3339(before))
					f, err := Compile("filter", input(t, text))
					if err != nil {
						t.Fatal(err)
					}
					reader := lists.Reader(pagination.Request{})
					if back { // the end of the list is searched for by others
						if _, err := reader.Window(t.Context(), relay.Range{Count: 1, Backward: true},
							pagination.Selection{Rows: true}); err != nil {
							t.Fatal(err)
						}
					}
					w.asked = 0
					first, err := f.Read(t.Context(), reader, relay.Range{Count: 1, Backward: back}, pagination.Selection{},
						Options{MaxPages: 20})
					if err != nil || len(first.Rows()) != 1 {
						t.Fatalf("%v, %d calls", err, len(first.Rows()))
					}
					t.Logf("%d requests to the first call, %d rows examined", w.asked, first.Examined)
					if w.asked > most {
						t.Errorf("%d requests to the first call", w.asked)
					}
					w.asked = 0
					all, err := f.Read(t.Context(), lists.Reader(pagination.Request{}), relay.Range{Count: calls, Backward: back},
						pagination.Selection{}, Options{MaxPages: 20})
					if err != nil {
						t.Fatal(err)
					}
					want := 0
					for n := range calls {
						if a := w.of(n); a.started >= from && a.started < before {
							want++
						}
					}
					t.Logf("%d requests to all %d calls", w.asked, want)
					if len(all.Rows()) != want || !all.Complete() {
						t.Errorf("%d of %d calls, stopped by %d after %d", len(all.Rows()), want, all.StoppedBy, all.Examined)
					}
				})
			}
		}
	}
}

// A jump goes nowhere where the rows that it reads contradict the order, or the list has moved meanwhile: nothing is
// missed.
func TestJumpsAreChecked(t *testing.T) {
	const calls = 6000
	for name, test := range map[string]struct {
		clock string
		from  int            // minutes
		move  func(w *world) // while one of the requests is under way
	}{
		"the oldest calls are in another order": {
			clock: "the tail turns", from: 52_500, move: func(*world) {},
		},
		"only the newest calls are in order": {clock: "in order at the head", move: func(*world) {}},
		"the newest calls leave": {clock: "exact", move: func(w *world) {
			w.ids = w.ids[3000:]
		}},
		"many calls arrive": {clock: "exact", move: func(w *world) { w.insert(3000) }},
	} {
		rows := map[int]upstream.Row{}
		for at := 3; at < 6; at++ {
			t.Run(fmt.Sprint(name, at), func(t *testing.T) {
				w := &world{t: t, clock: test.clock, steady: map[int]int{}, calls: rows, next: calls}
				for n := range calls {
					w.ids = append(w.ids, calls-1-n)
				}
				w.move = func() {
					if w.asked == at {
						test.move(w)
					}
				}
				lists := pagination.New(w, pagination.Options{PageSize: 200, MaxShift: 5000, Log: slog.New(slog.DiscardHandler)})
				from := firstStart + int64(cmp.Or(test.from, 1440))*minute
				before := from + 500*minute
				text := fmt.Sprintf(`{"startedAt": {"from": %q, "before": %q}}`, rfc3339(from), rfc3339(before))
				f, err := Compile("filter", input(t, text))
				if err != nil {
					t.Fatal(err)
				}
				got, err := f.Read(t.Context(), lists.Reader(pagination.Request{}), relay.Range{Count: calls},
					pagination.Selection{}, Options{MaxPages: 100})
				if err != nil {
					t.Fatal(err)
				}
				shown := map[string]bool{}
				for _, row := range got.Rows() {
					shown[row.Call.ID] = true
				}
				for _, n := range w.ids {
					a := w.of(n)
					if a.started >= from && a.started < before && !shown[strconv.Itoa(n)] {
						t.Fatalf("call %d was not shown, stopped by %d after %d", n, got.StoppedBy, got.Examined)
					}
				}
				t.Logf("%d requests, %d rows, stopped by %d", w.asked, got.Examined, got.StoppedBy)
			})
		}
	}
}
