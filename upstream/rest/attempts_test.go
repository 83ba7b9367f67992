package rest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/rest"
)

// script is an upstream without a network, so that time can be that of a synctest bubble. It responds to the n-th
// request, from 1, and notes when requests came.
type script struct {
	response func(n int, r *http.Request) (status int, header http.Header)
	took     time.Duration

	mu     sync.Mutex
	came   []time.Time
	asking int // at this moment
	most   int // at any moment
	ended  int // before they were answered
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.came = append(s.came, time.Now())
	s.asking++
	s.most = max(s.most, s.asking)
	n := len(s.came)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.asking--
		s.mu.Unlock()
	}()
	select {
	case <-time.After(s.took):
	case <-r.Context().Done():
		s.mu.Lock()
		s.ended++
		s.mu.Unlock()
		return nil, r.Context().Err()
	}
	status, header := s.response(n, r)
	return &http.Response{
		StatusCode: status, Header: header, Request: r, ContentLength: -1,
		Body: io.NopCloser(strings.NewReader(`{"calls": [{"id": "a"}]}`)),
	}, nil
}

// requests is how many have come.
func (s *script) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.came)
}

// waits are the times between requests, and since start the first.
func (s *script) waits(start time.Time) []time.Duration {
	var waits []time.Duration
	for _, at := range s.came {
		waits = append(waits, at.Sub(start))
		start = at
	}
	return waits
}

func (s *script) client(opts rest.Options) *rest.Client {
	opts.BaseURL = &url.URL{Scheme: "http", Host: "upstream.test"}
	opts.Transport = s
	return rest.NewClient(opts)
}

// always responds with a status.
func always(status int, header http.Header) func(int, *http.Request) (int, http.Header) {
	return func(int, *http.Request) (int, http.Header) { return status, header }
}

// first responds so often with a status, and then without an error.
func first(times, status int, header http.Header) func(int, *http.Request) (int, http.Header) {
	return func(n int, _ *http.Request) (int, http.Header) {
		if n <= times {
			return status, header
		}
		return http.StatusOK, nil
	}
}

func as(key string) upstream.ListCallsOptions {
	return upstream.ListCallsOptions{List: upstream.List{Credential: upstream.NewCredential(key)}, PageSize: 1}
}

func kind(err error) any {
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		return e.Kind
	}
	return err
}

func TestRetries(t *testing.T) {
	tests := map[string]struct {
		response func(int, *http.Request) (int, http.Header)
		deadline time.Duration
		err      any
		waits    [][2]int64 // milliseconds before each request after the first: at least and at most
	}{
		"not what will stay": {response: always(422, nil), err: upstream.KindInvalidResponse},
		"twice": {
			response: always(500, nil), err: upstream.KindUnavailable,
			waits: [][2]int64{{375, 500}, {750, 1000}},
		},
		"until it answers": {response: first(1, 503, nil), waits: [][2]int64{{375, 500}}},
		"when upstream says": {
			response: first(1, 429, http.Header{"Retry-After-Ms": {"1200"}, "Retry-After": {"9"}}),
			waits:    [][2]int64{{1200, 1200}},
		},
		"not when that is long": {response: always(429, http.Header{"Retry-After": {"3"}}), err: upstream.KindRateLimited},
		"although it is a 400": {
			response: first(1, 400, http.Header{"X-Should-Retry": {"true"}}), waits: [][2]int64{{375, 500}},
		},
		"not if upstream says": {
			response: always(500, http.Header{"X-Should-Retry": {"false"}}), err: upstream.KindUnavailable,
		},
		"not past the deadline": {
			response: always(500, nil), deadline: 300 * time.Millisecond, err: upstream.KindUnavailable,
		},
		"as far as the deadline": {
			response: always(500, nil), deadline: time.Second, err: upstream.KindUnavailable, waits: [][2]int64{{375, 500}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{response: test.response}
				c := s.client(rest.Options{})
				defer c.Close()
				opts := as("")
				start := time.Now()
				if test.deadline > 0 {
					opts.Deadline = start.Add(test.deadline)
				}
				_, err := c.ListCalls(t.Context(), opts)
				if got := kind(err); got != test.err {
					t.Errorf("got %v", err)
				}
				waits := s.waits(start)
				if len(waits) != 1+len(test.waits) {
					t.Fatalf("requests after %v", waits)
				}
				for i, bounds := range test.waits {
					if got := waits[i+1]; got.Milliseconds() < bounds[0] || got.Milliseconds() > bounds[1] {
						t.Errorf("request %d came after %v", i+2, got)
					}
				}
			})
		})
	}
}

