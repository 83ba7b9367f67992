package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"revox-graphql/graph"
	"revox-graphql/upstream/fake"
)

const typename = `{"query": "{ __typename }"}`

func TestRequests(t *testing.T) {
	big := fmt.Sprintf(`{"query": "{ __typename }", "x": %q}`, strings.Repeat("x", 256<<10))
	tests := map[string]struct {
		contentType, body string
		status            int
		code, message     string // "" where there is no error
	}{
		"good":           {"application/json", typename, 200, "", ""},
		"with a charset": {"application/json; charset=UTF-8", typename, 200, "", ""},
		"nulls": {
			"application/json",
			`{"query": "{ __typename }", "variables": null, "operationName": null, "extensions": null}`,
			200, "", "",
		},
		"another charset": {
			"application/json; charset=latin1", typename, 415, "BAD_USER_INPUT",
			"Send the request as application/json, in UTF-8.",
		},
		"no content type": {"", typename, 415, "BAD_USER_INPUT", ""},
		"a form":          {"application/x-www-form-urlencoded", "query=%7B__typename%7D", 415, "BAD_USER_INPUT", ""},
		"plain text":      {"text/plain", typename, 415, "BAD_USER_INPUT", ""},
		"no body": {
			"application/json", "", 400, "BAD_USER_INPUT", "The request's body is not a JSON object.",
		},
		"no JSON":       {"application/json", `{"query"`, 400, "BAD_USER_INPUT", ""},
		"trailing data": {"application/json", typename + `{}`, 400, "BAD_USER_INPUT", ""},
		"a batch": {
			"application/json", `[` + typename + `]`, 400, "BAD_USER_INPUT",
			"Batches are not supported: send one operation per request.",
		},
		"no query": {
			"application/json", `{"q": "{ __typename }"}`, 400, "BAD_USER_INPUT",
			"The parameter `query` is missing: it holds the GraphQL document.",
		},
		"a query that is none": {
			"application/json", `{"query": {"a": 1}}`, 400, "BAD_USER_INPUT", "The parameter `query` is of the wrong type.",
		},
		"variables that are none": {
			"application/json", `{"query": "{ __typename }", "variables": [1]}`, 400, "BAD_USER_INPUT",
			"The parameter `variables` is of the wrong type.",
		},
		"too large": {
			"application/json", big, 413, "QUERY_TOO_LARGE", "The request has more than 262144 bytes.",
		},
		"a syntax error":   {"application/json", `{"query": "{"}`, 200, "GRAPHQL_PARSE_FAILED", ""},
		"an unknown field": {"application/json", `{"query": "{ nothing }"}`, 200, "GRAPHQL_VALIDATION_FAILED", ""},
		"an unknown operation": {
			"application/json", `{"query": "query A { __typename }", "operationName": "B"}`,
			200, "GRAPHQL_VALIDATION_FAILED", "",
		},
		"a variable of no use": {
			"application/json",
			`{"query": "query ($n: Int) { calls(first: $n) { __typename } }", "variables": {"n": "x"}}`,
			200, "GRAPHQL_VALIDATION_FAILED", "",
		},
		"a mutation": {
			"application/json", `{"query": "mutation { __typename }"}`, 200, "GRAPHQL_VALIDATION_FAILED", "",
		},
		"@defer": {
			"application/json", `{"query": "{ ... @defer { __typename } }"}`, 200, "GRAPHQL_VALIDATION_FAILED",
			"Unknown directive \"@defer\".",
		},
	}
	g := newGateway(t, gatewayOptions{})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status, header, body := g.post(t, test.body, http.Header{"Content-Type": {test.contentType}})
			if status != test.status || header.Get("Content-Type") != "application/json; charset=utf-8" {
				t.Errorf("status %d, %s", status, header.Get("Content-Type"))
			}
			a := decode(t, body)
			if test.code == "" {
				if len(a.Errors) > 0 || a.Data["__typename"] != "Query" {
					t.Errorf("got %s", body)
				}
				return
			}
			if code := a.code(t); code != test.code || test.message != "" && a.Errors[0].Message != test.message {
				t.Errorf("got %s", body)
			}
			if strings.Contains(string(body), `"data"`) {
				t.Errorf("a response that was not executed has data: %s", body)
			}
			// With the newer media type, what was not executed is no success.
			status, _, _ = g.post(t, test.body, http.Header{
				"Content-Type": {test.contentType}, "Accept": {"application/graphql-response+json"},
			})
			if status < 400 || status > 499 {
				t.Errorf("status %d for application/graphql-response+json", status)
			}
		})
	}
	if n := len(g.fake.Requests()); n != 0 {
		t.Errorf("%d upstream requests", n)
	}
}

