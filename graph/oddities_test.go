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
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/rest"
)

// walk goes through all calls over HTTP, down or up, and returns their ids in the list's order.
func (g *gateway) walk(t *testing.T, count int, back bool) []string {
	t.Helper()
	query := fmt.Sprintf(
		`query ($c: String) { calls(first: %d, after: $c) `+
			`{ nodes { id } pageInfo { more: hasNextPage cursor: endCursor } } }`,
		count,
	)
	if back {
		query = fmt.Sprintf(
			`query ($c: String) { calls(last: %d, before: $c) `+
				`{ nodes { id } pageInfo { more: hasPreviousPage cursor: startCursor } } }`,
			count,
		)
	}
	var ids []string
	var cursor any
	for {
		a := g.query(t, query, map[string]any{"c": cursor})
		if len(a.Errors) > 0 || len(ids) > 10_000 {
			t.Fatalf("after %d calls: %+v", len(ids), a.Errors)
		}
		var page []string
		for _, node := range at(t, a.Data, "calls", "nodes").([]any) {
			page = append(page, at(t, node, "id").(string))
		}
		if back {
			ids = append(page, ids...)
		} else {
			ids = append(ids, page...)
		}
		if !at(t, a.Data, "calls", "pageInfo", "more").(bool) {
			return ids
		}
		cursor = at(t, a.Data, "calls", "pageInfo", "cursor")
	}
}

// A server that silently serves smaller pages: noticed, reported in the log, and nothing is lost.
func TestLoweredPages(t *testing.T) {
	for _, limit := range []int{10, 50, 101, 150} {
		for _, back := range []bool{false, true} {
			t.Run(fmt.Sprint(limit, back), func(t *testing.T) {
				g := newGateway(t, gatewayOptions{ttl: time.Minute})
				g.fake.Insert(1234)
				g.fake.Behave(func(b *fake.Behaviour) { b.MaxPageSize = limit })
				if got := g.walk(t, 100, back); !slices.Equal(got, g.fake.IDs()) {
					t.Errorf("%d calls walked", len(got))
				}
				if a := g.query(t, `{ calls { totalCount } }`, nil); at(t, a.Data, "calls", "totalCount") != 1234.0 {
					t.Errorf("got %+v", a)
				}
				if limit < 100 && !strings.Contains(g.log.String(), fmt.Sprintf("rows=%d", limit)) {
					t.Errorf("the log does not report it: %s", g.log)
				}
			})
		}
	}
}

// A server that ignores the page number gets an error that says so, after few requests.
func TestIgnoredPages(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 1234})
	cursor := g.cursor(700)
	g.fake.Behave(func(b *fake.Behaviour) { b.IgnorePage = true })
	for query, variables := range map[string]map[string]any{
		`query ($c: String) { calls(after: $c) { nodes { id } } }`: {"c": cursor},
		`{ calls(last: 3) { nodes { id } } }`:                      nil,
	} {
		g.fake.ResetRequests()
		a := g.query(t, query, variables)
		if a.code(t) != "UPSTREAM_INVALID_RESPONSE" || !strings.Contains(g.log.String(), "is `page` ignored?") {
			t.Errorf("got %+v; log %s", a, g.log)
		}
		if n := len(g.fake.Requests()); n > 40 {
			t.Errorf("%d requests", n)
		}
	}
}

// A page that comes back empty for once, in the middle of the list, is not its end.
func TestAnEmptyPageInTheMiddle(t *testing.T) {
	for _, ttl := range []time.Duration{0, time.Minute} {
		g := newGateway(t, gatewayOptions{calls: 1234, ttl: ttl})
		g.fake.Behave(func(b *fake.Behaviour) {
			b.Fault = func(n int, _ *http.Request) *fake.Response {
				if n > 1 && n%5 == 0 {
					return &fake.Response{Body: []byte(`{"calls": []}`)}
				}
				return nil
			}
		})
		if got := g.walk(t, 50, false); !slices.Equal(got, g.fake.IDs()) {
			t.Errorf("%d calls walked", len(got))
		}
	}
}

