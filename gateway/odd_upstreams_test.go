package gateway

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"revox-graphql/upstream/fake"
)

// habit is something in which upstream is odd.
type habit struct {
	name   string
	calls  []int             // lengths of the list; nil is oddLengths
	env    map[string]string // settings that differ
	behave func(list *fake.Upstream, b *fake.Behaviour)
	slow   bool // a count takes many seconds
	// mayFail says that a query may end with an error. Otherwise it must be exact.
	mayFail bool
	// wanted are the calls that must be written, each once and in this order, if the exit status is 0; nil is the list.
	wanted func(t *testing.T, list *fake.Upstream) []string
	// others are the calls that may be written too, each once and anywhere; nil is none.
	others func(list *fake.Upstream) []string
}

// oddLengths are lengths of lists: without pages, on one page, at the end of a page, and of several.
var oddLengths = []int{0, 1, 15, 200, 1000, 1300}

// lengths are those of the lists that the habit is tried with.
func (h *habit) lengths() []int {
	if h.calls == nil {
		return oddLengths
	}
	return h.calls
}

// start serves a list of so many calls with the habit. The clock of the list stands still.
func (h *habit) start(t *testing.T, calls int) (list *fake.Upstream, env map[string]string) {
	t.Helper()
	list, env = startREST(t, calls)
	list.Behave(func(b *fake.Behaviour) { h.behave(list, b) })
	maps.Copy(env, h.env)
	return list, env
}

// firstPageSet is the setting with which nothing is found out about the first page.
func firstPageSet() map[string]string { return map[string]string{"GATEWAY_UPSTREAM_FIRST_PAGE": "0"} }

// switches makes a habit out of switches that need not know the list.
func switches(change func(b *fake.Behaviour)) func(*fake.Upstream, *fake.Behaviour) {
	return func(_ *fake.Upstream, b *fake.Behaviour) { change(b) }
}

// pageHabits are those of an upstream that serves all calls, and has its own way with the numbers and sizes of pages.
func pageHabits() (habits []habit) {
	for _, end := range []string{"", "400", "404", "422", "500", "204", "null", "last", "first"} {
		behave := switches(func(b *fake.Behaviour) { b.PastEnd = end })
		name := fmt.Sprintf("past the end %q", end)
		slow := end == "500" // which is asked for again, after a while
		habits = append(habits, habit{name: name, slow: slow, behave: behave})
		if slow {
			continue
		}
		habits = append(habits,
			habit{name: name + ", first page set", env: firstPageSet(), behave: behave},
			habit{
				name: name + ", pages from 1", calls: []int{1, 200, 1300},
				behave: switches(func(b *fake.Behaviour) { b.FirstPage, b.PastEnd = 1, end }),
			})
	}
	return append(habits,
		habit{name: "pages from 1", behave: switches(func(b *fake.Behaviour) { b.FirstPage = 1 })},
		habit{
			name:   "pages from 1, page 0 is a 404",
			behave: switches(func(b *fake.Behaviour) { b.FirstPage, b.PageZero = 1, 404 }),
		},
		habit{
			name: "pages from 1, page 0 is a 500", calls: []int{0, 1300}, // this is asked for again, after a while
			behave: switches(func(b *fake.Behaviour) { b.FirstPage, b.PageZero = 1, 500 }),
		},
		habit{
			name:   "pages from 1, page 0 is page 1",
			behave: switches(func(b *fake.Behaviour) { b.FirstPage, b.LenientPage = 1, true }),
		},
		habit{name: "at least 10 rows a page", behave: switches(func(b *fake.Behaviour) { b.LeastPageSize = 10 })},
		habit{name: "at most 50 rows a page", behave: switches(func(b *fake.Behaviour) { b.MaxPageSize = 50 })},
		habit{
			name:   "10 to 50 rows a page",
			behave: switches(func(b *fake.Behaviour) { b.LeastPageSize, b.MaxPageSize = 10, 50 }),
		},
		habit{name: "at most 300 kB a page", behave: switches(func(b *fake.Behaviour) { b.MaxPageBytes = 300_000 })},
		habit{
			name: "at most 50 rows a page, and the last page past the end", calls: []int{200, 1300},
			behave: switches(func(b *fake.Behaviour) { b.MaxPageSize, b.PastEnd = 50, "last" }),
		},
		habit{
			name: "at least 10 rows a page, and the first page past the end", calls: []int{200, 1300},
			behave: switches(func(b *fake.Behaviour) { b.LeastPageSize, b.PastEnd = 10, "first" }),
		},
	)
}

