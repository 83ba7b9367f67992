package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/relay"
	"revox-graphql/internal/errcode"
	"revox-graphql/upstream"
)

// SpecCase is a case of a file in testdata/spec: a request, and the errors and the data that come of it.
type SpecCase struct {
	Name, Query, Variables, Operation string
	Errors                            []string
	Data                              string
}

// ReadSpecCases reads such a file. A case has its name after a hash, and then lines of a key and a value; a query with
// line ends is quoted as in Go.
func ReadSpecCases(tb testing.TB, name string) []SpecCase {
	tb.Helper()
	text, err := os.ReadFile("testdata/spec/" + name + ".txt")
	if err != nil {
		tb.Fatal(err)
	}
	var cases []SpecCase
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "# "); ok {
			cases = append(cases, SpecCase{Name: name})
			continue
		}
		key, value, ok := strings.Cut(line, ": ")
		if !ok || len(cases) == 0 {
			if line != "" {
				tb.Fatalf("no key: %s", line)
			}
			continue
		}
		if unquoted, err := strconv.Unquote(value); err == nil && key == "query" {
			value = unquoted
		}
		c := &cases[len(cases)-1]
		switch key {
		case "query":
			c.Query = value
		case "variables":
			c.Variables = value
		case "operation":
			c.Operation = value
		case "error":
			c.Errors = append(c.Errors, value)
		case "data":
			c.Data = value
		default:
			tb.Fatalf("an unknown key: %s", line)
		}
	}
	return cases
}

// inputs is a schema with every kind of input, which the gateway's own does not have yet.
var inputs = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query { f(in: In, ins: [In!], one: One, grid: [[Int!]], x: Float, any: JSON, day: DateTime, n: Int! = 7): Int }
	scalar JSON
	scalar DateTime
	enum Colour { RED GREEN }
	input In { a: Int!, b: String! = "B", c: [Colour!] = RED, in: In, any: JSON, y: Float }
	input One @oneOf { a: Int, b: String }
