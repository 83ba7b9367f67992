package graph_test

import (
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"revox-graphql/graph"
	"revox-graphql/graph/admission"
	"revox-graphql/graph/pagination"
	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
)

// A scan that is cut short is an answer: what was found until then, and where to go on.
func TestScansThatAreCutShort(t *testing.T) {
	const query = `query ($after: String) {
		calls(first: 100, after: $after, filter: {result: [HUMAN], durationSeconds: {min: 300}}) {
			nodes { id } pageInfo { hasNextPage endCursor } scan { examined stoppedBy complete }
		}
	}`
	for stoppedBy, test := range map[string]struct {
		options func(o *graph.Options)
		fault   func(n int, _ *http.Request) *fake.Response
	}{
		"SCAN_LIMIT": {options: func(o *graph.Options) { o.MaxUpstreamRequests = 3 }},
		"DEADLINE": {fault: func(n int, _ *http.Request) *fake.Response {
			if n > 3 {
				return &fake.Response{Status: http.StatusRequestTimeout}
			}
			return nil
		}},
	} {
		t.Run(stoppedBy, func(t *testing.T) {
			g := newGateway(t, gatewayOptions{calls: 1000, ttl: time.Minute, graph: func(o *graph.Options) {
				if test.options != nil {
					test.options(o)
				}
			}})
			g.fake.Behave(func(b *fake.Behaviour) { b.Fault = test.fault })
			a := g.query(t, query, nil)
			page := at(t, a.Data, "calls").(map[string]any)
			scan := page["scan"].(map[string]any)
			if len(a.Errors) > 0 || scan["stoppedBy"] != stoppedBy || scan["complete"] != false ||
				at(t, page, "pageInfo", "hasNextPage") != true || scan["examined"].(float64) >= 1000 {
				t.Fatalf("got %+v", a)
			}
			if stoppedBy != "DEADLINE" {
				return
			}
			// The same request finds more another time, and the rest is reached by the cursor.
			g.fake.Behave(func(b *fake.Behaviour) { b.Fault = nil })
			if again := g.query(t, query, nil); at(t, again.Data, "calls", "scan", "complete") != true {
				t.Errorf("got %+v again", again)
			}
			rest := g.query(t, query, map[string]any{"after": at(t, page, "pageInfo", "endCursor")})
			if examined := at(t, rest.Data, "calls", "scan", "examined").(float64); examined+scan["examined"].(float64) != 1000 {
				t.Errorf("%v and %v rows were examined", scan["examined"], examined)
			}
		})
	}
}

// holder has memory for so many pages at once.
type holder struct {
	pagination.Memory

	mu    sync.Mutex
	most  int
	pages map[*upstream.Page]int
}

func (h *holder) Hold(page *upstream.Page) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pages[page] == 0 && len(h.pages) == h.most {
		return false
	}
	h.pages[page]++
	return true
}

func (h *holder) Release(page *upstream.Page) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pages[page]--; h.pages[page] <= 0 {
		delete(h.pages, page)
	}
}

// The pages of matches are held until the response is made, and others only while they are looked at. A scan for which
// there is no memory is cut short; one that cannot begin is rejected.
func TestScansHoldPages(t *testing.T) {
	h := &holder{pages: map[*upstream.Page]int{}}
	budget := memory.NewBudget(0, 0, slog.New(slog.DiscardHandler))
	g := newGateway(t, gatewayOptions{calls: 1000, ttl: time.Minute, graph: func(o *graph.Options) {
		h.Memory, o.Known, o.Memory = o.Known, h, budget
	}})
	const filtered = `calls(first: 100, filter: {result: [HUMAN], durationSeconds: {min: 300}}) {
		nodes { id } pageInfo { hasNextPage } scan { examined stoppedBy complete }
	}`
	const counted = `callStats { count scan { complete } }`
	for _, test := range []struct {
		name, query string
		most        int
		stoppedBy   string // "" where the request is rejected
	}{
		{"none", filtered, 0, ""},
		{"none to count", counted, 0, ""},
		{"some", filtered, 3, "SCAN_LIMIT"},
		{"enough", filtered, 10, "END_OF_LIST"}, // the response before was not cached
		{"some to count", counted, 4, "END_OF_LIST"},
	} {
		h.most = test.most
		before := budget.Taken(memory.RejectWork)
		a := g.query(t, "{ "+test.query+" }", nil)
		if rejected := budget.Taken(memory.RejectWork) > before; rejected != (test.stoppedBy == "") {
			t.Errorf("%s: noted as rejected: %v", test.name, rejected)
		}
		switch {
		case test.stoppedBy == "":
			if len(a.Errors) == 0 || a.Errors[0].Extensions["code"] != "OVERLOADED" ||
				a.Errors[0].Extensions["retryAfter"] != 1.0 {
				t.Errorf("%s: %+v", test.name, a)
			}
		case len(a.Errors) > 0:
			t.Errorf("%s: %+v", test.name, a)
		case test.query == counted:
			if at(t, a.Data, "callStats", "scan", "complete") != true || at(t, a.Data, "callStats", "count") != 1000.0 {
				t.Errorf("%s: %+v", test.name, a)
			}
		case at(t, a.Data, "calls", "scan", "stoppedBy") != test.stoppedBy ||
			at(t, a.Data, "calls", "pageInfo", "hasNextPage") != (test.stoppedBy == "SCAN_LIMIT") ||
			(at(t, a.Data, "calls", "scan", "examined") == 1000.0) == (test.stoppedBy == "SCAN_LIMIT"):
			t.Errorf("%s: %+v", test.name, a)
		}
		if len(h.pages) > 0 {
			t.Errorf("%s: %d pages are held after it", test.name, len(h.pages))
		}
	}
	h.most = 4
	a := g.query(t, `{ calls(first: 0, filter: {result: [HUMAN]}) { totalCount } }`, nil)
	if len(a.Errors) > 0 || len(h.pages) > 0 {
		t.Errorf("the count of matches: %+v, %d pages are held after it", a, len(h.pages))
	}
}

