package graph

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/graph/relay"
	"revox-graphql/internal/errcode"
	"revox-graphql/upstream"
)

// The cost of a request is about the number of calls that it reads and writes. A call costs 1, and each transcript of
// it 10 more, since a transcript weighs about ten times the rest of its call. `calls` costs that for each call of its
// page, and 20 for `totalCount`; `nodes` for each of its ids, and 20 for the scan; `call` and `node` once, and 20 for
// the scan. Each ten elements of another list in an argument cost 1, for each call where the argument is of a field of
// calls: they are coerced, and compared there. Introspection costs 1 for two values that it answers with, about. What
// @include and @skip leave out is counted all the same, so that a document's cost depends on counts alone. What a
// search costs is not known before, see searches.go.
const (
	callCost       = 1
	transcriptCost = 10
	scanCost       = 20
	countCost      = 20
	freeElements   = 10 // cost as much as a call
)

// costPlan is what an operation costs as far as its document tells. What is left to a request are the counts.
type costPlan struct {
	fixed    int
	lists    []*ast.Value // in arguments, but those of parts
	parts    []costPart
	maxCount int
}

// costPart costs something for each call: of `calls`, or of `nodes` if there are ids.
type costPart struct {
	each             int
	lists            []*ast.Value // in arguments of fields of a call
	first, last, ids *ast.Value
	statuses         *ast.Value // of the list; nil is all of them
}

// list is the filter of the list that the part reads. What is no filter is refused later.
func (p *costPart) list(variables map[string]any) upstream.OrderStatuses {
	if p.statuses == nil {
		return 0
	}
	value, err := p.statuses.Value(variables)
	if err != nil {
		return 0
	}
	names, ok := value.([]any)
	if !ok {
		names = []any{value} // a single value is a list of one
	}
	var statuses []upstream.OrderStatus
	for _, name := range names {
		if name, ok := name.(string); ok {
			statuses = append(statuses, upstream.OrderStatus(strings.ToLower(name)))
		}
	}
	return upstream.NewOrderStatuses(statuses...)
}

// newCostPlan makes the plan of an operation that has been validated.
func newCostPlan(operation *ast.OperationDefinition, fragments fragments, sizes schemaSizes, maxCount int) *costPlan {
	p := &costPlan{maxCount: maxCount}
	for _, field := range fragments.merge(operation.SelectionSet) {
		switch field.name {
		case "calls":
			part := costPart{
				first: field.argument("first"), last: field.argument("last"), statuses: field.argument("statuses"),
			}
			p.connection(&part, field, fragments)
			part.each = max(callCost, part.each)
			p.parts = append(p.parts, part)
			p.lists = append(p.lists, field.lists()...)
		case "nodes":
			part := costPart{ids: field.argument("ids")}
			part.call(field, fragments)
			p.fixed += scanCost
			p.parts = append(p.parts, part)
		case "call", "node":
			var one costPart
			one.call(field, fragments)
			p.fixed += scanCost + one.each
			p.lists = append(p.lists, one.lists...)
		case "__schema", "__type":
			p.fixed += int(math.Ceil(sizes.values(field, fragments) / valuesForOne))
		}
	}
	return p
}

// connection adds what each call of a connection costs.
func (p *costPlan) connection(part *costPart, connection mergedField, fragments fragments) {
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
			p.fixed += countCost
		}
	}
}

// call adds what a call costs.
func (p *costPart) call(call mergedField, fragments fragments) {
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

// of is what a request costs.
func (p *costPlan) of(variables map[string]any) int {
	cost := p.fixed + costOfLists(p.lists, variables)
	for i := range p.parts {
		part := &p.parts[i]
		cost += (part.each + costOfLists(part.lists, variables)) * part.count(variables, p.maxCount)
	}
	return cost
}

// costOfLists is what lists cost. What is longer than a list may be is refused.
func costOfLists(lists []*ast.Value, variables map[string]any) (cost int) {
	for _, list := range lists {
		cost += min(longestLiteral(list, variables), maxList) / freeElements
	}
	return cost
}

// checkCost refuses a request that costs too much.
func checkCost(cost, limit int) *gqlerror.Error {
	if !exceeds(cost, limit) {
		return nil
	}
	return beyond("cost", errcode.QueryTooComplex, limit, cost,
		"This query costs %d, and may cost %d: 1 for each call and 10 for its transcript. Ask for fewer calls at once.", cost, limit)
}

// count is the number of calls. What is beyond the largest number that is served is refused later, or cheaply, so it
// does not count beyond it.
func (p *costPart) count(variables map[string]any, maxCount int) int {
	if p.ids != nil {
		ids, err := p.ids.Value(variables)
		if list, ok := ids.([]any); ok && err == nil {
			return min(len(list), maxIDs)
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
		n = relay.DefaultCount
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
