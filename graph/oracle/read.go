package oracle

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// Row is one element of a response: a call, or why it could not be read.
type Row struct {
	Call    *Call
	Problem string
}

// Read reads a response of GET /call, which must be one: an object with a list of calls.
func Read(body []byte) []Row {
	body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	var calls json.RawMessage
	for _, m := range members(body) {
		if m.name == "calls" {
			calls = m.value
		}
	}
	values := elements(calls)
	rows := make([]Row, 0, len(values))
	seen := map[string]bool{}
	for _, value := range values {
		row := readCall(value)
		if row.Call != nil && seen[row.Call.ID] {
			row = Row{Problem: "it has the id of another call"}
		}
		if row.Call != nil {
			seen[row.Call.ID] = true
		}
		rows = append(rows, row)
	}
	return rows
}

func readCall(value json.RawMessage) Row {
	if kind(value) != '{' {
		return Row{Problem: "it is not an object"}
	}
	r := callReader{call: &Call{Status: CallStatusUnrecognized}}
	var unknown []member
	for _, m := range members(value) {
		if r.read(m) {
			continue
		}
		if i := slices.IndexFunc(unknown, func(u member) bool { return u.name == m.name }); i >= 0 {
			unknown[i] = m
		} else {
			unknown = append(unknown, m)
		}
	}
	c := r.call
	if c.ID == "" {
		return Row{Problem: "it has no id"}
	}
	if r.odd != nil {
		unknown = append(unknown, member{"transcript", r.odd})
	}
	if len(unknown) > 0 {
		c.Extra = object(unknown)
	}
	c.RingingSeconds, c.DurationSeconds = seconds(r.times[0], r.times[1]), seconds(r.times[1], r.times[2])
	return Row{Call: c}
}

// callReader reads the members of a call.
type callReader struct {
	call  *Call
	times [3]*time.Time   // when it started, was answered and ended
	odd   json.RawMessage // what is unknown in the transcript, nil for nothing
}

// read reads a member, and reports whether its name and its value are known.
func (r *callReader) read(m member) (known bool) {
	c := r.call
	known = true
	switch m.name {
	case "id":
		c.ID = readID(m.value)
	case "status":
		status, ok := enum(m.value, AllCallStatus)
		if c.Status, known = CallStatusUnrecognized, ok || kind(m.value) == 'n'; ok {
			c.Status = *status
		}
	case "result":
		c.Result, known = nullableEnum(m.value, AllCallResult, CallResultUnrecognized)
	case "dial_error":
		c.DialError, known = nullableEnum(m.value, AllDialError, DialErrorUnrecognized)
	case "ended_by":
		c.EndedBy, known = nullableEnum(m.value, AllCallEndedBy, CallEndedByUnrecognized)
	case "phone_number":
		c.PhoneNumber, known = nullableText(m.value)
	case "end_reason":
		c.EndReason, known = nullableText(m.value)
	case "recording_url":
		c.RecordingURL, known = nullableText(m.value)
	case "started_at":
		c.StartedAt, r.times[0], known = readTime(m.value)
	case "answered_at":
		c.AnsweredAt, r.times[1], known = readTime(m.value)
	case "ended_at":
		c.EndedAt, r.times[2], known = readTime(m.value)
	case "structured_output":
		c.StructuredOutput = nil
		if kind(m.value) != 'n' {
			c.StructuredOutput = m.value
		}
	case "transcript":
		known = r.readTranscript(m.value)
	default:
		known = false
	}
	return known
}

func (r *callReader) readTranscript(value json.RawMessage) (known bool) {
	c := r.call
	c.Transcript, c.TranscriptEntryCount, r.odd = nil, nil, nil
	if k := kind(value); k != '[' && k != '"' {
		return k == 'n'
	}
	c.Transcript, r.odd = readTranscript(value)
	n := len(c.Transcript)
	c.TranscriptEntryCount = &n
	return true
}

// readID reads a string, or a number as it is written.
func readID(value json.RawMessage) string {
	if k := kind(value); k == '-' || '0' <= k && k <= '9' {
		return string(value)
	}
	return text(value)
}

// readTranscript also returns what is unknown in the entries, nil for nothing.
func readTranscript(value json.RawMessage) ([]*TranscriptEntry, json.RawMessage) {
	if kind(value) == '"' {
		return []*TranscriptEntry{{Role: TranscriptRoleUnrecognized, Content: text(value)}}, nil
	}
	entries := []*TranscriptEntry{}
	var odd []string
	for i, value := range elements(value) {
		e := &TranscriptEntry{Index: i, Role: TranscriptRoleUnrecognized}
		entries = append(entries, e)
		switch kind(value) {
		case '"':
			e.Content = text(value)
			continue
		case '{':
		default:
			e.Content = string(value)
			continue
		}
		var unknown []member
		for _, m := range members(value) {
			null := kind(m.value) == 'n'
			known := true
			switch m.name {
			case "role":
				role, ok := enum(m.value, AllTranscriptRole)
				if e.Role, known = TranscriptRoleUnrecognized, ok || null; ok {
					e.Role = *role
				}
			case "content":
				var content *string
				if content, known = nullableText(m.value); content != nil {
					e.Content = *content
				} else {
					e.Content = ""
				}
			case "tool_name":
				e.ToolName, known = nullableText(m.value)
			case "tool_arguments":
				e.ToolArguments = nil
				if !null {
					e.ToolArguments = m.value
				}
			case "tool_is_error":
				e.ToolIsError = nil
				said, ok := map[string]bool{
					"true": true, `"true"`: true, "1": true, "false": false, `"false"`: false, "0": false,
				}[string(m.value)]
				if known = ok || null; ok {
					e.ToolIsError = &said
				}
			default:
				known = false
			}
			if !known {
				unknown = append(unknown, m)
			}
		}
		if len(unknown) > 0 {
			index := member{"index", strconv.AppendInt(nil, int64(i), 10)}
			odd = append(odd, string(object(append([]member{index}, unknown...))))
		}
	}
	if odd == nil {
		return entries, nil
	}
	return entries, json.RawMessage("[" + strings.Join(odd, ",") + "]")
}

