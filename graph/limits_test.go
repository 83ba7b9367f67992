package graph_test

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"revox-graphql/graph"
	"revox-graphql/graph/document"
	"revox-graphql/graph/hostile"
)

//go:embed testdata/limits/introspection.graphql
var introspection string // graphql-js 16, with everything that it can ask for

// Each limit at its bound and one past it. What is refused asks upstream nothing.
func TestLimits(t *testing.T) {
	transcripts := func(first any) string {
		return fmt.Sprintf("calls(first: %v) { nodes { transcript { role } } }", first)
	}
	tests := map[string]struct {
		limits          document.Limits
		requestBytes    int
		good, bad       string
		code            string
		limit, actual   float64
		status          int // of bad, for the older media type
		goodVar, badVar map[string]any
	}{
		"bytes": {
			limits: document.Limits{}, requestBytes: 100,
			good: "{ __typename }" + strings.Repeat(" ", 74),
			bad:  "{ __typename }" + strings.Repeat(" ", 75),
			code: "QUERY_TOO_LARGE", limit: 100, actual: 101, status: 413,
		},
		"tokens": {
			limits: document.Limits{Tokens: 5},
			good:   "# one\n{ a: __typename } # two # three",
			bad:    "{ a: __typename __typename }",
			code:   "QUERY_TOO_LARGE", limit: 5, actual: 6,
		},
		"comments": {
			good: strings.Repeat("#\n", 10_000) + "{ __typename }",
			bad:  strings.Repeat("#\n", 10_001) + "{ __typename }",
			code: "QUERY_TOO_LARGE", limit: 10_000, actual: 10_001,
		},
		"depth": {
			limits: document.Limits{Depth: 3},
			good:   "{ calls { nodes { id } } }",
			bad:    "{ calls { edges { node { id } } } }",
			code:   "QUERY_TOO_COMPLEX", limit: 3, actual: 4,
		},
		"depth in fragments": {
			limits: document.Limits{Depth: 3},
			good:   "{ calls { ...F } } fragment F on CallConnection { ... { nodes { id } } }",
			bad:    "{ calls { ...F } } fragment F on CallConnection { edges { node { ...G } } } fragment G on Call { id }",
			code:   "QUERY_TOO_COMPLEX", limit: 3, actual: 4,
		},
		"aliases": {
			limits: document.Limits{Aliases: 2},
			good:   "{ a: __typename b: __typename __typename }",
			bad:    "{ a: __typename b: __typename c: __typename }",
			code:   "QUERY_TOO_COMPLEX", limit: 2, actual: 3,
		},
		"aliases in fragments": {
			limits: document.Limits{Aliases: 2},
			good:   "{ calls { nodes { ...F } edges { node { ...F } } } } fragment F on Call { a: id }",
			bad:    "{ calls { nodes { ...F ...F } edges { node { ...F } } } } fragment F on Call { a: id }",
			code:   "QUERY_TOO_COMPLEX", limit: 2, actual: 3,
		},
		"aliases that double": {
			limits: document.Limits{Aliases: 1 << 20},
			good:   "{ ...F0 }" + hostile.Doubling(20, "Query", "a: __typename"),
			bad:    "{ ...F0 }" + hostile.Doubling(21, "Query", "a: __typename"),
			code:   "QUERY_TOO_COMPLEX", limit: 1 << 20, actual: 1 << 21,
		},
		"root fields": {
			limits: document.Limits{RootFields: 2},
			good:   "{ __typename ...F ...F } fragment F on Query { a: __typename __typename }",
			bad:    "{ __typename ...F } fragment F on Query { a: __typename ... { b: __typename } }",
			code:   "QUERY_TOO_COMPLEX", limit: 2, actual: 3,
		},
		"fields expanded": {
			limits: document.Limits{Tokens: 128},
			good:   "{ ...F0 }" + hostile.Doubling(7, "Query", "__typename"),
			bad:    "{ ...F0 }" + hostile.Doubling(7, "Query", "__typename") + " query Q { __typename ...F0 }",
			code:   "QUERY_TOO_COMPLEX", limit: 128, actual: 129,
		},
		"pairs of fields": {
			limits: document.Limits{Tokens: 1000},
			good:   "{" + strings.Repeat(" __typename", 100) + " ... { a: __typename } }",
			bad:    "{" + strings.Repeat(" __typename", 101) + " }",
			code:   "QUERY_TOO_COMPLEX", limit: 5000, actual: 5050,
		},
		"cost": {
			limits: document.Limits{Cost: 1100},
			good:   "{ " + transcripts(100) + " }",
			bad:    "{ " + transcripts(100) + " b: calls(last: 1) { pageInfo { endCursor } } }",
			code:   "QUERY_TOO_COMPLEX", limit: 1100, actual: 1101,
		},
		"cost of variables": {
			limits:  document.Limits{Cost: 110},
			good:    "query ($n: Int) { " + transcripts("$n") + " }",
			bad:     "query ($n: Int) { " + transcripts("$n") + " }",
			goodVar: map[string]any{"n": 10}, badVar: map[string]any{"n": 11},
			code: "QUERY_TOO_COMPLEX", limit: 110, actual: 121,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, gatewayOptions{calls: 150, graph: func(o *graph.Options) {
				o.Limits = test.limits
				o.MaxRequestBytes = test.requestBytes
			}})
			body := func(query string, variables map[string]any) string {
				request := map[string]any{"query": query}
				if variables != nil {
					request["variables"] = variables
				}
				b, err := json.Marshal(request)
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			if status, _, got := g.post(t, body(test.good, test.goodVar), nil); status != 200 {
				t.Errorf("at the bound: %d %s", status, got)
			} else if a := decode(t, got); len(a.Errors) > 0 && name != "fields expanded" { // which has operations without names
				t.Errorf("at the bound: %s", got)
			}
			g.fake.ResetRequests()
			status, _, got := g.post(t, body(test.bad, test.badVar), nil)
			a := decode(t, got)
			if code := a.code(t); code != test.code || a.Errors[0].Extensions["limit"] != test.limit ||
				a.Errors[0].Extensions["actual"] != test.actual {
				t.Errorf("past the bound: %s", got)
			}
			if status != max(200, test.status) || a.Data != nil || len(g.fake.Requests()) > 0 {
				t.Errorf("past the bound: %d %s, %d upstream requests", status, got, len(g.fake.Requests()))
			}
		})
	}
	// A query string has the same bound as a body.
	g := newGateway(t, gatewayOptions{graph: func(o *graph.Options) { o.MaxRequestBytes = 30 }})
	for query, want := range map[string]int{
		"query=%7B__typename%7D&xxxxxxx=": 413, "query=%7B__typename%7D&xxxxxx=": 200,
	} {
		if status, _, got := g.get(t, query, nil); status != want {
			t.Errorf("%d bytes: %d %s", len(query), status, got)
		}
	}
}

