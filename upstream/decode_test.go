package upstream

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func readRows(t *testing.T, body string) []Row {
	t.Helper()
	page, _, err := ParsePage(t.Context(), []byte(body), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return page.Rows
}

// entries are the entries of a transcript as plain values; nil without a transcript.
func entries(c *Call) []map[string]any {
	n, ok := c.TranscriptLen()
	if !ok {
		return nil
	}
	entries := []map[string]any{}
	for i := range n {
		e := c.Entry(i)
		entry := map[string]any{"index": e.Index, "role": transcriptRoles[e.Role()], "content": json.RawMessage(e.Content())}
		if name := e.ToolName(); name != "null" {
			entry["tool"] = []json.RawMessage{
				json.RawMessage(name), json.RawMessage(e.ToolArguments()), json.RawMessage(e.ToolIsError()),
			}
		}
		entries = append(entries, entry)
	}
	return entries
}

// readOne decodes a response with one row.
func readOne(t *testing.T, row string) *Call {
	t.Helper()
	rows := readRows(t, `{"calls": [`+row+`]}`)
	if len(rows) != 1 || rows[0].Call == nil {
		t.Fatalf("got %+v", rows)
	}
	return rows[0].Call
}

// text is a field by upstream's name, as JSON.
func text(c *Call, name string) string { return c.JSON(Field(slices.Index(FieldNames(), name))) }

func TestDocumentedExample(t *testing.T) {
	body, err := os.ReadFile("testdata/documented.json")
	if err != nil {
		t.Fatal(err)
	}
	rows := readRows(t, string(body))
	if len(rows) != 1 || rows[0].Call == nil {
		t.Fatalf("rows %+v", rows)
	}
	c := rows[0].Call
	if c.ID != "id" || c.Status != CallStatusQueued || c.Result != CallResultIVR ||
		c.DialError != DialErrorNumberNonAttributed || c.EndedBy != CallEndedByAgent {
		t.Errorf("got %+v", c)
	}
	for _, field := range []Field{FieldStartedAt, FieldAnsweredAt, FieldEndedAt} {
		if c.JSON(field) != "null" {
			t.Error("a time of {} is not null")
		}
	}
	if output := c.JSON(FieldStructuredOutput); output != `{"foo": "bar"}` {
		t.Errorf("structured output %s", output)
	}
	if extra := c.JSON(FieldExtra); extra != "null" {
		t.Errorf("extra %s", extra)
	}
	got, _ := json.Marshal(entries(c))
	if string(got) != `[{"content":"content","index":0,"role":"user","tool":["tool_name",{"foo":"bar"},true]}]` {
		t.Errorf("transcript %s", got)
	}
}

func TestTimes(t *testing.T) {
	tests := map[string]struct {
		json  string
		want  string // "" for null
		extra string
	}{
		"milliseconds":          {`"2026-03-14T09:26:53.589Z"`, "2026-03-14T09:26:53.589Z", ""},
		"zero milliseconds":     {`"2026-03-14T09:26:53.000Z"`, "2026-03-14T09:26:53.000Z", ""},
		"no fraction":           {`"2026-03-14T09:26:53Z"`, "2026-03-14T09:26:53Z", ""},
		"microseconds":          {`"2026-03-14T09:26:53.589793+00:00"`, "2026-03-14T09:26:53.589Z", ""},
		"an offset":             {`"2026-03-14T10:26:53+01:00"`, "2026-03-14T09:26:53Z", ""},
		"an offset of digits":   {`"2026-03-14T10:26:53+0100"`, "2026-03-14T09:26:53Z", ""},
		"no zone":               {`"2026-03-14T09:26:53"`, "2026-03-14T09:26:53Z", ""},
		"a space":               {`"2026-03-14 09:26:53.5"`, "2026-03-14T09:26:53.500Z", ""},
		"a space and an offset": {`"2026-03-14 09:26:53+00:00"`, "2026-03-14T09:26:53Z", ""},
		"seconds":               {`1773480413`, "2026-03-14T09:26:53Z", ""},
		"seconds with fraction": {`1773480413.589`, "2026-03-14T09:26:53.589Z", ""},
		"milliseconds number":   {`1773480413589`, "2026-03-14T09:26:53.589Z", ""},
		"null":                  {`null`, "", ""},
		"empty object":          {`{}`, "", ""},
		"empty object, spaced":  {`{ }`, "", ""},
		"no time":               {`"soon"`, "", `{"started_at":"soon"}`},
		"an object":             {`{"seconds": 5}`, "", `{"started_at":{"seconds": 5}}`},
		"microseconds number":   {`1773480413589793`, "2026-03-14T09:26:53.589Z", ""},
		"nanoseconds number":    {`1773480413589793238`, "2026-03-14T09:26:53.589Z", ""},
		"with an exponent":      {`1.773480413589e12`, "2026-03-14T09:26:53.589Z", ""},
		"a number too far":      {`1e20`, "", `{"started_at":1e20}`},
		"no time at all":        {`0`, "", `{"started_at":0}`},
		"before 1970":           {`-5`, "", `{"started_at":-5}`},
		"the year 1":            {`"0001-01-01T00:00:00Z"`, "", `{"started_at":"0001-01-01T00:00:00Z"}`},
		"no time of MySQL":      {`"0000-00-00 00:00:00"`, "", `{"started_at":"0000-00-00 00:00:00"}`},

		"PostgreSQL":             {`"2026-03-14 09:26:53.1+00"`, "2026-03-14T09:26:53.100Z", ""},
		"PostgreSQL, no UTC":     {`"2026-03-14 10:56:53.589793+01:30"`, "2026-03-14T09:26:53.589Z", ""},
		"an offset of hours":     {`"2026-03-14T14:26:53+05"`, "2026-03-14T09:26:53Z", ""},
		"hours behind":           {`"2026-03-14T04:26:53-05"`, "2026-03-14T09:26:53Z", ""},
		"an offset with seconds": {`"2026-03-14 09:36:14+00:09:21"`, "2026-03-14T09:26:53Z", ""},
		"no seconds":             {`"2026-03-14T09:26Z"`, "2026-03-14T09:26:00Z", ""},
		"no seconds, no zone":    {`"2026-03-14 09:26"`, "2026-03-14T09:26:00Z", ""},
		"no seconds, an offset":  {`"2026-03-14T10:26+01:00"`, "2026-03-14T09:26:00Z", ""},
		"small t and z":          {`"2026-03-14t09:26:53z"`, "2026-03-14T09:26:53Z", ""},
		"small t and an offset":  {`"2026-03-14t10:26:53.5+01:00"`, "2026-03-14T09:26:53.500Z", ""},
		"a space and Z":          {`"2026-03-14 09:26:53Z"`, "2026-03-14T09:26:53Z", ""},
		"a comma":                {`"2026-03-14T09:26:53,589Z"`, "2026-03-14T09:26:53.589Z", ""},
		"nanoseconds":            {`"2026-03-14T09:26:53.589793238Z"`, "2026-03-14T09:26:53.589Z", ""},
		"more digits than that":  {`"2026-03-14T09:26:53.58979323846Z"`, "2026-03-14T09:26:53.589Z", ""},
		"the basic format":       {`"20260314T092653Z"`, "2026-03-14T09:26:53Z", ""},
		"basic, a fraction":      {`"20260314T102653.5+0100"`, "2026-03-14T09:26:53.500Z", ""},
		"digits alone":           {`"20260314092653"`, "2026-03-14T09:26:53Z", ""},
		"Ruby":                   {`"2026-03-14 10:26:53 +0100"`, "2026-03-14T09:26:53Z", ""},
		"Ruby, UTC":              {`"2026-03-14 09:26:53 UTC"`, "2026-03-14T09:26:53Z", ""},
		"Java":                   {`"2026-03-14T10:26:53.5+01:00[Europe/Paris]"`, "2026-03-14T09:26:53.500Z", ""},
		"Java, no seconds":       {`"2026-03-14T09:26Z[UTC]"`, "2026-03-14T09:26:00Z", ""},
		"slashes":                {`"2026/03/14 09:26:53"`, "2026-03-14T09:26:53Z", ""},
		"slashes that look good": {`"2026/03/14T09:26:53Z"`, "2026-03-14T09:26:53Z", ""},
		"an HTTP date":           {`"Sat, 14 Mar 2026 09:26:53 GMT"`, "2026-03-14T09:26:53Z", ""},
		"spaces around":          {`" 2026-03-14T09:26:53Z "`, "2026-03-14T09:26:53Z", ""},
		"a leap second":          {`"2016-12-31T23:59:60Z"`, "2017-01-01T00:00:00Z", ""},
		"seconds as text":        {`"1773480413"`, "2026-03-14T09:26:53Z", ""},
		"milliseconds as text":   {`"1773480413589"`, "2026-03-14T09:26:53.589Z", ""},
		"fraction as text":       {`"1773480413.589"`, "2026-03-14T09:26:53.589Z", ""},

		"a date alone":       {`"2026-03-14"`, "", `{"started_at":"2026-03-14"}`},
		"a date in digits":   {`"20260314"`, "", `{"started_at":"20260314"}`},
		"day or month first": {`"03/04/2026 09:26:53"`, "", `{"started_at":"03/04/2026 09:26:53"}`},
		"a zone by its name": {`"2026-03-14 09:26:53 PST"`, "", `{"started_at":"2026-03-14 09:26:53 PST"}`},
		"no such day":        {`"2026-02-30T09:26:53Z"`, "", `{"started_at":"2026-02-30T09:26:53Z"}`},
		"infinity":           {`"infinity"`, "", `{"started_at":"infinity"}`},
		"before Christ":      {`"0044-03-15 09:26:53+00 BC"`, "", `{"started_at":"0044-03-15 09:26:53+00 BC"}`},
		"empty":              {`""`, "", `{"started_at":""}`},
		"brackets alone":     {`"[]"`, "", `{"started_at":"[]"}`},
		"a boolean":          {`true`, "", `{"started_at":true}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := readOne(t, `{"id": "a", "started_at": `+test.json+`}`)
			if got := c.JSON(FieldStartedAt); got != quoteOrNull(test.want) {
				t.Errorf("got %s", got)
			}
			if extra := c.JSON(FieldExtra); extra != cmp.Or(test.extra, "null") {
				t.Errorf("extra %s", extra)
			}
		})
	}
}

func quoteOrNull(text string) string {
	if text == "" {
		return "null"
	}
	return strconv.Quote(text)
}

func TestMilliseconds(t *testing.T) {
	c := readOne(t, `{"id": "a", "started_at": "2026-03-14T09:26:53Z", "answered_at": 1773480415.5, "ended_at": "later"}`)
	if ms, ok := c.Milliseconds(FieldStartedAt, FieldAnsweredAt); !ok || ms != 2500 {
		t.Errorf("got %d, %v", ms, ok)
	}
	if _, ok := c.Milliseconds(FieldAnsweredAt, FieldEndedAt); ok {
		t.Error("the time from an unknown moment is known")
	}
}

func TestExtra(t *testing.T) {
	tests := map[string]struct{ row, want string }{
		"nothing": {`{"id": "a", "status": "queued"}`, ``},
		"nulls": {
			`{"id": "a", "status": null, "result": null, "dial_error": null, "ended_by": null, "phone_number": null, ` +
				`"transcript": null}`,
			``,
		},
		"unknown fields in order": {
			`{"z": 1.50, "id": "a", "b": {"y": 1, "x": 1e400}, "a": null}`, `{"z":1.50,"b":{"y": 1, "x": 1e400},"a":null}`,
		},
		"unknown enum values": {
			`{"id": "a", "status": "paused", "result": "robot", "dial_error": "x", "ended_by": 7}`,
			`{"status":"paused","result":"robot","dial_error":"x","ended_by":7}`,
		},
		"a text that is none":     {`{"id": "a", "phone_number": true}`, `{"phone_number":true}`},
		"a transcript of no kind": {`{"id": "a", "transcript": {"a": 1}}`, `{"transcript":{"a": 1}}`},
		"unknown in entries": {
			`{"id": "a", "transcript": [{"role": "user", "content": "x"}, {"role": "narrator", "content": "y", "at": 3}]}`,
			`{"transcript":[{"index":1,"role":"narrator","at":3}]}`,
		},
		"unknown in several": {
			`{"id": "a", "n": 1, "transcript": [{"role": "x"}, {"role": "user", "tool_is_error": "no"}]}`,
			`{"n":1,"transcript":[{"index":0,"role":"x"},{"index":1,"tool_is_error":"no"}]}`,
		},
		"a repeated name":           {`{"id": "a", "n": 1, "m": 2, "n": 3}`, `{"n":3,"m":2}`},
		"a name that needs quoting": {`{"id": "a", "n\"\u0001": 1}`, `{"n\"\u0001":1}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			extra := readOne(t, test.row).JSON(FieldExtra)
			if extra != cmp.Or(test.want, "null") {
				t.Errorf("got %s", extra)
			}
			if !json.Valid([]byte(extra)) {
				t.Error("not JSON")
			}
		})
	}
}

