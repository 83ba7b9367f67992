package export

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// checkVariables rejects variables that an operation does not have, and values that their enums do not have: a walk
// that ignored one would return other calls than were requested. The gateway checks everything else about values.
func checkVariables(schema *ast.Schema, op *ast.OperationDefinition, variables map[string]jsontext.Value) error {
	if err := checkNames(op, variables); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if err := checkEnums(schema, op.VariableDefinitions.ForName(name).Type, variables[name]); err != nil {
			return fmt.Errorf("the variable $%s: %w", name, err)
		}
	}
	return nil
}

// CheckNames rejects variables that the operation of a request does not have: GraphQL ignores them, and the response
// would be that to another request. It accepts a document that cannot be parsed or lacks the operation, because the
// gateway's error says more, and does not validate the document, because another gateway may have another schema.
func CheckNames(r *Request) error {
	document, err := parser.ParseQuery(&ast.Source{Input: r.Query})
	if err != nil {
		return nil //nolint:nilerr // as said
	}
	op := document.Operations.ForName(r.OperationName)
	if op == nil {
		return nil
	}
	return checkNames(op, r.Variables)
}

// checkNames rejects variables that an operation does not have.
func checkNames(op *ast.OperationDefinition, variables map[string]jsontext.Value) error {
	known := make([]string, 0, len(op.VariableDefinitions))
	for _, variable := range op.VariableDefinitions {
		known = append(known, "$"+variable.Variable)
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		switch {
		case op.VariableDefinitions.ForName(name) != nil:
		case len(known) == 0:
			return fmt.Errorf("the operation has no variable $%s", name)
		default:
			return fmt.Errorf("the variables: %w", unknown("$"+name, "the operation has", known))
		}
	}
	return nil
}

// checkEnums checks the enum names in a value, which GraphQL compares letter by letter (specification §3.9).
func checkEnums(schema *ast.Schema, t *ast.Type, value jsontext.Value) error {
	if t.Elem != nil && value.Kind() == '[' {
		var items []jsontext.Value
		if err := json.Unmarshal(value, &items); err != nil {
			return err
		}
		for _, item := range items {
			if err := checkEnums(schema, t.Elem, item); err != nil {
				return err
			}
		}
		return nil
	}
	def := schema.Types[t.Name()]
	if def == nil || value.Kind() == 'n' {
		return nil
	}
	switch {
	case def.Kind == ast.Enum:
		var known []string
		for _, v := range def.EnumValues {
			known = append(known, v.Name)
		}
		var name string
		if err := json.Unmarshal(value, &name); err != nil {
			return fmt.Errorf("%s is not a name: a %s is one of %s", value, def.Name, strings.Join(known, ", "))
		}
		if !slices.Contains(known, name) {
			return unknown(name, "a "+def.Name+" is one of", known)
		}
	case def.Kind == ast.InputObject && value.Kind() == '{':
		fields, err := object(value)
		if err != nil {
			return err
		}
		for _, field := range def.Fields {
			if inner, ok := fields[field.Name]; ok {
				if err := checkEnums(schema, field.Type, inner); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
