// Package pagecache decorates an [upstream.Lister] with an LRU of pages.
//
// # What is served from memory
//
// Any page that covers the rows asked for and was not asked for before [upstream.ListCallsOptions.NotBefore]: pages of
// different sizes lie over one another, and a small window of a large page costs nothing. A page is one consistent answer
// of upstream and is never cut or joined with another.
//
// A page is fresh for a time. After that it is served for another time all the same, while it is asked for anew in
// the background (stale-while-revalidate and stale-if-error of RFC 5861). As long as that fails, what is served is marked
// as stale. A credential that upstream refuses loses its pages at once.
//
// [Cache.FindCall] looks for one call among the same pages.
//
// # Tenants
//
// Lists with different credentials are different lists, in memory and in flight. Pages are bounded by bytes, those of all
// tenants together and those of each, so that one tenant cannot push out all others; what was not used for the longest
// goes first.
//
// # One request for many askers
//
// Askers of the same page of the same list wait for one flight. The flight belongs to all of them: it is cancelled when
// the last one has gone, not when the one that started it has, and it never lasts longer than its timeout. Errors reach
// everyone who waited and are not remembered. A flight in the background belongs to the cache, and ends with it.
//
// # Locking
//
// One mutex guards pages and flights alike; nothing is called while it is held. That closes the gap between finding no
// page and joining no flight: a flight leaves and its page enters under the same lock, so an asker sees one or the
// other.
package pagecache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"revox-graphql/upstream"
)