// What clients send today is far from the limits.
func TestLimitsLetThrough(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 150})
	if a := g.query(t, introspection, nil); len(a.Errors) > 0 {
		t.Errorf("introspection: %+v", a.Errors)
	}
	g = newGateway(t, gatewayOptions{graph: func(o *graph.Options) { o.Limits.Depth = 1 }})
	if a := g.query(t, introspection, nil); a.Errors[0].Extensions["actual"].(float64) != 15 {
		t.Errorf("introspection by GraphiQL, which --help says takes 15: %+v", a.Errors)
	}
}

// The costs that docs/limits.md gives.
func TestCosts(t *testing.T) {
	tests := map[string]struct {
		query     string
		variables map[string]any
		want      float64
	}{
		"no calls":                  {"{ __typename }", nil, 0},
		"the default":               {"{ calls { nodes { id } } }", nil, 20},
		"a null":                    {"{ calls(first: null) { nodes { id } } }", nil, 20},
		"first":                     {"{ calls(first: 7) { nodes { id } } }", nil, 7},
		"last":                      {"{ calls(last: 8) { edges { cursor node { id } } } }", nil, 8},
		"first: 0 still asks":       {"{ calls(first: 0) { pageInfo { hasNextPage } } }", nil, 1},
		"too large counts the most": {"{ calls(first: 2000000000) { nodes { id } } }", nil, 100},
		"negative":                  {"{ calls(first: -5) { nodes { id } } }", nil, 1},
		"both":                      {"{ calls(first: 5, last: 6) { nodes { id } } }", nil, 6},
		"a variable":                {"query ($n: Int) { calls(first: $n) { nodes { id } } }", map[string]any{"n": 9}, 9},
		"a variable left out":       {"query ($n: Int) { calls(first: $n) { nodes { id } } }", nil, 20},
		"a variable's default":      {"query ($n: Int = 3) { calls(last: $n) { nodes { id } } }", nil, 3},
		"a variable too large": {
			"query ($n: Int) { calls(last: $n) { nodes { id } } }", map[string]any{"n": 1 << 30}, 100,
		},
		"transcripts":        {"{ calls(first: 10) { nodes { id transcript { role } } } }", nil, 110},
		"a short transcript": {"{ calls(first: 10) { nodes { transcript(first: 1) { role } } } }", nil, 110},
		"a transcript twice over": {
			"{ calls(first: 10) { nodes { transcript { role } ...F } } } fragment F on Call { transcript { index } }",
			nil, 110,
		},
		"two transcripts": {
			"{ calls(first: 10) { nodes { transcript { role } a: transcript { role } } } }",
			nil, 210,
		},
		"nodes and edges": {
			"{ calls(first: 10) { nodes { id } edges { node { transcript { role } } } } }",
			nil, 120,
		},
		"transcripts in fragments": {
			"{ ...Q } fragment Q on Query { calls(first: 10) { ...C } } fragment C on CallConnection { edges { node " +
				"{ ... on Node { ... on Call { transcript { role } } } } } }",
			nil, 110,
		},
		"left out by @skip": {"{ calls(first: 10) { nodes { id transcript @skip(if: true) { role } } } }", nil, 110},
		"a total":           {"{ calls(first: 1) { totalCount } }", nil, 21},
		"call":              {`{ call(id: "a") { id } }`, nil, 21},
		"node":              {`{ node(id: "a") { id ... on Call { transcript { role } } } }`, nil, 31},
		"nodes":             {`{ nodes(ids: ["a", "b"]) { ... on Call { transcript { role } } } }`, nil, 42},
		"nodes by a variable": {
			`query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{"ids": []string{"a", "b", "c"}}, 23,
		},
		"nodes by one id": {`query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{"ids": "a"}, 21},
		"nodes by too many": {
			`query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{"ids": make([]string, 5000)}, 120,
		},
		"statuses": {
			"query ($s: [CallOrderStatus!]) { calls(first: 5, statuses: $s) { nodes { id } } }",
			map[string]any{"s": slices.Repeat([]string{"COMPLETED"}, 30)},
			8,
		},
		"few statuses": {"{ calls(first: 5, statuses: [COMPLETED, CALLING]) { nodes { id } } }", nil, 5},
		"roles": {
			"query ($r: [TranscriptRole!]) { calls(first: 5) { edges { node { transcript(roles: $r) { role } } } } }",
			map[string]any{"r": slices.Repeat([]string{"USER"}, 40)},
			75,
		},
		"keys": {
			`{ call(id: "a") { structuredOutput(keys: [` + strings.Repeat(`"a" `, 50) + `]) } }`,
			nil, 26,
		},
		"keys of nodes": {
			`query ($k: [String!]) { nodes(ids: ["a", "b"]) { ... on Call { structuredOutput(keys: $k) } } }`,
			map[string]any{"k": slices.Repeat([]string{"a"}, 20)},
			26,
		},
		"a list that is too long": {
			"query ($s: [CallOrderStatus!]) { calls(first: 5, statuses: $s) { nodes { id } } }",
			map[string]any{"s": slices.Repeat([]string{"COMPLETED"}, 5000)},
			30,
		},
		"a filter": {"{ calls(first: 5, filter: {result: [HUMAN]}) { nodes { id } } }", nil, 25},
		"lists in a filter": {
			"{ calls(first: 5, filter: {result: [" + strings.Repeat("HUMAN ", 200) + "]}) { nodes { id } } }", nil, 25,
		},
		"no filter":     {"{ calls(first: 5, filter: null) { nodes { id } } }", nil, 5},
		"a null filter": {"query ($f: CallFilter) { calls(first: 5, filter: $f) { nodes { id } } }", nil, 5},
		"a filter that counts": {
			"query ($f: CallFilter) { calls(first: 5, filter: $f) { totalCount } }",
			map[string]any{"f": map[string]any{"result": "HUMAN"}},
			65,
		},
		"stats":                  {"{ callStats(every: DAY) { count } }", nil, 120},
		"a little introspection": {"{ __schema { queryType { name } } }", nil, 2},
		"two root fields":        {"{ a: calls(first: 2) { nodes { id } } b: calls(first: 3) { nodes { id } } }", nil, 5},
	}
	g := newGateway(t, gatewayOptions{calls: 30, ttl: time.Hour})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(map[string]any{"query": test.query, "variables": test.variables})
			if err != nil {
				t.Fatal(err)
			}
			_, _, plain := g.post(t, string(body), nil) // cached, and without the cost
			if a := decode(t, plain); a.Extensions != nil {
				t.Errorf("got %s", plain)
			}
			_, _, got := g.post(t, string(body), http.Header{"X-Query-Cost": {"true"}})
			cost, _ := decode(t, got).Extensions["cost"].(map[string]any)
			if cost["requested"] != test.want || cost["limit"] != 5000.0 {
				t.Errorf("want %v: %s", test.want, got)
			}
			if _, _, again := g.post(t, string(body), nil); string(again) != string(plain) {
				t.Errorf("got %s", again)
			}
		})
	}
}

// A scan costs no more than the requests to upstream that are allowed.
func TestCostsOfFewUpstreamRequests(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 30, graph: func(o *graph.Options) { o.MaxUpstreamRequests = 7 }})
	_, _, got := g.post(t, `{"query": "{ callStats { count } }"}`, http.Header{"X-Query-Cost": {"true"}})
	if cost, _ := decode(t, got).Extensions["cost"].(map[string]any); cost["requested"] != 107.0 {
		t.Errorf("got %s", got)
	}
}

func TestResponseBytes(t *testing.T) {
	g := newGateway(t, gatewayOptions{
		calls: 30, ttl: time.Hour, graph: func(o *graph.Options) { o.MaxResponseBytes = 3000 },
	})
	const query = `{ first: calls(first: 1) { nodes { id } } ` +
		`large: calls(first: 30) { nodes { extra transcript { content } } } ` +
		`last: calls(last: 1) { nodes { id } } }`
	a := g.query(t, query, nil)
	if a.code(t) != "QUERY_TOO_COMPLEX" || a.Errors[0].Extensions["limit"] != 3000.0 ||
		fmt.Sprint(a.Errors[0].Path) != "[large]" || a.Data["large"] != nil {
		t.Errorf("got %+v", a)
	}
	at(t, a.Data, "first", "nodes", 0, "id")
	at(t, a.Data, "last", "nodes", 0, "id")
}

// Only fields that return calls are bounded by the bytes of the response. What the others wrote before counts.
func TestResponseBytesOfOtherFields(t *testing.T) {
	g := newGateway(t, gatewayOptions{
		calls: 30, ttl: time.Hour, graph: func(o *graph.Options) { o.MaxResponseBytes = 200 },
	})
	a := g.query(t, `{ __schema { types { name } } callStats {`+
		hostile.Numbered(" a%d: count", 30)+` } }`, nil)
	for _, field := range []string{"__schema", "callStats"} {
		if text, err := json.Marshal(a.Data[field]); err != nil || len(text) <= 200 || len(a.Errors) > 0 {
			t.Errorf("%s has %d bytes: %v, %v", field, len(text), err, a.Errors)
		}
	}
	for name, field := range map[string]string{
		"calls": "calls(first: 1) { nodes { id } }", "node": `node(id: "` + g.fake.IDs()[0] + `") { id }`,
	} {
		a = g.query(t, "{ __schema { types { name } } "+field+" }", nil)
		if at(t, a.Data, "__schema", "types", 0, "name"); a.code(t) != "QUERY_TOO_COMPLEX" || a.Data[name] != nil {
			t.Errorf("%s: %.1000v", name, a)
		}
	}
}

// Each element of `nodes` with which the response is too large is null, and the elements before it are there.
func TestResponseBytesOfNodes(t *testing.T) {
	g := newGateway(t, gatewayOptions{
		calls: 30, ttl: time.Hour, graph: func(o *graph.Options) { o.MaxResponseBytes = 100 },
	})
	a := g.query(t, `query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{"ids": g.fake.IDs()[:2]})
	nodes, _ := a.Data["nodes"].([]any)
	if a.code(t) != "QUERY_TOO_COMPLEX" || fmt.Sprint(a.Errors[0].Path) != "[nodes 1]" || len(nodes) != 2 ||
		nodes[0] == nil || nodes[1] != nil {
		t.Errorf("got %.2000v", a)
	}
}

// The attacks of the table in DESIGN.md. None reaches upstream. How long each takes is logged, and nothing depends on
// it but the patience of whoever runs the test: without the limits, most of these take longer than a test may.
func TestAttacks(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 10, ttl: time.Hour})
	for _, attack := range hostile.Documents() {
		t.Run(attack.Name, func(t *testing.T) {
			body, err := json.Marshal(map[string]string{"query": attack.Text})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, _, got := g.post(t, string(body), nil)
			t.Logf(
				"%d bytes, %d µs, %d bytes back: %s", len(attack.Text), time.Since(start).Microseconds(), len(got), attack.Code,
			)
			a := decode(t, got)
			if len(a.Errors) == 0 || len(a.Errors) > 20 || a.Data != nil {
				t.Fatalf("%d errors: %.1000s", len(a.Errors), got)
			}
			for _, err := range a.Errors {
				if err.Extensions["code"] != attack.Code || len(err.Message) > 510 {
					t.Errorf("got %.1000s", got)
				}
			}
		})
	}
	if n := len(g.fake.Requests()); n > 0 {
		t.Errorf("%d upstream requests", n)
	}
}