// One attempt may not take all the time that there is.
func TestAttemptTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: always(http.StatusOK, nil), took: time.Minute}
		c := s.client(rest.Options{AttemptTimeout: 10 * time.Second})
		defer c.Close()
		opts := as("")
		opts.Deadline = time.Now().Add(30 * time.Second)
		start := time.Now()
		_, err := c.ListCalls(t.Context(), opts)
		if kind(err) != upstream.KindTimeout || len(s.came) != 3 || time.Since(start) > 30*time.Second {
			t.Errorf("%v after %v and %d requests", err, time.Since(start), len(s.came))
		}
	})
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := http.StatusInternalServerError
		s := &script{response: func(_ int, r *http.Request) (int, http.Header) {
			if r.Header.Get("Authorization") == "Bearer other" {
				return http.StatusOK, nil
			}
			return status, nil
		}}
		c := s.client(rest.Options{})
		defer c.Close()
		list := func(key string, want any, requests int) {
			t.Helper()
			before := len(s.came)
			if _, err := c.ListCalls(t.Context(), as(key)); kind(err) != want || len(s.came)-before != requests {
				t.Errorf("%v, %d requests", err, len(s.came)-before)
			}
		}
		open := func(want bool) {
			t.Helper()
			tenant := as("mine").Credential.Tenant()
			if got := c.BreakerOpen(tenant); got != want || c.BreakerOpen(as("other").Credential.Tenant()) {
				t.Errorf("open: %v", got)
			}
		}
		list("mine", upstream.KindUnavailable, 3)
		open(false)
		list("mine", upstream.KindUnavailable, 2) // the fifth failure opens it
		open(true)
		list("mine", upstream.KindUnavailable, 0)
		list("other", nil, 1)
		_, err := c.ListCalls(t.Context(), as("mine"))
		if e, _ := errors.AsType[*upstream.Error](err); e.RetryAfter <= 0 || e.RetryAfter > 5*time.Second {
			t.Errorf("retry after %v", e.RetryAfter)
		}
		time.Sleep(5 * time.Second)
		open(true)                                // until a request has closed it
		list("mine", upstream.KindUnavailable, 1) // one request decides
		open(true)
		list("mine", upstream.KindUnavailable, 0)
		time.Sleep(5 * time.Second)
		status = http.StatusOK
		list("mine", nil, 1)
		open(false)
		list("mine", nil, 1)
	})
}

// An upstream that fails often is not cut off while it responds now and then, however unlucky the streak.
func TestBreakerForgivesStreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: func(n int, _ *http.Request) (int, http.Header) {
			if n%20 == 1 {
				return http.StatusOK, nil
			}
			return http.StatusInternalServerError, http.Header{"X-Should-Retry": {"false"}}
		}}
		c := s.client(rest.Options{})
		defer c.Close()
		for range 200 {
			_, _ = c.ListCalls(t.Context(), as(""))
			time.Sleep(10 * time.Millisecond)
		}
		if len(s.came) != 200 {
			t.Errorf("%d of 200 requests were sent", len(s.came))
		}
	})
}

// The client of the request that is to close the breaker gives up: the next request may be sent.
func TestBreakerIsNotLeftHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: first(5, 500, nil)}
		c := s.client(rest.Options{})
		defer c.Close()
		for range 2 {
			_, _ = c.ListCalls(t.Context(), as(""))
		}
		time.Sleep(5 * time.Second)
		s.took = time.Second
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, context.Canceled)
		defer cancel()
		_, _ = c.ListCalls(ctx, as(""))
		time.Sleep(5 * time.Second)
		if _, err := c.ListCalls(t.Context(), as("")); err != nil {
			t.Error(err)
		}
	})
}

