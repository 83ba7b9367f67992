package document

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"

	"revox-graphql/graph/encode"
	"revox-graphql/internal/errcode"
)

// Variables
//
// This file coerces the values of variables by the GraphQL specification (6.1.2 CoerceVariableValues, and the input
// coercion of each type in 3.5 to 3.12), and gqlgen gets the result. gqlparser's own coercion is not used. It ignores
// the case of enum names, and the generated code does not, so the filter `["completed"]` became no filter. It also
// accepts texts for numbers and numbers for texts, and its errors name neither the variable nor the place. The messages
// here are those of graphql-js, except for numbers that are out of range.
//
// A coerced value has one Go type for each type of the schema: int64 for Int, float64 for Float, string for String, ID
// and enums, bool for Boolean, []any for lists and map[string]any for input objects. Values of custom scalars stay as
// they are.

// variables are the declared variables of an operation.
type variables struct {
	declared []variable
	// nullable are the names of those that may be null although they are used where null is not allowed. Their defaults
	// permit that (5.8.5 All Variable Usages Are Allowed); only a null value is an error, see [Operation.HasNull].
	nullable []string
	schema   *ast.Schema
	suggest  bool // errors may say "Did you mean"
}

type variable struct {
	name        string
	of          *ast.Type
	position    *ast.Position // of its definition
	hasFallback bool
	fallback    any // its default, coerced; must not be changed
}

// newVariables returns the variables of a validated operation.
func newVariables(schema *ast.Schema, operation *ast.OperationDefinition, suggest bool) *variables {
	v := &variables{schema: schema, suggest: suggest}
	for _, definition := range operation.VariableDefinitions {
		declared := variable{name: definition.Variable, of: definition.Type, position: definition.Position}
		if definition.DefaultValue != nil {
			declared.hasFallback = true
			declared.fallback = v.literal(definition.DefaultValue, definition.Type)
		}
		v.declared = append(v.declared, declared)
	}
	return v
}

// literal returns the value of a validated constant literal.
func (v *variables) literal(value *ast.Value, of *ast.Type) any {
	if value.Kind == ast.NullValue {
		return nil
	}
	if of.Elem != nil {
		if value.Kind != ast.ListValue {
			return []any{v.literal(value, of.Elem)}
		}
		list := make([]any, len(value.Children))
		for i, child := range value.Children {
			list[i] = v.literal(child.Value, of.Elem)
		}
		return list
	}
	definition := v.schema.Types[of.NamedType]
	if definition.Kind != ast.InputObject {
		scalar, _ := value.Value(nil) // a validated scalar has no error
		return scalar
	}
	object := map[string]any{}
	for _, field := range definition.Fields {
		if child := value.Children.ForName(field.Name); child != nil {
			object[field.Name] = v.literal(child, field.Type)
		} else if field.DefaultValue != nil {
			object[field.Name] = v.literal(field.DefaultValue, field.Type)
		}
	}
	return object
}

// Coerce returns the coerced values of the declared variables (GraphQL spec 6.1.2 CoerceVariableValues). The map has no
// entry for a variable without a value. Coerce ignores given values of undeclared variables. It returns at most 20
// errors.
func (o *Operation) Coerce(given map[string]any) (map[string]any, gqlerror.List) {
	return o.variables.coerce(given)
}

// HasNull reports whether values, from [Operation.Coerce], have null for a variable that must not be null where it is
// used. That is an error of the fields that use the variable, not of the request (6.4.1 CoerceArgumentValues): see
// graph/arguments.go.
func (o *Operation) HasNull(values map[string]any) bool {
	for _, name := range o.variables.nullable {
		if value, ok := values[name]; ok && value == nil {
			return true
		}
	}
	return false
}

func (v *variables) coerce(given map[string]any) (map[string]any, gqlerror.List) {
	if len(v.declared) == 0 {
		return nil, nil
	}
	coerced := make(map[string]any, len(v.declared))
	c := coercion{variables: v}
	for i := range v.declared {
		declared := &v.declared[i]
		c.variable, c.path = declared, c.path[:0]
		value, ok := given[declared.name]
		switch {
		case !ok && declared.hasFallback:
			coerced[declared.name] = declared.fallback
		case !ok && declared.of.NonNull:
			c.add(`Variable "$%s" of required type "%s" was not provided.`, declared.name, declared.of)
		case !ok:
		case value == nil && declared.of.NonNull:
			c.add(`Variable "$%s" of non-null type "%s" must not be null.`, declared.name, declared.of)
		default:
			coerced[declared.name] = c.value(value, declared.of)
		}
	}
	return coerced, coded(c.errors, errcode.ValidationFailed)
}

