package document

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/internal/errcode"
)

// The cost of a request is roughly the number of calls that it reads and writes:
//
//   - A call costs 1, and each selection of its transcript 10 more, because a transcript has about ten times the bytes
//     of the rest.
//   - `calls` costs that for each call of its page, and 20 for `totalCount`. With a filter, it also costs 1 for each
//     page of upstream that it may read, and as much again for `totalCount`.
//   - `callStats` costs 1 for each of those pages, and 100.
//   - `nodes` costs as much as a call for each id, `call` and `node` as much as one call, and each of the three 20 for
//     the scan.
//   - Ten elements of any other list that is the value of an argument cost 1. In an argument of a field of calls they
//     cost 1 for each call, because they are compared there. Lists inside the argument `filter` cost nothing: package
//     filter bounds them.
//   - About two values of introspection cost 1.
//
// Fields that @include and @skip leave out cost the same, so that the cost of a document depends on counts alone. The
// cost of a search for a cursor is not known in advance: see graph/searches.go.
const (
	callCost       = 1
	transcriptCost = 10
	// ScanCost is the cost of the scan for a look-up by id, and CountCost that of a `totalCount`.
	ScanCost     = 20
	CountCost    = 20
	statsCost    = 100 // a thousand groups, each smaller than a call
	freeElements = 10  // elements of a list: together they cost 1
)

// costPlan is the cost of an operation, as far as its document determines it. The counts depend on the request.
type costPlan struct {
	fixed int
	lists []*ast.Value // in arguments, except those of parts
	parts []CostPart
	scans []scanPart
	opts  *Options
}

// scanPart is the cost of scans, if the argument `filter` is not null.
type scanPart struct {
	filter *ast.Value
	scans  int
}

func (s *scanPart) of(pages int, variables map[string]any) int {
	null := s.filter.Kind == ast.NullValue || s.filter.Kind == ast.Variable && variables[s.filter.Raw] == nil
	if null {
		return 0
	}
	return s.scans * pages
}

// CostPart is a root field with a cost for each call: `calls`, or `nodes` if there are ids.
type CostPart struct {
	calls            int          // how often each call is selected
	transcripts      int          // how often its transcript is
	lists            []*ast.Value // in arguments of fields of a call
	first, last, ids *ast.Value
	statuses         *ast.Value // the argument of `calls`; nil is all statuses
	opts             *Options
}

// Fixed returns the part of the cost that does not depend on the number of calls, without the lists in arguments:
// look-ups, counts and introspection.
func (o *Operation) Fixed() int { return o.cost.fixed }

// Parts returns the parts of the cost that depend on a number of calls.
func (o *Operation) Parts() []CostPart { return o.cost.parts }

// Calls returns how often each call is selected, and at least 1.
func (p *CostPart) Calls() int { return max(1, p.calls) }

// Transcripts returns how often the transcript of each call is selected.
func (p *CostPart) Transcripts() int { return p.transcripts }

// each returns the cost of each call, without the lists in arguments.
func (p *CostPart) each() int { return p.Calls()*callCost + p.transcripts*transcriptCost }

// Statuses returns the filter of the list that the part reads, by the names in the schema. The resolver
// rejects an invalid filter.
func (p *CostPart) Statuses(variables map[string]any) []string {
	if p.statuses == nil {
		return nil
	}
	value, err := p.statuses.Value(variables)
	if err != nil {
		return nil
	}
	given, ok := value.([]any)
	if !ok {
		given = []any{value} // a single value is a list of one
	}
	names := make([]string, 0, len(given))
	for _, one := range given {
		if name, ok := one.(string); ok {
			names = append(names, name)
		}
	}
	return names
}

// newCostPlan makes the plan of an operation that has been validated.
func (c *checker) newCostPlan(operation *ast.OperationDefinition, fragments fragments) *costPlan {
	p := &costPlan{opts: c.opts}
	for _, field := range fragments.merge(operation.SelectionSet) {
		if add := rootCosts[resultOf(field.first.Definition)]; add != nil {
			add(c, p, field, fragments)
		}
	}
	return p
}

// resultOf returns the type of a field, without the outer "!".
func resultOf(field *ast.FieldDefinition) string { return strings.TrimSuffix(field.Type.String(), "!") }