// Upstream is left alone for as long as it asks for, but not for ever.
func TestPauses(t *testing.T) {
	const limited, unavailable = upstream.KindRateLimited, upstream.KindUnavailable
	after := func(value string) http.Header { return http.Header{"Retry-After": {value}} }
	tests := map[string]struct {
		status int
		header http.Header
		kind   upstream.Kind
		lasts  time.Duration
		named  bool // whether it says how long
	}{
		"429":                        {429, after("7"), limited, 7 * time.Second, true},
		"503":                        {503, after("7"), unavailable, 7 * time.Second, true},
		"429 for a century":          {429, after("100000"), limited, time.Minute, true},
		"429 for 10^6 seconds":       {429, after("1000000"), limited, time.Minute, true},
		"503 for 10^6 seconds":       {503, after("1000000"), unavailable, time.Minute, true},
		"429 for 10^9 milliseconds":  {429, http.Header{"Retry-After-Ms": {"1000000000"}}, limited, time.Minute, true},
		"429 for more than a number": {429, after("1" + strings.Repeat("0", 400)), limited, time.Minute, true},
		"429 to a date":              {429, after("Fri, 31 Dec 9999 23:59:59 GMT"), limited, time.Minute, true},
		"401":                        {401, nil, upstream.KindUnauthenticated, 2 * time.Second, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{response: first(1, test.status, test.header)}
				c := s.client(rest.Options{})
				defer c.Close()
				if _, err := c.ListCalls(t.Context(), as("mine")); kind(err) != test.kind {
					t.Fatal(err)
				}
				time.Sleep(test.lasts / 2)
				_, err := c.ListCalls(t.Context(), as("mine"))
				e, _ := errors.AsType[*upstream.Error](err)
				if len(s.came) != 1 || e == nil || e.Kind != test.kind || (e.RetryAfter > 0) != test.named {
					t.Errorf("in the meantime: %v, %d requests", err, len(s.came))
				}
				if _, err := c.ListCalls(t.Context(), as("other")); err != nil || len(s.came) != 2 {
					t.Errorf("with another key: %v", err)
				}
				time.Sleep(test.lasts/2 + time.Millisecond)
				if _, err := c.ListCalls(t.Context(), as("mine")); err != nil || len(s.came) != 3 {
					t.Errorf("afterwards: %v, %d requests", err, len(s.came))
				}
			})
		})
	}
}

// Half of all requests fail. However many there are, retries stay within their budget.
func TestRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{took: 20 * time.Millisecond, response: func(n int, _ *http.Request) (int, http.Header) {
			if n%2 == 0 {
				return http.StatusInternalServerError, nil
			}
			return http.StatusOK, nil
		}}
		c := s.client(rest.Options{})
		defer c.Close()
		const requests, seconds = 2000, 20
		var wait sync.WaitGroup
		for range requests {
			time.Sleep(seconds * time.Second / requests)
			wait.Go(func() { _, _ = c.ListCalls(t.Context(), as("")) })
		}
		wait.Wait()
		extra := len(s.came) - requests
		if most := requests/5 + 10 + seconds; extra > most || extra < most/2 {
			t.Errorf("%d retries, and at most %d are paid for", extra, most)
		}
	})
}

