package verify_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/verify"
)

// What the verifier makes of single habits of upstream, with a list that stands still. In the model, lists move.
func TestHabits(t *testing.T) {
	dropped := []string{"25", "20", "15"} // in the middle of forty
	tests := map[string]struct {
		habits
		rows, number, size int
		want               int    // rows
		limits             [2]int // of a PageSizeError
		reason             string // of an error
	}{
		"none":                             {rows: 40, size: 20, want: 20},
		"the end":                          {rows: 45, number: 2, size: 20, want: 5},
		"past the end":                     {rows: 40, number: 5, size: 20},
		"a least size":                     {habits: habits{least: 10}, rows: 40, size: 5, limits: [2]int{10, 0}},
		"a least size, behind the first":   {habits: habits{least: 10}, rows: 14, number: 1, size: 4, limits: [2]int{10, 0}},
		"a largest size":                   {habits: habits{most: 10}, rows: 40, size: 20, limits: [2]int{0, 10}},
		"a largest size, behind the first": {habits: habits{most: 10}, rows: 40, number: 1, size: 20, limits: [2]int{0, 10}},
		"a largest size, at the end":       {habits: habits{most: 10}, rows: 25, number: 2, size: 12, limits: [2]int{0, 10}},
		"just the largest size":            {habits: habits{most: 10}, rows: 10, size: 20, want: 10},
		"a limit of bytes": {
			habits: habits{weight: 30}, rows: 40, number: 1, size: 20, limits: [2]int{0, 10},
		},
		"one short answer":                  {habits: habits{shortOnce: 4}, rows: 40, size: 20, want: 20},
		"404 past the end":                  {habits: habits{past: "404"}, rows: 40, number: 2, size: 20},
		"500 past the end":                  {habits: habits{past: "500"}, rows: 40, number: 2, size: 20},
		"the last page past the end, whole": {habits: habits{past: "last"}, rows: 40, number: 2, size: 20, want: 20},
		"the short last page past the end":  {habits: habits{past: "last"}, rows: 45, number: 4, size: 20},
		"a whole first page past the end":   {habits: habits{past: "first"}, rows: 45, number: 4, size: 20, want: 20},
		"the first page, and a short list":  {habits: habits{past: "first"}, rows: 5, number: 1, size: 20},
		"dropped rows": {
			habits: habits{dropped: dropped}, rows: 40, size: 50, reason: "short in the middle",
		},
		"every page the same": {
			habits: habits{ignored: true}, rows: 40, number: 1, size: 20, reason: "ignored",
		},
		"counted from 1":                 {habits: habits{first: 1, zero: "404"}, rows: 45, number: 2, size: 20, want: 5},
		"counted from 1, 500 for page 0": {habits: habits{first: 1, zero: "500"}, rows: 45, number: 2, size: 20, want: 5},
		"counted from 1, an empty page 0": {
			habits: habits{first: 1, zero: "empty"}, rows: 45, number: 2, size: 20, want: 5,
		},
		"counted from 1, first page as 0":   {habits: habits{first: 1}, rows: 45, number: 2, size: 20, want: 5},
		"counted from 1, first page, 1 row": {habits: habits{first: 1}, rows: 1, number: 1, size: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newModelList(test.habits, test.rows)
			v := verify.New(upstream.FirstPageAuto, func() time.Time { return noon })
			page, err := v.Page(t.Context(), 0, l.ask, l.ask, test.number, test.size)
			limits, _ := errors.AsType[*upstream.PageSizeError](err)
			switch e, _ := errors.AsType[*upstream.Error](err); {
			case test.limits != [2]int{}:
				if limits == nil || *limits != (upstream.PageSizeError{Least: test.limits[0], Most: test.limits[1]}) {
					t.Errorf("got %v\n%s", err, strings.Join(l.log, "\n"))
				}
			case test.reason != "":
				if e == nil || !strings.Contains(e.Reason, test.reason) {
					t.Errorf("got %v\n%s", err, strings.Join(l.log, "\n"))
				}
			case err != nil || len(page.Rows) != test.want || page.Number != test.number || page.Size != test.size:
				t.Errorf("%+v, %v\n%s", page, err, strings.Join(l.log, "\n"))
			default:
				if wrong := l.check(page); wrong != "" {
					t.Error(wrong)
				}
			}
		})
	}
}