// A call that a page lists twice is shown once, and the other is reported, with the calls that follow it.
func TestRepeatedIDs(t *testing.T) {
	g := newGateway(t, gatewayOptions{graph: func(o *graph.Options) { o.MaxCount = 3 }})
	var rows []json.RawMessage
	for i := range 9 {
		rows = append(rows, json.RawMessage(fmt.Sprintf(`{"id": "call-%d"}`, i%7)))
	}
	g.fake.SetRows(rows...) // 0 1 2 3 4 5 6 0 1
	a := g.query(t, `{ calls(last: 3) { nodes { id } pageInfo { hasPreviousPage } } }`, nil)
	if len(at(t, a.Data, "calls", "nodes").([]any)) == 0 {
		t.Errorf("got %+v", a)
	}
	g.fake.SetRows(rows[0], rows[1], rows[0], rows[2])
	a = g.query(t, `{ calls(first: 3) { nodes { id } pageInfo { hasNextPage endCursor } } }`, nil)
	if len(a.Errors) > 0 || len(at(t, a.Data, "calls", "nodes").([]any)) != 2 {
		t.Errorf("got %+v", a)
	}
	a = g.query(t, `query ($c: String) { calls(first: 3, after: $c) { nodes { id } pageInfo { hasNextPage } } }`,
		map[string]any{"c": at(t, a.Data, "calls", "pageInfo", "endCursor")})
	nodes := at(t, a.Data, "calls", "nodes").([]any)
	if a.code(t) != "UPSTREAM_INVALID_RESPONSE" || len(nodes) == 0 || at(t, nodes[len(nodes)-1], "id") != "call-2" {
		t.Errorf("got %+v", a)
	}
}

// A call that is larger than all that is read of a response is reported, and walks go past it, both ways.
func TestWalksPassACallThatIsTooLarge(t *testing.T) {
	const largest = 64 << 10
	rows := make([]json.RawMessage, 150)
	for i := range rows {
		text := "short"
		if i == 70 {
			text = strings.Repeat("long ", largest/2)
		}
		rows[i] = fmt.Appendf(nil, `{"id": "call-%d", "transcript": [{"role": "user", "content": %q}]}`, i, text)
	}
	for _, back := range []bool{false, true} {
		for _, count := range []int{7, 20, 100} {
			t.Run(fmt.Sprint(back, count), func(t *testing.T) {
				g := newGateway(t, gatewayOptions{
					ttl: time.Minute, client: func(o *rest.Options) { o.MaxResponseBytes = largest },
				})
				g.fake.SetRows(rows...)
				window, info := `first: %d, after: $c`, `more: hasNextPage cursor: endCursor`
				if back {
					window, info = `last: %d, before: $c`, `more: hasPreviousPage cursor: startCursor`
				}
				query := `query ($c: String) { calls(` + window + `) { nodes { id } pageInfo { ` + info + ` } } }`
				var ids []string
				reported := 0
				for cursor, more := any(nil), true; more; {
					a := g.query(t, fmt.Sprintf(query, count), map[string]any{"c": cursor})
					for _, err := range a.Errors {
						expected := strings.Contains(err.Message, "place 71") && strings.Contains(err.Message, "too large")
						if err.Extensions["code"] != "UPSTREAM_INVALID_RESPONSE" || !expected {
							t.Fatalf("after %d calls: %+v", len(ids), err)
						}
						reported++
					}
					var page []string
					for _, node := range at(t, a.Data, "calls", "nodes").([]any) {
						page = append(page, at(t, node, "id").(string))
					}
					if back {
						ids = append(page, ids...)
					} else {
						ids = append(ids, page...)
					}
					more = at(t, a.Data, "calls", "pageInfo", "more").(bool)
					cursor = at(t, a.Data, "calls", "pageInfo", "cursor")
				}
				var want []string
				for i := range rows {
					if i != 70 {
						want = append(want, fmt.Sprintf("call-%d", i))
					}
				}
				if !slices.Equal(ids, want) || reported < 1 || reported > 2 { // twice where it lies between two pages
					t.Errorf("%d calls, reported %d times: %v", len(ids), reported, ids)
				}
			})
		}
	}
}

// Calls that are each small enough to be read, and together too large for the pages that a walk needs, are an error of
// upstream's and not of the gateway.
func TestManyLargeCalls(t *testing.T) {
	const largest = 20_000
	failed := 0
	for _, bytes := range []int{largest / 10, largest / 4, largest / 3, largest * 9 / 20} {
		for _, n := range []int{3, 4, 5, 6, 12, 30} {
			g := newGateway(t, gatewayOptions{
				ttl: time.Minute, client: func(o *rest.Options) { o.MaxResponseBytes = largest },
			})
			rows := make([]json.RawMessage, n)
			for i := range rows {
				rows[i] = fmt.Appendf(nil, `{"id": "%d", "end_reason": "%s"}`, i, strings.Repeat("x", bytes-30))
			}
			g.fake.SetRows(rows...)
			for query, name := range map[string]string{
				`{ calls(first: 6) { nodes { id } pageInfo { hasNextPage } } }`: "calls",
				`{ calls(last: 2) { nodes { id } totalCount } }`:                "calls",
				`{ callStats { count } }`:                                       "callStats",
				`{ call(id: "x") { id } }`:                                      "call",
			} {
				a := g.query(t, query, nil)
				for _, err := range a.Errors {
					failed++
					if err.Extensions["code"] != "UPSTREAM_INVALID_RESPONSE" {
						t.Errorf("%d calls of %d bytes, %s: %+v", n, bytes, name, err)
					}
				}
			}
		}
	}
	if failed == 0 {
		t.Error("no query has failed: the calls are too small")
	}
}