// afterRequests does something once, when so many requests have come.
func afterRequests(list *fake.Upstream, n int, do func(list *fake.Upstream)) func(int, *http.Request) *fake.Response {
	return func(request int, _ *http.Request) *fake.Response {
		if request == n {
			do(list)
		}
		return nil
	}
}

// walkHabits are further ones, which a walk down the list meets.
func walkHabits() []habit {
	habits := []habit{
		{
			name: "every page number is the first page", mayFail: true,
			behave: switches(func(b *fake.Behaviour) { b.IgnorePage = true }),
		},
		{
			name: "every page number is the first page, which is set", mayFail: true, env: firstPageSet(),
			behave: switches(func(b *fake.Behaviour) { b.IgnorePage = true }),
		},
		{
			name: "calls are listed twice", calls: []int{15, 200, 1300}, mayFail: true,
			behave: func(list *fake.Upstream, b *fake.Behaviour) {
				ids := list.IDs()
				b.ListTwice = []string{ids[3], ids[len(ids)-1]}
			},
			wanted: func(_ *testing.T, list *fake.Upstream) []string {
				ids := list.IDs()
				return ids[:len(ids)-2]
			},
		},
		{
			name: "neighbours change places from answer to answer", mayFail: true,
			behave: switches(func(b *fake.Behaviour) { b.SwapTies = true }),
		},
		{
			name:    "neighbours change places from answer to answer, first page set",
			mayFail: true, env: firstPageSet(),
			behave: switches(func(b *fake.Behaviour) { b.SwapTies = true }),
		},
	}
	for n := 3; n <= 12; n += 3 {
		habits = append(habits, habit{
			name: fmt.Sprintf("at most 50 rows a page from request %d on", n), calls: []int{200, 1300},
			behave: func(list *fake.Upstream, b *fake.Behaviour) {
				b.Fault = afterRequests(list, n, func(list *fake.Upstream) {
					list.Behave(func(b *fake.Behaviour) { b.MaxPageSize = 50 })
				})
			},
		})
	}
	for n := 1; n <= 12; n++ {
		for _, left := range []int{0, 7} {
			habits = append(habits, habit{
				name: fmt.Sprintf("answer %d has %d rows for once", n, left), calls: []int{15, 200, 1300}, mayFail: true,
				behave: switches(func(b *fake.Behaviour) {
					b.Short = func(request, rows int) int {
						if request == n {
							return left
						}
						return rows
					}
				}),
			})
		}
	}
	for _, every := range []int{2, 3, 7, 90, 600, 1000} {
		h := habit{
			name: fmt.Sprintf("one call in %d is left out of its page", every), mayFail: true,
			behave: switches(func(b *fake.Behaviour) { b.Drop = every }), wanted: shown,
		}
		habits = append(habits, h)
		h.name, h.env = h.name+", first page set", firstPageSet()
		habits = append(habits, h)
	}
	for _, order := range []string{"updated", "queued-first", "reversed", "started"} {
		habits = append(habits, habit{
			name: "in the order " + order, calls: []int{15, 1300},
			behave: switches(func(b *fake.Behaviour) { b.Order = order }),
		})
	}
	for _, late := range []int{1, 5, 40} {
		habits = append(habits, habit{
			name:  fmt.Sprintf("every second answer lacks the newest %d calls", late),
			calls: []int{200, 1300}, mayFail: true, env: firstPageSet(),
			behave: switches(func(b *fake.Behaviour) { b.Lag = func(n int) int { return n % 2 * late } }),
			wanted: func(_ *testing.T, list *fake.Upstream) []string { return list.IDs()[late:] },
			others: func(list *fake.Upstream) []string { return list.IDs()[:late] },
		})
	}
	return append(habits, movingHabits()...)
}