// The verifier reports a finding once, looks again when it expires, reports a change, and keeps an old finding if it
// cannot look again.
func TestFindingsHaveATerm(t *testing.T) {
	now := noon
	l := newModelList(habits{}, 100)
	v := verify.New(upstream.FirstPageAuto, func() time.Time { return now })
	var reported []int
	v.FirstPage = func(number int) { reported = append(reported, number) }
	ask := func(name string, number, want int) {
		t.Helper()
		l.requests = 0
		page, err := v.Page(t.Context(), 0, l.ask, l.ask, number, 20)
		if err != nil || l.check(page) != "" || l.requests != want {
			t.Errorf("%s: %v, %d requests, want %d", name, err, l.requests, want)
		}
	}
	ask("cold", 2, 4)
	ask("known", 2, 1)
	now = now.Add(11 * time.Minute)
	ask("after its time", 2, 4)
	l.first = 1
	l.zero = "404"
	now = now.Add(11 * time.Minute)
	ask("changed, and page 0 refused", 0, 4)
	if !slices.Equal(reported, []int{0, 1}) {
		t.Errorf("reported %v", reported)
	}
	now = now.Add(11 * time.Minute)
	failing := func(context.Context, int, int) (*upstream.Page, error) {
		return nil, &upstream.Error{Kind: upstream.KindUnavailable, Status: 503}
	}
	if _, err := v.Page(t.Context(), 0, l.ask, failing, 2, 20); err != nil {
		t.Errorf("the old finding was not kept: %v", err)
	}
}

// The verifier reports the largest page size of a list, and 0 when it has found out that larger pages of that list come
// whole again. Larger pages of other lists show nothing about it, nor does a page that was requested before.
func TestTheLargestPageSizeIsReported(t *testing.T) {
	const filtered = upstream.OrderStatuses(1)
	now := noon
	l := newModelList(habits{}, 100)
	v := verify.New(upstream.FirstPageZero, func() time.Time { return now })
	var reported []int
	v.PageSize = func(rows int) { reported = append(reported, rows) }
	ask := func(step string, list upstream.OrderStatuses, most int, want ...int) {
		t.Helper()
		l.most = most
		_, err := v.Page(t.Context(), list, l.ask, l.ask, 0, 20)
		if limits, ok := errors.AsType[*upstream.PageSizeError](err); err != nil && !ok || ok && limits.Most != 10 {
			t.Errorf("%s: %v", step, err)
		}
		if !slices.Equal(reported, want) {
			t.Errorf("%s: reported %v, want %v", step, reported, want)
		}
		reported = nil
	}
	ask("whole", 0, 20)
	asked := func(ctx context.Context, number, size int) (*upstream.Page, error) {
		page, err := l.ask(ctx, number, size)
		ask("a limit", 0, 10, 10)
		return page, err
	}
	l.most = 20
	if _, err := v.Page(t.Context(), 0, asked, asked, 0, 20); err != nil || len(reported) > 0 {
		t.Errorf("requested before the limit: reported %v, %v", reported, err)
	}
	ask("known", 0, 20)
	ask("another list", filtered, 20)
	now = now.Add(11 * time.Minute)
	ask("another list, later", filtered, 20)
	ask("the limit again", 0, 10)
	now = now.Add(11 * time.Minute)
	ask("whole again", 0, 20, 0)
	ask("still whole", 0, 20)
	ask("another limit", filtered, 10, 10)
}

