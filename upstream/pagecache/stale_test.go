package pagecache

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream"
)

func (l *lister) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// newStale makes a cache whose pages are fresh for 15 s, may be served during a refresh for another 15 s, and while
// upstream fails for a minute after the first 15 s.
func newStale(t *testing.T) (*lister, *Cache) {
	t.Helper()
	l := &lister{rows: 50}
	c := New(l, Options{
		TTL: 15 * time.Second, Revalidate: 15 * time.Second, Stale: time.Minute, MaxBytes: 1 << 20,
	})
	t.Cleanup(c.Close)
	return l, c
}

// list requests a page, and waits for the fetches in the background.
func list(t *testing.T, c *Cache, opts upstream.ListCallsOptions) *upstream.Page {
	t.Helper()
	page, err := c.ListCalls(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return page
}

func TestServedWhileRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newStale(t)
		old := list(t, c, ask(0, 20))
		time.Sleep(16 * time.Second)
		l.hold = make(chan struct{})
		for range 10 { // none waits, and one request is enough for all
			if page := list(t, c, ask(0, 20)); page != old {
				t.Fatalf("asked at %v, stale %v", page.AskedAt, page.Stale)
			}
		}
		close(l.hold)
		synctest.Wait()
		if page := list(t, c, ask(0, 20)); page == old || page.Stale || l.count() != 2 {
			t.Errorf("asked at %v, %d requests", page.AskedAt, l.count())
		}
		if s := c.Stats(); s.Revalidated != 10 || s.Hits != 1 || s.Misses != 2 || s.Stale != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestServedWhileUpstreamFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newStale(t)
		old := list(t, c, ask(0, 20))
		l.fail(&upstream.Error{Kind: upstream.KindUnavailable})
		time.Sleep(16 * time.Second)
		if page := list(t, c, ask(0, 20)); page.Stale {
			t.Error("stale before upstream is known to fail")
		}
		for range 10 {
			if page := list(t, c, ask(0, 20)); !page.Stale || !page.AskedAt.Equal(old.AskedAt) {
				t.Errorf("asked at %v, stale %v", page.AskedAt, page.Stale)
			}
		}
		if l.count() != 2 {
			t.Errorf("%d requests within a second of a failure", l.count()-1)
		}
		if old.Stale {
			t.Error("the page in memory, which others share, was marked")
		}
		if _, err := c.ListCalls(t.Context(), ask(1, 20)); err == nil {
			t.Error("a page that is not in memory is served, although upstream fails")
		}
		l.fail(nil)
		time.Sleep(time.Second)
		list(t, c, ask(0, 20))
		if page := list(t, c, ask(0, 20)); page.Stale || page.AskedAt.Equal(old.AskedAt) {
			t.Errorf("asked at %v, stale %v", page.AskedAt, page.Stale)
		}
	})
}

func TestNotServedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newStale(t)
		list(t, c, ask(0, 20))
		l.fail(&upstream.Error{Kind: upstream.KindTimeout})
		time.Sleep(74 * time.Second)
		list(t, c, ask(0, 20))
		time.Sleep(2 * time.Second)
		if _, err := c.ListCalls(t.Context(), ask(0, 20)); err == nil {
			t.Error("a page older than TTL + Stale is served")
		}
		if s := c.Stats(); s.Pages != 0 || s.Bytes != 0 || s.Tenants != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}

// A client that has seen a newer response never gets an older one, even while upstream fails.
func TestStaleIsNeverOlderThanAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newStale(t)
		list(t, c, ask(0, 20))
		l.fail(&upstream.Error{Kind: upstream.KindUnavailable})
		time.Sleep(16 * time.Second)
		opts := ask(0, 20)
		opts.NotBefore = time.Now()
		if _, err := c.ListCalls(t.Context(), opts); err == nil {
			t.Error("a page from before NotBefore is served")
		}
	})
}

