package upstream

import (
	"fmt"
	"sync/atomic"
	"time"
)

// RequestBudget bounds the requests to upstream that one request of a client may cause, whatever they are for: pages,
// probes and retries. A nil RequestBudget is endless. It is safe for concurrent use.
type RequestBudget struct {
	limit int
	used  atomic.Int64

	charge func() (retryAfter time.Duration) // nil: no request goes beyond the limit
	within *RequestBudget                    // what is charged is taken from here too; may be nil
}

// NewRequestBudget allows limit requests.
func NewRequestBudget(limit int) *RequestBudget { return &RequestBudget{limit: limit} }

// Charging is a part of a budget. Each of its requests beyond the free ones is charged for; charge returns 0, or where
// it refuses, the time after which to try again. It may be called concurrently.
func (b *RequestBudget) Charging(free int, charge func() (retryAfter time.Duration)) *RequestBudget {
	return &RequestBudget{limit: free, charge: charge, within: b}
}

// RequestBudgetError says that a budget is spent: for good, or for RetryAfter, unless that is 0.
type RequestBudgetError struct {
	Limit      int
	RetryAfter time.Duration
	owner      *RequestBudget
}

func (e *RequestBudgetError) Error() string {
	if e.RetryAfter > 0 {
		return fmt.Sprintf("this takes more requests to upstream than can be charged for within %s", e.RetryAfter)
	}
	return fmt.Sprintf("this took %d requests to upstream, and may take no more", e.Limit)
}

// Refused reports whether the error is about this budget. A request that shares a fetch with others may get the error
// of theirs.
func (b *RequestBudget) Refused(e *RequestBudgetError) bool { return e.owner == b }

// Whole is the budget of which this one is a part: itself where it is none.
func (b *RequestBudget) Whole() *RequestBudget {
	for b != nil && b.within != nil {
		b = b.within
	}
	return b
}

// Take takes one request out of the budget. Its error is a [*RequestBudgetError].
func (b *RequestBudget) Take() error {
	if refused := b.take(); refused != nil {
		return refused
	}
	return nil
}

// take counts a request only if it is not refused: a request that is given back is always there for another one.
func (b *RequestBudget) take() *RequestBudgetError {
	switch {
	case b == nil:
		return nil
	case b.charge == nil:
		for used := b.used.Load(); used < int64(b.limit); used = b.used.Load() {
			if b.used.CompareAndSwap(used, used+1) {
				return nil
			}
		}
		return &RequestBudgetError{Limit: b.limit, owner: b}
	}
	if refused := b.within.take(); refused != nil {
		return &RequestBudgetError{Limit: refused.Limit, owner: b}
	}
	if b.used.Add(1) > int64(b.limit) {
		if retryAfter := b.charge(); retryAfter > 0 {
			b.GiveBack()
			return &RequestBudgetError{Limit: b.limit, RetryAfter: retryAfter, owner: b}
		}
	}
	return nil
}

// GiveBack gives back a request that was taken and not sent. What was charged for it is not given back.
func (b *RequestBudget) GiveBack() {
	if b != nil {
		b.used.Add(-1)
		b.within.GiveBack()
	}
}

// Spent reports whether nothing is left.
func (b *RequestBudget) Spent() bool {
	switch {
	case b == nil:
		return false
	case b.charge != nil:
		return b.within.Spent()
	}
	return b.used.Load() >= int64(b.limit)
}

// Used is how many requests were taken.
func (b *RequestBudget) Used() int {
	if b == nil {
		return 0
	}
	return int(b.used.Load())
}
