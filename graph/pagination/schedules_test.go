package pagination

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
	"revox-graphql/upstream/pagecache"
)

// Schedules that once went wrong, each with what is right.

// jump re-sorts a call of a list.
func (l *memoryList) jump(from, to int) {
	id := l.ids[from]
	l.remove(from, from+1)
	l.ids = slices.Insert(l.ids, to, id)
}

func TestCallsThatAreResorted(t *testing.T) {
	arrive := func(l *memoryList, n int) {
		for i := range n {
			l.insert(fmt.Sprint("new-", i))
		}
	}
	tests := map[string]struct {
		at    int // of the cursor's call
		move  func(l *memoryList)
		back  bool
		first string // of the page, and the last
		last  string
	}{
		"the cursor's call goes to the head": {
			at: 19, move: func(l *memoryList) { l.jump(19, 0) }, first: "call-20", last: "call-39",
		},
		"it goes to the head, and the walk goes up": {
			at: 30, move: func(l *memoryList) { l.jump(30, 0) }, back: true, first: "call-10", last: "call-29",
		},
		"it was queued, starts and goes down": {
			at: 5, move: func(l *memoryList) { l.jump(5, 24) }, first: "call-6", last: "call-24",
		},
		"it leaves, and a neighbour goes to the head": {
			at: 40, move: func(l *memoryList) { l.remove(40, 41); l.jump(40, 0) }, first: "call-42", last: "call-61",
		},
		"the newest call goes to the head again": {
			at: 0, move: func(l *memoryList) { arrive(l, 30); l.jump(30, 0) }, back: true, first: "new-19", last: "new-0",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newMemoryList(500)
			c := cursorAt(t, l, test.at)
			test.move(l)
			rng := relay.Range{Count: 20, After: c}
			if test.back {
				rng = relay.Range{Count: 20, Before: c, Backward: true}
			}
			l.requests = 0
			w, err := l.reader().window(t.Context(), rng, everything)
			if err != nil {
				t.Fatal(err)
			}
			ids := w.ids()
			moved := fmt.Sprint("call-", test.at) // may come again
			ids = slices.DeleteFunc(ids, func(id string) bool { return id == moved })
			if ids[0] != test.first || ids[len(ids)-1] != test.last {
				t.Errorf("got %v", ids)
			}
			if l.requests > 2 {
				t.Errorf("%d requests", l.requests)
			}
		})
	}
}

// A list is counted, grows, some of it is read, and it is counted again.
func TestATotalThatTheListHad(t *testing.T) {
	l := newMemoryList(350)
	now := time.Now()
	cache := pagecache.New(l, pagecache.Options{TTL: time.Hour, MaxBytes: 1 << 30, Now: func() time.Time { return now }})
	p := newLists(cache, 200, 1000)
	r := p.of(upstream.List{}, time.Time{})
	if total, err := r.total(t.Context()); err != nil || total != 350 {
		t.Fatalf("%d, %v", total, err)
	}
	for i := range 410 {
		l.insert(fmt.Sprint("new-", i))
	}
	if _, err := r.get(t.Context(), 400, 400, 600); err != nil {
		t.Fatal(err)
	}
	if total, err := r.total(t.Context()); err != nil || total != 350 && total != 760 {
		t.Errorf("%d, %v", total, err)
	}
}

// Between two cursors there is what lies between their calls, also while the list moves.
func TestBetweenTwoCursors(t *testing.T) {
	for name, move := range map[string]func(l *memoryList, request int){
		"it stands": func(*memoryList, int) {},
		"calls arrive": func(l *memoryList, request int) {
			l.insert(fmt.Sprint("a-", request), fmt.Sprint("b-", request))
		},
		"calls leave":      func(l *memoryList, _ int) { l.remove(0, 3) },
		"many leave":       func(l *memoryList, _ int) { l.remove(0, 15) },
		"one call returns": func(l *memoryList, request int) { l.jump(request, 0) },
	} {
		for _, back := range []bool{false, true} {
			for _, test := range []struct{ after, before, want int }{
				{300, 450, 100}, {300, 340, 39}, {450, 300, 0}, {300, 301, 0},
			} {
				t.Run(fmt.Sprint(name, back, test), func(t *testing.T) {
					l := newMemoryList(1000)
					after, before := cursorAt(t, l, test.after), cursorAt(t, l, test.before)
					l.requests = 0
					l.hook = func(request int) { move(l, request) }
					rng := relay.Range{Count: 100, Backward: back, After: after, Before: before}
					w, err := l.reader().window(t.Context(), rng, everything)
					if err != nil {
						t.Fatal(err)
					}
					if ids := w.ids(); len(ids) != test.want || test.want > 0 && !back && ids[0] != fmt.Sprint("call-", test.after+1) {
						t.Errorf("%d rows: %v", len(ids), ids)
					}
				})
			}
		}
	}
}

