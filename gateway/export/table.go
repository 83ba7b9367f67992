package export

import (
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/rivo/uniseg"
)

const (
	// maxCellWidth is the widest cell of a table, in columns of a terminal. Longer texts are cut.
	maxCellWidth = 48
	// emptyWidth is the width of a column without a value in the first calls: that of a time.
	emptyWidth = len("2026-11-25T08:00:00.000Z")
)

// table writes calls as a table for people. The first calls decide the widths of the columns, so that the table begins
// before all calls are read. Wider texts of later calls are cut.
func (r *rows) table(calls []jsontext.Value, header bool) error {
	lines := make([][]string, 0, 1+len(calls))
	for _, call := range calls {
		fields, err := object(call)
		if err != nil {
			return err
		}
		line := make([]string, len(r.paths))
		for i := range r.paths {
			text, err := plainText(r.value(i, fields))
			if err != nil {
				return err
			}
			line[i] = printable(text)
		}
		lines = append(lines, line)
	}
	if r.widths == nil {
		r.widths = widths(lines, r.Columns)
	}
	if header {
		lines = slices.Insert(lines, 0, r.Columns)
	}
	for _, line := range lines {
		var b strings.Builder
		for i, text := range line {
			text, width := cut(text, r.widths[i])
			b.WriteString(text + strings.Repeat(" ", r.widths[i]-width+2))
		}
		r.buffer.WriteString(strings.TrimRight(b.String(), " "))
		r.buffer.WriteByte('\n')
	}
	return nil
}

// widths returns the widths of columns in which their names and some lines fit, up to the widest cell.
func widths(lines [][]string, columns []string) []int {
	widths := make([]int, len(columns))
	for _, line := range lines {
		for i, text := range line {
			widths[i] = max(widths[i], uniseg.StringWidth(text))
		}
	}
	for i, name := range columns {
		if widths[i] == 0 {
			widths[i] = emptyWidth
		}
		widths[i] = min(max(widths[i], uniseg.StringWidth(name)), maxCellWidth)
	}
	return widths
}

// cut shortens a text that is wider than a column, and returns the width of the result.
func cut(text string, width int) (string, int) {
	if is := uniseg.StringWidth(text); is <= width {
		return text, is
	}
	var b strings.Builder
	used, state := 0, -1
	for rest := text; rest != ""; {
		var cluster string
		var is int
		cluster, rest, is, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used+is > width-1 {
			break
		}
		b.WriteString(cluster)
		used += is
	}
	b.WriteString("…")
	return b.String(), used + 1
}

// printable replaces what moves the cursor of a terminal, changes its state or turns the direction of text around: a
// cell may hold what somebody said on the phone.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			return ' '
		}
		return c
	}, text)
}
