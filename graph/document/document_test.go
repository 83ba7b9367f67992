package document

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/core"

	"revox-graphql/graph/encode"
	"revox-graphql/graph/generated"
)

func newTestCache() *cache {
	return newCache(
		newChecker(&Options{Schema: generated.Schema(), DefaultCount: 20, MaxCount: 100, Introspection: true}),
		nil,
	)
}

func TestDocumentsAreBounded(t *testing.T) {
	get := func(d *cache, text string) *Document {
		t.Helper()
		got, errs := d.get(text)
		if errs != nil {
			t.Fatal(errs)
		}
		return got
	}
	d := newTestCache()
	kept := func(text string) bool {
		first := get(d, text)
		return get(d, text) == first
	}
	if !kept("{ __typename }") {
		t.Error("a document was checked twice")
	}
	if large := "{ __typename } #" + strings.Repeat("x", maxDocumentShare); kept(large) || d.known.Len() != 1 {
		t.Error("a large document was cached")
	}
	if many := "{ __typename }" + strings.Repeat("#\n", 5000); kept(many) || d.known.Len() != 1 {
		t.Error("a document of many comments was cached")
	}
	for range 2 {
		if _, errs := d.get("{ nothing }"); errs == nil || d.known.Len() != 1 {
			t.Error("a wrong document was cached")
		}
	}
	for i := range 2 * maxDocuments {
		get(d, fmt.Sprintf("{ __typename } # %d %s", i, strings.Repeat("x", 100<<10)))
		if d.known.Bytes() > maxDocumentBytes || d.known.Len() > maxDocuments {
			t.Fatalf("%d documents, %d bytes", d.known.Len(), d.known.Bytes())
		}
	}
	sum := 0
	for _, known := range d.known.Values() {
		sum += known.size
	}
	if sum != d.known.Bytes() || d.known.Len() < 100 {
		t.Errorf("%d documents of %d bytes, counted as %d", d.known.Len(), sum, d.known.Bytes())
	}
	for i := range 2 * maxDocuments {
		get(d, fmt.Sprintf("{ a%d: __typename }", i))
	}
	if d.known.Len() != maxDocuments {
		t.Errorf("%d documents", d.known.Len())
	}
}

// Extents that are computed once for each fragment equal those of the document with its fragments written out.
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

// An error that validation finds again and again ends it, although it is reported once.
func TestReportsAreBounded(t *testing.T) {
	d := newTestCache()
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

// Whatever the variables, a cost is at least 1, and at most that of the largest page.
func TestCostsAreBounded(t *testing.T) {
	d := newTestCache()
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
		plan := doc.operations[0].cost
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

// A part of the cost says how often it selects each call, and how often its transcript.
func TestPartsOfTheCost(t *testing.T) {
	for name, test := range map[string]struct {
		selects            string
		calls, transcripts int
	}{
		"no call":         {"totalCount", 1, 0},
		"a call":          {"nodes { id }", 1, 0},
		"twice":           {"nodes { id } edges { node { transcript { role } } }", 2, 1},
		"ten times":       {strings.Join(aliases(10, "nodes { id }"), " "), 10, 0},
		"eleven times":    {strings.Join(aliases(11, "nodes { transcript { role } }"), " "), 11, 11},
		"ten transcripts": {"nodes { " + strings.Join(aliases(10, "transcript { role }"), " ") + " }", 1, 10},
	} {
		doc, errs := newTestCache().get("{ calls(first: 1) { " + test.selects + " } }")
		if errs != nil {
			t.Fatal(errs)
		}
		part := doc.operations[0].Parts()[0]
		if part.Calls() != test.calls || part.Transcripts() != test.transcripts {
			t.Errorf("%s: %d calls and %d transcripts", name, part.Calls(), part.Transcripts())
		}
	}
}

// aliases returns a field with so many aliases.
func aliases(n int, field string) []string {
	fields := make([]string, n)
	for i := range fields {
		fields[i] = fmt.Sprintf("a%d: %s", i, field)
	}
	return fields
}

// The bytes of a document's plans count with its own, so that plans can evict documents.
func TestPlansCountWithTheirDocuments(t *testing.T) {
	documents := newTestCache()
	const switches = 6
	names, declared, used := make([]string, switches), "", ""
	for i := range names {
		names[i] = fmt.Sprintf("b%d", i)
		declared += fmt.Sprintf(" $%s: Boolean!", names[i])
		used += fmt.Sprintf(" a%d: transcript @include(if: $%s) { index role content toolName }", i, names[i])
	}
	run := func(document, values int) {
		variables := map[string]any{}
		for i, name := range names {
			variables[name] = values>>i&1 == 1
		}
		text := fmt.Sprintf("query Q%d(%s) { calls(first: 1) { nodes { id%s } } }", document, declared, used)
		found, errs := documents.get(text)
		if errs != nil {
			t.Fatal(errs)
		}
		operation := found.AST.Operations[0]
		op := &graphql.OperationContext{Doc: found.AST, Operation: operation, Variables: variables}
		root := graphql.CollectFields(op, operation.SelectionSet, []string{"Query"})[0]
		found.Plans.Of(op, root, &encode.Arguments{})
	}
	checked := func() (plans int) {
		t.Helper()
		sum := 0
		for _, known := range documents.known.Values() {
			sum += known.size
			plans += known.Plans.Bytes()
		}
		if bytes := documents.known.Bytes(); sum+plans != bytes || bytes > maxDocumentBytes {
			t.Fatalf("%d bytes and plans of %d, counted as %d", sum, plans, bytes)
		}
		return plans
	}
	run(0, 0)
	alone := documents.known.Bytes() - checked()
	for values := range 1 << switches {
		run(0, values)
	}
	if plans := checked(); documents.known.Bytes() != alone+plans || plans < 16*10*256 {
		t.Errorf("%d bytes, of which plans %d and the rest %d", documents.known.Bytes(), plans, alone)
	}
	for document := range maxDocuments {
		for values := range 16 {
			run(document, values<<2|3)
		}
	}
	if checked(); documents.known.Len() > maxDocuments*2/3 {
		t.Errorf("%d documents are kept as if they had no plans", documents.known.Len())
	}
}

// Every root field has a cost, and nothing else has: a new type in the schema must not be free.
func TestEveryRootFieldHasACost(t *testing.T) {
	results := map[string]bool{}
	for _, field := range generated.Schema().Query.Fields {
		result := resultOf(field)
		results[result] = true
		if rootCosts[result] == nil {
			t.Errorf("%s has no cost", field.Name)
		}
	}
	for result := range rootCosts {
		if !results[result] {
			t.Errorf("%s has a cost, and no field of Query returns it", result)
		}
	}
}