// Reading a list from its start takes one request more than its pages: a whole page 0 needs no number, and page 1 helps
// to find it.
func TestTheFirstPages(t *testing.T) {
	for _, test := range []struct {
		name     string
		habits   habits
		arrive   int // with each request
		size     int // of page 1
		requests int
	}{
		{"counted from 0", habits{}, 0, 18, 3},
		{"while calls arrive", habits{}, 1, 18, 3},
		{"without a row in common", habits{}, 0, 20, 5},
		{"where pages have at least 9 rows", habits{least: 9}, 0, 18, 7},
		{"counted from 1", habits{first: 1}, 0, 18, 8},
		{"counted from 1, page 0 refused", habits{first: 1, zero: "404"}, 0, 18, 5},
		{"counted from 1, page 0 empty", habits{first: 1, zero: "empty"}, 0, 18, 6},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newModelList(test.habits, 100)
			l.move = func() { l.insert(test.arrive) }
			v := verify.New(upstream.FirstPageAuto, func() time.Time { return noon })
			for number, size := range []int{20, test.size} {
				l.states = [][]string{l.rows}
				page, err := v.Page(t.Context(), 0, l.ask, l.ask, number, size)
				if err != nil || l.check(page) != "" {
					t.Errorf("page %d: %v\n%s", number, err, strings.Join(l.log, "\n"))
				}
			}
			if l.requests != test.requests {
				t.Errorf("%d requests, want %d\n%s", l.requests, test.requests, strings.Join(l.log, "\n"))
			}
		})
	}
}

// Another process can take over a process's findings, for as long as the first would trust them.
func TestFindingsAreCarried(t *testing.T) {
	now := noon
	clock := func() time.Time { return now }
	l := newModelList(habits{first: 1}, 100)
	before := verify.New(upstream.FirstPageAuto, clock)
	if _, ok := before.Findings(); ok {
		t.Error("a new Verifier has findings")
	}
	if _, err := l.page(t.Context(), before, 2, 20); err != nil {
		t.Fatal(err)
	}
	found, ok := before.Findings()
	if !ok || found.FirstPage != 1 {
		t.Fatalf("found %+v", found)
	}
	for _, test := range []struct {
		name     string
		later    time.Duration
		assume   verify.Findings
		requests int
	}{
		{"at once", 0, found, 1},
		{"minutes later", 9 * time.Minute, found, 1},
		{"too late", 11 * time.Minute, found, 5},
		{"the clock was set back", -time.Minute, found, 5},
		{"no number", 0, verify.Findings{FirstPage: 7, Until: noon.Add(time.Minute)}, 5},
	} {
		now = noon.Add(test.later)
		after := verify.New(upstream.FirstPageAuto, clock)
		after.Assume(test.assume)
		l.requests = 0
		page, err := l.page(t.Context(), after, 2, 20)
		if err != nil || l.check(page) != "" || l.requests != test.requests {
			t.Errorf("%s: %v, %d requests, want %d", test.name, err, l.requests, test.requests)
		}
	}
}

// Findings are carried for as long as the process trusts all of them, and without the one that it trusts no more.
func TestExpiredFindingsAreNotCarried(t *testing.T) {
	now := noon
	l := newModelList(habits{}, 90)
	v := verify.New(upstream.FirstPageAuto, func() time.Time { return now })
	v.Assume(verify.Findings{Until: noon.Add(time.Minute)})
	later := func(minutes int, exact, until int) {
		t.Helper()
		now = noon.Add(time.Duration(minutes) * time.Minute)
		if f, ok := v.Findings(); !ok || f.Exact != exact || !f.Until.Equal(noon.Add(time.Duration(until)*time.Minute)) {
			t.Errorf("after %d minutes: %+v, %v", minutes, f, ok)
		}
	}
	read := func(number int) {
		t.Helper()
		if page, err := l.page(t.Context(), v, number, 20); err != nil || l.check(page) != "" {
			t.Fatal(err)
		}
	}
	later(0, 0, 1)
	read(4) // the end shows the smallest page size
	later(0, 1, 1)
	now = noon.Add(9 * time.Minute)
	l.remove(1, 89)
	read(0) // a list of one call shows the first page only
	later(9, 1, 10)
	later(10, 0, 19)
}

