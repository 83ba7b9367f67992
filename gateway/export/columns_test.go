package export

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestSplitPath(t *testing.T) {
	for column, want := range map[string]string{
		"id": "id", "a.b": "a|b", `a\.b`: "a.b", `a\\.b`: `a\|b`, `a\\\.b`: `a\.b`, `a\b`: `a\b`, `a\`: `a\`,
		"a.": "a|", "": "", ".": "|", `\.\.`: "..",
	} {
		if got := strings.Join(splitPath(column), "|"); got != want {
			t.Errorf("%q became %q", column, got)
		}
	}
}

// A key that contains dots is found, and takes precedence over a path of the same text.
func TestColumnsWithDots(t *testing.T) {
	for _, test := range []struct{ name, value, column, want string }{
		{"a key with a dot", `{"a.b":1}`, "a.b", "1"},
		{"a path", `{"a":{"b":2}}`, "a.b", "2"},
		{"both", `{"a":{"b":2},"a.b":1}`, "a.b", "1"},
		{"the key is null", `{"a":{"b":2},"a.b":null}`, "a.b", "null"},
		{"an escaped dot is the key's", `{"a":{"b":2},"a.b":1}`, `a\.b`, "1"},
		{"and no path's", `{"a":{"b":2}}`, `a\.b`, "null"},
		{"a key inside", `{"x":{"a.b":{"c.d":3}}}`, "x.a.b.c.d", "3"},
		{"the longest key", `{"a.b.c":1,"a.b":{"c":2},"a":{"b.c":3}}`, "a.b.c", "1"},
		{"the longer key", `{"a.b":{"c":2},"a":{"b.c":3}}`, "a.b.c", "2"},
		{"a long key that does not lead on", `{"a.b":{"x":2},"a":{"b.c":3}}`, "a.b.c", "3"},
		{"an escaped dot on the way", `{"a.b":{"c":2},"a":{"b.c":3}}`, `a.b\.c`, "3"},
		{"a key that ends in a dot", `{"a.":5}`, "a.", "5"},
		{"an empty key", `{"a":{"":5}}`, "a.", "5"},
		{"a backslash", `{"a\\":{"b":5}}`, `a\\.b`, "5"},
		{"in a list", `{"a":[{"b.c":6}]}`, "a.0.b.c", "6"},
		{"a number beyond 2^53", `{"a.b":9007199254740993}`, "a.b", "9007199254740993"},
		{"a place with a sign", `{"a":[7]}`, "a.+0", "null"},
		{"a place that is not there", `{"a":[7]}`, "a.1", "null"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := newRows(RowOptions{Format: NDJSON, Columns: []string{"out." + test.column}}, jsonFields("out"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.lines([]jsontext.Value{[]byte(`{"out":` + test.value + `}`)}, true)
			want := "{" + string(quote("out."+test.column)) + ":" + test.want + "}\n"
			if err != nil || string(got) != want {
				t.Errorf("%v, got %s and not %s", err, got, want)
			}
		})
	}
}

// A column that can have no value, whatever the calls are, is rejected. The error names similar columns.
func TestColumnsThatLeadNowhere(t *testing.T) {
	for _, test := range []struct{ name, query, column, want string }{
		{"no such field", "", "statsu", `there is no "statsu" (did you mean "status"?): a Call has id, status,`},
		{"another case", "", "Status", `did you mean "status"?`},
		{"a space before it", "", " status", `did you mean "status"?`},
		{"nothing", "", "", `there is no "": a Call has id, `},
		{"into a text", "", "id.x", "id has the type ID, which has no fields"},
		{"into a time", "", "startedAt.year", "startedAt has the type DateTime, which has no fields"},
		{"into an enum", "", "status.0", "status has the type CallStatus, which has no fields"},
		{
			"a list without a place", "", "transcript.content",
			`transcript is a list: a position follows it, like transcript.0, and not "content"`,
		},
		{"a place that is none", "", "transcript.-1.content", `and not "-1"`},
		{"no such field in a list", "", "transcript.0.text", `there is no "text"`},
		{"into a text in a list", "", "transcript.0.content.x", "content has the type String, which has no fields"},
		{"not selected", "{ calls { nodes { id } } }", "status", `there is no "status": the document selects id`},
		{
			"not selected in a list", "{ calls { nodes { transcript { role } } } }", "transcript.0.content",
			`there is no "content": the document selects role`,
		},
		{"a name that has become another", "{ calls { nodes { state: status } } }", "status", `(did you mean "state"?)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := (&engine{calls: 1}).options(t)
			var err error
			if o.Request.Query = test.query; test.query == "" {
				o.Request.Query, err = Compose(o.Schema, []string{test.column})
			}
			o.Rows.Columns = []string{test.column}
			if err == nil {
				var out strings.Builder
				err = Walk(t.Context(), o, &out)
				if _, usage := errors.AsType[*UsageError](err); !usage || out.Len() > 0 {
					t.Errorf("it is no error of usage, or it writes %s", &out)
				}
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
	for _, test := range []struct{ query, column string }{
		{"{ calls { nodes { transcript { role } ...on Call { transcript { content } } } } }", "transcript.0.content"},
		{"{ calls { nodes { transcript { role } } } }", "transcript.7"},
		{"{ calls { nodes { transcript { toolArguments } } } }", "transcript.0.toolArguments.a.0"},
		{"{ calls { nodes { __typename } } }", "__typename"},
	} {
		d, err := prepare(loadSchema(t), Request{Query: test.query}, 7)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newRows(RowOptions{Columns: []string{test.column}}, d.fields); err != nil {
			t.Errorf("%s of %s: %v", test.column, test.query, err)
		}
	}
}

// A column without a value in any call, such as a misspelt one, is reported, also by a run that has resumed the walk.
func TestEmptyColumns(t *testing.T) {
	for _, test := range []struct {
		name    string
		calls   int
		columns string
		want    string
	}{
		{"none", 5, "id,extra.a", ""},
		{"one", 5, "id,extra.typo", "no call has a value for extra.typo"},
		{"two", 5, "extra.a.0,extra.typo,extra.a.7", "no call has a value for extra.typo, extra.a.7"},
		{"with a value in the first call only", 5, "extra.first", ""},
		{"with a value in the last call only", 5, "extra.last", ""},
		{"of no calls", 0, "extra.typo", ""},
	} {
		for _, format := range []Format{NDJSON, CSV} {
			t.Run(test.name+" "+string(format), func(t *testing.T) {
				var reported []string
				options := func(e *engine) *Options {
					o := e.options(t)
					o.Rows = RowOptions{Format: format, Columns: strings.Split(test.columns, ",")}
					o.Notify = func(line string) { reported = append(reported, line) }
					return o
				}
				var out strings.Builder
				err := Walk(t.Context(), options(&engine{calls: test.calls}), &out)
				if err != nil || strings.Join(reported, "|") != test.want {
					t.Errorf("%v, reported %q", err, reported)
				}
				if test.calls == 0 {
					return
				}
				path := t.TempDir() + "/calls"
				interrupted := &engine{calls: test.calls, failures: []string{"", "", failure("FORBIDDEN", "")}}
				if err := WalkFile(t.Context(), options(interrupted), path); err == nil {
					t.Error("it was not interrupted")
				}
				reported = nil
				if err := WalkFile(t.Context(), options(&engine{calls: test.calls}), path); err != nil {
					t.Error(err)
				}
				if got := strings.Join(reported, "|"); got != strings.TrimSuffix("resuming after 4 calls|"+test.want, "|") {
					t.Errorf("after an interruption it reported %q", reported)
				}
			})
		}
	}
}
