package export

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// A table has columns of the same width on every page, whatever the calls hold.
func TestTable(t *testing.T) {
	call := func(id, text string) jsontext.Value {
		return jsontext.Value(`{"id":"` + id + `","text":"` + text + `","none":null,"data":{ "n" : 1 }}`)
	}
	r, err := newRows(RowOptions{Format: Table, Header: true}, jsonFields("id", "text", "none", "data"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := r.lines([]jsontext.Value{call("1", "=short"), call("2", "日本 👩‍👧")}, true)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"id  text     none                      data", // nothing more: the spaces at the end of a line are left out
		`1   =short                             {"n":1}`,
		`2   日本 👩‍👧                            {"n":1}`,
		"",
	}, "\n")
	if string(first) != want {
		t.Errorf("got\n%s\nwant\n%s", first, want)
	}
	then, err := r.lines([]jsontext.Value{
		call("100", "much longer"), call("3", `a\u001b[2J\nb\u202e`), call("4", "日本日本日本"),
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	want = strings.Join([]string{
		`1…  much l…                            {"n":1}`,
		`3   a [2J …                            {"n":1}`,
		`4   日本日…                            {"n":1}`,
		"",
	}, "\n")
	if string(then) != want {
		t.Errorf("got\n%s\nwant\n%s", then, want)
	}
	long, err := newRows(RowOptions{Format: Table}, jsonFields("text"))
	if err != nil {
		t.Fatal(err)
	}
	line, err := long.lines([]jsontext.Value{call("1", strings.Repeat("x", 100))}, true)
	if err != nil || string(line) != strings.Repeat("x", maxCellWidth-1)+"…\n" {
		t.Errorf("%s, %v", line, err)
	}
}

// A byte order mark comes before everything else, once, and does not hide the ids of an earlier run.
func TestByteOrderMark(t *testing.T) {
	for _, header := range []bool{true, false} {
		r, err := newRows(RowOptions{Format: CSV, Header: header, BOM: true, Columns: []string{"id,x", "id"}},
			jsonFields("id,x", "id"))
		if err != nil {
			t.Fatal(err)
		}
		call := jsontext.Value(`{"id,x":"a,b","id":"1"}`)
		first, err := r.lines([]jsontext.Value{call}, true)
		want := byteOrderMark + `"a,b",1` + "\n"
		if header {
			want = byteOrderMark + `"id,x",id` + "\n" + `"a,b",1` + "\n"
		}
		if err != nil || string(first) != want {
			t.Errorf("%q, %v", first, err)
		}
		s := newIDs("id")
		s.learn(bytes.NewReader(first), r)
		if s.twice([]jsontext.Value{call}) != 1 {
			t.Error("the id of an earlier run is not known")
		}
		if then, err := r.lines([]jsontext.Value{call}, false); err != nil || string(then) != `"a,b",1`+"\n" {
			t.Errorf("%q, %v", then, err)
		}
	}
}
