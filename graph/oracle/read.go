package oracle

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// Row is one element of an answer: a call, or why it could not be read.
type Row struct {
	Call    *Call
	Problem string
}

// Read reads an answer of GET /call, which must be one: an object with a list of calls.
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
	c := &Call{Status: CallStatusUnrecognized}
	var times [3]*time.Time
	var unknown []member
	var odd json.RawMessage
	for _, m := range members(value) {
		null := kind(m.value) == 'n'
		known := true
		switch m.name {
		case "id":
			c.ID = text(m.value)
			if k := kind(m.value); k == '-' || '0' <= k && k <= '9' {
				c.ID = string(m.value)
			}
		case "status":
			status, ok := enum(m.value, AllCallStatus)
			if c.Status, known = CallStatusUnrecognized, ok || null; ok {
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
			c.StartedAt, times[0], known = readTime(m.value)
		case "answered_at":
			c.AnsweredAt, times[1], known = readTime(m.value)
		case "ended_at":
			c.EndedAt, times[2], known = readTime(m.value)
		case "structured_output":
			c.StructuredOutput = nil
			if !null {
				c.StructuredOutput = m.value
			}
		case "transcript":
			c.Transcript, c.TranscriptEntryCount, odd = nil, nil, nil
			if k := kind(m.value); k == '[' || k == '"' {
				c.Transcript, odd = readTranscript(m.value)
				n := len(c.Transcript)
				c.TranscriptEntryCount = &n
			} else {
				known = null
			}
		default:
			known = false
		}
		if known {
			continue
		}
		if i := slices.IndexFunc(unknown, func(u member) bool { return u.name == m.name }); i >= 0 {
			unknown[i] = m
		} else {
			unknown = append(unknown, m)
		}
	}
	if c.ID == "" {
		return Row{Problem: "it has no id"}
	}
	if odd != nil {
		unknown = append(unknown, member{"transcript", odd})
	}
	if len(unknown) > 0 {
		c.Extra = object(unknown)
	}
	c.RingingSeconds, c.DurationSeconds = seconds(times[0], times[1]), seconds(times[1], times[2])
	return Row{Call: c}
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
				e.Content, known = text(m.value), null || kind(m.value) == '"'
			case "tool_name":
				e.ToolName, known = nullableText(m.value)
			case "tool_arguments":
				e.ToolArguments = nil
				if !null {
					e.ToolArguments = m.value
				}
			case "tool_is_error":
				e.ToolIsError = nil
				if known = json.Unmarshal(m.value, &e.ToolIsError) == nil; !known {
					e.ToolIsError = nil
				}
			default:
				known = false
			}
			if !known {
				unknown = append(unknown, m)
			}
		}
		if len(unknown) > 0 {
			odd = append(odd, string(object(append([]member{{"index", strconv.AppendInt(nil, int64(i), 10)}}, unknown...))))
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
	if kind(value) != '"' {
		return nil, kind(value) == 'n'
	}
	s := text(value)
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
		s := text(value)
		for _, layout := range []string{
			time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05",
		} {
			if t, err := time.Parse(layout, s); err == nil {
				at, millis = &t, strings.ContainsAny(s, ".,")
				break
			}
		}
	default:
		n, err := strconv.ParseFloat(string(value), 64)
		switch {
		case err != nil, math.Abs(n) > 1e15:
		case math.Abs(n) < 1e11:
			t := time.UnixMilli(int64(math.Round(n * 1000)))
			at, millis = &t, n != math.Trunc(n)
		default:
			t := time.UnixMilli(int64(math.Round(n)))
			at, millis = &t, true
		}
	}
	if at == nil || at.UTC().Year() < 0 || at.UTC().Year() > 9999 {
		return nil, nil, false
	}
	layout := "2006-01-02T15:04:05Z"
	if millis {
		layout = "2006-01-02T15:04:05.000Z"
	}
	s := at.UTC().Format(layout)
	return &s, at, true
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
