package rest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/rest"
)

// abandonedAfter asks as the page cache does: for waiters that have gone after a while.
func abandonedAfter(
	ctx context.Context, c *rest.Client, opts upstream.ListCallsOptions, patience time.Duration,
) (*upstream.Page, error) {
	waiters, gone := context.WithCancel(ctx)
	defer gone()
	if patience == 0 {
		gone()
	} else {
		defer time.AfterFunc(patience, gone).Stop()
	}
	opts.Waiters = waiters
	return c.ListCalls(ctx, opts)
}

// What becomes of a fetch when its last waiter has gone.
func TestAbandonedFetches(t *testing.T) {
	const took = 1500 * time.Millisecond
	hint := func(ms string) http.Header { return http.Header{"Retry-After-Ms": {ms}} }
	pages := func(_ int, r *http.Request) (int, http.Header) { // a list of one call, which has its first page at 0
		if r.URL.Query().Get("page") == "0" {
			return http.StatusOK, nil
		}
		return http.StatusNotFound, nil
	}
	tests := map[string]struct {
		response func(int, *http.Request) (int, http.Header)
		client   rest.Options
		before   int // other requests that have the slots
		patience time.Duration
		lasts    time.Duration // how long the waiters will wait; 0 is for ever
		rows     int           // of the page; 0 is 1
		requests int           // of this fetch
		err      any
		after    time.Duration
	}{
		"no waiter":   {response: always(200, nil), err: context.Canceled},
		"it was sent": {response: always(200, nil), patience: time.Second, requests: 1, after: took},
		"it waits for a slot": {
			response: always(200, nil), client: rest.Options{MaxConcurrent: 1}, before: 1,
			patience: time.Second, err: context.Canceled, after: time.Second,
		},
		"it was sent and fails": {
			response: always(500, nil), patience: time.Second, requests: 1, err: upstream.KindUnavailable, after: took,
		},
		"it waits to try again": {
			response: always(429, hint("1000")), patience: 2 * time.Second, requests: 1, err: context.Canceled,
			after: 2 * time.Second,
		},
		"its waiters would be gone by the next attempt": {
			response: always(429, hint("1000")), lasts: 2 * time.Second, requests: 1,
			err: upstream.KindRateLimited, after: took,
		},
		"it was sent for the second time": {
			response: first(1, 429, hint("1000")), patience: 3 * time.Second, requests: 2, after: took + time.Second + took,
		},
		"it was sent and takes too long": {
			response: always(200, nil), client: rest.Options{AttemptTimeout: 1200 * time.Millisecond},
			patience: time.Second, requests: 1, err: upstream.KindTimeout, after: 1200 * time.Millisecond,
		},
		"the first page is to be found out": {
			response: pages, client: rest.Options{FirstPage: upstream.FirstPageAuto}, patience: time.Second,
			rows: 2, requests: 7, after: 7 * took,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{response: test.response, took: took}
				c := s.client(test.client)
				defer c.Close()
				var others sync.WaitGroup
				for range test.before {
					others.Go(func() { _, _ = c.ListCalls(t.Context(), as("other")) })
				}
				synctest.Wait()
				start := time.Now()
				var page *upstream.Page
				var err error
				opts := as("")
				opts.PageSize = max(1, test.rows)
				if test.lasts > 0 {
					waiters, end := context.WithTimeout(t.Context(), test.lasts)
					defer end()
					opts.Waiters = waiters
					page, err = c.ListCalls(t.Context(), opts)
				} else {
					page, err = abandonedAfter(t.Context(), c, opts, test.patience)
				}
				if kind(err) != test.err || (err == nil) != (page != nil) {
					t.Errorf("got %v, want %v", err, test.err)
				}
				if got := time.Since(start); got != test.after {
					t.Errorf("it ended after %v, want %v", got, test.after)
				}
				others.Wait()
				if got := len(s.came) - test.before; got != test.requests {
					t.Errorf("%d requests, want %d", got, test.requests)
				}
				if underWay, waiting := c.Load(); underWay != 0 || waiting != 0 {
					t.Errorf("%d under way, %d waiting", underWay, waiting)
				}
			})
		})
	}
}

// Clients that give up at once do not make upstream work on more requests than there are slots, and no request is taken
// back.
func TestSlotsOfAbandonedFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: always(200, nil), took: time.Second}
		c := s.client(rest.Options{MaxConcurrent: 8})
		defer c.Close()
		var wait sync.WaitGroup
		for range 2000 {
			time.Sleep(time.Millisecond)
			wait.Go(func() { _, _ = abandonedAfter(t.Context(), c, as(""), 10*time.Millisecond) })
		}
		wait.Wait()
		if len(s.came) > 3*8 || s.most != 8 || s.ended != 0 {
			t.Errorf("%d requests, %d at once, %d taken back", len(s.came), s.most, s.ended)
		}
	})
}

// A fetch that is abandoned ends with its context, which is how the gateway stops.
func TestAbandonedFetchesEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: always(200, nil), took: time.Hour}
		c := s.client(rest.Options{AttemptTimeout: time.Hour})
		defer c.Close()
		ctx, stop := context.WithTimeoutCause(t.Context(), time.Minute, context.Canceled)
		defer stop()
		if _, err := abandonedAfter(ctx, c, as(""), time.Second); !errors.Is(err, context.Canceled) || s.ended != 1 {
			t.Errorf("%v, %d ended", err, s.ended)
		}
	})
}

