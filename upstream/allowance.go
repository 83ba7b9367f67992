package upstream

import (
	"fmt"
	"sync/atomic"
)

// Allowance is how many requests to upstream one asker may cause, whatever they are for: pages, probes and retries. A nil
// Allowance is endless. It is safe for concurrent use.
type Allowance struct {
	limit int
	used  atomic.Int64
}

// NewAllowance allows limit requests.
func NewAllowance(limit int) *Allowance { return &Allowance{limit: limit} }

// AllowanceError says that an asker may ask upstream no more.
type AllowanceError struct {
	Limit int
	owner *Allowance
}

func (e *AllowanceError) Error() string {
	return fmt.Sprintf("this took %d requests to upstream, and may take no more", e.Limit)
}

// Refused reports whether the error is about this allowance: who shares a request with others may be told of theirs.
func (a *Allowance) Refused(e *AllowanceError) bool { return e.owner == a }

// Take takes one request out of the allowance. Its error is an [*AllowanceError].
func (a *Allowance) Take() error {
	if a != nil && a.used.Add(1) > int64(a.limit) {
		return &AllowanceError{a.limit, a}
	}
	return nil
}

// giveBack gives back a request that was taken and not made.
func (a *Allowance) giveBack() {
	if a != nil {
		a.used.Add(-1)
	}
}

// spent reports whether nothing is left.
func (a *Allowance) spent() bool { return a != nil && a.used.Load() >= int64(a.limit) }

// Used is how many requests were taken.
func (a *Allowance) Used() int {
	if a == nil {
		return 0
	}
	return int(min(a.used.Load(), int64(a.limit)))
}
