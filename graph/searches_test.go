package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"

	"revox-graphql/graph"
	"revox-graphql/graph/pagination"
)

// rowsWithoutTimes are rows that a search has to look for page by page.
func rowsWithoutTimes(from, to int) []json.RawMessage {
	rows := make([]json.RawMessage, 0, to-from)
	for i := from; i < to; i++ {
		rows = append(rows, json.RawMessage(fmt.Sprintf(`{"id": "call-%d", "status": "completed"}`, i)))
	}
	return rows
}

// What a search takes is reported as a cost, and a client that causes many is rejected: not for following a cursor as
// usual, nor are other clients. The clock of the test stands still, so no search is paid for meanwhile.
func TestSearchesAreCharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			query = `query ($c: String) { calls(first: 10, after: $c) { nodes { id } } }`
			free  = 5 // 4, and 1 for ten calls
		)
		g := newGateway(t, gatewayOptions{
			calls: 300,
			graph: func(o *graph.Options) { o.Authenticate = withTokens("one", "other") },
		})
		ask := func(client, cursor string) (a response, requests int, cost float64) {
			t.Helper()
			body, err := json.Marshal(map[string]any{"query": query, "variables": map[string]any{"c": cursor}})
			if err != nil {
				t.Fatal(err)
			}
			g.fake.ResetRequests()
			_, _, got := g.post(t, string(body), http.Header{"Authorization": {"Bearer " + client}, "X-Query-Cost": {"true"}})
			a = decode(t, got)
			return a, len(g.fake.Requests()), at(t, a.Extensions, "cost", "requested").(float64)
		}
		cursor := func() string {
			t.Helper()
			_, _, got := g.post(
				t,
				`{"query": "{ calls(first: 10) { pageInfo { endCursor } } }"}`,
				http.Header{"Authorization": {"Bearer one"}},
			)
			return at(t, decode(t, got).Data, "calls", "pageInfo", "endCursor").(string)
		}
		g.fake.SetRows(rowsWithoutTimes(2000, 5000)...)
		expires, shifted := cursor(), ""
		g.fake.SetRows(rowsWithoutTimes(900, 5000)...)
		shifted = cursor()
		g.fake.SetRows(rowsWithoutTimes(0, 5000)...)

		follow := func(client string) (requests int) {
			t.Helper()
			a, requests, cost := ask(client, shifted)
			if len(a.Errors) > 0 || at(t, a.Data, "calls", "nodes", 0, "id") != "call-910" {
				t.Errorf("a list that has shifted: %+v", a)
			}
			if requests <= free || cost != float64(10+20*(requests-free)) {
				t.Errorf("%d requests cost %v", requests, cost)
			}
			return requests
		}
		charged := func(requests int) int { return max(0, requests-free) }
		budget := 10 * pagination.MostRequests(200, 1000, 100) // of the gateway's page size, shift and count
		budget -= charged(follow("one"))
		for {
			a, requests, cost := ask("one", expires)
			budget -= charged(requests)
			if a.code(t) == "QUERY_TOO_COMPLEX" {
				break
			}
			if a.code(t) != "CURSOR_EXPIRED" || requests <= free || cost <= 10 || budget < 0 {
				t.Fatalf("%d requests, with %d left: %+v", requests, budget, a)
			}
		}
		if budget != 0 {
			t.Errorf("rejected with %d left", budget)
		}
		for range 20 {
			a, requests, _ := ask("one", expires)
			if a.code(t) != "QUERY_TOO_COMPLEX" || a.Errors[0].Extensions["retryAfter"] != 1.0 || a.Data["calls"] != nil ||
				requests > free {
				t.Errorf("%d requests: %+v", requests, a)
			}
		}
		follow("other")
		if a, _, _ := ask("one", cursor()); len(a.Errors) > 0 {
			t.Errorf("without a search: %+v", a.Errors)
		}
	})
}