// The verifier does not take a refused page size for the end of the list.
func TestARefusedSizeIsNoEnd(t *testing.T) {
	l := newModelList(habits{}, 100)
	v := verify.New(upstream.FirstPageZero, func() time.Time { return noon })
	refusal := &upstream.Error{Kind: upstream.KindInvalidResponse, Status: 422}
	ask := func(ctx context.Context, number, size int) (*upstream.Page, error) {
		if size > 10 {
			return nil, refusal
		}
		return l.ask(ctx, number, size)
	}
	if _, err := v.Page(t.Context(), 0, ask, ask, 1, 20); !errors.Is(err, refusal) {
		t.Errorf("got %v", err)
	}
}

// A transient failure of page 0 decides nothing.
func TestAPassingFailureDoesNotTellTheFirstPage(t *testing.T) {
	for _, zero := range []string{"500", "empty"} {
		t.Run(zero, func(t *testing.T) {
			l := newModelList(habits{}, 100)
			v := verify.New(upstream.FirstPageAuto, func() time.Time { return noon })
			first := true
			ask := func(ctx context.Context, number, size int) (*upstream.Page, error) {
				if first {
					first = false
					if zero == "500" {
						return nil, &upstream.Error{Kind: upstream.KindUnavailable, Status: 500}
					}
					return &upstream.Page{Number: number, Size: size}, nil
				}
				return l.ask(ctx, number, size)
			}
			page, err := v.Page(t.Context(), 0, ask, ask, 1, 20)
			if err != nil || l.check(page) != "" {
				t.Errorf("%+v, %v", page, err)
			}
		})
	}
}

// Calls that arrive during the probe for the number of the first page do not make it wrong.
func TestTheFirstPageOfAMovingList(t *testing.T) {
	for _, h := range []habits{{}, {first: 1}, {first: 1, zero: "404"}, {first: 1, zero: "empty"}} {
		for _, rows := range []int{0, 1, 3, 10, 40} {
			for _, calls := range []int{1, 4, 50} {
				for at := 1; at <= 5; at++ {
					l := newModelList(h, rows)
					l.move = func() {
						if l.requests == at {
							l.insert(calls)
						}
					}
					v := verify.New(upstream.FirstPageAuto, func() time.Time { return noon })
					page, err := l.page(t.Context(), v, 0, 20)
					if err != nil {
						t.Errorf("%+v, %d rows and %d more at request %d: %v", h, rows, calls, at, err)
					} else if wrong := l.check(page); wrong != "" {
						t.Errorf("%+v, %d rows and %d more at request %d: %s", h, rows, calls, at, wrong)
					}
				}
			}
		}
	}
}

// The verifier finds the number of the first page in a list that grows with every request: 20 calls per second, and an
// upstream that takes 350 ms to respond.
func TestTheFirstPageOfABusyList(t *testing.T) {
	for _, h := range []habits{{}, {first: 1}, {first: 1, zero: "404"}, {first: 1, zero: "empty"}} {
		for calls := 1; calls <= 7; calls++ {
			l := newModelList(h, 200)
			l.move = func() { l.insert(calls) }
			v := verify.New(upstream.FirstPageAuto, func() time.Time { return noon })
			if page, err := v.Page(t.Context(), 0, l.ask, l.ask, 2, 20); err != nil {
				t.Errorf("%+v, %d calls: %v", h, calls, err)
			} else if page.Number != 2 || len(page.Rows) != 20 {
				t.Errorf("%+v, %d calls: %+v", h, calls, page)
			}
		}
	}
}

// Page 1 is empty because the list is empty for a moment: that does not show that pages are counted from 0.
func TestAListThatIsEmptyForAMoment(t *testing.T) {
	l := newModelList(habits{first: 1}, 3)
	l.move = func() {
		switch l.requests {
		case 2:
			l.remove(0, 3)
		case 3:
			l.insert(40)
		}
	}
	v := verify.New(upstream.FirstPageAuto, func() time.Time { return noon })
	page, err := v.Page(t.Context(), 0, l.ask, l.ask, 1, 10)
	if err != nil || len(page.Rows) != 10 || l.check(page) != "" {
		t.Errorf("%+v, %v\n%s", page, err, strings.Join(l.log, "\n"))
	}
}

