package verify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"revox-graphql/upstream"
	"revox-graphql/upstream/verify"
)

// These tests compare the pages that the verifier accepts with a model: a list that moves with every request, served by
// an upstream with odd habits. A page without an error must have exactly the rows that the list had at its place at one
// moment during its requests. A list that stands still must give no error.

// noon is what the clocks of these tests show.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// ids are those of a page's calls.
func ids(page *upstream.Page) []string {
	var all []string
	for _, row := range page.Rows {
		all = append(all, row.Call.ID)
	}
	return all
}

// habits are the habits of an upstream that nothing in its responses shows. The zero value has none.
type habits struct {
	first     int      // the number of the first page
	zero      string   // what page 0 is if first is 1: an error's status, "empty", or "" for the first page
	past      string   // what a page past the end is: an error's status, "last", "first", or "" for an empty page
	most      int      // the maximum page size, in rows; 0: none
	lowered   int      // a smaller maximum, in rows, after some requests
	after     int      // how many requests
	weight    int      // a response is cut where its rows weigh more; 0: never
	least     int      // the minimum page size, in rows
	shortOnce int      // the number of the request whose response comes short
	dropped   []string // ids of calls that upstream leaves out of pages
	ignored   bool     // upstream ignores the page number
}

// modelList is a list, and an upstream that serves it.
type modelList struct {
	habits
	rows     []string
	next     int
	move     func() // called with each request
	requests int
	log      []string
	states   [][]string // of the list, since the request began
}

func newModelList(h habits, rows int) *modelList {
	l := &modelList{habits: h, move: func() {}}
	l.insert(rows)
	return l
}

func (l *modelList) insert(n int) {
	for range n {
		l.rows = slices.Insert(slices.Clone(l.rows), 0, strconv.Itoa(l.next))
		l.next++
	}
	l.states = append(l.states, l.rows)
}

func (l *modelList) remove(from, n int) {
	from = min(from, len(l.rows))
	l.rows = slices.Delete(slices.Clone(l.rows), from, min(from+n, len(l.rows)))
	l.states = append(l.states, l.rows)
}

// serve is upstream's response.
func (l *modelList) serve(number, size int) ([]string, error) {
	served := max(size, l.least)
	most := l.most
	if l.lowered > 0 && l.requests > l.after {
		most = l.lowered
	}
	if most > 0 {
		served = min(served, most)
	}
	n := number - l.first
	if n < 0 {
		if status, err := strconv.Atoi(l.zero); err == nil {
			return nil, &upstream.Error{Kind: upstream.KindInvalidResponse, Status: status}
		}
		if l.zero == "empty" {
			return nil, nil
		}
		n = 0
	}
	if l.ignored {
		n = 0
	}
	if n > 0 && n*served >= len(l.rows) {
		switch l.past {
		case "":
			return nil, nil
		case "last":
			n = max(0, len(l.rows)-1) / served
		case "first":
			n = 0
		default:
			status, _ := strconv.Atoi(l.past)
			return nil, &upstream.Error{Kind: upstream.KindInvalidResponse, Status: status}
		}
	}
	rows := l.rows[min(n*served, len(l.rows)):min((n+1)*served, len(l.rows))]
	if l.requests == l.shortOnce {
		rows = rows[:(len(rows)+1)/2] // never empty: the verifier accepts an empty page after the first
	}
	var response []string
	weight := 0
	for _, id := range rows {
		n, _ := strconv.Atoi(id)
		if weight += 1 + n*7%5; l.weight > 0 && weight > l.weight && len(response) > 0 {
			break
		}
		if !slices.Contains(l.dropped, id) {
			response = append(response, id)
		}
	}
	return response, nil
}

func (l *modelList) ask(_ context.Context, number, size int) (*upstream.Page, error) {
	l.requests++
	l.move()
	ids, err := l.serve(number, size)
	l.log = append(l.log, fmt.Sprintf("of %d rows (%d,%d): %v %v", len(l.rows), number, size, ids, err))
	if err != nil {
		return nil, err
	}
	page := &upstream.Page{Number: number, Size: size, AskedAt: noon}
	for _, id := range ids {
		page.Rows = append(page.Rows, upstream.RowOf(&upstream.Call{ID: id}, 0))
	}
	return page, nil
}

// page asks the verifier as its callers do: it requests another size after a PageSizeError.
func (l *modelList) page(ctx context.Context, v *verify.Verifier, number, size int) (*upstream.Page, error) {
	row := number * size
	for tries := 0; ; tries++ {
		l.states = [][]string{l.rows}
		page, err := v.Page(ctx, 0, l.ask, l.ask, number, size)
		limits, ok := errors.AsType[*upstream.PageSizeError](err)
		if !ok {
			return page, err
		}
		if tries == 20 || limits.Least <= size && (limits.Most == 0 || limits.Most >= size) {
			return nil, fmt.Errorf("%w for %d rows", err, size)
		}
		if size = max(size, limits.Least); limits.Most > 0 {
			size = min(size, limits.Most)
		}
		number = row / size
	}
}