func TestGet(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 30, ttl: time.Minute})
	for name, test := range map[string]struct {
		query  string
		status int
	}{
		"good": {
			"query=" + url.QueryEscape("query Q($n: Int) { calls(first: $n) { nodes { id } } }") + "&variables=" +
				url.QueryEscape(`{"n": 2}`) + "&operationName=Q",
			200,
		},
		"no query":     {"", 400},
		"no variables": {"query=%7B__typename%7D&variables=%5B1%5D", 400},
		"bad escapes":  {"query=%zz", 400},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+"?"+test.query, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			status, _, body := do(t, req)
			if status != test.status {
				t.Errorf("status %d: %s", status, body)
			}
			if a := decode(t, body); test.status == 200 && len(at(t, a.Data, "calls", "nodes").([]any)) != 2 {
				t.Errorf("got %s", body)
			}
		})
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, g.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if status, header, _ := do(t, req); status != 405 || header.Get("Allow") != "GET, POST" {
		t.Errorf("PUT: status %d, allowed %s", status, header.Get("Allow"))
	}
}

func TestAccept(t *testing.T) {
	const classic, modern = "application/json; charset=utf-8", "application/graphql-response+json; charset=utf-8"
	g := newGateway(t, gatewayOptions{})
	for accept, want := range map[string]string{
		"":                                  classic,
		" , ":                               classic,
		"*/*":                               classic,
		"application/*":                     classic,
		"application/json":                  classic,
		"application/graphql-response+json": modern,
		"application/graphql-response+json, application/json;q=0.9": modern,
		"application/json, application/graphql-response+json":       classic,
		"application/json;q=0.5, application/graphql-response+json": modern,
		"application/json;q=0, */*":                                 modern,
		// urql's header, and Apollo Client's
		"application/graphql-response+json, application/graphql+json, application/json, " +
			"text/event-stream, multipart/mixed": modern,
		"multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json;q=0.9": modern,
		"text/html":                     "",
		"text/event-stream":             "",
		"application/json;q=0":          "",
		"application/json;q=x":          "",
		"text/html, application/json":   classic,
		"; nonsense, application/json":  classic,
		"application/json; charset=foo": classic,
	} {
		t.Run(accept, func(t *testing.T) {
			status, header, body := g.post(t, typename, http.Header{"Accept": {accept}})
			if want == "" {
				if status != 406 {
					t.Errorf("status %d: %s", status, body)
				}
			} else if status != 200 || header.Get("Content-Type") != want {
				t.Errorf("status %d, %s", status, header.Get("Content-Type"))
			}
		})
	}
}

