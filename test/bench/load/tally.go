package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"revox-graphql/test/bench/report"
)

// Tally sums up replies.
type Tally struct {
	latencies []time.Duration // sorted
	Fresh     int
	Oldest    time.Duration // greatest age of a page in a fresh response, on arrival
	Ages      []float64     // of stale responses, in seconds
	Codes     map[string]int
}

// NewTally sums up replies.
func NewTally(replies []Reply) *Tally {
	t := &Tally{Codes: map[string]int{}}
	for _, r := range replies {
		t.latencies = append(t.latencies, r.Latency)
		switch {
		case r.Err != nil:
			t.Codes["none or incorrect"]++
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

// Errors returns the number of replies with each error code, or "0".
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

// Latency returns a percentile of the latencies, in milliseconds.
func (t *Tally) Latency(percent int) string {
	if len(t.latencies) == 0 {
		return "–"
	}
	return report.Milliseconds(report.Percentile(t.latencies, percent))
}
