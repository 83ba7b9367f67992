package pagination

import (
	"testing"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// pageOf is page number of a list in pages of size rows.
func pageOf(t *testing.T, number, size int, ids ...string) *upstream.Page {
	t.Helper()
	list := &memoryList{ids: append(make([]string, number*size), ids...)}
	page, err := list.ListCalls(t.Context(), upstream.ListCallsOptions{Page: number, PageSize: size})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// A page that was read ahead goes on after a span only if it has the calls at its end: a call alone may have been
// re-sorted into the page. Fewer calls than a cursor knows on one side are enough where nothing has moved.
func TestWhatProvesASeam(t *testing.T) {
	if relay.Neighbours != 3 {
		t.Fatal("the pages of this test have the four calls that prove a seam")
	}
	end := []string{"a", "b", "c", "d", "e", "f", "g", "h"} // of the span, which is page 1 of 8 rows
	for name, test := range map[string]struct {
		number int
		ids    []string
		after  int // where the span goes on; 0 where nothing is proven
	}{
		"all four calls":                          {1, []string{"x", "e", "f", "g", "h", "y"}, 5},
		"all four calls, farther back":            {0, []string{"e", "f", "g", "h", "y"}, 4},
		"three of the calls, which have moved":    {1, []string{"f", "g", "h", "y"}, 0},
		"the call alone, which has moved":         {1, []string{"h", "y"}, 0},
		"the call, among others":                  {1, []string{"x", "y", "z", "h", "y"}, 0},
		"the four calls, one of them re-sorted":   {1, []string{"e", "g", "f", "h", "y"}, 0},
		"the four calls, with another in between": {1, []string{"e", "f", "x", "g", "h"}, 0},
		"no call of the span":                     {1, []string{"x", "y"}, 0},
		"the list ends before the page's place":   {3, []string{"e", "f", "g", "h"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := spanOf(pageOf(t, 1, 8, end...))
			p, ok := newMemoryList(0).reader().proves(pageOf(t, test.number, 8, test.ids...), &s, 7, down)
			if ok != (test.after > 0) || p.after != test.after || ok && p.before != test.after-1 {
				t.Errorf("it goes on at %d (%v), want %d", p.after, ok, test.after)
			}
		})
	}
	// A page that begins with the last calls of the span.
	for calls := 1; calls <= 4; calls++ {
		for moved := range 2 {
			s := spanOf(pageOf(t, 1, 8, end...))
			s.position += moved
			page := &upstream.Page{Number: 16 - calls, Size: 1} // it begins there
			for _, id := range append(end[8-calls:8:8], "y") {
				page.Rows = append(page.Rows, upstream.RowOf(&upstream.Call{ID: id}, 0))
			}
			_, ok := newMemoryList(0).reader().proves(page, &s, 7, down)
			if want := calls == 4 || calls >= 2 && moved == 0; ok != want {
				t.Errorf("%d calls, moved by %d: %v, want %v", calls, moved, ok, want)
			}
		}
	}
}

// What a page shows of the calls that a cursor knows is beyond doubt only if the calls that it does not show could not
// mark another place: one call alone never is.
func TestWhatIsSure(t *testing.T) {
	const all = 7
	found := func(run int, m match) match {
		m.run, m.seen = run, uint8(1)<<run-1
		if m.after == 0 && m.thinner == 0 {
			m.after = 1 // the cursor's call is there
		}
		return m
	}
	for name, test := range map[string]struct {
		match
		elsewhere uint8 // calls that other pages have shown
		want      bool
	}{
		"one call": {found(1, match{}), 0, false},
		"one call, and the others in other pages": {found(1, match{}), 0b1111110, false},
		"three calls":                                {found(3, match{}), 0, false},
		"four calls":                                 {found(4, match{}), 0, true},
		"three calls, and four in other pages":       {found(3, match{}), 0b1111000, false},
		"four calls, and three in other pages":       {found(4, match{}), 0b1110000, true},
		"five calls, with two that may be elsewhere": {found(5, match{rival: 3}), 0, false},
		"five calls, and a shorter rival":            {found(5, match{rival: 2}), 0, true},
		"all calls, and a rival":                     {found(7, match{rival: 6}), 0, true},
		"the own call is gone, five are left":        {found(5, match{thinner: 2}), 0, false},
		"the own call is gone, six are left":         {found(6, match{thinner: 2}), 0, true},
		"one call in a list that stood still":        {found(1, match{still: true}), 0, true},
		"no call":                                    {found(0, match{still: true}), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.sure(all, test.seen|test.elsewhere); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
	if one := found(1, match{}); !one.sure(1, one.seen) {
		t.Error("the one call that a cursor knows is not enough for it")
	}
}

// After the last row that was read the list may go on, unless it was seen to end there.
func TestRowsAfterAWindow(t *testing.T) {
	rows := spanOf(pageOf(t, 0, 8, "a", "b", "c")).rows
	for to := 1; to <= len(rows); to++ {
		for _, last := range []bool{false, true} {
			w := Window{span: span{rows: rows, last: last}, to: to}
			if want := to < len(rows) || !last; w.HasNext() != want {
				t.Errorf("%d of 3 rows, the last is the list's: %v: hasNextPage is %v", to, last, w.HasNext())
			}
		}
	}
}