// Nothing lies between a call and one above it, also where calls leave before the range is read and others arrive while
// it is: the second cursor is not located in a response that is older than the window.
func TestTheSecondCursorIsNotLocatedInAnOlderAnswer(t *testing.T) {
	const rows = 41
	for leave := range 24 {
		for _, back := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(rows)
				w.clock = "exact"
				replica := func() *Reader {
					return w.replica(28, time.Hour, 0, 0, false).of(upstream.List{}, time.Time{})
				}
				mark := func(at int) *relay.Cursor {
					page, err := replica().get(t.Context(), at, at-5, at+5)
					if err != nil {
						t.Fatal(err)
					}
					s := spanOf(page)
					c := s.cursor(upstream.List{}, at-s.position)
					return &c
				}
				lower := mark(rows - 5) // call-4
				w.insert(7)
				upper := mark(rows + 7 - 8) // call-7
				w.pass(time.Second)
				w.remove(0, leave)
				asked, arrive := 0, map[int]int{2: 8, 3: 4}
				w.move = func() {
					if asked++; arrive[asked] > 0 {
						w.insert(arrive[asked])
					}
				}
				rng := relay.Range{Count: 3, Backward: back, After: lower, Before: upper}
				win, err := replica().window(t.Context(), rng, everything)
				if err != nil {
					t.Fatalf("%d leave, back %t: %v", leave, back, err)
				}
				if len(win.ids()) > 0 {
					t.Errorf("%d leave, back %t: got %v", leave, back, win.ids())
				}
			})
		}
	}
}

// The cursor of a page of one call knows its neighbours: when the call leaves they mark the place, after few requests.
func TestAPageOfOneCall(t *testing.T) {
	l := newMemoryList(5000)
	r := l.reader()
	c := cursorAt(t, l, 2499)
	for range 2 {
		w, err := r.window(t.Context(), relay.Range{Count: 1, After: c}, everything)
		if err != nil {
			t.Fatal(err)
		}
		next := w.cursor(upstream.List{}, w.to-1)
		if c = &next; len(c.Before) == 0 || len(c.After) == 0 {
			t.Fatalf("%+v", c)
		}
	}
	l.remove(2501, 2502)
	l.requests, l.rows = 0, 0
	w, err := r.window(t.Context(), relay.Range{Count: 20, After: c}, everything)
	if err != nil || w.ids()[0] != "call-2502" || l.requests > 2 {
		t.Errorf("%v, %v, %d requests, %d rows", w.ids(), err, l.requests, l.rows)
	}
}

// A walk through a cached list while many calls arrive at once, now and then: nothing shifts beyond the bound.
func TestBurstsExpireNoCursor(t *testing.T) {
	for seed := range 20 {
		w := newWorld(1500)
		p := newLists(pagecache.New(&endpoint{w: w}, pagecache.Options{
			TTL: 15 * time.Second, Revalidate: time.Minute, Stale: time.Minute, MaxBytes: 1 << 30,
			Now: func() time.Time { return w.at() },
		}), 200, 1000)
		p.now, p.cached = func() time.Time { return w.at() }, true
		required := w.ids(0)
		var cursor *relay.Cursor
		var shown []string
		for page := 0; ; page++ {
			win, err := p.of(upstream.List{}, time.Time{}).window(t.Context(), relay.Range{Count: 20, After: cursor}, everything)
			if err != nil {
				t.Fatalf("page %d: %v", page, err)
			}
			shown = append(shown, win.ids()...)
			if !win.HasNext() {
				break
			}
			c := win.cursor(upstream.List{}, win.to-1)
			cursor = &c
			w.pass(300 * time.Millisecond)
			if (page+seed)%10 == 9 {
				w.insert(400)
			}
		}
		if !slices.Equal(shown, required) {
			t.Fatalf("%d calls shown, %d in the list", len(shown), len(required))
		}
	}
}

