package graph_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"revox-graphql/graph"
	"revox-graphql/graph/admission"
)

// packed is a text packed by gzip.
func compressed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	must(w.Write([]byte(text)))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestContentEncoding(t *testing.T) {
	const limit = 256 << 10
	fill := func(size int) string { return typename + strings.Repeat(" ", size-len(typename)) }
	good, bomb := compressed(t, typename), compressed(t, strings.Repeat(" ", 64<<20))
	if len(bomb) > limit {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	for name, test := range map[string]struct {
		coding, body string
		status       int
		says         string
	}{
		"none":                        {"", typename, 200, ""},
		"identity":                    {"identity", typename, 200, ""},
		"gzip":                        {"gzip", good, 200, ""},
		"in capitals":                 {"GZIP", good, 200, ""},
		"its old name":                {"x-gzip", good, 200, ""},
		"with identity":               {"identity, gzip", good, 200, ""},
		"in two parts":                {"gzip", compressed(t, typename[:9]) + compressed(t, typename[9:]), 200, ""},
		"as large as may be":          {"gzip", compressed(t, fill(limit)), 200, ""},
		"a byte more":                 {"gzip", compressed(t, fill(limit+1)), 413, "has more than 262144 bytes"},
		"a bomb":                      {"gzip", bomb, 413, "has more than 262144 bytes"},
		"packed twice":                {"gzip, gzip", compressed(t, good), 415, "Content-Encoding: gzip"},
		"brotli, and plain":           {"br", typename, 415, "Content-Encoding: gzip"},
		"deflate":                     {"deflate", typename, 415, "Content-Encoding: gzip"},
		"one that nobody knows":       {"x", typename, 415, "Content-Encoding: gzip"},
		"plain, in spite of its name": {"gzip", typename, 400, "is not gzip"},
		"gzip, without the header":    {"", good, 400, "is not UTF-8"},
		"cut short":                   {"gzip", good[:len(good)-5], 400, "is not gzip"},
		"with another checksum":       {"gzip", good[:len(good)-8] + "12345678", 400, "is not gzip"},
		"with something behind":       {"gzip", good + "x", 400, "is not gzip"},
		"empty":                       {"gzip", "", 400, "is not gzip"},
		"nothing, packed":             {"gzip", compressed(t, ""), 400, "is not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			// With little room for bodies, so that what is unpacked must be given back.
			g := newGateway(t, gatewayOptions{
				graph: func(o *graph.Options) { o.Admission = admission.New(1, limit*3/2, 0, nil) },
			})
			for range 3 {
				header := http.Header{"Content-Encoding": {test.coding}}
				status, response, body := g.post(t, test.body, header)
				a := decode(t, body)
				if status != test.status || len(a.Errors) == 0 != (status == 200) {
					t.Fatalf("%d %s", status, body)
				}
				if status == 200 {
					continue
				}
				code := map[bool]string{true: "QUERY_TOO_LARGE", false: "BAD_USER_INPUT"}[status == 413]
				if a.code(t) != code || !strings.Contains(a.Errors[0].Message, test.says) {
					t.Errorf("got %s", body)
				}
				if taken := response.Get("Accept-Encoding"); (taken == "gzip") != (status == 415) {
					t.Errorf("%d with Accept-Encoding: %s", status, taken)
				}
			}
		})
	}
}

// What decompresses to much is counted as much, however little of it has been sent.
func TestDecompressedBodiesAreCounted(t *testing.T) {
	control := admission.New(1, 100<<10, 0, nil)
	g := newGateway(t, gatewayOptions{graph: func(o *graph.Options) { o.Admission = control }})
	body := compressed(t, typename+strings.Repeat(" ", 200<<10))
	if len(body) > 1<<10 {
		t.Fatalf("it has %d bytes", len(body))
	}
	status, _, response := g.post(t, body, http.Header{"Content-Encoding": {"gzip"}})
	rejected := control.Rejected(admission.BodyBytes)
	if code := decode(t, response).code(t); status != 503 || code != "OVERLOADED" || rejected != 1 {
		t.Errorf("%d %s", status, response)
	}
	gzip := http.Header{"Content-Encoding": {"gzip"}}
	if status, _, response := g.post(t, compressed(t, typename), gzip); status != 200 {
		t.Errorf("a small one after it: %d %s", status, response)
	}
}

