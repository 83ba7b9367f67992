package fake_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"revox-graphql/upstream/fake"
)

// response is what a client reads from the network.
type response struct {
	status int
	header http.Header
	body   []byte
}

// serve serves u over HTTP until the test is over, and returns a function that sends requests to it.
func serve(t *testing.T, u *fake.Upstream) func(query string) response {
	t.Helper()
	server := httptest.NewServer(u)
	t.Cleanup(server.Close)
	return func(query string) response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/call?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Body.Close() }()
		body, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response{status: w.StatusCode, header: w.Header, body: body}
	}
}

// places returns where the rows of a response stand in the list; an id that is not in it has place -1.
func (a response) places(t *testing.T, list []string) []int {
	t.Helper()
	var body struct {
		Calls []row `json:"calls"`
	}
	strict(t, a.body, &body)
	at := make([]int, len(body.Calls))
	for i, r := range body.Calls {
		at[i] = slices.Index(list, r.ID)
	}
	return at
}

// span returns the numbers from from to to-1.
func span(from, to int) []int {
	numbers := []int{}
	for n := from; n < to; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

func TestPastEnd(t *testing.T) {
	const calls = 22
	const errorBody = `{"error":{"code":"CODE","message":"page: the list has fewer pages."}}`
	failure := func(code string) string { return strings.Replace(errorBody, "CODE", code, 1) }
	const empty = `{"calls":[]}`
	tests := []struct {
		name   string
		past   string
		change func(*fake.Behaviour)
		calls  int
		query  string
		status int
		body   string // "": a list with the rows
		rows   []int
	}{
		{name: "an empty list", past: "", calls: calls, query: "page=6&page_size=4", status: 200, body: empty},
		{
			name: "400", past: "400", calls: calls,
			query: "page=6&page_size=4", status: 400, body: failure("bad_request"),
		},
		{name: "404", past: "404", calls: calls, query: "page=6&page_size=4", status: 404, body: failure("not_found")},
		{
			name: "422", past: "422", calls: calls,
			query: "page=6&page_size=4", status: 422, body: failure("validation_error"),
		},
		{
			name: "500", past: "500", calls: calls, query: "page=6&page_size=4",
			status: 500, body: failure("internal_server_error"),
		},
		{name: "null", past: "null", calls: calls, query: "page=6&page_size=4", status: 200, body: `{"calls":null}`},
		{name: "last", past: "last", calls: calls, query: "page=6&page_size=4", status: 200, rows: span(20, 22)},
		{
			name: "last of full pages", past: "last", calls: 8,
			query: "page=2&page_size=4", status: 200, rows: span(4, 8),
		},
		{
			name: "last from far", past: "last", calls: calls,
			query: "page=999999999999&page_size=4", status: 200, rows: span(20, 22),
		},
		{
			name: "last where the product overflows", past: "last", calls: calls,
			query: "page=4611686018427387904&page_size=4", status: 200, rows: span(20, 22),
		},
		{name: "first", past: "first", calls: calls, query: "page=6&page_size=4", status: 200, rows: span(0, 4)},
		{
			name: "a page larger than the list", past: "last", calls: 3,
			query: "page=1&page_size=50", status: 200, rows: span(0, 3),
		},
		{
			name: "the last page is not past the end", past: "404", calls: calls,
			query: "page=5&page_size=4", status: 200, rows: span(20, 22),
		},
		{
			name: "the last full page is not", past: "404", calls: 8,
			query: "page=1&page_size=4", status: 200, rows: span(4, 8),
		},
		{
			name: "the first page of an empty list is not", past: "404",
			query: "page=0&page_size=4", status: 200, body: empty,
		},
		{
			name: "the second page of an empty list is", past: "404",
			query: "page=1&page_size=4", status: 404, body: failure("not_found"),
		},
		{name: "last of an empty list", past: "last", query: "page=1&page_size=4", status: 200, body: empty},
		{name: "first of an empty list", past: "first", query: "page=1&page_size=4", status: 200, body: empty},
		{
			name: "pages from 1", past: "404", change: func(b *fake.Behaviour) { b.FirstPage = 1 }, calls: calls,
			query: "page=6&page_size=4", status: 200, rows: span(20, 22),
		},
		{
			name: "pages from 1, past the end", past: "404", change: func(b *fake.Behaviour) { b.FirstPage = 1 }, calls: calls,
			query: "page=7&page_size=4", status: 404, body: failure("not_found"),
		},
		{
			name: "page 1 of an empty list with pages from 1", past: "404", change: func(b *fake.Behaviour) { b.FirstPage = 1 },
			query: "page=1&page_size=4", status: 200, body: empty,
		},
		{
			name: "page ignored", past: "404", change: func(b *fake.Behaviour) { b.IgnorePage = true }, calls: calls,
			query: "page=6&page_size=4", status: 200, rows: span(0, 4),
		},
		{
			name: "a page of which every row is dropped is not", past: "404", change: func(b *fake.Behaviour) { b.Drop = 1 },
			calls: calls, query: "page=5&page_size=4", status: 200, body: empty,
		},
		{
			name: "last, cut where the page size is raised", past: "last",
			change: func(b *fake.Behaviour) { b.LeastPageSize = 5 }, calls: calls,
			query: "page=9&page_size=4", status: 200, rows: span(20, 22),
		},
		{
			name: "past the end that the replica knows", past: "last",
			change: func(b *fake.Behaviour) { b.Lag = func(int) int { return 3 } }, calls: calls,
			query: "page=5&page_size=4", status: 200, rows: span(19, 22),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := fake.New(fake.Config{Seed: 1, Calls: tt.calls, Now: still})
			u.Behave(func(b *fake.Behaviour) {
				b.PastEnd = tt.past
				if tt.change != nil {
					tt.change(b)
				}
			})
			got := serve(t, u)(tt.query)
			if got.status != tt.status {
				t.Fatalf("%d %s, expected %d", got.status, got.body, tt.status)
			}
			if tt.body != "" {
				if string(got.body) != tt.body {
					t.Errorf("%s, expected %s", got.body, tt.body)
				}
			} else if places := got.places(t, u.IDs()); !slices.Equal(places, tt.rows) {
				t.Errorf("rows %v, expected %v", places, tt.rows)
			}
			if r := u.Requests()[0]; r.Status != tt.status || r.Rows != len(tt.rows) {
				t.Errorf("recorded %+v", r)
			}
		})
	}
}

