package graph_test

import (
	"fmt"
	"iter"
	"regexp"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/generated"
)

// Values of every kind, in every argument and at every place in an input object, in a document and in a variable: none
// of them is a failure of the gateway.
func TestArgumentsOfEveryKind(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 5, ttl: time.Minute})
	schema := generated.Schema()
	asked := 0
	ask := func(of *ast.Type, value, before, name, after string) {
		t.Helper()
		for query, variables := range map[string]string{
			"{ " + before + name + ": " + literal(value) + after + " }":                  "{}",
			"query ($v: " + of.String() + ") { " + before + name + ": $v" + after + " }": `{"v": ` + value + `}`,
		} {
			_, _, body := g.post(t, fmt.Sprintf(`{"query": %q, "variables": %s}`, query, variables), nil)
			asked++
			for _, err := range decode(t, body).Errors {
				if code := err.Extensions["code"]; code == "INTERNAL_SERVER_ERROR" {
					t.Errorf("%s with %s: %s", query, variables, body)
				}
			}
		}
	}
	for _, root := range schema.Query.Fields {
		selection := map[string]string{"CallStats": "{ count }", "CallConnection": "{ nodes { id } }"}[root.Type.Name()]
		if selection == "" {
			selection = "{ __typename }"
		}
		for _, argument := range root.Arguments {
			for value := range wrongValues(schema, argument.Type, 3) {
				ask(argument.Type, value, root.Name+"(", argument.Name, ") "+selection)
			}
		}
	}
	for _, field := range schema.Types["Call"].Fields {
		selection := ""
		if schema.Types[field.Type.Name()].Kind == ast.Object {
			selection = " { __typename }"
		}
		for _, argument := range field.Arguments {
			for value := range wrongValues(schema, argument.Type, 3) {
				ask(argument.Type, value, "calls { nodes { "+field.Name+"(", argument.Name, ")"+selection+" } }")
			}
		}
	}
	if asked < 1000 {
		t.Errorf("only %d requests", asked)
	}
}

// wrongValues yields JSON values for an argument of a type: of every kind for a scalar, and for an input object every
// such value of each of its fields, down to a depth.
func wrongValues(schema *ast.Schema, of *ast.Type, depth int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, value := range []string{
			"null", "true", "-1", "1.5", "1e400", "99999999999999999999", `""`, `"x"`, `"2026-03-14T00:00:00Z"`,
			"[]", "[[]]", "[null]", "[1]", `["x", "x"]`, "[{}]", "{}", `{"x": [{}]}`,
		} {
			if !yield(value) {
				return
			}
		}
		definition := schema.Types[of.Name()]
		if definition.Kind != ast.InputObject || depth == 0 {
			return
		}
		for _, field := range definition.Fields {
			for value := range wrongValues(schema, field.Type, depth-1) {
				value = fmt.Sprintf(`{%q: %s}`, field.Name, value)
				if !yield(value) || of.Elem != nil && !yield("["+value+"]") {
					return
				}
			}
		}
	}
}

// names are the names of members in a JSON text.
var names = regexp.MustCompile(`"(\w+)":`)

// literal returns a JSON value as a GraphQL literal.
func literal(value string) string { return names.ReplaceAllString(value, "$1:") }