// With introspection off no error reveals a name that the client did not.
func TestSuggestions(t *testing.T) {
	mistakes := []struct{ query, suggested string }{
		{"{ callz { nodes { id } } }", `Did you mean "calls"`},
		{"{ calls(frist: 1) { nodes { id } } }", `Did you mean "first"`},
		{"{ calls { nodes { idd } } }", `Did you mean "id"`},
		{"{ node(id: 1) { status } }", `Did you mean to use an inline fragment on "Call"`},
		{"{ calls(statuses: [COMPLETE]) { nodes { id } } }", `Did you mean the enum value "COMPLETED"`},
		{`{ calls(statuses: ["COMPLETED"]) { nodes { id } } }`, "Did you mean the enum value"},
		{"query ($x: Strin!) { call(id: $x) { id } }", ""}, // gqlparser suggests no type here
		{"{ node(id: 1) { ... on Cal { id } } }", ""},
		{"{ __typename @skip(iff: true) }", `Did you mean "if"`},
		{"{ calls }", `Did you mean "calls { ... }"`},
	}
	for _, introspection := range []bool{true, false} {
		g := newGateway(t, gatewayOptions{graph: func(o *graph.Options) { o.Introspection = introspection }})
		for _, mistake := range mistakes {
			var text strings.Builder
			for _, err := range g.query(t, mistake.query, nil).Errors {
				text.WriteString(err.Message + " ")
			}
			if text.String() == "" || introspection && !strings.Contains(text.String(), mistake.suggested) ||
				!introspection && strings.Contains(text.String(), "Did you mean") {
				t.Errorf("introspection %v, %s: %s", introspection, mistake.query, text.String())
			}
		}
	}
}

