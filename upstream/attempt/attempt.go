// Package attempt decides when the gateway may send a request upstream, and whether it retries a failed one.
//
// # Attempts
//
// A request to upstream has up to three attempts. The rules are those of the vendor's SDKs: after a failed connection,
// 408, 409, 429 or 5xx, the second attempt follows after half a second, and the third after another second.
// `retry-after-ms` and `Retry-After` set the delay, and `x-should-retry` overrides every rule. No retry starts after
// the client's deadline, or later than in two seconds: the client is a person in front of a page, and an error that
// says how long to wait serves that person better.
//
// Retries make an outage worse, so they have a budget of their own (retries.go): each request pays one fifth of a retry
// into it, and each second pays a whole one.
//
// # What an attempt acquires
//
// Before each attempt, acquire takes a permit from each of the following. The circuit breaker and the pause can reject
// a request before it waits for a slot, and grant their permit last:
//
//   - The circuit breaker (breaker.go). It opens after five failures in a row without a response for one second. For
//     five seconds, no request is sent; then one request decides whether it closes. (Without the second, the breaker
//     would open again and again if upstream fails every other request: a busy gateway always has a streak of
//     failures.)
//   - The pause (breaker.go). During a `Retry-After`, no request is sent, but for at most one minute. A 401 pauses for
//     two seconds.
//   - A slot (slots.go). Slots limit the attempts in flight, and the requests that wait for a slot. The tenants share
//     the slots. If there are several tenants, each has at most half of the slots, so that none keeps the others
//     waiting for long.
//   - The rate limiter (ratelimiter.go). A 429 halves the current rate of requests; responses raise it again.
//   - The request budget of the GraphQL request that needs the page.
//
// acquire returns a release function, which reports the result of the attempt and frees the slot. All tenants share the
// slots; each tenant has its own breaker, pause, rate limiter and retry budget, so the failures of one credential never
// affect another.
//
// # Clients that give up
//
// Clients often give up before upstream responds. If the gateway ended an attempt with its last waiting client,
// upstream would continue to work on it. The slot would be free, and the next attempt would add to upstream's load;
// over HTTP/2, each request would become a reset, as in the rapid-reset attack (CVE-2023-44487). So the gateway
// finishes an attempt that was sent, in its slot and within its own timeout, and caches the page. But a fetch without
// waiters waits for nothing else: it ends when it would have to wait for a slot, for the rate limiter, or before a
// retry.
package attempt

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"revox-graphql/upstream"
)

// maxAttempts bounds the attempts of one request: the vendor's SDKs retry twice, and Google's SRE book allows three
// attempts.
const maxAttempts = 3

// Options are the settings of a [Pool].
type Options struct {
	// Timeout bounds one attempt.
	Timeout time.Duration
	// RetryDelay is the time from a first attempt to a second; see [DefaultRetryDelay].
	RetryDelay time.Duration
	// MaxConcurrent bounds the attempts in flight, MaxTenantConcurrent those of one tenant. Both are at least 1.
	MaxConcurrent, MaxTenantConcurrent int
	// MaxWaiting bounds the requests that wait for a slot; with 0 or less, none waits.
	MaxWaiting int
	// AnyKey says that clients may send any key: tenants whose key upstream has never accepted share a part of the slots
	// and of the waiting requests, see [upstream.UnprovenShare].
	AnyKey bool
	// Observer is called for each event.
	Observer upstream.Observer
}

// Pool has the slots and the settings, which the tenants of one client share.
type Pool struct {
	opts  Options
	slots *slots
}

// NewPool makes a pool without tenants.
func NewPool(opts Options) *Pool {
	return &Pool{opts, newSlots(slotOptions{
		all: opts.MaxConcurrent, tenant: opts.MaxTenantConcurrent, waiting: opts.MaxWaiting, unproven: opts.AnyKey,
	})}
}

// Load returns how many attempts have a slot, and how many requests wait for one.
func (p *Pool) Load() (inFlight, waiting int) { return p.slots.load() }

// Tenant is what the gateway knows about upstream for one credential. It is safe for concurrent use.
type Tenant struct {
	id      upstream.Tenant
	pool    *Pool
	proven  atomic.Bool
	breaker *breaker
	retries retryBudget
	rate    *rateLimiter
}

// Tenant makes a tenant without any history. With [Options].AnyKey, its key is unproven until [Tenant.Prove].
func (p *Pool) Tenant(id upstream.Tenant) *Tenant {
	observer := p.opts.Observer
	t := &Tenant{
		id: id, pool: p,
		breaker: newBreaker(func() { observer.BreakerOpened(id) }, func() { observer.BreakerClosed(id) }),
		rate:    newRateLimiter(func(perSecond float64) { observer.RateLowered(id, perSecond) }),
	}
	t.proven.Store(!p.opts.AnyKey)
	return t
}

// Prove records that upstream accepts the tenant's key, and reports whether that is new.
func (t *Tenant) Prove() (first bool) { return !t.proven.Swap(true) }

// BreakerOpen reports whether upstream keeps failing for the tenant: its circuit breaker has opened, and no request has
// closed it since.
func (t *Tenant) BreakerOpen() bool { return !t.breaker.circuit.IsClosed() }

