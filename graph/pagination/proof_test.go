package pagination

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

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

// Calls that were re-sorted may come between two calls of a run. The known calls between two calls that are together
// belong to their run, wherever the re-sorted ones stand. The model found a walk that skipped such a call.
func TestARunHasAllCallsBetweenTwoOfIt(t *testing.T) {
	for _, test := range []struct {
		list     string
		run      int
		down, up int // where the walk continues
	}{
		{"0 1 2 3 4 5 6", 7, 4, 3},
		{"3 0 1 2 4 a b c 5 6", 6, 4, 4},
		{"0 1 a b c 2 4 5 6 3", 6, 6, 6},
		{"3 0 1 2 4 a b c d 5 6", 4, 4, 4}, // too many calls: 5 and 6 are not together with the others
		{"0 1 a b c d 2 4 5 6 3", 4, 7, 7},
		{"0 a b 1 c d 2 3 4 5 6", 7, 8, 7},
		{"0 1 a b c 2 3 4 5 6", 5, 7, 6},
		{"4 0 2 a b c 5 6", 4, 6, 3},
	} {
		c := cursorAt(t, newMemoryList(7), 3)
		var s span
		for id := range strings.FieldsSeq("x y " + test.list) {
			s.rows = append(s.rows, upstream.RowOf(&upstream.Call{ID: "call-" + id}, 0))
		}
		for towards, want := range map[direction]int{down: test.down + 2, up: test.up + 2} {
			found := s.match(c, towards)
			at := found.after
			if towards == up {
				at = found.before
			}
			if found.run != test.run || at != want {
				t.Errorf("%s, up %t: a run of %d calls, goes on at %d; want %d, %d",
					test.list, towards, found.run, at, test.run, want)
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
		elsewhere uint8 // calls that other pages have shown,
		withOwn   uint8 // and in a run with the cursor's call
		want      bool
	}{
		"one call": {found(1, match{}), 0, 0, false},
		"one call, and the others in other pages": {found(1, match{}), 0b1111110, 0, false},
		"three calls":                                   {found(3, match{}), 0, 0, false},
		"four calls":                                    {found(4, match{}), 0, 0, true},
		"three calls, and four in other pages":          {found(3, match{}), 0b1111000, 0, false},
		"four calls, and three in other pages":          {found(4, match{}), 0b1110000, 0, true},
		"four calls, a rival, and three in other pages": {found(4, match{rival: 1}), 0b1110000, 0, false},
		"five calls, a rival, and two in other pages":   {found(5, match{rival: 2}), 0b1100000, 0, true},
		"five calls, with two that may be elsewhere":    {found(5, match{rival: 3}), 0, 0, false},
		"five calls, and a shorter rival":               {found(5, match{rival: 2}), 0, 0, true},
		"all calls, and a rival":                        {found(7, match{rival: 6}), 0, 0, true},
		"the own call is gone, five are left":           {found(5, match{thinner: 2}), 0, 0, false},
		"the own call is gone, six are left":            {found(6, match{thinner: 2}), 0, 0, true},
		"the own call is alone in another page":         {found(4, match{thinner: 1}), 0b1110000, 0, true},
		"the own call is in a run of another page":      {found(4, match{thinner: 1}), 0b1110000, 0b1110000, false},
		"one call in a list that stood still":           {found(1, match{still: true}), 0, 0, true},
		"no call":                                       {found(0, match{still: true}), 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.sure(all, test.seen|test.elsewhere, test.withOwn); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
	if one := found(1, match{}); !one.sure(1, one.seen, 0) {
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

// What becomes of pages that were read ahead when the first one joins the span, or does not.
func TestPagesThatDoNotJoin(t *testing.T) {
	const most, seam = 200, 399 // the span ends with row 399 of the list
	s := span{rows: make([]upstream.Row, 400)}
	for name, test := range map[string]struct {
		way          direction
		pages        int
		tried        bool // the first page has been put back before
		joined, good bool
		missing      int // rows that the search is to lead over
		left         int // pages
		overlap      int // rows, of further pages
		dropped      bool
	}{
		"it joins":                               {pages: 3, joined: true, good: true, left: 2, overlap: 16},
		"it joins after all":                     {pages: 3, tried: true, joined: true, good: true, left: 2, overlap: 16},
		"it does not join: it is tried again":    {pages: 3, good: true, missing: 100, left: 3, overlap: 32},
		"it never joins":                         {pages: 3, tried: true, good: true, overlap: 16, dropped: true},
		"an error: the next one may be of use":   {pages: 3, missing: 200 + 16 + 1, left: 2, overlap: 16},
		"an error upwards":                       {way: up, pages: 3, missing: 200 + 16, left: 2, overlap: 16},
		"an error of the last one":               {pages: 1, overlap: 16, dropped: true},
		"an error after it has not joined":       {pages: 2, tried: true, missing: 200 + 16 + 1, left: 1, overlap: 16},
		"an error of the last one, tried before": {pages: 1, tried: true, overlap: 16, dropped: true},
	} {
		t.Run(name, func(t *testing.T) {
			a := &ahead{way: test.way, reader: *newMemoryList(0).reader(), overlap: 16}
			span, index := s, seam
			if test.way == up { // it begins with row 800
				index, span.position = 0, 800
			}
			for i := range test.pages {
				tile := &tile{opts: upstream.ListCallsOptions{Page: 2 + i, PageSize: most}}
				if test.way == up {
					tile.opts.Page = 3 - i
				}
				a.queue = append(a.queue, tile)
			}
			first := a.queue[0]
			if test.tried {
				a.tried = first
			}
			missing := a.settle(first, test.joined, test.good, &span, index)
			if missing != test.missing || len(a.queue) != test.left || a.overlap != test.overlap || a.dropped != test.dropped {
				t.Errorf("%d rows are missing, %d pages left, overlap %d, dropped: %v",
					missing, len(a.queue), a.overlap, a.dropped)
			}
			if len(a.queue) < test.pages && !first.left {
				t.Error("the page has not left the queue")
			}
		})
	}
	// Overlaps grow up to a quarter of a page. A page that is put back twice is dropped.
	a := &ahead{reader: *newMemoryList(0).reader(), overlap: 40}
	page := &tile{opts: upstream.ListCallsOptions{Page: 2, PageSize: most}}
	a.queue = []*tile{page, page}
	for try, left := range []int{2, 0} {
		if a.settle(page, false, true, &s, seam); a.overlap != most/4 || len(a.queue) != left {
			t.Errorf("try %d: overlap %d, %d pages are left", try, a.overlap, len(a.queue))
		}
	}
	// Where the next page begins at the span's end, the search is to lead over half a page all the same.
	a.queue = []*tile{page, page}
	if missing := a.settle(page, false, false, &s, seam); missing != most/2 {
		t.Errorf("%d rows are missing", missing)
	}
}

// A cursor knows few calls, and a filter lets calls in between them: a call at a seam that was re-sorted by a few rows
// is together with its neighbours. The other rows show where the two responses fit together. The model found walks that
// showed calls again, and scans that skipped calls.
func TestRowsFitTogetherAtASeam(t *testing.T) {
	for name, test := range map[string]struct {
		read, response string
		at             string // the row at which the search has found the place; "" after its call has left
		before         int
		way            direction
		stay           int
		want           string
	}{
		"down, nothing has moved": {"a b c d e", "d e f g", "d", 0, down, 0, "a b c d e f g"},
		"down, the call is before rows that were read": {
			"a b c d e f g", "x e a b c f g h", "e", 1, down, 3, "a b c d e f g h",
		},
		"down, another call was re-sorted": {
			"a b c d e f g", "g x a b c d e f h", "f", 7, down, 5, "a b c d e f h",
		},
		"down, rows that were read are in another order": {
			"a b c d e f g h", "h f x d e g i", "e", 4, down, 4, "a b c d e g i",
		},
		"down, the call is after rows that nobody has read": {
			"a b c d e", "b c d x y z e v", "e", 6, down, 2, "a b c d x y z e v",
		},
		"down, the call has left, with rows between": {"a b c ? d", "c d x y z", "", 4, down, 2, "a b c ? d x y z"},
		"down, beside a row that cannot be read":     {"a b c ? d", "d ? y", "", 2, down, 2, "a b c ? d ? y"},
		"down, no row in common":                     {"a b c", "x y z", "", 2, down, 1, "a b z"},
		"down, one of these rows was re-sorted, too": {
			"a b c d e f g h", "x g b c d h f a", "g", 1, down, 6, "a b c d e f g h f a",
		},
		"up, nothing has moved": {"d e f g", "b c d e", "e", 3, up, 3, "b c d e f g"},
		"up, the call is after rows that were read": {
			"g f e d c b a", "h g f c b a e x", "e", 6, up, 3, "h g f e d c b a",
		},
		"up, the call is before rows that nobody has read": {
			"e d c b a", "v e x y z d c b", "e", 1, up, 2, "v e x y z d c b a",
		},
		"up, the call has left, with rows between": {"d ? c b a", "z y x d c", "", 1, up, 2, "z y x d ? c b a"},
		"up, no row in common":                     {"c b a", "z y x", "", 1, up, 1, "z b a"},
	} {
		t.Run(name, func(t *testing.T) {
			span := func(ids string) span {
				rows := strings.Fields(ids)
				for i, id := range rows {
					rows[i] = strings.TrimSuffix(id, "?") // which cannot be read
				}
				return spanOf(pageOf(t, 0, 20, rows...))
			}
			s, p := span(test.read), place{span: span(test.response), before: test.before, after: test.before}
			seam := slices.IndexFunc(s.rows, func(row upstream.Row) bool { return row.Call != nil && row.Call.ID == test.at })
			if p.after++; seam < 0 {
				seam, p.after = test.stay, p.before
			}
			seam = p.reseam(&s, seam, test.stay, test.way)
			if test.way == up {
				s.prepend(seam, p)
			} else {
				s.append(seam, p)
			}
			w := &Window{span: s, to: len(s.rows)}
			var got []string
			for _, id := range w.ids() {
				got = append(got, cmp.Or(id, "?"))
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// A place that a call has left moves back to the rows that were read before it: what stands between them was never
// read. The model found calls that were missing from a scan beside a re-sorted one.
func TestNoRowIsSkippedAtASeam(t *testing.T) {
	read := spanOf(pageOf(t, 0, 8, "a", "b", "c", "", "d")).rows
	for name, test := range map[string]struct {
		ids           []string // of the response
		before, after int      // the place
		way           direction
		want          int
	}{
		"down, after the rows that were read":     {[]string{"c", "d", "x", "y"}, 2, 2, down, 2},
		"down, with rows between":                 {[]string{"c", "d", "x", "y", "z"}, 4, 4, down, 2},
		"down, where none of them is near":        {[]string{"x", "y", "z"}, 2, 2, down, 2},
		"down, where the call is":                 {[]string{"d", "x", "y", "z"}, 2, 3, down, 2},
		"up, before the rows that were read":      {[]string{"x", "y", "a", "b"}, 2, 2, up, 2},
		"up, with rows between":                   {[]string{"w", "x", "y", "a", "b"}, 1, 1, up, 3},
		"up, where none of them is near":          {[]string{"x", "y", "z"}, 1, 1, up, 1},
		"up, where the call is":                   {[]string{"w", "x", "y", "a"}, 1, 2, up, 1},
		"up, at the end":                          {[]string{"x", "y"}, 2, 2, up, 2},
		"down, at the end":                        {[]string{"d", "x"}, 2, 2, down, 1},
		"down, at the start":                      {[]string{"x", "y"}, 0, 0, down, 0},
		"down, with an unreadable row in between": {[]string{"d", "", "y"}, 2, 2, down, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := place{span: spanOf(pageOf(t, 0, 8, test.ids...)), before: test.before, after: test.after}
			p.skipNone(read, test.way)
			if p.before != test.want || p.after-p.before != test.after-test.before {
				t.Errorf("rows before %d and from %d, want %d", p.before, p.after, test.want)
			}
		})
	}
}

// The same while windows grow: each is read from upstream.
func TestWindowsGrowBesideAResortedCall(t *testing.T) {
	l := newMemoryList(0)
	r := newLists(l, 20, 100).of(upstream.List{Statuses: statusA}, time.Time{})
	l.ids = strings.Fields("x p a b c d e f q r s t u")
	s := spanOf(pageOf(t, 0, 19, strings.Fields("a b c d e f g h i j k l m n o p q r s")...))
	if err := r.extendDown(t.Context(), &s, 0, 2); err != nil {
		t.Fatal(err)
	}
	w := &Window{span: s, to: len(s.rows)}
	if got, want := strings.Join(w.ids(), " "), "a b c d e f g h i j k l m n o p q r s t u"; got != want {
		t.Errorf("down: %q, want %q", got, want)
	}
	l.ids = strings.Fields("u t s r q f e d c b a p x")
	s = spanOf(pageOf(t, 1, 19, strings.Fields("s r q p o n m l k j i h g f e d c b a")...))
	added, err := r.extendUp(t.Context(), &s, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	w = &Window{span: s, to: len(s.rows)}
	if got, want := strings.Join(w.ids(), " "), "u t s r q p o n m l k j i h g f e d c b a"; got != want || added != 2 {
		t.Errorf("up: %q, %d rows more; want %q", got, added, want)
	}
}
