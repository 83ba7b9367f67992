// Package report prints figures as Markdown tables.
package report

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Progress prints a line to standard error.
func Progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// Decimals returns a function that formats numbers with so many decimal places.
func Decimals(places int) func(float64) string {
	return func(n float64) string { return strconv.FormatFloat(n, 'f', places, 64) }
}

// Median returns the median of values.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Percentile returns the least of the sorted values that at least so many percent of the values do not exceed.
func Percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)*percent+99)/100-1]
}

// Milliseconds formats a duration in milliseconds with two decimal places.
func Milliseconds(d time.Duration) string { return Decimals(2)(float64(d) / 1e6) }

// Mebibytes formats a number of bytes in MiB with one decimal place.
func Mebibytes(bytes int) string { return Decimals(1)(float64(bytes) / (1 << 20)) }

// Table is Markdown with tables. The first column of each is text, the others are numbers.
type Table struct{ text strings.Builder }

// Head begins a table.
func (t *Table) Head(cells ...string) {
	t.text.WriteByte('\n')
	t.Row(cells...)
	t.Row(append([]string{"---"}, slices.Repeat([]string{"---:"}, len(cells)-1)...)...)
}

// Row adds a row.
func (t *Table) Row(cells ...string) {
	t.text.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// Printf adds text between the tables.
func (t *Table) Printf(format string, args ...any) { fmt.Fprintf(&t.text, format, args...) }

// String returns the Markdown.
func (t *Table) String() string { return t.text.String() }