// A repeated response is that of the text, however it was compressed.
func TestCompressedRequestsShareResponses(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 30, ttl: 1 << 40})
	reports := reporting(g)
	const query = `{"query": "{ calls(first: 2) { nodes { id } } }"}`
	_, _, first := g.post(t, query, nil)
	_, _, second := g.post(t, compressed(t, query), http.Header{"Content-Encoding": {"gzip"}})
	if one, two := <-reports, <-reports; !one.Executed || !two.Cached || !bytes.Equal(first, second) {
		t.Errorf("%s, %s", first, second)
	}
}

// GET and POST refuse the same JSON for the same reason.
func TestStrictJSON(t *testing.T) {
	const query = "{ __typename }"
	g := newGateway(t, gatewayOptions{})
	for name, test := range map[string]struct{ variables, says string }{
		"good":                      {`{"id": "x"}`, ""},
		"a pair of surrogates":      {`{"id": "\ud83d\ude00"}`, ""},
		"null":                      {`null`, ""},
		"a name twice":              {`{"id": "x", "id": "y"}`, "an object has one name twice"},
		"a name twice, deeper":      {`{"id": "x", "o": [{"a": 1, "\u0061": 2}]}`, "an object has one name twice"},
		"half a surrogate pair":     {`{"id": "\ud83d"}`, "a string has half of a surrogate pair"},
		"the other half":            {`{"id": "\ude00 x"}`, "a string has half of a surrogate pair"},
		"half a pair in a name":     {`{"\ud83d": "x"}`, "a string has half of a surrogate pair"},
		"a byte order mark":         {"\ufeff" + `{"id": "x"}`, "it begins with a byte order mark"},
		"not UTF-8":                 {"{\"id\": \"\xff\"}", "it is not UTF-8"},
		"a syntax error":            {`{id: "x"}`, "it has a syntax error, at byte "},
		"a number that is none":     {`{"id": 01}`, "it has a syntax error, at byte "},
		"cut short":                 {`{"id": "x"`, "it ends too early"},
		"something behind":          {`{"id": "x"} {}`, "text follows the end of the value"},
		"nested too deep":           {`{"id": ` + strings.Repeat("[", 20_000), "it has a syntax error, at byte "},
		"not an object":             {`["x"]`, "The parameter `variables` is of the wrong type."},
		"not an object but a text":  {`"x"`, "The parameter `variables` is of the wrong type."},
		"not an object but a truth": {`true`, "The parameter `variables` is of the wrong type."},
	} {
		t.Run(name, func(t *testing.T) {
			for _, in := range []string{"variables", "extensions"} {
				says := strings.ReplaceAll(test.says, "variables", in)
				wanted := "The parameter `" + in + "`"
				get := url.Values{"query": {query}, in: {test.variables}}.Encode()
				check(t, g, http.MethodGet, get, wanted, says)
				// In a body, a member's value cannot begin with a mark or end early; there the whole body does.
				body := fmt.Sprintf(`{"query": %q, %q: %s}`, query, in, test.variables)
				switch name {
				case "a byte order mark":
					body = "\ufeff" + fmt.Sprintf(`{"query": %q}`, query)
				case "cut short":
					body = strings.TrimSuffix(body, "}")
				case "something behind":
					body = fmt.Sprintf(`{"query": %q} {}`, query)
				}
				if !strings.HasPrefix(says, "The parameter") {
					wanted = "The request's body"
				}
				check(t, g, http.MethodPost, body, wanted, says)
			}
		})
	}
}

