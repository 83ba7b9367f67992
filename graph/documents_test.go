package graph

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/core"
)

func someDocuments(limits Limits) *documents {
	return newDocuments(newChecker(newExecutable(Config{}).Schema(), limits, 100, true))
}

func TestDocumentsAreBounded(t *testing.T) {
	get := func(d *documents, text string) *document {
		t.Helper()
		got, errs := d.get(text)
		if errs != nil {
			t.Fatal(errs)
		}
		return got
	}
	d := someDocuments(Limits{})
	kept := func(text string) bool {
		first := get(d, text)
		return get(d, text) == first
	}
	if !kept("{ __typename }") {
		t.Error("a document was checked twice")
	}
	if large := "{ __typename } #" + strings.Repeat("x", maxDocumentShare); kept(large) || d.known.Len() != 1 {
		t.Error("a large document was remembered")
	}
	if many := "{ __typename }" + strings.Repeat("#\n", 5000); kept(many) || d.known.Len() != 1 {
		t.Error("a document of many comments was remembered")
	}
	for range 2 {
		if _, errs := d.get("{ nothing }"); errs == nil || d.known.Len() != 1 {
			t.Error("a wrong document was remembered")
		}
	}
	for i := range 2 * maxDocuments {
		get(d, fmt.Sprintf("{ __typename } # %d %s", i, strings.Repeat("x", 100<<10)))
		if d.bytes > maxDocumentBytes || d.known.Len() > maxDocuments {
			t.Fatalf("%d documents, %d bytes", d.known.Len(), d.bytes)
		}
	}
	sum := 0
	for _, known := range d.known.Values() {
		sum += known.size
	}
	if sum != d.bytes || d.known.Len() < 100 {
		t.Errorf("%d documents of %d bytes, counted as %d", d.known.Len(), sum, d.bytes)
	}
	for i := range 2 * maxDocuments {
		get(d, fmt.Sprintf("{ a%d: __typename }", i))
	}
	if d.known.Len() != maxDocuments {
		t.Errorf("%d documents", d.known.Len())
	}
}

// Extents that are worked out once for each fragment are those of the document written out.
func TestExtentsAreThoseOfTheExpandedDocument(t *testing.T) {
	var expand func(doc *ast.QueryDocument, set ast.SelectionSet, depth int, e *extent)
	expand = func(doc *ast.QueryDocument, set ast.SelectionSet, depth int, e *extent) {
		for _, selection := range set {
			switch selection := selection.(type) {
			case *ast.Field:
				e.fields++
				e.depth = max(e.depth, depth)
				if selection.Alias != selection.Name {
					e.aliases++
				}
				expand(doc, selection.SelectionSet, depth+1, e)
			case *ast.InlineFragment:
				expand(doc, selection.SelectionSet, depth, e)
			case *ast.FragmentSpread:
				if fragment := doc.Fragments.ForName(selection.Name); fragment != nil {
					expand(doc, fragment.SelectionSet, depth, e)
				}
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var write func(b *strings.Builder, fragment, depth int)
		write = func(b *strings.Builder, fragment, depth int) { // spreads only later fragments, so there are no cycles
			b.WriteString("{ f ")
			for range random.IntN(4) {
				switch random.IntN(4) {
				case 0:
					fmt.Fprintf(b, "a%d: f ", random.IntN(9))
				case 1:
					fmt.Fprintf(b, "...F%d ", fragment+1+random.IntN(4))
				case 2:
					if depth < 4 {
						b.WriteString("... ")
						write(b, fragment, depth+1)
					}
				default:
					if depth < 4 {
						b.WriteString("g ")
						write(b, fragment, depth+1)
					}
				}
			}
			b.WriteString("} ")
		}
		b := &strings.Builder{}
		write(b, -1, 0)
		for i := range 6 {
			fmt.Fprintf(b, "fragment F%d on T ", i)
			write(b, i, 1)
		}
		doc, err := parser.ParseQuery(&ast.Source{Input: b.String()})
		if err != nil {
			t.Fatal(err)
		}
		var want extent
		expand(doc, doc.Operations[0].SelectionSet, 1, &want)
		if got := newSurveyor(doc).extent(doc.Operations[0].SelectionSet); got != want {
			t.Fatalf("%+v, want %+v: %s", got, want, b)
		}
	}
}

// An error that is found again and again ends a validation, though it is told once.
func TestReportsAreBounded(t *testing.T) {
	d := someDocuments(Limits{})
	doc, err := parser.ParseQuery(&ast.Source{Input: "{" + strings.Repeat(" __typename", 2*maxReports) + " }"})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	rule := func(events *validator.Events, report validator.AddErrFunc) {
		events.OnField(func(*validator.Walker, *ast.Field) {
			found++
			report(core.Message("the same"))
		})
	}
	errs := d.validate(doc, []validator.Rule{{Name: "Same", RuleFunc: rule}})
	if len(errs) != 1 || found != maxReports+1 {
		t.Errorf("%d errors, found %d times", len(errs), found)
	}
}

// Whatever the variables, a cost is at least 1, and no more than the largest page makes it.
func TestCostsAreBounded(t *testing.T) {
	d := someDocuments(Limits{})
	for query, most := range map[string]int{
		"query ($n: Int) { calls(first: $n) { nodes { id } } }":                   100,
		"query ($n: Int = 3) { calls(first: 5, last: $n) { nodes { id } } }":      100,
		"query ($ids: [ID!]!) { nodes(ids: $ids) { id } }":                        120,
		"query ($id: ID!) { nodes(ids: [$id, $id]) { id } }":                      22,
		"query ($n: Int!) { calls { nodes { transcript(first: $n) { role } } } }": 220,
	} {
		doc, errs := d.get(query)
		if errs != nil {
			t.Fatal(errs)
		}
		plan := doc.costs[doc.ast.Operations[0]]
		highest := 0
		for _, n := range []any{nil, int64(0), int64(-1), int64(7), int64(1 << 40), 99, "x"} {
			for _, ids := range []any{[]any{}, make([]any, 3), make([]any, 1000), "a", nil} {
				cost := plan.of(map[string]any{"n": n, "ids": ids, "id": "a"})
				if highest = max(highest, cost); cost < 1 {
					t.Errorf("%s with %v: %d", query, n, cost)
				}
			}
		}
		if highest != most {
			t.Errorf("%s: %d at most, want %d", query, highest, most)
		}
	}
}

// Plans for every value of many Boolean variables are not all remembered.
func TestPlansAreBounded(t *testing.T) {
	d := &document{}
	for i := range 2 * maxPlans {
		d.plans.add(planKey{booleans: uint64(i)}, &rootPlan{})
	}
	if n := len(d.plans.known); n != maxPlans {
		t.Errorf("%d plans", n)
	}
}