// Upstream takes 10 requests a second and is asked 50 times.
func TestRateLimitIsLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var second, taken int64
		var refused atomic.Int64
		var mu sync.Mutex
		s := &script{response: func(int, *http.Request) (int, http.Header) {
			mu.Lock()
			defer mu.Unlock()
			if now := time.Now().Unix(); now != second {
				second, taken = now, 0
			}
			if taken++; taken > 10 {
				refused.Add(1)
				return http.StatusTooManyRequests, nil
			}
			return http.StatusOK, nil
		}}
		c := s.client(rest.Options{})
		defer c.Close()
		var answered atomic.Int64
		var wait sync.WaitGroup
		ask := func(seconds int) {
			for range 50 * seconds {
				time.Sleep(20 * time.Millisecond)
				wait.Go(func() {
					if _, err := c.ListCalls(t.Context(), as("")); err == nil {
						answered.Add(1)
					}
				})
			}
		}
		ask(10) // it learns
		refused.Store(0)
		answered.Store(0)
		ask(60)
		got := answered.Load()
		t.Logf("600 requests could be answered: %d were, and %d were sent in vain", got, refused.Load())
		if got < 400 || refused.Load() > got/4 {
			t.Errorf("%d answered, %d sent in vain", got, refused.Load())
		}
		wait.Wait()
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: always(http.StatusOK, nil), took: time.Second}
		c := s.client(rest.Options{MaxConcurrent: 8, MaxTenantConcurrent: 4, MaxWaiting: 10})
		defer c.Close()
		var wait sync.WaitGroup
		var overloaded, answered atomic.Int64
		ask := func(key string, times int) {
			for range times {
				wait.Go(func() {
					switch _, err := c.ListCalls(t.Context(), as(key)); {
					case err == nil:
						answered.Add(1)
					case kind(err) == upstream.KindOverloaded:
						overloaded.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			synctest.Wait()
		}
		ask("greedy", 30)
		if s.most != 4 || overloaded.Load() != 30-4-10 {
			t.Errorf("%d at once, %d overloaded", s.most, overloaded.Load())
		}
		start := time.Now()
		if _, err := c.ListCalls(t.Context(), as("modest")); err != nil || time.Since(start) > time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		wait.Wait()
		if answered.Load() != 14 {
			t.Errorf("%d answered", answered.Load())
		}
		for i := range 5 {
			ask(fmt.Sprint("tenant ", i), 4)
		}
		wait.Wait()
		if s.most != 8 {
			t.Errorf("%d at once", s.most)
		}
	})
}

func TestRequestBudget(t *testing.T) {
	f, base := newFake(t, 100)
	f.Behave(func(b *fake.Behaviour) {
		b.Fault = func(int, *http.Request) *fake.Response { return &fake.Response{Status: 500} }
	})
	c := rest.NewClient(rest.Options{BaseURL: base, RetryDelay: time.Millisecond})
	defer c.Close()
	budget := upstream.NewRequestBudget(2)
	opts := as("")
	opts.Budget = budget
	if _, err := c.ListCalls(t.Context(), opts); kind(err) != upstream.KindUnavailable || len(f.Requests()) != 2 {
		t.Errorf("%v, %d requests", err, len(f.Requests()))
	}
	_, err := c.ListCalls(t.Context(), opts)
	refused, ok := errors.AsType[*upstream.RequestBudgetError](err)
	if !ok || !budget.Refused(refused) || upstream.NewRequestBudget(2).Refused(refused) || len(f.Requests()) != 2 {
		t.Errorf("%v, %d requests", err, len(f.Requests()))
	}
}

// An upstream that reads a request and closes the connection makes net/http send it again over each idle connection.
func TestReplaysAreBounded(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int64
	var die atomic.Bool
	together := make(chan struct{}) // closed when the first requests are all there, each on its own connection
	const connections = 20
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				lines := bufio.NewReader(conn)
				for {
					if _, err := http.ReadRequest(lines); err != nil {
						return
					}
					if n := requests.Add(1); n == connections {
						close(together)
					}
					<-together
					if die.Load() {
						return
					}
					const body = `{"calls": [{"id": "a"}]}`
					_, _ = fmt.Fprintf(
						conn,
						"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
						len(body), body,
					)
				}
			})
		}
	})
	c := rest.NewClient(rest.Options{
		BaseURL: &url.URL{Scheme: "http", Host: listener.Addr().String()}, RetryDelay: time.Hour,
	})
	var asking sync.WaitGroup
	for range connections {
		asking.Go(func() {
			if _, err := c.ListCalls(t.Context(), as("")); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	die.Store(true)
	requests.Store(connections)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // less than RetryDelay: one attempt
	defer cancel()
	if _, err := c.ListCalls(ctx, as("")); kind(err) != upstream.KindUnavailable {
		t.Error(err)
	}
	if n := requests.Load() - connections; n < 1 || n > 3 { // the last may be under way when it is cancelled
		t.Errorf("%d attempts for one request", n)
	}
	c.Close()
	_ = listener.Close()
	serving.Wait()
}
