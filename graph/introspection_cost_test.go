package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// values counts the values in JSON: of objects, lists' elements, and scalars.
func values(value any) (n int) {
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			n += values(member)
		}
		return n + 1
	case []any:
		for _, element := range value {
			n += values(element)
		}
		return n
	}
	return 1
}

// Introspection costs about half as much as it has values. Whoever reads the schema may, and not many times over.
func TestIntrospectionCosts(t *testing.T) {
	const selected = "name description args { name description type { name kind ofType { name } } } " +
		"type { name kind ofType { name kind } }"
	g := newGateway(t, gatewayOptions{})
	for name, query := range map[string]string{
		"by GraphiQL": introspection,
		"types":       "{ __schema { types { name kind description fields { " + selected + " } } } }",
		"enums":       "{ __schema { types { enumValues { name description isDeprecated } } } }",
		"one type":    `{ __type(name: "Call") { name fields { ` + selected + ` } } }`,
		"directives":  "{ __schema { directives { name locations args { name } } } }",
	} {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(map[string]string{"query": query})
			if err != nil {
				t.Fatal(err)
			}
			_, _, got := g.post(t, string(body), http.Header{"X-Query-Cost": {"true"}})
			a := decode(t, got)
			cost, written := at(t, a.Extensions, "cost", "requested").(float64), values(a.Data)
			if ratio := cost / float64(written); ratio < 0.25 || ratio > 1 {
				t.Errorf("it costs %v for %d values", cost, written)
			}
		})
	}
	var many strings.Builder
	many.WriteString("{")
	for i := range 10 {
		fmt.Fprintf(&many, "a%d: __schema { types { b: fields { %s } c: fields { %[2]s } } } ", i, selected)
	}
	if a := g.query(
		t,
		many.String()+"}",
		nil,
	); a.code(t) != "QUERY_TOO_COMPLEX" ||
		a.Errors[0].Extensions["limit"] != 5000.0 {
		t.Errorf("many times over: %+v", a.Errors)
	}
}