func TestPastEndWithoutContent(t *testing.T) {
	u := fake.New(fake.Config{Seed: 1, Calls: 22, Now: still})
	u.Behave(func(b *fake.Behaviour) { b.PastEnd = "204" })
	get := serve(t, u)
	got := get("page=6&page_size=4")
	if got.status != 204 || len(got.body) != 0 {
		t.Errorf("%d %q", got.status, got.body)
	}
	if got.header["Content-Type"] != nil || got.header["Content-Length"] != nil {
		t.Errorf("%d %v %q", got.status, got.header, got.body)
	}
	if got := get("page=5&page_size=4"); got.status != 200 || len(got.places(t, u.IDs())) != 2 {
		t.Errorf("the answer after it: %d %s", got.status, got.body)
	}
}

// TestPastEndOfAFilter: with a filter the end is that of the filtered list.
func TestPastEndOfAFilter(t *testing.T) {
	const size = 4
	u := fake.New(fake.Config{Seed: 1, Calls: 60, Now: still})
	list := u.IDs("errored")
	if len(list) < 2*size {
		t.Fatalf("only %d calls of the filter", len(list))
	}
	pages := (len(list) + size - 1) / size
	last := span((pages-1)*size, len(list))
	tests := []struct {
		name   string
		past   string
		page   int
		status int
		rows   []int
	}{
		{name: "the last page", past: "404", page: pages - 1, status: 200, rows: last},
		{name: "404", past: "404", page: pages, status: 404},
		{name: "last", past: "last", page: pages, status: 200, rows: last},
		{name: "last from far", past: "last", page: pages + 30, status: 200, rows: last},
		{name: "first", past: "first", page: pages, status: 200, rows: span(0, size)},
		{name: "an empty list", past: "", page: pages, status: 200, rows: []int{}},
	}
	for _, swap := range []bool{false, true} {
		for _, tt := range tests {
			name := tt.name
			if swap {
				name += ", ties swapped"
			}
			t.Run(name, func(t *testing.T) {
				u.Behave(func(b *fake.Behaviour) { b.PastEnd, b.SwapTies = tt.past, swap })
				u.ResetRequests()
				get := serve(t, u)
				query := "page_size=4&statuses=errored&page="
				if swap {
					get(query + "0") // the next response is number 2
				}
				got := get(query + strconv.Itoa(tt.page))
				if got.status != tt.status {
					t.Fatalf("%d %s", got.status, got.body)
				}
				if tt.status != 200 {
					return
				}
				if places := slices.Sorted(slices.Values(got.places(t, list))); !slices.Equal(places, tt.rows) {
					t.Errorf("rows %v, expected %v", places, tt.rows)
				}
			})
		}
	}
}

