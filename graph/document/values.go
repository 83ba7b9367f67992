package document

import (
	"errors"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/core"
)

// valuesRule is the rule that literals have the type that the schema requires (GraphQL spec 5.6.1 Values of Correct
// Type), with the messages of graphql-js. gqlparser's own rule accepts object literals for scalars and enums, and Ints
// of 64 bits.
func valuesRule(suggest bool) validator.RuleFunc {
	return func(events *validator.Events, report validator.AddErrFunc) {
		r := literalRule{suggest: suggest, report: report}
		events.OnValue(func(_ *validator.Walker, value *ast.Value) {
			if value.ExpectedType != nil && value.Definition != nil {
				r.check(value)
			}
		})
	}
}

// The messages for numbers that are out of range. They say more than those of graphql-js, whose numbers have no end.
const (
	outsideInt = "Int cannot represent non 32-bit signed integer value: %s. It must be from -2147483648 to 2147483647."
	beyond64   = "%s cannot represent a number beyond 64-bit floating point: %s"
)

// literalRule checks literals. The walk visits those inside a list or an input object separately.
type literalRule struct {
	suggest bool
	report  validator.AddErrFunc
}

func (r *literalRule) fail(at *ast.Value, format string, args ...any) {
	position := *at.Position
	if at.Kind == ast.StringValue || at.Kind == ast.BlockValue {
		position.Line, position.Column = placeOf(position.Src.Input, position.Start)
	}
	r.report(core.Message(format, args...), core.At(&position))
}

func (r *literalRule) meant(kind, given string, names []string) string {
	if !r.suggest {
		return ""
	}
	return didYouMean(kind, given, names)
}

func (r *literalRule) unexpected(value *ast.Value) {
	r.fail(value, `Expected value of type "%s", found %s.`, value.ExpectedType, value)
}

func (r *literalRule) check(value *ast.Value) {
	switch {
	case value.Kind == ast.Variable:
	case value.Kind == ast.NullValue:
		if value.ExpectedType.NonNull {
			r.unexpected(value)
		}
	case value.Kind == ast.ListValue && value.ExpectedType.Elem != nil:
	case value.Definition.Kind == ast.InputObject:
		if value.Kind == ast.ObjectValue {
			r.object(value)
		} else {
			r.unexpected(value)
		}
	case value.Definition.Kind == ast.Enum:
		r.enum(value)
	case value.Definition.Kind == ast.Scalar:
		r.scalar(value)
	default: // not an input type: another rule reports that
	}
}

func (r *literalRule) object(value *ast.Value) {
	of := value.Definition
	for _, field := range of.Fields {
		if field.Type.NonNull && field.DefaultValue == nil && value.Children.ForName(field.Name) == nil {
			r.fail(value, `Field "%s.%s" of required type "%s" was not provided.`, of.Name, field.Name, field.Type)
		}
	}
	for _, child := range value.Children {
		if of.Fields.ForName(child.Name) == nil {
			r.report(core.Message(`Field "%s" is not defined by type "%s".%s`, child.Name, of.Name,
				r.meant("", child.Name, fieldNames(of))), core.At(child.Position))
		}
	}
	if of.Directives.ForName("oneOf") == nil {
		return
	}
	if len(value.Children) != 1 {
		r.fail(value, `OneOf Input Object "%s" must specify exactly one key.`, of.Name)
	} else if only := value.Children[0]; only.Value.Kind == ast.NullValue {
		r.fail(value, `Field "%s.%s" must be non-null.`, of.Name, only.Name)
	}
}

func (r *literalRule) enum(value *ast.Value) {
	const kind = "the enum value "
	of := value.Definition
	if value.Kind != ast.EnumValue {
		text := value.String()
		r.fail(value, `Enum "%s" cannot represent non-enum value: %s.%s`, of.Name, text,
			r.meant(kind, text, enumNamesOf(of)))
	} else if of.EnumValues.ForName(value.Raw) == nil {
		r.fail(value, `Value "%s" does not exist in "%s" enum.%s`, value.Raw, of.Name,
			r.meant(kind, value.Raw, enumNamesOf(of)))
	}
}

func (r *literalRule) scalar(value *ast.Value) {
	isText := value.Kind == ast.StringValue || value.Kind == ast.BlockValue
	switch value.Definition.Name {
	case "Int":
		_, err := strconv.ParseInt(value.Raw, 10, 32)
		switch {
		case value.Kind != ast.IntValue:
			r.fail(value, "Int cannot represent non-integer value: %s", value)
		case errors.Is(err, strconv.ErrRange):
			r.fail(value, outsideInt, value)
		}
	case "Float":
		_, err := strconv.ParseFloat(value.Raw, 64)
		switch {
		case value.Kind != ast.IntValue && value.Kind != ast.FloatValue:
			r.fail(value, "Float cannot represent non numeric value: %s", value)
		case err != nil:
			r.fail(value, beyond64, "Float", value)
		}
	case "String", "DateTime":
		if !isText {
			r.fail(value, "%s cannot represent a non string value: %s", value.Definition.Name, value)
		}
	case "Boolean":
		if value.Kind != ast.BooleanValue {
			r.fail(value, "Boolean cannot represent a non boolean value: %s", value)
		}
	case "ID":
		if !isText && value.Kind != ast.IntValue {
			r.fail(value, "ID cannot represent a non-string and non-integer value: %s", value)
		}
	case "JSON": // gqlparser makes int64 and float64 of numbers
		_, err := value.Value(nil)
		if number, ok := errors.AsType[*strconv.NumError](err); ok {
			r.fail(value, "JSON cannot represent a number beyond 64 bits in a document: %s. Give it in a variable, which "+
				"keeps all digits.", number.Num)
		}
	default: // a custom scalar accepts any literal with a value in Go
		if _, err := value.Value(nil); err != nil {
			r.unexpected(value)
		}
	}
}

// settle prepares the values of a validated document for execution. It returns the names of each operation's variables
// that may be null where null is not allowed, see [Operation.HasNull].
//
// An Int literal for an ID or a Float becomes a text or a Float, because gqlparser panics on Ints that do not fit into
// 64 bits. No value keeps the definition of its variable: a fragment may belong to several operations, and gqlparser
// would take the default of the one that it saw last. A block string takes its value from blocks, by its start.
func settle(schema *ast.Schema, doc *ast.QueryDocument, blocks map[int]string) map[*ast.OperationDefinition][]string {
	nullable := map[*ast.OperationDefinition][]string{}
	var used []*ast.Value
	events := &validator.Events{}
	events.OnValue(func(w *validator.Walker, value *ast.Value) {
		switch {
		case value.Kind == ast.BlockValue:
			value.Kind, value.Raw = ast.StringValue, blocks[value.Position.Start]
		case value.Definition == nil:
		case value.Kind == ast.IntValue && value.Definition.Name == "ID":
			value.Kind = ast.StringValue
		case value.Kind == ast.IntValue && value.Definition.Name == "Float":
			value.Kind = ast.FloatValue
		}
		if value.Kind != ast.Variable {
			return
		}
		used = append(used, value)
		if definition := value.VariableDefinition; w.CurrentOperation != nil && definition != nil &&
			value.ExpectedType != nil && value.ExpectedType.NonNull && !definition.Type.NonNull {
			nullable[w.CurrentOperation] = append(nullable[w.CurrentOperation], value.Raw)
		}
	})
	validator.Walk(schema, doc, events)
	for _, value := range used {
		value.VariableDefinition = nil
	}
	return nullable
}
