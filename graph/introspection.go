package graph

import (
	"context"
	"maps"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/generated"
)

// newSchema is the schema of schema.graphqls, by which documents are validated and introspection is answered. It does
// not have @defer, which gqlparser adds to every schema and to which gqlgen responds in a form that clients show as
// complete while fields are still missing; an unknown directive is a clear error.
func newSchema() *ast.Schema {
	schema := *generated.Schema()
	schema.Directives = maps.Clone(schema.Directives)
	delete(schema.Directives, "defer")
	return &schema
}

// kindsWith says for which kinds of type a field of __Type has a value (GraphQL specification, section 4.5.2 "The
// __Type Type"). For the others it is null, where gqlgen writes an empty list or false. gqlgen is right about fields
// that are not here.
var kindsWith = map[string][]string{
	"fields":        {"OBJECT", "INTERFACE"},
	"interfaces":    {"OBJECT", "INTERFACE"},
	"possibleTypes": {"INTERFACE", "UNION"},
	"enumValues":    {"ENUM"},
	"inputFields":   {"INPUT_OBJECT"},
	"isOneOf":       {"INPUT_OBJECT"},
}

// introspectType is a [graphql.FieldMiddleware] for the fields of __Type, and leaves all others alone.
func introspectType(ctx context.Context, next graphql.Resolver) (any, error) {
	field := graphql.GetFieldContext(ctx)
	if field.Object == "__Type" {
		kinds, some := kindsWith[field.Field.Name]
		if of, ok := field.Parent.Result.(*introspection.Type); ok && some && !slices.Contains(kinds, of.Kind()) {
			return nil, nil //nolint:nilnil // null is the value
		}
	}
	return next(ctx)
}
