package rest_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/rest"
)

// tally counts the calls of an observer.
type tally struct {
	upstream.Unobserved
	mu                          sync.Mutex
	attempted, retried, refused int
	lowered                     []float64
	checked                     int
}

func (o *tally) count(n *int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	*n++
}

func (o *tally) Attempted(string, time.Duration)       { o.count(&o.attempted) }
func (o *tally) Retried(upstream.Kind)                 { o.count(&o.retried) }
func (o *tally) Refused(upstream.Kind)                 { o.count(&o.refused) }
func (o *tally) StatusesChecked(upstream.Tenant, bool) { o.count(&o.checked) }
func (o *tally) RateLowered(_ upstream.Tenant, perSecond float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lowered = append(o.lowered, perSecond)
}

func (o *tally) want(t *testing.T, attempted, retried, refused int) {
	t.Helper()
	if o.attempted != attempted || o.retried != retried || o.refused != refused {
		t.Errorf("%d attempts, %d retries, %d refused; want %d, %d, %d",
			o.attempted, o.retried, o.refused, attempted, retried, refused)
	}
}

// What is counted went over the wire: a request that waits for a pause to end is no retry, and one that is refused is
// neither a request nor paid for.
func TestPausesCountNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: first(1, 429, http.Header{"Retry-After-Ms": {"1000"}})}
		o := &tally{}
		c := s.client(rest.Options{Observer: o})
		defer c.Close()
		var wait sync.WaitGroup
		wait.Go(func() { _, _ = c.ListCalls(t.Context(), as("")) }) // is refused, and asks again after a second
		synctest.Wait()
		time.Sleep(500 * time.Millisecond)
		wait.Go(func() { // waits for the rest of the second, and asks for the first time
			if _, err := c.ListCalls(t.Context(), as("")); err != nil {
				t.Error(err)
			}
		})
		wait.Wait()
		o.want(t, 3, 1, 0)
	})
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: first(1, 429, http.Header{"Retry-After": {"7"}})}
		o := &tally{}
		c := s.client(rest.Options{Observer: o})
		defer c.Close()
		for want := range 2 {
			opts := as("")
			opts.Budget = upstream.NewRequestBudget(5)
			_, err := c.ListCalls(t.Context(), opts)
			e, _ := errors.AsType[*upstream.Error](err)
			if opts.Budget.Used() != 1-want || e.Unsent != (want == 1) {
				t.Errorf("%d requests paid for, %v", opts.Budget.Used(), err)
			}
		}
		o.want(t, 1, 0, 1)
	})
}

// An open circuit breaker costs neither a request of the budget nor a retry.
func TestAnOpenBreakerCountsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: always(500, http.Header{"X-Should-Retry": {"false"}})}
		o := &tally{}
		c := s.client(rest.Options{Observer: o})
		defer c.Close()
		for range 8 {
			opts := as("")
			opts.Budget = upstream.NewRequestBudget(5)
			before := len(s.came)
			_, _ = c.ListCalls(t.Context(), opts)
			if sent := len(s.came) - before; opts.Budget.Used() != sent {
				t.Errorf("%d requests, %d paid for", sent, opts.Budget.Used())
			}
		}
		o.want(t, 5, 0, 3)
	})
}

// Requests that wait for a pause take no retries: however many there are, all are asked when it ends.
func TestPausesTakeNoRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: first(1, 503, http.Header{"Retry-After-Ms": {"1000"}, "X-Should-Retry": {"false"}})}
		o := &tally{}
		c := s.client(rest.Options{Observer: o})
		defer c.Close()
		_, _ = c.ListCalls(t.Context(), as(""))
		failed := 0
		var wait sync.WaitGroup
		var mu sync.Mutex
		for range 30 {
			wait.Go(func() {
				if _, err := c.ListCalls(t.Context(), as("")); err != nil {
					mu.Lock()
					defer mu.Unlock()
					failed++
				}
			})
		}
		wait.Wait()
		if failed > 0 {
			t.Errorf("%d of 30 failed", failed)
		}
		o.want(t, 31, 0, 0)
	})
}

// The rate that a 429 halves is that of the requests that were sent.
func TestRateLimitCountsWhatIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: func(n int, _ *http.Request) (int, http.Header) {
			if n == 1 {
				return 503, http.Header{"Retry-After": {"5"}}
			}
			return 429, http.Header{"X-Should-Retry": {"false"}}
		}}
		o := &tally{}
		c := s.client(rest.Options{Observer: o})
		defer c.Close()
		_, _ = c.ListCalls(t.Context(), as(""))
		time.Sleep(5*time.Second - time.Millisecond)
		for range 1000 {
			opts := as("")
			opts.Deadline = time.Now().Add(time.Millisecond) // so that it does not wait for the pause to end
			_, _ = c.ListCalls(t.Context(), opts)
		}
		time.Sleep(time.Millisecond)
		_, _ = c.ListCalls(t.Context(), as(""))
		if len(s.came) != 2 || len(o.lowered) != 1 || o.lowered[0] != 2 {
			t.Errorf("%d requests, lowered to %v", len(s.came), o.lowered)
		}
	})
}

// Whatever becomes of an attempt, it gives back what it has taken: the permit of the circuit breaker, which would never
// let another through, and its slot.
func TestPermitsAreGivenBack(t *testing.T) {
	for name, end := range map[string]func(r *http.Request){
		"panic":             func(*http.Request) { panic("a bug") },
		"end of goroutine":  func(*http.Request) { runtime.Goexit() },
		"client gives up":   func(r *http.Request) { <-r.Context().Done() },
		"attempt times out": func(*http.Request) { time.Sleep(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{}
				s.response = func(n int, r *http.Request) (int, http.Header) {
					switch {
					case n <= 5:
						return 500, http.Header{"X-Should-Retry": {"false"}}
					case n == 6:
						end(r)
					}
					return 200, nil
				}
				c := s.client(rest.Options{MaxConcurrent: 1})
				defer c.Close()
				for range 5 {
					_, _ = c.ListCalls(t.Context(), as(""))
				}
				time.Sleep(5 * time.Second)
				done := make(chan struct{})
				go func() {
					defer close(done)
					ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, context.Canceled)
					defer cancel()
					_, _ = c.ListCalls(ctx, as(""))
				}()
				<-done
				if underWay, waiting := c.Load(); underWay != 0 || waiting != 0 {
					t.Errorf("%d under way, %d waiting", underWay, waiting)
				}
				time.Sleep(5 * time.Second)
				if _, err := c.ListCalls(t.Context(), as("")); err != nil || len(s.came) != 7 {
					t.Errorf("%v, %d requests", err, len(s.came))
				}
			})
		})
	}
}

// A panic while upstream is asked in the background ends neither the process nor what it was for.
func TestPanicInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: func(n int, _ *http.Request) (int, http.Header) {
			if n == 2 {
				panic("a bug")
			}
			return 200, nil
		}}
		o := &tally{}
		c := s.client(rest.Options{Observer: o, CheckStatuses: true})
		defer c.Close()
		opts := as("")
		opts.Statuses = upstream.NewOrderStatuses(upstream.OrderStatusErrored, upstream.OrderStatusCompleted)
		for want := range 2 { // the second request checks again
			if _, err := c.ListCalls(t.Context(), opts); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if o.checked != want {
				t.Errorf("checked %d times, want %d", o.checked, want)
			}
		}
	})
}