func TestRefusedCredentialsLoseTheirPages(t *testing.T) {
	for _, kind := range []upstream.Kind{upstream.KindUnauthenticated, upstream.KindForbidden} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, c := newStale(t)
				mine, yours := ask(0, 20), ask(0, 20)
				mine.Credential, yours.Credential = upstream.NewCredential("mine"), upstream.NewCredential("yours")
				list(t, c, mine)
				mine.Page = 1
				list(t, c, mine)
				list(t, c, yours)
				l.fail(&upstream.Error{Kind: kind})
				mine.Page = 2
				if _, err := c.ListCalls(t.Context(), mine); err == nil {
					t.Fatal("no error")
				}
				mine.Page = 0
				if _, err := c.ListCalls(t.Context(), mine); err == nil {
					t.Error("still served")
				}
				if call, _ := c.FindCall(mine.Credential.Tenant(), "0", time.Time{}); call != nil {
					t.Error("still found")
				}
				list(t, c, yours)
				if s := c.Stats(); s.Pages != 1 || s.Tenants != 1 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

func TestFindCallWhileUpstreamFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newStale(t)
		list(t, c, ask(0, 20))
		time.Sleep(16 * time.Second)
		if call, _ := c.FindCall(upstream.Tenant{}, "7", time.Time{}); call != nil {
			t.Error("found on a page that is no longer fresh")
		}
		l.fail(&upstream.Error{Kind: upstream.KindUnavailable})
		if _, err := c.ListCalls(t.Context(), ask(1, 20)); err == nil {
			t.Fatal("no error")
		}
		if call, page := c.FindCall(upstream.Tenant{}, "7", time.Time{}); call == nil || !page.Stale {
			t.Error("not found, or not as stale")
		}
	})
}

// One tenant's pages do not evict another's.
func TestTenantsHaveTheirShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{rows: 100_000}
		c := New(l, Options{TTL: time.Minute, MaxBytes: 20_000, MaxTenantBytes: 5000}) // a page of 10 rows has 1000
		defer c.Close()
		as := func(tenant string, page int) upstream.ListCallsOptions {
			opts := ask(page, 10)
			opts.Credential = upstream.NewCredential(tenant)
			return opts
		}
		list(t, c, as("modest", 0))
		for page := range 1000 {
			list(t, c, as("greedy", page))
		}
		before := l.count()
		list(t, c, as("modest", 0))
		for page := 995; page < 1000; page++ {
			list(t, c, as("greedy", page))
		}
		if l.count() != before {
			t.Errorf("%d pages were evicted", l.count()-before)
		}
		if s := c.Stats(); s.Pages != 6 || s.Bytes != 6000 || s.Tenants != 2 || s.Evictions != 995 {
			t.Errorf("%+v", s)
		}
		for tenant := range 30 { // all tenants together have a bound too
			list(t, c, as(fmt.Sprint(tenant), 0))
		}
		if s := c.Stats(); s.Bytes != 20_000 || s.Pages != 20 {
			t.Errorf("%+v", s)
		}
	})
}

// payers is a list for which each request pays from its budget.
type payers struct{ *lister }

func (p payers) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	page, err := p.lister.ListCalls(ctx, opts)
	if err := opts.Budget.Take(); err != nil {
		return nil, err
	}
	return page, err
}

// The spent budget of the request that started a fetch is no error for the others that wait for it.
func TestBudgetsOfOthersAreNotSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{rows: 50, hold: make(chan struct{})}
		c := New(payers{l}, Options{TTL: time.Minute, MaxBytes: 1 << 20})
		defer c.Close()
		poor, rich := ask(0, 20), ask(0, 20)
		poor.Budget, rich.Budget = upstream.NewRequestBudget(0), upstream.NewRequestBudget(1)
		poorErr, richErr := make(chan error), make(chan error) // either may come first
		go func() {
			_, err := c.ListCalls(t.Context(), poor)
			poorErr <- err
		}()
		synctest.Wait()
		go func() {
			_, err := c.ListCalls(t.Context(), rich)
			richErr <- err
		}()
		synctest.Wait()
		close(l.hold)
		if _, ok := errors.AsType[*upstream.RequestBudgetError](<-poorErr); !ok {
			t.Error("the request whose budget is spent got another error, or none")
		}
		if err := <-richErr; err != nil {
			t.Error(err)
		}
	})
}

// Refreshes in the background end with the cache.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newStale(t)
		list(t, c, ask(0, 20))
		time.Sleep(16 * time.Second)
		l.hold = make(chan struct{})
		list(t, c, ask(0, 20))
		c.Close()
		synctest.Wait()
		if l.stopped != 1 {
			t.Error("the refresh goes on after Close")
		}
		list(t, c, ask(0, 20))
		if l.count() != 2 {
			t.Error("a closed cache refreshes a page")
		}
	})
}

// While upstream is healthy, the cache serves no page older than TTL + Revalidate.
func TestWaitsForWhatIsTooOld(t *testing.T) {
	for _, test := range []struct {
		age         time.Duration
		kept        bool
		revalidated uint64
	}{
		{14 * time.Second, true, 0},
		{15 * time.Second, true, 1},
		{30*time.Second - 1, true, 1},
		{30 * time.Second, false, 0},
		{70 * time.Second, false, 0},
		{10 * time.Minute, false, 0},
	} {
		t.Run(test.age.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, c := newStale(t)
				old := list(t, c, ask(0, 20))
				time.Sleep(test.age)
				page := list(t, c, ask(0, 20))
				if page.Stale || (page == old) != test.kept || c.Stats().Revalidated != test.revalidated {
					t.Errorf("asked %v ago, stale %v, %+v", time.Since(page.AskedAt), page.Stale, c.Stats())
				}
			})
		})
	}
}