// coercion is the coercion of all variables of one request.
type coercion struct {
	*variables
	variable *variable
	path     []any // to a part of the variable's value: names and indices
	errors   gqlerror.List
}

// add adds an error about the variable, unless there are enough.
func (c *coercion) add(format string, args ...any) {
	if !c.full() {
		c.errors = append(c.errors, &gqlerror.Error{
			Message: fmt.Sprintf(format, args...), Locations: encode.Locations(c.variable.position),
		})
	}
}

func (c *coercion) full() bool { return len(c.errors) >= maxErrors }

// reject adds an error about a value at the current place, and returns null for it.
func (c *coercion) reject(value any, format string, args ...any) any {
	if c.full() {
		return nil
	}
	at := strings.Builder{}
	if len(c.path) > 0 {
		at.WriteString(` at "` + c.variable.name)
		for _, step := range c.path {
			if index, ok := step.(int); ok {
				fmt.Fprintf(&at, "[%d]", index)
			} else {
				fmt.Fprintf(&at, ".%s", step)
			}
		}
		at.WriteByte('"')
	}
	c.add(`Variable "$%s" got invalid value %s%s; %s`,
		c.variable.name, inspect(value), at.String(), fmt.Sprintf(format, args...))
	return nil
}

// below coerces a value one step deeper in the variable's value.
func (c *coercion) below(step, value any, of *ast.Type) any {
	c.path = append(c.path, step)
	defer func() { c.path = c.path[:len(c.path)-1] }()
	return c.value(value, of)
}

// value coerces a value to a type. If it cannot, it adds an error.
func (c *coercion) value(value any, of *ast.Type) any {
	switch {
	case value == nil && of.NonNull:
		return c.reject(value, `Expected non-nullable type "%s" not to be null.`, of)
	case value == nil:
		return nil
	case of.Elem != nil:
		return c.list(value, of.Elem)
	}
	definition := c.schema.Types[of.NamedType]
	switch definition.Kind {
	case ast.InputObject:
		return c.object(value, definition)
	case ast.Enum:
		return c.enum(value, definition)
	default:
		return c.scalar(value, definition)
	}
}

// list coerces a list, and takes any other value for a list of one (3.11 List, input coercion).
func (c *coercion) list(value any, of *ast.Type) any {
	given, ok := value.([]any)
	if !ok {
		return []any{c.value(value, of)}
	}
	coerced := make([]any, len(given))
	for i, element := range given {
		if c.full() {
			break
		}
		coerced[i] = c.below(i, element, of)
	}
	return coerced
}

// object coerces an input object (3.10 Input Objects, input coercion).
func (c *coercion) object(value any, of *ast.Definition) any {
	given, ok := value.(map[string]any)
	if !ok {
		return c.reject(value, `Expected type "%s" to be an object.`, of.Name)
	}
	coerced := make(map[string]any, len(of.Fields))
	known := 0
	for _, field := range of.Fields {
		member, ok := given[field.Name]
		switch {
		case ok:
			known++
			coerced[field.Name] = c.below(field.Name, member, field.Type)
		case field.DefaultValue != nil:
			coerced[field.Name] = c.literal(field.DefaultValue, field.Type)
		case field.Type.NonNull:
			c.reject(value, `Field "%s" of required type "%s" was not provided.`, field.Name, field.Type)
		}
	}
	if known < len(given) {
		c.unknownMembers(given, of)
	}
	if of.Directives.ForName("oneOf") != nil {
		c.oneOf(given, of)
	}
	return coerced
}

func (c *coercion) unknownMembers(given map[string]any, of *ast.Definition) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if c.full() {
			return
		}
		if of.Fields.ForName(name) == nil {
			c.reject(given, `Field "%s" is not defined by type "%s".%s`, Shorten(name), of.Name,
				c.meant("", name, fieldNames(of)))
		}
	}
}

