package upstream

import (
	"slices"
	"strings"
)

// Call is one attempt to reach somebody by phone: an index into the response that it comes from, which is kept as text.
// It is immutable.
type Call struct {
	ID string
	// Status is never 0; the others are 0 where upstream sent null or nothing.
	Status    CallStatus
	Result    CallResult
	DialError DialError
	EndedBy   CallEndedBy

	page       *Page
	values     [numFields]span
	moments    [3]moment // by the Field of a time
	transcript transcript
}

// Field names a field of a call whose value is kept as JSON text: its index in the table.
type Field uint8

// The fields that the code names.
const (
	FieldStartedAt Field = iota // the times come first, see [Call.Milliseconds]
	FieldAnsweredAt
	FieldEndedAt
	FieldID
	FieldStructuredOutput
	FieldPhoneNumber
	FieldEndReason
)

// callFields are the documented fields that are kept as JSON text, under upstream's names. Texts are as upstream sent
// them where that is the shortest way to write them; times are RFC 3339 in UTC, with milliseconds where upstream sent a
// fraction of a second. The others that are documented are enumerations and the transcript: see [pageReader.readField].
var callFields = [...]struct {
	name string
	kind fieldKind
}{
	FieldStartedAt:        {"started_at", timeField},
	FieldAnsweredAt:       {"answered_at", timeField},
	FieldEndedAt:          {"ended_at", timeField},
	FieldID:               {"id", idField},
	FieldStructuredOutput: {"structured_output", jsonField},
	FieldPhoneNumber:      {"phone_number", textField},
	FieldEndReason:        {"end_reason", textField},
	{"recording_url", textField},
}

// fieldKind says how a field is read.
type fieldKind uint8

const (
	idField   fieldKind = iota
	textField           // String in GraphQL: a text, or a number as one
	timeField           // DateTime
	jsonField           // JSON: any value
)

const (
	// FieldExtra is an object of everything upstream sent that has no place elsewhere in Call, under upstream's names
	// and in its order. What is unknown in transcript entries comes last there, as a list under "transcript": for each
	// such entry its index and the unknown fields.
	FieldExtra = Field(len(callFields))
	numFields  = FieldExtra + 1
)

// FieldNames are upstream's names of the documented fields that are kept as JSON text, by their Field.
func FieldNames() []string {
	names := make([]string, len(callFields))
	for i, field := range callFields {
		names[i] = field.name
	}
	return names
}

// Page is the page that the call is in: the call keeps all of it in memory.
func (c *Call) Page() *Page { return c.page }

// Detached is a copy of the call on a page that has no other: it keeps only itself in memory.
func (c *Call) Detached() *Call {
	if c.page == nil { // it was not read
		return c
	}
	var text strings.Builder
	move := func(s span) span {
		if s == (span{}) {
			return s
		}
		start := text.Len()
		text.WriteString(c.page.json(s))
		return span{uint32(start), uint32(text.Len())}
	}
	own := *c
	for i, value := range c.values {
		own.values[i] = move(value)
	}
	entries := slices.Clone(c.page.entries[c.transcript.from:c.transcript.to])
	var tools []tool
	for i, e := range entries {
		entries[i].content = move(e.content)
		if e.tool > 0 {
			used := c.page.tools[e.tool-1]
			tools = append(tools, tool{move(used.name), move(used.arguments), move(used.failed)})
			entries[i].tool = uint32(len(tools))
		}
	}
	own.ID = strings.Clone(c.ID)
	own.transcript.from, own.transcript.to = 0, uint32(len(entries))
	own.page = &Page{
		Size: 1, AskedAt: c.page.AskedAt, Stale: c.page.Stale, Limited: c.page.Limited,
		text: text.String(), entries: entries, tools: tools,
	}
	own.page.Rows = []Row{RowOf(&own, own.moments[FieldStartedAt].ms)}
	own.page.Bytes = own.page.size(1)
	own.page.weigh()
	return &own
}

// JSON is the field's value, ready to be written: "null" where upstream sent null, nothing, or something else than
// documented, which FieldExtra then holds.
func (c *Call) JSON(field Field) string { return c.page.json(c.values[field]) }

// Milliseconds is the time from one moment of the call to a later one; ok is false when either is unknown. Both are
// FieldStartedAt, FieldAnsweredAt or FieldEndedAt.
func (c *Call) Milliseconds(from, to Field) (ms int64, ok bool) {
	a, b := c.moments[from], c.moments[to]
	return b.ms - a.ms, a.known && b.known
}

// Moment is one of the times of the call, in milliseconds since 1970; ok is false when it is unknown. It is
// FieldStartedAt, FieldAnsweredAt or FieldEndedAt.
func (c *Call) Moment(of Field) (ms int64, ok bool) {
	m := c.moments[of]
	return m.ms, m.known
}

// moment is a time in milliseconds since 1970.
type moment struct {
	ms    int64
	known bool
}

// transcript is a run of a page's entries.
type transcript struct {
	from, to uint32
	sent     bool
}

// entry is an index to one turn of a conversation.
type entry struct {
	content span
	tool    uint32 // 1 + the index of a page's tools; 0 where no tool was used
	role    TranscriptRole
}

// tool is an index to one use of a tool.
type tool struct {
	name, arguments span
	failed          span // "true" or "false"
}

// TranscriptLen is the number of entries of the transcript; ok is false where upstream sent none. A transcript that is
// one text (as the vendor's webhook sends it) is one entry of an unrecognized role.
func (c *Call) TranscriptLen() (n int, ok bool) {
	return int(c.transcript.to - c.transcript.from), c.transcript.sent
}

// Entry is the transcript's entry at index i, from 0.
func (c *Call) Entry(i int) Entry {
	return Entry{c.page, &c.page.entries[int(c.transcript.from)+i], i}
}

// Entry is one turn of a conversation. It is a view into its page.
type Entry struct {
	page  *Page
	entry *entry
	// Index is the entry's place in the whole transcript, from 0.
	Index int
}

// Role is who spoke; never 0.
func (e Entry) Role() TranscriptRole { return e.entry.role }

// Content is JSON text: what was said.
func (e Entry) Content() string { return e.page.json(e.entry.content) }

// UsesTool reports whether the entry has anything of a tool.
func (e Entry) UsesTool() bool { return e.entry.tool > 0 }

// ToolName is JSON text, "null" where no tool was used.
func (e Entry) ToolName() string { return e.page.json(e.tool().name) }

// ToolArguments is JSON text as upstream sent it, "null" where no tool was used.
func (e Entry) ToolArguments() string { return e.page.json(e.tool().arguments) }

// ToolIsError is JSON text, "null" where no tool was used.
func (e Entry) ToolIsError() string { return e.page.json(e.tool().failed) }

func (e Entry) tool() tool {
	if e.entry.tool == 0 {
		return tool{}
	}
	return e.page.tools[e.entry.tool-1]
}