`})

// Input objects, lists of lists, Floats and custom scalars (GraphQL spec 3.5, 3.10, 3.11), with the messages of
// graphql-js 16.
func TestVariablesOfEveryType(t *testing.T) {
	for _, c := range ReadSpecCases(t, "inputs") {
		t.Run(c.Name, func(t *testing.T) {
			document, errs := newChecker(inputs, Limits{}, 100, true).check(c.Query)
			if errs != nil {
				t.Fatal(errs)
			}
			var given map[string]any
			if err := decodeJSON([]byte(c.Variables), &given); err != nil {
				t.Fatal(err)
			}
			values, errs := document.variables[document.ast.Operations[0]].coerce(given)
			var messages []string
			for _, err := range errs {
				messages = append(messages, err.Message)
			}
			data, err := json.Marshal(values)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(messages, c.Errors) || len(messages) == 0 && string(data) != c.Data {
				t.Errorf("\ngot  %q %s\nwant %q %s", messages, data, c.Errors, c.Data)
			}
		})
	}
}

// Literals of input objects (GraphQL spec 5.6), with the messages of graphql-js 16; "" is none.
func TestInputObjectLiterals(t *testing.T) {
	for literal, want := range map[string]string{
		`in: {a: 1}`: "",
		`in: {a: 1, c: GREEN, in: null, any: {x: [1, "2", Z]}, y: 1}`: "",
		`in: {}`:                      `Field "In.a" of required type "Int!" was not provided.`,
		`in: {a: null}`:               `Expected value of type "Int!", found null.`,
		`in: {a: {}}`:                 `Int cannot represent non-integer value: {}`,
		`in: {a: 1, an: 2}`:           `Field "an" is not defined by type "In". Did you mean "a", "in", or "any"?`,
		`in: 4`:                       `Expected value of type "In", found 4.`,
		`in: "x"`:                     `Expected value of type "In", found "x".`,
		`in: [{a: 1}]`:                `Expected value of type "In", found [{a:1}].`,
		`ins: {a: 1}`:                 "",
		`ins: [null]`:                 `Expected value of type "In!", found null.`,
		`in: {a: 1, any: 1e400}`:      `Expected value of type "JSON", found 1e400.`,
		`any: [99999999999999999999]`: `Expected value of type "JSON", found [99999999999999999999].`,
		`x: 99999999999999999999`:     "",
		`x: 1e400`:                    `Float cannot represent non numeric value: 1e400`,
		`x: "1"`:                      `Float cannot represent non numeric value: "1"`,
		`one: {a: 1}`:                 "",
		`one: {}`:                     `OneOf Input Object "One" must specify exactly one key.`,
		`one: {a: 1, b: "x"}`:         `OneOf Input Object "One" must specify exactly one key.`,
		`one: {b: null}`:              `Field "One.b" must be non-null.`,
		`grid: [[1], 2]`:              "",
		`grid: [[{}]]`:                `Int cannot represent non-integer value: {}`,
	} {
		_, errs := newChecker(inputs, Limits{}, 100, true).check("{ f(" + literal + ") }")
		var got strings.Builder
		for _, err := range errs {
			got.WriteString(err.Message)
		}
		if got.String() != want {
			t.Errorf("%s:\ngot  %s\nwant %s", literal, got.String(), want)
		}
	}
}

// Whatever is wrong, the errors and their messages are bounded.
func TestVariableErrorsAreBounded(t *testing.T) {
	document, errs := newChecker(inputs, Limits{}, 100, true).check("query ($v: [In!]) { f(ins: $v) }")
	if errs != nil {
		t.Fatal(errs)
	}
	long := strings.Repeat("é", 100_000)
	member := map[string]any{long: long, "a": long, "c": []any{long}}
	list := make([]any, 1000)
	for i := range list {
		list[i] = member
	}
	_, errs = document.variables[document.ast.Operations[0]].coerce(map[string]any{"v": list})
	if len(errs) != maxErrors {
		t.Errorf("%d errors", len(errs))
	}
	for _, err := range errs {
		if len(err.Message) > maxMessage+len("…") || err.Extensions["code"] != errcode.ValidationFailed {
			t.Errorf("%d bytes: %v", len(err.Message), err.Extensions)
		}
	}
}

// A variable that is absent where its place has a default is no null.
func TestAbsentVariablesTakeTheDefaultOfTheirPlace(t *testing.T) {
	document, errs := newChecker(inputs, Limits{}, 100, true).check("query ($n: Int) { f(n: $n) }")
	if errs != nil {
		t.Fatal(errs)
	}
	operation := document.ast.Operations[0]
	arguments := operation.SelectionSet[0].(*ast.Field).Arguments
	for given, want := range map[string]bool{`{}`: false, `{"n": 1}`: false, `{"n": null}`: true} {
		var values map[string]any
		if err := json.Unmarshal([]byte(given), &values); err != nil {
			t.Fatal(err)
		}
		isNull := nullArgument(arguments, values) != nil
		if isNull != want || document.variables[operation].areNull(values) != want {
			t.Errorf("%s: null %v, want %v", given, isNull, want)
		}
	}
}

// Even if an unknown name came as far as the generated code, which makes the zero value of it, it would be an error.
func TestZeroValuesAreNoFilter(t *testing.T) {
	for _, statuses := range [][]upstream.OrderStatus{{""}, {upstream.OrderStatusCompleted, ""}, {"completedd"}} {
		set, err := orderStatuses(statuses)
		if e, ok := errors.AsType[*relay.ArgumentError](err); !ok || e.Argument != "statuses" {
			t.Errorf("%q is the set %v: %v", statuses, set, err)
		}
	}
	if set, err := orderStatuses(nil); set != 0 || err != nil {
		t.Errorf("no statuses are %v: %v", set, err)
	}
}

// BenchmarkPrepare chooses the operation and coerces variables: none, those of a page, and a hundred ids.
func BenchmarkPrepare(b *testing.B) {
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = fmt.Sprintf("%x", rand.Uint64())
	}
	many, err := json.Marshal(map[string]any{"ids": ids})
	if err != nil {
		b.Fatal(err)
	}
	h := newBenchRival(b).Handler.(*handler)
	for _, work := range []struct{ name, query, variables string }{
		{"none", "{ calls { nodes { id } } }", "{}"},
		{
			"page", `query ($n: Int!, $a: String, $s: [CallOrderStatus!]) {
				calls(first: $n, after: $a, statuses: $s) { nodes { id } }
			}`, `{"n": 20, "a": "x", "s": ["COMPLETED", "ERRORED"]}`,
		},
		{"ids", "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", string(many)},
	} {
		b.Run(work.name, func(b *testing.B) {
			document, errs := h.finder.documents.get(work.query)
			if errs != nil {
				b.Fatal(errs)
			}
			p, bad := parseText("POST", `{"variables": `+work.variables+`}`)
			if bad != nil {
				b.Fatal(bad.errors)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, errs := h.prepare(document, &p.RawParams); errs != nil {
					b.Fatal(errs)
				}
			}
		})
	}
}
