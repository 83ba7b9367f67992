package document

import "github.com/vektah/gqlparser/v2/ast"

// MaxIDs is the largest number of ids that `nodes` takes.
const MaxIDs = 100

// MaxList is the largest number of elements of a list in an argument. A document has no room for many more, but its
// variables have: 260 KB hold 65,000 elements, each of which is coerced for each use of the variable and compared in
// each row.
const MaxList = 250

// LongestList returns the length of the longest list in the value of an argument, in elements.
func LongestList(value *ast.Value, values map[string]any) int {
	if value.Kind == ast.Variable {
		return longestList(values[value.Raw])
	}
	longest := 0
	if value.Kind == ast.ListValue {
		longest = len(value.Children)
	}
	for _, child := range value.Children {
		longest = max(longest, LongestList(child.Value, values))
	}
	return longest
}

// longestList returns the length of the longest list in the value of a variable. It stops at the first list longer than
// MaxList.
func longestList(value any) int {
	longest := 0
	switch value := value.(type) {
	case []any:
		if longest = len(value); longest > MaxList {
			return longest
		}
		for _, element := range value {
			longest = max(longest, longestList(element))
		}
	case map[string]any:
		for _, member := range value {
			longest = max(longest, longestList(member))
		}
	}
	return longest
}
