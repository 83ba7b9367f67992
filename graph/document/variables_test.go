package document

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/internal/errcode"
	"revox-graphql/internal/speccases"
)

// inputs is a schema with every kind of input, unlike the gateway's own.
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
	for _, c := range speccases.Read(t, "testdata/spec/inputs.txt") {
		t.Run(c.Name, func(t *testing.T) {
			document, errs := newChecker(&Options{Schema: inputs, MaxCount: 100, Introspection: true}).check(c.Query)
			if errs != nil {
				t.Fatal(errs)
			}
			var given map[string]any
			decoder := json.NewDecoder(strings.NewReader(c.Variables))
			decoder.UseNumber()
			if err := decoder.Decode(&given); err != nil {
				t.Fatal(err)
			}
			values, errs := document.operations[0].Coerce(given)
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

// Literals of input objects (GraphQL spec 5.6), with the messages of graphql-js 16, except for numbers that are out of
// range; "" is none.
func TestInputObjectLiterals(t *testing.T) {
	for literal, want := range map[string]string{
		`in: {a: 1}`: "",
		`in: {a: 1, c: GREEN, in: null, any: {x: [1, "2", Z]}, y: 1}`: "",
		`in: {}`:            `Field "In.a" of required type "Int!" was not provided.`,
		`in: {a: null}`:     `Expected value of type "Int!", found null.`,
		`in: {a: {}}`:       `Int cannot represent non-integer value: {}`,
		`in: {a: 1, an: 2}`: `Field "an" is not defined by type "In". Did you mean "a", "in", or "any"?`,
		`in: 4`:             `Expected value of type "In", found 4.`,
		`in: "x"`:           `Expected value of type "In", found "x".`,
		`in: [{a: 1}]`:      `Expected value of type "In", found [{a:1}].`,
		`ins: {a: 1}`:       "",
		`ins: [null]`:       `Expected value of type "In!", found null.`,
		`in: {a: 1, any: 1e400}`: `JSON cannot represent a number beyond 64 bits in a document: 1e400. ` +
			`Give it in a variable, which keeps all digits.`,
		`any: [99999999999999999999]`: `JSON cannot represent a number beyond 64 bits in a document: ` +
			`99999999999999999999. Give it in a variable, which keeps all digits.`,
		`day: 99999999999999999999`: `DateTime cannot represent a non string value: 99999999999999999999`,
		`day: {a: 1}`:               `DateTime cannot represent a non string value: {a:1}`,
		`day: ["2026-03-14"]`:       `DateTime cannot represent a non string value: ["2026-03-14"]`,
		`x: 99999999999999999999`:   "",
		`x: 1e400`:                  `Float cannot represent a number beyond 64-bit floating point: 1e400`,
		`n: 99999999999999999999`: `Int cannot represent non 32-bit signed integer value: 99999999999999999999. ` +
			`It must be from -2147483648 to 2147483647.`,
		`n: -2147483649`: `Int cannot represent non 32-bit signed integer value: -2147483649. ` +
			`It must be from -2147483648 to 2147483647.`,
		`n: -2147483648`:      "",
		`x: "1"`:              `Float cannot represent non numeric value: "1"`,
		`one: {a: 1}`:         "",
		`one: {}`:             `OneOf Input Object "One" must specify exactly one key.`,
		`one: {a: 1, b: "x"}`: `OneOf Input Object "One" must specify exactly one key.`,
		`one: {b: null}`:      `Field "One.b" must be non-null.`,
		`grid: [[1], 2]`:      "",
		`grid: [[{}]]`:        `Int cannot represent non-integer value: {}`,
	} {
		_, errs := newChecker(&Options{Schema: inputs, MaxCount: 100, Introspection: true}).check("{ f(" + literal + ") }")
		var got strings.Builder
		for _, err := range errs {
			got.WriteString(err.Message)
		}
		if got.String() != want {
			t.Errorf("%s:\ngot  %s\nwant %s", literal, got.String(), want)
		}
	}
}

// However many values are wrong, the number of errors and the length of their messages are bounded.
func TestVariableErrorsAreBounded(t *testing.T) {
	document, errs := newChecker(&Options{
		Schema: inputs, MaxCount: 100, Introspection: true,
	}).check("query ($v: [In!]) { f(ins: $v) }")
	if errs != nil {
		t.Fatal(errs)
	}
	long := strings.Repeat("é", 100_000)
	member := map[string]any{long: long, "a": long, "c": []any{long}}
	list := make([]any, 1000)
	for i := range list {
		list[i] = member
	}
	_, errs = document.operations[0].Coerce(map[string]any{"v": list})
	if len(errs) != maxErrors {
		t.Errorf("%d errors", len(errs))
	}
	for _, err := range errs {
		if len(err.Message) > maxMessage+len("…") || err.Extensions["code"] != errcode.ValidationFailed {
			t.Errorf("%d bytes: %v", len(err.Message), err.Extensions)
		}
	}
}
