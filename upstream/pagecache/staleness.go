package pagecache

import (
	"context"
	"errors"
	"time"

	"revox-graphql/upstream"
)

// failing reports whether, with this error, the cache may serve an older page: upstream fails, is too slow, or has too
// many waiting requests.
func failing(err error) bool {
	failure, failed := errors.AsType[*upstream.Error](err)
	return failed && failure.Kind.Passing() || errors.Is(err, context.DeadlineExceeded)
}

// older returns a page that may be served now that upstream has failed, marked as stale unless it is fresh; nil if
// there is none.
func (c *Cache) older(opts upstream.ListCallsOptions) *upstream.Page {
	c.mu.Lock()
	defer c.mu.Unlock()
	page, _ := c.covering(opts)
	switch {
	case page == nil || !c.bridges(page):
		return nil
	case c.fresh(page): // a new page has arrived
		c.stats.Hits++
		return page
	default:
		c.stats.Stale++
		return marked(page)
	}
}

// past limits a time to the present: it may come from another machine's clock, and pages that are requested from now on
// are new enough.
func (c *Cache) past(t time.Time) time.Time {
	if now := c.opts.Now(); t.After(now) {
		return now
	}
	return t
}

func (c *Cache) age(page *upstream.Page) time.Duration { return c.opts.Now().Sub(page.AskedAt) }

// fresh reports whether a page may be served without a refresh.
func (c *Cache) fresh(page *upstream.Page) bool { return c.age(page) < c.opts.TTL }

// current reports whether a page may be served while upstream is healthy.
func (c *Cache) current(page *upstream.Page) bool { return c.age(page) < c.opts.TTL+c.opts.Revalidate }

// bridges reports whether a page may be served while upstream fails.
func (c *Cache) bridges(page *upstream.Page) bool { return c.age(page) < c.opts.TTL+c.opts.Stale }

// fails reports whether the cache treats upstream as failing for a tenant: the tenant's last finished fetch has failed,
// less than TTL + Revalidate ago.
func (c *Cache) fails(t *tenantCache) bool {
	return t.failing && c.opts.Now().Sub(t.failedAt) < c.opts.TTL+c.opts.Revalidate
}

// marked returns the page, marked as stale.
func marked(page *upstream.Page) *upstream.Page {
	stale := *page
	stale.Stale = true
	return &stale
}

// learn stores what the end of a fetch shows: whether upstream fails the tenant, refuses its credential, or has
// responses that are too large. The caller holds the lock.
func (c *Cache) learn(t *tenantCache, k key, f *fetch) {
	failure, failed := errors.AsType[*upstream.Error](f.err)
	large, isLarge := errors.AsType[*upstream.PageSizeError](f.err)
	switch {
	case f.err == nil:
		t.failing, t.pausedUntil = false, time.Time{}
		if !f.began.Before(t.refusedAt) { // else it may have been sent before upstream refused the credential
			t.hidden, t.refusedAt = false, time.Time{}
		}
	case failed && failure.Kind == upstream.KindOverloaded: // the gateway's own error, which shows nothing about upstream
		t.pausedUntil = c.opts.Now().Add(refreshPause)
	case failed && failure.Kind.Passing():
		t.failing, t.failedAt = true, c.opts.Now()
		t.pausedUntil = t.failedAt.Add(refreshPause)
		t.hidden = t.hidden && failure.Unsent
	case failed && !failure.Unsent:
		c.refuse(t, f)
	case isLarge && large.Most > 0:
		t.tooLarge[k.list.Statuses] = tooLarge{large.Most, c.opts.Now().Add(tooLargeLasts)}
	}
}
