package stress

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"revox-graphql/test/bench/load"
)

// The table has a row for each scenario, the broken rules, and the kind of memory limit.
func TestStressTable(t *testing.T) {
	calm := newNormalReplies([]load.Reply{{Latency: time.Millisecond}}, []load.Reply{{Latency: 2 * time.Millisecond}})
	busy := newNormalReplies(
		[]load.Reply{{Latency: 3 * time.Millisecond}, {Latency: 5 * time.Millisecond}},
		[]load.Reply{{Latency: 7 * time.Millisecond}},
	)
	o := &options{}
	if got := o.table(); got != "" {
		t.Errorf("without results: %s", got)
	}
	series := slices.Repeat([]int{20 << 20, 10 << 20, 30 << 20}, 40)
	o.results = []result{
		{name: "names", requests: 12, atOnce: 3, before: calm, during: busy, peak: 100 << 20, group: 90 << 20},
		{name: "large", err: errors.New("killed"), notes: []string{"cut 2"}},
		{name: everythingName, before: calm, during: busy, series: series},
	}
	text := o.table()
	for _, want := range []string{
		"In a control group of 1024 MiB.\n",
		"| names | 12 | 3 | 0 | 1.00 / 3.00 | 1.00 / 5.00 | 2.00 / 7.00 | 2.00 / 7.00 | 100.0 / 90.0 | passed |\n",
		"| large | – | – | – | – | – | – | – | – | FAILED; cut 2 |\n",
		"\nlarge: killed.\n",
		"| 1 | 10.0 | 20.0 | 30.0 |\n| 2 | 10.0 | 20.0 | 30.0 |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	o.goMemLimit = "900MiB"
	if text := o.table(); !strings.Contains(text, "with GOMEMLIMIT=900MiB.") {
		t.Error(text)
	}
	o.fallback = "not allowed"
	if text := o.table(); !strings.Contains(text, "Without a control group (not allowed)") {
		t.Error(text)
	}
}

// Memory that still grows in the second half is an error, caches that fill in the first half are not.
func TestFlat(t *testing.T) {
	series := func(minutes int, mebibytes func(second int) int) []int {
		all := make([]int, minutes*60)
		for i := range all {
			all[i] = mebibytes(i) << 20
		}
		return all
	}
	for name, test := range map[string]struct {
		series []int
		flat   bool
	}{
		"flat":                 {series(10, func(int) int { return 400 }), true},
		"caches fill":          {series(10, func(i int) int { return min(i, 300) * 2 }), true},
		"a peak":               {series(10, func(i int) int { return 100 + i/590*700 }), true},
		"it grows":             {series(10, func(i int) int { return 100 + i }), false},
		"it grows by little":   {series(10, func(i int) int { return 10 + i/15 }), true},
		"too short to tell":    {series(5, func(i int) int { return 100 + i }), true},
		"an incomplete minute": {append(series(10, func(int) int { return 100 }), 900<<20), true},
		"nothing":              {nil, true},
	} {
		if err := flat(test.series); (err == nil) != test.flat {
			t.Errorf("%s: %v", name, err)
		}
	}
}
