package pagecache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"revox-graphql/upstream"
)

// fetch is one request to the decorated Lister, with any number of waiters.
type fetch struct {
	began   time.Time
	done    chan struct{} // closed when page and err are set
	page    *upstream.Page
	err     error
	waiters int
	waiting context.Context //nolint:containedctx // ends when the fetch is abandoned
	abandon context.CancelFunc
	urgent  chan struct{} // of a refresh: closed when a request without a page joins, and nil from then on
}

// waiter is a request that has joined a fetch, and must leave it.
type waiter struct {
	*fetch
	key     key
	late    bool            // joined after the fetch was abandoned, by its waiters or at its timeout
	counted *waitingRequest // nil: waiters are not bounded
}

// deadline returns until when a request should wait for the fetch; zero is forever.
func (c *Cache) deadline(f *fetch, opts upstream.ListCallsOptions) time.Time {
	if c.opts.Patience == 0 {
		return opts.Deadline
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	page, _ := c.covering(opts)
	patient := f.began.Add(c.opts.Patience)
	if page == nil || !c.bridges(page) || !opts.Deadline.IsZero() && opts.Deadline.Before(patient) {
		return opts.Deadline
	}
	return patient
}

// wait waits for the end of the fetch, for the deadline, or for the end of ctx. The error is that of the fetch if
// finished is true, else the cause of the context.
func (f *fetch) wait(ctx context.Context, deadline time.Time) (page *upstream.Page, finished bool, err error) {
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	select {
	case <-f.done:
		return f.page, true, f.err
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
}

// join joins the fetch for a page, and starts one if there is none. Its error says that the cache is closed, or is of
// [upstream.KindOverloaded]. The caller holds the lock.
func (c *Cache) join(ctx context.Context, k key, opts upstream.ListCallsOptions) (*waiter, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	w := &waiter{key: k, fetch: c.fetches[k]}
	if c.limit != nil {
		others := 0
		if w.fetch != nil {
			others = w.waiters
		}
		if w.counted = c.limit.enter(opts, others); w.counted == nil {
			c.stats.Refused++
			return nil, upstream.Overloaded("too many requests already wait for its pages")
		}
	}
	if w.fetch == nil {
		w.fetch = c.start(ctx, opts.List, k, opts.Budget, opts.Refresh)
	} else {
		c.stats.Shared++
		if !opts.Refresh {
			w.makeUrgent()
		}
	}
	w.late = w.waiting.Err() != nil
	w.waiters++
	return w, nil
}

// makeUrgent makes a refresh urgent, because a request without a page waits for it.
func (f *fetch) makeUrgent() {
	if f.urgent != nil {
		close(f.urgent)
		f.urgent = nil
	}
}

// refreshPause is how long after a failure the cache refreshes no page of the tenant in the background.
const refreshPause = time.Second

// refresh starts a fetch in the background, unless there is one or the last one has just failed. The caller holds the
// lock.
func (c *Cache) refresh(list upstream.List, k key, t *tenantCache) {
	if c.fetches[k] != nil || c.ctx.Err() != nil || c.opts.Now().Before(t.pausedUntil) {
		return
	}
	c.start(c.ctx, list, k, nil, true).waiters++ // the cache itself waits, for as long as it takes
}

// start starts a fetch, which outlives the caller's context but keeps its values. The caller holds the lock.
func (c *Cache) start(
	ctx context.Context, list upstream.List, k key, budget *upstream.RequestBudget, refresh bool,
) *fetch {
	c.stats.Misses++
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &fetch{began: c.opts.Now(), done: make(chan struct{})}
	if c.opts.Timeout > 0 {
		f.waiting, f.abandon = context.WithTimeout(ctx, c.opts.Timeout)
	} else {
		f.waiting, f.abandon = context.WithCancel(ctx)
	}
	opts := upstream.ListCallsOptions{
		List: list, Page: k.number, PageSize: k.size, Budget: budget, Waiters: f.waiting, Refresh: refresh,
	}
	if refresh {
		f.urgent = make(chan struct{})
		opts.Urgent = f.urgent
	}
	c.fetches[k] = f
	c.running.Go(func() {
		defer cancel()
		defer context.AfterFunc(c.ctx, cancel)()
		page, err := (*upstream.Page)(nil), errUnfinished
		defer func() { // also after runtime.Goexit, since requests wait
			if c.finish(k, f, page, err) {
				c.opts.Failing(k.list.Tenant, err)
			}
			c.account.Settle()
		}()
		page, err = c.ask(ctx, opts)
	})
	return f
}

// errUnfinished is the error of a fetch whose goroutine was ended.
var errUnfinished = errors.New("the fetch did not return")

// ask calls the decorated Lister, and turns a panic into an error: no request could recover it, because each fetch has
// its own goroutine.
func (c *Cache) ask(ctx context.Context, opts upstream.ListCallsOptions) (page *upstream.Page, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic while asking upstream: %v\n%s", v, debug.Stack())
		}
	}()
	return c.next.ListCalls(ctx, opts)
}

// finish ends a fetch: it caches the page, or learns from the failure. It reports whether upstream has begun or stopped
// to fail a tenant that has or had pages.
func (c *Cache) finish(k key, f *fetch, page *upstream.Page, err error) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(f.done)
	f.page, f.err = page, err
	delete(c.fetches, k)
	if err == nil {
		c.keep(k, page)
	}
	t := c.tenant(k.list.Tenant)
	if t == nil {
		return false
	}
	before := t.failing
	c.learn(t, k, f)
	return t.failing != before
}

// leave ends the wait of a request. When the last waiter leaves, leave abandons the fetch. With finish, the cache waits
// in the request's place, so that it still gets the page or the error.
func (c *Cache) leave(w *waiter, finish bool) {
	if w == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.counted != nil {
		c.limit.leave(w.counted)
	}
	if finish {
		return
	}
	if w.waiters--; w.waiters == 0 {
		w.abandon()
	}
}
