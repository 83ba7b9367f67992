package graph

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// inputs is a schema with every kind of input, which the gateway's own does not have yet.
var inputs = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query { f(in: In, ins: [In!], one: One, grid: [[Int!]], x: Float, any: JSON, day: DateTime, n: Int! = 7): Int }
	scalar JSON
	scalar DateTime
	enum Colour { RED GREEN }
	input In { a: Int!, b: String! = "B", c: [Colour!] = RED, in: In, any: JSON, y: Float }
	input One @oneOf { a: Int, b: String }
`})

// Input objects, lists of lists, Floats and custom scalars (GraphQL spec 3.5, 3.10, 3.11), with the messages of graphql-js 16.
func TestVariablesOfEveryType(t *testing.T) {
	const in, ins, one, grid = "query ($v: In) { f(in: $v) }", "query ($v: [In!]) { f(ins: $v) }", "query ($v: One) { f(one: $v) }", "query ($v: [[Int!]]) { f(grid: $v) }"
	const x, whatever, day = "query ($v: Float) { f(x: $v) }", "query ($v: JSON) { f(any: $v) }", "query ($v: DateTime) { f(day: $v) }"
	tests := map[string]struct{ query, variables, want string }{
		"an object":                {in, `{"v": {"a": 1}}`, `{"v":{"a":1,"b":"B","c":["RED"]}}`},
		"all members":              {in, `{"v": {"a": 1.0, "b": "x", "c": "GREEN", "in": {"a": 2, "c": null}, "any": [1e400, {"x": null}], "y": 3}}`, `{"v":{"a":1,"any":[1e400,{"x":null}],"b":"x","c":["GREEN"],"in":{"a":2,"b":"B","c":null},"y":3}}`},
		"null members":             {in, `{"v": {"a": 1, "in": null}}`, `{"v":{"a":1,"b":"B","c":["RED"],"in":null}}`},
		"null":                     {in, `{"v": null}`, `{"v":null}`},
		"nothing":                  {in, `{}`, `{}`},
		"no object":                {in, `{"v": 4}`, `Variable "$v" got invalid value 4; Expected type "In" to be an object.`},
		"a list for an object":     {in, `{"v": [{"a": 1}]}`, `Variable "$v" got invalid value [{ a: 1 }]; Expected type "In" to be an object.`},
		"a missing member":         {in, `{"v": {"in": {}, "a": 1}}`, `Variable "$v" got invalid value {} at "v.in"; Field "a" of required type "Int!" was not provided.`},
		"a null member":            {in, `{"v": {"a": null}}`, `Variable "$v" got invalid value null at "v.a"; Expected non-nullable type "Int!" not to be null.`},
		"a member with a default":  {in, `{"v": {"a": 1, "b": null}}`, `Variable "$v" got invalid value null at "v.b"; Expected non-nullable type "String!" not to be null.`},
		"an unknown member":        {in, `{"v": {"a": 1, "an": 2}}`, `Variable "$v" got invalid value { a: 1, an: 2 }; Field "an" is not defined by type "In". Did you mean "a", "in", or "any"?`},
		"__typename":               {in, `{"v": {"a": 1, "__typename": "In"}}`, `Variable "$v" got invalid value { __typename: "In", a: 1 }; Field "__typename" is not defined by type "In".`},
		"an enum deep inside":      {in, `{"v": {"a": 1, "in": {"a": 1, "c": ["RED", "green"]}}}`, `Variable "$v" got invalid value "green" at "v.in.c[1]"; Value "green" does not exist in "Colour" enum. Did you mean the enum value "GREEN" or "RED"?`},
		"one object for a list":    {ins, `{"v": {"a": 1, "c": []}}`, `{"v":[{"a":1,"b":"B","c":[]}]}`},
		"objects":                  {ins, `{"v": [{"a": 1, "c": []}, {"b": "x"}]}`, `Variable "$v" got invalid value { b: "x" } at "v[1]"; Field "a" of required type "Int!" was not provided.`},
		"one of":                   {one, `{"v": {"a": 1}}`, `{"v":{"a":1}}`},
		"one of, none":             {one, `{"v": {}}`, `Variable "$v" got invalid value {}; Exactly one key must be specified for OneOf type "One".`},
		"one of, both":             {one, `{"v": {"a": 1, "b": null}}`, `Variable "$v" got invalid value { a: 1, b: null }; Exactly one key must be specified for OneOf type "One".`},
		"one of, null":             {one, `{"v": {"b": null}}`, `Variable "$v" got invalid value null at "v.b"; Field "b" must be non-null.`},
		"a grid":                   {grid, `{"v": [[1, 2], null, [3]]}`, `{"v":[[1,2],null,[3]]}`},
		"a grid of one":            {grid, `{"v": 1}`, `{"v":[[1]]}`},
		"a grid of ones":           {grid, `{"v": [1, 2]}`, `{"v":[[1],[2]]}`},
		"a hole in a grid":         {grid, `{"v": [[1, null]]}`, `Variable "$v" got invalid value null at "v[0][1]"; Expected non-nullable type "Int!" not to be null.`},
		"a Float":                  {x, `{"v": 1.5e3}`, `{"v":1500}`},
		"an Int for a Float":       {x, `{"v": 3}`, `{"v":3}`},
		"a Float without end":      {x, `{"v": 1e400}`, `Variable "$v" got invalid value 1e400; Float cannot represent non numeric value: 1e400`},
		"a text for a Float":       {x, `{"v": "1"}`, `Variable "$v" got invalid value "1"; Float cannot represent non numeric value: "1"`},
		"JSON stays":               {whatever, `{"v": {"b": 1.50, "a": [12345678901234567890]}}`, `{"v":{"a":[12345678901234567890],"b":1.50}}`},
		"so do other scalars":      {day, `{"v": "soon"}`, `{"v":"soon"}`},
		"a default":                {`query ($v: In = {a: 1, in: {a: 2, c: [GREEN]}}) { f(in: $v) }`, `{}`, `{"v":{"a":1,"b":"B","c":["RED"],"in":{"a":2,"b":"B","c":["GREEN"]}}}`},
		"a default of one":         {`query ($v: [[Int!]] = 1) { f(grid: $v) }`, `{}`, `{"v":[[1]]}`},
		"a default of null":        {`query ($v: In = null) { f(in: $v) }`, `{}`, `{"v":null}`},
		"a default that is an Int": {`query ($v: Float = 99999999999999999999) { f(x: $v) }`, `{}`, `{"v":100000000000000000000}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			document, errs := newChecker(inputs, Limits{}, 100, true).check(test.query)
			if errs != nil {
				t.Fatal(errs)
			}
			var given map[string]any
			if err := decodeJSON(strings.NewReader(test.variables), &given); err != nil {
				t.Fatal(err)
			}
			values, errs := document.variables[document.ast.Operations[0]].coerce(given)
			var got strings.Builder
			for _, err := range errs {
				got.WriteString(err.Message)
			}
			if errs == nil {
				if err := json.NewEncoder(&got).Encode(values); err != nil {
					t.Fatal(err)
				}
			}
			if strings.TrimSpace(got.String()) != test.want {
				t.Errorf("\ngot  %s\nwant %s", got.String(), test.want)
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
		if len(err.Message) > maxMessage+len("…") || err.Extensions["code"] != codeValidationFailed {
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
		if isNull := nullArgument(arguments, values) != nil; isNull != want || document.variables[operation].areNull(values) != want {
			t.Errorf("%s: null %v, want %v", given, isNull, want)
		}
	}
}

