package upstream

import (
	"bytes"
	"strconv"
)

// nextRow reads the next row of a page of size rows. Further rows are counted and not read.
func (r *pageReader) nextRow(size int) {
	switch {
	case len(r.rows) < size:
		r.readRow()
	case len(r.rows) < max(size+1, MaxCountedRows):
		r.rows = append(r.rows, rowIndex{problem: "it was not requested"})
		r.value()
	default:
		r.value()
	}
}

func (r *pageReader) readRow() {
	r.row = rowIndex{Call: Call{Status: CallStatusUnrecognized}}
	r.unknown, r.odd, r.fields = r.unknown[:0], r.odd[:0], 0
	clear(r.places)
	switch {
	case r.peek() == '{':
		r.begun = begun{r.at, len(r.entries), len(r.tools), len(r.added)}
		r.readFields()
	case string(r.value()) == OmittedRow:
		r.row.problem = "it is too large"
	default:
		r.row.problem = "it is not an object"
	}
	r.rows = append(r.rows, r.row)
}

// readFields reads the fields of a call, or leaves the row out where it has too many of anything.
func (r *pageReader) readFields() {
	for r.enter(); r.more('}'); {
		if r.fields++; r.fields > maxFields {
			r.row.problem = "it has too many fields"
		} else {
			r.readField(r.name())
		}
		if r.row.problem != "" {
			b := r.begun
			r.entries, r.tools, r.added = r.entries[:b.entries], r.tools[:b.tools], r.added[:b.added]
			r.row = rowIndex{problem: r.row.problem}
			r.at = b.at
			r.value()
			return
		}
	}
	r.finishExtra()
}

// readField reads a field of a call. Null is a value of every modelled field, and so is the `{}` that the documentation
// shows for a time.
func (r *pageReader) readField(name []byte) {
	c := &r.row.Call
	if string(name) == `"transcript"` {
		r.readTranscript(name)
		return
	}
	value, known := r.value(), enumeration
	var ok bool
	switch string(name) {
	case `"status"`:
		c.Status, ok = enum[CallStatus](r, callStatuses, value)
		c.Status = max(c.Status, CallStatusUnrecognized)
	case `"result"`:
		c.Result, ok = enum[CallResult](r, callResults, value)
	case `"dial_error"`:
		c.DialError, ok = enum[DialError](r, dialErrors, value)
	case `"ended_by"`:
		c.EndedBy, ok = enum[CallEndedBy](r, callEndedBys, value)
	default:
		known, ok = r.readJSON(name, value)
	}
	if !ok {
		r.keep(name, value, known)
	}
}

// readJSON reads a field of the table.
func (r *pageReader) readJSON(name, value []byte) (known documented, ok bool) {
	for i := range callFields {
		if string(name[1:len(name)-1]) != callFields[i].name {
			continue
		}
		to := &r.row.values[i]
		switch callFields[i].kind {
		case idField:
			*to, ok = r.id(value), true // a row without an id is not a call at all
		case textField:
			ok = r.setText(to, value)
		case timeField:
			ok = r.setTime(Field(i), value)
		case jsonField:
			*to, ok = r.raw(value), true
		}
		return someField, ok
	}
	return undocumented, false
}

func (r *pageReader) readTranscript(name []byte) {
	t := &r.row.transcript
	// of a repeated name the last counts
	r.entries, r.tools, r.odd = r.entries[:r.begun.entries], r.tools[:r.begun.tools], r.odd[:0]
	t.from, t.sent = uint32(len(r.entries)), true
	switch r.peek() {
	case '[':
		for r.enter(); r.more(']'); {
			if r.readEntry(); len(r.entries)-r.begun.entries > maxEntries {
				r.row.problem = "its transcript has too many entries"
			}
			if r.row.problem != "" {
				return
			}
		}
	case '"':
		r.entries = append(r.entries, entry{content: r.string(r.value()), role: TranscriptRoleUnrecognized})
	default:
		t.sent = false
		if value := r.value(); value[0] != 'n' {
			r.keep(name, value, someField)
		}
	}
	t.to = uint32(len(r.entries))
}

// readEntry reads one turn. What is not an object is content of an unrecognized role.
func (r *pageReader) readEntry() {
	e := entry{role: TranscriptRoleUnrecognized, content: r.empty}
	switch r.peek() {
	case '{':
		r.readTurn(&e)
	case '"':
		e.content = r.string(r.value())
	default:
		e.content = r.quote(r.value())
	}
	r.entries = append(r.entries, e)
}

func (r *pageReader) readTurn(e *entry) {
	var used tool
	odd, fields := false, 0
	for r.enter(); r.more('}'); {
		if fields++; fields > maxFields {
			r.row.problem = "an entry of its transcript has too many fields"
			return
		}
		name, value, known, ok := r.name(), r.value(), someField, false
		switch string(name) {
		case `"role"`:
			known = enumeration
			e.role, ok = enum[TranscriptRole](r, transcriptRoles, value)
			e.role = max(e.role, TranscriptRoleUnrecognized)
		case `"content"`:
			if ok = r.setText(&e.content, value); e.content == (span{}) {
				e.content = r.empty
			}
		case `"tool_name"`:
			ok = r.setText(&used.name, value)
		case `"tool_arguments"`:
			used.arguments, ok = r.raw(value), true
		case `"tool_is_error"`:
			ok = r.setBool(&used.failed, value)
		default:
			known = undocumented
		}
		if ok {
			continue
		}
		r.noteUnrecognized(known, "transcript.", name, value)
		if !odd {
			r.odd = append(r.odd, "[,"[min(len(r.odd), 1)])
			r.odd = append(r.odd, `{"index":`...)
			r.odd = strconv.AppendInt(r.odd, int64(len(r.entries))-int64(r.row.transcript.from), 10)
			odd = true
		}
		r.odd = append(r.odd, ',')
		r.odd = append(r.odd, name...)
		r.odd = append(r.odd, ':')
		r.odd = append(r.odd, value...)
	}
	if odd {
		r.odd = append(r.odd, '}')
	}
	if used != (tool{}) {
		r.tools = append(r.tools, used)
		e.tool = uint32(len(r.tools))
	}
}

