package export

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/ast"
)

// Compose writes a document that selects some columns of the calls; without columns, all fields of a call that are not
// objects. It also selects the id, by which the walk detects a call that comes twice, and the needed fields. The
// document has the variables `statuses` and `filter`, like the arguments of `calls`. Compose returns an error if the
// schema does not have a column.
func Compose(schema *ast.Schema, columns []string, needed ...string) (string, error) {
	call := schema.Types["Call"]
	selections := leaves(schema, call)
	if len(columns) > 0 {
		selections = nil
		paths := map[string][][]string{}
		var order []string
		for _, column := range columns {
			path := splitPath(column)
			if paths[path[0]] == nil {
				order = append(order, path[0])
			}
			paths[path[0]] = append(paths[path[0]], path[1:])
		}
		for _, name := range order {
			selection, err := selectField(schema, call, name, paths[name])
			if err != nil {
				return "", fmt.Errorf("--columns: %w", err)
			}
			selections = append(selections, selection)
		}
		for _, name := range append([]string{"id"}, needed...) {
			if !slices.Contains(order, name) {
				selections = append(selections, name)
			}
		}
	}
	return "query ($statuses: [CallOrderStatus!], $filter: CallFilter) { " +
		"calls(statuses: $statuses, filter: $filter) { nodes { " +
		strings.Join(selections, " ") + " } } }", nil
}

// Count writes the document that counts calls. It has the arguments of `callStats` as variables, and of each group
// selects only the keys that the variables request.
func Count(schema *ast.Schema, variables map[string]jsontext.Value) string {
	var selections []string
	if every := variables["every"]; len(every) > 0 && every.Kind() != 'n' {
		selections = append(selections, "from")
	}
	var keys []string
	var key string
	if groupBy := variables["groupBy"]; json.Unmarshal(groupBy, &key) == nil && key != "" {
		keys = []string{key} // a single value stands for a list of one
	} else {
		_ = json.Unmarshal(groupBy, &keys) // the gateway rejects anything else
	}
	for _, key := range keys {
		if schema.Types["CallStatsKey"].EnumValues.ForName(key) == nil {
			continue
		}
		for _, field := range schema.Types["CallStatsGroup"].Fields {
			if strings.EqualFold(field.Name, strings.ReplaceAll(key, "_", "")) { // END_REASON is endReason
				selections = append(selections, field.Name)
			}
		}
	}
	selections = append(selections, "count", "answered", "durationSeconds { total average p50 p90 max }")
	return `query ($statuses: [CallOrderStatus!], $filter: CallFilter, $groupBy: [CallStatsKey!], $every: TimeStep,
  $timeZone: String) {
  callStats(statuses: $statuses, filter: $filter, groupBy: $groupBy, every: $every, timeZone: $timeZone) {
    count
    groups { ` + strings.Join(selections, " ") + ` }
    scan { examined stoppedBy complete reachedAt }
  }
}`
}

// selectField selects a field, with everything below it that the paths name.
func selectField(schema *ast.Schema, of *ast.Definition, name string, paths [][]string) (string, error) {
	field := of.Fields.ForName(name)
	if field == nil {
		return "", unknown(name, "a "+of.Name+" has", fieldNames(of, func(*ast.FieldDefinition) bool { return true }))
	}
	inner := schema.Types[field.Type.Name()]
	if inner.IsLeafType() {
		return name + keysArgument(field, paths), nil
	}
	var selections []string
	for _, path := range paths {
		if field.Type.Elem != nil && len(path) > 0 { // the index in the list
			path = path[1:]
		}
		if len(path) == 0 {
			selections = append(selections, leaves(schema, inner)...)
			continue
		}
		selection, err := selectField(schema, inner, path[0], [][]string{path[1:]})
		if err != nil {
			return "", err
		}
		selections = append(selections, selection)
	}
	return name + " { " + strings.Join(selections, " ") + " }", nil
}

// keysArgument selects some keys of an object, if the field has the argument `keys` and each path names a key.
func keysArgument(field *ast.FieldDefinition, paths [][]string) string {
	var wanted []string
	for _, path := range paths {
		if len(path) == 0 {
			return ""
		}
		for _, key := range keys(path) {
			if key := string(quote(key)); !slices.Contains(wanted, key) {
				wanted = append(wanted, key)
			}
		}
	}
	if field.Arguments.ForName("keys") == nil {
		return ""
	}
	return "(keys: [" + strings.Join(wanted, ", ") + "])"
}

// leaves returns the fields of a type that have no fields of their own.
func leaves(schema *ast.Schema, of *ast.Definition) []string {
	return fieldNames(of, func(field *ast.FieldDefinition) bool { return schema.Types[field.Type.Name()].IsLeafType() })
}

func fieldNames(of *ast.Definition, wanted func(*ast.FieldDefinition) bool) []string {
	var names []string
	for _, field := range of.Fields {
		if !strings.HasPrefix(field.Name, "__") && wanted(field) {
			names = append(names, field.Name)
		}
	}
	return names
}
