package upstream

// Asking an upstream that has trouble
//
// A question to upstream is up to three attempts. What decides whether there is another is what the vendor's SDKs do:
// a connection that fails, 408, 409, 429 and 5xx are worth another after half a second, then one after a whole
// second; `retry-after-ms` and `Retry-After` name the time, `x-should-retry` overrules everything. No attempt is made
// that would come after the asker's deadline, and none later than in two seconds: the asker is a person in front of a
// page, who is better told how long to wait.
//
// Retries make a bad hour worse, so they are paid for: each question pays in a fifth of a retry, and a second passing
// pays in one.
//
// What is known about a credential's trouble is kept in its tenant, and spares upstream the attempt:
//
//   - After five failures in a row, in which no answer has come for a second, the circuit breaker opens: for five seconds
//     nothing is asked, then one question decides whether that was long enough. (Without the second, an upstream that
//     fails every other request would be cut off whenever a busy gateway has a streak of bad luck, which is all the time.)
//   - While a `Retry-After` lasts nothing is asked, but for no longer than a minute. A 401 counts as one of two seconds.
//   - A 429 halves the rate at which upstream is asked, measured when it came; answers raise it again.
//
// Only so many attempts are under way at once, and only so many wait: slots.go shares them out. A tenant's own limit is
// half of all, where there are several, so that one of them cannot keep the others waiting for long.
//
// Clients give up, and often sooner than upstream answers. To end an attempt with the last of those who wait for it
// would not end upstream's work, only hide it: the slot would be free, and the next attempt comes on top. Over HTTP/2
// it would be a reset for each request, as in the attack of that name (CVE-2023-44487). So what was sent is finished,
// in its slot and within its own timeout, and the page that comes is kept. But nothing more is waited for: a fetch
// without waiters ends where it would have to wait for a slot, for the rate, or to try again.
//
// Everything here is the tenant's own: what one credential meets never touches another.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// maxAttempts at one question: the vendor's SDKs retry twice, and Google's SRE book allows three attempts.
	maxAttempts = 3
	// retryDelay is the time from a first attempt to a second, of which a quarter is random; the next takes twice as
	// long. These are the vendor's SDKs' numbers.
	retryDelay = 500 * time.Millisecond
	// longestRetry is how many times retryDelay an attempt may be off, when upstream names the time.
	longestRetry = 4
	// longestPause bounds how long a `Retry-After` is honoured: the vendor's SDKs' number.
	longestPause = time.Minute
	// refusedPause is how long a credential that was refused is not tried again.
	refusedPause = 2 * time.Second
	// breakerFailures in a row open the breaker: Envoy's default. Those in the breakerGrace after an answer do not
	// count.
	breakerFailures = 5
	breakerGrace    = time.Second
	// breakerDelay is how long it stays open. Envoy's 30 s are for one of many hosts; there is only one upstream.
	breakerDelay = 5 * time.Second
	// maxTenants bounds how many tenants are remembered; the ones not seen for the longest are forgotten. Of those
	// whose key upstream has never accepted it is maxUnproven, apart: whoever makes up keys pushes out nobody else.
	maxTenants  = 4096
	maxUnproven = 1024
)

// tenant is what is known about upstream as seen with one credential.
type tenant struct {
	id       Tenant
	verifier *Verifier
	statuses statusesCheck

	proven  atomic.Bool // upstream has accepted the key
	breaker circuitbreaker.CircuitBreaker[any]
	budget  retryBudget
	pace    *pace

	mu         sync.Mutex
	until      time.Time // upstream is not asked before,
	because    *Error    // and this is why
	answeredAt time.Time
}

// tenants are remembered while they ask.
type tenants struct {
	known    *lru.Cache[Tenant, *tenant] // whose key upstream has accepted
	unproven *lru.Cache[Tenant, *tenant] // the others, where there may be any number of keys
	opts     *ClientOptions
	slots    *slots
}

func newTenants(opts *ClientOptions) *tenants {
	known, _ := lru.New[Tenant, *tenant](maxTenants) // its one error is a size below 1
	unproven, _ := lru.New[Tenant, *tenant](maxUnproven)
	return &tenants{known: known, unproven: unproven, opts: opts, slots: newSlots(slotOptions{
		all: opts.MaxConcurrent, tenant: opts.MaxTenantConcurrent, waiting: opts.MaxWaiting, unproven: opts.AnyKey,
	})}
}

func (ts *tenants) of(c Credential) *tenant {
	id := c.Tenant()
	if known, ok := ts.known.Get(id); ok {
		return known
	}
	if !ts.opts.AnyKey {
		return ts.add(ts.known, id)
	}
	if known, ok := ts.unproven.Get(id); ok {
		return known
	}
	return ts.add(ts.unproven, id)
}