// Even if an unknown name came as far as the generated code, which makes the zero value of it, it would be an error.
func TestZeroValuesAreNoFilter(t *testing.T) {
	for _, statuses := range [][]upstream.OrderStatus{{""}, {upstream.OrderStatusCompleted, ""}, {"completedd"}} {
		if set, err := orderStatuses(statuses); err == nil {
			t.Errorf("%q is the set %v", statuses, set)
		} else if e, ok := err.(*relay.ArgumentError); !ok || e.Argument != "statuses" { //nolint:errorlint // it is not wrapped
			t.Errorf("%q: %v", statuses, err)
		}
	}
	if set, err := orderStatuses(nil); set != 0 || err != nil {
		t.Errorf("no statuses are %v: %v", set, err)
	}
	if _, err := newTranscriptFilter(map[string]any{"roles": []upstream.TranscriptRole{upstream.TranscriptRoleUser, 0}}); err == nil {
		t.Error("a role that is none is a filter")
	}
}

// The table of enum names that the generated code reads has each name of the schema.
func TestEveryEnumNameIsDecoded(t *testing.T) {
	schema := newExecutable(Config{}).Schema()
	ec := executionContext{}
	for _, value := range schema.Types["CallOrderStatus"].EnumValues {
		if status, err := ec.unmarshalNCallOrderStatus2revoxᚑgraphqlᚋupstreamᚐOrderStatus(t.Context(), value.Name); status == "" || err != nil {
			t.Errorf("%s: %v", value.Name, err)
		}
	}
	for _, value := range schema.Types["TranscriptRole"].EnumValues {
		if role, err := ec.unmarshalNTranscriptRole2revoxᚑgraphqlᚋupstreamᚐTranscriptRole(t.Context(), value.Name); role == 0 || err != nil {
			t.Errorf("%s: %v", value.Name, err)
		}
	}
}

// BenchmarkPrepare chooses the operation and coerces variables: none, those of a page, and a hundred ids.
func BenchmarkPrepare(b *testing.B) {
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = fmt.Sprintf("%x", rand.Uint64()) //nolint:gosec // no secret
	}
	many, err := json.Marshal(map[string]any{"ids": ids})
	if err != nil {
		b.Fatal(err)
	}
	h := newBenchRival(b).Handler.(*handler)
	for _, work := range []struct{ name, query, variables string }{
		{"none", "{ calls { nodes { id } } }", "{}"},
		{"page", "query ($n: Int!, $a: String, $s: [CallOrderStatus!]) { calls(first: $n, after: $a, statuses: $s) { nodes { id } } }", `{"n": 20, "a": "x", "s": ["COMPLETED", "ERRORED"]}`},
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
