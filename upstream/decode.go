package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// An answer is validated as a whole, and then gone through once. What is kept is its text and an index: where in the
// text each value of each row lies. Nothing becomes a Go value that is not asked for, and what is asked for is mostly
// to be written again as it stands. The few texts that are not upstream's own (a time in another form, an escape that
// need not be one, what is unknown of a row) are put behind the answer's text, so that a span can mean either.
//
// Reading is tolerant, because upstream grows: a field or an enum value that this package does not know is kept, never
// an error, and a row that cannot be read costs that row. Only an answer that is not the documented envelope, an
// object with a list of calls in well-formed JSON, is refused as a whole: past a syntax error nothing can be trusted
// to be what it seems.
//
// What is legal JSON, if odd, is taken: a repeated name, of which the last counts as in JavaScript, and a lone
// surrogate escape, which JavaScript writes when a text was cut inside an emoji; it reads as U+FFFD.
//
// Reading is bounded whatever the answer has, in time by its bytes and in memory by a few times its bytes. Rows past
// those that were asked for are counted and not read. A row that has more than any call can have is left out like one
// that cannot be read. Reading ends when the context does.

const (
	// maxFields is how many fields an object of a row may have, the repeated ones counted: 13 are documented.
	maxFields = 1000
	// maxEntries is how many entries one transcript may have: ten minutes of talk have some hundreds.
	maxEntries = 10_000
	// maxPageEntries is how many entries a page may have. Where it has more, fewer rows are asked for. The index takes
	// 40 bytes an entry at most. A page of fewer than smallestHalved rows cannot have as many.
	maxPageEntries = 1 << 18
	// MaxCountedRows is how many rows are counted of a response that has more than were asked for. No API's smallest page
	// is as large, so they are enough to show that no page size fits.
	MaxCountedRows = 1001
	// maxPooledBytes bounds the buffers of a reader that is used again.
	maxPooledBytes = 2 << 20
)

// OmittedRow stands in a response for a row that was left out because of its size.
const OmittedRow = `"\u0000 left out, for its size"`

// span is where a JSON value lies in a page's text; zero stands for null.
type span struct{ start, end uint32 }

// ParsePage reads a response of GET /call for size rows, and returns what is unrecognized in it. It keeps nothing of body,
// and leaves the page's Number, Size and AskedAt to the caller. A page of more rows than size is only good for being
// counted: not all of them are read, and it has at most MaxCountedRows. Its error is the context's when that has ended,
// [ErrTooLarge] where fewer rows must be requested, and else says what is wrong with the response.
func ParsePage(ctx context.Context, body []byte, size int) (*Page, []UnrecognizedValue, error) {
	r := pageReaders.Get().(*pageReader)
	defer r.putBack()
	if err := r.read(ctx, body, size); err != nil {
		return nil, nil, err
	}
	return r.page(), slices.Clone(r.unrecognized), nil
}

// pageReader reads one answer at a time. Its slices are used again for the next.
type pageReader struct {
	decoder *jsontext.Decoder
	scanner
	added []byte // the texts behind the answer's
	empty span   // ""

	rows    []rowIndex
	entries []entry
	tools   []tool

	unrecognized []UnrecognizedValue

	// of the row that is being read
	row     rowIndex
	begun   begun
	fields  int // seen so far
	unknown []member
	places  map[string]int // of the names in unknown, once there are more than a look can go through
	odd     []byte         // what is unknown in its entries: a JSON list that is still open
}

// rowIndex is a row as far as it is known before its page has its text.
type rowIndex struct {
	Call
	problem string
}

// begun is how much there was when a row began.
type begun struct{ at, entries, tools, added int }

// member is one field of an object, as JSON. The name is canonical.
type member struct{ name, value []byte }

// byteOrderMark stands before what some servers send. RFC 8259 §8.1 lets a reader ignore it.
var byteOrderMark = []byte("\uFEFF")

var pageReaders = sync.Pool{New: func() any {
	return &pageReader{decoder: new(jsontext.Decoder), places: map[string]int{}}
}}

// putBack makes the reader ready for the next answer, and keeps nothing of this one. A reader that has become large is
// left: they would add up.
func (r *pageReader) putBack() {
	r.text = nil
	r.decoder.Reset(bytes.NewBuffer(nil))
	clear(r.places)
	clear(r.unknown[:cap(r.unknown)])
	if cap(r.added) <= maxPooledBytes && cap(r.odd) <= maxPooledBytes &&
		cap(r.entries) <= maxPageEntries/8 && cap(r.tools) <= maxPageEntries/8 {
		pageReaders.Put(r)
	}
}

