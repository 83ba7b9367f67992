package upstream

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Allowance is how many requests to upstream one asker may cause, whatever they are for: pages, probes and retries. A
// nil Allowance is endless. It is safe for concurrent use.
type Allowance struct {
	limit int
	used  atomic.Int64

	charge func() (retryAfter time.Duration) // nil: nothing goes beyond the limit
	within *Allowance                        // what is charged is taken from here too; may be nil
}

// NewAllowance allows limit requests.
func NewAllowance(limit int) *Allowance { return &Allowance{limit: limit} }

// Charging is a part of an allowance. Each of its requests beyond the free ones is charged for; the charge returns 0,
// or after how long to try again where it is refused. It may be called concurrently.
func (a *Allowance) Charging(free int, charge func() (retryAfter time.Duration)) *Allowance {
	return &Allowance{limit: free, charge: charge, within: a}
}

// AllowanceError says that an asker may ask upstream no more: at all, or for RetryAfter, unless that is 0.
type AllowanceError struct {
	Limit      int
	RetryAfter time.Duration
	owner      *Allowance
}

func (e *AllowanceError) Error() string {
	if e.RetryAfter > 0 {
		return fmt.Sprintf("this takes more requests to upstream than can be charged for within %s", e.RetryAfter)
	}
	return fmt.Sprintf("this took %d requests to upstream, and may take no more", e.Limit)
}

// Refused reports whether the error is about this allowance: who shares a request with others may be told of theirs.
func (a *Allowance) Refused(e *AllowanceError) bool { return e.owner == a }

// Whole is the allowance of which this one is a part: itself where it is none.
func (a *Allowance) Whole() *Allowance {
	for a != nil && a.within != nil {
		a = a.within
	}
	return a
}

// Take takes one request out of the allowance. Its error is an [*AllowanceError].
func (a *Allowance) Take() error {
	if refused := a.take(); refused != nil {
		return refused
	}
	return nil
}

func (a *Allowance) take() *AllowanceError {
	if a == nil {
		return nil
	}
	beyond := a.used.Add(1) > int64(a.limit)
	if a.charge == nil {
		if beyond {
			return &AllowanceError{Limit: a.limit, owner: a}
		}
		return nil
	}
	if refused := a.within.take(); refused != nil {
		return &AllowanceError{Limit: refused.Limit, owner: a}
	}
	if beyond {
		if retryAfter := a.charge(); retryAfter > 0 {
			a.within.giveBack()
			return &AllowanceError{Limit: a.limit, RetryAfter: retryAfter, owner: a}
		}
	}
	return nil
}

// giveBack gives back a request that was taken and not made. What it was charged for is not given back.
func (a *Allowance) giveBack() {
	if a != nil {
		a.used.Add(-1)
		a.within.giveBack()
	}
}

// spent reports whether nothing is left.
func (a *Allowance) spent() bool {
	switch {
	case a == nil:
		return false
	case a.charge != nil:
		return a.within.spent()
	}
	return a.used.Load() >= int64(a.limit)
}

// Used is how many requests were taken.
func (a *Allowance) Used() int {
	if a == nil {
		return 0
	}
	return int(min(a.used.Load(), int64(a.limit)))
}