// Options are the settings of a [Cache].
type Options struct {
	// TTL is how long after it was asked for a page is fresh; 0 remembers nothing, and askers still share flights.
	TTL time.Duration
	// Stale is how long after that it may still be served.
	Stale time.Duration
	// MaxBytes bounds the memory that pages take. A page larger than that is not kept.
	MaxBytes int
	// MaxTenantBytes bounds the memory that one tenant's pages take; 0 is MaxBytes.
	MaxTenantBytes int
	// Timeout bounds a flight; 0 leaves that to the decorated Lister.
	Timeout time.Duration
	// Failing is told when upstream begins to fail a tenant whose pages are in memory, with the first error, and when it
	// ceases, with nil; nil is nobody.
	Failing func(tenant upstream.Tenant, err error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Cache is an [upstream.Lister] that remembers pages.
type Cache struct {
	next upstream.Lister
	opts Options

	ctx        context.Context //nolint:containedctx // of the flights in the background, until Close
	stop       context.CancelFunc
	background sync.WaitGroup

	mu      sync.Mutex
	pages   *simplelru.LRU[key, *upstream.Page] // of all tenants
	bytes   int
	shelves map[upstream.Tenant]*shelf // of those that have pages
	flights map[key]*flight
	stats   Stats
}

// key names a page.
type key struct {
	list         upstream.ListKey
	number, size int
}

// flight is one request that any number of askers wait for.
type flight struct {
	done   chan struct{} // closed when page and err are set
	page   *upstream.Page
	err    error
	askers int
	cancel context.CancelFunc
}

// maxPages bounds the number of pages whatever their bytes: an empty page has hardly any.
const maxPages = 1 << 16

// New decorates next. Close the cache when it is not needed any more.
func New(next upstream.Lister, opts Options) *Cache {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Failing == nil {
		opts.Failing = func(upstream.Tenant, error) {}
	}
	if opts.MaxTenantBytes == 0 {
		opts.MaxTenantBytes = opts.MaxBytes
	}
	c := &Cache{next: next, opts: opts, shelves: map[upstream.Tenant]*shelf{}, flights: map[key]*flight{}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.pages, _ = simplelru.NewLRU(maxPages, c.forget) // its one error is a size below 1
	return c
}

// Close ends what the cache does in the background.
func (c *Cache) Close() {
	c.mu.Lock()
	c.stop() // no flight starts after this
	c.mu.Unlock()
	c.background.Wait()
}

// ListCalls implements [upstream.Lister].
func (c *Cache) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	opts.NotBefore = c.past(opts.NotBefore)
	for {
		page, f, k, err := c.find(ctx, opts)
		if page != nil || err != nil {
			return page, err
		}
		page, err = f.wait(ctx, opts.Deadline)
		c.leave(k, f)
		if err == nil && page.AskedAt.Before(opts.NotBefore) {
			continue // joined a flight that had started too early; the next one cannot have
		}
		if refused, ok := errors.AsType[*upstream.AllowanceError](err); ok && !opts.Allowance.Refused(refused) {
			continue // joined a flight of somebody who could not pay for it
		}
		return page, err
	}
}

// wait waits for the flight to end, or for the asker to give up.
func (f *flight) wait(ctx context.Context, deadline time.Time) (*upstream.Page, error) {
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	select {
	case <-f.done:
		return f.page, f.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Page is the page that ListCalls would return without asking upstream, also in the background; nil if it would ask.
func (c *Cache) Page(opts upstream.ListCallsOptions) *upstream.Page {
	opts.NotBefore = c.past(opts.NotBefore)
	c.mu.Lock()
	defer c.mu.Unlock()
	page, _ := c.covering(opts)
	if page == nil || !c.fresh(page) {
		return nil
	}
	c.stats.Hits++
	return page
}

// past cuts a time down to now: it may come from another machine's clock, and what is asked from now on is new enough.
func (c *Cache) past(t time.Time) time.Time {
	if now := c.opts.Now(); t.After(now) {
		return now
	}
	return t
}

// fresh reports whether a page may be served without further ado.
func (c *Cache) fresh(page *upstream.Page) bool {
	return page.AskedAt.After(c.opts.Now().Add(-c.opts.TTL))
}

// find returns a page that will do, or a flight that the caller has joined and must leave. Its error is that of a flight in
// the background.
func (c *Cache) find(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, *flight, key, error) {
	k := key{opts.Key(), opts.Page, opts.PageSize}
	c.mu.Lock()
	defer c.mu.Unlock()
	page, s := c.covering(opts)
	switch {
	case page != nil && c.fresh(page):
		c.stats.Hits++
		return page, nil, k, nil
	case page != nil:
		again := key{k.list, page.Number, page.Size} // the same page, which others look for too,
		if most, limited := s.most(opts.Statuses, c.opts.Now()); limited && page.Size > most {
			if again = k; k.size > most { // unless that has become too large
				return nil, nil, k, &upstream.PageSizeError{Most: most}
			}
		}
		c.refresh(opts.List, again, s)
		if s.failing {
			c.stats.Stale++
			return marked(page), nil, k, nil
		}
		c.stats.Revalidated++
		return page, nil, k, nil
	}
	f := c.flights[k]
	if f == nil {
		f = c.start(ctx, opts.List, k, opts.Allowance)
	} else {
		c.stats.Shared++
	}
	f.askers++
	return nil, f, k, nil
}

// marked is the page, marked as stale.
func marked(page *upstream.Page) *upstream.Page {
	stale := *page
	stale.Stale = true
	return &stale
}

// covering returns the newest page that will do, and the shelf that it stands on. It drops those that it passes that have
// had their time.
func (c *Cache) covering(opts upstream.ListCallsOptions) (*upstream.Page, *shelf) {
	s := c.shelves[opts.Credential.Tenant()]
	if s == nil {
		return nil, nil
	}
	lo, hi := opts.From, opts.To
	if hi == 0 {
		lo = opts.Page * opts.PageSize
		hi = lo + opts.PageSize
	}
	list, oldest := opts.Key(), c.opts.Now().Add(-c.opts.TTL-c.opts.Stale)
	var best *upstream.Page
	for i := max(0, lo-s.largest+1) / stretchRows; i <= lo/stretchRows; i++ {
		for _, page := range slices.Backward(s.starts[stretch{opts.Statuses, i}]) { // removing one shifts those behind it
			switch {
			case !page.AskedAt.After(oldest):
				c.pages.Remove(key{list, page.Number, page.Size})
			case page.AskedAt.Before(opts.NotBefore) || !page.Covers(lo, hi):
			case best == nil || page.AskedAt.After(best.AskedAt):
				best = page
			}
		}
	}
	if best != nil { // marks it as used
		k := key{list, best.Number, best.Size}
		c.pages.Get(k)
		s.pages.Get(k)
	}
	return best, s
}

// refreshPause is how long after a failure nothing is refreshed in the background.
const refreshPause = time.Second

// refresh starts a flight in the background, unless there is one or the last has just failed.
func (c *Cache) refresh(list upstream.List, k key, s *shelf) {
	if c.flights[k] != nil || c.ctx.Err() != nil || s.failing && c.opts.Now().Sub(s.failedAt) < refreshPause {
		return
	}
	f := c.start(c.ctx, list, k, nil)
	f.askers++ // the cache is one
	c.background.Go(func() {
		_, _ = f.wait(c.ctx, time.Time{})
		c.leave(k, f)
	})
}

// start begins a flight, which outlives the caller's context but keeps its values.
func (c *Cache) start(ctx context.Context, list upstream.List, k key, allowance *upstream.Allowance) *flight {
	c.stats.Misses++
	ctx = context.WithoutCancel(ctx)
	var cancel context.CancelFunc
	if c.opts.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.opts.Timeout)
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	f := &flight{done: make(chan struct{}), cancel: cancel}
	c.flights[k] = f
	go func() {
		defer cancel()
		page, err := c.ask(ctx, upstream.ListCallsOptions{List: list, Page: k.number, PageSize: k.size, Allowance: allowance})
		if c.land(k, f, page, err) {
			c.opts.Failing(k.list.Tenant, err)
		}
	}()
	return f
}

// ask turns a panic into an error: it happens in nobody's request.
func (c *Cache) ask(ctx context.Context, opts upstream.ListCallsOptions) (page *upstream.Page, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic while asking upstream: %v\n%s", v, debug.Stack())
		}
	}()
	return c.next.ListCalls(ctx, opts)
}

// land ends a flight: it keeps what that has brought, or learns from its failure. It reports whether upstream has begun
// or ceased to fail the tenant, as far as there are pages to bridge that.
func (c *Cache) land(k key, f *flight, page *upstream.Page, err error) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(f.done)
	f.page, f.err = page, err
	if c.flights[k] == f {
		delete(c.flights, k)
	}
	if err == nil {
		c.keep(k, page)
	}
	s := c.shelves[k.list.Tenant]
	if s == nil {
		return false
	}
	before := s.failing
	failure, failed := errors.AsType[*upstream.Error](err)
	large, isLarge := errors.AsType[*upstream.PageSizeError](err)
	switch {
	case err == nil:
		s.failing = false
	case failed && failure.Kind.Passing():
		s.failing, s.failedAt = true, c.opts.Now()
	case failed:
		for _, k := range s.pages.Keys() {
			c.pages.Remove(k)
		}
	case isLarge && large.Most > 0:
		s.tooLarge[k.list.Statuses] = tooLarge{large.Most, c.opts.Now().Add(tooLargeLasts)}
	}
	return s.failing != before
}