// oneOf checks that exactly one field is given, and not as null (3.10.1 OneOf Input Objects).
func (c *coercion) oneOf(given map[string]any, of *ast.Definition) {
	if len(given) != 1 {
		c.reject(given, `Exactly one key must be specified for OneOf type "%s".`, of.Name)
		return
	}
	for name, member := range given {
		if member == nil {
			c.path = append(c.path, name)
			c.reject(member, `Field "%s" must be non-null.`, name)
			c.path = c.path[:len(c.path)-1]
		}
	}
}

// enum coerces the name of an enum value, which is case-sensitive (3.9 Enums, input coercion).
func (c *coercion) enum(value any, of *ast.Definition) any {
	name, ok := value.(string)
	switch {
	case !ok:
		text := inspect(value)
		return c.reject(value, `Enum "%s" cannot represent non-string value: %s.%s`, of.Name, text,
			c.meant("the enum value ", text, enumNamesOf(of)))
	case of.EnumValues.ForName(name) == nil:
		return c.reject(value, `Value "%s" does not exist in "%s" enum.%s`, Shorten(name), of.Name,
			c.meant("the enum value ", name, enumNamesOf(of)))
	}
	return value
}

// scalar coerces a value of a scalar type (3.5 Scalars, input coercion).
func (c *coercion) scalar(value any, of *ast.Definition) any {
	number, isNumber := value.(json.Number)
	switch of.Name {
	case "Int":
		whole, isWhole := wholeNumber(number)
		switch {
		case !isNumber || !isWhole:
			return c.reject(value, "Int cannot represent non-integer value: %s", inspect(value))
		case whole < math.MinInt32 || whole > math.MaxInt32:
			return c.reject(value, outsideInt, inspect(value))
		}
		return int64(whole)
	case "Float":
		f, err := number.Float64()
		switch {
		case !isNumber:
			return c.reject(value, "Float cannot represent non numeric value: %s", inspect(value))
		case err != nil:
			return c.reject(value, beyond64, "Float", inspect(value))
		}
		return f
	case "String", "DateTime":
		if _, ok := value.(string); ok {
			return value
		}
		return c.reject(value, "%s cannot represent a non string value: %s", of.Name, inspect(value))
	case "Boolean":
		if _, ok := value.(bool); ok {
			return value
		}
		return c.reject(value, "Boolean cannot represent a non boolean value: %s", inspect(value))
	case "ID":
		if _, ok := value.(string); ok {
			return value
		}
		whole, isWhole := wholeNumber(number)
		switch {
		case !isNumber || !isWhole:
			return c.reject(value, "ID cannot represent value: %s", inspect(value))
		case math.IsInf(whole, 0):
			return c.reject(value, beyond64, "ID", inspect(value))
		case strings.ContainsAny(string(number), ".eE"):
			return strconv.FormatFloat(whole, 'f', -1, 64)
		}
		return string(number)
	default:
		return value
	}
}

// wholeNumber reads a JSON number whose value is an integer, however it is written: 2, 2.0 and 2e0 are one number in
// JSON. A number that is out of range is infinite.
func wholeNumber(number json.Number) (float64, bool) {
	f, err := number.Float64()
	return f, (err == nil || errors.Is(err, strconv.ErrRange)) && f == math.Trunc(f)
}

// meant returns the suggestion of names that are similar to the given one, as graphql-js does.
func (v *variables) meant(kind, given string, names []string) string {
	if !v.suggest {
		return ""
	}
	return didYouMean(kind, given, names)
}

func didYouMean(kind, given string, names []string) string {
	if len(given) > maxSuggested {
		return ""
	}
	like := core.SuggestionList(given, names)
	if len(like) == 0 {
		return ""
	}
	return " Did you mean " + kind + core.QuotedOrList(like...) + "?"
}

func fieldNames(of *ast.Definition) []string {
	names := make([]string, len(of.Fields))
	for i, field := range of.Fields {
		names[i] = field.Name
	}
	return names
}

func enumNamesOf(of *ast.Definition) []string {
	names := make([]string, len(of.EnumValues))
	for i, value := range of.EnumValues {
		names[i] = value.Name
	}
	return names
}
