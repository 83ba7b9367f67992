package graph

import (
	"context"
	"maps"
	"slices"

	"revox-graphql/graph/generated"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2/ast"
)

// newSchema is the schema of schema.graphqls, by which documents are validated and introspection is answered. It does
// not have @defer, which gqlparser adds to every schema and gqlgen answers in a form that clients show as complete
// while fields are still missing; an unknown directive is a clear error.
func newSchema() *ast.Schema {
	schema := *generated.Schema()
	schema.Directives = maps.Clone(schema.Directives)
	delete(schema.Directives, "defer")
	return &schema
}

// kindsWith says for which kinds of type a field of __Type has a value (GraphQL specification, section 4.5.2 "The
// __Type Type"). For the others it is null, where gqlgen answers with an empty list or false. What is not here gqlgen
// answers right.
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
			return nil, nil //nolint:nilnil // null is the answer
		}
	}
	return next(ctx)
}

// valuesForOne is how many values of introspection cost as much as a call. By its bytes a call is ten of them, but gqlgen
// takes some 1.4 µs for each, which is as long as it takes to write a call. The whole schema is 2 ms.
const valuesForOne = 2

// schemaSizes is how many values each field of introspection has on average. Those that are not here have one.
type schemaSizes map[string]float64

func sizesOf(schema *ast.Schema) schemaSizes {
	var fields, most, wrapped, args, inputs, interfaces, possible, enums float64
	for _, definition := range schema.Types {
		enums += float64(len(definition.EnumValues))
		interfaces += float64(len(definition.Interfaces))
		if definition.IsAbstractType() {
			possible += float64(len(schema.GetPossibleTypes(definition)))
		}
		if definition.Kind == ast.InputObject {
			inputs += float64(len(definition.Fields))
			continue
		}
		fields += float64(len(definition.Fields))
		most = max(most, float64(len(definition.Fields)))
		for _, field := range definition.Fields {
			args += float64(len(field.Arguments))
			if field.Type.NonNull || field.Type.Elem != nil {
				wrapped++
			}
		}
	}
	types := float64(len(schema.Types))
	return schemaSizes{
		"types": types, "directives": float64(len(schema.Directives)),
		"fields": fields / types, "args": args / fields, "ofType": wrapped / fields,
		"inputFields": inputs / types, "interfaces": interfaces / types, "possibleTypes": possible / types,
		"enumValues": enums / types,
		"__type":     most * types / fields, // which may be the largest
	}
}

// values is about how many values the answer to a field has.
func (s schemaSizes) values(field mergedField, fragments fragments) float64 {
	values := 1.0
	for _, inner := range fragments.merge(field.selections...) {
		values += s.values(inner, fragments)
	}
	if size, known := s[field.name]; known {
		values *= size
	}
	return values
}