// A window of several responses of a list that stands still has no calls that changed places.
func TestStandingSeamsAreInOrder(t *testing.T) {
	l := newMemoryList(1000)
	for _, backward := range []bool{false, true} {
		for _, size := range []int{20, 50, 200} {
			for _, count := range []int{19, 20, 49, 100} {
				p := newLists(l, size, 1000)
				c := cursorAt(t, l, 500)
				rng := relay.Range{Count: count, After: c, Backward: backward}
				if backward {
					rng.After, rng.Before = nil, c
				}
				r := p.of(upstream.List{}, time.Time{})
				r.trace = &Reads{}
				if _, err := r.window(t.Context(), rng, everything); err != nil {
					t.Fatal(err)
				}
				if r.trace.reordered {
					t.Errorf("backward %t, %d rows in pages of %d: said to be reordered", backward, count, size)
				}
			}
		}
	}
}

// The list shifts while the search goes through it: the call does not slip past between two pages.
func TestNothingSlipsPastTheSearch(t *testing.T) {
	for shift := 100; shift < 700; shift += 7 {
		for _, leave := range []bool{false, true} {
			l := newMemoryList(3000)
			c := cursorAt(t, l, 1500)
			if leave {
				l.remove(0, shift)
			} else {
				for i := range shift {
					l.insert(fmt.Sprint("new-", i))
				}
			}
			l.hook = func(request int) { // towards where the search has been
				if leave {
					l.insert(fmt.Sprint("a-", request), fmt.Sprint("b-", request))
				} else {
					l.remove(0, 2)
				}
			}
			l.requests = 0
			w, err := l.reader().window(t.Context(), relay.Range{Count: 10, After: c}, everything)
			if err != nil || w.ids()[0] != "call-1501" || l.requests > 16 {
				t.Errorf("shift %d, leave %v: %v, %d requests", shift, leave, err, l.requests)
			}
		}
	}
}

// What the settings allow can be honoured: the largest shift is found in the smallest pages, with the requests that
// the start has reckoned with.
func TestTheLargestShiftInTheSmallestPages(t *testing.T) {
	// In real time, a busy machine would see the list move slowly, and expect it to go on so.
	synctest.Test(t, testTheLargestShiftInTheSmallestPages)
}

func testTheLargestShiftInTheSmallestPages(t *testing.T) {
	t.Helper()
	for _, test := range []struct{ pageSize, bound, count int }{
		{20, 1000, 100}, {20, 100, 1000}, {200, 1000, 100}, {1000, 5000, 1000},
	} {
		for _, shift := range []int{test.bound, -test.bound} {
			l := newMemoryList(2*test.bound + 3*test.count + 100)
			at := test.bound + 2
			c := cursorAt(t, l, at)
			for i := range shift {
				l.insert(fmt.Sprint("new-", i))
			}
			l.remove(0, max(0, -shift))
			l.requests = 0
			r := newLists(l, test.pageSize, test.bound).of(upstream.List{}, time.Time{})
			w, err := r.window(t.Context(), relay.Range{Count: test.count, After: c}, everything)
			if err != nil || len(w.ids()) != test.count || w.ids()[0] != fmt.Sprint("call-", at+1) {
				t.Errorf("%+v, shift %d: %v", test, shift, err)
			}
			most := MostRequests(test.pageSize, test.bound, test.count)
			t.Logf("%+v, shift %d: %d requests, and at most %d are reckoned with", test, shift, l.requests, most)
			if l.requests > most {
				t.Errorf("%+v, shift %d: %d requests, and at most %d are reckoned with", test, shift, l.requests, most)
			}
		}
	}
}

// Calls are said to have changed places only where some have: not where the known calls are seen in two responses, and
// not where the list shifts between these.
func TestCallsThatKeepTheirPlaces(t *testing.T) {
	for shift := range 60 {
		for _, each := range []int{0, 3} { // calls that arrive with each request
			for _, back := range []bool{false, true} {
				l := newMemoryList(500)
				c := cursorAt(t, l, 100)
				arrived, began := 0, l.requests
				l.hook = func(request int) {
					for ; arrived < shift+each*(request-began); arrived++ {
						l.insert(fmt.Sprint("new-", arrived))
					}
				}
				r := newLists(l, 20, 1000).of(upstream.List{}, time.Time{})
				r.trace = &Reads{}
				rng := relay.Range{Count: 50, After: c}
				if back {
					rng = relay.Range{Count: 50, Before: c, Backward: true}
				}
				if _, err := r.window(t.Context(), rng, everything); err != nil || r.trace.reordered {
					t.Errorf("shift %d, then %d each, back %t: %v, reordered %t", shift, each, back, err, r.trace.reordered)
				}
			}
		}
	}
}

