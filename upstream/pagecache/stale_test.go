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

// newStale is a cache of pages that are fresh for 15 s, and may be served for a minute after that.
func newStale(t *testing.T) (*lister, *Cache) {
	t.Helper()
	l := &lister{rows: 50}
	c := New(l, Options{TTL: 15 * time.Second, Stale: time.Minute, MaxBytes: 1 << 20})
	t.Cleanup(c.Close)
	return l, c
}

// list asks, and lets what that started in the background finish.
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
		for range 10 { // nobody waits, and one request is enough for all
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
			t.Error("the page that is shared was marked")
		}
		if _, err := c.ListCalls(t.Context(), ask(1, 20)); err == nil {
			t.Error("a page that is not in memory, although upstream fails")
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
			t.Error("a page that has had its time")
		}
		if s := c.Stats(); s.Pages != 0 || s.Bytes != 0 || s.Tenants != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}

// Whoever has seen a newer answer is not given an older one, however upstream is.
func TestStaleIsNeverOlderThanAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newStale(t)
		list(t, c, ask(0, 20))
		l.fail(&upstream.Error{Kind: upstream.KindUnavailable})
		time.Sleep(16 * time.Second)
		opts := ask(0, 20)
		opts.NotBefore = time.Now()
		if _, err := c.ListCalls(t.Context(), opts); err == nil {
			t.Error("an older page")
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

// One tenant's pages do not push out another's.
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
			t.Errorf("%d pages were pushed out", l.count()-before)
		}
		if s := c.Stats(); s.Pages != 6 || s.Bytes != 6000 || s.Tenants != 2 || s.Evictions != 995 {
			t.Errorf("%+v", s)
		}
		for tenant := range 30 { // all together have a bound too
			list(t, c, as(fmt.Sprint(tenant), 0))
		}
		if s := c.Stats(); s.Bytes != 20_000 || s.Pages != 20 {
			t.Errorf("%+v", s)
		}
	})
}

// payers is a list that has to be paid for.
type payers struct{ *lister }

func (p payers) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	page, err := p.lister.ListCalls(ctx, opts)
	if err := opts.Allowance.Take(); err != nil {
		return nil, err
	}
	return page, err
}

// A flight that its asker could not pay for is no answer for others.
func TestWhoCannotPay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{rows: 50, hold: make(chan struct{})}
		c := New(payers{l}, Options{TTL: time.Minute, MaxBytes: 1 << 20})
		defer c.Close()
		poor, rich := ask(0, 20), ask(0, 20)
		poor.Allowance, rich.Allowance = upstream.NewAllowance(0), upstream.NewAllowance(1)
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
		if _, ok := errors.AsType[*upstream.AllowanceError](<-poorErr); !ok {
			t.Error("it could not pay")
		}
		if err := <-richErr; err != nil {
			t.Error(err)
		}
	})
}

// What is refreshed in the background ends with the cache.
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
			t.Error("it goes on")
		}
		list(t, c, ask(0, 20))
		if l.count() != 2 {
			t.Error("it refreshes after its end")
		}
	})
}