// Every kind of upstream failure has its code, takes no other root field with it, and reveals nothing of upstream.
func TestUpstreamFailures(t *testing.T) {
	tests := map[string]struct {
		response   fake.Response
		code       string
		retryAfter any
	}{
		"401": {fake.Response{Status: 401}, "UPSTREAM_UNAUTHENTICATED", nil},
		"403": {fake.Response{Status: 403}, "UPSTREAM_UNAUTHENTICATED", nil},
		"404": {fake.Response{Status: 404}, "UPSTREAM_INVALID_RESPONSE", nil},
		"408": {fake.Response{Status: 408}, "UPSTREAM_TIMEOUT", nil},
		"429": {
			fake.Response{Status: 429, Header: http.Header{"Retry-After-Ms": {"1500"}}},
			"UPSTREAM_RATE_LIMITED", 2.0,
		},
		"500": {fake.Response{Status: 500, Body: []byte("secret stack")}, "UPSTREAM_UNAVAILABLE", nil},
		"503": {fake.Response{Status: 503, Header: http.Header{"Retry-After": {"3"}}}, "UPSTREAM_UNAVAILABLE", 3.0},
		"redirect": {
			fake.Response{Status: 307, Header: http.Header{"Location": {"http://secret.example/"}}},
			"UPSTREAM_INVALID_RESPONSE", nil,
		},
		"truncated": {fake.Response{Truncate: true}, "UPSTREAM_UNAVAILABLE", nil},
		"malformed": {fake.Response{Body: []byte(`{"calls": [secret`)}, "UPSTREAM_INVALID_RESPONSE", nil},
		"no list":   {fake.Response{Body: []byte(`{"secret": 1}`)}, "UPSTREAM_INVALID_RESPONSE", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, gatewayOptions{calls: 30, ttl: time.Minute})
			g.fake.Behave(func(b *fake.Behaviour) {
				b.Fault = func(int, *http.Request) *fake.Response { return &test.response }
			})
			status, _, body := g.post(t, `{"query": "{ __typename calls { nodes { id } } }"}`, nil)
			a := decode(t, body)
			if code := a.code(t); status != 200 || code != test.code || a.Errors[0].Extensions["retryAfter"] != test.retryAfter {
				t.Errorf("status %d: %s", status, body)
			}
			if a.Data["__typename"] != "Query" || a.Data["calls"] != nil {
				t.Errorf("got %s", body)
			}
			host := strings.TrimPrefix(g.URL, "http://")
			for _, text := range []string{string(body), g.log.String()} {
				if strings.Contains(text, "secret") || strings.Contains(text, canary) || strings.Contains(text, host) {
					t.Errorf("reveals too much: %s", text)
				}
			}
			const cause = ` cause=closed reason="the response was cut short"`
			if log := g.log.String(); name == "truncated" && !strings.Contains(log, cause) {
				t.Errorf("the log does not report the cause: %s", log)
			}
			g.fake.Behave(func(b *fake.Behaviour) { b.Fault = nil })
			asked := len(g.fake.Requests())
			a = g.query(t, `{ calls { nodes { id } } }`, nil)
			if test.response.Status == 401 || test.retryAfter != nil { // upstream is left alone for a while
				if a.code(t) != test.code || len(g.fake.Requests()) != asked {
					t.Errorf("%d requests: %+v", len(g.fake.Requests())-asked, a.Errors)
				}
				const unasked = `level=INFO msg="no request was sent to upstream"`
				if log := g.log.String(); strings.Count(log, unasked) != 1 || strings.Count(log, "\n") != 2 {
					t.Errorf("the log has %s", log)
				}
			} else if len(a.Errors) > 0 { // errors are not cached
				t.Errorf("still failing: %+v", a.Errors)
			}
		})
	}
}

// Where upstream rejects a key, the error is for its owner: the gateway's operator, with a line in the log, or the
// client.
func TestRefusedKeys(t *testing.T) {
	for name, test := range map[string]struct {
		forward bool
		status  int
		code    string
		log     string
	}{
		"the gateway's, 401": {false, 401, "UPSTREAM_UNAUTHENTICATED", `level=ERROR msg="upstream rejects the gateway's key`},
		"the gateway's, 403": {false, 403, "UPSTREAM_UNAUTHENTICATED", `level=ERROR msg="upstream rejects the gateway's key`},
		"the client's, 401":  {true, 401, "UNAUTHENTICATED", "level=WARN msg=\"upstream failed"},
		"the client's, 403":  {true, 403, "FORBIDDEN", "level=WARN msg=\"upstream failed"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, gatewayOptions{calls: 30, ttl: time.Minute, graph: func(o *graph.Options) {
				o.Authenticate = withTokens("token")
				if test.forward {
					o.Authenticate = withKeys
				}
			}})
			g.fake.Behave(func(b *fake.Behaviour) {
				b.Fault = func(int, *http.Request) *fake.Response { return &fake.Response{Status: test.status} }
			})
			token := http.Header{"Authorization": {"Bearer token"}}
			status, header, body := g.post(t, `{"query": "{ calls { nodes { id } } }"}`, token)
			code := decode(t, body).code(t)
			if status != 200 || code != test.code || header.Get("WWW-Authenticate") != "" {
				t.Errorf("status %d, %v: %s", status, header, body)
			}
			logged := fmt.Sprintf("status=%d", test.status)
			if log := g.log.String(); !strings.Contains(log, test.log) || !strings.Contains(log, logged) {
				t.Errorf("the log has %s", log)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 30, graph: func(o *graph.Options) { o.Timeout = time.Millisecond }})
	g.fake.Behave(func(b *fake.Behaviour) { b.Latency = time.Hour })
	a := g.query(t, `{ __typename calls { nodes { id } } }`, nil)
	if a.code(t) != "UPSTREAM_TIMEOUT" || a.Data["__typename"] != "Query" {
		t.Errorf("got %+v", a)
	}
}

