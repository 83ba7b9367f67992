package upstream

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Transcript decodes the transcript: nil where upstream sent none. A transcript that is one text (as the vendor's
// webhook sends it) is one entry of an unrecognized role.
func (c *Call) Transcript() []TranscriptEntry {
	entries, _ := c.decodeTranscript()
	return entries
}

// TranscriptLen is the number of entries of the transcript, -1 where upstream sent none.
func (c *Call) TranscriptLen() int {
	switch c.transcript.Kind() {
	case '[':
		n := 0
		_ = readArray(c.transcript, func(jsontext.Value) { n++ })
		return n
	case '"':
		return 1
	default:
		return -1
	}
}

// Extra is an object of everything upstream sent that has no place elsewhere in Call, under upstream's names and in
// its order, or nil when there is nothing. What is unknown in transcript entries comes last, as a list under
// "transcript": for each such entry its index and the unknown fields.
func (c *Call) Extra() jsontext.Value {
	members := c.extra
	if _, unknown := c.decodeTranscript(); unknown != nil {
		members = append(slices.Clip(members), member{"transcript", unknown})
	}
	if len(members) == 0 {
		return nil
	}
	return appendObject(nil, members)
}

// decodeTranscript also returns what [Call.Extra] holds of the entries: a JSON list, or nil.
func (c *Call) decodeTranscript() (entries []TranscriptEntry, unknown jsontext.Value) {
	switch c.transcript.Kind() {
	case '"':
		return []TranscriptEntry{{Role: TranscriptRoleUnrecognized, Content: text(c.transcript)}}, nil
	case '[':
		entries = []TranscriptEntry{}
		_ = readArray(c.transcript, func(value jsontext.Value) { // well-formed: the page was read once
			entry, extra := decodeEntry(len(entries), value)
			entries = append(entries, entry)
			if len(extra) > 0 {
				unknown = append(unknown, separator(unknown, '[')...)
				index := member{"index", strconv.AppendInt(nil, int64(entry.Index), 10)}
				unknown = appendObject(unknown, append([]member{index}, extra...))
			}
		})
		if unknown != nil {
			unknown = append(unknown, ']')
		}
		return entries, unknown
	default:
		return nil, nil
	}
}

// decodeEntry reads one entry and what has no place in it. An entry that is not an object is content of an
// unrecognized role.
func decodeEntry(index int, value jsontext.Value) (TranscriptEntry, []member) {
	entry := TranscriptEntry{Index: index, Role: TranscriptRoleUnrecognized}
	switch value.Kind() {
	case '{':
	case '"':
		entry.Content = text(value)
		return entry, nil
	default:
		entry.Content = string(value)
		return entry, nil
	}
	var extra []member
	_ = readObject(newDecoder(value), func(name string, value jsontext.Value) { // well-formed: the page was read once
		ok, null := false, value.Kind() == 'n'
		switch name {
		case "role":
			if role := enum(transcriptRoles, value); role != nil {
				entry.Role, ok = *role, true
			} else {
				ok = null
			}
		case "content":
			entry.Content, ok = text(value), null || value.Kind() == '"'
		case "tool_name":
			ok = setText(&entry.ToolName, value)
		case "tool_arguments":
			ok = true
			if !null {
				entry.ToolArguments = value
			}
		case "tool_is_error":
			if kind := value.Kind(); kind == 't' || kind == 'f' {
				failed := kind == 't'
				entry.ToolIsError, ok = &failed, true
			} else {
				ok = null
			}
		}
		if !ok {
			extra = append(extra, member{name, value})
		}
	})
	return entry, extra
}

// separator is what comes before the next element of a list that opens with the given byte.
func separator(list []byte, open byte) []byte {
	if len(list) == 0 {
		return []byte{open}
	}
	return []byte{','}
}
