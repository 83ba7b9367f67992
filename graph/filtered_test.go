package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"revox-graphql/graph"
	"revox-graphql/graph/admission"
	"revox-graphql/graph/filter"
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

// Hostile filters are refused, or bounded.
func TestHostileFilters(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 400, ttl: time.Hour})
	repeat := func(n int, element any) []any { return slices.Repeat([]any{element}, n) }
	nested := func(n int, member string, inner any) any {
		for range n {
			if member == "anyOf" {
				inner = []any{inner}
			}
			inner = map[string]any{member: inner}
		}
		return inner
	}
	text := func(n int) map[string]any {
		return map[string]any{"transcript": map[string]any{"contains": strings.Repeat("a", n)}}
	}
	filters := map[string]any{
		"a bomb": map[string]any{"anyOf": repeat(15, map[string]any{"anyOf": repeat(15, map[string]any{
			"anyOf": repeat(15, map[string]any{"result": "HUMAN"}),
		})})},
		"a list too long":    map[string]any{"status": repeat(10_000, "COMPLETED")},
		"reasons":            map[string]any{"endReason": repeat(250, strings.Repeat("x", filter.MaxText))},
		"many texts":         map[string]any{"anyOf": repeat(90, text(5))},
		"an accent in a row": map[string]any{"transcript": map[string]any{"contains": "e" + strings.Repeat("\u0301", 200)}},
		"a huge value": map[string]any{"structuredOutput": []any{map[string]any{
			"path": "nps", "is": nested(1000, "a", 1),
		}}},
		"a huge number": map[string]any{"structuredOutput": []any{map[string]any{
			"path": "nps", "is": json.Number("1e999999999"),
		}}},
		"an endless range": map[string]any{"startedAt": map[string]any{"from": "0000-01-01T00:00:00Z"}},
		"after the year":   map[string]any{"startedAt": map[string]any{"before": "9999-12-31T23:59:59.999999999Z"}},
	}
	for i := range 60 {
		filters[fmt.Sprint("depth of not ", i)] = nested(i, "not", map[string]any{})
		filters[fmt.Sprint("depth of anyOf ", i)] = nested(i, "anyOf", map[string]any{})
		filters[fmt.Sprint("text of ", 1<<(i%14))] = text(1 << (i % 14))
		filters[fmt.Sprint("path of ", i)] = map[string]any{"structuredOutput": []any{map[string]any{
			"path": strings.TrimPrefix(strings.Repeat(".a", i), "."), "exists": true,
		}}}
		filters[fmt.Sprint("values ", i)] = map[string]any{"structuredOutput": repeat(4*i, map[string]any{
			"path": "none", "exists": false,
		})}
	}
	g.query(t, `{ calls(first: 1, filter: {}) { nodes { id } totalCount } }`, nil) // all of it is cached
	refused := 0
	for name, given := range filters {
		a := g.query(t, `query ($filter: CallFilter) { calls(first: 1, filter: $filter) { scan { examined } } }`,
			map[string]any{"filter": given})
		if len(a.Errors) == 0 {
			if at(t, a.Data, "calls", "scan", "examined").(float64) > 400 {
				t.Errorf("%s: %+v", name, a)
			}
			continue
		}
		refused++
		code, _ := a.Errors[0].Extensions["code"].(string)
		argument, _ := a.Errors[0].Extensions["argument"].(string)
		if code != "BAD_USER_INPUT" || !strings.HasPrefix(argument, "filter") {
			t.Errorf("%s: %+v", name, a.Errors)
		}
	}
	t.Logf("%d filters, %d of them refused", len(filters), refused)
	if len(filters) < 200 || refused < 100 {
		t.Errorf("%d filters, %d of them refused", len(filters), refused)
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
