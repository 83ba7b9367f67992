package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// fataler is a test, of rapid too.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// read reads calls as upstream sends them.
func read(t testing.TB, rows ...string) []*upstream.Call {
	t.Helper()
	page, _, err := upstream.ParsePage(t.Context(), []byte(`{"calls": [`+strings.Join(rows, ",")+`]}`), len(rows))
	if err != nil {
		t.Fatal(err)
	}
	calls := make([]*upstream.Call, len(page.Rows))
	for i, row := range page.Rows {
		if calls[i] = row.Call; row.Call == nil {
			t.Fatal(row.Problem)
		}
	}
	return calls
}

// one is a call with all that a filter can ask for.
const one = `{
	"id": "1", "status": "completed", "result": "human", "ended_by": "user", "end_reason": "tool_end_call",
	"phone_number": "+33612345678",
	"started_at": "2026-03-14T09:26:53.589Z", "answered_at": "2026-03-14T09:27:00Z", "ended_at": "2026-03-14T09:28:30.5Z",
	"structured_output": {
		"nps": 9, "long": 9007199254740993, "price": 1.50, "topics": ["staff", "friend"], "may_contact": true, "note": null,
		"huge": 1e400, "low": -1e400,
		"customer": {"city": "Aix-en-Provence", "a.b": "dotted", "back\\slash": 1}, "text": "9"
	},
	"transcript": [
		{"role": "assistant", "content": "Bonjour, ici la clinique."},
		{"role": "user", "content": "I want a REFUND for the caf\u00e9."},
		{"role": "tool", "content": "ok", "tool_name": "book", "tool_is_error": false},
		{"role": "tool", "content": "timeout in Hauptstraße", "tool_name": "cancel", "tool_is_error": true}
	]
}`

// input reads an input as a client writes it, by the names of the schema.
func input(t fataler, text string) *CallFilter {
	t.Helper()
	enums := strings.NewReplacer( // the generated code makes numbers of these names
		`"UNRECOGNIZED"`, "1", `"COMPLETED"`, fmt.Sprint(upstream.CallStatusCompleted),
		`"RINGING"`, fmt.Sprint(upstream.CallStatusRinging), `"HUMAN"`, fmt.Sprint(upstream.CallResultHuman),
		`"BUSY"`, fmt.Sprint(upstream.DialErrorBusy), `"USER"`, fmt.Sprint(upstream.TranscriptRoleUser),
		`"TOOL"`, fmt.Sprint(upstream.TranscriptRoleTool), `"ENDED_BY_USER"`, fmt.Sprint(upstream.CallEndedByUser),
		`"NONE"`, "0",
	)
	decoder := json.NewDecoder(strings.NewReader(enums.Replace(text)))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	var f CallFilter
	if err := decoder.Decode(&f); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return &f
}

