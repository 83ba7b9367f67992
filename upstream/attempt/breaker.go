package attempt

import (
	"errors"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"revox-graphql/upstream"
)

const (
	// breakerFailures in a row open the breaker: Envoy's default. Failures within breakerGrace of a response do not count.
	breakerFailures = 5
	breakerGrace    = time.Second
	// breakerDelay is how long the breaker stays open. Envoy's 30 s are for one of many hosts; there is only one upstream.
	breakerDelay = 5 * time.Second
	// LongestPause bounds how long the gateway obeys a `Retry-After`: the vendor's SDKs' number.
	LongestPause = time.Minute
	// refusedPause is how long the gateway sends no request with a credential that upstream has refused.
	refusedPause = 2 * time.Second
)

// OpensAgainWithin returns within what time the breaker of a tenant opens again while upstream fails, if there are
// requests: after the longest pause, the next request comes, waits for a slot as long as another attempt may take, and
// is the trial.
func OpensAgainWithin(timeout time.Duration) time.Duration {
	const nextRequest = 30 * time.Second
	return max(LongestPause, breakerDelay) + nextRequest + 2*min(timeout, time.Hour)
}

// breaker rejects requests while upstream is known to fail: it has failed too often, or named a time to wait.
type breaker struct {
	circuit circuitbreaker.CircuitBreaker[any]

	mu          sync.Mutex
	pausedUntil time.Time       // no request is sent before
	reason      *upstream.Error // of the pause
	respondedAt time.Time       // when the last response came that was no failure
}

func newBreaker(opened, closed func()) *breaker {
	return &breaker{circuit: circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(breakerFailures).WithSuccessThreshold(1).WithDelay(breakerDelay).
		OnOpen(func(circuitbreaker.StateChangedEvent) { opened() }).
		OnClose(func(circuitbreaker.StateChangedEvent) { closed() }).
		Build()}
}

// rejects returns why no request may be sent at present; nil if no reason is known. It takes no permit.
func (b *breaker) rejects(now time.Time) error {
	b.mu.Lock()
	until, reason := b.pausedUntil, b.reason
	b.mu.Unlock()
	if left := until.Sub(now); left > 0 {
		e := *reason
		e.Unsent, e.Advice = true, upstream.NoAdvice // the advice was about another request
		if e.Kind.Passing() {
			e.RetryAfter = left
		}
		return &e
	}
	if left := b.circuit.RemainingDelay(); b.circuit.IsOpen() && left > 0 {
		return errOpen(left)
	}
	return nil
}

// admit admits an attempt, or returns why not. The caller must record the result of an admitted attempt.
func (b *breaker) admit(now time.Time) error {
	if err := b.rejects(now); err != nil {
		return err
	}
	if !b.circuit.TryAcquirePermit() {
		return errOpen(b.circuit.RemainingDelay())
	}
	return nil
}

func errOpen(left time.Duration) error {
	return &upstream.Error{
		Kind: upstream.KindUnavailable, Reason: "it has failed too often of late to be asked again at once",
		RetryAfter: max(time.Millisecond, left), Unsent: true,
	}
}

// record records the result of an attempt.
func (b *breaker) record(err error, now time.Time) {
	e, failed := errors.AsType[*upstream.Error](err)
	switch {
	case failed && e.Unsent: // the gateway's own error, which shows nothing about upstream
		if b.circuit.IsHalfOpen() {
			b.circuit.RecordFailure()
		}
		return
	case failed && (e.Kind == upstream.KindUnavailable || e.Kind == upstream.KindTimeout):
		if b.circuit.IsHalfOpen() || now.Sub(b.responded(time.Time{})) >= breakerGrace {
			b.circuit.RecordFailure()
		}
	case failed, err == nil, tooLarge(err): // upstream responds, if not always as it should
		b.responded(now)
		b.circuit.RecordSuccess()
	case b.circuit.IsHalfOpen(): // the trial attempt was given up: another must follow
		b.circuit.RecordFailure()
	}
	if failed {
		b.pause(e, now)
	}
}

// pause makes rejects refuse requests for as long as an error says. It never shortens a pause: the errors of requests
// that were sent before it come during it.
func (b *breaker) pause(e *upstream.Error, now time.Time) {
	wait := e.RetryAfter
	if e.Kind == upstream.KindUnauthenticated {
		wait = refusedPause
	}
	until := now.Add(wait)
	b.mu.Lock()
	defer b.mu.Unlock()
	if wait > 0 && until.After(b.pausedUntil) {
		b.pausedUntil, b.reason = until, e
	}
}

// responded records that upstream responded at a time, and returns the time of its last response.
func (b *breaker) responded(at time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at.After(b.respondedAt) {
		b.respondedAt = at
	}
	return b.respondedAt
}
