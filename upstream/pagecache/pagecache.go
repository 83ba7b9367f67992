// Package pagecache decorates an [upstream.Lister] with an LRU of pages.
//
// # What is served from memory
//
// Any page that covers the rows asked for and was not asked for before [upstream.ListCallsOptions.NotBefore]: pages of
// different sizes lie over one another, and a small window of a large page costs nothing. A page is one consistent
// answer of upstream and is never cut or joined with another.
//
// A page is fresh for the TTL. For another time after that, Revalidate, it is served all the same, while it is read
// afresh in the background (stale-while-revalidate of RFC 5861). A page that is older still is only served while
// upstream fails, and is then marked as stale (stale-if-error of RFC 5861); where upstream is not known to fail, the
// asker waits for it. A credential that upstream refuses loses its pages at once.
//
// Whether upstream fails a tenant is what the last request to end has shown. It is believed for TTL + Revalidate, so
// that it is never older than what is shown of a list: after that the next asker finds out.
//
// [Cache.FindCall] looks for one call among the same pages.
//
// # Tenants
//
// Lists with different credentials are different lists, in memory and in flight. Pages are bounded by bytes, those of
// all tenants together and those of each, so that one tenant cannot push out all others; what was not used for the
// longest goes first.
//
// # One request for many askers
//
// Askers of the same page of the same list wait for one flight. The flight belongs to all of them, not to the one
// that started it, and takes no longer than its timeout and what it has sent by then. Errors reach everyone who
// waited and are not remembered. When the last asker has gone the flight is abandoned: it ends unless something was
// sent upstream, and else brings its page if that takes no more waiting (see [upstream.ListCallsOptions].Waiters). So
// clients that give up too early fill the cache for the next. Who comes to an abandoned flight may be given its page,
// and does not have its error: nothing is tried again there. A flight in the background belongs to the cache. All
// flights end with the cache.
//
// How many requests wait is bounded, see waiters.go.
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

	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
)

