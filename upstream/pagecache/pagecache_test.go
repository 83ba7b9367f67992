package pagecache

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream"
)

// lister is a list of rows that responds at once, or when the test lets it.
type lister struct {
	mu      sync.Mutex
	rows    int
	asked   []upstream.ListCallsOptions
	hold    chan struct{} // when not nil, responses wait for it to be closed
	err     error
	stopped int // requests that ended while they waited to be sent
}

func (l *lister) ListCalls(_ context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	l.mu.Lock()
	l.asked = append(l.asked, opts)
	hold, err := l.hold, l.err
	l.mu.Unlock()
	page := &upstream.Page{Number: opts.Page, Size: opts.PageSize, AskedAt: time.Now()}
	if hold != nil {
		select {
		case <-hold:
		case <-opts.Waiters.Done():
			l.mu.Lock()
			l.stopped++
			l.mu.Unlock()
			return nil, opts.Waiters.Err()
		}
	}
	for i := page.Offset(); i < min(page.Offset()+opts.PageSize, l.rows); i++ {
		page.Rows = append(page.Rows, upstream.RowOf(&upstream.Call{ID: fmt.Sprint(i)}, 0))
	}
	page.Bytes = 100 * len(page.Rows)
	return page, err
}

func (l *lister) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.asked)
}

func ask(page, size int) upstream.ListCallsOptions {
	return upstream.ListCallsOptions{Page: page, PageSize: size}
}

func TestServesWhatAPageCovers(t *testing.T) {
	tests := map[string]struct {
		first, second upstream.ListCallsOptions
		requests      int
	}{
		"the same page":                  {ask(1, 20), ask(1, 20), 1},
		"a window of it":                 {ask(1, 20), ask(3, 7), 1},
		"its last row":                   {ask(1, 20), ask(39, 1), 1},
		"one row before":                 {ask(1, 20), ask(19, 1), 2},
		"one row after":                  {ask(1, 20), ask(40, 1), 2},
		"across its end":                 {ask(1, 20), ask(3, 11), 2},
		"across a bucket":                {ask(1, 200), ask(39, 10), 1},
		"past the end, which it proves":  {ask(9, 100), ask(20, 50), 1},
		"past the end, unproven":         {ask(8, 100), ask(20, 50), 2},
		"what is needed of a wider page": {ask(1, 20), upstream.ListCallsOptions{Page: 0, PageSize: 60, From: 25, To: 40}, 1},
		"needed, but not there":          {ask(1, 20), upstream.ListCallsOptions{Page: 0, PageSize: 60, From: 25, To: 41}, 2},
		"other statuses": {ask(1, 20), upstream.ListCallsOptions{
			List: upstream.List{Statuses: upstream.NewOrderStatuses(upstream.OrderStatusErrored)}, Page: 1, PageSize: 20,
		}, 2},
		"another credential": {ask(1, 20), upstream.ListCallsOptions{
			List: upstream.List{Credential: upstream.NewCredential("other")}, Page: 1, PageSize: 20,
		}, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := &lister{rows: 950}
			c := New(l, Options{TTL: time.Minute, MaxBytes: 1 << 20})
			for _, opts := range []upstream.ListCallsOptions{test.first, test.second} {
				page, err := c.ListCalls(t.Context(), opts)
				if err != nil {
					t.Fatal(err)
				}
				lo, hi := opts.From, opts.To
				if hi == 0 {
					lo, hi = opts.Page*opts.PageSize, (opts.Page+1)*opts.PageSize
				}
				if !page.Covers(lo, hi) {
					t.Errorf("asked for %+v, got rows %d to %d", opts, page.Offset(), page.End())
				}
			}
			if got := l.count(); got != test.requests {
				t.Errorf("%d requests, want %d", got, test.requests)
			}
		})
	}
}

// If several pages cover the rows, the newest is served, wherever it begins and however large it is.
func TestTheNewestCoveringPageIsServed(t *testing.T) {
	for name, test := range map[string]struct{ older, newer upstream.ListCallsOptions }{
		"the larger page": {ask(30, 10), ask(1, 200)},
		"the smaller":     {ask(1, 200), ask(30, 10)},
		"an equal start":  {ask(1, 300), ask(3, 100)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(&lister{rows: 950}, Options{TTL: time.Minute, MaxBytes: 1 << 20})
				read := func(opts upstream.ListCallsOptions) *upstream.Page {
					page, err := c.ListCalls(t.Context(), opts)
					if err != nil {
						t.Fatal(err)
					}
					return page
				}
				read(test.older)
				time.Sleep(time.Second)
				test.newer.NotBefore = time.Now()
				newest := read(test.newer)
				window := ask(305, 1) // in all of them
				if got := read(window); got != newest {
					t.Errorf("got the page of %d rows from row %d", got.Size, got.Offset())
				}
				if got := c.Page(window); got != newest {
					t.Errorf("Page returned the page of %d rows from row %d", got.Size, got.Offset())
				}
			})
		})
	}
}

func TestFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{rows: 50}
		c := New(l, Options{TTL: 15 * time.Second, MaxBytes: 1 << 20})
		step := func(what string, opts upstream.ListCallsOptions, requests int) {
			t.Helper()
			if _, err := c.ListCalls(t.Context(), opts); err != nil {
				t.Fatal(err)
			}
			if got := l.count(); got != requests {
				t.Errorf("%s: %d requests, want %d", what, got, requests)
			}
		}
		step("cold", ask(0, 20), 1)
		time.Sleep(14 * time.Second)
		step("fresh", ask(0, 20), 1)
		time.Sleep(time.Second)
		step("stale", ask(0, 20), 2)
		time.Sleep(time.Second)
		late := ask(0, 20)
		late.NotBefore = time.Now()
		step("too early for the waiter", late, 3)
		step("early enough now", late, 3)
		time.Sleep(time.Second)
		late.NotBefore = time.Now().Add(time.Hour)
		step("a clock that is ahead", late, 4)
		if tenant := c.tenants[upstream.Tenant{}]; len(tenant.byBucket) != 1 || c.pages.Len() != 1 ||
			c.bytes != 2000 || len(tenant.byCall) != 20 {
			t.Errorf("left behind: %d buckets, %d pages, %d bytes, %d ids",
				len(tenant.byBucket), c.pages.Len(), c.bytes, len(tenant.byCall))
		}
	})
}

func TestTTLZeroRemembersNothing(t *testing.T) {
	l := &lister{rows: 50}
	c := New(l, Options{MaxBytes: 1 << 20})
	for range 2 {
		if _, err := c.ListCalls(t.Context(), ask(0, 20)); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.count(); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}
}

func TestBoundInBytes(t *testing.T) {
	l := &lister{rows: 10_000}
	c := New(l, Options{TTL: time.Hour, MaxBytes: 5000})
	for i := range 100 {
		if _, err := c.ListCalls(t.Context(), ask(i, 10)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ListCalls(t.Context(), ask(0, 10)); err != nil { // stays because it is used
			t.Fatal(err)
		}
		if c.bytes > 5000 || c.pages.Len() > 5 {
			t.Fatalf("%d pages of %d bytes", c.pages.Len(), c.bytes)
		}
	}
	if got := l.count(); got != 100 {
		t.Errorf("%d requests, want 100", got)
	}
	if _, err := c.ListCalls(t.Context(), ask(0, 100)); err != nil { // 10,000 bytes: larger than the cache
		t.Fatal(err)
	}
	if c.pages.Len() != 5 {
		t.Errorf("a page that does not fit evicted others: %d pages left", c.pages.Len())
	}
}

func TestOneFetchForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{rows: 50, hold: make(chan struct{})}
		c := New(l, Options{TTL: time.Minute, MaxBytes: 1 << 20})
		leader, giveUp := context.WithCancel(t.Context())
		errs := make(chan error, 50)
		for i := range 50 {
			ctx := t.Context()
			if i == 0 {
				ctx = leader
			}
			go func() {
				_, err := c.ListCalls(ctx, ask(0, 20))
				errs <- err
			}()
			synctest.Wait()
		}
		giveUp()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("the leader gave up: %v", err)
		}
		close(l.hold)
		for range 49 {
			if err := <-errs; err != nil {
				t.Errorf("a follower failed with its leader: %v", err)
			}
		}
		if l.count() != 1 || len(c.fetches) != 0 {
			t.Errorf("%d requests, %d fetches left", l.count(), len(c.fetches))
		}
	})
}

func TestCredentialsDoNotShareFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{rows: 50, hold: make(chan struct{})}
		c := New(l, Options{TTL: time.Minute, MaxBytes: 1 << 20})
		for _, tenant := range []string{"a", "b"} {
			opts := ask(0, 20)
			opts.Credential = upstream.NewCredential(tenant)
			go func() { _, _ = c.ListCalls(t.Context(), opts) }()
		}
		synctest.Wait()
		if l.count() != 2 {
			t.Errorf("%d requests, want 2", l.count())
		}
		close(l.hold)
	})
}

func TestFetchWithoutWaitersIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{rows: 50, hold: make(chan struct{})}
		c := New(l, Options{TTL: time.Minute, MaxBytes: 1 << 20})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = c.ListCalls(ctx, ask(0, 20)) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if l.stopped != 1 || len(c.fetches) != 0 {
			t.Errorf("%d requests stopped, %d fetches left", l.stopped, len(c.fetches))
		}
	})
}

func TestFetchTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{rows: 50, hold: make(chan struct{})}
		c := New(l, Options{TTL: time.Minute, MaxBytes: 1 << 20, Timeout: 30 * time.Second})
		began := time.Now()
		if _, err := c.ListCalls(t.Context(), ask(0, 20)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestErrorsAreNotRemembered(t *testing.T) {
	l := &lister{rows: 50, err: &upstream.Error{Kind: upstream.KindUnavailable, Status: 503}}
	c := New(l, Options{TTL: time.Minute, MaxBytes: 1 << 20})
	if _, err := c.ListCalls(t.Context(), ask(0, 20)); err == nil {
		t.Fatal("no error")
	}
	l.err = nil
	if _, err := c.ListCalls(t.Context(), ask(0, 20)); err != nil {
		t.Error(err)
	}
}

type panicker struct{}

func (panicker) ListCalls(context.Context, upstream.ListCallsOptions) (*upstream.Page, error) {
	panic("a bug")
}

func TestAPanicIsAnError(t *testing.T) {
	c := New(panicker{}, Options{TTL: time.Minute, MaxBytes: 1 << 20})
	if _, err := c.ListCalls(t.Context(), ask(0, 20)); err == nil {
		t.Error("no error")
	}
}

// leaver ends the goroutine that calls it.
type leaver struct{}

func (leaver) ListCalls(context.Context, upstream.ListCallsOptions) (*upstream.Page, error) {
	runtime.Goexit()
	return nil, nil
}

func TestNoRequestWaitsForAFetchThatHasEnded(t *testing.T) {
	c := New(leaver{}, Options{TTL: time.Minute, MaxBytes: 1 << 20})
	if _, err := c.ListCalls(t.Context(), ask(0, 20)); !errors.Is(err, errUnfinished) || len(c.fetches) != 0 {
		t.Errorf("%v, %d fetches", err, len(c.fetches))
	}
}

// A fetch that started before NotBefore does not serve the request.
func TestNotBeforeAsksAgainAfterAnOlderFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{rows: 50, hold: make(chan struct{})}
		c := New(l, Options{TTL: time.Minute, MaxBytes: 1 << 20})
		go func() { _, _ = c.ListCalls(t.Context(), ask(0, 20)) }()
		synctest.Wait()
		time.Sleep(time.Second)
		opts := ask(0, 20)
		opts.NotBefore = time.Now()
		done := make(chan *upstream.Page)
		go func() {
			page, _ := c.ListCalls(t.Context(), opts)
			done <- page
		}()
		synctest.Wait()
		close(l.hold)
		if page := <-done; page.AskedAt.Before(opts.NotBefore) || l.count() != 2 {
			t.Errorf("asked at %v, %d requests", page.AskedAt, l.count())
		}
	})
}

// FindCall examines only the pages that have the call, however many others there are: none for a call that no page has.
// It does not find an evicted page, and still finds others with the same call.
func TestFindCallByIndex(t *testing.T) {
	c := New(&lister{rows: 500}, Options{TTL: time.Hour, MaxBytes: 1 << 20})
	for page := range 50 {
		for _, size := range []int{10, 5} { // pages 0 to 49 of 5 rows hold the first half of the calls once more
			if _, err := c.ListCalls(t.Context(), ask(page, size)); err != nil {
				t.Fatal(err)
			}
		}
	}
	holding := func(id string) int {
		pages, _ := c.candidates(upstream.Tenant{}, id, time.Time{})
		return len(pages)
	}
	for id, want := range map[string]int{"3": 1, "490": 1, "none": 0} {
		if got := holding(id); got != want {
			t.Errorf("%s: %d pages", id, got)
		}
	}
	c.keep(key{size: 5}, &upstream.Page{
		Size: 5, AskedAt: time.Now(), Bytes: 500, Rows: []upstream.Row{{Call: &upstream.Call{ID: "3"}}, {Problem: "none"}},
	})
	if got := holding("3"); got != 2 {
		t.Errorf("on two pages: %d", got)
	}
	c.pages.Remove(key{size: 10})
	if got := holding("3"); got != 1 {
		t.Errorf("one has left: %d", got)
	}
	if call, page := c.FindCall(upstream.Tenant{}, "3", time.Time{}); call == nil || page.Size != 5 {
		t.Errorf("found on %+v", page)
	}
	if got := holding("4"); got != 0 {
		t.Errorf("left behind: %d", got)
	}
}

func TestFindCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(&lister{rows: 50}, Options{TTL: time.Minute, MaxBytes: 1 << 20})
		mine := upstream.NewCredential("mine")
		opts := ask(1, 20)
		opts.Credential = mine
		if _, err := c.ListCalls(t.Context(), opts); err != nil {
			t.Fatal(err)
		}
		find := func(what string, credential upstream.Credential, id string, notBefore time.Time, want bool) {
			t.Helper()
			if got, _ := c.FindCall(credential.Tenant(), id, notBefore); (got != nil) != want {
				t.Errorf("%s: %v", what, got)
			}
		}
		find("on the page", mine, "25", time.Time{}, true)
		find("on no page", mine, "45", time.Time{}, false)
		find("of another", upstream.NewCredential("yours"), "25", time.Time{}, false)
		time.Sleep(time.Second)
		find("too old for the waiter", mine, "25", time.Now(), false)
		time.Sleep(time.Minute)
		find("stale", mine, "25", time.Time{}, false)
	})
}
