package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Reading is tolerant, because upstream grows: a field or an enum value that this package does not know is kept, never
// an error, and a row that cannot be read costs that row. Only an answer that is not the documented envelope, an
// object with a list of calls in well-formed JSON, is refused as a whole: past a syntax error nothing can be trusted
// to be what it seems.
//
// Raw values are slices of the answer's body, which is never written again: digits, key order and escapes stay as
// upstream sent them.

// decoder hands out raw values as slices of the body that it reads.
type decoder struct {
	*jsontext.Decoder
	body []byte
}

// newDecoder takes what is legal JSON, if odd: a repeated name, of which the last counts as in JavaScript, and a lone
// surrogate escape, which JavaScript writes when a text was cut inside an emoji; it reads as U+FFFD.
func newDecoder(body []byte) decoder {
	return decoder{
		jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
		body,
	}
}

// value reads the value that comes next.
func (d decoder) value() (jsontext.Value, error) {
	value, err := d.ReadValue()
	if err != nil {
		return nil, syntaxError(err)
	}
	end := d.InputOffset()
	return d.body[end-int64(len(value)) : end : end], nil
}

// decodeRows reads an answer of GET /call. It keeps slices of body.
func decodeRows(body []byte) ([]Row, error) {
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	d := newDecoder(body)
	var calls jsontext.Value
	err := readObject(d, func(name string, value jsontext.Value) {
		if name == "calls" {
			calls = value
		}
	})
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the answer goes on after its end")
	}
	if calls.Kind() != '[' {
		return nil, errors.New("the answer has no list of calls")
	}
	rows := []Row{}
	seen := map[string]bool{}
	err = readArray(calls, func(value jsontext.Value) {
		call, err := decodeCall(value)
		switch {
		case err != nil:
			rows = append(rows, Row{Problem: err.Error()})
		case seen[call.ID]: // a second call of this id would break every client's cache, and the walk
			rows = append(rows, Row{Problem: "it has the id of another call"})
		default:
			seen[call.ID] = true
			rows = append(rows, Row{Call: call})
		}
	})
	return rows, err
}

// decodeCall reads one row. The row is well-formed JSON; what is wrong with it can only be its shape.
func decodeCall(row jsontext.Value) (*Call, error) {
	if row.Kind() != '{' {
		return nil, errors.New("it is not an object")
	}
	call := &Call{Status: CallStatusUnrecognized}
	err := readObject(newDecoder(row), func(name string, value jsontext.Value) {
		if !call.set(name, value) {
			call.keep(name, value)
		}
	})
	if err != nil {
		return nil, err
	}
	if call.ID == "" {
		return nil, errors.New("it has no id")
	}
	return call, nil
}

// set takes a modelled field; false says that the schema has no place for this field or this value. Null is a value of
// every modelled field, and so is the `{}` that the documentation shows for a time.
func (c *Call) set(name string, value jsontext.Value) bool {
	null := value.Kind() == 'n'
	switch name {
	case "id":
		c.ID = text(value)
		if value.Kind() == '0' {
			c.ID = string(value)
		}
		return true // a row without an id is not a call at all
	case "status":
		status := enum(callStatuses, value)
		if status == nil {
			c.Status = CallStatusUnrecognized
			return null
		}
		c.Status = *status
		return true
	case "result":
		return setEnum(&c.Result, callResults, CallResultUnrecognized, value)
	case "dial_error":
		return setEnum(&c.DialError, dialErrors, DialErrorUnrecognized, value)
	case "ended_by":
		return setEnum(&c.EndedBy, callEndedBys, CallEndedByUnrecognized, value)
	case "phone_number":
		return setText(&c.PhoneNumber, value)
	case "end_reason":
		return setText(&c.EndReason, value)
	case "recording_url":
		return setText(&c.RecordingURL, value)
	case "started_at":
		return setTime(&c.StartedAt, value)
	case "answered_at":
		return setTime(&c.AnsweredAt, value)
	case "ended_at":
		return setTime(&c.EndedAt, value)
	case "structured_output":
		c.StructuredOutput = nil
		if !null {
			c.StructuredOutput = value
		}
		return true
	case "transcript":
		c.transcript = nil
		if kind := value.Kind(); kind == '[' || kind == '"' {
			c.transcript = value
			return true
		}
		return null
	}
	return false
}

// keep remembers a field for [Call.Extra]; the last of a name counts.
func (c *Call) keep(name string, value jsontext.Value) {
	for i := range c.extra {
		if c.extra[i].name == name {
			c.extra[i].value = value
			return
		}
	}
	c.extra = append(c.extra, member{name, value})
}