// Request is one request to upstream, which may take several attempts.
type Request struct {
	// Budget pays for each attempt; nil is endless.
	Budget *upstream.RequestBudget
	// Sending is the context of the attempts. It does not end with the last client that waits.
	Sending context.Context //nolint:containedctx // the context of Do ends earlier
	// Urgent is nil if a client waits for the page. A refresh of a page in memory has a channel, which is closed when a
	// client waits for that page.
	Urgent <-chan struct{}
}

// Do calls send until an attempt succeeds, or no other is allowed. ctx ends when no client waits for the response any
// more; Do still finishes an attempt that was sent. The error is that of send, an [*upstream.Error] with Unsent, an
// [*upstream.RequestBudgetError], or the cause of ctx. A panic in send is an error, too.
//
// Only attempts that were sent count: a request that waits for a pause to end, and is then sent for the first time, is
// no retry.
func (t *Tenant) Do(ctx context.Context, r Request, send func(context.Context) error) error {
	var failed error // of the last attempt that was sent; nil before the first
	paid := false    // the next attempt has taken a retry out of the retry budget
	for n := 1; ; n++ {
		release, err := t.acquire(ctx, r.Budget, r.Urgent)
		if err == nil {
			t.count(failed)
			if err = t.attempt(r.Sending, release, send); err == nil {
				return nil
			}
			failed = err
		} else if paid {
			t.retries.giveBack()
		}
		delay, again := t.retryDelay(ctx, n, err)
		paid = failed != nil
		if !again || ctx.Err() != nil || r.Budget.Spent() || paid && !t.retries.take() {
			if e, ok := errors.AsType[*upstream.Error](err); ok && e.Unsent && ctx.Err() == nil {
				t.pool.opts.Observer.Refused(e.Kind)
			}
			return err
		}
		if err := wait(ctx, delay); err != nil {
			if paid {
				t.retries.giveBack()
			}
			return err
		}
	}
}

// count counts an attempt that is sent. The first attempt of a request pays into the retry budget; any other is
// reported as a retry, with the failure of the one before.
func (t *Tenant) count(failed error) {
	if failed == nil {
		t.retries.payIn(time.Now())
	} else {
		t.pool.opts.Observer.Retried(kindOf(failed))
	}
}

// errUnfinished is the error of an attempt that ended its goroutine.
var errUnfinished = errors.New("the attempt did not return")

// attempt sends the request once. It always calls release, also after a panic, because the circuit breaker may wait for
// the result of this attempt.
func (t *Tenant) attempt(
	ctx context.Context, release func(error), send func(context.Context) error,
) (err error) {
	err = errUnfinished
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic while asking upstream: %v\n%s", v, debug.Stack())
		}
		release(err)
	}()
	ctx, cancel := context.WithTimeout(ctx, t.pool.opts.Timeout)
	defer cancel()
	return send(ctx)
}

// acquire waits until one more request may be sent, or returns why none may. The caller must call release with the
// result of the request: nil, or its error.
func (t *Tenant) acquire(
	ctx context.Context, budget *upstream.RequestBudget, urgent <-chan struct{},
) (release func(error), err error) {
	if err := t.breaker.rejects(time.Now()); err != nil {
		return nil, err // at once, and not after the wait for a slot
	}
	slot, err := t.pool.slots.take(ctx, t, urgent)
	if err != nil {
		return nil, err
	}
	start, err := t.admit(ctx, budget)
	if err != nil {
		t.pool.slots.free(slot)
		return nil, err
	}
	return func(err error) {
		took := time.Since(start)
		t.breaker.record(err, start.Add(took))
		t.rate.record(err, start.Add(took))
		t.pool.opts.Observer.Attempted(outcome(err), took)
		t.pool.slots.free(slot)
	}, nil
}

// admit is acquire for a request that has a slot.
func (t *Tenant) admit(ctx context.Context, budget *upstream.RequestBudget) (start time.Time, err error) {
	if err := t.rate.wait(ctx); err != nil {
		return time.Time{}, err
	}
	if err := budget.Take(); err != nil {
		return time.Time{}, err
	}
	start = time.Now()
	if err := t.breaker.admit(start); err != nil {
		budget.GiveBack()
		return time.Time{}, err
	}
	t.rate.count(start)
	return start, nil
}

func kindOf(err error) upstream.Kind {
	e, _ := errors.AsType[*upstream.Error](err)
	return e.Kind
}

// outcome names the result of an attempt. There are few names, because they are the values of a metric's label.
func outcome(err error) string {
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		return e.Kind.String()
	}
	if tooLarge(err) {
		return "too large"
	}
	if err != nil {
		return "given up"
	}
	return "ok"
}

// tooLarge reports whether upstream's response was too large: the attempt has succeeded, but the caller needs another
// page size.
func tooLarge(err error) bool {
	_, ok := errors.AsType[*upstream.PageSizeError](err)
	return ok
}

// wait returns after d, or when ctx ends, with an error.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return upstream.ContextError(ctx)
	}
}
