package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"revox-graphql/test/bench/report"
)

// tally sums up replies.
type Tally struct {
	latencies []time.Duration // sorted
	Fresh     int
	Oldest    time.Duration // of the pages of fresh answers, as they came
	Ages      []float64     // in seconds, that stale answers tell
	Codes     map[string]int
}

func NewTally(replies []Reply) *Tally {
	t := &Tally{Codes: map[string]int{}}
	for _, r := range replies {
		t.latencies = append(t.latencies, r.Latency)
		switch {
		case r.Err != nil:
			t.Codes["none or wrong"]++
		case r.Code != "":
			t.Codes[r.Code]++
		case r.Stale != nil:
			t.Ages = append(t.Ages, *r.Stale)
		default:
			t.Fresh++
			t.Oldest = max(t.Oldest, r.At().Sub(r.ReadAt))
		}
	}
	slices.Sort(t.latencies)
	return t
}

// errors is how many of which there were.
func (t *Tally) Errors() string {
	texts := make([]string, 0, len(t.Codes))
	for _, code := range slices.Sorted(maps.Keys(t.Codes)) {
		texts = append(texts, fmt.Sprintf("%s %d", code, t.Codes[code]))
	}
	if len(texts) == 0 {
		return "0"
	}
	return strings.Join(texts, ", ")
}

// latency is how long the replies took, in milliseconds.
func (t *Tally) Latency(percent int) string {
	if len(t.latencies) == 0 {
		return "–"
	}
	return report.Milliseconds(report.Percentile(t.latencies, percent))
}