func (r *pageReader) read(ctx context.Context, body []byte, size int) error {
	body = bytes.TrimPrefix(body, byteOrderMark)
	if r.validate(body) != nil { // or it has what is odd but legal
		if err := ctx.Err(); err != nil {
			return err
		}
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
		if err := r.validate(body, jsontext.AllowInvalidUTF8(true)); err != nil {
			return err
		}
	}
	r.scanner = scanner{text: body}
	r.added = append(r.added[:0], `""`...)
	r.empty = r.behind(0)
	r.unrecognized = r.unrecognized[:0]
	listed := false
	for r.enter(); r.more(); {
		if string(r.name()) != `"calls"` {
			r.value()
			continue
		}
		r.rows, r.entries, r.tools = r.rows[:0], r.entries[:0], r.tools[:0] // of a repeated name the last counts
		if r.peek() != '[' {
			listed = r.value()[0] == 'n' // null is how some write a list of none
			continue
		}
		listed = true
		for r.enter(); r.more(); {
			if err := ctx.Err(); err != nil {
				return err
			}
			if r.nextRow(size); len(r.entries) > maxPageEntries {
				return ErrTooLarge
			}
		}
	}
	if !listed {
		return errors.New("the answer has no list of calls")
	}
	return nil
}

// validate tells a body that is one JSON object from all others. Its errors do not quote the body.
func (r *pageReader) validate(body []byte, opts ...jsontext.Options) error {
	r.decoder.Reset(bytes.NewBuffer(body), append(opts, jsontext.AllowDuplicateNames(true))...)
	if r.decoder.PeekKind() != '{' {
		return errors.New("the answer is not a JSON object")
	}
	_, err := r.decoder.ReadValue()
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the answer is not JSON at byte %d", syntactic.ByteOffset)
	} else if err != nil {
		return errors.New("the answer is cut short")
	}
	if _, err := r.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("the answer goes on after its end")
	}
	return nil
}

// page makes the page of what was read.
func (r *pageReader) page() *Page {
	var text strings.Builder
	text.Grow(len(r.text) + len(r.added))
	text.Write(r.text)
	text.Write(r.added)
	page := &Page{
		Rows:    make([]Row, len(r.rows)),
		text:    text.String(),
		entries: slices.Clone(r.entries),
		tools:   slices.Clone(r.tools),
	}
	calls := make([]Call, len(r.rows))
	seen := make(map[string]bool, len(r.rows))
	for i := range r.rows {
		call := &calls[i]
		*call = r.rows[i].Call
		call.page = page
		if started := call.moments[0]; started.known {
			page.Rows[i].Started = started.ms
		}
		if id := call.values[FieldID]; id != (span{}) {
			call.ID = Unquote(page.json(id))
		}
		switch {
		case r.rows[i].problem != "":
			page.Rows[i].Problem = r.rows[i].problem
		case call.ID == "":
			page.Rows[i].Problem = "it has no id"
		case seen[call.ID]: // a second call of this id would break every client's cache, and the walk
			page.Rows[i].Problem = "it has the id of another call"
		default:
			seen[call.ID] = true
			page.Rows[i].Call = call
		}
	}
	page.Bytes = page.size(len(calls))
	page.weigh()
	return page
}