// A place is not sure while calls that were not seen could make another place the better one.
func TestAPlaceThatCallsBeyondThePageDecide(t *testing.T) {
	l := newMemoryList(4)
	c := cursorAt(t, l, 3)
	l.insert("a", "b", "c")
	l.jump(6, 4) // the cursor's own call: call-0 call-3 call-1 call-2
	whole := span{last: true}
	for _, id := range l.ids {
		whole.rows = append(whole.rows, upstream.RowOf(&upstream.Call{ID: id}, 0))
	}
	cut := span{rows: whole.rows[:6]}
	if found := cut.match(c, up); found.sure(4, found.seen, 0) {
		t.Errorf("of %v it is sure", l.ids[:6])
	}
	if found := whole.match(c, up); !found.sure(4, found.seen, 0) || found.before != 7 {
		t.Errorf("of %v it goes up from %d", l.ids, found.before)
	}
}

// A place is not sure either while calls that other pages have shown could be the longer run together: two calls of the
// cursor were re-sorted, and the three that kept their order are in two pages.
func TestAPlaceThatCallsOfTwoOtherPagesDecide(t *testing.T) {
	l := newMemoryList(5)
	l.ids = []string{"a", "b", "call-4", "call-0", "c", "d", "call-3", "call-2", "call-1"}
	page := func(number, size int) *upstream.Page {
		page, err := l.ListCalls(t.Context(), upstream.ListCallsOptions{Page: number, PageSize: size})
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	c := &relay.Cursor{Position: 3, Element: relay.NewHash("call-1"), After: []relay.Hash{relay.NewHash("call-0")}}
	for _, id := range []string{"call-2", "call-3", "call-4"} {
		c.Before = append(c.Before, relay.NewHash(id))
	}
	s := l.reader().search(c, down, page(0, 5))
	s.look(page(0, 8))
	s.look(page(1, 7))
	if s.sure() {
		t.Errorf("it is sure of the place after %d rows of %v", s.best.before, l.ids)
	}
}

// A place without the cursor's call is not sure while a page that has shown the call may be the next one: the model
// found calls that came twice since call-7 had been re-sorted to the end of a page that ends just before call-5.
func TestAPlaceBesideThePageThatHasTheCall(t *testing.T) {
	l := newMemoryList(30)
	c := cursorAt(t, l, 5)
	l.jump(7, 5)
	page := func(number int) *upstream.Page {
		page, err := l.ListCalls(t.Context(), upstream.ListCallsOptions{Page: number, PageSize: 6})
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	s := l.reader().search(c, down, page(1))
	if s.look(page(0)); s.sure() {
		t.Errorf("it is sure of the place after %d rows of %v", s.best.before, l.ids)
	}
}

// Where the responses of one window do not fit each other, it is read again.
func TestAWindowThatRepeatsACallIsReadAgain(t *testing.T) {
	l := newMemoryList(500)
	l.hook = func(request int) {
		if request == 2 {
			l.jump(10, 250)
		}
	}
	r := l.reader()
	r.trace = &Reads{}
	w, err := r.window(t.Context(), relay.Range{Count: 300}, everything)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.ids(), l.ids[:300]) || r.trace.reordered {
		t.Errorf("got %v, reordered %t", w.ids(), r.trace.reordered)
	}
}

// A cursor's call is re-sorted. Its neighbours show the place, and another response is asked for with the rows from
// there on. Meanwhile the call comes to that very position.
func TestACallThatComesToThePlaceOfItsNeighbours(t *testing.T) {
	l := newMemoryList(300)
	r := newLists(l, 30, 100).of(upstream.List{}, time.Time{})
	w, err := r.window(t.Context(), relay.Range{Count: 25}, everything)
	if err != nil {
		t.Fatal(err)
	}
	arrive := func(n int) {
		for range n {
			l.insert(fmt.Sprint("new-", len(l.ids)))
		}
	}
	arrive(12)
	before := l.requests
	l.hook = func(request int) {
		switch request - before {
		case 1:
			l.jump(24+12, 0)
		case 2:
			arrive(slices.Index(l.ids, "call-25"))
		}
	}
	next, err := r.window(t.Context(), relay.Range{Count: 25, After: w.EndCursor()}, everything)
	if err != nil {
		t.Fatal(err)
	}
	if want := newMemoryList(50).ids[25:]; !slices.Equal(next.ids(), want) {
		t.Errorf("got %v, want %v", next.ids(), want)
	}
}

// Within a window, the place of a seam must be proven: where all but one of the calls that it knows have left since an
// response that was cached, the window is read again.
func TestASeamOfWhichOneCallIsLeft(t *testing.T) {
	l := newMemoryList(50)
	now := time.Now()
	cache := pagecache.New(l, pagecache.Options{TTL: time.Hour, MaxBytes: 1 << 30, Now: func() time.Time { return now }})
	r := newLists(cache, 21, 60).of(upstream.List{}, time.Time{})
	if _, err := r.window(t.Context(), relay.Range{Count: 21}, Selection{Rows: true}); err != nil {
		t.Fatal(err)
	}
	l.jump(17, 30)   // one of the calls that the seam knows
	l.remove(10, 21) // and the others
	now = now.Add(time.Minute)
	w, err := r.window(t.Context(), relay.Range{Count: 100}, everything)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range l.ids[10:] {
		if !slices.Contains(w.ids(), id) {
			t.Errorf("%s is not in %v", id, w.ids())
		}
	}
}

// The same where the calls have times. Of those that the seam knows only one is left, which was re-sorted, or two next
// to one another: the window goes on from where the seam was, and not from there.
func TestASeamOfWhichResortedCallsAreLeft(t *testing.T) {
	const rows, first, known = 60, 10, 11 // the calls that the first page ends with
	for i := range (known - 1) * rows * 2 {
		left, to, calls := first+i%(known-1), i/(known-1)%rows, 1+i/(known-1)/rows
		t.Run(fmt.Sprintf("%d calls from %d go to %d", calls, left, to), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(rows)
				w.clock = "exact"
				p := w.replica(first+known, time.Hour, 0, 0, false)
				page := relay.Range{Count: first + known}
				if _, err := w.reading(p, 0).window(t.Context(), page, Selection{Rows: true}); err != nil {
					t.Fatal(err)
				}
				ids := w.ids(0)
				stay := ids[left : left+calls]
				for _, id := range ids[first : first+known] {
					if !slices.Contains(stay, id) {
						w.remove(slices.Index(w.ids(0), id), 1)
					}
				}
				for range calls {
					if to < first {
						w.jump(first+calls-1, to)
					} else {
						w.jump(first, to)
					}
				}
				w.pass(time.Minute)
				win, err := w.reading(p, 0).window(t.Context(), relay.Range{Count: 100}, everything)
				if err != nil {
					t.Fatal(err)
				}
				for _, id := range slices.Concat(ids[:first], ids[first+known:]) {
					if !slices.Contains(win.ids(), id) {
						t.Errorf("%s is not in %v", id, win.ids())
					}
				}
			})
		})
	}
}

