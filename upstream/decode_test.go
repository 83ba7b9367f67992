package upstream

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"
	"unicode/utf8"
)

// readOne decodes an answer with one row.
func readOne(t *testing.T, row string) *Call {
	t.Helper()
	rows, err := decodeRows([]byte(`{"calls": [` + row + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || rows[0].Call == nil {
		t.Fatalf("got %+v", rows)
	}
	return rows[0].Call
}

func TestDocumentedExample(t *testing.T) {
	body, err := os.ReadFile("testdata/documented.json")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := decodeRows(body)
	if err != nil || len(rows) != 1 || rows[0].Call == nil {
		t.Fatalf("rows %+v, error %v", rows, err)
	}
	c := rows[0].Call
	if c.ID != "id" || c.Status != CallStatusQueued || *c.Result != CallResultIVR ||
		*c.DialError != DialErrorNumberNonAttributed || *c.EndedBy != CallEndedByAgent {
		t.Errorf("got %+v", c)
	}
	if c.StartedAt != nil || c.AnsweredAt != nil || c.EndedAt != nil {
		t.Error("a time of {} is not null")
	}
	if string(c.StructuredOutput) != `{"foo": "bar"}` {
		t.Errorf("structured output %s", c.StructuredOutput)
	}
	if c.Extra() != nil {
		t.Errorf("extra %s", c.Extra())
	}
	entries := c.Transcript()
	if len(entries) != 1 || entries[0].Content != "content" || entries[0].Role != TranscriptRoleUser ||
		*entries[0].ToolName != "tool_name" || string(entries[0].ToolArguments) != `{"foo": "bar"}` || !*entries[0].ToolIsError {
		t.Errorf("transcript %+v", entries)
	}
}

func TestTimes(t *testing.T) {
	tests := map[string]struct {
		json   string
		want   string // RFC 3339, "" for null
		millis bool
		extra  string
	}{
		"milliseconds":          {`"2026-03-14T09:26:53.589Z"`, "2026-03-14T09:26:53.589Z", true, ""},
		"zero milliseconds":     {`"2026-03-14T09:26:53.000Z"`, "2026-03-14T09:26:53Z", true, ""},
		"no fraction":           {`"2026-03-14T09:26:53Z"`, "2026-03-14T09:26:53Z", false, ""},
		"microseconds":          {`"2026-03-14T09:26:53.589793+00:00"`, "2026-03-14T09:26:53.589793Z", true, ""},
		"an offset":             {`"2026-03-14T10:26:53+01:00"`, "2026-03-14T09:26:53Z", false, ""},
		"an offset of digits":   {`"2026-03-14T10:26:53+0100"`, "2026-03-14T09:26:53Z", false, ""},
		"no zone":               {`"2026-03-14T09:26:53"`, "2026-03-14T09:26:53Z", false, ""},
		"a space":               {`"2026-03-14 09:26:53.5"`, "2026-03-14T09:26:53.5Z", true, ""},
		"a space and an offset": {`"2026-03-14 09:26:53+00:00"`, "2026-03-14T09:26:53Z", false, ""},
		"seconds":               {`1773480413`, "2026-03-14T09:26:53Z", false, ""},
		"seconds with fraction": {`1773480413.589`, "2026-03-14T09:26:53.589Z", true, ""},
		"milliseconds number":   {`1773480413589`, "2026-03-14T09:26:53.589Z", true, ""},
		"null":                  {`null`, "", false, ""},
		"empty object":          {`{}`, "", false, ""},
		"empty object, spaced":  {`{ }`, "", false, ""},
		"no time":               {`"soon"`, "", false, `{"started_at":"soon"}`},
		"an object":             {`{"seconds": 5}`, "", false, `{"started_at":{"seconds": 5}}`},
		"a year too far":        {`1e15`, "", false, `{"started_at":1e15}`},
		"a boolean":             {`true`, "", false, `{"started_at":true}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := readOne(t, `{"id": "a", "started_at": `+test.json+`}`)
			got := ""
			if c.StartedAt != nil {
				got = c.StartedAt.Format(time.RFC3339Nano)
				if c.StartedAt.Millis != test.millis {
					t.Errorf("millis %v", c.StartedAt.Millis)
				}
			}
			if got != test.want || string(c.Extra()) != test.extra {
				t.Errorf("got %q, extra %s", got, c.Extra())
			}
		})
	}
}

func TestExtra(t *testing.T) {
	tests := map[string]struct{ row, want string }{
		"nothing":                   {`{"id": "a", "status": "queued"}`, ``},
		"nulls":                     {`{"id": "a", "status": null, "result": null, "dial_error": null, "ended_by": null, "phone_number": null, "transcript": null}`, ``},
		"unknown fields in order":   {`{"z": 1.50, "id": "a", "b": {"y": 1, "x": 1e400}, "a": null}`, `{"z":1.50,"b":{"y": 1, "x": 1e400},"a":null}`},
		"unknown enum values":       {`{"id": "a", "status": "paused", "result": "robot", "dial_error": "x", "ended_by": 7}`, `{"status":"paused","result":"robot","dial_error":"x","ended_by":7}`},
		"a text that is none":       {`{"id": "a", "phone_number": 33612345678}`, `{"phone_number":33612345678}`},
		"a transcript of no kind":   {`{"id": "a", "transcript": {"a": 1}}`, `{"transcript":{"a": 1}}`},
		"unknown in entries":        {`{"id": "a", "transcript": [{"role": "user", "content": "x"}, {"role": "narrator", "content": "y", "at": 3}]}`, `{"transcript":[{"index":1,"role":"narrator","at":3}]}`},
		"unknown in several":        {`{"id": "a", "n": 1, "transcript": [{"role": "x"}, {"role": "user", "tool_is_error": "no"}]}`, `{"n":1,"transcript":[{"index":0,"role":"x"},{"index":1,"tool_is_error":"no"}]}`},
		"a repeated name":           {`{"id": "a", "n": 1, "m": 2, "n": 3}`, `{"n":3,"m":2}`},
		"a name that needs quoting": {`{"id": "a", "n\"\u0001": 1}`, `{"n\"\u0001":1}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			extra := readOne(t, test.row).Extra()
			if string(extra) != test.want {
				t.Errorf("got %s", extra)
			}
			if extra != nil && !json.Valid(extra) {
				t.Error("not JSON")
			}
		})
	}
}

func TestUnrecognizedValues(t *testing.T) {
	c := readOne(t, `{"id": "a", "status": "paused", "result": "robot", "dial_error": "x", "ended_by": 7}`)
	if c.Status != CallStatusUnrecognized || *c.Result != CallResultUnrecognized ||
		*c.DialError != DialErrorUnrecognized || *c.EndedBy != CallEndedByUnrecognized {
		t.Errorf("got %+v", c)
	}
	if c := readOne(t, `{"id": "a"}`); c.Status != CallStatusUnrecognized || c.Result != nil {
		t.Errorf("got %+v", c)
	}
	// "unrecognized" is our word: sent by upstream it is as unknown as any other.
	if c := readOne(t, `{"id": "a", "result": "unrecognized"}`); string(c.Extra()) != `{"result":"unrecognized"}` {
		t.Errorf("extra %s", c.Extra())
	}
}

func TestTranscripts(t *testing.T) {
	text := func(s string) *string { return &s }
	yes, no := true, false
	tests := map[string]struct {
		json string
		want []TranscriptEntry
		len  int
	}{
		"absent": {``, nil, -1},
		"null":   {`, "transcript": null`, nil, -1},
		"empty":  {`, "transcript": []`, []TranscriptEntry{}, 0},
		"text":   {`, "transcript": "User: h\u00e9"`, []TranscriptEntry{{Role: TranscriptRoleUnrecognized, Content: "User: hé"}}, 1},
		"role and content alone": {
			`, "transcript": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]`,
			[]TranscriptEntry{{Role: TranscriptRoleUser, Content: "a"}, {Index: 1, Role: TranscriptRoleAssistant, Content: "b"}},
			2,
		},
		"tools": {
			`, "transcript": [
				{"role": "tool", "content": "ok", "tool_name": "find", "tool_arguments": {"b": 1.0, "a": 2}, "tool_is_error": false},
				{"role": "tool", "content": "no", "tool_name": "find", "tool_arguments": "{\"a\": 1}", "tool_is_error": true},
				{"role": "tool", "content": "", "tool_name": null, "tool_arguments": null, "tool_is_error": null}]`,
			[]TranscriptEntry{
				{Role: TranscriptRoleTool, Content: "ok", ToolName: text("find"), ToolArguments: []byte(`{"b": 1.0, "a": 2}`), ToolIsError: &no},
				{Index: 1, Role: TranscriptRoleTool, Content: "no", ToolName: text("find"), ToolArguments: []byte(`"{\"a\": 1}"`), ToolIsError: &yes},
				{Index: 2, Role: TranscriptRoleTool},
			},
			3,
		},
		"odd entries": {
			`, "transcript": ["hello", 5, null, {"content": null}]`,
			[]TranscriptEntry{
				{Role: TranscriptRoleUnrecognized, Content: "hello"},
				{Index: 1, Role: TranscriptRoleUnrecognized, Content: "5"},
				{Index: 2, Role: TranscriptRoleUnrecognized, Content: "null"},
				{Index: 3, Role: TranscriptRoleUnrecognized},
			},
			4,
		},
		"an emoji cut in half": {`, "transcript": "a\ud83d"`, []TranscriptEntry{{Role: TranscriptRoleUnrecognized, Content: "a\uFFFD"}}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := readOne(t, `{"id": "a"`+test.json+`}`)
			got, _ := json.Marshal(c.Transcript())
			want, _ := json.Marshal(test.want)
			if string(got) != string(want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if n := c.TranscriptLen(); n != test.len {
				t.Errorf("length %d, want %d", n, test.len)
			}
		})
	}
}

func TestUnreadableRowsCostOneRow(t *testing.T) {
	rows, err := decodeRows([]byte(`{"calls": [{"id": "a"}, {"status": "queued"}, null, "x", [], {"id": ""}, {"id": {}}, {"id": 12}, {"id": "a"}, {"id": "b"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, row := range rows {
		if row.Call != nil {
			ids = append(ids, row.Call.ID)
		} else {
			ids = append(ids, row.Problem)
		}
	}
	want := []string{"a", "it has no id", "it is not an object", "it is not an object", "it is not an object", "it has no id", "it has no id", "12", "it has the id of another call", "b"}
	if !slices.Equal(ids, want) {
		t.Errorf("got %q", ids)
	}
}

func TestRefusedAnswers(t *testing.T) {
	tests := map[string]struct{ body, want string }{
		"nothing":             {``, "the answer is not a JSON object"},
		"HTML":                {`<html>secret</html>`, "the answer is not a JSON object"},
		"a list":              {`[]`, "the answer is not a JSON object"},
		"no calls":            {`{"error": "secret"}`, "the answer has no list of calls"},
		"calls null":          {`{"calls": null}`, "the answer has no list of calls"},
		"calls an object":     {`{"calls": {}}`, "the answer has no list of calls"},
		"cut in a row":        {`{"calls": [{"id": "secr`, "the answer is cut short"},
		"cut after the list":  {`{"calls": []`, "the answer is cut short"},
		"trailing data":       {`{"calls": []} {}`, "the answer goes on after its end"},
		"a control character": {"{\"calls\": [{\"id\": \"a\x01\"}]}", "the answer is not JSON at byte 20"},
		"a bad escape":        {`{"calls": [{"id": "\q"}]}`, "the answer is not JSON at byte 19"},
		"a bare word":         {`{"calls": [secret]}`, "the answer is not JSON at byte 11"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rows, err := decodeRows([]byte(test.body))
			if err == nil {
				t.Fatalf("taken: %+v", rows)
			}
			if err.Error() != test.want {
				t.Errorf("got %q", err)
			}
		})
	}
}

func TestInvalidUTF8IsReplaced(t *testing.T) {
	c := readOne(t, "{\"id\": \"a\", \"phone_number\": \"x\xffy\"}")
	if *c.PhoneNumber != "x\uFFFDy" {
		t.Errorf("got %q", *c.PhoneNumber)
	}
}

func TestKeepMembers(t *testing.T) {
	for _, test := range []struct {
		object string
		names  []string
		want   string
	}{
		{`{"b": 1.0, "a": [ 2 ], "c": 3}`, []string{"a", "b", "x"}, `{"b":1.0,"a":[ 2 ]}`},
		{`{"b": 1}`, nil, `{}`},
		{`{"b": 1}`, []string{"x"}, `{}`},
	} {
		if got := KeepMembers([]byte(test.object), test.names); string(got) != test.want {
			t.Errorf("%v of %s: %s", test.names, test.object, got)
		}
	}
}

// FuzzDecodeRows: whatever upstream sends, reading it ends, every raw value handed out is JSON, and a body that
// encoding/json cannot read is refused.
func FuzzDecodeRows(f *testing.F) {
	documented, err := os.ReadFile("testdata/documented.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(documented)
	for _, seed := range []string{
		`{"calls": [{"id": "a", "x": 1, "transcript": [{"role": "x", "content": "\ud83d", "y": {}}], "structured_output": {"a": 1}}]}`,
		`{"calls": ["x", null, {"id": 1e3, "started_at": 1e11, "transcript": "t"}]}`,
		`{"calls": [], "calls": [{}]}`, "{\"calls\": [{\"id\": \"\xff\"}]}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		valid := json.Valid(body)
		rows, err := decodeRows(slices.Clone(body))
		if err == nil && !valid {
			t.Fatal("took what is not JSON")
		}
		for _, row := range rows {
			if (row.Call == nil) == (row.Problem == "") {
				t.Fatalf("row %+v", row)
			}
			if row.Call == nil {
				continue
			}
			entries := row.Call.Transcript()
			if n := row.Call.TranscriptLen(); n != len(entries) && (n != -1 || entries != nil) {
				t.Fatalf("%d entries, length %d", len(entries), n)
			}
			for _, raw := range append([]json.RawMessage{json.RawMessage(row.Call.Extra()), json.RawMessage(row.Call.StructuredOutput)}, arguments(entries)...) {
				if raw != nil && !json.Valid(raw) {
					t.Fatalf("not JSON: %q", raw)
				}
			}
			if !utf8.ValidString(row.Call.ID) {
				t.Fatal("not UTF-8")
			}
		}
	})
}

func arguments(entries []TranscriptEntry) []json.RawMessage {
	var raw []json.RawMessage
	for _, entry := range entries {
		raw = append(raw, json.RawMessage(entry.ToolArguments))
	}
	return raw
}
