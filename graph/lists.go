package graph

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/document"
	"revox-graphql/graph/encode"
	"revox-graphql/graph/relay"
)

// longList is the error of the first argument with a list that has too many elements.
func longList(arguments ast.ArgumentList, values map[string]any) error {
	for _, argument := range arguments {
		if document.LongestList(argument.Value, values) > document.MaxList {
			return encode.Located(&relay.ArgumentError{
				Argument: argument.Name,
				Message:  fmt.Sprintf("A list in `%s` has more than %d elements.", argument.Name, document.MaxList),
			}, argument.Value.Position)
		}
	}
	return nil
}

// resolveRoot is a [graphql.RootFieldMiddleware]: a root field with too long a list in its arguments is an error before
// these are coerced.
func resolveRoot(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	field := graphql.GetRootFieldContext(ctx).Field
	if err := longList(field.Arguments, graphql.GetOperationContext(ctx).Variables); err != nil {
		failed := failRoot(ctx, field, err)
		if field.Name == "nodes" { // as with its own bound, see Resolver.Nodes
			return nullNodes(document.LongestList(field.Arguments.ForName("ids").Value, graphql.GetOperationContext(ctx).Variables))
		}
		return failed
	}
	return next(ctx)
}

// nullNodes are the nulls of `nodes`, one for each id.
type nullNodes int

// MarshalGQL implements [graphql.Marshaler].
func (n nullNodes) MarshalGQL(w io.Writer) {
	_, _ = io.WriteString(w, "["+strings.TrimPrefix(strings.Repeat(",null", int(n)), ",")+"]")
}

// failRoot is the null of a root field that is not resolved, and reports why.
func failRoot(ctx context.Context, field graphql.CollectedField, err error) graphql.Marshaler {
	graphql.AddError(graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "Query", Field: field}), err)
	return graphql.Null
}
