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

// Nulls that only the variables bring
//
// A nullable variable with a default may be used where null is not allowed (GraphQL spec 5.8.5), and may be null all
// the same. Then the field that uses it is an error (6.4.1 CoerceArgumentValues). gqlgen makes an empty value of the
// null, or panics if a directive has it, so such requests take a longer way: each root field is looked through before
// it is resolved. Which variables can be null there is known of the document, so no other request pays for it.

// nullArgument is the error of the first argument that variables make null, or that lacks a value, where it must not.
func nullArgument(arguments ast.ArgumentList, values map[string]any) error {
	for _, argument := range arguments {
		at, whole := findNull(argument.Value, values), argument.Value
		if at == nil {
			continue
		}
		message := fmt.Sprintf("Argument %q of non-null type %q must not be null.", argument.Name, at.ExpectedType)
		if at != whole {
			message = fmt.Sprintf("Argument %q has invalid value %s: %q must not be null where type %q is expected.",
				argument.Name, document.Shorten(whole.String()), at, at.ExpectedType)
		}
		return encode.Located(&relay.ArgumentError{Argument: argument.Name, Message: message}, whole.Position)
	}
	return nil
}

// findNull finds a variable that is null, or has no value, in a place whose type does not allow it.
func findNull(value *ast.Value, values map[string]any) *ast.Value {
	if value.Kind == ast.Variable {
		given, ok := values[value.Raw]
		absent := !ok && value.ExpectedTypeHasDefault
		if given == nil && !absent && value.ExpectedType != nil && value.ExpectedType.NonNull {
			return value
		}
		return nil
	}
	for _, child := range value.Children {
		if at := findNull(child.Value, values); at != nil {
			return at
		}
	}
	return nil
}

// nullConditions looks for @include and @skip that are given null.
type nullConditions struct {
	op   *graphql.OperationContext
	deep bool            // also below the fields of the selection
	seen map[string]bool // fragments that were looked through
}

func (n *nullConditions) find(set ast.SelectionSet) error {
	for _, selection := range set {
		var directives ast.DirectiveList
		var inner ast.SelectionSet
		switch selection := selection.(type) {
		case *ast.Field:
			directives = selection.Directives
			if n.deep {
				inner = selection.SelectionSet
			}
		case *ast.InlineFragment:
			directives, inner = selection.Directives, selection.SelectionSet
		case *ast.FragmentSpread:
			directives = selection.Directives
			if !n.seen[selection.Name] {
				inner = n.op.Doc.Fragments.ForName(selection.Name).SelectionSet
			}
		}
		for _, directive := range directives {
			if err := nullArgument(directive.Arguments, n.op.Variables); err != nil {
				return err
			}
		}
		if !n.included(directives) {
			continue
		}
		if spread, ok := selection.(*ast.FragmentSpread); ok {
			n.seen[spread.Name] = true
		}
		if err := n.find(inner); err != nil {
			return err
		}
	}
	return nil
}

func (n *nullConditions) included(directives ast.DirectiveList) bool {
	for name, wanted := range map[string]bool{"include": true, "skip": false} {
		if directive := directives.ForName(name); directive != nil {
			condition, _ := directive.Arguments.ForName("if").Value.Value(n.op.Variables)
			if condition != wanted {
				return false
			}
		}
	}
	return true
}

// nullAtRoot is the error of a condition of a root field that is null: it is not known which fields are requested, so
// the whole response is null, as graphql-js has it.
func nullAtRoot(op *graphql.OperationContext) error {
	n := nullConditions{op: op, seen: map[string]bool{}}
	return n.find(op.Operation.SelectionSet)
}

// rejectNulls is a [graphql.RootFieldMiddleware]: a root field with an argument or a condition that must not be null,
// and is, is an error.
func rejectNulls(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	op, field := graphql.GetOperationContext(ctx), graphql.GetRootFieldContext(ctx).Field
	err := nullArgument(field.Arguments, op.Variables)
	if err == nil {
		n := nullConditions{op: op, deep: true, seen: map[string]bool{}}
		err = n.find(field.Selections)
	}
	if err == nil {
		return resolveRoot(ctx, next)
	}
	return failRoot(ctx, field, err)
}

// Lists that only the variables bring
//
// A document has no room for many elements, but its variables do, see [document.MaxList].

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
			ids := field.Arguments.ForName("ids").Value
			return nullNodes(document.LongestList(ids, graphql.GetOperationContext(ctx).Variables))
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
