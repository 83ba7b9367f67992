package upstream

import (
	"slices"
	"strings"
)

// stranger is a field that is not documented, or what a documented field should not have.
type stranger struct {
	field string
	// value is "" where the field itself is not known, the text of an enumeration's value that is not, and the kind of
	// value elsewhere: what people say, or their numbers, must not end in a log.
	value string
}

const (
	// maxStrangers are told of one answer.
	maxStrangers = 32
	// maxStrangerBytes are told of a name or a value.
	maxStrangerBytes = 64
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

// meet notes a stranger among an object's fields, once.
func (r *pageReader) meet(fields map[string]bool, prefix string, name, value []byte) {
	if len(r.strangers) == maxStrangers {
		return
	}
	field := string(unquote(name))
	met := stranger{field: prefix + short(field)}
	if enumeration, known := fields[field]; known && enumeration && value[0] == '"' {
		met.value = short(string(unquote(value)))
	} else if known {
		if met.value = kinds[value[0]]; met.value == "" {
			met.value = "a number"
		}
	}
	if !slices.Contains(r.strangers, met) {
		r.strangers = append(r.strangers, met)
	}
}

// short is the beginning of a text that came from outside.
func short(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxStrangerBytes)], "")
}
