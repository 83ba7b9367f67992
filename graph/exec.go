package graph

import (
	"context"
	"maps"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// executable is the generated schema with two differences. It does not know @defer, which gqlgen adds to every schema and
// answers in a form that clients show as complete while fields are still missing; an unknown directive is a clear error.
// And it writes its data into the buffer of the request, behind what that holds already, instead of a new one.
type executable struct {
	*executableSchema
	schema *ast.Schema
}

func newExecutable(config Config) executable {
	generated := NewExecutableSchema(config).(*executableSchema)
	schema := *generated.Schema()
	schema.Directives = maps.Clone(schema.Directives)
	delete(schema.Directives, "defer")
	return executable{generated, &schema}
}

// Schema implements [graphql.ExecutableSchema].
func (e executable) Schema() *ast.Schema { return e.schema }

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