// add makes a tenant, unless somebody else just has.
func (ts *tenants) add(to *lru.Cache[Tenant, *tenant], id Tenant) *tenant {
	observer := ts.opts.Observer
	made := &tenant{
		id:       id,
		verifier: NewVerifier(ts.opts.FirstPage, time.Now),
		breaker: circuitbreaker.NewBuilder[any]().
			WithFailureThreshold(breakerFailures).WithSuccessThreshold(1).WithDelay(breakerDelay).
			OnOpen(func(circuitbreaker.StateChangedEvent) { observer.Opened(id) }).
			OnClose(func(circuitbreaker.StateChangedEvent) { observer.Closed(id) }).
			Build(),
		pace: newPace(func(perSecond float64) { observer.Paced(id, perSecond) }),
	}
	made.proven.Store(!ts.opts.AnyKey)
	made.verifier.FirstPage = func(number int) { observer.FirstPage(id, number) }
	made.verifier.PageSize = func(rows int) { observer.PageSize(id, rows) }
	if other, ok, _ := to.PeekOrAdd(id, made); ok {
		return other
	}
	return made
}

// prove notes that upstream accepts the tenant's key.
func (ts *tenants) prove(t *tenant) {
	if !t.proven.Swap(true) {
		ts.known.Add(t.id, t)
		ts.unproven.Remove(t.id)
	}
}

// ask makes attempts until one brings a page, or no other may be made. What counts is what upstream was sent: a
// question that waits for a pause to end, and is then asked for the first time, is no retry. When ctx ends, nobody
// waits for the answer any more; an attempt that was sent is finished all the same.
func (ts *tenants) ask(ctx context.Context, q *question, attempt func(context.Context) (*Page, error)) (*Page, error) {
	t, allowance := q.tenant, q.allowance
	sent, paid := 0, false
	var failed error // why the last attempt that was sent must be repeated
	send := func(ctx context.Context) (*Page, error) {
		if sent++; sent == 1 {
			t.budget.payIn(time.Now())
		} else {
			ts.opts.Observer.Retried(kindOf(failed))
		}
		page, err := attempt(ctx)
		failed = err
		return page, err
	}
	for n := 1; ; n++ {
		before := sent
		page, err := ts.attempt(ctx, q, send)
		if paid && sent == before {
			t.budget.giveBack()
		}
		if err == nil {
			return page, nil
		}
		delay, again := t.retry(ctx, n, err, ts.opts.RetryDelay)
		if paid = sent > 0; !again || ctx.Err() != nil || allowance.spent() || paid && !t.budget.take() {
			if e, ok := errors.AsType[*Error](err); ok && e.unsent && ctx.Err() == nil {
				ts.opts.Observer.Refused(e.Kind)
			}
			return nil, err
		}
		if err := pause(ctx, delay); err != nil {
			if paid {
				t.budget.giveBack()
			}
			return nil, err
		}
	}
}

// errUnfinished is the error of an attempt that ended its goroutine.
var errUnfinished = errors.New("the attempt did not return")

// attempt asks upstream once, if it may. Whatever becomes of the attempt, also a panic, the tenant learns of it: the
// circuit breaker may be waiting for this one.
func (ts *tenants) attempt(
	ctx context.Context, q *question, ask func(context.Context) (*Page, error),
) (page *Page, err error) {
	t, allowance := q.tenant, q.allowance
	if err := t.refuses(time.Now()); err != nil {
		return nil, err
	}
	slot, err := ts.slots.take(ctx, t, q.becomesUrgent)
	if err != nil {
		return nil, err
	}
	defer ts.slots.free(slot)
	if err := t.pace.wait(ctx); err != nil {
		return nil, err
	}
	if err := allowance.Take(); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := t.admit(start); err != nil {
		allowance.giveBack()
		return nil, err
	}
	err = errUnfinished
	defer func() {
		if v := recover(); v != nil {
			page, err = nil, fmt.Errorf("panic while asking upstream: %v\n%s", v, debug.Stack())
		}
		took := time.Since(start)
		t.learn(err, start.Add(took))
		if _, tooLarge := errors.AsType[*PageSizeError](err); err == nil || tooLarge {
			ts.prove(t)
		}
		ts.opts.Observer.Attempted(outcome(err), took)
	}()
	t.pace.count(start)
	ctx, cancel := context.WithTimeout(q.sending, ts.opts.AttemptTimeout)
	defer cancel()
	return ask(ctx)
}

// kindOf is the kind of an error that is an [*Error].
func kindOf(err error) Kind {
	e, _ := errors.AsType[*Error](err)
	return e.Kind
}