func TestPageZero(t *testing.T) {
	tests := []struct {
		name    string
		first   int
		zero    int
		lenient bool
		page    string
		status  int
		rows    []int
	}{
		{name: "500", first: 1, zero: 500, page: "0", status: 500},
		{name: "404", first: 1, zero: 404, page: "0", status: 404},
		{name: "before lenient", first: 1, zero: 404, lenient: true, page: "0", status: 404},
		{name: "without it", first: 1, page: "0", status: 422},
		{name: "page 1", first: 1, zero: 500, page: "1", status: 200, rows: span(0, 4)},
		{name: "page -1", first: 1, zero: 500, page: "-1", status: 422},
		{name: "page -1, lenient", first: 1, zero: 500, lenient: true, page: "-1", status: 200, rows: span(0, 4)},
		{name: "page is text", first: 1, zero: 500, page: "x", status: 422},
		{name: "pages from 0", first: 0, zero: 500, page: "0", status: 200, rows: span(0, 4)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := fake.New(fake.Config{Seed: 1, Calls: 9, Now: still})
			u.Behave(func(b *fake.Behaviour) { b.FirstPage, b.PageZero, b.LenientPage = tt.first, tt.zero, tt.lenient })
			got := serve(t, u)("page_size=4&page=" + tt.page)
			if got.status != tt.status {
				t.Fatalf("%d %s, expected %d", got.status, got.body, tt.status)
			}
			if tt.status != 200 {
				var body struct {
					Error struct{ Code, Message string }
				}
				strict(t, got.body, &body)
				if body.Error.Code == "" || body.Error.Message == "" {
					t.Errorf("no error: %s", got.body)
				}
			} else if places := got.places(t, u.IDs()); !slices.Equal(places, tt.rows) {
				t.Errorf("rows %v, expected %v", places, tt.rows)
			}
		})
	}
}

