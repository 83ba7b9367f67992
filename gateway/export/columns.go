package export

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
)

// splitPath splits the name of a column at its dots. A backslash makes a dot, or another backslash, part of a step.
func splitPath(name string) (steps []string) {
	var step strings.Builder
	for i := 0; i < len(name); i++ {
		switch {
		case name[i] == '.':
			steps = append(steps, step.String())
			step.Reset()
		case name[i] == '\\' && i+1 < len(name) && (name[i+1] == '.' || name[i+1] == '\\'):
			i++
			step.WriteByte(name[i])
		default:
			step.WriteByte(name[i])
		}
	}
	return append(steps, step.String())
}

// SplitColumns splits a list of columns at its commas. A backslash makes a comma part of a column.
func SplitColumns(list string) (columns []string) {
	var column strings.Builder
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == ',':
			columns = append(columns, column.String())
			column.Reset()
		case list[i] == '\\' && i+1 < len(list) && list[i+1] == ',':
			i++
			column.WriteByte(',')
		default:
			column.WriteByte(list[i])
		}
	}
	if column.Len() > 0 {
		columns = append(columns, column.String())
	}
	return columns
}

// keys returns the keys of an object that may begin a path, the longest first: a key may contain dots.
func keys(steps []string) []string {
	all := make([]string, 0, len(steps))
	for n := len(steps); n > 0; n-- {
		all = append(all, strings.Join(steps[:n], "."))
	}
	return all
}

// index returns a step as the index of a list, counted from 0.
func index(step string) (i int, ok bool) {
	n, err := strconv.ParseUint(step, 10, 31)
	return int(n), err == nil
}

// find follows a path into a value: keys of objects, and positions in lists. In an object the longest key that can
// begin the path takes precedence, so `a.b` is the key "a.b", and without such a key it is the key "b" of the object
// "a". The value is nil if the path leads nowhere.
func find(value jsontext.Value, steps []string) jsontext.Value {
	if len(steps) == 0 {
		return value
	}
	switch value.Kind() {
	case '{':
		fields, err := object(value)
		if err != nil {
			return nil
		}
		for i, key := range keys(steps) {
			if inner, ok := fields[key]; ok {
				if found := find(inner, steps[len(steps)-i:]); found != nil {
					return found
				}
			}
		}
	case '[':
		var items []jsontext.Value
		i, ok := index(steps[0])
		if ok && json.Unmarshal(value, &items, asItCame()) == nil && i < len(items) {
			return find(items[i], steps[1:])
		}
	}
	return nil
}

// checkPath rejects a path that leads nowhere in any call: through fields that the document does not select, into a
// text or a number, or to a key of a list. The content of JSON fields is not known in advance.
func checkPath(steps []string, among []*ast.Field) error {
	var inner []*ast.Field
	var t *ast.Type
	for _, field := range among { // a document may select a field several times, with other fields of it each time
		if field.Alias == steps[0] {
			t = field.Definition.Type
			inner = append(inner, flat(field.SelectionSet)...)
		}
	}
	if t == nil {
		return unknown(steps[0], "the document selects", names(among))
	}
	rest := steps[1:]
	if t.Elem != nil && len(rest) > 0 {
		if _, ok := index(rest[0]); !ok {
			return fmt.Errorf("%s is a list: a position follows it, like %s.0, and not %q", steps[0], steps[0], rest[0])
		}
		rest = rest[1:]
	}
	switch {
	case len(rest) == 0:
		return nil
	case len(inner) > 0:
		return checkPath(rest, inner)
	case t.Name() != "JSON":
		return fmt.Errorf("%s has the type %s, which has no fields", steps[0], t.Name())
	default:
		return nil
	}
}

// unknown returns the error of a name that does not exist. It lists similar names, and all names that exist.
func unknown(name, owner string, known []string) error {
	hint := ""
	if similar := core.SuggestionList(name, known); len(similar) > 0 {
		hint = " (did you mean " + core.QuotedOrList(similar...) + "?)"
	}
	return fmt.Errorf("there is no %q%s: %s %s", name, hint, owner, strings.Join(known, ", "))
}

// names returns the names that fields have in the response, each once.
func names(fields []*ast.Field) (all []string) {
	for _, field := range fields {
		if !slices.Contains(all, field.Alias) {
			all = append(all, field.Alias)
		}
	}
	return all
}
