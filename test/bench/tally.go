package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// tally sums up replies.
type tally struct {
	took   []time.Duration // sorted
	fresh  int
	oldest time.Duration // of the pages of fresh answers, as they came
	ages   []float64     // in seconds, that stale answers tell
	codes  map[string]int
}

func newTally(replies []reply) *tally {
	t := &tally{codes: map[string]int{}}
	for _, r := range replies {
		t.took = append(t.took, r.took)
		switch {
		case r.err != nil:
			t.codes["none or wrong"]++
		case r.code != "":
			t.codes[r.code]++
		case r.stale != nil:
			t.ages = append(t.ages, *r.stale)
		default:
			t.fresh++
			t.oldest = max(t.oldest, r.at().Sub(r.asked))
		}
	}
	slices.Sort(t.took)
	return t
}

// errors is how many of which there were.
func (t *tally) errors() string {
	texts := make([]string, 0, len(t.codes))
	for _, code := range slices.Sorted(maps.Keys(t.codes)) {
		texts = append(texts, fmt.Sprintf("%s %d", code, t.codes[code]))
	}
	if len(texts) == 0 {
		return "0"
	}
	return strings.Join(texts, ", ")
}

// latency is how long the replies took, in milliseconds.
func (t *tally) latency(percent int) string {
	if len(t.took) == 0 {
		return "–"
	}
	return milliseconds(percentile(t.took, percent))
}