func TestTotalCountFailsAlone(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 300, ttl: time.Minute})
	g.fake.Behave(func(b *fake.Behaviour) {
		b.Fault = func(n int, _ *http.Request) *fake.Response {
			if n > 1 {
				return &fake.Response{Status: 500}
			}
			return nil
		}
	})
	a := g.query(t, `{ calls(first: 2) { nodes { id } totalCount } }`, nil)
	if a.code(t) != "UPSTREAM_UNAVAILABLE" || len(at(t, a.Data, "calls", "nodes").([]any)) != 2 ||
		at(t, a.Data, "calls", "totalCount") != nil {
		t.Errorf("got %+v", a)
	}
}

func TestNodesFailWithNulls(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 10})
	g.fake.Behave(func(b *fake.Behaviour) {
		b.Fault = func(int, *http.Request) *fake.Response { return &fake.Response{Status: 500} }
	})
	a := g.query(t, `{ __typename nodes(ids: ["a", "b"]) { id } }`, nil)
	if nodes := at(t, a.Data, "nodes").([]any); a.code(t) != "UPSTREAM_UNAVAILABLE" || len(nodes) != 2 ||
		a.Data["__typename"] != "Query" {
		t.Errorf("got %+v", a)
	}
	many := make([]string, 101)
	a = g.query(t, `query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{"ids": many})
	if a.code(t) != "BAD_USER_INPUT" || a.Errors[0].Extensions["argument"] != "ids" {
		t.Errorf("got %+v", a)
	}
}

func TestScanLimit(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 1000, ttl: time.Minute, graph: func(o *graph.Options) { o.MaxScan = 3 }})
	ids := g.fake.IDs()
	a := g.query(t, `query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{
		"ids": []string{ids[599], ids[600]},
	})
	if a.code(t) != "SCAN_LIMIT_REACHED" || a.Errors[0].Extensions["scannedPages"] != 3.0 ||
		at(t, a.Data, "nodes", 0, "id") != ids[599] || at(t, a.Data, "nodes", 1) != nil {
		t.Errorf("got %+v", a)
	}
	if n := len(g.fake.Requests()); n > 4 { // the seams between three pages' worth of rows are proven
		t.Errorf("%d upstream requests", n)
	}
	// A page that is read and ends the list leaves nothing open.
	g = newGateway(t, gatewayOptions{calls: 610, ttl: time.Minute, graph: func(o *graph.Options) { o.MaxScan = 3 }})
	ids = g.fake.IDs()
	a = g.query(t, `query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{"ids": []string{"none", ids[605]}})
	if len(a.Errors) > 0 || at(t, a.Data, "nodes", 0) != nil || at(t, a.Data, "nodes", 1, "id") != ids[605] {
		t.Errorf("got %+v", a)
	}
	// What was walked over is found without a scan.
	g = newGateway(t, gatewayOptions{calls: 1000, ttl: time.Minute})
	a = g.query(t, `{ calls(last: 1) { nodes { id } } }`, nil)
	g.fake.ResetRequests()
	a = g.query(t, `query ($id: ID!) { call(id: $id) { id } }`, map[string]any{
		"id": at(t, a.Data, "calls", "nodes", 0, "id"),
	})
	if len(a.Errors) > 0 || len(g.fake.Requests()) != 0 {
		t.Errorf("%+v with %d upstream requests", a, len(g.fake.Requests()))
	}
}

func TestCredentials(t *testing.T) {
	ask := func(g *gateway, authorization string) (int, response) {
		header := http.Header{}
		if authorization != "" {
			header.Set("Authorization", authorization)
		}
		status, _, body := g.post(t, `{"query": "{ calls(first: 1) { nodes { id } } }"}`, header)
		return status, decode(t, body)
	}
	t.Run("server", func(t *testing.T) {
		g := newGateway(t, gatewayOptions{calls: 5})
		if _, a := ask(g, "Bearer of a client"); len(a.Errors) > 0 {
			t.Errorf("got %+v", a)
		}
		if got := g.fake.Requests()[0].Authorization; got != "Bearer "+canary {
			t.Errorf("upstream got %q", got)
		}
	})
	t.Run("tokens", func(t *testing.T) {
		g := newGateway(t, gatewayOptions{
			calls: 5,
			graph: func(o *graph.Options) { o.Authenticate = withTokens("one", "two") },
		})
		for authorization, want := range map[string]int{
			"": 401, "Bearer three": 401, "Bearer one": 200, "Bearer two": 200,
		} {
			status, a := ask(g, authorization)
			if status != want || status == 401 && (a.code(t) != "UNAUTHENTICATED" || a.Errors[0].Message != "Send a token.") {
				t.Errorf("%q: %d, %+v", authorization, status, a)
			}
		}
	})
	t.Run("forward", func(t *testing.T) {
		g := newGateway(t, gatewayOptions{
			calls: 5, ttl: time.Minute, graph: func(o *graph.Options) { o.Authenticate = withKeys },
		})
		if status, a := ask(g, ""); status != 401 || a.code(t) != "UNAUTHENTICATED" || len(g.fake.Requests()) != 0 {
			t.Errorf("without a key: %d, %+v", status, a)
		}
		for range 2 { // the second of each is served from the cache, and from no other's
			for _, key := range []string{"sk_a", "sk_b"} {
				if _, a := ask(g, "Bearer "+key); len(a.Errors) > 0 {
					t.Errorf("got %+v", a)
				}
			}
		}
		var got []string
		for _, r := range g.fake.Requests() {
			got = append(got, r.Authorization)
		}
		// For each key a page that ends the list, and the small one that confirms it.
		if want := []string{"Bearer sk_a", "Bearer sk_a", "Bearer sk_b", "Bearer sk_b"}; !slices.Equal(got, want) {
			t.Errorf("upstream got %v", got)
		}
	})
}

func TestHeaders(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 5, graph: func(o *graph.Options) { o.Demo = true }})
	_, header, body := g.post(t, typename, nil)
	if header.Get("X-Revox-Upstream") != "demo" || header.Get("Cache-Control") != "private, no-store" ||
		strings.Join(header.Values("Vary"), ", ") != "Authorization, Accept, Accept-Encoding" ||
		header.Get("Content-Length") != fmt.Sprint(len(body)) {
		t.Errorf("got %v", header)
	}
	if _, header, _ := newGateway(t, gatewayOptions{}).post(t, typename, nil); header.Get("X-Revox-Upstream") != "" {
		t.Error("the real upstream is called a demo")
	}
}

func TestNoCacheReadsAgain(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 5, ttl: time.Hour})
	const query = `{"query": "{ calls(first: 1) { nodes { id } } }"}`
	first := func(header http.Header) any {
		_, _, body := g.post(t, query, header)
		return at(t, decode(t, body).Data, "calls", "nodes", 0, "id")
	}
	old := first(nil)
	fresh := g.fake.Insert(1)[0]
	if got := first(nil); got != old {
		t.Errorf("not from the cache: %v", got)
	}
	if got := first(http.Header{"Cache-Control": {"max-age=0, No-Cache"}}); got != fresh {
		t.Errorf("not read again: %v", got)
	}
	if got := first(nil); got != fresh {
		t.Errorf("the cache was not refreshed: %v", got)
	}
}

func TestIntrospectionOff(t *testing.T) {
	g := newGateway(t, gatewayOptions{graph: func(o *graph.Options) { o.Introspection = false }})
	a := g.query(t, `{ __schema { types { name } } }`, nil)
	if a.code(t) != "GRAPHQL_VALIDATION_FAILED" {
		t.Errorf("got %+v", a)
	}
}

// Many ask the same cold question at once: one upstream request.
func TestColdQuestionsAreAskedOnce(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 100, ttl: time.Minute})
	arrived := make(chan struct{})
	g.fake.Behave(func(b *fake.Behaviour) {
		b.Fault = func(int, *http.Request) *fake.Response { <-arrived; return nil }
	})
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if a := g.query(t, `{ calls(first: 20) { nodes { id } } }`, nil); len(a.Errors) > 0 {
				t.Errorf("got %+v", a.Errors)
			}
		})
	}
	close(arrived)
	group.Wait()
	if n := len(g.fake.Requests()); n != 1 {
		t.Errorf("%d upstream requests", n)
	}
}

// A walk over HTTP gives exactly upstream's ids, in both directions.
func TestWalkOverHTTP(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 1234})
	for _, back := range []bool{false, true} {
		if got := g.walk(t, 100, back); !slices.Equal(got, g.fake.IDs()) {
			t.Errorf("back %v: %d calls walked", back, len(got))
		}
	}
}

// The bytes of a transcript are sent only when they are asked for.
func TestSelectionDecidesTheBytes(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 100, ttl: time.Minute})
	size := func(selection string) int {
		body, err := json.Marshal(map[string]string{"query": `{ calls(first: 50) { nodes { id ` + selection + ` } } }`})
		if err != nil {
			t.Fatal(err)
		}
		_, _, got := g.post(t, string(body), nil)
		return len(got)
	}
	full, roles, none := size("transcript { role content }"), size("transcript { role }"), size("")
	if full < 4*roles || roles < 2*none {
		t.Errorf("full %d bytes, roles %d, none %d", full, roles, none)
	}
}