func TestMatch(t *testing.T) {
	call := read(t, one)[0]
	for text, want := range map[string]bool{
		`{}`: true,

		`{"startedAt": {"from": "2026-03-14T09:26:53.589Z"}}`:                                           true,
		`{"startedAt": {"from": "2026-03-14T09:26:53.5891Z"}}`:                                          false,
		`{"startedAt": {"before": "2026-03-14T09:26:53.589Z"}}`:                                         false,
		`{"startedAt": {"before": "2026-03-14T09:26:53.590Z"}}`:                                         true,
		`{"startedAt": {"from": "2026-03-14T10:00:00+01:00", "before": "2026-03-15T00:00:00.5+01:00"}}`: true,
		`{"startedAt": {}}`:      true,
		`{"startedAt": null}`:    true,
		`{"result": null}`:       true,
		`{"durationSeconds":{}}`: true,

		`{"durationSeconds": {"min": 90.5}}`:              true,
		`{"durationSeconds": {"min": 90.501}}`:            false,
		`{"durationSeconds": {"max": 90.5}}`:              true,
		`{"durationSeconds": {"max": 90.499}}`:            false,
		`{"durationSeconds": {"min": 90.5, "max": 90.5}}`: true,

		`{"status": ["RINGING", "COMPLETED"]}`:          true,
		`{"status": ["RINGING"]}`:                       false,
		`{"result": ["HUMAN"]}`:                         true,
		`{"result": ["UNRECOGNIZED"]}`:                  false,
		`{"dialError": ["BUSY", "UNRECOGNIZED"]}`:       false, // it has none
		`{"endedBy": ["ENDED_BY_USER"]}`:                true,
		`{"endReason": ["voicemail", "tool_end_call"]}`: true,
		`{"endReason": ["tool_end"]}`:                   false,

		`{"phoneNumber": {"is": "+33612345678"}}`: true,
		`{"phoneNumber": {"is": "+3361234567"}}`:  false,
		`{"phoneNumber": {"startsWith": "+336"}}`: true,
		`{"phoneNumber": {"startsWith": "336"}}`:  false,
		`{"phoneNumber": {"contains": "4567"}}`:   true,

		`{"transcript": {"contains": "refund"}}`:                    true,
		`{"transcript": {"contains": "refund", "roles": ["USER"]}}`: true,
		`{"transcript": {"contains": "refund", "roles": ["TOOL"]}}`: false,
		`{"transcript": {"contains": "CAFE\u0301"}}`:                true,
		`{"transcript": {"contains": "cafe"}}`:                      false,
		`{"transcript": {"contains": "hauptstrasse"}}`:              true,
		`{"transcript": {"contains": "clinique. I want"}}`:          false, // in one entry

		`{"tool": {}}`:                                  true,
		`{"tool": {"name": "book"}}`:                    true,
		`{"tool": {"failed": true}}`:                    true,
		`{"tool": {"name": "book", "failed": false}}`:   true,
		`{"tool": {"name": "book", "failed": true}}`:    false, // not one entry
		`{"tool": {"name": "cancel", "failed": false}}`: false,

		`{"structuredOutput": [{"path": "nps", "is": 9}]}`:                           true,
		`{"structuredOutput": [{"path": "nps", "is": 9.0}]}`:                         true,
		`{"structuredOutput": [{"path": "nps", "is": 0.9e1}]}`:                       true,
		`{"structuredOutput": [{"path": "nps", "is": "9"}]}`:                         false,
		`{"structuredOutput": [{"path": "text", "is": "9"}]}`:                        true,
		`{"structuredOutput": [{"path": "text", "is": 9}]}`:                          false,
		`{"structuredOutput": [{"path": "text", "min": 9}]}`:                         false,
		`{"structuredOutput": [{"path": "long", "is": 9007199254740993}]}`:           true,
		`{"structuredOutput": [{"path": "long", "is": 9007199254740992}]}`:           false,
		`{"structuredOutput": [{"path": "price", "is": 1.5}]}`:                       true,
		`{"structuredOutput": [{"path": "nps", "min": 9, "max": 9}]}`:                true,
		`{"structuredOutput": [{"path": "nps", "min": 9.5}]}`:                        false,
		`{"structuredOutput": [{"path": "huge", "min": 1e300}]}`:                     true, // larger than any float64
		`{"structuredOutput": [{"path": "huge", "max": 1e300}]}`:                     false,
		`{"structuredOutput": [{"path": "low", "max": 0}]}`:                          true,
		`{"structuredOutput": [{"path": "low", "min": 0}]}`:                          false,
		`{"structuredOutput": [{"path": "may_contact", "is": true}]}`:                true,
		`{"structuredOutput": [{"path": "may_contact", "is": false}]}`:               false,
		`{"structuredOutput": [{"path": "topics", "is": ["staff", "friend"]}]}`:      true,
		`{"structuredOutput": [{"path": "topics", "is": ["friend", "staff"]}]}`:      false,
		`{"structuredOutput": [{"path": "topics.1", "is": "friend"}]}`:               true,
		`{"structuredOutput": [{"path": "topics.2", "exists": true}]}`:               false,
		`{"structuredOutput": [{"path": "topics.-1", "exists": true}]}`:              false,
		`{"structuredOutput": [{"path": "topics.01", "exists": true}]}`:              false,
		`{"structuredOutput": [{"path": "customer.city", "is": "Aix-en-Provence"}]}`: true,
		`{"structuredOutput": [{"path": "customer.a\\.b", "is": "dotted"}]}`:         true,
		`{"structuredOutput": [{"path": "customer.a.b", "exists": true}]}`:           false,
		`{"structuredOutput": [{"path": "customer.back\\\\slash", "is": 1}]}`:        true,
		`{"structuredOutput": [{"path": "customer",
			"is": {"back\\slash": 1.0, "a.b": "dotted", "city": "Aix-en-Provence"}}]}`: true,
		`{"structuredOutput": [{"path": "note", "exists": false}]}`:                                 true,
		`{"structuredOutput": [{"path": "nps.deeper", "exists": false}]}`:                           true,
		`{"structuredOutput": [{"path": "nps", "exists": true}, {"path": "none", "exists": true}]}`: false,

		`{"anyOf": [{"result": ["UNRECOGNIZED"]}, {"endedBy": ["ENDED_BY_USER"]}]}`: true,
		`{"anyOf": [{"result": ["UNRECOGNIZED"]}, {"dialError": ["BUSY"]}]}`:        false,
		`{"not": {"result": ["HUMAN"]}}`:                                            false,
		`{"not": {"result": ["HUMAN"], "dialError": ["BUSY"]}}`:                     true,
		`{"not": {}}`: false,
		`{"result": ["HUMAN"], "dialError": ["BUSY"]}`: false, // every member must hold

		`{"anyOf": [{"not": {"anyOf": [{"result": ["HUMAN"]}, {"dialError": ["BUSY"]}]}}]}`: false,

		`{"result": ["HUMAN"], "transcript": {"contains": "refund"}, "endReason": ["voicemail"]}`: false,
	} {
		f, err := Compile("filter", input(t, text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Match(call); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// A call of which nothing is known fits only what asks for nothing of it.
func TestMatchNothingKnown(t *testing.T) {
	call := read(t, `{"id": "2", "status": "brand-new", "result": "brand-new"}`)[0]
	for text, want := range map[string]bool{
		`{}`:                              true,
		`{"status": ["UNRECOGNIZED"]}`:    true,
		`{"result": ["UNRECOGNIZED"]}`:    true,
		`{"endedBy": ["UNRECOGNIZED"]}`:   false,
		`{"durationSeconds": {"min": 0}}`: false,

		`{"startedAt": {"before": "2999-01-01T00:00:00Z"}}`:          false,
		`{"not": {"startedAt": {"before": "2999-01-01T00:00:00Z"}}}`: true,
		`{"phoneNumber": {"contains": "+"}}`:                         false,
		`{"endReason": ["null"]}`:                                    false,
		`{"transcript": {"contains": "a"}}`:                          false,
		`{"tool": {}}`:                                               false,
		`{"structuredOutput": [{"path": "a", "exists": false}]}`:     true,
		`{"structuredOutput": [{"path": "a", "exists": true}]}`:      false,
	} {
		f, err := Compile("filter", input(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Match(call); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// What cannot be honoured is an error that names the place.
func TestCompileRefuses(t *testing.T) {
	many := func(n int, element string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
	}
	long := strings.Repeat("a", MaxText+1)
	for text, argument := range map[string]string{
		`{"status": []}`:                "filter.status",
		`{"status": ["NONE"]}`:          "filter.status[0]",
		`{"dialError": []}`:             "filter.dialError",
		`{"endedBy": []}`:               "filter.endedBy",
		`{"result": ["HUMAN", "NONE"]}`: "filter.result[1]",
		`{"endReason": []}`:             "filter.endReason",
		`{"endReason": ["a", ""]}`:      "filter.endReason[1]",
		`{"anyOf": []}`:                 "filter.anyOf",
		`{"structuredOutput": []}`:      "filter.structuredOutput",

		`{"startedAt": {"from": "yesterday"}}`:                                                   "filter.startedAt.from",
		`{"startedAt": {"before": "2026-03-14"}}`:                                                "filter.startedAt.before",
		`{"startedAt": {"before": ""}}`:                                                          "filter.startedAt.before",
		`{"startedAt": {"from": "2026-03-14T00:00:00Z", "before": "2026-03-14T01:00:00+01:00"}}`: "filter.startedAt",
		`{"durationSeconds": {"min": 2, "max": 1}}`:                                              "filter.durationSeconds",

		`{"phoneNumber": {}}`:                                  "filter.phoneNumber",
		`{"phoneNumber": {"is": "1", "contains": "1"}}`:        "filter.phoneNumber",
		`{"phoneNumber": {"is": ""}}`:                          "filter.phoneNumber.is",
		`{"phoneNumber": {"contains": "` + long + `"}}`:        "filter.phoneNumber.contains",
		`{"transcript": {"contains": ""}}`:                     "filter.transcript.contains",
		`{"transcript": {"contains": "` + long + `"}}`:         "filter.transcript.contains",
		`{"transcript": {"contains": "a", "roles": []}}`:       "filter.transcript.roles",
		`{"transcript": {"contains": "a", "roles": ["NONE"]}}`: "filter.transcript.roles[0]",
		`{"tool": {"name": ""}}`:                               "filter.tool.name",

		`{"structuredOutput": [{"path": "a"}]}`:                                  "filter.structuredOutput[0]",
		`{"structuredOutput": [{"path": "a", "is": null}]}`:                      "filter.structuredOutput[0]",
		`{"structuredOutput": [{"path": "a", "is": 1, "min": 1}]}`:               "filter.structuredOutput[0]",
		`{"structuredOutput": [{"path": "a", "exists": true, "max": 1}]}`:        "filter.structuredOutput[0]",
		`{"structuredOutput": [{"path": "a", "min": 2, "max": 1}]}`:              "filter.structuredOutput[0]",
		`{"structuredOutput": [{"path": "", "is": 1}]}`:                          "filter.structuredOutput[0].path",
		`{"structuredOutput": [{"path": "a..b", "is": 1}]}`:                      "filter.structuredOutput[0].path",
		`{"structuredOutput": [{"path": "a.", "is": 1}]}`:                        "filter.structuredOutput[0].path",
		`{"structuredOutput": [{"path": "1.2.3.4.5.6.7.8.9", "is": 1}]}`:         "filter.structuredOutput[0].path",
		`{"structuredOutput": [{"path": "` + long + `", "is": 1}]}`:              "filter.structuredOutput[0].path",
		`{"structuredOutput": [{"path": "a", "is": ` + many(1500, `"a"`) + `}]}`: "filter.structuredOutput[0].is",

		`{"anyOf": [{}, {"phoneNumber": {}}]}`:                              "filter.anyOf[1].phoneNumber",
		`{"not": {"anyOf": [{"not": {"not": {}}}]}}`:                        "filter.not.anyOf[0].not.not",
		`{"anyOf": ` + many(100, `{}`) + `}`:                                "filter.anyOf[99]",
		`{"structuredOutput": ` + many(101, `{"path": "a", "is": 1}`) + `}`: "filter.structuredOutput[99]",
		`{"anyOf": ` + many(9, `{"transcript": {"contains": "a"}}`) + `}`:   "filter.anyOf[8].transcript",
	} {
		_, err := Compile("filter", input(t, text))
		refused, ok := errors.AsType[*relay.ArgumentError](err)
		if !ok || refused.Argument != argument || !strings.HasPrefix(refused.Message, "`"+argument+"` ") {
			t.Errorf("%.100s: %v", text, err)
		}
	}
	deep := `{"not": {"anyOf": [{"not": {"result": ["HUMAN"]}}]}}`
	if _, err := Compile("filter", input(t, deep)); err != nil {
		t.Errorf("three deep: %v", err)
	}
}

// T and Z may be small letters (RFC 3339 §5.6, and the specification of the scalar DateTime), and nothing else is
// accepted that would not be with capitals.
func TestSmallLettersInTimes(t *testing.T) {
	compile := func(from string) (interval, error) {
		f, err := Compile("filter", input(t, `{"startedAt": {"from": "`+from+`"}}`))
		if err != nil {
			return interval{}, err
		}
		return f.times, nil
	}
	for small, capital := range map[string]string{
		"2011-08-30t13:22:53.108z":      "2011-08-30T13:22:53.108Z",
		"2011-08-30T13:22:53z":          "2011-08-30T13:22:53Z",
		"2011-08-30t13:22:53.108+03:30": "2011-08-30T13:22:53.108+03:30",
	} {
		want, err := compile(capital)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := compile(small); err != nil || got != want {
			t.Errorf("%s: %v and not %v, %v", small, got, want, err)
		}
	}
	for _, wrong := range []string{"2011-08-30 13:22:53z", "2011-08-30t13:22:53", "2011-08-30t13:22:53z07:00"} {
		if _, err := compile(wrong); err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}

// The times of a filter hold every call that passes.
func TestTimes(t *testing.T) {
	span := func(from, before string) string {
		return `"startedAt": {"from": "2026-03-` + from + `T00:00:00Z", "before": "2026-03-` + before + `T00:00:00Z"}`
	}
	for text, want := range map[string]string{
		`{}`:                                  "",
		`{"startedAt": {}}`:                   "",
		`{` + span("10", "20") + `}`:          "10-20",
		`{"not": {` + span("10", "20") + `}}`: "",
		`{"anyOf": [{` + span("10", "12") + `}, {` + span("15", "20") + `}]}`:                           "10-20",
		`{"anyOf": [{` + span("10", "12") + `}, {}]}`:                                                   "",
		`{` + span("11", "18") + `, "anyOf": [{` + span("10", "12") + `}, {` + span("15", "20") + `}]}`: "11-18",
		`{` + span("14", "18") + `, "anyOf": [{` + span("10", "12") + `}]}`:                             "14-12",
	} {
		f, err := Compile("filter", input(t, text))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if f.times != always {
			got = day(f.times.from) + "-" + day(f.times.before)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func day(ms int64) string { return time.UnixMilli(ms).UTC().Format("02") }

// Numbers are equal by their value, and nothing that is well-formed takes long.
func TestDecimals(t *testing.T) {
	for _, same := range [][]string{
		{"0", "-0", "0.0", "0e10", "0.000e-5"},
		{"1", "1.0", "1e0", "10e-1", "0.1e1", "1E+0", "100e-2"},
		{"-12.5", "-125e-1", "-1.25e1"},
		{"1200", "12e2", "1.2e3"},
		{"1e999999", "10e999998"},
	} {
		for _, number := range same {
			if decimalOf(number) != decimalOf(same[0]) {
				t.Errorf("%s is not %s", number, same[0])
			}
		}
	}
	different := []string{
		"0", "1", "-1", "10", "0.1", "1e99999999999999999999", "2e99999999999999999999", "9007199254740993",
		"9007199254740992",
	}
	for i, a := range different {
		for _, b := range different[:i] {
			if decimalOf(a) == decimalOf(b) {
				t.Errorf("%s is %s", a, b)
			}
		}
	}
}