// check checks that a request is refused with a message that begins and goes on so; or not at all, if it says nothing.
func check(t *testing.T, g *gateway, method, text, begins, says string) {
	t.Helper()
	status, body := g.serve(t, method, text)
	a := decode(t, body)
	if says == "" {
		if status != 200 || a.Data["__typename"] != "Query" {
			t.Errorf("%s: %d %s", method, status, body)
		}
		return
	}
	if status != 400 || a.code(t) != "BAD_USER_INPUT" || !strings.HasPrefix(a.Errors[0].Message, begins) ||
		!strings.Contains(a.Errors[0].Message, says) {
		t.Errorf("%s: %d %s", method, status, body)
	}
}

// What is said twice is refused, since readers do not agree on which counts.
func TestRepeatedParameters(t *testing.T) {
	g := newGateway(t, gatewayOptions{})
	const once, twice = "", "is given more than once"
	for query, says := range map[string]string{
		"query={__typename}&query={a:__typename}":                       "The parameter `query` " + twice,
		"query={__typename}&variables={}&variables={}":                  "The parameter `variables` " + twice,
		"query={__typename}&operationName=&operationName=":              "The parameter `operationName` " + twice,
		"query={__typename}&extensions={}&extensions=":                  "The parameter `extensions` " + twice,
		"query={__typename}&documentId=a&documentId=a":                  "The parameter `documentId` " + twice,
		"query={__typename}&doc_id=a&doc_id=b":                          "The parameter `doc_id` " + twice,
		"query={__typename}&documentId=a&doc_id=b":                      "have the same meaning",
		"query={__typename}&documentId=a&doc_id=a":                      once,
		"query={__typename}&utm=1&utm=2":                                once, // means nothing
		"query={__typename}&variables=&operationName=":                  once,
		"query=%ff{__typename}":                                         "The parameter `query` is not UTF-8.",
		"query={__typename}&operationName=%ff":                          "The parameter `operationName` is not UTF-8.",
		"query={__typename};variables={}":                               "The query string of the URL is malformed.",
		"query={__typename}&variables=%zz":                              "The query string of the URL is malformed.",
		"query={__typename}&variables={\"a\":1} 2&extensions={\"a\":1}": "text follows the end of the value",
	} {
		check(t, g, http.MethodGet, query, "The ", says)
	}
	for body, says := range map[string]string{
		`{"query": "{ __typename }", "query": "{ a: __typename }"}`:             "an object has one name twice",
		`{"query": "{ __typename }", "documentId": "a", "doc_id": "b"}`:         "have the same meaning",
		`{"query": "{ __typename }", "documentId": "a", "doc_id": "a"}`:         once,
		`{"query": "{ __typename }", "x": 1, "\u0078": 2}`:                      "an object has one name twice",
		`{"query": "{ __typename }", "documentId": null, "doc_id": "a"}`:        once,
		`{"query": "{ a }", "documentId": 1}`:                                   "`documentId` is of the wrong type",
		`{"query": "{ __typename }", "operationName": "\ud83d\u0041"}`:          "half of a surrogate pair",
		`{"query": "{ __typename }", "extensions": {"a": "\ud83d\ude00 good"}}`: once,
	} {
		check(t, g, http.MethodPost, body, "The ", says)
	}
}

// A body that stops coming is answered 408, and not taken for one that is wrong.
func TestBodiesInTime(t *testing.T) {
	g := newGateway(t, gatewayOptions{})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", late{})
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	g.Config.Handler.ServeHTTP(w, r)
	if code := decode(t, w.Body.Bytes()).code(t); w.Code != http.StatusRequestTimeout || code != "BAD_USER_INPUT" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// late is a body that does not come in time.
type late struct{}

func (late) Read([]byte) (int, error) { return 0, timeoutError{} }

type timeoutError struct{}

func (timeoutError) Error() string     { return "i/o timeout" }
func (timeoutError) Is(err error) bool { return err.Error() == "i/o timeout" }
