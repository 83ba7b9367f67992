package report

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// progress tells whoever waits.
func Progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// decimals formats with so many places after the point.
func Decimals(places int) func(float64) string {
	return func(n float64) string { return strconv.FormatFloat(n, 'f', places, 64) }
}

func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// percentile is the least of sorted values that so many percent do not exceed.
func Percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)*percent+99)/100-1]
}

func Milliseconds(d time.Duration) string { return Decimals(2)(float64(d) / 1e6) }

func Mebibytes(bytes int) string { return Decimals(1)(float64(bytes) / (1 << 20)) }

// table is Markdown that holds tables, whose first column is text and whose others are numbers.
type Table struct{ text strings.Builder }

// head begins a table.
func (t *Table) Head(cells ...string) {
	t.text.WriteByte('\n')
	t.Row(cells...)
	t.Row(append([]string{"---"}, slices.Repeat([]string{"---:"}, len(cells)-1)...)...)
}

func (t *Table) Row(cells ...string) {
	t.text.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// printf adds text between the tables.
func (t *Table) Printf(format string, args ...any) { fmt.Fprintf(&t.text, format, args...) }

// String returns the Markdown.
func (t *Table) String() string { return t.text.String() }
