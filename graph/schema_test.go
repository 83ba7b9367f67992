package graph_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/generated"
)

// Everything in the schema tells a frontend developer what it is.
func TestEverythingIsDescribed(t *testing.T) {
	schema := generated.Schema()
	described := 0
	check := func(name, description string) {
		described++
		if text := strings.TrimSpace(description); len(text) < 10 || !unicode.IsUpper([]rune(text)[0]) ||
			!strings.HasSuffix(text, ".") {
			t.Errorf("%s is described as %q", name, description)
		}
	}
	check("the schema", schema.Description)
	for _, def := range schema.Types {
		if def.BuiltIn {
			continue
		}
		check(def.Name, def.Description)
	}
	for _, def := range schema.Types {
		if def.BuiltIn {
			continue
		}
		for _, field := range def.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			check(def.Name+"."+field.Name, field.Description)
			for _, arg := range field.Arguments {
				check(def.Name+"."+field.Name+"("+arg.Name+":)", arg.Description)
			}
		}
		if def.Kind == ast.Enum {
			for _, value := range def.EnumValues {
				check(def.Name+"."+value.Name, value.Description)
			}
		}
	}
	if described < 80 {
		t.Errorf("only %d descriptions were found", described)
	}
}

// Every documented value of every enum comes out in GraphQL's spelling, and nothing else does.
func TestEnumValues(t *testing.T) {
	for field, test := range map[string]struct {
		graphQL string
		values  []string
	}{
		"status": {"status", []string{"queued", "ringing", "ongoing", "completed", "error"}},
		"result": {"result", []string{"IVR", "voicemail", "human", "unknown", "ios-screening-filter"}},
		"dial_error": {"dialError", []string{
			"number_non_attributed", "too_many_calls", "busy", "temporarily_unavailable", "no_answer",
			"no_international_permission", "precondition_failed", "non_classified_error",
		}},
		"ended_by": {"endedBy", []string{"agent", "user", "system"}},
	} {
		t.Run(field, func(t *testing.T) {
			g := newGateway(t, gatewayOptions{})
			var rows []json.RawMessage
			for i, value := range append(test.values, "HUMAN", "Queued", "") {
				row, err := json.Marshal(map[string]any{"id": fmt.Sprint(i), field: value})
				if err != nil {
					t.Fatal(err)
				}
				rows = append(rows, row)
			}
			g.fake.SetRows(rows...)
			a := g.query(t, `{ calls(first: 50) { nodes { `+test.graphQL+` extra } } }`, nil)
			if len(a.Errors) > 0 {
				t.Fatal(a.Errors)
			}
			for i := range rows {
				want := "UNRECOGNIZED"
				if i < len(test.values) {
					want = strings.ToUpper(strings.ReplaceAll(test.values[i], "-", "_"))
				}
				node := at(t, a.Data, "calls", "nodes", i)
				if got := at(t, node, test.graphQL); got != want {
					t.Errorf("%s: got %v, want %s", rows[i], got, want)
				}
				if extra := at(t, node, "extra"); (extra != nil) != (want == "UNRECOGNIZED") {
					t.Errorf("%s: extra %v", rows[i], extra)
				}
			}
		})
	}
}

// A field of __Type that a kind of type has no value for is null, and an empty list is a value (specification of
// September 2025, section 4.5.2).
func TestIntrospectionOfEachKind(t *testing.T) {
	g := newGateway(t, gatewayOptions{})
	for name, values := range map[string][]string{
		"JSON":       nil,
		"PageInfo":   {"fields", "interfaces"},
		"Node":       {"fields", "interfaces", "possibleTypes"},
		"CallStatus": {"enumValues"},
	} {
		t.Run(name, func(t *testing.T) {
			a := g.query(t, `
				query ($name: String!) { byName: __type(name: $name) { ...F } __schema { types { name ...F } } }
				fragment F on __Type {
					fields { name } interfaces { name } possibleTypes { name } enumValues { name } inputFields { name }
					isOneOf
				}`, map[string]any{"name": name})
			if len(a.Errors) > 0 {
				t.Fatal(a.Errors)
			}
			told := []any{a.Data["byName"]}
			for _, listed := range at(t, a.Data, "__schema", "types").([]any) {
				if at(t, listed, "name") == name {
					told = append(told, listed)
				}
			}
			fields := []string{"fields", "interfaces", "possibleTypes", "enumValues", "inputFields", "isOneOf"}
			for _, field := range fields {
				for i, one := range told {
					if value := at(t, one, field); (value != nil) != slices.Contains(values, field) {
						t.Errorf("%s of %d: got %v", field, i, value)
					}
				}
			}
			if len(told) != 2 {
				t.Errorf("%d answers", len(told))
			}
		})
	}
}

// Directives are those that documents may use, and that schemas may.
func TestIntrospectionOfDirectives(t *testing.T) {
	a := newGateway(t, gatewayOptions{}).query(t, `{ __schema { directives { name } } }`, nil)
	got := fmt.Sprint(at(t, a.Data, "__schema", "directives"))
	want := "[map[name:deprecated] map[name:include] map[name:oneOf] map[name:skip] map[name:specifiedBy]]"
	if got != want {
		t.Errorf("got %s", got)
	}
}
