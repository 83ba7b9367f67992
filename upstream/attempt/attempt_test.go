package attempt

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream"
)

// newTenant makes the one tenant of a pool with so many slots.
func newTenant(slots int) *Tenant {
	return NewPool(Options{
		Timeout: time.Minute, RetryDelay: DefaultRetryDelay, MaxConcurrent: slots, MaxTenantConcurrent: slots,
		MaxWaiting: 10, Observer: upstream.Unobserved{},
	}).Tenant(upstream.Tenant{})
}

// wantNothingTaken checks that no slot and no retry of the budget is taken.
func wantNothingTaken(t *testing.T, tenant *Tenant) {
	t.Helper()
	if inFlight, waiting := tenant.pool.Load(); inFlight != 0 || waiting != 0 {
		t.Errorf("%d in flight, %d waiting", inFlight, waiting)
	}
	if tenant.retries.spent != 0 {
		t.Errorf("%v retries are taken", tenant.retries.spent)
	}
}

func unexpected(context.Context) error { return errors.New("it was sent") }

// A request whose budget is spent frees its slot.
func TestASpentBudgetFreesTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := newTenant(1)
		budget := upstream.NewRequestBudget(0)
		for range 2 { // the second would wait for the slot of the first
			err := tenant.Do(t.Context(), Request{Budget: budget, Sending: t.Context()}, unexpected)
			if refused, ok := errors.AsType[*upstream.RequestBudgetError](err); !ok || !budget.Refused(refused) {
				t.Errorf("got %v", err)
			}
		}
		wantNothingTaken(t, tenant)
	})
}

// A pause that begins while a request waits for a slot costs it neither the slot nor a request of its budget.
func TestAPauseWhileWaitingForASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := newTenant(1)
		limited := &upstream.Error{Kind: upstream.KindRateLimited, RetryAfter: time.Minute}
		go func() {
			_ = tenant.Do(t.Context(), Request{Sending: t.Context()}, func(context.Context) error {
				time.Sleep(time.Second)
				return limited
			})
		}()
		synctest.Wait()
		budget := upstream.NewRequestBudget(5)
		err := tenant.Do(t.Context(), Request{Budget: budget, Sending: t.Context()}, unexpected)
		if e, ok := errors.AsType[*upstream.Error](err); !ok || !e.Unsent || e.Kind != upstream.KindRateLimited {
			t.Errorf("got %v", err)
		}
		if budget.Used() != 0 {
			t.Errorf("%d requests of the budget are used", budget.Used())
		}
		wantNothingTaken(t, tenant)
	})
}

// The errors of several requests in flight pause until the latest moment that one of them says.
func TestPauses(t *testing.T) {
	limited := func(seconds int) *upstream.Error {
		return &upstream.Error{Kind: upstream.KindRateLimited, RetryAfter: time.Duration(seconds) * time.Second}
	}
	refused := &upstream.Error{Kind: upstream.KindUnauthenticated}
	for name, test := range map[string]struct {
		first, second *upstream.Error // a second later
		kind          upstream.Kind   // of the pause
		until         time.Duration   // from the first error
	}{
		"a shorter one follows":   {limited(30), limited(1), upstream.KindRateLimited, 30 * time.Second},
		"a longer one follows":    {limited(3), limited(5), upstream.KindRateLimited, 6 * time.Second},
		"a 401 follows":           {limited(30), refused, upstream.KindRateLimited, 30 * time.Second},
		"a 401 comes first":       {refused, limited(5), upstream.KindRateLimited, 6 * time.Second},
		"a 401 after the end":     {limited(1), refused, upstream.KindUnauthenticated, 3 * time.Second},
		"an error without a time": {limited(30), limited(0), upstream.KindRateLimited, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBreaker(func() {}, func() {})
			start := time.Now()
			b.record(test.first, start)
			b.record(test.second, start.Add(time.Second))
			err, _ := errors.AsType[*upstream.Error](b.admit(start.Add(test.until - 1)))
			if err == nil || err.Kind != test.kind || !err.Unsent || err.Kind.Passing() && err.RetryAfter != 1 {
				t.Errorf("before the end: %#v", err)
			}
			if err := b.admit(start.Add(test.until)); err != nil {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// A retry that is not sent does not count, whether a pause rejects it or its client has gone.
func TestRetriesThatAreNotSent(t *testing.T) {
	failed := &upstream.Error{Kind: upstream.KindUnavailable, Status: 503}
	for name, stop := range map[string]func(tenant *Tenant, cancel context.CancelFunc){
		"a pause": func(tenant *Tenant, _ context.CancelFunc) {
			limited := &upstream.Error{Kind: upstream.KindRateLimited, RetryAfter: time.Minute}
			tenant.breaker.record(limited, time.Now())
		},
		"a client that has gone": func(_ *Tenant, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tenant := newTenant(1)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				sent := 0
				ended := make(chan error)
				go func() {
					ended <- tenant.Do(ctx, Request{Sending: t.Context()}, func(context.Context) error {
						sent++
						return failed
					})
				}()
				synctest.Wait() // the request waits before its retry
				if tenant.retries.spent != 1 {
					t.Errorf("%v retries are taken", tenant.retries.spent)
				}
				stop(tenant, cancel)
				if err := <-ended; err == nil || sent != 1 {
					t.Errorf("%v after %d attempts", err, sent)
				}
				wantNothingTaken(t, tenant)
			})
		})
	}
}

// An attempt that panics or ends its goroutine is released like any other.
func TestAttemptsThatDoNotReturn(t *testing.T) {
	for name, send := range map[string]func(context.Context) error{
		"panic":  func(context.Context) error { panic("odd") },
		"Goexit": func(context.Context) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tenant := newTenant(1)
				go func() {
					if err := tenant.Do(t.Context(), Request{Sending: t.Context()}, send); err == nil {
						t.Error("no error")
					}
				}()
				synctest.Wait()
				wantNothingTaken(t, tenant)
			})
		})
	}
}
