package graph

import (
	"context"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/encode"
	"revox-graphql/graph/relay"
)

// maxList is the most elements of a list in an argument. A document has no room for many more, but its variables do:
// 260 KB of them are 65,000 elements, each of which is coerced for each use of the variable and compared in each row.
const maxList = 250

// longList is the error of the first argument with a list that has too many elements.
func longList(arguments ast.ArgumentList, values map[string]any) error {
	for _, argument := range arguments {
		if longestLiteral(argument.Value, values) > maxList {
			return encode.Located(&relay.ArgumentError{
				Argument: argument.Name,
				Message:  fmt.Sprintf("A list in `%s` has more than %d elements.", argument.Name, maxList),
			}, argument.Value.Position)
		}
	}
	return nil
}

// longestLiteral is the length of the longest list in the value of an argument.
func longestLiteral(value *ast.Value, values map[string]any) int {
	if value.Kind == ast.Variable {
		return longestList(values[value.Raw])
	}
	longest := 0
	if value.Kind == ast.ListValue {
		longest = len(value.Children)
	}
	for _, child := range value.Children {
		longest = max(longest, longestLiteral(child.Value, values))
	}
	return longest
}

// longestList is the length of the longest list in the value of a variable.
func longestList(value any) int {
	longest := 0
	switch value := value.(type) {
	case []any:
		if longest = len(value); longest > maxList {
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

// resolveRoot is a [graphql.RootFieldMiddleware]: a root field with too long a list in its arguments is an error before
// these are coerced.
func resolveRoot(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	field := graphql.GetRootFieldContext(ctx).Field
	if err := longList(field.Arguments, graphql.GetOperationContext(ctx).Variables); err != nil {
		return failRoot(ctx, field, err)
	}
	return next(ctx)
}

// failRoot is the null of a root field that is not resolved, and reports why.
func failRoot(ctx context.Context, field graphql.CollectedField, err error) graphql.Marshaler {
	graphql.AddError(graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "Query", Field: field}), err)
	return graphql.Null
}