// nextRow reads a row of a page of so many. Further rows are counted and not read.
func (r *pageReader) nextRow(size int) {
	switch {
	case len(r.rows) < size:
		r.readRow()
	case len(r.rows) < max(size+1, MaxCountedRows):
		r.rows = append(r.rows, rowIndex{problem: "it was not asked for"})
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
	for r.enter(); r.more(); {
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
	value, ok := r.value(), false
	switch string(name) {
	case `"id"`:
		c.values[FieldID], ok = r.id(value), true // a row without an id is not a call at all
	case `"status"`:
		c.Status, ok = enum[CallStatus](callStatuses, value)
		c.Status = max(c.Status, CallStatusUnrecognized)
	case `"result"`:
		c.Result, ok = enum[CallResult](callResults, value)
	case `"dial_error"`:
		c.DialError, ok = enum[DialError](dialErrors, value)
	case `"ended_by"`:
		c.EndedBy, ok = enum[CallEndedBy](callEndedBys, value)
	case `"phone_number"`:
		ok = r.setText(&c.values[FieldPhoneNumber], value)
	case `"end_reason"`:
		ok = r.setText(&c.values[FieldEndReason], value)
	case `"recording_url"`:
		ok = r.setText(&c.values[FieldRecordingURL], value)
	case `"started_at"`:
		ok = r.setTime(FieldStartedAt, value)
	case `"answered_at"`:
		ok = r.setTime(FieldAnsweredAt, value)
	case `"ended_at"`:
		ok = r.setTime(FieldEndedAt, value)
	case `"structured_output"`:
		c.values[FieldStructuredOutput], ok = r.raw(value), true
	}
	if !ok {
		r.keep(name, value)
	}
}

func (r *pageReader) readTranscript(name []byte) {
	t := &r.row.transcript
	// of a repeated name the last counts
	r.entries, r.tools, r.odd = r.entries[:r.begun.entries], r.tools[:r.begun.tools], r.odd[:0]
	t.from, t.sent = uint32(len(r.entries)), true
	switch r.peek() {
	case '[':
		for r.enter(); r.more(); {
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
			r.keep(name, value)
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
	for r.enter(); r.more(); {
		if fields++; fields > maxFields {
			r.row.problem = "an entry of its transcript has too many fields"
			return
		}
		name, value, ok := r.name(), r.value(), false
		switch string(name) {
		case `"role"`:
			e.role, ok = enum[TranscriptRole](transcriptRoles, value)
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
		}
		if ok {
			continue
		}
		r.noteUnrecognized(entryFields, "transcript.", name, value)
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
func (r *pageReader) keep(name, value []byte) {
	r.noteUnrecognized(callFields, "", name, value)
	if i := r.place(name); i >= 0 {
		r.unknown[i].value = value
		return
	}
	if len(r.unknown) >= fewUnknown {
		r.places[string(name)] = len(r.unknown)
	}
	r.unknown = append(r.unknown, member{name, value})
}

// fewUnknown names are looked for one by one, which is faster than a map.
const fewUnknown = 16

// place is where the name stands among what is unknown; -1 is nowhere.
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

// id takes a text or a number as a JSON string, and anything else as none.
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

// setText takes a text, a number as a text of the same digits, or null; false says that the schema has no place for the
// value.
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
	to, at := &r.row.values[field], &r.row.moments[field-FieldStartedAt]
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

// enum finds a value among the known ones. Null is none of them; false says that the value is unrecognized.
func enum[E ~uint8](known []string, value []byte) (E, bool) {
	switch value[0] {
	case 'n':
		return 0, true
	case '"':
		text := unquote(value)
		for i, name := range known[unrecognized+1:] {
			if string(text) == name {
				return unrecognized + 1 + E(i), true
			}
		}
	}
	return unrecognized, false
}

// string is a JSON string in canonical form.
func (r *pageReader) string(value []byte) span {
	if isCanonical(value) {
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

// behind is the span of what was put behind the body from start on.
func (r *pageReader) behind(start int) span {
	return span{uint32(len(r.text) + start), uint32(len(r.text) + len(r.added))}
}

// raw is the value that was read last, as it stands; null is the zero span.
func (r *pageReader) raw(value []byte) span {
	if value[0] == 'n' {
		return span{}
	}
	end := uint32(r.at)
	return span{end - uint32(len(value)), end}
}

// appendObject writes an object.
func appendObject(dst []byte, members []member) []byte {
	dst = append(dst, '{')
	for _, m := range members {
		dst = appendMember(dst, m)
	}
	return append(dst, '}')
}

// appendMember writes a member behind the opening bracket of its object or behind the one before.
func appendMember(dst []byte, m member) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, m.name...)
	dst = append(dst, ':')
	return append(dst, m.value...)
}

// KeepMembers returns the object with only the members of these names, in the object's own order, each value as it is.
// What is not an object has no members and is returned as it is. The value must be well-formed JSON.
func KeepMembers(value string, names map[string]bool) string {
	if value[0] != '{' {
		return value
	}
	s := scanner{text: []byte(value)}
	kept := []byte{'{'}
	for s.enter(); s.more(); {
		if name, value := s.name(), s.value(); names[string(unquote(name))] {
			kept = appendMember(kept, member{name, value})
		}
	}
	return string(append(kept, '}'))
}
