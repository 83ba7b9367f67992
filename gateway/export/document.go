package export

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// Names that the walk adds to a document. A document is unlikely to have them already; the gateway rejects one that
// does.
const (
	pageAlias     = "_exportPage"
	totalAlias    = "_exportTotal"
	totalVariable = "_exportTotal"
	afterVariable = "_exportAfter"
	firstVariable = "_exportFirst"
)

// Request is a GraphQL request in JSON.
type Request struct {
	Query         string                    `json:"query"`
	OperationName string                    `json:"operationName,omitempty"`
	Variables     map[string]jsontext.Value `json:"variables,omitempty"`
}

// document is a request for one page of `calls`, prepared to be sent for page after page.
type document struct {
	request    Request
	connection string       // the name of `calls` in the response
	rows       string       // the name of its `nodes` or `edges`
	node       string       // the name of the `node` of an edge; empty where rows are nodes
	fields     []*ast.Field // the selected fields of a call, in their order
	id         string       // the name of a call's `id` among them; empty if it is not selected
	started    string       // likewise of `startedAt`
	after      string       // the variable for the cursor
	first      string       // the variable for the page size; empty if the document has a size
	choice     string       // the argument that leaves calls out of the list; empty if there is none
}

// prepare finds the connection that an operation selects, and adds what a walk needs. The operation must select
// `calls` and nothing else, and page forwards.
func prepare(schema *ast.Schema, r Request, pageSize int) (*document, error) {
	query, errs := gqlparser.LoadQueryWithRules(schema, r.Query, rules.NewDefaultRules())
	if len(errs) > 0 {
		return nil, fmt.Errorf("the document: %w", errs)
	}
	op := query.Operations.ForName(r.OperationName)
	if op == nil {
		return nil, noOperation(query, r.OperationName)
	}
	if err := checkVariables(schema, op, r.Variables); err != nil {
		return nil, err
	}
	calls, ok := op.SelectionSet[0].(*ast.Field)
	if !ok || len(op.SelectionSet) > 1 || calls.Name != "calls" {
		return nil, errors.New("--all requires an operation that selects `calls` and nothing else")
	}
	d := &document{request: r, connection: calls.Alias}
	d.request.Variables = maps.Clone(r.Variables)
	if d.request.Variables == nil {
		d.request.Variables = map[string]jsontext.Value{}
	}
	if err := d.findRows(calls.SelectionSet); err != nil {
		return nil, err
	}
	if err := d.addArguments(op, calls, pageSize); err != nil {
		return nil, err
	}
	d.addFields(op, calls)
	var text bytes.Buffer
	formatter.NewFormatter(&text, formatter.WithCompacted()).FormatQueryDocument(query)
	d.request.Query = text.String()
	return d, nil
}

// noOperation is the error that lists the operations of a document.
func noOperation(query *ast.QueryDocument, name string) error {
	known := make([]string, 0, len(query.Operations))
	for _, op := range query.Operations {
		known = append(known, cmp.Or(op.Name, "one without a name"))
	}
	if name == "" {
		return fmt.Errorf("the document has several operations: choose one with --operation: %s",
			strings.Join(known, ", "))
	}
	return fmt.Errorf("the operation: %w", unknown(name, "the document has", known))
}

// findRows finds the selection of the calls.
func (d *document) findRows(connection ast.SelectionSet) error {
	var rows []*ast.Field // fields `nodes` of calls, or `node` of an edge
	for _, selection := range connection {
		field, ok := selection.(*ast.Field)
		if !ok {
			return errors.New("`calls` must not use fragments, though its nodes may")
		}
		switch field.Name {
		case "nodes":
			rows = append(rows, field)
			d.rows, d.fields = field.Alias, flat(field.SelectionSet)
		case "edges":
			for _, node := range flat(field.SelectionSet) {
				if node.Name == "node" {
					rows = append(rows, node)
					d.rows, d.node, d.fields = field.Alias, node.Alias, flat(node.SelectionSet)
				}
			}
		}
	}
	if len(rows) != 1 {
		return fmt.Errorf("`calls` must select either `nodes { … }` or `edges { node { … } }` once, and does so %d times",
			len(rows))
	}
	d.id, d.started = nameOf("id", d.fields), nameOf("startedAt", d.fields)
	return nil
}