// enum finds a value in GraphQL's spelling, which upstream's becomes in capitals and with underscores.
func enum[E ~string](value json.RawMessage, all []E) (*E, bool) {
	sent := text(value)
	for i, e := range all {
		name := strings.ToLower(string(e))
		if name == "unrecognized" {
			continue
		}
		switch name { // the two that are not spelled in this way
		case "ivr":
			name = "IVR"
		case "ios_screening_filter":
			name = "ios-screening-filter"
		}
		if sent == name {
			return &all[i], true
		}
	}
	return nil, false
}

func nullableEnum[E ~string](value json.RawMessage, all []E, unrecognized E) (*E, bool) {
	if kind(value) == 'n' {
		return nil, true
	}
	if e, ok := enum(value, all); ok {
		return e, true
	}
	return &unrecognized, false
}

func nullableText(value json.RawMessage) (*string, bool) {
	s := text(value)
	switch k := kind(value); {
	case k == '-' || '0' <= k && k <= '9':
		s = string(value)
	case k != '"':
		return nil, k == 'n'
	}
	return &s, true
}

func readTime(value json.RawMessage) (formatted *string, at *time.Time, known bool) {
	millis := false
	switch kind(value) {
	case 'n':
		return nil, nil, true
	case '{':
		return nil, nil, len(members(value)) == 0
	case '"':
		at, millis = textTime(text(value))
	default:
		n, err := strconv.ParseFloat(string(value), 64)
		digits := math.Log10(math.Abs(n))
		switch {
		case err != nil, digits >= 20:
		case digits < 11:
			t := time.UnixMilli(int64(math.Round(n * 1000)))
			at, millis = &t, n != math.Trunc(n)
		default: // 3 digits more are a unit that is a thousandth
			t := time.UnixMilli(int64(math.Floor(math.Round(n*1000) / math.Pow(1000, 1+math.Floor((digits-11)/3)))))
			at, millis = &t, true
		}
	}
	if at == nil || at.Unix() < 1 || at.UTC().Year() > 9999 {
		return nil, nil, false
	}
	layout := "2006-01-02T15:04:05Z"
	if millis {
		layout = "2006-01-02T15:04:05.000Z"
	}
	s := at.UTC().Format(layout)
	return &s, at, true
}

// iso is a date and a time in the forms of ISO 8601 that are taken, and an offset.
var iso = regexp.MustCompile(`(?i)^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?` +
	`(?:(Z)|([+-])(\d\d)(?::?(\d\d))?)?$`)

func textTime(s string) (at *time.Time, millis bool) {
	m := iso.FindStringSubmatch(s)
	if m == nil {
		return nil, false
	}
	n := func(i int) int { n, _ := strconv.Atoi(m[i]); return n }
	nanoseconds, _ := strconv.Atoi((m[7] + "000000000")[:9])
	t := time.Date(n(1), time.Month(n(2)), n(3), n(4), n(5), n(6), nanoseconds, time.UTC)
	if t.Day() != n(3) || t.Hour() != n(4) || t.Minute() != n(5) {
		return nil, false
	}
	offset := time.Duration(n(10))*time.Hour + time.Duration(n(11))*time.Minute
	if m[9] == "-" {
		offset = -offset
	}
	t = t.Add(-offset)
	return &t, m[7] != ""
}

func seconds(from, to *time.Time) *float64 {
	if from == nil || to == nil {
		return nil
	}
	s := float64(to.UnixMilli()-from.UnixMilli()) / 1000
	return &s
}

// member is one field of an object, its value raw.
type member struct {
	name  string
	value json.RawMessage
}

func members(object json.RawMessage) []member {
	d := json.NewDecoder(bytes.NewReader(object))
	_, _ = d.Token()
	var all []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			break
		}
		m := member{name: name.(string)}
		if d.Decode(&m.value) != nil {
			break
		}
		all = append(all, m)
	}
	return all
}

func elements(list json.RawMessage) []json.RawMessage {
	var all []json.RawMessage
	_ = json.Unmarshal(list, &all)
	return all
}

func object(members []member) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		graphql.MarshalString(m.name).MarshalGQL(&b)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func kind(value json.RawMessage) byte { return value[0] }

func text(value json.RawMessage) string {
	var s string
	_ = json.Unmarshal(value, &s) // "" for any other value
	return s
}
