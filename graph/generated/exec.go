// Package generated is gqlgen's output for the schema, and this file, which alone knows its unexported names.
package generated

import (
	"bytes"
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/encode"
)

// Schema is the schema of schema.graphqls.
func Schema() *ast.Schema { return NewExecutableSchema(Config{}).Schema() }

// SDL is the text of schema.graphqls.
func SDL() string { return sources[0].Input }

// Executable is the generated schema over resolvers.
type Executable struct{ *executableSchema }

// New makes an executable schema. The schema is [Schema], or differs from it in what introspection and validation see.
func New(resolvers ResolverRoot, schema *ast.Schema) Executable {
	return Executable{NewExecutableSchema(Config{Schema: schema, Resolvers: resolvers}).(*executableSchema)}
}

// Execute executes an operation, and appends its data to a buffer. The context has that of the response, where errors
// go. The schema has queries alone, which validation has seen to.
func (e Executable) Execute(ctx context.Context, op *graphql.OperationContext, buffer *bytes.Buffer) {
	ctx = graphql.WithOperationContext(ctx, op)
	if calls := onlyCalls(op.Operation.SelectionSet); calls != nil {
		e.executeCalls(ctx, op, calls, buffer)
		return
	}
	ec := newExecutionContext(op, e.executableSchema, nil)
	ec._Query(ctx, op.Operation.SelectionSet).MarshalGQL(buffer)
}

// onlyCalls is the field `calls` where an operation has no other root field, as most have, and no condition for it;
// else nil.
func onlyCalls(set ast.SelectionSet) *ast.Field {
	if len(set) != 1 {
		return nil
	}
	field, ok := set[0].(*ast.Field)
	if !ok || field.Name != "calls" || len(field.Directives) > 0 {
		return nil
	}
	return field
}

// executeCalls does what _Query does for an operation with `calls` alone. There is nothing to execute side by side, no
// selection to collect, and no set of fields to put together.
func (e Executable) executeCalls(
	ctx context.Context, op *graphql.OperationContext, calls *ast.Field, buffer *bytes.Buffer,
) {
	field := graphql.CollectedField{Field: calls, Selections: calls.SelectionSet}
	ctx = graphql.WithRootFieldContext(ctx, &graphql.RootFieldContext{Object: field.Name, Field: field})
	value := op.RootResolverMiddleware(ctx, func(ctx context.Context) graphql.Marshaler {
		return e.resolveCalls(ctx, op, field)
	})
	buffer.WriteString(`{"` + field.Alias + `":`)
	value.MarshalGQL(buffer)
	buffer.WriteByte('}')
}

// resolveCalls does what _Query_calls does, but for the field middleware, which is for types of introspection.
func (e Executable) resolveCalls(
	ctx context.Context, op *graphql.OperationContext, field graphql.CollectedField,
) (value graphql.Marshaler) {
	ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "Query", Field: field})
	defer func() {
		if v := recover(); v != nil {
			op.Error(ctx, op.Recover(ctx, v))
			value = graphql.Null
		}
	}()
	ec := executionContext{} // the functions that coerce arguments need nothing of it
	given := field.ArgumentMap(op.Variables)
	first, err1 := ec.unmarshalOInt2ᚖint(ctx, given["first"])
	after, err2 := ec.unmarshalOString2ᚖstring(ctx, given["after"])
	last, err3 := ec.unmarshalOInt2ᚖint(ctx, given["last"])
	before, err4 := ec.unmarshalOString2ᚖstring(ctx, given["before"])
	statuses, err5 := ec.unmarshalOCallOrderStatus2ᚕrevoxᚑgraphqlᚋupstreamᚐOrderStatusᚄ(ctx, given["statuses"])
	filter, err6 := ec.unmarshalOCallFilter2ᚖrevoxᚑgraphqlᚋgraphᚋfilterᚐCallFilter(ctx, given["filter"])
	if errors.Join(err1, err2, err3, err4, err5, err6) != nil {
		_, err := ec.field_Query_calls_args(ctx, given) // which says where in the arguments the error is
		op.Error(ctx, err)
		return graphql.Null
	}
	connection, err := e.Resolvers.Query().Calls(ctx, first, after, last, before, statuses, filter)
	if err != nil {
		op.Error(ctx, graphql.AddFieldLocationToError(ctx, err))
		return graphql.Null
	}
	return ec.marshalOCallConnection2ᚖrevoxᚑgraphqlᚋgraphᚋencodeᚐConnection(ctx, field.Selections, connection)
}

// Arguments coerces the arguments of fields inside the selection of a call.
func Arguments() encode.Arguments {
	ec := executionContext{} // see resolveCalls
	return encode.Arguments{
		Transcript:       ec.field_Call_transcript_args,
		StructuredOutput: ec.field_Call_structuredOutput_args,
	}
}