// The same with a client's cursor: the time shows where its call stood, or the place is said to be doubtful.
func TestACursorOfWhichResortedCallsAreLeft(t *testing.T) {
	const rows, at = 100, 50
	for i := range 2 * relay.Neighbours * 2 * 2 {
		first, calls := at-relay.Neighbours+i%(2*relay.Neighbours), 1+i/(2*relay.Neighbours)%2
		back := i/(4*relay.Neighbours) == 1
		for to := range rows - 2*relay.Neighbours {
			w, p := timed(rows, "exact")
			c := w.mark(t, p, at)
			ids := w.ids(0)
			stay := ids[first : first+calls]
			for _, id := range ids[at-relay.Neighbours : at+relay.Neighbours+1] {
				if !slices.Contains(stay, id) {
					w.remove(slices.Index(w.ids(0), id), 1)
				}
			}
			for range calls {
				if to < at-relay.Neighbours {
					w.jump(at-relay.Neighbours+calls-1, to)
				} else {
					w.jump(at-relay.Neighbours, to)
				}
			}
			w.pass(time.Minute)
			p.maxSize = 40
			r := w.reading(p, 0)
			rng := relay.Range{Count: 10, After: c}
			if back {
				rng = relay.Range{Count: 10, Before: c, Backward: true}
			}
			win, err := r.window(t.Context(), rng, everything)
			if err != nil {
				t.Errorf("%v to %d, back %t: %v", stay, to, back, err)
				continue
			}
			want := slices.DeleteFunc(w.ids(0), func(id string) bool {
				return slices.Contains(stay, id) || number(id) >= number(ids[at]) != back
			})
			got := slices.DeleteFunc(win.ids(), func(id string) bool { return slices.Contains(stay, id) })
			if back {
				want = want[len(want)-len(got):]
			} else {
				want = want[:len(got)]
			}
			if !slices.Equal(got, want) && !r.trace.doubtful {
				t.Errorf("%v to %d, back %t: got %v, want %v", stay, to, back, got, want)
			}
		}
	}
}