// TestPageHabits sends each request as often as there are lists of rows, and expects these in turn.
func TestPageHabits(t *testing.T) {
	swapped := []int{1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14, 17, 16, 19, 18, 21, 20}
	swap := func(b *fake.Behaviour) { b.SwapTies = true }
	drop := func(b *fake.Behaviour) { b.Drop = 5 }
	tests := []struct {
		name   string
		change func(*fake.Behaviour)
		query  string
		rows   [][]int
	}{
		{
			name: "raised", change: func(b *fake.Behaviour) { b.LeastPageSize = 5 },
			query: "page=2&page_size=4", rows: [][]int{span(10, 15)},
		},
		{
			name: "not raised", change: func(b *fake.Behaviour) { b.LeastPageSize = 4 },
			query: "page=2&page_size=4", rows: [][]int{span(8, 12)},
		},
		{
			name: "raised and lowered", change: func(b *fake.Behaviour) { b.LeastPageSize, b.MaxPageSize = 5, 3 },
			query: "page=2&page_size=2", rows: [][]int{span(6, 9)},
		},

		{
			name: "swapped", change: swap,
			query: "page=0&page_size=22", rows: [][]int{span(0, 22), swapped, span(0, 22), swapped},
		},
		{
			name: "swapped, page of whole pairs", change: swap,
			query: "page=1&page_size=4", rows: [][]int{span(4, 8), swapped[4:8]},
		},
		{
			name: "swapped, pairs cut at the end", change: swap,
			query: "page=0&page_size=3", rows: [][]int{span(0, 3), {1, 0, 3}},
		},
		{
			name: "swapped, pairs cut at the head", change: swap,
			query: "page=1&page_size=3", rows: [][]int{span(3, 6), {2, 5, 4}},
		},
		{name: "swapped, one row", change: swap, query: "page=7&page_size=1", rows: [][]int{{7}, {6}}},
		{name: "swapped, the last page", change: swap, query: "page=3&page_size=7", rows: [][]int{{21}, {20}}},
		{name: "swapped, past the end", change: swap, query: "page=2&page_size=11", rows: [][]int{{}, {}}},
		{
			name:   "swapped, an odd list",
			change: func(b *fake.Behaviour) { b.SwapTies, b.Lag = true, func(int) int { return 1 } },
			query:  "page=4&page_size=5", rows: [][]int{{21}, {21}},
		},
		{
			name:   "swapped where the order is another",
			change: func(b *fake.Behaviour) { b.SwapTies, b.Order = true, "reversed" },
			query:  "page=0&page_size=3", rows: [][]int{{21, 20, 19}, {20, 21, 18}},
		},

		{name: "dropped", change: drop, query: "page=0&page_size=22", rows: [][]int{
			{0, 1, 3, 4, 5, 6, 8, 9, 10, 11, 13, 14, 15, 16, 18, 19, 20, 21},
		}},
		{name: "dropped, page 0", change: drop, query: "page=0&page_size=4", rows: [][]int{{0, 1, 3}, {0, 1, 3}}},
		{name: "dropped, page 1", change: drop, query: "page=1&page_size=4", rows: [][]int{{4, 5, 6}}},
		{name: "dropped, a whole page", change: drop, query: "page=2&page_size=4", rows: [][]int{{8, 9, 10, 11}}},
		{name: "dropped, all of a page", change: drop, query: "page=7&page_size=1", rows: [][]int{{}}},
		{
			name:   "dropped, the same calls in another order",
			change: func(b *fake.Behaviour) { b.Drop, b.Order = 5, "reversed" },
			query:  "page=0&page_size=7", rows: [][]int{{21, 20, 19, 18, 16, 15}},
		},

		{
			name: "one answer is short", change: func(b *fake.Behaviour) {
				b.Short = func(n, rows int) int {
					if n == 2 {
						return rows - 3
					}
					return rows
				}
			},
			query: "page=1&page_size=5", rows: [][]int{span(5, 10), {5, 6}, span(5, 10)},
		},
		{
			name: "short counts after dropping", change: func(b *fake.Behaviour) {
				b.Drop, b.Short = 5, func(_, rows int) int { return rows - 1 }
			},
			query: "page=0&page_size=4", rows: [][]int{{0, 1}},
		},
		{
			name: "more than there are", change: func(b *fake.Behaviour) { b.Short = func(_, rows int) int { return rows + 7 } },
			query: "page=5&page_size=4", rows: [][]int{{20, 21}},
		},
		{
			name: "fewer than none", change: func(b *fake.Behaviour) { b.Short = func(int, int) int { return -1 } },
			query: "page=0&page_size=4", rows: [][]int{{}},
		},

		{
			name: "behind for one response", change: func(b *fake.Behaviour) {
				b.Lag = func(n int) int { return []int{0, 0, 3, 0}[n] }
			},
			query: "page=1&page_size=4", rows: [][]int{span(4, 8), span(7, 11), span(4, 8)},
		},
		{
			name: "behind, the last page", change: func(b *fake.Behaviour) { b.Lag = func(int) int { return 3 } },
			query: "page=4&page_size=4", rows: [][]int{span(19, 22)},
		},
		{
			name: "behind by everything", change: func(b *fake.Behaviour) { b.Lag = func(int) int { return 22 } },
			query: "page=0&page_size=4", rows: [][]int{{}},
		},
		{
			name: "ahead", change: func(b *fake.Behaviour) { b.Lag = func(int) int { return -2 } },
			query: "page=0&page_size=4", rows: [][]int{span(0, 4)},
		},
		{
			name: "behind where the newest stand last", change: func(b *fake.Behaviour) {
				b.Order, b.Lag = "reversed", func(int) int { return 3 }
			},
			query: "page=4&page_size=4", rows: [][]int{{5, 4, 3}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := fake.New(fake.Config{Seed: 1, Calls: 22, Now: still})
			list := u.IDs()
			u.Behave(tt.change)
			get := serve(t, u)
			for i, want := range tt.rows {
				got := get(tt.query)
				if places := got.places(t, list); got.status != 200 || !slices.Equal(places, want) {
					t.Errorf("answer %d: %d, rows %v, expected %v", i+1, got.status, places, want)
				}
			}
		})
	}
}