// Upstream refuses a page past the end, but the list has grown to that page before the verifier looks for its first
// row.
func TestAListThatGrowsToARefusedPage(t *testing.T) {
	l := newModelList(habits{past: "404"}, 30)
	v := verify.New(upstream.FirstPageZero, func() time.Time { return noon })
	ask := func(ctx context.Context, number, size int) (*upstream.Page, error) {
		page, err := l.ask(ctx, number, size)
		if l.requests == 1 {
			l.insert(20)
		}
		return page, err
	}
	page, err := v.Page(t.Context(), 0, ask, ask, 2, 20)
	if err != nil || len(page.Rows) != 10 || l.check(page) != "" {
		t.Errorf("%+v, %v\n%s", page, err, strings.Join(l.log, "\n"))
	}
}

// If the check of a rejection fails, the page may not be past the end. The error is then that of the check, which says
// more: a client that has gone is no failure of upstream, and a 429 has a Retry-After.
func TestARejectionThatCannotBeChecked(t *testing.T) {
	for _, want := range []error{context.Canceled, &upstream.Error{Kind: upstream.KindRateLimited, Status: 429}} {
		for checks := range 2 { // of the first page, and of another page that begins with the same row
			l := newModelList(habits{past: "404"}, 30)
			v := verify.New(upstream.FirstPageZero, func() time.Time { return noon })
			ask := func(ctx context.Context, number, size int) (*upstream.Page, error) {
				if l.requests > checks {
					return nil, want
				}
				return l.ask(ctx, number, size)
			}
			if page, err := v.Page(t.Context(), 0, ask, ask, 2, 20); !errors.Is(err, want) {
				t.Errorf("%d checks: %v, %v, want %v", checks, page, err, want)
			}
		}
	}
}

// During the probe, a list shrinks to one page, which upstream serves for every number.
func TestAListThatShrinksToOnePage(t *testing.T) {
	l := newModelList(habits{first: 1, past: "last"}, 12)
	v := verify.New(upstream.FirstPageAuto, func() time.Time { return noon })
	ask := func(ctx context.Context, number, size int) (*upstream.Page, error) {
		page, err := l.ask(ctx, number, size)
		if l.requests == 1 {
			l.remove(1, 8)
		}
		return page, err
	}
	page, err := v.Page(t.Context(), 0, ask, ask, 0, 20)
	if err != nil || len(page.Rows) != 4 {
		t.Errorf("%+v, %v\n%s", page, err, strings.Join(l.log, "\n"))
	}
}

// Pages 0 and 1 of an empty list are empty, and page 0 stays empty if pages are counted from 1: calls that have arrived
// are on page 1. So the empty page is as old as the first response.
func TestAnEmptyListIsAsOldAsItsProbe(t *testing.T) {
	now := noon
	l := newModelList(habits{first: 1, zero: "empty"}, 0)
	v := verify.New(upstream.FirstPageAuto, func() time.Time { return now })
	ask := func(ctx context.Context, number, size int) (*upstream.Page, error) {
		asked := now
		page, err := l.ask(ctx, number, size)
		if now = now.Add(time.Second); number == 1 {
			l.insert(9)
		}
		if page != nil {
			page.AskedAt = asked
		}
		return page, err
	}
	page, err := v.Page(t.Context(), 0, ask, ask, 0, 20)
	if err != nil || len(page.Rows) > 0 || !page.AskedAt.Equal(noon) {
		t.Errorf("%+v, %v", page, err)
	}
}