// Of the calls that a cursor knows one is left, and the only call below it was re-sorted to just above it. By the time
// alone the place would be above both, and the one that is left would be lost.
func TestACallOfAnotherTimeBesideTheOneThatIsLeft(t *testing.T) {
	const rows, at = 60, 30
	for known := range relay.Neighbours {
		w, p := timed(rows, "exact")
		c := w.mark(t, p, at)
		ids := w.ids(0)
		left, last := ids[at-1-known], ids[rows-1]
		w.jump(rows-1, at-1-known)
		for _, id := range ids[at-relay.Neighbours:] {
			if id != left && id != last {
				w.remove(slices.Index(w.ids(0), id), 1)
			}
		}
		w.pass(time.Minute)
		p.maxSize = 40
		r := w.reading(p, 0)
		win, err := r.window(t.Context(), relay.Range{Count: 10, Before: c, Backward: true}, everything)
		if err != nil {
			t.Fatal(err)
		}
		if got := win.ids(); got[len(got)-1] != left || !r.trace.doubtful {
			t.Errorf("%s is left, and the window is %v, doubtful: %v", left, got, r.trace.doubtful)
		}
	}
}

// One of the calls that a cursor knows has kept its place, and its own was re-sorted to near it. The response that is
// read for the rows around the place has both, and does not move the place. Where both are in one page, the cursor may
// have expired.
func TestAPlaceThatIsReadOnceMore(t *testing.T) {
	const rows, at, near, own = 150, 20, 14, "call-129"
	expired := 0
	for i := range 2 * relay.Neighbours * near * 2 {
		which, to, back := i%(2*relay.Neighbours), i/(2*relay.Neighbours)%near, i/(2*relay.Neighbours)/near == 1
		for arrive := 0; arrive < 60; arrive += 3 {
			w, p := timed(rows, "exact")
			c := w.mark(t, p, at)
			ids := w.ids(0)
			neighbours := slices.Concat(ids[at-relay.Neighbours:at], ids[at+1:at+1+relay.Neighbours])
			for i, id := range neighbours {
				if i != which {
					w.remove(slices.Index(w.ids(0), id), 1)
				}
			}
			w.jump(slices.Index(w.ids(0), own), to)
			w.insert(arrive)
			w.pass(time.Minute)
			p.maxSize = 34
			r := w.reading(p, 0)
			rng := relay.Range{Count: 10, After: c}
			if back {
				rng = relay.Range{Count: 10, Before: c, Backward: true}
			}
			win, err := r.window(t.Context(), rng, Selection{Rows: true})
			if errors.Is(err, ErrCursorExpired) {
				expired++
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			want := slices.DeleteFunc(w.ids(0), func(id string) bool { return id == own || number(id) > number(own) != back })
			got := slices.DeleteFunc(win.ids(), func(id string) bool { return id == own })
			if back {
				want = want[len(want)-len(got):]
			} else {
				want = want[:len(got)]
			}
			if !slices.Equal(got, want) && !r.trace.doubtful {
				t.Errorf("%s stays, %s goes to %d, %d arrive, back %t: got %v, want %v",
					neighbours[which], own, to, arrive, back, got, want)
			}
		}
	}
	if cases := 2 * relay.Neighbours * near * 2 * 60 / 3; expired > cases/2 {
		t.Errorf("%d of %d cursors have expired", expired, cases)
	}
}

// A call that was re-sorted to just the position where it stood does not take the walk along, also where the page
// that is read first ends with it, and its cursor knows neighbours on the other side only.
func TestACallThatIsResortedToWhereItStood(t *testing.T) {
	const at, arrive = 120, 46
	for count := 1; count <= 30; count++ {
		for _, back := range []bool{false, true} {
			l := newMemoryList(300)
			c := cursorAt(t, l, at)
			rng := relay.Range{Count: count, After: c}
			if back {
				c.Before = nil
				rng = relay.Range{Count: count, Before: c, Backward: true}
			} else {
				c.After = nil
			}
			for i := range arrive {
				l.insert(fmt.Sprint("new-", i))
			}
			l.jump(at+arrive, at)
			w, err := l.reader().window(t.Context(), rng, everything)
			if err != nil {
				t.Fatal(err)
			}
			want := l.ids[at+1+arrive : at+1+arrive+count]
			if back {
				want = l.ids[at+1+arrive-count : at+1+arrive]
			}
			if !slices.Equal(w.ids(), want) {
				t.Errorf("count %d, back %t: got %v, want %v", count, back, w.ids(), want)
			}
		}
	}
}

// Past its end a list is served again from its start, or its last page is, and upstream is not known to do so yet. The
// positions of such a page decide nothing: neither which of two cursors is above the other, nor whether rows come
// before a window. The older of the cursors is looked for past the end, because the list has moved fast of late.
func TestPagesPastTheEndHaveNoPositions(t *testing.T) {
	const rows = 27
	for i := range 8 {
		pastEnd, back, order := []string{"first", "last"}[i%2], i/2%2 == 1, i/4
		for _, arrive := range [][2]int{{8, 11}, {2, 3}} { // between the cursors, and after both
			early, late := arrive[0], arrive[1]
			for places := range rows * rows / 2 {
				older, younger := 2*places/rows, 2*places%rows
				what := fmt.Sprintf("%s page, back %t, %d and %d arrive, at %d and %d", pastEnd, back, early, late, older, younger)
				t.Run(what, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := newWorld(rows)
						w.verified, w.habits = true, habits{pastEnd: pastEnd}
						replica := func() *Lists { return w.replica(28, time.Hour, 0, 0, true) }
						first := w.mark(t, replica(), older)
						w.pass(20 * time.Second)
						w.insert(early)
						second := w.mark(t, replica(), younger)
						w.pass(time.Second)
						w.insert(late)
						rng := relay.Range{Count: 3, After: second, Before: first, Backward: back}
						after, before := younger+late, older+early+late
						if order == 1 {
							rng.After, rng.Before, after, before = first, second, before, after
						}
						win, err := replica().of(upstream.List{}, time.Time{}).window(t.Context(), rng, everything)
						if err != nil {
							t.Fatal(err)
						}
						from, to, next, previous := relaySlice(rows+early+late, rng.Count, back, after, before)
						if got, want := win.ids(), w.ids(0)[from:to]; !slices.Equal(got, want) {
							t.Errorf("got %v, want %v", got, want)
						}
						if win.HasNext() != next || win.HasPrevious() != previous || from < to && win.Position(0) != from {
							t.Errorf("got the row at %d, %t, %t", win.Position(0), win.HasPrevious(), win.HasNext())
						}
					})
				})
			}
		}
	}
}

