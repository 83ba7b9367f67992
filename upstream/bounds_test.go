package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// listOf is a response with the row, repeated.
func listOf(row string, times int) string {
	return `{"calls":[` + strings.TrimSuffix(strings.Repeat(row+",", times), ",") + `]}`
}

// withFields is an object with an id and so many other fields, each repeated so often.
func withFields(fields, times int) string {
	var b strings.Builder
	b.WriteString(`{"id":"a"`)
	for range times {
		for i := range fields {
			fmt.Fprintf(&b, `,"f%d":%d`, i, i)
		}
	}
	return b.String() + "}"
}

// withEntries is a call with so many entries in its transcript.
func withEntries(entry string, entries int) string {
	return `{"id":"a","transcript":[` + strings.TrimSuffix(strings.Repeat(entry+",", entries), ",") + `]}`
}

// What a response may have of anything is bounded. More than that costs the row, or a page of fewer rows is requested.
func TestResponsesAreBounded(t *testing.T) {
	const size = 24
	none, id := `{}`, `{"id":"a"}`
	tests := map[string]struct {
		body    string
		asked   int // rows; 0 is size
		rows    int
		problem string // of the first row
		err     error
	}{
		"as many rows as asked for": {body: listOf(id, size), rows: size},
		"one more":                  {body: listOf(id, size+1), rows: size + 1},
		"as many as are counted":    {body: listOf(id, MaxCountedRows), rows: MaxCountedRows},
		"5.6 million rows":          {body: listOf(none, 5_600_000), rows: MaxCountedRows, problem: "it has no id"},
		"a list of many, and a shorter": {
			body: `{"calls":[` + strings.Repeat("0,", 5000) + `0],"calls":[` + id + `]}`, rows: 1,
		},
		"as many fields as read": {body: listOf(withFields(maxFields-1, 1), 1), rows: 1},
		"one field more": {
			body: listOf(withFields(maxFields, 1), 1), rows: 1, problem: "it has too many fields",
		},
		"a million fields": {
			body: listOf(withFields(1_000_000, 1), 1), rows: 1, problem: "it has too many fields",
		},
		"a million times one field": {
			body: listOf(withFields(1, 1_000_000), 1), rows: 1, problem: "it has too many fields",
		},
		"fields of an entry": {
			body: listOf(withEntries(withFields(maxFields, 1), 2), 1), rows: 1,
			problem: "an entry of its transcript has too many fields",
		},
		"as many entries as read": {body: listOf(withEntries("0", maxEntries), 1), rows: 1},
		"one entry more": {
			body: listOf(withEntries("0", maxEntries+1), 1), rows: 1, problem: "its transcript has too many entries",
		},
		"8 million entries": {
			body: listOf(withEntries("0", 8_000_000), 1), rows: 1, problem: "its transcript has too many entries",
		},
		"as many entries as a small page can have": { // package rest halves no smaller page
			body: listOf(withEntries("0", maxEntries), 23), asked: 23, rows: 23,
		},
		"more entries in all": {body: listOf(withEntries("0", maxEntries), 200), asked: 200, err: ErrTooLarge},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			body := []byte(test.body)
			asked := cmp.Or(test.asked, size)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			page, _, err := ParsePage(t.Context(), body, asked)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, test.err) {
				t.Fatalf("got %v", err)
			}
			// The text, and an index that grows by doubling.
			if took := after.TotalAlloc - before.TotalAlloc; took > uint64(4*len(body))+64<<20 {
				t.Errorf("a response of %d bytes took %d", len(body), took)
			}
			if err != nil {
				return
			}
			if len(page.Rows) != test.rows || page.Rows[0].Problem != test.problem {
				t.Errorf("got %d rows, the first has %q", len(page.Rows), page.Rows[0].Problem)
			}
		})
	}
}

// A row that is left out leaves nothing behind, and its neighbours are whole.
func TestRowsPastTheBoundsCostThemselves(t *testing.T) {
	good := func(id string) string {
		return `{"id":"` + id + `","x":"\u0041","transcript":[{"role":"user","content":"` + id + `","tool_name":1}]}`
	}
	bad := `{"id":"c","started_at":0,"transcript":[` + strings.Repeat(`{"tool_name":1},`, maxEntries) + `0]}`
	rows := readRows(t, `{"calls":[`+good("a")+","+bad+","+good("b")+`]}`)
	for i, want := range map[int]string{0: "a", 2: "b"} {
		call := rows[i].Call
		if call == nil || call.ID != want || call.JSON(FieldExtra) != `{"x":"\u0041"}` ||
			call.Entry(0).Content() != strconv.Quote(want) || call.Entry(0).ToolName() != `"1"` {
			t.Errorf("row %d: %+v", i, rows[i])
		}
	}
	if page := rows[0].Call.page; len(page.entries) != 2 || len(page.tools) != 2 || rows[1].Started != 0 {
		t.Errorf("%d entries and %d tools are kept", len(page.entries), len(page.tools))
	}
}

// Of a repeated field the last counts, in its first place, also where there are many.
func TestManyUnknownFields(t *testing.T) {
	rows := readRows(t, listOf(withFields(100, 5), 2))
	want := strings.Replace(withFields(100, 1), `"id":"a",`, "", 1)
	if got := rows[0].Call.JSON(FieldExtra); got != want {
		t.Errorf("got %s", got)
	}
}

// ending is a context that ends when it has been looked at so many times.
type ending struct {
	context.Context //nolint:containedctx // it is one
	looks           int
}

func (c *ending) Err() error {
	if c.looks--; c.looks < 0 {
		return context.Canceled
	}
	return nil
}

func TestReadingEndsWithTheContext(t *testing.T) {
	tests := map[string]string{
		"rows":         listOf(`{"id":"a"}`, 100),
		"counted rows": listOf(`{}`, 5000),
		"read twice":   listOf("\"\xff\"", 100),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			for looks := range 10 {
				ctx := &ending{t.Context(), looks}
				if _, _, err := ParsePage(ctx, []byte(body), 100); !errors.Is(err, context.Canceled) || ctx.looks != -1 {
					t.Fatalf("after %d looks: %v, %d more", looks, err, -1-ctx.looks)
				}
			}
		})
	}
}