// rootCosts has functions that add the cost of a root field, by the type that it returns. A test compares it with the
// schema.
var rootCosts = map[string]func(c *checker, p *costPlan, field mergedField, fragments fragments){
	"CallConnection": func(c *checker, p *costPlan, field mergedField, fragments fragments) {
		part := CostPart{
			opts: c.opts, first: field.argument("first"), last: field.argument("last"),
			statuses: field.argument("statuses"),
		}
		counts := p.connection(&part, field, fragments)
		if filter := field.argument("filter"); filter != nil {
			p.scans = append(p.scans, scanPart{filter, 1 + counts})
		}
		p.parts = append(p.parts, part)
		p.lists = append(p.lists, field.lists()...)
	},
	"[Node]": func(c *checker, p *costPlan, field mergedField, fragments fragments) {
		part := CostPart{opts: c.opts, ids: field.argument("ids")}
		part.call(field, fragments)
		p.fixed += ScanCost
		p.parts = append(p.parts, part)
	},
	"CallStats": func(c *checker, p *costPlan, field mergedField, _ fragments) {
		p.fixed += c.opts.ScanPages + statsCost
		p.lists = append(p.lists, field.lists()...)
	},
	"Call": lookUpCost, "Node": lookUpCost,
	"__Schema": introspectionCost, "__Type": introspectionCost,
}

func lookUpCost(_ *checker, p *costPlan, field mergedField, fragments fragments) {
	var one CostPart
	one.call(field, fragments)
	p.fixed += ScanCost + one.each()
	p.lists = append(p.lists, one.lists...)
}

func introspectionCost(c *checker, p *costPlan, field mergedField, fragments fragments) {
	p.fixed += int(math.Ceil(c.sizes.values(field, fragments) / valuesForOne))
}

// connection adds the cost of each call of a connection, and returns 1 if `totalCount` is selected, else 0.
func (p *costPlan) connection(part *CostPart, connection mergedField, fragments fragments) (counts int) {
	for _, field := range fragments.merge(connection.selections...) {
		switch field.name {
		case "nodes":
			part.call(field, fragments)
		case "edges":
			for _, node := range fragments.merge(field.selections...) {
				if node.name == "node" {
					part.call(node, fragments)
				}
			}
		case "totalCount":
			p.fixed += CountCost
			counts = 1
		}
	}
	return counts
}

// call adds the cost of a call.
func (p *CostPart) call(call mergedField, fragments fragments) {
	p.calls++
	for _, field := range fragments.merge(call.selections...) {
		if field.name == "transcript" {
			p.transcripts++
		}
		p.lists = append(p.lists, field.lists()...)
	}
}

// lists returns the values of the field's arguments that are lists.
func (f *mergedField) lists() (values []*ast.Value) {
	for _, argument := range f.first.Arguments {
		if of := argument.Value.ExpectedType; of != nil && of.Elem != nil {
			values = append(values, argument.Value)
		}
	}
	return values
}

// Cost returns the cost of the operation with these variables, and an error if that is beyond [Limits].Cost.
func (o *Operation) Cost(variables map[string]any) (cost int, err *gqlerror.Error) {
	cost = o.cost.of(variables)
	return cost, checkCost(cost, o.cost.opts.Limits.Cost)
}

func (p *costPlan) of(variables map[string]any) int {
	cost := p.fixed + costOfLists(p.lists, variables)
	for i := range p.scans {
		cost += p.scans[i].of(p.opts.ScanPages, variables)
	}
	for i := range p.parts {
		part := &p.parts[i]
		cost += (part.each() + costOfLists(part.lists, variables)) * part.Count(variables)
	}
	return cost
}

// costOfLists returns the cost of lists in arguments. Lists longer than [MaxList] are rejected elsewhere.
func costOfLists(lists []*ast.Value, variables map[string]any) (cost int) {
	for _, list := range lists {
		cost += min(LongestList(list, variables), MaxList) / freeElements
	}
	return cost
}

// checkCost rejects a request that costs too much.
func checkCost(cost, limit int) *gqlerror.Error {
	if !exceeds(cost, limit) {
		return nil
	}
	return LimitError("cost", errcode.QueryTooComplex, limit, cost,
		"This query costs %d, and may cost %d: 1 for each call and 10 for its transcript. Ask for fewer calls at once.",
		cost, limit)
}

// Count returns the number of calls, limited to the largest allowed number: the resolver rejects larger ones.
func (p *CostPart) Count(variables map[string]any) int {
	maxCount := p.opts.MaxCount
	if p.ids != nil {
		ids, err := p.ids.Value(variables)
		if list, ok := ids.([]any); ok && err == nil {
			return min(len(list), MaxIDs)
		}
		return 1 // a single value is a list of one
	}
	n := -1
	for _, argument := range []*ast.Value{p.first, p.last} {
		if argument == nil {
			continue
		}
		if value, err := argument.Value(variables); err != nil {
			n = maxCount
		} else if value != nil {
			n = max(n, asCount(value, maxCount))
		}
	}
	if n < 0 {
		n = p.opts.DefaultCount
	}
	return max(1, min(n, maxCount))
}

// asCount reads a coerced Int, from 0 to most; any other value counts as most.
func asCount(value any, most int) int {
	switch n := value.(type) {
	case int64:
		return int(max(0, min(n, int64(most))))
	case int:
		return max(0, min(n, most))
	case json.Number:
		if i, err := n.Int64(); err == nil {
			return int(max(0, min(i, int64(most))))
		}
	}
	return most
}
