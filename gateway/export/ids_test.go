package export

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// A call that comes once before an interruption and once after it is counted as coming twice, if the lines have its
// id.
func TestTwiceAcrossRuns(t *testing.T) {
	for _, test := range []struct {
		name, query string
		rows        RowOptions
		noticed     bool
	}{
		{"whole calls", "{ calls { nodes { extra id } } }", RowOptions{Format: NDJSON}, true},
		{"columns", "", RowOptions{Format: NDJSON, Columns: []string{"extra.id", "id"}}, true},
		{"another column", "", RowOptions{Format: NDJSON, Columns: []string{"extra.id"}}, false},
		{"CSV", "", RowOptions{Format: CSV, Header: true}, true},
		{"CSV without a header", "", RowOptions{Format: CSV, Columns: []string{"extra", "id"}}, true},
		{"CSV of another column", "", RowOptions{Format: CSV, Columns: []string{"extra"}}, false},
		{"no id", "{ calls { nodes { extra } } }", RowOptions{Format: CSV}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "calls")
			walk := func(answers ...string) error {
				o := (&engine{calls: 5, failures: answers}).options(t)
				if o.Rows = test.rows; test.query != "" {
					o.Request.Query = test.query
				}
				return WalkFile(t.Context(), o, path)
			}
			// The first of these ids is like a formula, so that CSV has a quote before it.
			if err := walk(answered("2", "", "=8", "7"), failure("FORBIDDEN", "")); err == nil {
				t.Fatal("it was not interrupted")
			}
			err := walk(answered("4", "", "=8", "9"))
			if !test.noticed && err != nil {
				t.Errorf("it ended with %v", err)
			}
			if test.noticed && (!errors.Is(err, ErrReordered) || !strings.Contains(err.Error(), "twice: 1 calls are")) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}
