package upstream

import (
	"errors"
	"testing"
	"time"
)

// What is beyond the free requests is charged, and taken from the budget around it too. A refusal is the part's
// own, so that a request which shares a fetch with others can tell it from theirs.
func TestChargingRequestBudgets(t *testing.T) {
	const free = 2
	for name, test := range map[string]struct {
		within     *RequestBudget
		pays       int // requests
		taken      int
		charged    int
		limit      int
		retryAfter time.Duration
		spent      bool
	}{
		"it pays for three":             {NewRequestBudget(10), 3, 5, 4, free, time.Second, false},
		"it pays, and nothing is left":  {NewRequestBudget(4), 9, 4, 2, 4, 0, true},
		"nothing is left for it":        {NewRequestBudget(1), 9, 1, 0, 1, 0, true},
		"it pays for three, of endless": {nil, 3, 5, 4, free, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			charged := 0
			a := test.within.Charging(free, func() time.Duration {
				if charged++; charged > test.pays {
					return time.Second
				}
				return 0
			})
			taken := 0
			err := a.Take()
			for ; err == nil; err = a.Take() {
				taken++
			}
			refused, ok := errors.AsType[*RequestBudgetError](err)
			if !ok || refused.Limit != test.limit || refused.RetryAfter != test.retryAfter || !a.Refused(refused) ||
				test.within != nil && test.within.Refused(refused) {
				t.Errorf("refused with %#v", err)
			}
			if taken != test.taken || charged != test.charged || a.Spent() != test.spent {
				t.Errorf("%d are taken, %d charged; spent: %v", taken, charged, a.Spent())
			}
			if used := test.within.Used(); test.within != nil && used != test.taken {
				t.Errorf("%d are used of what is around it", used)
			}
			a.GiveBack()
			if used := test.within.Used(); test.within != nil && !test.spent && used != test.taken-1 {
				t.Errorf("%d are used after one is given back", used)
			}
		})
	}
}