// movingHabits are lists of which calls change places while they are read: one call goes to the head, from so many rows
// ahead of the walk or behind it.
func movingHabits() (habits []habit) {
	for _, step := range []int{1, 2, 5} { // answers from one move to the next
		for _, ahead := range []int{-150, -30, -3, 3, 30, 150, 400} {
			moved := map[string]bool{}
			habits = append(habits, habit{
				name:  fmt.Sprintf("a call moves to the head every %d answers, from %+d rows of the walk", step, ahead),
				calls: []int{1300}, mayFail: true,
				behave: func(list *fake.Upstream, b *fake.Behaviour) {
					for _, id := range list.IDs() {
						moved[id] = false
					}
					b.Fault = func(n int, r *http.Request) *fake.Response {
						page, _ := strconv.Atoi(r.URL.Query().Get("page"))
						size, _ := strconv.Atoi(r.URL.Query().Get("page_size"))
						from := (page+1)*size + ahead
						ids := list.IDs()
						if n%step == 0 && size > 12 && from > 0 && from < len(ids) && list.Move(ids[from], 0) {
							moved[ids[from]] = true
						}
						return nil
					}
				},
				wanted: func(_ *testing.T, list *fake.Upstream) []string {
					return slices.DeleteFunc(list.IDs(), func(id string) bool { return moved[id] })
				},
				others: func(*fake.Upstream) (ids []string) {
					for id, has := range moved {
						if has {
							ids = append(ids, id)
						}
					}
					return ids
				},
			})
		}
	}
	return habits
}

// shown are the calls that upstream shows on one page that has room for all of them.
func shown(t *testing.T, list *fake.Upstream) []string {
	t.Helper()
	response := httptest.NewRecorder()
	const all = "/call?page=0&page_size=5000"
	list.ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), http.MethodGet, all, http.NoBody))
	var page struct{ Calls []struct{ ID string } }
	if err := json.Unmarshal(response.Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, call := range page.Calls {
		ids = append(ids, call.ID)
	}
	return ids
}

// check compares what was written with what should have been.
func (h *habit) check(t *testing.T, list *fake.Upstream, got []string) {
	t.Helper()
	want := list.IDs()
	if h.wanted != nil {
		want = h.wanted(t, list)
	}
	if h.others != nil {
		others := h.others(list)
		seen := map[string]bool{}
		got = slices.DeleteFunc(got, func(id string) bool {
			if slices.Contains(others, id) {
				if seen[id] {
					t.Errorf("%s came twice", id)
				}
				seen[id] = true
				return true
			}
			return false
		})
	}
	if slices.Equal(got, want) {
		return
	}
	times := map[string]int{}
	for _, id := range got {
		times[id]++
	}
	missing, twice := 0, 0
	for _, id := range want {
		if times[id] == 0 {
			missing++
		}
		twice += max(0, times[id]-1)
		delete(times, id)
	}
	t.Errorf("%d calls came and %d were expected: %d are missing, %d came twice, %d are others, or the order is another",
		len(got), len(want), missing, twice, len(times))
}

