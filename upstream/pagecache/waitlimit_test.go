package pagecache

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"revox-graphql/upstream"
)

// isOverloaded reports whether an error says that too many wait.
func isOverloaded(err error) bool {
	e, ok := errors.AsType[*upstream.Error](err)
	return ok && e.Kind == upstream.KindOverloaded && e.RetryAfter == time.Second && e.Unsent
}

// request is a tenant's request for pages.
func request(tenant string, refresh bool) upstream.ListCallsOptions {
	return upstream.ListCallsOptions{
		List: upstream.List{Credential: upstream.NewCredential(tenant)}, PageSize: 20,
		Budget: upstream.NewRequestBudget(100), Refresh: refresh,
	}
}

// How many of each tenant's requests wait if 16 may wait and the tenants send their requests one after the other.
func TestWaitersAreBounded(t *testing.T) {
	type send struct {
		tenant  string // unproven if the name begins with "new"
		times   int
		refresh bool
		want    int
	}
	tests := map[string]struct {
		alone bool // there is only one tenant
		sends []send
	}{
		"one tenant":                    {true, []send{{"a", 20, false, 16}}},
		"its refreshes":                 {true, []send{{"a", 20, true, 4}, {"a", 20, false, 12}}},
		"a tenant among others":         {false, []send{{"a", 20, false, 8}}},
		"three tenants":                 {false, []send{{"a", 20, false, 8}, {"b", 20, false, 4}, {"c", 20, false, 2}}},
		"refreshes of several":          {false, []send{{"a", 20, true, 2}, {"b", 20, true, 1}, {"c", 20, false, 7}}},
		"a key that may be made up":     {false, []send{{"new", 20, false, 1}, {"a", 20, false, 8}}},
		"many keys that may be made up": {false, []send{{"new1", 9, false, 1}, {"new2", 9, false, 1}, {"a", 9, false, 7}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			proven := func(tenant upstream.Tenant) bool {
				for _, name := range []string{"new", "new1", "new2"} {
					if tenant == upstream.NewCredential(name).Tenant() {
						return false
					}
				}
				return true
			}
			if test.alone {
				proven = nil
			}
			w := newWaitLimit(16, proven)
			for _, send := range test.sends {
				got := 0
				for range send.times {
					if w.enter(request(send.tenant, send.refresh), 0) != nil {
						got++
					}
				}
				if got != send.want {
					t.Errorf("%d of %s wait, want %d", got, send.tenant, send.want)
				}
			}
		})
	}
}

// The fields of a request, which have budgets of their own within that of the request, count as one waiting request.
func TestFieldsWaitTogether(t *testing.T) {
	w := newWaitLimit(1, nil)
	whole := request("a", false)
	for range 3 {
		part := whole
		part.Budget = whole.Budget.Charging(1, func() time.Duration { return 0 })
		if w.enter(part, 0) == nil {
			t.Error("a field was refused")
		}
	}
	if w.all.count != 1 || w.enter(request("a", false), 0) != nil {
		t.Errorf("%d wait", w.all.count)
	}
}

// In any order of arrivals and departures: no bound is broken, a request counts once, and nothing is left behind.
func TestWaitersModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 40).Draw(t, "most")
		w := newWaitLimit(most, func(tenant upstream.Tenant) bool {
			return tenant != upstream.NewCredential("0").Tenant() && tenant != upstream.NewCredential("1").Tenant()
		})
		var known []upstream.ListCallsOptions
		var wait []*waitingRequest
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				opts := request(fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "tenant")), rapid.Bool().Draw(t, "refresh"))
				if len(known) > 0 && rapid.Bool().Draw(t, "another page") {
					opts = rapid.SampledFrom(known).Draw(t, "request")
				}
				_, waits := w.requests[opts.Budget]
				known = append(known, opts)
				r := w.enter(opts, rapid.IntRange(0, 2).Draw(t, "others"))
				if r == nil && waits {
					t.Fatal("a request that waits was refused another page")
				}
				if r != nil {
					wait = append(wait, r)
				}
			},
			"leave": func(t *rapid.T) {
				if len(wait) == 0 {
					return // no request waits, and nothing changes
				}
				i := rapid.IntRange(0, len(wait)-1).Draw(t, "waiter")
				w.leave(wait[i])
				wait = append(wait[:i], wait[i+1:]...)
			},
			"": func(t *rapid.T) {
				requests := map[*waitingRequest]bool{}
				for _, r := range wait {
					requests[r] = true
				}
				if w.all.count != len(requests) || len(w.requests) != len(requests) || w.all.count > most {
					t.Fatalf("%d of %d wait, and %d are counted", len(requests), most, w.all.count)
				}
				if w.unproven.count > max(1, most/upstream.UnprovenShare) || w.refresh.count > max(1, most/refreshShare) {
					t.Fatalf("%d unproven, %d refreshes", w.unproven.count, w.refresh.count)
				}
				for _, g := range []*group{&w.all, &w.unproven, &w.refresh} {
					sum := 0
					for _, n := range g.tenants {
						sum += n
					}
					if sum != g.count {
						t.Fatalf("%d are counted of tenants, and %d in all", sum, g.count)
					}
				}
			},
		})
		for _, r := range wait {
			w.leave(r)
		}
		if len(w.requests)+w.all.count+len(w.all.tenants)+len(w.unproven.tenants)+len(w.refresh.tenants) > 0 {
			t.Fatalf("left behind: %+v", w)
		}
	})
}

