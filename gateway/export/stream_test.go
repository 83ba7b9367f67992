package export

import (
	"strings"
	"syscall"
	"testing"
)

// room is a writer that accepts so many bytes.
type room struct {
	strings.Builder
	left int
}

func (r *room) Write(p []byte) (int, error) {
	n, _ := r.Builder.Write(p[:min(len(p), r.left)])
	if r.left -= n; n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// A walk to standard output that stops says how to continue without a call that is lost, comes twice or is cut off.
func TestGoingOnWithAStream(t *testing.T) {
	page := len(lines(t, 9)) / 4 // of two calls: a little more, since the first and the last call have more
	const again = "calls changed places during the walk, or Revox lists some twice: 1 calls are in the output more " +
		"than once"
	for _, test := range []struct {
		name     string
		rows     RowOptions
		after    string
		room     int
		failures []string
		want     []string
	}{
		{
			"no room from the beginning",
			RowOptions{},
			"", 0, nil,
			[]string{"stopped after 0 calls: ", "; nothing was written"},
		},
		{"room for half a line", RowOptions{}, "", 10, nil, []string{"the output is incomplete: start again"}},
		{
			"room for half a line behind a cursor",
			RowOptions{},
			"2", 10, nil,
			[]string{"the output after these 0 calls is incomplete: remove it, and continue with --after 2"},
		},
		{
			"room for a page and a half",
			RowOptions{},
			"", page * 3 / 2, nil,
			[]string{"stopped after 2 calls: ", "after these 2 calls is incomplete: remove it, and continue with --after 2"},
		},
		{"upstream", RowOptions{}, "", 1e6, []string{"", failure("FORBIDDEN", "")}, []string{"; continue with --after 2"}},
		{
			"with a header",
			RowOptions{Format: CSV, Header: true},
			"", 1e6,
			[]string{"", failure("FORBIDDEN", "")},
			[]string{"; continue with --no-header --after 2"},
		},
		{
			"without one",
			RowOptions{Format: CSV},
			"", 1e6,
			[]string{"", failure("FORBIDDEN", "")},
			[]string{"; continue with --after 2"},
		},
		{
			"with a header that was not written",
			RowOptions{Format: CSV, Header: true},
			"2", 1e6,
			[]string{failure("FORBIDDEN", "")},
			[]string{"stopped after 0 calls: ", "; continue with --after 2"},
		},
		{
			"with half a header",
			RowOptions{Format: CSV, Header: true},
			"2", 5, nil,
			[]string{"the output after these 0 calls is incomplete: remove it, and continue with --after 2"},
		},
		{
			"after calls that came twice",
			RowOptions{},
			"", 1e6,
			[]string{answered("2", "", "0", "0"), failure("FORBIDDEN", "")},
			[]string{"; continue with --after 2\n" + again},
		},
		{
			"and with a cursor that is lost",
			RowOptions{},
			"", 1e6,
			[]string{answered("2", "", "0", "0"), failure("CURSOR_EXPIRED", "")},
			[]string{"; start again without a cursor\n" + again},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := (&engine{calls: 9, failures: test.failures}).options(t)
			o.Rows, o.After = test.rows, test.after
			if o.Rows.Format == "" {
				o.Rows.Format = NDJSON
			}
			err := Walk(t.Context(), o, &room{left: test.room})
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("it ended with %v, without %q", err, want)
				}
			}
		})
	}
}

// Lines that continue a stream have neither a header nor a byte order mark, which would be text in its middle: the
// joined output is that of a walk without an interruption.
func TestJoinedStreams(t *testing.T) {
	for _, header := range []bool{true, false} {
		walk := func(after string, header bool, failures ...string) (string, error) {
			o := (&engine{calls: 5, failures: failures}).options(t)
			o.After, o.Rows = after, RowOptions{Format: CSV, Header: header, BOM: true}
			var out strings.Builder
			err := Walk(t.Context(), o, &out)
			return out.String(), err
		}
		want, err := walk("", header)
		if err != nil || !strings.HasPrefix(want, byteOrderMark) {
			t.Fatalf("%q, %v", want, err)
		}
		first, _ := walk("", header, "", failure("FORBIDDEN", ""))
		rest, err := walk("2", false)
		if got := first + rest; err != nil || got != want {
			t.Errorf("got %q, and not %q; %v", got, want, err)
		}
		if own, err := walk("2", true); err != nil || !strings.HasPrefix(own, byteOrderMark+"id,") {
			t.Errorf("an output with its own header: %q, %v", own, err)
		}
	}
}
