// Package generated is gqlgen's output for the schema, and this file, which alone knows its unexported names.
package generated

import (
	"bytes"
	"context"

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
	ec := newExecutionContext(op, e.executableSchema, nil)
	fields := graphql.CollectFields(op, op.Operation.SelectionSet, queryImplementors)
	if len(fields) == 1 && fields[0].Name == "calls" {
		ec.onlyCalls(ctx, fields[0], buffer)
		return
	}
	ec._Query(ctx, op.Operation.SelectionSet).MarshalGQL(buffer)
}

// onlyCalls does what _Query does for an operation that has no other root field, as most have. There is nothing to
// execute side by side, and no set of fields to put together, which takes 10 allocations.
func (ec *executionContext) onlyCalls(ctx context.Context, field graphql.CollectedField, buffer *bytes.Buffer) {
	ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "Query"})
	ctx = graphql.WithRootFieldContext(ctx, &graphql.RootFieldContext{Object: field.Name, Field: field})
	value := ec.RootResolverMiddleware(ctx, func(ctx context.Context) graphql.Marshaler {
		return ec._Query_calls(ctx, field) // which recovers from panics itself
	})
	buffer.WriteString(`{"` + field.Alias + `":`)
	value.MarshalGQL(buffer)
	buffer.WriteByte('}')
}

// Arguments coerces the arguments of fields inside the selection of a call.
func Arguments() encode.Arguments {
	ec := executionContext{} // the functions that coerce arguments need nothing of it
	return encode.Arguments{
		Transcript:       ec.field_Call_transcript_args,
		StructuredOutput: ec.field_Call_structuredOutput_args,
	}
}