// If too many requests wait, the cache still serves pages in memory, also those that it may serve while upstream fails,
// and each waiter gets its page.
func TestTooManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{rows: 500}
		c := New(l, Options{
			TTL: 15 * time.Second, Revalidate: 15 * time.Second, Stale: time.Minute, MaxBytes: 1 << 20, MaxWaiters: 5,
		})
		defer c.Close()
		list(t, c, ask(1, 20))
		time.Sleep(31 * time.Second)
		list(t, c, ask(0, 20))
		l.hold = make(chan struct{})
		errs := make(chan error)
		for page := range 3 { // three wait for the first page, which leaves one place for each of the others
			for range 20 {
				go func() {
					_, err := c.ListCalls(t.Context(), ask(5+page, 20))
					errs <- err
				}()
			}
			synctest.Wait()
		}
		for range 55 {
			if err := <-errs; !isOverloaded(err) {
				t.Errorf("got %v", err)
			}
		}
		if page := list(t, c, ask(0, 20)); page.Stale {
			t.Error("a fresh page is stale")
		}
		if page := list(t, c, ask(1, 20)); !page.Stale {
			t.Error("an older page is not marked")
		}
		if s := c.Stats(); s.Refused != 56 || s.Waiting != 5 || s.Shared != 2 {
			t.Errorf("%+v", s)
		}
		close(l.hold)
		for range 5 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		list(t, c, ask(8, 20))
		if s := c.Stats(); s.Waiting != 0 {
			t.Errorf("%d are counted", s.Waiting)
		}
	})
}

// An overload of the gateway is no failure of upstream: the cache does not mark pages as stale, and tries the refresh
// again after a second.
func TestOverloadIsNotUpstreamsFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newStale(t)
		list(t, c, ask(0, 20))
		time.Sleep(16 * time.Second)
		l.fail(upstream.Overloaded("a test"))
		for _, after := range []time.Duration{0, 500 * time.Millisecond, 500 * time.Millisecond} {
			time.Sleep(after)
			if page := list(t, c, ask(0, 20)); page.Stale {
				t.Error("the page is marked as stale")
			}
		}
		if n := l.count(); n != 3 {
			t.Errorf("%d requests", n)
		}
	})
}

// A request that waits for a page makes its refresh urgent.
func TestRefreshesAreHurriedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{rows: 500, hold: make(chan struct{})}
		c := New(l, Options{TTL: 15 * time.Second, MaxBytes: 1 << 20})
		defer c.Close()
		refresh := ask(0, 20)
		refresh.Refresh = true
		go func() { _, _ = c.ListCalls(t.Context(), refresh) }()
		synctest.Wait()
		urgent := func() bool {
			select {
			case <-l.asked[0].Urgent:
				return true
			default:
				return false
			}
		}
		go func() { _, _ = c.ListCalls(t.Context(), refresh) }()
		synctest.Wait()
		if !l.asked[0].Refresh || urgent() {
			t.Error("the refresh is urgent although each waiting request could have another page")
		}
		for range 2 {
			go func() { _, _ = c.ListCalls(t.Context(), ask(0, 20)) }()
			synctest.Wait()
		}
		if !urgent() {
			t.Error("the refresh is not urgent")
		}
		close(l.hold)
	})
}