// keys is an upstream that knows some keys, and counts what it is asked with others.
type keys struct {
	script
	lock          sync.Mutex
	unknown, most int // requests under way with keys that it does not know: now, and at any moment
}

func newKeys(took time.Duration) *keys {
	k := &keys{script: script{took: took}}
	k.response = func(_ int, r *http.Request) (int, http.Header) {
		if r.Header.Get("Authorization") == "Bearer good" {
			return http.StatusOK, nil
		}
		return http.StatusUnauthorized, nil
	}
	return k
}

func (k *keys) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") != "Bearer good" {
		k.count(1)
		defer k.count(-1)
	}
	return k.script.RoundTrip(r)
}

func (k *keys) count(n int) {
	k.lock.Lock()
	defer k.lock.Unlock()
	k.unknown += n
	k.most = max(k.most, k.unknown)
}

// Clients that make up keys take an eighth of the slots and of the waiters, and keep no other client out; a key that
// upstream accepts passes through that eighth once.
func TestMadeUpKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeys(100 * time.Millisecond)
		c := rest.NewClient(rest.Options{
			BaseURL: &url.URL{Scheme: "http", Host: "upstream.test"}, Transport: k,
			MaxConcurrent: 32, MaxTenantConcurrent: 16, AnyKey: true,
		})
		defer c.Close()
		good := as("good")
		if c.Proven(good.Credential.Tenant()) {
			t.Error("proven before it was asked with")
		}
		if _, err := c.ListCalls(t.Context(), good); err != nil || !c.Proven(good.Credential.Tenant()) {
			t.Fatalf("a new key: %v", err)
		}
		var wait sync.WaitGroup
		made := 0
		another := func() {
			made++
			opts := as(fmt.Sprint("made up ", made))
			wait.Go(func() { _, _ = c.ListCalls(t.Context(), opts) })
		}
		for range 30 { // 4,000 keys a second, for 3 s
			for range 400 {
				another()
			}
			synctest.Wait()
			for range 7 {
				wait.Go(func() {
					start := time.Now()
					if _, err := c.ListCalls(t.Context(), good); err != nil || time.Since(start) > 100*time.Millisecond {
						t.Errorf("the good tenant: %v after %v", err, time.Since(start))
					}
				})
			}
			time.Sleep(100 * time.Millisecond)
		}
		for range 5000 { // more than there are tenants whose state is kept
			another()
		}
		wait.Wait()
		if k.most != 4 {
			t.Errorf("%d requests with made-up keys at once", k.most)
		}
		if !c.Proven(good.Credential.Tenant()) {
			t.Error("what is known of the good tenant was pushed out")
		}
	})
}

// Each of many tenants that ask at once has its turn, whatever the others ask for.
func TestTenantsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: always(200, nil), took: 100 * time.Millisecond}
		c := s.client(rest.Options{MaxConcurrent: 4, MaxTenantConcurrent: 2, MaxWaiting: 100})
		defer c.Close()
		var wait sync.WaitGroup
		for _, key := range []string{"one", "two", "three"} {
			for range 100 {
				wait.Go(func() { _, _ = c.ListCalls(t.Context(), as(key)) })
			}
			synctest.Wait()
		}
		if _, waiting := c.Load(); waiting != 100 {
			t.Errorf("%d wait", waiting)
		}
		start := time.Now()
		if _, err := c.ListCalls(t.Context(), as("modest")); err != nil || time.Since(start) > 200*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		wait.Wait()
	})
}

// One tenant's refreshes leave most slots to requests with waiting clients, and are not starved themselves.
func TestRefreshesLeaveSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: always(200, nil), took: 100 * time.Millisecond}
		c := s.client(rest.Options{MaxConcurrent: 8, MaxWaiting: 50})
		defer c.Close()
		var wait sync.WaitGroup
		var refreshed, refused atomic.Int64
		again := as("")
		again.Refresh = true
		for range 100 { // 400 a second, and 20 can be served
			for range 40 {
				wait.Go(func() {
					if _, err := c.ListCalls(t.Context(), again); err == nil {
						refreshed.Add(1)
					} else if kind(err) == upstream.KindOverloaded {
						refused.Add(1)
					}
				})
			}
			synctest.Wait()
			for range 6 {
				wait.Go(func() {
					start := time.Now()
					if _, err := c.ListCalls(t.Context(), as("")); err != nil || time.Since(start) > 100*time.Millisecond {
						t.Errorf("%v after %v", err, time.Since(start))
					}
				})
			}
			time.Sleep(100 * time.Millisecond)
		}
		wait.Wait()
		if refreshed.Load() < 200 || refused.Load() == 0 {
			t.Errorf("%d refreshes, %d refused", refreshed.Load(), refused.Load())
		}
	})
}

// A refresh that gets a waiting client leaves the queue of refreshes.
func TestRefreshesBecomeUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{response: always(200, nil), took: time.Second}
		c := s.client(rest.Options{MaxConcurrent: 4})
		defer c.Close()
		again := as("")
		again.Refresh = true
		urgent := make(chan struct{})
		var wait sync.WaitGroup
		for i := range 10 {
			opts := again
			if i == 9 {
				opts.Urgent = urgent
			}
			wait.Go(func() { _, _ = c.ListCalls(t.Context(), opts) })
			synctest.Wait()
		}
		if n := s.requests(); n != 1 {
			t.Errorf("%d refreshes at once", n)
		}
		close(urgent)
		synctest.Wait()
		if n := s.requests(); n != 2 {
			t.Errorf("%d requests, one of them urgent", n)
		}
		wait.Wait()
	})
}