// Whatever upstream does, `query --all` writes each call once, or does not end with 0.
func TestOddUpstreams(t *testing.T) {
	for _, h := range append(pageHabits(), walkHabits()...) {
		for _, calls := range h.lengths() {
			t.Run(fmt.Sprintf("%s/%d", h.name, calls), func(t *testing.T) {
				t.Parallel()
				list, env := h.start(t, calls)
				out, log, status := runQuery(t, env, "--all", "--columns", "id")
				switch {
				case status != 0 && (status != 1 || log == ""):
					t.Errorf("the exit status is %d, and standard error %q", status, log)
				case status != 0 && !h.mayFail:
					t.Errorf("it failed: %s", log)
				case status == 0:
					var got []string
					for line := range strings.Lines(out) {
						var call struct{ ID string }
						if err := json.Unmarshal([]byte(line), &call); err != nil {
							t.Fatal(err)
						}
						got = append(got, call.ID)
					}
					h.check(t, list, got)
				}
				t.Logf("status %d after %d requests: %s", status, len(list.Requests()), log)
			})
		}
	}
}

// A walk during which calls change places continues, and ends with an error that says so.
func TestReorderedWalk(t *testing.T) {
	list, env := startREST(t, 1000)
	env["GATEWAY_CACHE_TTL"], env["GATEWAY_SCAN_CONCURRENCY"] = "0", "1"
	var mu sync.Mutex
	end := 0 // of the page that came before
	list.Behave(func(b *fake.Behaviour) {
		b.Fault = func(_ int, r *http.Request) *fake.Response {
			mu.Lock()
			defer mu.Unlock()
			if ids := list.IDs(); end > 100 && end <= len(ids) { // its last two calls
				list.Move(ids[end-1], end-2)
			}
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			size, _ := strconv.Atoi(r.URL.Query().Get("page_size"))
			end = (page + 1) * size
			return nil
		}
	})
	out, log, status := runQuery(t, env, "--all", "--columns", "id")
	reported := strings.Contains(log, "calls changed places during the walk, ") &&
		strings.Contains(log, " times: calls that moved may be missing from the output, or be there twice; run the "+
			"command again")
	if status != 1 || !reported {
		t.Errorf("%d: %s", status, log)
	}
	if n := strings.Count(out, "\n"); n < 900 {
		t.Errorf("it ended after %d calls", n)
	}
}

// Whatever upstream's pages are like, the list is counted and walked up, from the last call to the first.
func TestOddPages(t *testing.T) {
	for _, h := range pageHabits() {
		lengths := h.lengths()
		if h.slow {
			lengths = []int{200}
		}
		for _, calls := range lengths {
			t.Run(fmt.Sprintf("%s/%d", h.name, calls), func(t *testing.T) {
				t.Parallel()
				list, env := h.start(t, calls)
				p := start(t, env)
				want := fmt.Sprintf(`{"data":{"calls":{"totalCount":%d}}}`, calls)
				if got := p.query(t, "{ calls { totalCount } }"); got != want {
					t.Errorf("counted after %d requests: %s", len(list.Requests()), got)
				}
				counted := len(list.Requests())
				got, before := []string{}, "null"
				for more := true; more; {
					text := p.query(t, "{ calls(last: 20, before: "+before+
						") { nodes { id } pageInfo { hasPreviousPage startCursor } } }")
					var response struct {
						Data struct {
							Calls *struct {
								Nodes    []struct{ ID string }
								PageInfo struct {
									HasPreviousPage bool
									StartCursor     *string
								}
							}
						}
						Errors, Extensions json.RawMessage
					}
					err := json.Unmarshal([]byte(text), &response)
					if err != nil || response.Errors != nil || response.Extensions != nil {
						t.Fatalf("after %d calls: %v: %s", len(got), err, text)
					}
					var ids []string
					for _, node := range response.Data.Calls.Nodes {
						ids = append(ids, node.ID)
					}
					got = append(ids, got...)
					if more = response.Data.Calls.PageInfo.HasPreviousPage; more {
						before = strconv.Quote(*response.Data.Calls.PageInfo.StartCursor)
					}
				}
				h.check(t, list, got)
				t.Logf("%d requests to count, %d more to walk", counted, len(list.Requests())-counted)
			})
		}
	}
}
