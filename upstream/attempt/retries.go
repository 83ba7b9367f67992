package attempt

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"revox-graphql/upstream"
)

const (
	// DefaultRetryDelay is the time from a first attempt to a second, of which a quarter is random; the next takes
	// twice as long. These are the vendor's SDKs' numbers.
	DefaultRetryDelay = 500 * time.Millisecond
	// longestRetry is how many times the retry delay an attempt may be off, when upstream names the time.
	longestRetry = 4
)

// retryDelay returns when the n-th attempt is followed by another, and whether it is.
func (t *Tenant) retryDelay(ctx context.Context, n int, err error) (delay time.Duration, again bool) {
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok || n == maxAttempts || !e.Retryable() || t.breaker.circuit.IsOpen() {
		return 0, false
	}
	first := t.pool.opts.RetryDelay
	if delay = e.RetryAfter; delay == 0 {
		delay = first << (n - 1)
		delay -= time.Duration(rand.Float64() / 4 * float64(delay)) //nolint:gosec // so that not all come back at once
	}
	if deadline, ok := ctx.Deadline(); delay > longestRetry*first || ok && time.Until(deadline) <= delay {
		return 0, false
	}
	return delay, true
}

// retryBudget bounds retries by the requests that are made. It is the tenant's own, as a tenant whose requests fail
// must not take the retries of others.
//
// Envoy and failsafe-go bound the retries that are in flight by the requests in flight. That says little where a retry
// takes 20 ms and comes after 500: nearly all are let through. This one counts.
type retryBudget struct {
	mu     sync.Mutex
	spent  float64 // what is left is maxRetries less this, so that the zero value is full
	paidAt time.Time
}

const (
	retriesPerRequest = 0.2 // Envoy's and Linkerd's default
	retriesPerSecond  = 1   // so that a quiet gateway may retry at all
	maxRetries        = 10  // at once
)

// payIn adds what a request pays in.
func (b *retryBudget) payIn(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	paid := retriesPerRequest
	if !b.paidAt.IsZero() {
		paid += retriesPerSecond * now.Sub(b.paidAt).Seconds()
	}
	b.paidAt = now
	b.spent = max(0, b.spent-paid)
}

// take takes one retry, and reports whether there was one.
func (b *retryBudget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent+1 > maxRetries {
		return false
	}
	b.spent++
	return true
}

// giveBack gives back a retry that was taken and not made.
func (b *retryBudget) giveBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(0, b.spent-1)
}