// Documents of comments, each a little different, leave no more than a bound in memory; see TestDocumentsAreBounded
// too.
func TestDocumentsWithCommentsAreServed(t *testing.T) {
	g := newGateway(t, gatewayOptions{})
	for i := range 20 {
		if a := g.query(t, fmt.Sprintf("{ __typename } # %d %s", i, strings.Repeat("x", 200<<10)), nil); len(a.Errors) > 0 {
			t.Fatalf("got %+v", a.Errors)
		}
	}
}

// FuzzRequest sends anything as a body or a query string. Whatever it is, the response is GraphQL's: JSON with data or
// errors, every error with a code, under a status that is known.
func FuzzRequest(f *testing.F) {
	for _, query := range []string{
		"{ __typename }", "{ calls { nodes { id } } }", "{ ...F0 }" + hostile.Doubling(3, "Query", "__typename"),
		introspection,
	} {
		body, _ := json.Marshal(map[string]any{
			"query": query, "variables": map[string]any{"n": 1}, "operationName": nil,
			"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": strings.Repeat("0", 64)}},
		})
		f.Add(string(body), false)
		f.Add(`{"query": `+string(must(json.Marshal(query)))+`}`, false)
		f.Add("query="+url.QueryEscape(query), true)
	}
	f.Add(`{"documentId": "a"}`, false)
	f.Add(
		`{"query": "query ($n: Int, $s: [CallOrderStatus!], $ids: [ID!]! = [1]) { calls(first: $n, statuses: $s) `+
			`{ totalCount } nodes(ids: $ids) { id } }", "variables": {"n": 1e3, "s": [null], "ids": [[1]]}}`,
		false,
	)
	f.Add(`query=%7Bcalls%7Bnodes%7Bid%7D%7D%7D&extensions={"persistedQuery":1}&variables={"a":[]}`, true)
	f.Add(`[]`, false)
	for _, seed := range []string{ // what was answered with a 500, an internal error, or as if it had not been said
		`{"query": "query ($b: Boolean = true) { __typename @include(if: $b) }", "variables": {"b": null}}`,
		`{"query": "query ($n: ID = \"a\") { call(id: $n) { id } nodes(ids: [$n]) { id } }", "variables": {"n": null}}`,
		`{"query": "query ($s: [CallOrderStatus!]) {calls(statuses: $s){__typename}}", "variables": {"s": ["completed"]}}`,
		`{"query": "query ($s: CallOrderStatus = CALLING) {calls(statuses: [$s]){__typename}}", "variables": {"s": null}}`,
		`{"query": "{ calls(first: {}) { nodes { id } } __typename @include(if: {}) __type(name: {}) { name } }"}`,
		`{"query": "{ call(id: 99999999999999999999) { id } }"}`,
		`{"query": "{ call(id: \"\\uD83D\") { id } calls(first:1after:null) { nodes { id } } }"}`,
		`{"query": "fragment F($a: Int) on Query { __typename } { ...F }"}`,
	} {
		f.Add(seed, false)
	}
	g := newGateway(f, gatewayOptions{calls: 30, ttl: time.Hour})
	f.Fuzz(func(t *testing.T, text string, byGet bool) {
		method := http.MethodPost
		if byGet {
			method = http.MethodGet
		}
		g.checkRequest(t, text, method)
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
