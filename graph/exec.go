package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
)

// executable is the generated schema with two differences. It has the schema of [newSchema]. And it writes its data
// into the buffer of the request, behind what that holds already, instead of a new one.
type executable struct{ *executableSchema }

func newExecutable(config Config) executable {
	config.Schema = newSchema()
	return executable{NewExecutableSchema(config).(*executableSchema)}
}

// Exec implements [graphql.ExecutableSchema]. The schema has queries alone, which validation has seen to.
func (e executable) Exec(ctx context.Context) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	ec := newExecutionContext(op, e.executableSchema, nil)
	return func(ctx context.Context) *graphql.Response {
		data := ec._Query(ctx, op.Operation.SelectionSet)
		buffer := requestOf(ctx).buffer
		start := buffer.Len()
		data.MarshalGQL(buffer)
		return &graphql.Response{Data: buffer.Bytes()[start:]}
	}
}