// A request that has waited in vain gets an older page, marked as stale.
func TestOlderPageAfterAFailure(t *testing.T) {
	tests := map[string]struct {
		err      error
		deadline time.Duration
		age      time.Duration // of the page
		want     bool
	}{
		"failing":             {err: &upstream.Error{Kind: upstream.KindUnavailable}, age: 31 * time.Second, want: true},
		"its last moment":     {err: &upstream.Error{Kind: upstream.KindTimeout}, age: 75*time.Second - 1, want: true},
		"too old for that":    {err: &upstream.Error{Kind: upstream.KindTimeout}, age: 75 * time.Second},
		"out of time":         {deadline: time.Second, age: 31 * time.Second, want: true},
		"refused":             {err: &upstream.Error{Kind: upstream.KindUnauthenticated}, age: 31 * time.Second},
		"cannot pay":          {err: &upstream.RequestBudgetError{}, age: 31 * time.Second},
		"another size wanted": {err: &upstream.PageSizeError{Most: 10}, age: 31 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, c := newStale(t)
				old := list(t, c, ask(0, 20))
				time.Sleep(test.age)
				l.fail(test.err)
				opts := ask(0, 20)
				if test.deadline > 0 {
					l.hold = make(chan struct{})
					opts.Deadline = time.Now().Add(test.deadline)
				}
				if name == "cannot pay" {
					opts.Budget = upstream.NewRequestBudget(0)
					l.fail(opts.Budget.Take())
				}
				page, err := c.ListCalls(t.Context(), opts)
				if got := err == nil && page.Stale && page.AskedAt.Equal(old.AskedAt); got != test.want {
					t.Errorf("%v, %v", page, err)
				}
			})
		})
	}
}

// A client that has gone gets no older page.
func TestNoOlderPageForAClientThatHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newStale(t)
		list(t, c, ask(0, 20))
		time.Sleep(31 * time.Second)
		l.hold = make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if page, err := c.ListCalls(ctx, ask(0, 20)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, %v", page, err)
		}
	})
}

// The cache trusts a failure of upstream for no longer than TTL + Revalidate.
func TestAFailureIsNotBelievedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newStale(t)
		list(t, c, ask(0, 20))
		time.Sleep(16 * time.Second)
		l.fail(&upstream.Error{Kind: upstream.KindUnavailable})
		list(t, c, ask(0, 20))
		l.fail(nil)
		time.Sleep(30*time.Second - 1)
		l.hold = make(chan struct{})
		if page := list(t, c, ask(0, 20)); !page.Stale {
			t.Errorf("asked %v ago", time.Since(page.AskedAt))
		}
		time.Sleep(time.Nanosecond)
		close(l.hold)
		synctest.Wait()
		l.fail(&upstream.Error{Kind: upstream.KindUnavailable})
		if _, err := c.ListCalls(t.Context(), ask(1, 20)); err == nil {
			t.Fatal("no error")
		}
		l.fail(nil)
		time.Sleep(30 * time.Second)
		if page := list(t, c, ask(0, 20)); page.Stale || time.Since(page.AskedAt) > 0 {
			t.Errorf("asked %v ago, stale %v", time.Since(page.AskedAt), page.Stale)
		}
		time.Sleep(30 * time.Second)
		if call, _ := c.FindCall(upstream.Tenant{}, "7", time.Time{}); call != nil {
			t.Error("found on a page that is too old")
		}
	})
}

// If there is an older page, a slow upstream delays a request by Patience at most. After that, no further request waits
// for the same response.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{rows: 50}
		c := New(l, Options{
			TTL: 15 * time.Second, Revalidate: 15 * time.Second, Stale: time.Minute, MaxBytes: 1 << 20,
			Patience: 5 * time.Second,
		})
		defer c.Close()
		list(t, c, ask(0, 20))
		time.Sleep(31 * time.Second)
		l.hold = make(chan struct{})
		defer close(l.hold)
		for _, want := range []time.Duration{5 * time.Second, 0} {
			start := time.Now()
			page, err := c.ListCalls(t.Context(), ask(0, 20))
			if took := time.Since(start); err != nil || !page.Stale || took != want {
				t.Errorf("after %v: %v, %v", took, page, err)
			}
		}
		opts := ask(0, 20)
		opts.Page = 1
		opts.Deadline = time.Now().Add(20 * time.Second)
		start := time.Now()
		if _, err := c.ListCalls(t.Context(), opts); err == nil || time.Since(start) != 20*time.Second {
			t.Errorf("nothing is in memory: %v after %v", err, time.Since(start))
		}
		if l.count() != 3 {
			t.Errorf("%d requests", l.count())
		}
	})
}