// check describes what is wrong with a page; "" is nothing.
func (l *modelList) check(page *upstream.Page) string {
	got := ids(page)
	for _, rows := range l.states {
		want := rows[min(page.Offset(), len(rows)):min(page.Offset()+page.Size, len(rows))]
		if slices.Equal(got, want) {
			return ""
		}
		// A whole page past the end may be an earlier page, served again. If a page after the first is smaller than
		// upstream's minimum, and has no more rows than requested, it may begin elsewhere.
		if page.Number > 0 && len(got) == page.Size && (page.Offset() >= len(rows) || page.Size < l.least) &&
			strings.Contains(strings.Join(rows, " ")+" ", strings.Join(got, " ")+" ") {
			return ""
		}
	}
	return fmt.Sprintf("page (%d,%d) has %v; the list was %v", page.Number, page.Size, got, l.states)
}

func drawHabits(t *rapid.T) habits {
	var h habits
	h.first = rapid.IntRange(0, 1).Draw(t, "first")
	h.zero = rapid.SampledFrom([]string{"", "404", "422", "500", "empty"}).Draw(t, "page 0")
	h.past = rapid.SampledFrom([]string{"", "", "404", "400", "422", "500", "last", "first"}).Draw(t, "past the end")
	switch rapid.IntRange(0, 8).Draw(t, "habit") {
	case 0:
		h.most = rapid.IntRange(5, 60).Draw(t, "most")
	case 1:
		h.most = rapid.IntRange(5, 60).Draw(t, "most")
		h.lowered = rapid.IntRange(5, h.most).Draw(t, "lowered")
		h.after = rapid.IntRange(0, 20).Draw(t, "after")
	case 2:
		h.weight = rapid.IntRange(30, 200).Draw(t, "weight")
	case 3:
		h.least = rapid.IntRange(5, 20).Draw(t, "least")
	case 4:
		h.least = rapid.IntRange(5, 20).Draw(t, "least")
		h.most = rapid.IntRange(h.least, 60).Draw(t, "most")
	case 5:
		h.shortOnce = rapid.IntRange(1, 12).Draw(t, "short once")
	}
	return h
}

func verifierProperty(t *rapid.T) {
	l := newModelList(drawHabits(t), rapid.IntRange(0, 130).Draw(t, "rows"))
	now := noon
	v := verify.New(upstream.FirstPageAuto, func() time.Time { return now })
	if rapid.Bool().Draw(t, "first page known") {
		v = verify.New(upstream.FirstPage(l.first), func() time.Time { return now })
	}
	moving := rapid.SampledFrom([]string{"stands", "grows", "moves between", "moves"}).Draw(t, "moving")
	// While a page is read, calls only arrive or only leave: no request can distinguish a list that has changed and
	// changed back from one that stood still.
	arrivals := true
	change := func() {
		n := rapid.IntRange(1, 3).Draw(t, "calls")
		if rapid.IntRange(0, 9).Draw(t, "many") == 0 {
			n = rapid.IntRange(1, 60).Draw(t, "calls")
		}
		if arrivals {
			l.insert(n)
		} else {
			l.remove(rapid.IntRange(0, len(l.rows)).Draw(t, "from"), n)
		}
	}
	l.move = func() {
		switch {
		case moving == "grows":
			l.insert(1)
		case moving == "moves" && rapid.IntRange(0, 3).Draw(t, "moves") == 0:
			change()
		}
	}
	for range rapid.IntRange(1, 6).Draw(t, "pages") {
		arrivals = rapid.Bool().Draw(t, "arrivals")
		switch {
		case moving == "moves between" && rapid.Bool().Draw(t, "moves"):
			change()
		case rapid.IntRange(0, 5).Draw(t, "later") == 0:
			now = now.Add(11 * time.Minute)
		}
		size := rapid.SampledFrom([]int{1, 2, 3, 5, 8, 10, 20, 50, 100, 200}).Draw(t, "size")
		number := rapid.IntRange(0, 3).Draw(t, "number")
		if rapid.Bool().Draw(t, "at the end") {
			number = max(0, len(l.rows)-1) / size
		}
		l.log = append(l.log, "")
		page, err := l.page(t.Context(), v, number, size)
		steady := moving == "stands" || moving == "moves between"
		if err != nil && steady {
			t.Fatalf("page (%d,%d): %v\n%s", number, size, err, strings.Join(l.log, "\n"))
		}
		if err == nil {
			if wrong := l.check(page); wrong != "" {
				t.Fatalf("%s\n%s", wrong, strings.Join(l.log, "\n"))
			}
		}
	}
}

func TestVerifierModel(t *testing.T) { rapid.Check(t, verifierProperty) }

// A list to which a call is added with every request.
func TestAListThatGrowsWithEachRequest(t *testing.T) {
	for first := range 2 {
		for rows := range 200 {
			for _, set := range []upstream.FirstPage{upstream.FirstPageAuto, upstream.FirstPage(first)} {
				l := newModelList(habits{first: first}, rows)
				l.move = func() { l.insert(1) }
				v := verify.New(set, func() time.Time { return noon })
				page, err := l.page(t.Context(), v, 0, 200)
				if err != nil {
					t.Fatalf("%d rows, %d set %d: %v\n%s", rows, first, set, err, strings.Join(l.log, "\n"))
				}
				if wrong := l.check(page); wrong != "" {
					t.Fatalf("%d rows: %s\n%s", rows, wrong, strings.Join(l.log, "\n"))
				}
			}
		}
	}
}