// The same where calls have left, so that the page where a cursor's call stood is past the end by now.
func TestPagesPastAShorterListHaveNoPositions(t *testing.T) {
	shorter := func(t *testing.T, rows int) (*world, func() *Lists) {
		t.Helper()
		w := newWorld(rows)
		w.verified, w.habits = true, habits{pastEnd: "first"}
		return w, func() *Lists { return w.replica(28, time.Hour, 0, 0, true) }
	}
	for at := 20; at <= 50; at++ {
		t.Run(fmt.Sprintf("all but three rows before the one at %d leave", at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, replica := shorter(t, 60)
				c := w.mark(t, replica(), at)
				w.remove(0, at-3)
				rng := relay.Range{Count: 3, Backward: true, Before: c}
				win, err := replica().of(upstream.List{}, time.Time{}).window(t.Context(), rng, everything)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(win.ids(), w.ids(0)[:3]) || win.HasPrevious() {
					t.Errorf("got %v, before it %t", win.ids(), win.HasPrevious())
				}
			})
		})
	}
	for i := range 36 {
		leave, swapped, back := 54+i/4, i%2 == 1, i/2%2 == 1
		name := fmt.Sprintf("%d rows leave between two cursors, swapped %t, back %t", leave, swapped, back)
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, replica := shorter(t, 115)
				upper := w.mark(t, replica(), 65)
				w.remove(0, leave)
				lower := w.mark(t, replica(), 40)
				rng := relay.Range{Count: 3, Backward: back, After: upper, Before: lower}
				a, b := 65-leave, 40
				if swapped {
					rng.After, rng.Before, a, b = lower, upper, b, a
				}
				win, err := replica().of(upstream.List{}, time.Time{}).window(t.Context(), rng, everything)
				if err != nil {
					t.Fatal(err)
				}
				from, to, _, _ := relaySlice(115-leave, rng.Count, back, a, b)
				if want := w.ids(0)[from:to]; !slices.Equal(win.ids(), want) {
					t.Errorf("got %v, want %v", win.ids(), want)
				}
			})
		})
	}
}