// Options are the settings of a [Cache].
type Options struct {
	// TTL is how long after it was asked for a page is fresh; 0 remembers nothing, and askers still share flights.
	TTL time.Duration
	// Revalidate is how long after that it may still be served while it is read afresh in the background. Nothing older
	// than TTL + Revalidate is served unmarked.
	Revalidate time.Duration
	// Stale is how long after the TTL a page may still be served, marked as stale, while upstream fails.
	Stale time.Duration
	// MaxBytes bounds the memory that pages take. A page larger than that is not kept.
	MaxBytes int
	// MaxTenantBytes bounds the memory that one tenant's pages take; 0 is MaxBytes.
	MaxTenantBytes int
	// Patience is how long an answer of upstream may take before upstream counts as failing for those who can be given
	// an older page; 0 is as long as they wait anyway.
	Patience time.Duration
	// Timeout is when a flight is abandoned at the latest; 0 leaves that to the decorated Lister.
	Timeout time.Duration
	// MaxWaiters bounds the requests that wait for upstream; 0 is no bound. Those beyond get an older page where
	// upstream's failing would give them one, else an error of [upstream.KindOverloaded].
	MaxWaiters int
	// Proven says whether upstream has ever accepted a tenant's key; others may be made up. It must not ask the
	// cache. Nil is for a cache of one tenant, who may take all that is bounded.
	Proven func(tenant upstream.Tenant) bool
	// Failing is told when upstream begins to fail a tenant who has or had pages in memory, with the first error, and
	// when it ceases, with nil; nil is nobody.
	Failing func(tenant upstream.Tenant, err error)
	// Memory is that of the process, in which pages are counted, and which may have them dropped; nil counts nothing.
	Memory *memory.Budget
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Cache is an [upstream.Lister] that remembers pages.
type Cache struct {
	next    upstream.Lister
	opts    Options
	account *memory.Account

	ctx    context.Context //nolint:containedctx // of the flights, until Close
	stop   context.CancelFunc
	flying sync.WaitGroup

	mu      sync.Mutex
	pages   *simplelru.LRU[key, *upstream.Page] // of all tenants
	bytes   int
	shelves map[upstream.Tenant]*shelf              // of those that have pages
	empty   *simplelru.LRU[upstream.Tenant, *shelf] // of those that had some, for what is known of the tenant
	flights map[key]*flight
	waiters *waiters
	stats   Stats
}

// key names a page.
type key struct {
	list         upstream.ListKey
	number, size int
}

// flight is one request that any number of askers wait for.
type flight struct {
	began     time.Time
	done      chan struct{} // closed when page and err are set
	page      *upstream.Page
	err       error
	askers    int
	abandon   context.CancelFunc
	abandoned bool          // once there was no asker
	urgent    chan struct{} // closed when somebody asks who does not only want the page afresh; nil if the first did
}

// asker is a request that has joined a flight, and must leave it.
type asker struct {
	*flight
	key     key
	late    bool // the flight was abandoned before
	waiting *waiting
}

const (
	// maxPages bounds the number of pages whatever their bytes: an empty page has hardly any.
	maxPages = 1 << 16
	// maxEmpty bounds the tenants without pages about whom something is known, as upstream.Client does.
	maxEmpty = 4096
)

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
	if opts.MaxWaiters > 0 {
		c.waiters = newWaiters(opts.MaxWaiters, opts.Proven)
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.pages, _ = simplelru.NewLRU(maxPages, c.forget) // its one error is a size below 1
	c.empty, _ = simplelru.NewLRU[upstream.Tenant, *shelf](maxEmpty, nil)
	c.account = opts.Memory.Account("page_cache")
	opts.Memory.Shrinks(memory.ShrinkPages, c.account, c.Shrink)
	return c
}

// Close ends what the cache asks upstream. After that it serves what is in memory.
func (c *Cache) Close() {
	c.mu.Lock()
	c.stop() // no flight starts after this
	c.mu.Unlock()
	c.flying.Wait()
}

// ListCalls implements [upstream.Lister].
func (c *Cache) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	opts.NotBefore = c.past(opts.NotBefore)
	for {
		page, a, err := c.find(ctx, opts)
		if page != nil {
			return page, nil
		}
		landed := false
		if a != nil {
			page, landed, err = a.wait(ctx, c.deadline(a.flight, opts))
		}
		if err != nil && ctx.Err() == nil && failing(err) {
			if older := c.older(opts); older != nil {
				c.leave(a, true)
				return older, nil
			}
		}
		c.leave(a, false)
		if err == nil && page.AskedAt.Before(opts.NotBefore) {
			continue // joined a flight that had started too early; the next one cannot have
		}
		if err != nil && landed && a.late {
			continue // nobody waited for that flight: it may have ended for no other reason
		}
		if refused, ok := errors.AsType[*upstream.RequestBudgetError](err); ok && !opts.Budget.Refused(refused) {
			continue // joined a flight of somebody who could not pay for it
		}
		return page, err
	}
}

