package export

import (
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Calls that started before Since are left out, and a hundred of them in a row end the walk. Calls without a start
// time are written, and do not affect the count.
func TestSince(t *testing.T) {
	since := time.Date(2026, time.November, 25, 8, 0, 0, 0, time.UTC)
	const (
		before, after = `"2026-11-25T07:59:59.999Z"`, `"2026-11-25T08:00:00Z"`
		elsewhere     = `"2026-11-25T09:30:00+02:00"` // 07:30 UTC
	)
	times := func(n int, started string) []string { return slices.Repeat([]string{started}, n) }
	for name, test := range map[string]struct {
		pages [][]string
		kept  int
		past  bool
	}{
		"after":           {[][]string{times(300, after)}, 300, false},
		"before":          {[][]string{times(100, before)}, 0, true},
		"too few before":  {[][]string{times(99, before)}, 0, false},
		"several pages":   {[][]string{times(60, before), times(40, elsewhere)}, 0, true},
		"one in between":  {[][]string{times(60, before), times(1, after), times(99, before)}, 1, false},
		"queued calls":    {[][]string{times(60, before), times(200, "null"), times(40, before)}, 200, true},
		"none started":    {[][]string{times(300, "null")}, 300, false},
		"unreadable":      {[][]string{times(150, `"soon"`), times(150, "7")}, 300, false},
		"one at the end":  {[][]string{slices.Concat(times(150, before), times(1, after))}, 1, false},
		"nothing at all ": {[][]string{nil}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := &walk{Options: &Options{Since: since}, document: &document{started: "at"}}
			kept, past := 0, false
			for _, page := range test.pages {
				var calls []jsontext.Value
				for _, started := range page {
					calls = append(calls, jsontext.Value(`{"at":`+started+`}`))
				}
				var recent []jsontext.Value
				recent, past = w.recent(calls)
				kept += len(recent)
			}
			if kept != test.kept || past != test.past {
				t.Errorf("%d, %t", kept, past)
			}
		})
	}
}
