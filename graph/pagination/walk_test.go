package pagination

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
	"revox-graphql/upstream/pagecache"
)

var everything = Selection{Rows: true, Next: true, Previous: true}

// relaySlice is the algorithm of the Relay Cursor Connections specification, §4.4, over a plain slice, with exact
// flags. after and before are places in the list, or -1. Where before does not lie after after, nothing lies between
// them, and the flags are those of the end that is counted from.
func relaySlice(n, count int, backward bool, after, before int) (from, to int, next, previous bool) {
	from, to = after+1, n
	if before >= 0 {
		to = before
	}
	if backward {
		from = min(to, max(from, to-count))
	} else {
		to = max(from, min(to, from+count))
	}
	return from, to, to < n, from > 0
}

// cursorAt is the cursor that a client got for the row at a place.
func cursorAt(t testing.TB, l *memoryList, at int) *relay.Cursor {
	t.Helper()
	w, err := l.reader().forward(t.Context(), nil, at+4, false)
	if err != nil {
		t.Fatal(err)
	}
	c := w.cursor(upstream.List{}, at)
	c.Since = time.Unix(0, c.Since.UnixNano()) // as it comes back from its text
	return &c
}

func checkWindow(t testing.TB, l *memoryList, w *Window, from, to int, next, previous bool) {
	t.Helper()
	if got, want := w.ids(), l.ids[from:to]; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if w.HasNext() != next || w.HasPrevious() != previous {
		t.Errorf("hasNextPage %v, want %v; hasPreviousPage %v, want %v", w.HasNext(), next, w.HasPrevious(), previous)
	}
}

// FuzzWindow compares windows of a standing list with the Relay algorithm over a plain slice.
func FuzzWindow(f *testing.F) {
	f.Add(uint16(0), uint8(20), false, int16(-1), int16(-1), uint8(200))
	f.Add(uint16(1000), uint8(20), false, int16(399), int16(-1), uint8(200))
	f.Add(uint16(1000), uint8(20), true, int16(-1), int16(-1), uint8(200))
	f.Add(uint16(1000), uint8(100), true, int16(3), int16(700), uint8(200))
	f.Add(uint16(1000), uint8(100), false, int16(700), int16(3), uint8(200))
	f.Add(uint16(1000), uint8(100), false, int16(5), int16(30), uint8(20))
	f.Add(uint16(1000), uint8(0), true, int16(5), int16(30), uint8(20))
	f.Fuzz(func(t *testing.T, size uint16, count uint8, backward bool, after, before int16, pageSize uint8) {
		n := int(size) % 2000
		l := newMemoryList(n)
		r := newLists(l, max(20, int(pageSize)), 1000).of(upstream.List{}, time.Time{})
		rng := relay.Range{Count: int(count) % 60, Backward: backward}
		a, b := int(after), int(before)
		if a < 0 || a >= n {
			a = -1
		} else {
			rng.After = cursorAt(t, l, a)
		}
		if b < 0 || b >= n {
			b = -1
		} else {
			rng.Before = cursorAt(t, l, b)
		}
		w, err := r.window(t.Context(), rng, everything)
		if err != nil {
			t.Fatal(err)
		}
		from, to, next, previous := relaySlice(n, rng.Count, backward, a, b)
		checkWindow(t, l, w, from, to, next, previous)
	})
}

