package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"revox-graphql/graph"
	"revox-graphql/graph/hostile"
)

// bodyOf is the body of a request.
func bodyOf(t testing.TB, query string, variables map[string]any) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// asked sends a query, and logs what it takes; nothing depends on that.
func (g *gateway) asked(t testing.TB, body string) response {
	t.Helper()
	start := time.Now()
	_, _, got := g.post(t, body, nil)
	t.Logf("%d bytes sent, %d bytes back, %v", len(body), len(got), time.Since(start))
	return decode(t, got)
}

// A name is written as often as what it names, so a long one makes a large response of a short request. Wherever it
// stands, it is refused before anything is read.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("x", 120_000)
	g := newGateway(t, gatewayOptions{calls: 100, ttl: time.Hour})
	for name, query := range map[string]string{
		"an alias in a transcript": "{ calls(first: 100) { nodes { transcript { " + long + ": role } } } }",
		"an alias of a root field": "{ " + long + ": calls(first: 100) { nodes { transcript(first: -1) { role } } } }",
		"an operation":             "query " + long + " { __typename }",
		"a fragment":               "{ ..." + long + " } fragment " + long + " on Query { __typename }",
		"a variable":               "query ($" + long + ": Int!) { calls(first: $" + long + ") { nodes { id } } }",
		"a directive":              "{ __typename @" + long + " }",
		"an enum value":            "{ calls(statuses: " + long + ") { nodes { id } } }",
	} {
		t.Run(name, func(t *testing.T) {
			a := g.asked(t, bodyOf(t, query, nil))
			if a.code(t) != "QUERY_TOO_LARGE" || a.Errors[0].Extensions["limit"] != 200.0 ||
				a.Errors[0].Extensions["actual"] != 1.0*120_000 || a.Data != nil {
				t.Errorf("got %.1000v", a)
			}
		})
	}
	t.Run("the operation that a request names", func(t *testing.T) {
		for length, want := range map[int]string{200: "GRAPHQL_VALIDATION_FAILED", 201: "QUERY_TOO_LARGE"} {
			a := g.asked(t, `{"query": "{ __typename }", "operationName": "`+long[:length]+`"}`)
			if a.code(t) != want {
				t.Errorf("%d bytes: got %.1000v", length, a)
			}
		}
	})
	if n := len(g.fake.Requests()); n > 0 {
		t.Errorf("%d upstream requests", n)
	}
}

// Writing ends with the value that goes beyond the limit: what `actual` says is what was written until then.
func TestWritingEndsAtTheLimit(t *testing.T) {
	const limit, oneValue = 3000, 2000
	g := newGateway(t, gatewayOptions{calls: 100, ttl: time.Hour, graph: func(o *graph.Options) {
		o.MaxResponseBytes = limit
	}})
	for name, query := range map[string]string{
		"rows":        "{ calls(first: 100) { nodes { id status phoneNumber } } }",
		"edges":       "{ calls(first: 100) { edges { cursor } } }",
		"transcripts": "{ calls(first: 100) { nodes { transcript { index content } } } }",
		"entries": "{ calls(first: 30) { nodes {" + hostile.Numbered(
			" a%d: transcript { index "+strings.Repeat("b", 150)+": role }", 14) + " } } }",
		"fields": "{ calls(first: 1) { nodes {" + hostile.Numbered(" "+strings.Repeat("b", 150)+"%d: status", 30) + " } } }",
		"filtered entries": "{ calls(first: 30) { nodes {" + hostile.Numbered(
			" a%d: transcript(last: 1000) { index "+strings.Repeat("b", 150)+": role }", 14) + " } } }",
	} {
		t.Run(name, func(t *testing.T) {
			a := g.asked(t, bodyOf(t, query, nil))
			if a.code(t) != "QUERY_TOO_COMPLEX" || a.Errors[0].Extensions["limit"] != 1.0*limit || a.Data["calls"] != nil {
				t.Fatalf("got %.1000v", a)
			}
			if actual := a.Errors[0].Extensions["actual"].(float64); actual <= limit || actual > limit+oneValue {
				t.Errorf("%v bytes were written", actual)
			}
		})
	}
}

