package graph

import (
	"encoding/json"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/graph/relay"
	"revox-graphql/internal/errcode"
)

// The cost of a request is about the number of calls that it reads and writes. A call costs 1, and each transcript of it 10
// more, since a transcript weighs about ten times the rest of its call. `calls` costs that for each call of its page, and 20
// for `totalCount`; `nodes` for each of its ids, and 20 for the scan; `call` and `node` once, and 20 for the scan. What
// @include and @skip leave out is counted all the same, so that a document's cost depends on counts alone.
const (
	callCost       = 1
	transcriptCost = 10
	scanCost       = 20
	countCost      = 20
)

// costPlan is what an operation costs as far as its document tells. What is left to a request are the counts.
type costPlan struct {
	fixed    int
	parts    []costPart
	maxCount int
}

// costPart costs something for each call: of `calls`, or of `nodes` if there are ids.
type costPart struct {
	each             int
	first, last, ids *ast.Value
}

// newCostPlan makes the plan of an operation that has been validated.
func newCostPlan(operation *ast.OperationDefinition, fragments fragments, maxCount int) *costPlan {
	p := &costPlan{maxCount: maxCount}
	for _, field := range fragments.merge(operation.SelectionSet) {
		switch field.name {
		case "calls":
			p.parts = append(p.parts, costPart{
				each: max(callCost, p.connection(field, fragments)), first: field.argument("first"), last: field.argument("last"),
			})
		case "nodes":
			p.fixed += scanCost
			p.parts = append(p.parts, costPart{each: costOfCall(field, fragments), ids: field.argument("ids")})
		case "call", "node":
			p.fixed += scanCost + costOfCall(field, fragments)
		}
	}
	return p
}

// connection is what each call of a connection costs.
func (p *costPlan) connection(connection mergedField, fragments fragments) (each int) {
	for _, field := range fragments.merge(connection.selections...) {
		switch field.name {
		case "nodes":
			each += costOfCall(field, fragments)
		case "edges":
			for _, node := range fragments.merge(field.selections...) {
				if node.name == "node" {
					each += costOfCall(node, fragments)
				}
			}
		case "totalCount":
			p.fixed += countCost
		}
	}
	return each
}

func costOfCall(call mergedField, fragments fragments) int {
	cost := callCost
	for _, field := range fragments.merge(call.selections...) {
		if field.name == "transcript" {
			cost += transcriptCost
		}
	}
	return cost
}

// of is what a request costs.
func (p *costPlan) of(variables map[string]any) int {
	cost := p.fixed
	for i := range p.parts {
		cost += p.parts[i].each * p.parts[i].count(variables, p.maxCount)
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

// count is the number of calls. What is beyond the largest number that is served is refused later, or cheaply, so it does not
// count beyond it.
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