// Walking a standing list takes one request a page, whatever the direction and wherever the page lies; with a cache it
// takes fewer, where windows are small.
func TestStandingWalks(t *testing.T) {
	for _, first := range []int{1, 10, 20, 50, 100} {
		for i := range 4 {
			backward, cached := i%2 == 1, i >= 2
			t.Run(fmt.Sprintf("first %d, backward %v, cached %v", first, backward, cached), func(t *testing.T) {
				l := newMemoryList(20_000)
				r := l.reader()
				if cached {
					r.calls = pagecache.New(l, pagecache.Options{TTL: time.Hour, MaxBytes: 1 << 30})
					r.cached = true
				}
				var got []string
				rng := relay.Range{Count: first, Backward: backward}
				if backward { // knows where the list ends
					if _, err := r.total(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				l.requests, l.rows = 0, 0
				pages := 0
				for more := true; more; pages++ {
					w, err := r.window(t.Context(), rng, everything)
					if err != nil {
						t.Fatal(err)
					}
					if backward {
						got = append(w.ids(), got...)
						c := w.cursor(upstream.List{}, w.from)
						rng.Before, more = &c, w.HasPrevious()
					} else {
						got = append(got, w.ids()...)
						c := w.cursor(upstream.List{}, w.to-1)
						rng.After, more = &c, w.HasNext()
					}
				}
				if !slices.Equal(got, l.ids) {
					t.Errorf("%d rows walked, %d in the list", len(got), len(l.ids))
				}
				each, rows := float64(l.requests)/float64(pages), float64(l.rows)/20_000
				t.Logf("%.3f requests a page, %.2f times the rows", each, rows)
				if each > 1.05 || first > 1 && rows > 1.8 || cached && first <= 20 && each > 0.6 {
					t.Errorf("%.3f requests a page, %.2f times the rows", each, rows)
				}
			})
		}
	}
}

// The list shifts between two requests of a walk.
func TestShiftedWalks(t *testing.T) {
	type shift struct{ inserts, removals int }
	shifts := []shift{
		{0, 0},
		{1, 0},
		{37, 0},
		{500, 0},
		{999, 0},
		{1000, 0},
		{0, 1},
		{0, 37},
		{0, 500},
		{0, 999},
		{37, 500},
		{999, 37},
	}
	for _, backward := range []bool{false, true} {
		for _, first := range []int{10, 50, 100} {
			for _, s := range shifts {
				t.Run(fmt.Sprintf("%v/%d/+%d-%d", backward, first, s.inserts, s.removals), func(t *testing.T) {
					l := newMemoryList(5000)
					c := cursorAt(t, l, 2500)
					for i := range s.inserts {
						l.insert(fmt.Sprintf("new-%d", i))
					}
					l.remove(s.inserts, s.inserts+s.removals)
					at := slices.Index(l.ids, "call-2500")
					rng := relay.Range{Count: first, Backward: backward, After: c}
					from, to := at+1, at+1+first
					if backward {
						rng.After, rng.Before = nil, c
						from, to = at-first, at
					}
					r := l.reader()
					if err := r.probePastEnd(t.Context()); err != nil { // once in a while
						t.Fatal(err)
					}
					l.requests = 0
					w, err := r.window(t.Context(), rng, everything)
					if err != nil {
						t.Fatal(err)
					}
					checkWindow(t, l, w, from, to, true, true)
					t.Logf("%d upstream requests", l.requests)
					// 1,000 rows either way are twelve pages, of which neighbours have seven rows in common. The page where
					// the call was expected and the one around it come on top.
					if l.requests > 14 {
						t.Errorf("%d upstream requests", l.requests)
					}
				})
			}
		}
	}
}

func TestCursorsExpire(t *testing.T) {
	tests := map[string]func(*memoryList){
		// Pages reach beyond the bound of 1,000 rows, so that a shift just above it may still be followed.
		"1500 new calls": func(l *memoryList) {
			for i := range 1500 {
				l.insert(fmt.Sprint("new-", i))
			}
		},
		"1500 calls gone":          func(l *memoryList) { l.remove(0, 1500) },
		"gone with all neighbours": func(l *memoryList) { l.remove(2497, 2504) },
		"the whole list gone":      func(l *memoryList) { l.remove(0, len(l.ids)) },
	}
	for name, move := range tests {
		t.Run(name, func(t *testing.T) {
			l := newMemoryList(5000)
			c := cursorAt(t, l, 2500)
			move(l)
			for _, rng := range []relay.Range{{Count: 10, After: c}, {Count: 10, Before: c, Backward: true}} {
				if _, err := l.reader().window(t.Context(), rng, everything); !errors.Is(err, ErrCursorExpired) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

// A cursor whose call has left the list is followed by its neighbours.
func TestTheCursorsCallHasLeft(t *testing.T) {
	for gone := 1; gone <= 6; gone++ { // rows from 2500 - gone/2 on
		t.Run(fmt.Sprint(gone), func(t *testing.T) {
			l := newMemoryList(5000)
			c := cursorAt(t, l, 2500)
			first := 2500 - gone/2
			l.remove(first, first+gone)
			w, err := l.reader().window(t.Context(), relay.Range{Count: 10, After: c}, everything)
			if err != nil {
				t.Fatal(err)
			}
			checkWindow(t, l, w, first, first+10, true, true)
			w, err = l.reader().window(t.Context(), relay.Range{Count: 10, Before: c, Backward: true}, everything)
			if err != nil {
				t.Fatal(err)
			}
			checkWindow(t, l, w, first-10, first, true, true)
		})
	}
}

// A window of several responses is put together at rows that both hold, even while the list moves between them.
func TestSeamsOfAMovingList(t *testing.T) {
	for _, backward := range []bool{false, true} {
		l := newMemoryList(1000)
		c := cursorAt(t, l, 500)
		r := newLists(l, 20, 1000).of(upstream.List{}, time.Time{}) // 60 rows are several responses
		l.hook = func(n int) {
			if n%2 == 0 {
				l.insert(fmt.Sprint("new-", n))
			} else {
				l.remove(0, 2)
			}
		}
		rng := relay.Range{Count: 60, After: c, Backward: backward}
		if backward {
			rng.After, rng.Before = nil, c
		}
		w, err := r.window(t.Context(), rng, everything)
		if err != nil {
			t.Fatal(err)
		}
		at := slices.Index(l.ids, "call-500")
		from, to := at+1, at+61
		if backward {
			from, to = at-60, at
		}
		checkWindow(t, l, w, from, to, true, true)
	}
}

// Rows that cannot be read come once, and a client gets past them with the cursors of edges alone, in either direction.
func TestUnreadableRowsInAWindow(t *testing.T) {
	l := newMemoryList(300)
	for _, rows := range [][2]int{{0, 1}, {5, 6}, {9, 12}, {100, 110}, {298, 300}} {
		for i := rows[0]; i < rows[1]; i++ {
			l.ids[i] = ""
		}
	}
	for _, size := range []int{20, 23, 200} {
		for _, back := range []bool{false, true} {
			for count := 1; count < 30; count++ {
				t.Run(fmt.Sprintf("page size %d, backward %t, %d rows", size, back, count), func(t *testing.T) {
					walkByEdges(t, l, newLists(l, size, 1000), relay.Range{Count: count, Backward: back}, nil)
					if !back {
						walk := NewWalk(true)
						defer walk.Close()
						walkByEdges(t, l, newLists(l, size, 1000), relay.Range{Count: count}, walk)
					}
				})
			}
		}
	}
}

// walkByEdges walks through a list as a client does, and checks that every row comes once.
func walkByEdges(t *testing.T, l *memoryList, p *Lists, rng relay.Range, walk *Walk) {
	t.Helper()
	var got []string
	for more := true; more; {
		w, err := p.Reader(Request{Walk: walk}).Window(t.Context(), rng, everything)
		if err != nil {
			t.Fatal(err)
		}
		ids := w.ids()
		edges := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == "" })
		if rng.Backward {
			got, more, rng.Before = append(ids, got...), w.HasPrevious(), w.StartCursor()
		} else {
			got, more, rng.After = append(got, ids...), w.HasNext(), w.EndCursor()
		}
		if more && len(edges) == 0 || len(edges) > rng.Count {
			t.Fatalf("%d edges of %d rows, and more to come: %t", len(edges), len(ids), more)
		}
	}
	if !slices.Equal(got, l.ids) {
		t.Errorf("got %q", got)
	}
}

// A window without a row that can be read has few rows, whose errors say what is wrong.
func TestNoRowCanBeRead(t *testing.T) {
	l := newMemoryList(1000)
	clear(l.ids)
	for _, back := range []bool{false, true} {
		l.rows = 0
		w, err := l.reader().window(t.Context(), relay.Range{Count: 3, Backward: back}, everything)
		if err != nil {
			t.Fatal(err)
		}
		rows := len(w.Rows())
		if rows < 3 || rows > 200 || len(w.Problems()) != rows || w.EndCursor() != nil || l.rows > 3000 {
			t.Errorf("backward %t: a window of %d rows, %d were read", back, rows, l.rows)
		}
	}
}

// A list that ends with rows that cannot be read is walked up from its end, wherever the pages lie.
func TestUnreadableRowsAtTheEnd(t *testing.T) {
	for unreadable := 1; unreadable <= 8; unreadable++ {
		for rows := 200; rows < 270; rows++ {
			l := newMemoryList(rows)
			for i := rows - unreadable; i < rows; i++ {
				l.ids[i] = ""
			}
			for _, count := range []int{1, 4, 30, 80, 150} {
				r := newLists(l, 60, 1000).of(upstream.List{}, time.Time{})
				w, err := r.window(t.Context(), relay.Range{Count: count, Backward: true}, everything)
				if err != nil {
					t.Fatalf("%d of %d rows, the last %d of which cannot be read: %v", count, rows, unreadable, err)
				}
				from := rows - count
				if count <= unreadable { // there is no edge among them: some more are read
					from -= unreadable
				}
				checkWindow(t, l, w, from, rows, false, true)
			}
		}
	}
}

// A cursor beside rows that cannot be read finds its place as any other does: nothing has moved there.
func TestCursorsBesideUnreadableRows(t *testing.T) {
	for _, arrived := range []int{0, 3} {
		l := newMemoryList(100)
		for i := 40; i < 46; i++ {
			l.ids[i] = ""
		}
		w, err := l.reader().window(t.Context(), relay.Range{Count: 60}, everything)
		if err != nil {
			t.Fatal(err)
		}
		for i := range arrived {
			l.insert("new-" + strconv.Itoa(i))
		}
		for i := 35; i < 50; i++ {
			if w.Rows()[i].Call == nil {
				continue
			}
			cursor := w.Cursor(i)
			for _, rng := range []relay.Range{{After: &cursor, Count: 10}, {Before: &cursor, Count: 10, Backward: true}} {
				reads := &Reads{}
				r := newLists(l, 200, 1000).Reader(Request{Reads: reads})
				l.requests = 0
				got, err := r.Window(t.Context(), rng, everything)
				if err != nil {
					t.Fatal(err)
				}
				from := i + 1 + arrived
				if rng.Backward {
					from = i - 10 + arrived
				}
				want := l.ids[from : from+10]
				for !rng.Backward && want[len(want)-1] == "" { // they come with the next window
					want = want[:len(want)-1]
				}
				for rng.Backward && want[0] == "" {
					want = want[1:]
				}
				if !slices.Equal(got.ids(), want) || reads.Reordered() || l.requests > 3 {
					t.Errorf("row %d, backward %v: %q, want %q, in %d requests; reordered: %v",
						i, rng.Backward, got.ids(), want, l.requests, reads.Reordered())
				}
			}
		}
	}
}

func TestTotal(t *testing.T) {
	for _, n := range []int{
		0, 1, 199, 200, 201, 399, 400, 401, 1000, 12_799, 12_800, 12_801, 13_001, 20_000, 25_601, 1_000_000,
	} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			l := newMemoryList(n)
			r := l.reader()
			check := func(what string, most int) {
				t.Helper()
				l.requests, l.rows = 0, 0
				got, err := r.total(t.Context())
				if err != nil || got != len(l.ids) {
					t.Errorf("%s: got %d, %v", what, got, err)
				}
				if l.requests > most {
					t.Errorf("%s: %d requests, and at most %d are allowed", what, l.requests, most)
				}
				t.Logf("%s: %d requests, %d rows", what, l.requests, l.rows)
			}
			most := 4
			for p := max(1, (n+199)/200); p > 1; p /= 2 { // 2·floor(log2 P)+4
				most += 2
			}
			check("cold", most)
			check("warm", 1)
			l.insert("a", "b", "c")
			check("three more", 1)
			l.remove(0, min(len(l.ids), 10))
			check("ten less", 1)
			for i := range 100 {
				l.insert(fmt.Sprint("new-", i))
			}
			check("a hundred more", 5)
			l.remove(0, min(len(l.ids), 250))
			check("250 less", 6)
		})
	}
}

// ignoresPage serves the first page for every number.
type ignoresPage struct{ *memoryList }

func (l ignoresPage) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	number := opts.Page
	opts.Page = 0
	page, err := l.memoryList.ListCalls(ctx, opts)
	page.Number = number
	return page, err
}

func TestAnIgnoredPageNumberIsNoticed(t *testing.T) {
	l := newMemoryList(1000)
	r := newLists(ignoresPage{l}, 200, 1000).of(upstream.List{}, time.Time{})
	if _, err := r.total(t.Context()); err == nil {
		t.Error("counted a list without an end")
	}
	if l.requests > 40 {
		t.Errorf("%d requests", l.requests)
	}
	c := cursorAt(t, newMemoryList(1000), 500)
	l.requests = 0
	if _, err := r.window(t.Context(), relay.Range{Count: 10, After: c}, everything); err == nil {
		t.Error("walked a list without an end")
	}
	if l.requests > 40 {
		t.Errorf("%d requests", l.requests)
	}
}