// outcome names what came of an attempt, in few words for all that can come.
func outcome(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind.String()
	}
	if _, ok := errors.AsType[*PageSizeError](err); ok {
		return "too large"
	}
	if err != nil {
		return "given up"
	}
	return "ok"
}

// refuses says why upstream should not be asked at present, if it is known already.
func (t *tenant) refuses(now time.Time) error {
	t.mu.Lock()
	until, because := t.until, t.because
	t.mu.Unlock()
	if left := until.Sub(now); left > 0 {
		e := *because
		e.unsent, e.advice = true, noAdvice // the advice was about another request
		if e.Kind.Passing() {
			e.RetryAfter = left
		}
		return &e
	}
	if left := t.breaker.RemainingDelay(); t.breaker.IsOpen() && left > 0 {
		return errBroken(left)
	}
	return nil
}

// admit lets an attempt through, or says why not. Who is admitted must learn.
func (t *tenant) admit(now time.Time) error {
	if err := t.refuses(now); err != nil {
		return err
	}
	if !t.breaker.TryAcquirePermit() {
		return errBroken(t.breaker.RemainingDelay())
	}
	return nil
}

// errBroken is the error of an open circuit breaker.
func errBroken(left time.Duration) error {
	return &Error{
		Kind: KindUnavailable, Reason: "it has failed too often of late to be asked again at once",
		RetryAfter: max(time.Millisecond, left), unsent: true,
	}
}

// learn draws the consequences of an attempt.
func (t *tenant) learn(err error, now time.Time) {
	e, failed := errors.AsType[*Error](err)
	_, tooLarge := errors.AsType[*PageSizeError](err)
	switch {
	case failed && e.unsent: // something of the gateway's own, which says nothing about upstream
		if t.breaker.IsHalfOpen() {
			t.breaker.RecordFailure()
		}
		return
	case failed && (e.Kind == KindUnavailable || e.Kind == KindTimeout):
		if t.breaker.IsHalfOpen() || now.Sub(t.answered(time.Time{})) >= breakerGrace {
			t.breaker.RecordFailure()
		}
	case failed: // it answers, if not as it should
		t.answered(now)
		t.breaker.RecordSuccess()
	case err == nil, tooLarge:
		t.answered(now)
		t.breaker.RecordSuccess()
		t.pace.raise()
	case t.breaker.IsHalfOpen(): // the attempt that was to decide was given up; there must be another
		t.breaker.RecordFailure()
	}
	if !failed {
		return
	}
	wait := e.RetryAfter
	switch e.Kind {
	case KindUnauthenticated:
		wait = refusedPause
	case KindRateLimited:
		t.pace.lower(now)
	}
	if wait > 0 {
		t.mu.Lock()
		t.until, t.because = now.Add(wait), e
		t.mu.Unlock()
	}
}

// answered notes when upstream has answered, and returns when it last has.
func (t *tenant) answered(at time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.After(t.answeredAt) {
		t.answeredAt = at
	}
	return t.answeredAt
}

// retry says whether the n-th attempt should be followed by another, and when.
func (t *tenant) retry(ctx context.Context, n int, err error, first time.Duration) (delay time.Duration, again bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok || n == maxAttempts || !e.mayPass() || t.breaker.IsOpen() {
		return 0, false
	}
	if delay = e.RetryAfter; delay == 0 {
		delay = first << (n - 1)
		delay -= time.Duration(rand.Float64() / 4 * float64(delay)) //nolint:gosec // so that not all come back at once
	}
	if deadline, ok := ctx.Deadline(); delay > longestRetry*first || ok && time.Until(deadline) <= delay {
		return 0, false
	}
	return delay, true
}

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return transportError(ctx, ctx.Err(), nil)
	}
}

// retryBudget bounds retries by the questions that are asked. It is the tenant's own, as a tenant whose questions fail
// must not take the retries of others.
//
// Envoy and failsafe-go bound the retries that are under way by the requests under way. That says little where a retry
// takes 20 ms and comes after 500: nearly all are let through. This one counts.
type retryBudget struct {
	mu     sync.Mutex
	spent  float64 // what is left is mostRetries less this, so that the zero value is full
	paidAt time.Time
}

const (
	retriesPerQuestion = 0.2 // Envoy's and Linkerd's default
	retriesPerSecond   = 1   // so that a quiet gateway may retry at all
	mostRetries        = 10  // at once
)

// payIn adds what a question pays in.
func (b *retryBudget) payIn(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	paid := retriesPerQuestion
	if !b.paidAt.IsZero() {
		paid += retriesPerSecond * now.Sub(b.paidAt).Seconds()
	}
	b.paidAt = now
	b.spent = max(0, b.spent-paid)
}

// take takes one retry, if there is one.
func (b *retryBudget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent+1 > mostRetries {
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