// TestPageHabitsOfAFilter: the switches apply to the filtered list, but Drop and Lag leave out the same calls as
// without a filter.
func TestPageHabitsOfAFilter(t *testing.T) {
	u := fake.New(fake.Config{Seed: 1, Calls: 60, Now: still})
	all, list := u.IDs(), u.IDs("completed")
	// left returns places without those whose call, by its place among all calls, is gone.
	left := func(places []int, gone func(place int) bool) []int {
		return slices.DeleteFunc(places, func(i int) bool { return gone(slices.Index(all, list[i])) })
	}
	late := func(place int) bool { return place < 9 }
	tests := []struct {
		name   string
		change func(*fake.Behaviour)
		query  string
		rows   [][]int
	}{
		{
			name: "swapped", change: func(b *fake.Behaviour) { b.SwapTies = true },
			query: "page=1&page_size=3", rows: [][]int{span(3, 6), {2, 5, 4}},
		},
		{
			name: "dropped", change: func(b *fake.Behaviour) { b.Drop = 3 }, query: "page=1&page_size=9",
			rows: [][]int{left(span(9, 18), func(place int) bool { return (60-place)%3 == 0 })},
		},
		{
			name: "behind", change: func(b *fake.Behaviour) { b.Lag = func(int) int { return 9 } }, query: "page=0&page_size=9",
			rows: [][]int{left(span(0, len(list)), late)[:9]},
		},
		{
			name: "raised", change: func(b *fake.Behaviour) { b.LeastPageSize = 7 }, query: "page=1&page_size=2",
			rows: [][]int{span(7, 14)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u.Behave(func(b *fake.Behaviour) {
				*b = fake.Behaviour{}
				tt.change(b)
			})
			u.ResetRequests()
			get := serve(t, u)
			for i, want := range tt.rows {
				got := get(tt.query + "&statuses=completed")
				if places := got.places(t, list); got.status != 200 || !slices.Equal(places, want) {
					t.Errorf("answer %d: %d, rows %v, expected %v", i+1, got.status, places, want)
				}
			}
		})
	}
}

func TestMaxPageBytes(t *testing.T) {
	rows := []json.RawMessage{[]byte(`{"id":"a"}`), []byte(`{"id":"bcd"}`), []byte(`{"id":"e"}`), []byte(`{"id":"f"}`)}
	tests := []struct {
		name  string
		most  int
		query string
		body  string
	}{
		{
			name: "no limit", most: 0,
			query: "page=0&page_size=3", body: `{"calls":[{"id":"a"},{"id":"bcd"},{"id":"e"}]}`,
		},
		{
			name: "all of them", most: 32,
			query: "page=0&page_size=3", body: `{"calls":[{"id":"a"},{"id":"bcd"},{"id":"e"}]}`,
		},
		{name: "one byte less", most: 31, query: "page=0&page_size=3", body: `{"calls":[{"id":"a"},{"id":"bcd"}]}`},
		{name: "two rows", most: 22, query: "page=0&page_size=3", body: `{"calls":[{"id":"a"},{"id":"bcd"}]}`},
		{name: "one row", most: 21, query: "page=0&page_size=3", body: `{"calls":[{"id":"a"}]}`},
		{name: "the first row always", most: 1, query: "page=0&page_size=3", body: `{"calls":[{"id":"a"}]}`},
		{
			name: "the next page begins where it does", most: 1,
			query: "page=1&page_size=2", body: `{"calls":[{"id":"e"}]}`,
		},
		{name: "past the end", most: 1, query: "page=2&page_size=2", body: `{"calls":[]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := fake.New(fake.Config{Now: still})
			u.SetRows(rows...)
			u.Behave(func(b *fake.Behaviour) { b.MaxPageBytes = tt.most })
			if got := serve(t, u)(tt.query); got.status != 200 || string(got.body) != tt.body {
				t.Errorf("%d %s, expected %s", got.status, got.body, tt.body)
			}
		})
	}
}

// TestMaxPageBytesOfCalls: the limit counts the bytes of rendered calls likewise.
func TestMaxPageBytesOfCalls(t *testing.T) {
	u := fake.New(fake.Config{Seed: 1, Calls: 22, Now: still})
	list := u.IDs()
	rows := page(t, u, 1, 8, "")
	size := 0
	for i, r := range rows[:5] {
		size += r.size
		for _, limit := range []struct{ most, rows int }{{size, i + 1}, {size - 1, max(i, 1)}} {
			u.Behave(func(b *fake.Behaviour) { b.MaxPageBytes = limit.most })
			got := serve(t, u)("page=1&page_size=8").places(t, list)
			if !slices.Equal(got, span(8, 8+limit.rows)) {
				t.Errorf("%d bytes: rows %v, expected %d", limit.most, got, limit.rows)
			}
		}
	}
}