// An empty page past the end shows that upstream serves no page again there only if the list had rows at that moment.
func TestAnEmptyListDoesNotTellWhatComesPastTheEnd(t *testing.T) {
	const rows = 55 // its last page of four rows and its last page of two end with the same row
	type pages func(number, size int) *upstream.Page
	tests := map[string]struct {
		begin func(list *modelList, page pages)
		far   bool // the list without a filter is empty during the request for a page far past its end
	}{
		"the list is empty, and the list without a filter has a row": {begin: func(_ *modelList, page pages) {
			page(48, 4)
			page(16, 4)
		}},
		"the list had rows, and has none any more": {begin: func(list *modelList, page pages) {
			list.insert(20)
			page(0, 20)
			list.remove(0, 20)
			page(3, 4)
		}},
		"the list is empty for a moment": {far: true, begin: func(list *modelList, page pages) {
			list.insert(5)
			page(1, 4)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			list, whole := newModelList(habits{past: "last"}, 0), newModelList(habits{past: "last"}, 2)
			emptied := !test.far
			askWhole := func(ctx context.Context, number, size int) (*upstream.Page, error) {
				if number == upstream.FarPage && !emptied {
					emptied = true
					rows := whole.rows
					whole.remove(0, len(rows))
					defer whole.insert(len(rows))
				}
				return whole.ask(ctx, number, size)
			}
			v := verify.New(upstream.FirstPageZero, func() time.Time { return noon })
			page := func(number, size int) *upstream.Page {
				page, err := v.Page(t.Context(), 1, list.ask, askWhole, number, size)
				if err != nil {
					t.Errorf("page (%d,%d): %v", number, size, err)
				}
				return page
			}
			test.begin(list, page)
			list.insert(rows - len(list.rows))
			whole.insert(rows)
			if page := page(48, 4); page == nil || len(page.Rows) > 0 {
				t.Errorf("got %+v\n%s\n\n%s", page, strings.Join(list.log, "\n"), strings.Join(whole.log, "\n"))
			}
		})
	}
}

// A known end of a list does not hide that upstream has begun to serve smaller pages.
func TestAKnownEndAndSmallerPages(t *testing.T) {
	tests := map[string]struct {
		rows, number, size, most int
		move                     func(l *modelList)
	}{
		"the list has lost a row, and the page begins a row before its place": {
			rows: 26, number: 1, size: 21, most: 20, move: func(l *modelList) { l.remove(0, 1) },
		},
		"the last call is sorted again to just where the page is cut": {
			rows: 12, number: 0, size: 20, most: 12, move: func(l *modelList) {
				l.rows = slices.Insert(l.rows[:11:11], 5, l.rows[11])
				l.insert(6)
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newModelList(habits{}, test.rows)
			v := verify.New(upstream.FirstPageZero, func() time.Time { return noon })
			page, err := v.Page(t.Context(), 0, l.ask, l.ask, test.number, test.size)
			if err != nil || l.check(page) != "" {
				t.Fatalf("%+v, %v", page, err)
			}
			test.move(l)
			l.most = test.most
			page, err = v.Page(t.Context(), 0, l.ask, l.ask, test.number, test.size)
			if limits, ok := errors.AsType[*upstream.PageSizeError](err); !ok || limits.Most != test.most {
				t.Errorf("%+v, %v\n%s", page, err, strings.Join(l.log, "\n"))
			}
		})
	}
}

// Upstream begins to serve smaller pages, and a cut page begins before its place. Then the list grows by so many rows
// that a second cut page could end with the same call at the same wrong place.
func TestAnEndAndSmallerPages(t *testing.T) {
	const most = 12
	for grows := range 12 {
		l := newModelList(habits{}, 35)
		v := verify.New(upstream.FirstPageZero, func() time.Time { return noon })
		if page, err := v.Page(t.Context(), 0, l.ask, l.ask, 0, 16); err != nil || len(page.Rows) != 16 {
			t.Fatalf("%+v, %v", page, err)
		}
		l.most = most
		before := l.requests
		ask := func(ctx context.Context, number, size int) (*upstream.Page, error) {
			page, err := l.ask(ctx, number, size)
			if l.requests == before+1 {
				l.insert(grows)
			}
			return page, err
		}
		page, err := v.Page(t.Context(), 0, ask, ask, 2, 15)
		if err == nil && l.check(page) == "" {
			continue // the list has grown to so many rows
		}
		if limits, ok := errors.AsType[*upstream.PageSizeError](err); !ok || limits.Most != most {
			t.Errorf("it grows by %d: %+v, %v\n%s", grows, page, err, strings.Join(l.log, "\n"))
		}
	}
}