// The pages of a window are held for as long as it waits for another field, or for its count. A field for whose pages
// there is no memory is rejected, and others are not.
func TestWindowsThatWaitHoldTheirPages(t *testing.T) {
	h := &holder{pages: map[*upstream.Page]int{}}
	budget := memory.NewBudget(0, 0, slog.New(slog.DiscardHandler))
	g := newGateway(t, gatewayOptions{calls: 1000, ttl: time.Minute, graph: func(o *graph.Options) {
		h.Memory, o.Known, o.Memory = o.Known, h, budget
	}})
	const (
		one   = `calls(first: 10) { nodes { id } }`
		other = ` completed: calls(first: 10, statuses: [COMPLETED]) { nodes { id } }`
	)
	for name, test := range map[string]struct {
		query string
		pages int // held at once
	}{
		"one field":       {`{ ` + one + ` }`, 0},
		"two fields":      {`{ ` + one + other + ` }`, 2},
		"in a fragment":   {`{ ...both } fragment both on Query { ` + one + other + ` }`, 2},
		"beside no calls": {`{ __typename ` + one + ` }`, 1},
		"with its count":  {`{ calls(first: 10) { nodes { id } totalCount } }`, 1},
	} {
		for h.most = range test.pages + 1 {
			before := budget.Taken(memory.RejectWork)
			errors := len(g.query(t, test.query, nil).Errors)
			if errors != test.pages-h.most || len(h.pages) > 0 {
				t.Errorf("%s: %d errors with memory for %d pages, %d are held after it", name, errors, h.most, len(h.pages))
			}
			if noted := budget.Taken(memory.RejectWork) - before; noted != uint64(errors) {
				t.Errorf("%s: %d fields are noted as rejected, not %d", name, noted, errors)
			}
		}
	}
}

// A count is not a guess: where the list is too long it is null, with an error, and the page stands.
func TestCountsThatAreTooLong(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 1000, ttl: time.Minute, graph: func(o *graph.Options) { o.MaxScan = 3 }})
	a := g.query(t, `{ calls(first: 1, filter: {result: [HUMAN]}) { nodes { id } totalCount } }`, nil)
	if a.code(t) != "SCAN_LIMIT_REACHED" || a.Errors[0].Extensions["scannedPages"] != 3.0 ||
		at(t, a.Data, "calls", "totalCount") != nil || len(at(t, a.Data, "calls", "nodes").([]any)) != 1 {
		t.Errorf("got %+v", a)
	}
}