// What upstream serves past the end of a list is found out once in a while: two requests more for the first cursor
// whose call is found below all rows that the list had.
func TestPastTheEndIsProbedOnceInAWhile(t *testing.T) {
	w := newWorld(5000)
	w.clock = "exact"
	p := newLists(&endpoint{w: w}, 200, 1000)
	p.now = func() time.Time { return w.at() }
	for _, test := range []struct {
		later time.Duration
		most  int
	}{{0, 4}, {probedFor / 2, 2}, {probedFor / 2, 4}} {
		c := w.mark(t, p, 1000)
		w.insert(500)
		w.pass(test.later)
		w.served = 0
		rng := relay.Range{Count: 10, After: c}
		win, err := p.of(upstream.List{}, time.Time{}).window(t.Context(), rng, everything)
		if err != nil || win.Position(0) != 1501 || w.served != test.most {
			t.Errorf("%v later: %d requests, %v", test.later, w.served, err)
		}
	}
}

// A search reads neighbouring pages, and a call that was re-sorted between two responses is in both. They do not join
// at such a call: the calls around it would come twice, or those between its two places not at all.
func TestPagesDoNotJoinAtAResortedCall(t *testing.T) {
	rows := func(ids string) (rows []upstream.Row) {
		for id := range strings.FieldsSeq(ids) {
			rows = append(rows, upstream.RowOf(&upstream.Call{ID: id}, 0))
		}
		return rows
	}
	for _, test := range []struct {
		up                bool
		chain, page, want string
	}{
		{false, "a b c d e x", "c x d e f g", "a b c x d e f g"},
		{false, "a b c d e f", "e f g h", "a b c d e f g h"},
		{false, "a b c d e x", "x", "a b c d e x"},
		{true, "x c d e f g", "a b c d x e f", "a b c d x e f g"},
		{true, "c d e f", "a b c d", "a b c d e f"},
		{true, "", "a b", "a b"},
		{false, "a b c x", "f g x h", ""},
		{false, "a b c x", "b x h", "a b c x h"},
		{true, "x f g h", "a x b c", ""},
		{true, "x f g h", "a x f", "a x f g h"},
		{false, "a b", "c d", ""},
		{false, "a x b c", "x d e", ""}, // b and c would be missing
		{true, "c b x a", "e d x", ""},
		{false, "a x b c", "a x d e", "a x d e"},
		{false, "a b x c d", "a b c d x e f", "a b c d x e f"},
		{true, "c d x e f", "a b x c d e f", "a b x c d e f"},
	} {
		s := &search{Reader: newMemoryList(0).reader(), chain: span{rows: rows(test.chain)}}
		page := &upstream.Page{Size: 20, Rows: rows(test.page)}
		joins := s.chainOn(page, direction(test.up))
		chain := Window{span: s.chain, to: len(s.chain.rows)}
		if got := strings.Join(chain.ids(), " "); joins != (test.want != "") || joins && got != test.want {
			t.Errorf("up %t, %q beside %q: %t, %q, want %q", test.up, test.page, test.chain, joins, got, test.want)
		}
	}
}
