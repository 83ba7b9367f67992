package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"revox-graphql/graph"
	"revox-graphql/internal/speccases"
)

// clientError is an error as clients read it.
type clientError struct {
	Message   string `json:"message"`
	Locations []struct {
		Line   int `json:"line"`
		Column int `json:"column"`
	} `json:"locations"`
	Path       []any          `json:"path"`
	Extensions map[string]any `json:"extensions"`
}

// String is all that tests compare: code, argument, location, path and message.
func (e clientError) String() string {
	var b strings.Builder
	fmt.Fprint(&b, e.Extensions["code"])
	if argument := e.Extensions["argument"]; argument != nil {
		fmt.Fprintf(&b, "(%v)", argument)
	}
	for _, location := range e.Locations {
		fmt.Fprintf(&b, " %d:%d", location.Line, location.Column)
	}
	if e.Path != nil {
		fmt.Fprintf(&b, " %v", e.Path)
	}
	return b.String() + " " + e.Message
}

// run sends a request and returns the status, the errors and the data of the response.
func (g *gateway) run(t testing.TB, body string) (status int, errors []string, data string) {
	t.Helper()
	status, got := g.serve(t, http.MethodPost, body)
	var a struct {
		Errors []clientError   `json:"errors"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	for _, err := range a.Errors {
		errors = append(errors, err.String())
	}
	return status, errors, string(a.Data)
}

func requestBody(t testing.TB, query, variables, operation string) string {
	t.Helper()
	request := map[string]any{"query": query}
	if variables != "" {
		request["variables"] = json.RawMessage(variables)
	}
	if operation != "" {
		request["operationName"] = operation
	}
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// specFile runs the cases of a file. None of them is logged.
func specFile(t *testing.T, name string) *gateway {
	t.Helper()
	g := newGateway(t, gatewayOptions{calls: 3, ttl: time.Hour})
	for _, c := range speccases.Read(t, "testdata/spec/"+name+".txt") {
		t.Run(c.Name, func(t *testing.T) {
			status, errors, data := g.run(t, requestBody(t, c.Query, c.Variables, c.Operation))
			if status != http.StatusOK || data != c.Data && name != "documents" || !slices.Equal(errors, c.Errors) {
				t.Errorf("%d\ngot  %q %s\nwant %q %s", status, errors, data, c.Errors, c.Data)
			}
		})
	}
	if g.log.Len() > 0 {
		t.Errorf("logged: %s", g.log)
	}
	return g
}

// Values of variables that are not of the variable's type. The messages and the locations are those of graphql-js 16.
func TestVariablesOfWrongTypes(t *testing.T) {
	if n := len(specFile(t, "variables").fake.Requests()); n > 0 {
		t.Errorf("%d upstream requests", n)
	}
}

// A nullable variable with a default may stand where null is not allowed. That it is null is an error of the field
// (GraphQL spec 6.4.1), and where it decides which fields there are, of the whole.
func TestNullsThroughDefaults(t *testing.T) { specFile(t, "nulls") }

// Documents that are wrong, and where they are.
func TestWrongDocuments(t *testing.T) { specFile(t, "documents") }

// Values that are coerced (GraphQL spec 3.5, 3.11), and what of them goes upstream.
func TestVariablesThatAreCoerced(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 30})
	count := func(query, variables string) int {
		t.Helper()
		_, errors, data := g.run(t, requestBody(t, query, variables, ""))
		if len(errors) > 0 {
			t.Errorf("%s with %s: %q", query, variables, errors)
		}
		return strings.Count(data, `"id"`)
	}
	const first = "query ($n: Int = 3) { calls(first: $n) { nodes { id } } }"
	for variables, want := range map[string]int{
		`{"n": 2}`: 2, `{"n": 2.0}`: 2, `{"n": 1e1}`: 10, `{"n": null}`: 20, `{}`: 3, `{"m": 1}`: 3,
	} {
		if n := count(first, variables); n != want {
			t.Errorf("%s: %d calls, want %d", variables, n, want)
		}
	}
	const statuses = "query ($s: [CallOrderStatus!] = ERRORED) { calls(first: 1, statuses: $s) { nodes { id } } }"
	for variables, want := range map[string]string{
		`{"s": "COMPLETED"}`: "completed", `{"s": ["COMPLETED"]}`: "completed", `{}`: "errored", `{"s": null}`: "",
		`{"s": ["SCHEDULED", "ERRORED"]}`: "scheduled,errored", `{"s": []}`: "",
	} {
		g.fake.ResetRequests()
		count(statuses, variables)
		if got := strings.Join(g.fake.Requests()[0].Statuses, ","); got != want {
			t.Errorf("%s: upstream was asked for %q, want %q", variables, got, want)
		}
	}
	_, _, all := g.run(t, requestBody(t, "{ calls(first: 1) { nodes { id } } }", "", ""))
	var known struct {
		Calls struct{ Nodes []struct{ ID string } }
	}
	if err := json.Unmarshal([]byte(all), &known); err != nil {
		t.Fatal(err)
	}
	one := fmt.Sprintf(`{"ids": %q}`, known.Calls.Nodes[0].ID)
	if n := count("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", one); n != 1 {
		t.Errorf("one id is no list of one: %d calls", n)
	}
	for _, id := range []string{`12`, `12.0`, `"12"`, `99999999999999999999`, `1.2e1`} {
		body := requestBody(t, "query ($id: ID!) { call(id: $id) { id } }", `{"id": `+id+`}`, "")
		if _, errors, data := g.run(t, body); len(errors) > 0 || data != `{"call":null}` {
			t.Errorf("the id %s: %q %s", id, errors, data)
		}
	}
}

// Literals that are not of the type that the schema wants, in every position that takes one, are refused by validation.
func TestLiteralsOfWrongTypes(t *testing.T) {
	const ints, texts = "1 -2147483648 null", `"a" """a""" null`
	const ids = `1 -2147483648 2147483648 99999999999999999999 "a" """a"""`
	positions := map[string]string{ // and what the position takes
		"{ calls(first: %s) { nodes { id } } }":                                      ints,
		"{ calls(last: %s) { nodes { id } } }":                                       ints,
		"{ calls(after: %s) { nodes { id } } }":                                      texts,
		"{ calls(statuses: %s) { nodes { id } } }":                                   "COMPLETED [COMPLETED] [] null",
		"{ calls(statuses: [%s]) { nodes { id } } }":                                 "COMPLETED",
		"{ call(id: %s) { id } }":                                                    ids,
		"{ nodes(ids: %s) { id } }":                                                  ids + " [1] []",
		"{ calls(first: 1) { nodes { transcript(roles: %s) { role } } } }":           "USER null []",
		"{ calls(first: 1) { nodes { transcript(search: %s) { role } } } }":          texts,
		"{ calls(first: 1) { nodes { structuredOutput(keys: %s) } } }":               texts + " []",
		"{ __typename @include(if: %s) }":                                            "true",
		"{ __typename @skip(if: %s) }":                                               "true",
		"{ __type(name: %s) { name } }":                                              `"a" """a"""`,
		`{ __type(name: "X") { fields(includeDeprecated: %s) { name } } }`:           "true null",
		"query ($x: Int = %s) { calls(first: $x) { nodes { id } } }":                 ints,
		"query ($x: [CallOrderStatus!] = %s) { calls(statuses: $x) { __typename } }": "COMPLETED [COMPLETED] [] null",
		"query ($x: Boolean! = %s) { __typename @include(if: $x) }":                  "true",
	}
	values := []string{
		"{}", "{a: 1}", "[]", "[1]", "[[]]", "[{}]", "[COMPLETED]", "1", "-2147483648", "2147483648",
		"99999999999999999999", "1.0", "1e400", `"a"`, `"""a"""`, "true", "null", "COMPLETED", "USER",
		"completed", "[null]", "[[COMPLETED]]",
	}
	g := newGateway(t, gatewayOptions{calls: 3, ttl: time.Hour})
	for template, takes := range positions {
		for _, value := range values {
			query := fmt.Sprintf(template, value)
			status, errors, data := g.run(t, requestBody(t, query, "", ""))
			refused := data == "" && len(errors) > 0 && strings.HasPrefix(errors[0], "GRAPHQL_VALIDATION_FAILED 1:")
			if wanted := !slices.Contains(strings.Fields(takes), value); refused != wanted || status != http.StatusOK {
				t.Errorf("%s: refused %v, want %v: %d %q %s", query, refused, wanted, status, errors, data)
			}
			for _, err := range errors {
				if strings.Contains(err, "INTERNAL_SERVER_ERROR") {
					t.Errorf("%s: %s", query, err)
				}
			}
		}
	}
	if g.log.Len() > 0 {
		t.Errorf("logged: %s", g.log)
	}
}

// What looks like those, and is right.
func TestRightDocuments(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 3, ttl: time.Hour})
	for _, query := range []string{
		"{ calls(first:1#c\n) { nodes { id } } }", "{ calls(first:1,after:null) { nodes { id } } }",
		`{ call(id: "\uD83D\uDE00") { id } }`, `{ call(id: "\u{1F600}\u00e9\\uD83D") { id } }`,
		"{ call(id: \"\uFFFD\\u0041\") { id } }", `{ call(id: """"a""") { id } }`, `{ call(id: """""") { id } }`,
		`{ call(id: """a \"""""") { id } }`, "{ ... on Query { __typename } ... { a: __typename } }",
		"{ ... @include(if: true) { b: __typename } }",
		"{ calls(first: 1) { nodes { ... on Node { id } } } }\r\n# c\r\n",
	} {
		status, errors, data := g.run(t, requestBody(t, query, "", ""))
		if status != http.StatusOK || len(errors) > 0 || data == "" {
			t.Errorf("%s: %d %q", query, status, errors)
		}
	}
}

// A block string has the value that the specification gives it (2.9.4 BlockStringValue): the first line's indent is
// not that of the others.
func TestBlockStrings(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 1, ttl: time.Hour})
	const members = `{"a\nb": 1, "  a\nb": 2, "a\n  b": 3, "\"\"\"": 4}`
	g.fake.SetRows(json.RawMessage(`{"id": "c", "structured_output": ` + members + `}`))
	for block, want := range map[string]string{
		"a\n  b": `{"a\nb":1}`, "\n  a\n  b\n": `{"a\nb":1}`, "a\r\n  b": `{"a\nb":1}`, "  a\n    b": `{"  a\nb":2}`,
		"\n  a\n    b": `{"a\n  b":3}`, `\"""`: `{"\"\"\"":4}`, "a\n\n\n  b": `{}`,
	} {
		query := fmt.Sprintf(`{ calls(first: 1) { nodes { structuredOutput(keys: """%s""") } } }`, block)
		_, errors, data := g.run(t, requestBody(t, query, "", ""))
		if want = `{"calls":{"nodes":[{"structuredOutput":` + want + `}]}}`; len(errors) > 0 || data != want {
			t.Errorf("%q: %q %s, want %s", block, errors, data, want)
		}
	}
}

// A document that asks for the schema is refused as a whole where introspection is off, whatever else it asks for.
func TestNoIntrospection(t *testing.T) {
	for _, query := range []string{
		"{ calls(first: 1) { nodes { id } } __schema { types { name } } }", `{ __type(name: "Call") { name } }`,
		"{ calls(first: 1) { nodes { id } } ...F } fragment F on Query { ... { s: __schema { types { name } } } }",
		"query A { __typename } query B { __schema { types { name } } }",
	} {
		body := requestBody(t, query, "", strings.Repeat("B", strings.Count(query, "query B")))
		if _, errors, data := newGateway(t, gatewayOptions{calls: 3}).run(t, body); len(errors) > 0 || data == "" {
			t.Errorf("%s: %q", query, errors)
		}
		g := newGateway(t, gatewayOptions{calls: 3, graph: func(o *graph.Options) { o.Introspection = false }})
		status, errors, data := g.run(t, body)
		if status != http.StatusOK || data != "" || len(errors) != 1 || len(g.fake.Requests()) > 0 ||
			!introspectionOff.MatchString(errors[0]) {
			t.Errorf("%s: %d %q %s", query, status, errors, data)
		}
	}
	g := newGateway(t, gatewayOptions{graph: func(o *graph.Options) { o.Introspection = false }})
	_, errors, data := g.run(t, requestBody(t, "{ __typename }", "", ""))
	if len(errors) > 0 || data != `{"__typename":"Query"}` {
		t.Errorf("__typename: %q %s", errors, data)
	}
	const suggestible = "query ($s: [CallOrderStatus!]) { calls(statuses: $s) { nodes { id } } }"
	_, errors, _ = g.run(t, requestBody(t, suggestible, `{"s": "completed"}`, ""))
	if len(errors) != 1 || strings.Contains(errors[0], "COMPLETED") {
		t.Errorf("a value is suggested: %q", errors)
	}
}

var introspectionOff = regexp.MustCompile(`^GRAPHQL_VALIDATION_FAILED 1:\d+ This gateway does not allow introspection`)

// A fragment of two operations takes the variables of the one that runs.
func TestFragmentsTakeTheirOperationsVariables(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 30, ttl: time.Hour})
	const query = `query B($n: Int) { ...F } query A($n: Int = 2) { ...F }
		fragment F on Query { calls(first: $n) { nodes { id } } }`
	for operation, want := range map[string]int{"A": 2, "B": 20} {
		_, _, body := g.post(t, requestBody(t, query, "", operation), http.Header{"X-Query-Cost": {"true"}})
		a := decode(t, body)
		n, cost := strings.Count(string(body), `"id"`), at(t, a.Extensions, "cost", "requested")
		if n != want || cost != float64(want) {
			t.Errorf("%s: %d calls, want %d: %s", operation, n, want, body)
		}
	}
}
