package document

import "github.com/vektah/gqlparser/v2/ast"

// fragments has the fragments of a document by their names.
type fragments map[string]*ast.FragmentDefinition

func fragmentsOf(doc *ast.QueryDocument) fragments {
	f := fragments{}
	for _, fragment := range doc.Fragments {
		f[fragment.Name] = fragment
	}
	return f
}

// mergedField merges the selections of all fields with one response name.
type mergedField struct {
	name       string
	first      *ast.Field
	selections []ast.SelectionSet // of each field
}

func (f *mergedField) argument(name string) *ast.Value {
	if argument := f.first.Arguments.ForName(name); argument != nil {
		return argument.Value
	}
	return nil
}

// merge merges selections as execution does, and enters each fragment once. It ignores type conditions.
func (f fragments) merge(sets ...ast.SelectionSet) []mergedField {
	var merged []mergedField
	places, seen := map[string]int{}, map[string]bool{}
	var collect func(set ast.SelectionSet)
	collect = func(set ast.SelectionSet) {
		for _, selection := range set {
			switch selection := selection.(type) {
			case *ast.Field:
				place, known := places[selection.Alias]
				if !known {
					place = len(merged)
					places[selection.Alias] = place
					merged = append(merged, mergedField{name: selection.Name, first: selection})
				}
				merged[place].selections = append(merged[place].selections, selection.SelectionSet)
			case *ast.InlineFragment:
				collect(selection.SelectionSet)
			case *ast.FragmentSpread:
				if fragment := f[selection.Name]; fragment != nil && !seen[selection.Name] {
					seen[selection.Name] = true
					collect(fragment.SelectionSet)
				}
			}
		}
	}
	for _, set := range sets {
		collect(set)
	}
	return merged
}

// pairs counts the pairs of fields with one response name, on all levels: validation compares them. The fragments must
// have no cycle.
func (f fragments) pairs(sets ...ast.SelectionSet) int {
	sum := 0
	for _, field := range f.merge(sets...) {
		n := len(field.selections)
		sum += n*(n-1)/2 + f.pairs(field.selections...)
	}
	return sum
}