// flat returns the fields of a selection, with its fragments expanded.
func flat(set ast.SelectionSet) (fields []*ast.Field) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			fields = append(fields, s)
		case *ast.InlineFragment:
			fields = append(fields, flat(s.SelectionSet)...)
		case *ast.FragmentSpread:
			fields = append(fields, flat(s.Definition.SelectionSet)...)
		}
	}
	return fields
}

// nameOf returns the name that a field has in the response; empty if the selection does not have the field.
func nameOf(name string, fields []*ast.Field) string {
	for _, field := range fields {
		if field.Name == name {
			return field.Alias
		}
	}
	return ""
}

// addArguments makes the cursor of the connection a variable, and gives it a page size. If the document has variables
// for them, addArguments keeps these.
func (d *document) addArguments(op *ast.OperationDefinition, calls *ast.Field, pageSize int) error {
	for _, name := range []string{"last", "before"} {
		if calls.Arguments.ForName(name) != nil {
			return fmt.Errorf("--all reads `calls` from the first call on, so it cannot have %q", name)
		}
	}
	switch after := argument(calls, "after"); after.Kind {
	case ast.Variable:
		d.after = after.Raw
	default:
		if after.Kind != ast.NullValue {
			d.request.Variables[afterVariable] = quote(after.Raw)
		}
		d.after = define(op, after, afterVariable, "String")
	}
	switch first := argument(calls, "first"); first.Kind {
	case ast.Variable:
		if !d.given(op, first) {
			d.first = first.Raw
		}
	case ast.NullValue:
		d.first = define(op, first, firstVariable, "Int")
	}
	if d.first != "" {
		d.request.Variables[d.first] = jsontext.Value(strconv.Itoa(pageSize))
	}
	for _, name := range []string{"statuses", "filter"} {
		if arg := calls.Arguments.ForName(name); arg != nil && d.given(op, arg.Value) {
			d.choice = name
		}
	}
	return nil
}

// given reports whether the value of an argument is not null.
func (d *document) given(op *ast.OperationDefinition, value *ast.Value) bool {
	if value.Kind != ast.Variable {
		return value.Kind != ast.NullValue
	}
	if text, ok := d.request.Variables[value.Raw]; ok {
		return text.Kind() != 'n'
	}
	byDefault := op.VariableDefinitions.ForName(value.Raw).DefaultValue
	return byDefault != nil && byDefault.Kind != ast.NullValue
}

// argument returns the value of an argument, which is null if the document does not have it.
func argument(field *ast.Field, name string) *ast.Value {
	if arg := field.Arguments.ForName(name); arg != nil {
		return arg.Value
	}
	arg := &ast.Argument{Name: name, Value: &ast.Value{Kind: ast.NullValue, Raw: "null"}}
	field.Arguments = append(field.Arguments, arg)
	return arg.Value
}

// define replaces a value by a new variable.
func define(op *ast.OperationDefinition, value *ast.Value, variable, t string) string {
	op.VariableDefinitions = append(op.VariableDefinitions, &ast.VariableDefinition{
		Variable: variable, Type: ast.NamedType(t, nil),
	})
	*value = ast.Value{Kind: ast.Variable, Raw: variable}
	return variable
}

// addFields selects the page info and, if a variable says so, the total, whatever the document itself selects of them.
func (d *document) addFields(op *ast.OperationDefinition, calls *ast.Field) {
	op.VariableDefinitions = append(op.VariableDefinitions, &ast.VariableDefinition{
		Variable: totalVariable, Type: ast.NonNullNamedType("Boolean", nil),
	})
	wanted := &ast.Directive{Name: "include", Arguments: ast.ArgumentList{
		{Name: "if", Value: &ast.Value{Kind: ast.Variable, Raw: totalVariable}},
	}}
	calls.SelectionSet = append(calls.SelectionSet,
		&ast.Field{Alias: pageAlias, Name: "pageInfo", SelectionSet: ast.SelectionSet{
			&ast.Field{Alias: "hasNextPage", Name: "hasNextPage"}, &ast.Field{Alias: "endCursor", Name: "endCursor"},
		}},
		&ast.Field{Alias: totalAlias, Name: "totalCount", Directives: ast.DirectiveList{wanted}})
}

// at returns the request for the page after a cursor, and for the total if it is wanted.
func (d *document) at(cursor string, total bool) ([]byte, error) {
	r := d.request
	r.Variables = maps.Clone(r.Variables)
	if cursor != "" {
		r.Variables[d.after] = quote(cursor)
	}
	r.Variables[totalVariable] = jsontext.Value(strconv.FormatBool(total))
	return json.Marshal(r)
}