// Whatever a list is ordered by, a filter by time finds what reading all of it finds.
func TestTimesInListsOfAnyOrder(t *testing.T) {
	for _, order := range []string{"", "reversed", "queued-first", "started", "updated"} {
		t.Run(order, func(t *testing.T) {
			g := newGateway(t, gatewayOptions{calls: 3000, ttl: time.Hour})
			g.fake.Behave(func(b *fake.Behaviour) { b.Order = order })
			from, before := noon.Add(-72*time.Hour).Format(time.RFC3339), noon.Add(-48*time.Hour).Format(time.RFC3339)
			read := func(filter any) (ids []string, stops []string) {
				var after any
				for range 100 {
					a := g.query(t, `query ($after: String, $filter: CallFilter) {
						calls(first: 100, after: $after, filter: $filter) {
							nodes { id startedAt } pageInfo { hasNextPage endCursor } scan { stoppedBy }
						}
					}`, map[string]any{"after": after, "filter": filter})
					if len(a.Errors) > 0 {
						t.Fatalf("got %+v", a.Errors)
					}
					for _, node := range at(t, a.Data, "calls", "nodes").([]any) {
						call := node.(map[string]any)
						started, _ := call["startedAt"].(string)
						if filter != nil || started >= from && started < before {
							ids = append(ids, call["id"].(string))
						}
					}
					if filter != nil {
						stops = append(stops, at(t, a.Data, "calls", "scan", "stoppedBy").(string))
					}
					if at(t, a.Data, "calls", "pageInfo", "hasNextPage") == false {
						return ids, stops
					}
					after = at(t, a.Data, "calls", "pageInfo", "endCursor")
				}
				t.Fatal("an endless walk")
				return nil, nil
			}
			want, _ := read(nil)
			got, stops := read(map[string]any{"startedAt": map[string]any{"from": from, "before": before}})
			t.Logf("%d calls, %v", len(got), stops)
			if len(want) < 100 || !slices.Equal(got, want) {
				t.Errorf("%d calls, and not %d", len(got), len(want))
			}
		})
	}
}

// A range of times is found at any depth with few requests, whichever pages are cached.
func TestJumpsOverCachedPages(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 20_000, ttl: time.Hour})
	for _, days := range []int{3, 9, 12, 6, 9, 1, 15, 7} {
		from := noon.AddDate(0, 0, -days)
		times := map[string]any{"from": from.Format(time.RFC3339), "before": from.AddDate(0, 0, 1).Format(time.RFC3339)}
		filter := map[string]any{"startedAt": times}
		g.fake.ResetRequests()
		a := g.query(t, `query ($filter: CallFilter) { calls(first: 1, filter: $filter) { nodes { id } } }`,
			map[string]any{"filter": filter})
		if n := len(g.fake.Requests()); len(at(t, a.Data, "calls", "nodes").([]any)) != 1 || n > 18 {
			t.Errorf("%d days ago: %d upstream requests, %+v", days, n, a)
		}
		a = g.query(t, `query ($filter: CallFilter) {
			callStats(filter: $filter) { count scan { examined stoppedBy } }
			calls(first: 0, filter: $filter) { totalCount }
		}`, map[string]any{"filter": filter})
		if at(t, a.Data, "callStats", "scan", "stoppedBy") != "TIME_RANGE" ||
			at(t, a.Data, "callStats", "count").(float64) < 100 ||
			at(t, a.Data, "callStats", "count") != at(t, a.Data, "calls", "totalCount") {
			t.Errorf("%d days ago: %+v", days, a)
		}
	}
}

// Scans that read upstream again are bounded for each credential. Others are not.
func TestScansWithNoCache(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 30, ttl: time.Hour})
	const body = `{"query": "{ calls(first: 1, filter: {result: [HUMAN]}) { nodes { id } } callStats { count } }"}`
	var refused response
	for range 10 * admission.NoCacheScans {
		_, _, got := g.post(t, body, http.Header{"Cache-Control": {"no-cache"}})
		if a := decode(t, got); len(a.Errors) > 0 {
			refused = a
			break
		}
	}
	if len(refused.Errors) == 0 || refused.Errors[0].Extensions["code"] != "QUERY_TOO_COMPLEX" ||
		refused.Errors[0].Extensions["retryAfter"] != 6.0 {
		t.Errorf("got %+v", refused)
	}
	a := g.query(t, `{ calls(first: 2, filter: {result: [HUMAN]}) { nodes { id } } callStats { count } }`, nil)
	if len(a.Errors) > 0 {
		t.Errorf("got %+v", a)
	}
	_, _, got := g.post(t, `{"query": "{ calls(first: 1) { nodes { id } } }"}`, http.Header{"Cache-Control": {"no-cache"}})
	if a := decode(t, got); len(a.Errors) > 0 {
		t.Errorf("got %+v", a)
	}
}

// The scans of one key with no-cache take none from another.
func TestScansWithNoCacheOfOneKeyOnly(t *testing.T) {
	g := newGateway(t, gatewayOptions{
		calls: 30, ttl: time.Hour, graph: func(o *graph.Options) { o.Authenticate = withKeys },
	})
	scan := func(key string) response {
		_, _, got := g.post(t, `{"query": "{ callStats { count } }"}`, http.Header{
			"Authorization": {"Bearer " + key}, "Cache-Control": {"no-cache"},
		})
		return decode(t, got)
	}
	for range 10 * admission.NoCacheScans {
		if a := scan("one"); len(a.Errors) > 0 {
			if other := scan("two"); len(other.Errors) > 0 {
				t.Errorf("got %+v", other)
			}
			return
		}
	}
	t.Error("no scan was rejected")
}
