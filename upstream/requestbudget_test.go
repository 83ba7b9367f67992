package upstream

import (
	"errors"
	"sync"
	"sync/atomic"
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

// A request that is refused takes nothing. So one that is given back can be taken by another, also if many are refused
// meanwhile.
func TestRefusedRequestsAreNotCounted(t *testing.T) {
	free := func() time.Duration { return 0 }
	costly := func() time.Duration { return time.Second }
	for name, test := range map[string]*RequestBudget{
		"alone":                         NewRequestBudget(3),
		"a part, which cannot pay":      NewRequestBudget(10).Charging(3, costly),
		"a part, and nothing around it": NewRequestBudget(3).Charging(1, free),
		"a part of the endless":         (*RequestBudget)(nil).Charging(3, costly),
	} {
		t.Run(name, func(t *testing.T) {
			takeMany := func() (taken int) {
				var some atomic.Int64
				var all sync.WaitGroup
				for range 100 {
					all.Go(func() {
						if test.Take() == nil {
							some.Add(1)
						}
					})
				}
				all.Wait()
				return int(some.Load())
			}
			if taken := takeMany(); taken != 3 || test.Used() != 3 {
				t.Errorf("%d are taken, and %d are used", taken, test.Used())
			}
			test.GiveBack()
			if taken := takeMany(); taken != 1 || test.Used() != 3 {
				t.Errorf("one was given back: %d are taken, and %d are used", taken, test.Used())
			}
		})
	}
}
