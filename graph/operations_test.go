package graph

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/oracle"
	"revox-graphql/upstream"
)

// choices decide what is generated: bytes of a fuzzer, or random ones. When they are used up, everything is the first
// choice, which is always the one that ends something.
type choices struct{ rest []byte }

func randomChoices(random *rand.Rand, n int) *choices {
	c := &choices{make([]byte, n)}
	for i := range c.rest {
		c.rest[i] = byte(random.Uint32())
	}
	return c
}

// n chooses from 0 to n-1.
func (c *choices) n(n int) int {
	if len(c.rest) == 0 {
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return int(b) % n
}

// operationStatuses are the filters that operations use.
var operationStatuses = [][]upstream.OrderStatus{
	nil, {upstream.OrderStatusCompleted}, {upstream.OrderStatusCompleted, upstream.OrderStatusScheduled},
}

// operation is a request that is being generated from the schema: valid as a rule, with fields and arguments in every
// form that GraphQL has for them.
type operation struct {
	*choices
	schema    *ast.Schema
	literals  map[string][]string // by the argument's name
	declared  []string
	variables map[string]json.RawMessage
	fragments []string
	named     int
}

// newOperation generates the body of a request.
func newOperation(c *choices, r *rival) string {
	o := &operation{
		choices: c, schema: newSchema(), literals: literals(r), variables: map[string]json.RawMessage{},
	}
	selection := o.selection(o.schema.Query, scope{}, 0)
	declared := ""
	if len(o.declared) > 0 {
		declared = "(" + strings.Join(o.declared, ", ") + ")"
	}
	document := "query Q" + declared + " " + selection + " " + strings.Join(o.fragments, " ")
	request := map[string]any{"variables": o.variables}
	if o.n(8) == 1 {
		document += " query Other { __typename }"
		request["operationName"] = "Q"
	}
	request["query"] = document
	body, err := json.Marshal(request)
	if err != nil {
		panic(err)
	}
	return string(body)
}

// literals are the values that arguments take; each is GraphQL, and, but for names, JSON too.
func literals(r *rival) map[string][]string {
	cursors := []string{`null`, `""`, `"x"`}
	for i := 0; i < len(r.cursors); i += 3 {
		cursors = append(cursors, strconv.Quote(r.cursors[i]))
	}
	ids := []string{`"nope"`, `""`, `12`}
	for _, id := range r.ids {
		ids = append(ids, strconv.Quote(id))
	}
	counts := []string{`3`, `null`, `0`, `1`, `2`, `5`, `20`, `100`, `101`, `-1`}
	return map[string][]string{
		"first": counts, "last": counts, "after": cursors, "before": cursors, "id": ids,
		"ids":      {`[]`, "[" + strings.Join(ids, ",") + "]", ids[len(ids)-1], `["nope", ` + ids[3] + `, ` + ids[3] + `]`},
		"statuses": {`null`, `[]`, `[COMPLETED]`, `COMPLETED`, `[SCHEDULED, COMPLETED, SCHEDULED]`, `ERRORED`},
		"roles":    {`null`, `[]`, `[USER]`, `TOOL`, `[USER, ASSISTANT]`, `[UNRECOGNIZED]`},
		"search":   {`null`, `""`, `"e"`, `"CAFÉ"`, `"\\n"`, `"nowhere"`},
		"context":  {`null`, `0`, `1`, `2`},
		"keys":     {`null`, `[]`, `["b", "café"]`, `"nps"`, `["nowhere"]`},
	}
}

// scope is the fields of one object in the response, by their names there: two that share a name must be the same.
type scope map[string]*scopeField

type scopeField struct {
	text  string
	inner scope
}

// selection generates what is selected of a type.
func (o *operation) selection(of *ast.Definition, in scope, depth int) string {
	parts := []string{o.field(of, in)}
	for range o.n(5) {
		kind := o.n(7)
		if kind != 1 && kind != 2 || depth > 5 {
			parts = append(parts, o.field(of, in))
			continue
		}
		on, condition := o.narrow(of), ""
		if kind == 2 || on != of || o.n(3) > 0 {
			condition = "on " + on.Name + " "
		}
		fragment := o.selection(on, in, depth+1)
		if kind == 1 {
			parts = append(parts, "... "+condition+o.directives()+fragment)
			continue
		}
		o.named++
		name := fmt.Sprintf("F%d", o.named)
		o.fragments = append(o.fragments, "fragment "+name+" "+condition+fragment)
		parts = append(parts, "..."+name+" "+o.directives())
	}
	return "{ " + strings.Join(parts, " ") + " }"
}

// narrow is the type that a fragment may be on where of is selected.
func (o *operation) narrow(of *ast.Definition) *ast.Definition {
	switch {
	case of.Name == "Call" && o.n(4) == 1:
		return o.schema.Types["Node"]
	case of.Name == "Node" && o.n(4) != 1:
		return o.schema.Types["Call"]
	default:
		return of
	}
}

// field generates one field.
func (o *operation) field(of *ast.Definition, in scope) string {
	fields := ast.FieldList{{Name: "__typename", Type: ast.NonNullNamedType("String", nil)}}
	for _, field := range of.Fields {
		if !strings.HasPrefix(field.Name, "__") && (of.Name != "Query" || slices.Contains(oracle.RootFields, field.Name)) {
			fields = append(fields, field)
		}
	}
	field := fields[o.n(len(fields))]
	text := field.Name + o.arguments(field)
	if of.Name == "Query" && o.n(32) == 1 {
		return []string{"__schema { queryType { name } }", "__type(name: \"Call\") { fields { name } }"}[o.n(2)]
	}
	name := field.Name
	if o.n(3) == 1 {
		name = []string{"a", "b", "id", "nodes"}[o.n(4)]
	}
	if same := in[name]; same != nil && same.text != text { // another field has the name
		o.named++
		name = fmt.Sprintf("x%d", o.named)
	}
	if in[name] == nil {
		in[name] = &scopeField{text, scope{}}
	}
	if name != field.Name {
		text = name + ": " + text
	}
	text += " " + o.directives()
	if inner := o.schema.Types[field.Type.Name()]; inner != nil && inner.IsCompositeType() {
		text += o.selection(inner, in[name].inner, 0)
	}
	return text
}

// arguments generates some of a field's arguments, by literal, by variable, and by a variable's default.
func (o *operation) arguments(field *ast.FieldDefinition) string {
	var parts []string
	for _, arg := range field.Arguments {
		form := o.n(6)
		required := arg.Type.NonNull
		values := o.literals[arg.Name]
		if values == nil || form == 0 && !required {
			continue
		}
		literal := values[o.n(len(values))]
		if form < 3 || literal == "null" && required {
			parts = append(parts, arg.Name+": "+literal)
			continue
		}
		o.named++
		name := fmt.Sprintf("v%d", o.named)
		parts = append(parts, arg.Name+": $"+name)
		declared := "$" + name + ": " + arg.Type.String()
		switch form {
		case 3:
			o.variables[name] = asJSON(arg.Name, literal)
		case 4:
			declared += " = " + literal
		default: // absent, which is an error where it is required
			if required && o.n(16) > 0 {
				o.variables[name] = asJSON(arg.Name, literal)
			}
		}
		o.declared = append(o.declared, declared)
	}
	if len(parts) == 0 {
		return ""
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// asJSON is the literal as the value of a variable: names of enum values become texts.
func asJSON(argument, literal string) json.RawMessage {
	if argument == "statuses" || argument == "roles" {
		literal = enumName.ReplaceAllString(literal, `"$0"`)
	}
	return json.RawMessage(literal)
}

var enumName = regexp.MustCompile(`[A-Z_]+`)

// directives generates at most two, with literals or variables.
func (o *operation) directives() string {
	text := ""
	for range o.n(8) / 6 * (1 + o.n(2)) {
		name := []string{"include", "skip"}[o.n(2)]
		if strings.Contains(text, name) {
			continue
		}
		value := []string{"true", "false"}[o.n(2)]
		switch o.n(3) {
		case 1:
			o.named++
			o.declared = append(o.declared, fmt.Sprintf("$b%d: Boolean!", o.named))
			o.variables[fmt.Sprintf("b%d", o.named)] = json.RawMessage(value)
			value = fmt.Sprintf("$b%d", o.named)
		case 2:
			o.named++
			o.declared = append(o.declared, fmt.Sprintf("$b%d: Boolean = %s", o.named, value))
			value = fmt.Sprintf("$b%d", o.named)
		}
		text += "@" + name + "(if: " + value + ") "
	}
	return text
}