func TestUnrecognizedValues(t *testing.T) {
	c := readOne(t, `{"id": "a", "status": "paused", "result": "robot", "dial_error": "x", "ended_by": 7}`)
	if c.Status != CallStatusUnrecognized || c.Result != CallResultUnrecognized ||
		c.DialError != DialErrorUnrecognized || c.EndedBy != CallEndedByUnrecognized {
		t.Errorf("got %+v", c)
	}
	if c := readOne(t, `{"id": "a"}`); c.Status != CallStatusUnrecognized || c.Result != 0 {
		t.Errorf("got %+v", c)
	}
	if c := readOne(t, `{"id": "a", "result": "h\u0075man"}`); c.Result != CallResultHuman {
		t.Errorf("got %+v", c)
	}
	for _, result := range []string{"unrecognized", "", "HUMAN"} {
		if c := readOne(t, `{"id": "a", "result": "`+result+`"}`); c.JSON(FieldExtra) != `{"result":"`+result+`"}` {
			t.Errorf("%q: extra %s", result, c.JSON(FieldExtra))
		}
	}
}

func TestTranscripts(t *testing.T) {
	tests := map[string]struct{ json, want string }{
		"absent": {``, `null`},
		"null":   {`, "transcript": null`, `null`},
		"empty":  {`, "transcript": []`, `[]`},
		"text":   {`, "transcript": "User: h\u00e9"`, `[{"content":"User: hé","index":0,"role":""}]`},
		"role and content alone": {
			`, "transcript": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]`,
			`[{"content":"a","index":0,"role":"user"},{"content":"b","index":1,"role":"assistant"}]`,
		},
		"tools": {
			`, "transcript": [
				{"role": "tool", "content": "ok", "tool_name": "find", "tool_arguments": {"b": 1.0, "a": 2}, ` +
				`"tool_is_error": false},
				{"role": "tool", "content": "no", "tool_name": "find", "tool_arguments": "{\"a\": 1}", "tool_is_error": true},
				{"role": "tool", "content": "", "tool_name": null, "tool_arguments": null, "tool_is_error": null}]`,
			`[{"content":"ok","index":0,"role":"tool","tool":["find",{"b":1.0,"a":2},false]},` +
				`{"content":"no","index":1,"role":"tool","tool":["find","{\"a\": 1}",true]},` +
				`{"content":"","index":2,"role":"tool"}]`,
		},
		"odd entries": {
			`, "transcript": ["hello", 5, null, {"content": null}, {}]`,
			`[{"content":"hello","index":0,"role":""},{"content":"5","index":1,"role":""},` +
				`{"content":"null","index":2,"role":""},{"content":"","index":3,"role":""},{"content":"","index":4,"role":""}]`,
		},
		"an emoji cut in half": {`, "transcript": "a\ud83d"`, "[{\"content\":\"a\uFFFD\",\"index\":0,\"role\":\"\"}]"},
		"twice": {
			`, "transcript": [{"role": "user"}, {"role": "x"}], "transcript": ["b"]`,
			`[{"content":"b","index":0,"role":""}]`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			// The call before it shows that each has its own entries.
			rows := readRows(t, `{"calls": [{"id": "b", "transcript": ["x", "y"]}, {"id": "a"`+test.json+`}]}`)
			if got, _ := json.Marshal(entries(rows[1].Call)); string(got) != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// A number where a text is documented is a text of the same digits, and a text or number that stands for a boolean is
// one.
func TestValuesOfAnotherType(t *testing.T) {
	c := readOne(t, `{"id": "a", "phone_number": 33612345678, "end_reason": -1.50e3, "recording_url": null, "transcript": [
		{"role": "tool", "content": 5, "tool_name": 7, "tool_is_error": "true"}, {"role": "tool", "tool_is_error": "false"},
		{"role": "tool", "tool_is_error": 1}, {"role": "tool", "tool_is_error": 0}]}`)
	for name, want := range map[string]string{
		"phone_number": `"33612345678"`, "end_reason": `"-1.50e3"`, "recording_url": "null",
	} {
		if got := text(c, name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if extra := c.JSON(FieldExtra); extra != "null" {
		t.Errorf("extra %s", extra)
	}
	if e := c.Entry(0); e.Content() != `"5"` || e.ToolName() != `"7"` {
		t.Errorf("got %s, %s", e.Content(), e.ToolName())
	}
	for i, want := range []string{"true", "false", "true", "false"} {
		if got := c.Entry(i).ToolIsError(); got != want {
			t.Errorf("entry %d: got %s", i, got)
		}
	}
	// None of it leaks into the next row's values.
	rows := readRows(t, `{"calls": [{"id": "a", "phone_number": 1}, {"id": "b", "phone_number": {}}]}`)
	if got := text(rows[1].Call, "phone_number"); got != "null" {
		t.Errorf("got %s", got)
	}
}

// A byte order mark says nothing, and is neither kept nor an error.
func TestByteOrderMark(t *testing.T) {
	rows := readRows(t, "\uFEFF{\"calls\": [{\"id\": \"a\", \"end_reason\": \"x\"}]}")
	if len(rows) != 1 || rows[0].Call.ID != "a" || text(rows[0].Call, "end_reason") != `"x"` {
		t.Errorf("got %+v", rows)
	}
	if _, _, err := ParsePage(t.Context(), []byte("\uFEFF\uFEFF{\"calls\": []}"), 1000); err == nil {
		t.Error("two are taken")
	}
}

// Texts are kept as they are written, whatever escapes upstream used.
func TestTexts(t *testing.T) {
	for sent, want := range map[string]string{
		`"plain é 😀"`:  `"plain é 😀"`,
		`"\n\r\t\"\\"`: `"\n\r\t\"\\"`,
		`"caf\u00e9 \ud83d\ude00 \/ \u0022 \u000a"`: `"café 😀 / \" \n"`,
		`"\b\f\u001f\u007f"`:                        "\"\\u0008\\u000C\\u001F\u007f\"",
		`"a\ud83d"`:                                 "\"a\uFFFD\"",
	} {
		if got := text(readOne(t, `{"id": "a", "end_reason": `+sent+`}`), "end_reason"); got != want {
			t.Errorf("%s: got %s, want %s", sent, got, want)
		}
	}
}

func TestUnreadableRowsCostOneRow(t *testing.T) {
	rows := readRows(
		t,
		`{"calls": [{"id": "a"}, {"status": "queued"}, null, "x", [], {"id": ""}, {"id": {}}, {"id": 12}, {"id": "a"}, `+
			`{"id": "b"}]}`,
	)
	var ids []string
	for _, row := range rows {
		if row.Call != nil {
			ids = append(ids, row.Call.ID)
		} else {
			ids = append(ids, row.Problem)
		}
	}
	want := []string{
		"a", "it has no id", "it is not an object", "it is not an object", "it is not an object", "it has no id",
		"it has no id", "12", "it has the id of another call", "b",
	}
	if !slices.Equal(ids, want) {
		t.Errorf("got %q", ids)
	}
}

func TestRejectedResponses(t *testing.T) {
	tests := map[string]struct{ body, want string }{
		"nothing":             {``, "the response is not a JSON object"},
		"HTML":                {`<html>secret</html>`, "the response is not a JSON object"},
		"a list":              {`[]`, "the response is not a JSON object"},
		"no calls":            {`{"error": "secret"}`, "the response has no list of calls"},
		"calls a text":        {`{"calls": "null"}`, "the response has no list of calls"},
		"calls an object":     {`{"calls": {}}`, "the response has no list of calls"},
		"cut in a row":        {`{"calls": [{"id": "secr`, "the response is cut short"},
		"cut after the list":  {`{"calls": []`, "the response is cut short"},
		"trailing data":       {`{"calls": []} {}`, "the response goes on after its end"},
		"a control character": {"{\"calls\": [{\"id\": \"a\x01\"}]}", "the response is not JSON at byte 20"},
		"a bad escape":        {`{"calls": [{"id": "\q"}]}`, "the response is not JSON at byte 19"},
		"a bare word":         {`{"calls": [secret]}`, "the response is not JSON at byte 11"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			page, _, err := ParsePage(t.Context(), []byte(test.body), 1000)
			if err == nil {
				t.Fatalf("taken: %+v", page.Rows)
			}
			if err.Error() != test.want {
				t.Errorf("got %q", err)
			}
		})
	}
}

// wrongSyntax reports whether ParsePage finds that an object is not JSON.
func wrongSyntax(t *testing.T, body []byte) bool {
	t.Helper()
	_, _, err := ParsePage(t.Context(), body, 1000)
	return err != nil && !errors.Is(err, ErrTooLarge) && err.Error() != "the response has no list of calls"
}

// What is JSON is what encoding/json says is JSON, wherever a byte is wrong, missing or too many.
func TestSyntax(t *testing.T) {
	const sample = `{"a": [1, -2.50e+3, {"b": true, "c": []}, {}], "calls": [{"id": "x\u00e9\n", "note": "long enough", ` +
		`"transcript": [{"role": "user", "content": "a\\\"b"}, "z"], "extra": {"d": [null, false, 0.1E-7]}} , null]}`
	check := func(body string) {
		t.Helper()
		if valid := json.Valid([]byte(body)); valid == wrongSyntax(t, []byte(body)) {
			t.Fatalf("JSON: %v, but not to ParsePage: %s", valid, body)
		}
	}
	check(sample)
	for i := 1; i < len(sample); i++ {
		before, after := sample[:i], sample[i+1:]
		check(before)
		check(before + after)
		for _, c := range "{}[]:,\"\\ \n\x00\x1f\x7f019-+.eEautfz/é" {
			check(before + string(c) + after)
			check(before + string(c) + sample[i:])
		}
	}
	for _, depth := range []int{maxDepth - 2, maxDepth - 1, maxDepth} {
		check(`{"a":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `,"calls":[]}`)
	}
}

func TestListsOfNone(t *testing.T) {
	for _, body := range []string{`{"calls": []}`, `{"calls": null}`, `{"calls": [{"id": "a"}], "calls": null}`} {
		if rows := readRows(t, body); len(rows) != 0 {
			t.Errorf("%s: got %d rows", body, len(rows))
		}
	}
}

// A row has the start time of its call, for comparisons that do not read the call.
func TestRowsTellWhenTheirCallsStarted(t *testing.T) {
	tests := map[string]struct {
		row  string
		want int64
	}{
		"a time":           {`{"id": "a", "started_at": "2026-03-14T09:26:53.589Z"}`, 1773480413589},
		"a number":         {`{"id": "a", "started_at": 1773480413}`, 1773480413000},
		"null":             {`{"id": "a", "started_at": null}`, 0},
		"nothing":          {`{"id": "a"}`, 0},
		"no time":          {`{"id": "a", "started_at": "soon"}`, 0},
		"not yet answered": {`{"id": "a", "answered_at": "2026-03-14T09:26:53Z"}`, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := readRows(t, `{"calls": [`+test.row+`]}`)[0].Started; got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

func TestInvalidUTF8IsReplaced(t *testing.T) {
	c := readOne(t, "{\"id\": \"a\", \"phone_number\": \"x\xffy\"}")
	if got := text(c, "phone_number"); got != "\"x\uFFFDy\"" {
		t.Errorf("got %s", got)
	}
}

func TestKeepMembers(t *testing.T) {
	for _, test := range []struct {
		object string
		names  map[string]bool
		want   string
	}{
		{`{"b": 1.0, "a": [ 2 ], "c": 3}`, map[string]bool{"a": true, "b": true, "x": true}, `{"b":1.0,"a":[ 2 ]}`},
		{`{"b": 1}`, nil, `{}`},
		{`{"b": 1}`, map[string]bool{"x": true}, `{}`},
		{`{"caf\u00e9": 1, "b": 2}`, map[string]bool{"café": true}, `{"café":1}`},
		{`["a"]`, map[string]bool{"a": true}, `["a"]`},
	} {
		if got := KeepMembers(test.object, test.names); got != test.want {
			t.Errorf("%v of %s: %s", test.names, test.object, got)
		}
	}
}

// FuzzParsePage: whatever upstream sends, reading it ends, every raw value handed out is JSON, and a body is refused
// for its syntax exactly where encoding/json cannot read it.
func FuzzParsePage(f *testing.F) {
	documented, err := os.ReadFile("testdata/documented.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(documented)
	for _, seed := range []string{
		`{"calls": [{"id": "a", "x": 1, "transcript": [{"role": "x", "content": "\ud83d", "y": {}}], "structured_output": ` +
			`{"a": 1}}]}`,
		`{"calls": ["x", null, {"id": 1e3, "started_at": 1e11, "transcript": "t"}]}`,
		`{"calls": [], "calls": [{}]}`, "{\"calls\": [{\"id\": \"\xff\"}]}", `{"calls": [{"id": -0.5e+7, "a": "\/\u00e9"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		valid := json.Valid(body)
		page, _, err := ParsePage(t.Context(), slices.Clone(body), 1000)
		if err == nil && !valid {
			t.Fatal("took what is not JSON")
		}
		if valid && bytes.HasPrefix(body, []byte("{")) && wrongSyntax(t, body) {
			t.Fatal("refused what is JSON")
		}
		if err != nil {
			return
		}
		for _, row := range page.Rows {
			if (row.Call == nil) == (row.Problem == "") {
				t.Fatalf("row %+v", row)
			}
			if row.Call == nil {
				continue
			}
			var texts []string
			for field := range numFields {
				texts = append(texts, row.Call.JSON(field))
			}
			n, _ := row.Call.TranscriptLen()
			for i := range n {
				e := row.Call.Entry(i)
				texts = append(texts, e.Content(), e.ToolName(), e.ToolArguments(), e.ToolIsError())
			}
			for _, text := range texts {
				if !json.Valid([]byte(text)) {
					t.Fatalf("not JSON: %q", text)
				}
			}
			if !utf8.ValidString(page.text) || !utf8.ValidString(row.Call.ID) {
				t.Fatal("not UTF-8")
			}
		}
	})
}
