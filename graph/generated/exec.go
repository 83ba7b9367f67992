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

// Executable is the generated schema over resolvers. It writes the data of a response into the buffer of [WithBuffer],
// behind what that holds already.
type Executable struct{ *executableSchema }

// New makes an executable schema. The schema is [Schema], or differs from it in what introspection and validation see.
func New(resolvers ResolverRoot, schema *ast.Schema) Executable {
	return Executable{NewExecutableSchema(Config{Schema: schema, Resolvers: resolvers}).(*executableSchema)}
}

type bufferKey struct{}

// WithBuffer says where the data of the response goes.
func WithBuffer(ctx context.Context, buffer *bytes.Buffer) context.Context {
	return context.WithValue(ctx, bufferKey{}, buffer)
}

// Exec implements [graphql.ExecutableSchema]. The schema has queries alone, which validation has seen to.
func (e Executable) Exec(ctx context.Context) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	ec := newExecutionContext(op, e.executableSchema, nil)
	return func(ctx context.Context) *graphql.Response {
		data := ec._Query(ctx, op.Operation.SelectionSet)
		buffer := ctx.Value(bufferKey{}).(*bytes.Buffer)
		start := buffer.Len()
		data.MarshalGQL(buffer)
		written := buffer.Bytes() // less than before where there was no memory, see [encode.Limit]
		return &graphql.Response{Data: written[min(start, len(written)):]}
	}
}

// Arguments coerces the arguments of fields inside the selection of a call.
func Arguments() encode.Arguments {
	ec := executionContext{} // the functions that coerce arguments need nothing of it
	return encode.Arguments{
		Transcript:       ec.field_Call_transcript_args,
		StructuredOutput: ec.field_Call_structuredOutput_args,
	}
}
