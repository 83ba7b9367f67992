package document

import "github.com/vektah/gqlparser/v2/ast"

// valuesForOne is how many values of introspection cost as much as a call. A call has the bytes of ten values, but
// gqlgen takes about 1.4 µs for each value, which is the time that writing a call takes. The whole schema takes 2 ms.
const valuesForOne = 2

// schemaSizes has the average number of values of fields of introspection. All other fields have one value.
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
		"__type":     most * types / fields, // the largest type
	}
}

// values returns the estimated number of values in a field of introspection.
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