// A request whose older page leaves the cache while it is patient waits for upstream until its deadline, like a request
// without an older page.
func TestPatienceForAPageThatLeaves(t *testing.T) {
	for name, test := range map[string]struct {
		age      time.Duration // of the page, which is too old after 75 s
		evicted  bool
		deadline time.Duration // 0 is none
		took     time.Duration // by upstream
		want     time.Duration
		ok       bool
	}{
		"evicted":                  {40 * time.Second, true, 30 * time.Second, 12 * time.Second, 12 * time.Second, true},
		"evicted, and no deadline": {40 * time.Second, true, 0, time.Minute, time.Minute, true},
		"too old by then":          {70 * time.Second, false, 30 * time.Second, 12 * time.Second, 12 * time.Second, true},
		"out of time":              {40 * time.Second, true, 30 * time.Second, time.Minute, 30 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &lister{rows: 50}
				c := New(l, Options{
					TTL: 15 * time.Second, Revalidate: 15 * time.Second, Stale: time.Minute, MaxBytes: 1 << 20,
					Patience: 10 * time.Second,
				})
				defer c.Close()
				list(t, c, ask(0, 20))
				time.Sleep(test.age)
				l.hold = make(chan struct{})
				time.AfterFunc(test.took, func() { close(l.hold) })
				if test.evicted {
					time.AfterFunc(5*time.Second, func() { c.Shrink(1 << 20) })
				}
				opts, start := ask(0, 20), time.Now()
				if test.deadline > 0 {
					opts.Deadline = start.Add(test.deadline)
				}
				page, err := c.ListCalls(t.Context(), opts)
				if took := time.Since(start); (err == nil) != test.ok || took != test.want || test.ok && page.Stale {
					t.Errorf("after %v: %+v, %v", took, page, err)
				}
			})
		})
	}
}

// The facts about a tenant outlive the tenant's pages.
func TestWhatIsKnownOutlivesPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{rows: 50}
		var reported []error
		c := New(l, Options{
			TTL: 15 * time.Second, Revalidate: 15 * time.Second, Stale: time.Minute,
			MaxBytes: 2500, // a page of 20 rows has 2000
			Failing:  func(_ upstream.Tenant, err error) { reported = append(reported, err) },
		})
		defer c.Close()
		mine, yours := ask(0, 20), ask(0, 20)
		mine.Credential, yours.Credential = upstream.NewCredential("mine"), upstream.NewCredential("yours")
		list(t, c, mine)
		time.Sleep(16 * time.Second)
		l.fail(&upstream.PageSizeError{Most: 10})
		list(t, c, mine) // learns in the background that the page is too large
		l.fail(&upstream.Error{Kind: upstream.KindUnavailable})
		other := mine
		other.Page = 1
		if _, err := c.ListCalls(t.Context(), other); err == nil {
			t.Fatal("no error")
		}
		l.fail(nil)
		list(t, c, yours) // evicts mine
		if s := c.Stats(); s.Pages != 1 || s.Tenants != 1 || s.Evictions != 1 || len(reported) != 1 {
			t.Fatalf("%+v, reported %v", s, reported)
		}
		s := c.tenant(mine.Credential.Tenant())
		if most, ok := s.most(0, time.Now()); !ok || most != 10 || !c.fails(s) {
			t.Errorf("at most %d rows, failing %v", most, c.fails(s))
		}
		list(t, c, mine)
		if len(reported) != 2 || reported[1] != nil || c.tenant(mine.Credential.Tenant()) != s {
			t.Errorf("reported %v", reported)
		}
	})
}

// The number of tenants without pages is bounded.
func TestTenantsWithoutPagesAreBounded(t *testing.T) {
	c := New(&lister{rows: 50}, Options{TTL: time.Minute, MaxBytes: 150})
	defer c.Close()
	for i := range maxEmptied + 10 {
		opts := ask(0, 1)
		opts.Credential = upstream.NewCredential(fmt.Sprint(i))
		if _, err := c.ListCalls(t.Context(), opts); err != nil {
			t.Fatal(err)
		}
	}
	if c.emptied.Len() != maxEmptied || len(c.tenants) != 1 {
		t.Errorf("%d without pages, %d with some", c.emptied.Len(), len(c.tenants))
	}
}