// setText takes a text, or null as nil.
func setText(to **string, value jsontext.Value) bool {
	*to = nil
	if value.Kind() != '"' {
		return value.Kind() == 'n'
	}
	s := text(value)
	*to = &s
	return true
}

// setEnum takes a known value, null as nil, and anything else as unrecognized.
func setEnum[E ~string](to **E, known []E, unrecognized E, value jsontext.Value) bool {
	if value.Kind() == 'n' {
		*to = nil
		return true
	}
	*to = enum(known, value)
	if *to == nil {
		*to = &unrecognized
		return false
	}
	return true
}

// enum finds a value among the known ones; nil when it is none of them.
func enum[E ~string](known []E, value jsontext.Value) *E {
	s := E(text(value))
	for i := range known {
		if known[i] == s {
			return &known[i]
		}
	}
	return nil
}

// setTime takes a time, and null or the documentation's `{}` as nil.
func setTime(to **Time, value jsontext.Value) bool {
	*to = nil
	switch value.Kind() {
	case '"':
		*to = parseTime(text(value))
		return *to != nil
	case '0':
		*to = epochTime(string(value))
		return *to != nil
	case '{':
		return len(bytes.Trim(value, "{} \t\r\n")) == 0
	default:
		return value.Kind() == 'n'
	}
}

// parseTime reads ISO 8601 text as JavaScript and Python write it: with or without a fraction, with `T` or a space;
// without a zone it is UTC.
func parseTime(s string) *Time {
	for _, layout := range []string{
		time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05",
	} {
		if t, err := time.Parse(layout, s); err == nil { // each layout takes a fraction, too
			return newTime(t, strings.ContainsAny(s, ".,"))
		}
	}
	return nil
}

// epochTime reads seconds or milliseconds since 1970. Beyond 1e11 (the year 5138 in seconds, 1973 in milliseconds)
// it is milliseconds.
func epochTime(s string) *Time {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil
	}
	if math.Abs(n) < 1e11 {
		return newTime(time.UnixMilli(int64(math.Round(n*1000))), n != math.Trunc(n))
	}
	if math.Abs(n) > 1e15 {
		return nil
	}
	return newTime(time.UnixMilli(int64(math.Round(n))), true)
}

// newTime refuses what RFC 3339 cannot write: years have four digits.
func newTime(t time.Time, millis bool) *Time {
	t = t.UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return nil
	}
	return &Time{Time: t, Millis: millis}
}

// text is the decoded string, "" for any other value.
func text(value jsontext.Value) string {
	if value.Kind() != '"' {
		return ""
	}
	decoded, _ := jsontext.AppendUnquote(nil, value) // its error is about lone surrogates, which read as U+FFFD
	return string(decoded)
}

// readObject calls field for each member of the object that comes next.
func readObject(d decoder, field func(name string, value jsontext.Value)) error {
	if kind := d.PeekKind(); kind != '{' {
		return errors.New("the answer is not a JSON object")
	}
	if _, err := d.ReadToken(); err != nil {
		return syntaxError(err)
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return syntaxError(err)
		}
		key := name.String()
		value, err := d.value()
		if err != nil {
			return err
		}
		field(key, value)
	}
	_, err := d.ReadToken()
	return syntaxError(err)
}

// readArray calls element for each element of the array, which is well-formed JSON or an error.
func readArray(array jsontext.Value, element func(value jsontext.Value)) error {
	d := newDecoder(array)
	if _, err := d.ReadToken(); err != nil {
		return syntaxError(err)
	}
	for d.PeekKind() != ']' {
		value, err := d.value()
		if err != nil {
			return err
		}
		element(value)
	}
	return nil
}

// syntaxError drops the decoder's words, which quote the body.
func syntaxError(err error) error {
	if err == nil {
		return nil
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the answer is not JSON at byte %d", syntactic.ByteOffset)
	}
	return errors.New("the answer is cut short")
}

// appendObject writes an object of at least one member, with raw values.
func appendObject(dst jsontext.Value, members []member) jsontext.Value {
	for i, m := range members {
		dst = append(dst, "{,"[min(i, 1)])
		dst, _ = jsontext.AppendQuote(dst, m.name) // its error is about invalid UTF-8, which a decoded name cannot hold
		dst = append(dst, ':')
		dst = append(dst, m.value...)
	}
	return append(dst, '}')
}

// KeepMembers returns the object with only the members of these names, in the object's own order, each value as it is.
func KeepMembers(object jsontext.Value, names []string) jsontext.Value {
	var kept []member
	_ = readObject(newDecoder(object), func(name string, value jsontext.Value) { // well-formed: the page was read once
		if slices.Contains(names, name) {
			kept = append(kept, member{name, value})
		}
	})
	if len(kept) == 0 {
		return jsontext.Value("{}")
	}
	return appendObject(nil, kept)
}
