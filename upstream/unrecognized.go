package upstream

import (
	"slices"
	"strings"
)

// UnrecognizedValue is a field that is not documented, or a value that a documented field should not have.
type UnrecognizedValue struct {
	Field string
	// Value is "" where the field itself is not known, the text of an enumeration's unknown value, and the kind of
	// value elsewhere: what people say, or their numbers, must not end in a log.
	Value string
}

const (
	// maxUnrecognized bounds the values that are reported of one response.
	maxUnrecognized = 32
	// maxUnrecognizedBytes bounds what is reported of a name or a value.
	maxUnrecognizedBytes = 64
)

// documented says what the documentation has under a name.
type documented uint8

const (
	undocumented documented = iota
	someField
	enumeration
)

// kinds of JSON values by their first byte; what is missing is a number.
var kinds = map[byte]string{
	'"': "a text", '{': "an object", '[': "a list", 't': "a boolean", 'f': "a boolean",
}

// noteUnrecognized notes an unrecognized field or value of an object, once.
func (r *pageReader) noteUnrecognized(known documented, prefix string, name, value []byte) {
	if len(r.unrecognized) == maxUnrecognized {
		return
	}
	found := UnrecognizedValue{Field: prefix + short(string(unquote(name)))}
	if known == enumeration && value[0] == '"' {
		found.Value = short(string(unquote(value)))
	} else if known != undocumented {
		if found.Value = kinds[value[0]]; found.Value == "" {
			found.Value = "a number"
		}
	}
	if !slices.Contains(r.unrecognized, found) {
		r.unrecognized = append(r.unrecognized, found)
	}
}

// short is the beginning of a text that came from outside.
func short(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxUnrecognizedBytes)], "")
}
