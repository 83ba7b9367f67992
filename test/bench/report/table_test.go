package report

import (
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for name, test := range map[string]struct {
		sorted  []time.Duration
		percent int
		want    time.Duration
	}{
		"the median of a hundred": {hundred, 50, 50},
		"the 99th":                {hundred, 99, 99},
		"the most":                {hundred, 100, 100},
		"of one":                  {hundred[:1], 1, 1},
		"of two":                  {hundred[:2], 50, 1},
		"above half of two":       {hundred[:2], 51, 2},
		"the 99th of ten":         {hundred[:10], 99, 10},
	} {
		if got := Percentile(test.sorted, test.percent); got != test.want {
			t.Errorf("%s is %d, not %d", name, got, test.want)
		}
	}
}