// keep remembers a field for [FieldExtra]; the last of a name counts.
func (r *pageReader) keep(name, value []byte, known documented) {
	r.noteUnrecognized(known, "", name, value)
	if i := r.place(name); i >= 0 {
		r.unknown[i].value = value
		return
	}
	if len(r.unknown) >= fewUnknown {
		r.places[string(name)] = len(r.unknown)
	}
	r.unknown = append(r.unknown, member{name, value})
}

// fewUnknown names are compared one by one, which is faster than a map.
const fewUnknown = 16

// place is the index of the name in unknown; -1 where it is not there.
func (r *pageReader) place(name []byte) int {
	for i := range r.unknown[:min(len(r.unknown), fewUnknown)] {
		if bytes.Equal(r.unknown[i].name, name) {
			return i
		}
	}
	if i, ok := r.places[string(name)]; ok {
		return i
	}
	return -1
}

// finishExtra writes [FieldExtra] of the row.
func (r *pageReader) finishExtra() {
	if len(r.odd) > 0 && r.row.transcript.sent {
		r.unknown = append(r.unknown, member{[]byte(`"transcript"`), append(r.odd, ']')})
	}
	if len(r.unknown) == 0 {
		return
	}
	start := len(r.added)
	r.added = appendObject(r.added, r.unknown)
	r.row.values[FieldExtra] = r.behind(start)
}

// id takes a text or a number as a JSON string, and any other value as no id.
func (r *pageReader) id(value []byte) span {
	switch value[0] {
	case '"':
		return r.string(value)
	case '{', '[', 't', 'f', 'n':
		return span{}
	default:
		return r.quote(value)
	}
}

// setText takes a text, a number as a text of the same digits, or null, and reports whether the value is one of these.
func (r *pageReader) setText(to *span, value []byte) bool {
	*to = span{}
	switch value[0] {
	case '"':
		*to = r.string(value)
	case '{', '[', 't', 'f':
		return false
	case 'n':
	default:
		*to = r.quote(value)
	}
	return true
}

// setBool takes a boolean, as one or as a text or number that stands for one, or null.
func (r *pageReader) setBool(to *span, value []byte) bool {
	*to = span{}
	switch string(value) {
	case "null":
	case "true", "false":
		*to = r.raw(value)
	case `"true"`, "1":
		*to = r.append("true")
	case `"false"`, "0":
		*to = r.append("false")
	default:
		return false
	}
	return true
}

// setTime takes a time, and null or the documentation's `{}` as null.
func (r *pageReader) setTime(field Field, value []byte) bool {
	to, at := &r.row.values[field], &r.row.moments[field]
	*to, *at = span{}, moment{}
	var t readTime
	var ok bool
	switch value[0] {
	case '"':
		t, ok = parseTime(unquote(value))
	case '{':
		return emptyObject(value)
	case '[', 't', 'f', 'n':
		return value[0] == 'n'
	default:
		t, ok = epochTime(string(value))
	}
	if !ok {
		return false
	}
	*at = moment{t.UnixMilli(), true}
	if t.canonical {
		*to = r.raw(value)
		return true
	}
	start := len(r.added)
	r.added = appendTime(r.added, t.Time, t.millis)
	*to = r.behind(start)
	return true
}

// enum finds the value that was read last among the known ones. Null is none of them; false says that the value is
// unrecognized.
func enum[E ~uint8](r *pageReader, known []string, value []byte) (E, bool) {
	switch value[0] {
	case 'n':
		return 0, true
	case '"':
		text := value[1 : len(value)-1]
		if r.escaped {
			text = unquote(value)
		}
		for i, name := range known[unrecognized+1:] {
			if string(text) == name {
				return unrecognized + 1 + E(i), true
			}
		}
	}
	return unrecognized, false
}

// string is the JSON string that was read last, in canonical form.
func (r *pageReader) string(value []byte) span {
	if !r.escaped || isCanonical(value) {
		return r.raw(value)
	}
	return r.quote(unquote(value))
}

// quote is a JSON string of the text.
func (r *pageReader) quote(text []byte) span {
	start := len(r.added)
	r.added = appendString(r.added, text)
	return r.behind(start)
}

// append is a JSON value.
func (r *pageReader) append(value string) span {
	start := len(r.added)
	r.added = append(r.added, value...)
	return r.behind(start)
}

// behind is the span of what was appended to the text from start on.
func (r *pageReader) behind(start int) span {
	return span{uint32(len(r.text) + start), uint32(len(r.text) + len(r.added))}
}

// raw is the span of the value that was read last; null is the zero span.
func (r *pageReader) raw(value []byte) span {
	if value[0] == 'n' {
		return span{}
	}
	end := uint32(r.at)
	return span{end - uint32(len(value)), end}
}
