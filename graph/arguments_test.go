package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/document"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// A variable that is absent where its position has a default is no null.
func TestAbsentVariablesTakeTheDefaultOfTheirPosition(t *testing.T) {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: "type Query { f(n: Int! = 7): Int }"})
	documents, err := document.New(document.Options{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	found, err := documents.Find(document.Request{Query: "query ($n: Int) { f(n: $n) }"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	operation, problem := found.Operation("")
	if problem != nil {
		t.Fatal(problem)
	}
	arguments := operation.Definition.SelectionSet[0].(*ast.Field).Arguments
	for given, want := range map[string]bool{`{}`: false, `{"n": 1}`: false, `{"n": null}`: true} {
		var values map[string]any
		if err := json.Unmarshal([]byte(given), &values); err != nil {
			t.Fatal(err)
		}
		isNull := nullArgument(arguments, values) != nil
		if isNull != want || operation.HasNull(values) != want {
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
			found, err := h.documents.Find(document.Request{Query: work.query}, nil)
			if err != nil {
				b.Fatal(err)
			}
			p, bad := parseText("POST", `{"variables": `+work.variables+`}`)
			if bad != nil {
				b.Fatal(bad.errors)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, errs := h.prepare(found, &p.RawParams); errs != nil {
					b.Fatal(errs)
				}
			}
		})
	}
}