// leave says that the caller no longer waits. A flight without askers is cancelled, and cannot be joined any more.
func (c *Cache) leave(k key, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.askers--
	if f.askers == 0 {
		f.cancel()
		if c.flights[k] == f {
			delete(c.flights, k)
		}
	}
}

// keep stores a page, and evicts the least recently used until its tenant's bytes fit, and all bytes do.
func (c *Cache) keep(k key, page *upstream.Page) {
	if c.opts.TTL <= 0 || page.Bytes > min(c.opts.MaxBytes, c.opts.MaxTenantBytes) {
		return
	}
	c.pages.Remove(k) // so that the bytes of an older answer are given back
	s := c.shelves[k.list.Tenant]
	if s == nil {
		s = newShelf()
		c.shelves[k.list.Tenant] = s
	}
	c.bytes += page.Bytes
	s.put(k, page)
	c.pages.Add(k, page)
	for s.bytes > c.opts.MaxTenantBytes {
		oldest, _, _ := s.pages.GetOldest()
		c.pages.Remove(oldest)
		c.stats.Evictions++
	}
	for c.bytes > c.opts.MaxBytes {
		c.pages.RemoveOldest()
		c.stats.Evictions++
	}
}

// forget is called by the LRU for each page that leaves it.
func (c *Cache) forget(k key, page *upstream.Page) {
	c.bytes -= page.Bytes
	s := c.shelves[k.list.Tenant]
	s.take(k, page)
	if s.pages.Len() == 0 {
		delete(c.shelves, k.list.Tenant)
	}
}

// FindCall implements [upstream.Finder]: it looks among the tenant's pages, whatever their filter.
func (c *Cache) FindCall(tenant upstream.Tenant, id string, notBefore time.Time) (*upstream.Call, *upstream.Page) {
	pages, failing := c.candidates(tenant, notBefore)
	var call *upstream.Call
	var found *upstream.Page
	for _, page := range pages {
		if found == nil || page.AskedAt.After(found.AskedAt) {
			if seen := page.Find(id); seen != nil {
				call, found = seen, page
			}
		}
	}
	if found != nil && failing && !c.fresh(found) {
		found = marked(found)
	}
	return call, found
}

// candidates are the pages that may be looked through: the fresh ones, and while upstream is failing the others.
func (c *Cache) candidates(tenant upstream.Tenant, notBefore time.Time) (pages []*upstream.Page, failing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.shelves[tenant]
	if s == nil {
		return nil, false
	}
	oldest := c.opts.Now().Add(-c.opts.TTL)
	if s.failing {
		oldest = oldest.Add(-c.opts.Stale)
	}
	for _, page := range s.pages.Values() {
		if page.AskedAt.After(oldest) && !page.AskedAt.Before(notBefore) {
			pages = append(pages, page)
		}
	}
	return pages, s.failing
}

// Stats are counts since the start, and what there is now.
type Stats struct {
	// Hits were served fresh, Revalidated older while they were refreshed, Stale older because upstream was failing.
	Hits, Revalidated, Stale uint64
	// Misses are flights that started, Shared those that were joined.
	Misses, Shared uint64
	// Evictions are pages that had to go before their time.
	Evictions uint64
	// Pages, their Bytes, and the Tenants that have some.
	Pages, Bytes, Tenants int
}

// Stats is what the cache has done so far.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := c.stats
	stats.Pages, stats.Bytes, stats.Tenants = c.pages.Len(), c.bytes, len(c.shelves)
	return stats
}
