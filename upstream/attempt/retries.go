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
	// DefaultRetryDelay is the delay before the second attempt; the delay before the third is twice as long. Up to a
	// quarter of each is subtracted at random. These are the vendor's SDKs' numbers.
	DefaultRetryDelay = 500 * time.Millisecond
	// longestRetry bounds the delay that upstream may name, in retry delays: no retry follows a longer one.
	longestRetry = 4
)

// retryDelay returns whether another attempt follows the n-th one, and after which delay.
func (t *Tenant) retryDelay(ctx context.Context, n int, err error) (delay time.Duration, again bool) {
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok || n == maxAttempts || !e.Retryable() || t.breaker.circuit.IsOpen() {
		return 0, false
	}
	first := t.pool.opts.RetryDelay
	if delay = e.RetryAfter; delay == 0 {
		delay = first << (n - 1)
		delay -= time.Duration(rand.Float64() / 4 * float64(delay)) //nolint:gosec // so that retries spread out
	}
	if deadline, ok := ctx.Deadline(); delay > longestRetry*first || ok && time.Until(deadline) <= delay {
		return 0, false
	}
	return delay, true
}

// retryBudget bounds a tenant's retries by the number of its requests. Each tenant has its own, because a tenant whose
// requests fail must not take the retries of others.
//
// Envoy and failsafe-go bound the retries in flight by the requests in flight. If a retry takes 20 ms and starts after
// 500 ms, that admits nearly all retries. So this budget counts.
type retryBudget struct {
	mu     sync.Mutex
	spent  float64 // of maxRetries, so that the zero value is a full budget
	paidAt time.Time
}

const (
	retriesPerRequest = 0.2 // Envoy's and Linkerd's default
	retriesPerSecond  = 1   // so that a gateway with few requests may retry
	maxRetries        = 10  // at once
)

// payIn adds the payment of one request, and of the time since the last one.
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

// giveBack returns a retry that was taken but not sent.
func (b *retryBudget) giveBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(0, b.spent-1)
}