// deadline is when an asker should wait for the flight no longer.
func (c *Cache) deadline(f *flight, opts upstream.ListCallsOptions) time.Time {
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

// wait waits for the flight to end, or for the asker to give up.
func (f *flight) wait(ctx context.Context, deadline time.Time) (page *upstream.Page, landed bool, err error) {
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

// failing reports whether an error says that upstream fails, or does not answer in time. Who has no answer by then may
// be given an older one.
func failing(err error) bool {
	failure, failed := errors.AsType[*upstream.Error](err)
	return failed && failure.Kind.Passing() || errors.Is(err, context.DeadlineExceeded)
}

// older is a page that will do now that upstream has failed, marked as stale unless it is fresh; nil if there is none.
func (c *Cache) older(opts upstream.ListCallsOptions) *upstream.Page {
	c.mu.Lock()
	defer c.mu.Unlock()
	page, _ := c.covering(opts)
	switch {
	case page == nil || !c.bridges(page):
		return nil
	case c.fresh(page): // it has come meanwhile
		c.stats.Hits++
		return page
	default:
		c.stats.Stale++
		return marked(page)
	}
}

// past cuts a time down to now: it may come from another machine's clock, and what is asked from now on is new enough.
func (c *Cache) past(t time.Time) time.Time {
	if now := c.opts.Now(); t.After(now) {
		return now
	}
	return t
}

// age is how long ago a page was asked for.
func (c *Cache) age(page *upstream.Page) time.Duration { return c.opts.Now().Sub(page.AskedAt) }

// fresh reports whether a page may be served without further ado.
func (c *Cache) fresh(page *upstream.Page) bool { return c.age(page) < c.opts.TTL }

// current reports whether a page may be served while upstream is well.
func (c *Cache) current(page *upstream.Page) bool { return c.age(page) < c.opts.TTL+c.opts.Revalidate }

// bridges reports whether a page may be served while upstream fails.
func (c *Cache) bridges(page *upstream.Page) bool { return c.age(page) < c.opts.TTL+c.opts.Stale }

// find returns a page that will do, or else joins a flight. Its error is that of a flight in the background, or says
// why no flight can be joined.
func (c *Cache) find(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, *asker, error) {
	k := key{opts.Key(), opts.Page, opts.PageSize}
	c.mu.Lock()
	defer c.mu.Unlock()
	page, s := c.covering(opts)
	failing := s != nil && c.fails(s)
	switch {
	case page != nil && c.fresh(page):
		c.stats.Hits++
		return page, nil, nil
	case page != nil && (failing && c.bridges(page) || !failing && c.current(page)):
		again := key{k.list, page.Number, page.Size} // the same page, which others look for too,
		if most, limited := s.most(opts.Statuses, c.opts.Now()); limited && page.Size > most {
			if again = k; k.size > most { // unless that has become too large
				return nil, nil, &upstream.PageSizeError{Most: most}
			}
		}
		c.refresh(opts.List, again, s)
		if failing {
			c.stats.Stale++
			return marked(page), nil, nil
		}
		c.stats.Revalidated++
		return page, nil, nil
	}
	a, err := c.join(ctx, k, opts)
	return nil, a, err
}

// join joins the flight for a page, which it starts if there is none.
func (c *Cache) join(ctx context.Context, k key, opts upstream.ListCallsOptions) (*asker, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	a := &asker{key: k, flight: c.flights[k]}
	if c.waiters != nil {
		others := 0
		if a.flight != nil {
			others = a.askers
		}
		if a.waiting = c.waiters.enter(opts, others); a.waiting == nil {
			c.stats.Refused++
			return nil, upstream.Overloaded("too many requests wait for its pages already")
		}
	}
	if a.flight == nil {
		a.flight = c.start(ctx, opts.List, k, opts.Budget, opts.Refresh)
	} else {
		c.stats.Shared++
		if !opts.Refresh {
			a.hurry()
		}
	}
	a.late = a.abandoned
	a.askers++
	return a, nil
}

// hurry says that somebody waits for the page, if nobody did.
func (f *flight) hurry() {
	if f.urgent != nil {
		close(f.urgent)
		f.urgent = nil
	}
}

// fails reports whether upstream is believed to fail a tenant: its last request to end has failed, and not too long
// ago.
func (c *Cache) fails(s *shelf) bool {
	return s.failing && c.opts.Now().Sub(s.failedAt) < c.opts.TTL+c.opts.Revalidate
}

// marked is the page, marked as stale.
func marked(page *upstream.Page) *upstream.Page {
	stale := *page
	stale.Stale = true
	return &stale
}

// covering returns the newest page that will do, and the shelf that it stands on. It drops those that it passes that
// have had their time.
func (c *Cache) covering(opts upstream.ListCallsOptions) (*upstream.Page, *shelf) {
	s := c.shown(opts.Credential.Tenant())
	if s == nil {
		return nil, nil
	}
	lo, hi := opts.From, opts.To
	if hi == 0 {
		lo = opts.Page * opts.PageSize
		hi = lo + opts.PageSize
	}
	list := opts.Key()
	var best *upstream.Page
	for i := max(0, lo-s.largest+1) / stretchRows; i <= lo/stretchRows; i++ {
		for _, page := range slices.Backward(s.starts[stretch{opts.Statuses, i}]) { // removing one shifts those behind it
			switch {
			case !c.current(page) && !c.bridges(page):
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
	if c.flights[k] != nil || c.ctx.Err() != nil || c.opts.Now().Before(s.pausedUntil) {
		return
	}
	c.start(c.ctx, list, k, nil, true).askers++ // the cache is one, for as long as it takes
}

// start begins a flight, which outlives the caller's context but keeps its values.
func (c *Cache) start(
	ctx context.Context, list upstream.List, k key, allowance *upstream.RequestBudget, refresh bool,
) *flight {
	c.stats.Misses++
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var waiters context.Context
	var abandon context.CancelFunc
	if c.opts.Timeout > 0 {
		waiters, abandon = context.WithTimeout(ctx, c.opts.Timeout)
	} else {
		waiters, abandon = context.WithCancel(ctx)
	}
	f := &flight{began: c.opts.Now(), done: make(chan struct{}), abandon: abandon}
	opts := upstream.ListCallsOptions{
		List: list, Page: k.number, PageSize: k.size, Budget: allowance, Waiters: waiters, Refresh: refresh,
	}
	if refresh {
		f.urgent = make(chan struct{})
		opts.Urgent = f.urgent
	}
	c.flights[k] = f
	c.flying.Go(func() {
		defer cancel()
		defer context.AfterFunc(c.ctx, cancel)()
		page, err := (*upstream.Page)(nil), errUnfinished
		defer func() { // whatever becomes of it, somebody waits
			if c.land(k, f, page, err) {
				c.opts.Failing(k.list.Tenant, err)
			}
			c.account.Settle()
		}()
		page, err = c.ask(ctx, opts)
	})
	return f
}

// errUnfinished is the error of a flight whose goroutine was ended.
var errUnfinished = errors.New("the flight did not return")

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
	delete(c.flights, k)
	if err == nil {
		c.keep(k, page)
	}
	s := c.shelf(k.list.Tenant)
	if s == nil {
		return false
	}
	before := s.failing
	failure, failed := errors.AsType[*upstream.Error](err)
	large, isLarge := errors.AsType[*upstream.PageSizeError](err)
	switch {
	case err == nil:
		s.failing, s.pausedUntil = false, time.Time{}
		if !f.began.Before(s.refusedAt) { // else it may have been asked while the credential was still good
			s.hidden, s.refusedAt = false, time.Time{}
		}
	case failed && failure.Kind == upstream.KindOverloaded: // which says nothing about upstream
		s.pausedUntil = c.opts.Now().Add(refreshPause)
	case failed && failure.Kind.Passing():
		s.failing, s.failedAt = true, c.opts.Now()
		s.pausedUntil = s.failedAt.Add(refreshPause)
		s.hidden = s.hidden && failure.Unsent
	case failed && !failure.Unsent:
		c.refuse(s, f)
	case isLarge && large.Most > 0:
		s.tooLarge[k.list.Statuses] = tooLarge{large.Most, c.opts.Now().Add(tooLargeLasts)}
	}
	return s.failing != before
}

// refuse hides a tenant's pages, or drops them where a flight that began after the first refusal confirms it. The
// caller holds the lock.
func (c *Cache) refuse(s *shelf, f *flight) {
	s.hidden = true
	switch {
	case s.refusedAt.IsZero():
		s.refusedAt = c.opts.Now()
	case !f.began.Before(s.refusedAt):
		c.drop(s)
	}
}

// drop drops a tenant's pages.
func (c *Cache) drop(s *shelf) {
	for _, k := range s.pages.Keys() {
		c.pages.Remove(k)
	}
}

// shown is the shelf of a tenant who may be shown its pages, else nil.
func (c *Cache) shown(tenant upstream.Tenant) *shelf {
	s := c.shelves[tenant]
	if s != nil && !s.refusedAt.IsZero() && c.opts.Now().Sub(s.refusedAt) >= refusedKept {
		c.drop(s)
		s = nil
	}
	if s == nil || s.hidden {
		return nil
	}
	return s
}

// leave says that the caller no longer waits. Where that was the last asker the flight is abandoned, unless it is to be
// finished for what it brings or shows of upstream: then the cache waits in the caller's place.
func (c *Cache) leave(a *asker, finish bool) {
	if a == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.waiting != nil {
		c.waiters.leave(a.waiting)
	}
	if finish {
		return
	}
	if a.askers--; a.askers == 0 {
		a.abandoned = true
		a.abandon()
	}
}

// keep stores a page, and evicts the least recently used until its tenant's bytes fit, and all bytes do.
func (c *Cache) keep(k key, page *upstream.Page) {
	if c.opts.TTL <= 0 || page.Bytes > min(c.opts.MaxBytes, c.opts.MaxTenantBytes) {
		return
	}
	c.pages.Remove(k) // so that the bytes of an older answer are given back
	s := c.shelf(k.list.Tenant)
	if s == nil {
		s = newShelf()
	}
	c.empty.Remove(k.list.Tenant)
	c.shelves[k.list.Tenant] = s
	c.bytes += page.Bytes
	c.account.Add(int64(page.Bytes))
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

// Shrink drops so many bytes of pages, the least recently used first, and returns how many it has dropped.
func (c *Cache) Shrink(bytes int64) (freed int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.bytes
	for c.pages.Len() > 0 && int64(before-c.bytes) < bytes {
		c.pages.RemoveOldest()
		c.stats.Evictions++
	}
	return int64(before - c.bytes)
}

// shelf is the tenant's, nil for a tenant of whom nothing is known.
func (c *Cache) shelf(tenant upstream.Tenant) *shelf {
	if s := c.shelves[tenant]; s != nil {
		return s
	}
	s, _ := c.empty.Get(tenant)
	return s
}

// forget is called by the LRU for each page that leaves it. What is known of its tenant stays.
func (c *Cache) forget(k key, page *upstream.Page) {
	c.bytes -= page.Bytes
	c.account.Release(int64(page.Bytes))
	s := c.shelves[k.list.Tenant]
	s.take(k, page)
	if s.pages.Len() == 0 {
		delete(c.shelves, k.list.Tenant)
		c.empty.Add(k.list.Tenant, s)
	}
}

// FindCall implements [upstream.Finder]: it looks among the tenant's pages, whatever their filter.
func (c *Cache) FindCall(tenant upstream.Tenant, id string, notBefore time.Time) (*upstream.Call, *upstream.Page) {
	pages, failing := c.candidates(tenant, id, notBefore)
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

// candidates are the pages that may hold a call and be looked through: the fresh ones, and while upstream is failing
// the others.
func (c *Cache) candidates(
	tenant upstream.Tenant, id string, notBefore time.Time,
) (pages []*upstream.Page, failing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.shown(tenant)
	if s == nil {
		return nil, false
	}
	failing = c.fails(s)
	for _, page := range s.holding[s.hash(id)] {
		if (c.fresh(page) || failing && c.bridges(page)) && !page.AskedAt.Before(notBefore) {
			pages = append(pages, page)
		}
	}
	return pages, failing
}

// Stats are counts since the start, and what there is now.
type Stats struct {
	// Hits were served fresh, Revalidated older while they were refreshed, Stale older because upstream was failing.
	Hits, Revalidated, Stale uint64
	// Misses are flights that started, Shared those that were joined.
	Misses, Shared uint64
	// Refused were neither, because too many requests waited.
	Refused uint64
	// Evictions are pages that had to go before their time.
	Evictions uint64
	// Pages, their Bytes, and the Tenants that have some.
	Pages, Bytes, Tenants int
	// Waiting is how many requests wait, where that is bounded.
	Waiting int
}

// Stats is what the cache has done so far.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := c.stats
	stats.Pages, stats.Bytes, stats.Tenants = c.pages.Len(), c.bytes, len(c.shelves)
	if c.waiters != nil {
		stats.Waiting = c.waiters.all.count
	}
	return stats
}
