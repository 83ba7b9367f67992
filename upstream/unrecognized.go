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

// The documented fields of a call and of a transcript entry, those that are enumerations marked so.
var (
	callFields = map[string]bool{
		"id": false, "status": true, "phone_number": false, "started_at": false, "answered_at": false, "ended_at": false,
		"result": true, "dial_error": true, "recording_url": false, "end_reason": false, "ended_by": true,
		"structured_output": false, "transcript": false,
	}
	entryFields = map[string]bool{
		"role": true, "content": false, "tool_name": false, "tool_arguments": false, "tool_is_error": false,
	}
)

// kinds of JSON values by their first byte; what is missing is a number.
var kinds = map[byte]string{
	'"': "a text", '{': "an object", '[': "a list", 't': "a boolean", 'f': "a boolean",
}

// noteUnrecognized notes an unrecognized field or value of an object, once.
func (r *pageReader) noteUnrecognized(fields map[string]bool, prefix string, name, value []byte) {
	if len(r.unrecognized) == maxUnrecognized {
		return
	}
	field := string(unquote(name))
	found := UnrecognizedValue{Field: prefix + short(field)}
	if enumeration, known := fields[field]; known && enumeration && value[0] == '"' {
		found.Value = short(string(unquote(value)))
	} else if known {
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