// A response has a bounded number of errors, and the last says how many there were besides.
func TestErrorsOfOneResponseAreBounded(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 100, ttl: time.Hour})
	const limit = 500
	for name, test := range map[string]struct {
		rows, aliases, reported, actual int
	}{
		"as many as there may be": {rows: 100, aliases: 5, reported: limit},
		"one row more":            {rows: 84, aliases: 6, reported: limit + 1, actual: 504},
		"six times as many":       {rows: 100, aliases: 30, reported: limit + 1, actual: 3000},
	} {
		t.Run(name, func(t *testing.T) {
			a := g.asked(t, bodyOf(t, fmt.Sprintf("query ($n: String = \"\") { calls(first: %d) { nodes {%s } } }", test.rows,
				hostile.Numbered(" "+strings.Repeat("a", 190)+"%d: structuredOutput(keys: [$n])", test.aliases)),
				map[string]any{"n": nil}))
			if len(a.Errors) != test.reported {
				t.Fatalf("%d errors", len(a.Errors))
			}
			if last := a.Errors[len(a.Errors)-1].Extensions; test.actual > 0 && (last["code"] != "QUERY_TOO_COMPLEX" ||
				last["limit"] != 1.0*limit || last["actual"] != float64(test.actual)) {
				t.Errorf("the last: %+v", last)
			}
		})
	}
}

// What is reported of a request for the log holds no more of an operation's name than a log should.
func TestLongOperationNamesAreCutInReports(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 1, ttl: time.Hour})
	reports := reporting(g)
	for _, length := range []int{100, 101, 200} {
		for range 2 { // executed, and cached
			g.asked(t, bodyOf(t, "query "+strings.Repeat("n", length)+" { calls { nodes { id } } }", nil))
			want := strings.Repeat("n", min(length, 100))
			if length > 100 {
				want += "…"
			}
			if got := (<-reports).Operation.Name; got != want {
				t.Errorf("%d bytes: %q", length, got)
			}
		}
	}
}

// A list in an argument has at most 250 elements, wherever it is written: each is coerced for each use, and compared.
func TestLongLists(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 100, ttl: time.Hour, graph: func(o *graph.Options) {
		o.Limits.Cost = 0 // else some of these are refused for it
	}})
	list := func(element string, n int) []string {
		elements := make([]string, n)
		for i := range elements {
			elements[i] = element
		}
		return elements
	}
	for name, test := range map[string]struct{ argument, element, query string }{
		"keys": {"keys", "none", "query ($list: [String!]) { calls(first: 100) { nodes {" +
			hostile.Numbered(" a%d: structuredOutput(keys: $list)", 30) + " } } }"},
		"roles": {"roles", "USER", "query ($list: [TranscriptRole!]) { calls(first: 30) { nodes {" +
			hostile.Numbered(" a%d: transcript(roles: $list) { index }", 15) + " } } }"},
		"statuses": {"statuses", "COMPLETED", "query ($list: [CallOrderStatus!]) " +
			"{ calls(statuses: $list) { nodes { id } } }"},
		"ids": {"ids", "none", "query ($list: [ID!]!) {" +
			hostile.Numbered(" a%d: nodes(ids: $list) { id }", 10) + " }"},
		"ids beside a variable that must not be null": {"ids", "none", "query ($list: [ID!]!, $n: Boolean = true) " +
			"{ calls { nodes { id @skip(if: $n) } } nodes(ids: $list) { id } }"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, length := range []int{250, 251, 250_000 / len(test.element+`"",`)} {
				a := g.asked(t, bodyOf(t, test.query, map[string]any{"list": list(test.element, length), "n": nil}))
				refused := 0
				for _, err := range a.Errors {
					if err.Extensions["argument"] == test.argument && err.Extensions["code"] == "BAD_USER_INPUT" &&
						strings.Contains(err.Message, "more than 250 elements") {
						refused++
					}
				}
				if (refused > 0) != (length > 250) {
					t.Errorf("%d elements: %d errors: %.300v", length, len(a.Errors), a.Errors)
				}
			}
		})
	}
	// `nodes` cannot be null without taking the whole response with it, so it has a null for each id.
	t.Run("beside other fields", func(t *testing.T) {
		for _, length := range []int{101, 250, 251, 1000} {
			a := g.query(t, "query ($list: [ID!]!) { calls(first: 1) { nodes { id } } nodes(ids: $list) { id } }",
				map[string]any{"list": list("none", length)})
			nodes, _ := at(t, a.Data, "nodes").([]any)
			if len(a.Errors) != 1 || a.code(t) != "BAD_USER_INPUT" || len(nodes) != length || nodes[length-1] != nil ||
				at(t, a.Data, "calls", "nodes", 0, "id") != g.fake.IDs()[0] {
				t.Errorf("%d ids: %d nodes, %+v", length, len(nodes), a.Errors)
			}
		}
	})
	t.Run("a literal", func(t *testing.T) {
		for length, want := range map[int]int{250: 0, 251: 1} {
			a := g.asked(t, bodyOf(t, "{ calls(first: 1) { nodes { structuredOutput(keys: ["+
				strings.Join(list(`"a"`, length), " ")+"]) } } }", nil))
			if len(a.Errors) != want {
				t.Errorf("%d elements: %+v", length, a.Errors)
			}
		}
	})
}
