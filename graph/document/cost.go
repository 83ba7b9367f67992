package document

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/internal/errcode"
)

// The cost of a request is about the number of calls that it reads and writes. A call costs 1, and each transcript of
// it 10 more, since a transcript weighs about ten times the rest of its call. `calls` costs that for each call of its
// page, and 20 for `totalCount`; with a filter also 1 for each page of Revox's that it may read, and as much again for
// `totalCount`. `callStats` costs 1 for each of those pages, and 100. `nodes` costs that for each of its ids, and 20
// for the scan; `call` and `node` once, and 20 for the scan. Each ten elements of another list in an argument cost 1,
// for each call where the argument is of a field of calls: they are coerced, and compared there. Introspection costs 1
// for two values that it returns, about. What @include and @skip leave out is counted all the same, so that a
// document's cost depends on counts alone. What a search costs is not known before, see searches.go.
const (
	callCost       = 1
	transcriptCost = 10
	// ScanCost is the cost of a look-up by id, and CountCost that of a `totalCount`.
	ScanCost     = 20
	CountCost    = 20
	statsCost    = 100 // a thousand groups, each smaller than a call
	freeElements = 10  // cost as much as a call
)

// costPlan is the cost of an operation, as far as its document determines it. The counts come from each request.
type costPlan struct {
	fixed int
	lists []*ast.Value // in arguments, but those of parts
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
	each             int
	lists            []*ast.Value // in arguments of fields of a call
	first, last, ids *ast.Value
	statuses         *ast.Value // of the list; nil is all of them
	opts             *Options
}

// Fixed returns the part of the cost that does not depend on the number of calls, without the lists in arguments:
// look-ups, counts and introspection.
func (o *Operation) Fixed() int { return o.cost.fixed }

// Parts returns the root fields with a cost for each call.
func (o *Operation) Parts() []CostPart { return o.cost.parts }

// Calls is how often each call is selected, and Transcripts how often its transcript is.
func (p *CostPart) Calls() int { return p.each % transcriptCost }

// Transcripts is how often the transcript of each call is selected.
func (p *CostPart) Transcripts() int { return p.each / transcriptCost }

// Statuses is the filter of the list that the part reads, by the names in the schema. What is no filter is rejected
// when the field is resolved.
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

// rootCosts add the cost of a root field, by the type that it returns. A test compares them with the schema.
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
		part.each = max(callCost, part.each)
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
	p.fixed += ScanCost + one.each
	p.lists = append(p.lists, one.lists...)
}

func introspectionCost(c *checker, p *costPlan, field mergedField, fragments fragments) {
	p.fixed += int(math.Ceil(c.sizes.values(field, fragments) / valuesForOne))
}

// connection adds what each call of a connection costs, and returns how often the calls are counted.
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

// call adds what a call costs.
func (p *CostPart) call(call mergedField, fragments fragments) {
	p.each += callCost
	for _, field := range fragments.merge(call.selections...) {
		if field.name == "transcript" {
			p.each += transcriptCost
		}
		p.lists = append(p.lists, field.lists()...)
	}
}

// lists are the values of the field's arguments that are lists.
func (f *mergedField) lists() (values []*ast.Value) {
	for _, argument := range f.first.Arguments {
		if of := argument.Value.ExpectedType; of != nil && of.Elem != nil {
			values = append(values, argument.Value)
		}
	}
	return values
}

// Cost returns the cost of the operation with these variables. If the operation costs too much, it returns an error.
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
		cost += (part.each + costOfLists(part.lists, variables)) * part.Count(variables)
	}
	return cost
}

// costOfLists returns the cost of lists in arguments. Longer lists are rejected elsewhere.
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

// Count is the number of calls. It is at most the largest number that is served: what is beyond that is rejected when
// the field is resolved.
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

// asCount reads a coerced Int; one that is none counts as the most.
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
