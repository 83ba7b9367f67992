package pagecache

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
)

// Options are the settings of a [Cache].
type Options struct {
	// TTL is how long a page is fresh, from the moment when it was requested. With 0, the cache keeps nothing, but
	// requests still share fetches.
	TTL time.Duration
	// Revalidate is how long after the TTL the cache still serves a page while it refreshes it in the background. It
	// serves no page older than TTL + Revalidate unmarked.
	Revalidate time.Duration
	// Stale is how long after the TTL the cache may still serve a page, marked as stale, while upstream fails.
	Stale time.Duration
	// MaxBytes bounds the memory that pages take. The cache does not keep a larger page.
	MaxBytes int
	// MaxTenantBytes bounds the memory that one tenant's pages take; 0 is MaxBytes.
	MaxTenantBytes int
	// Patience is how long a fetch may take before requests for which there is an older page get that page; 0 is no bound.
	Patience time.Duration
	// Timeout is the time after which the cache abandons a fetch; 0 leaves that to the decorated Lister.
	Timeout time.Duration
	// MaxWaiters bounds the requests that wait for upstream; 0 is no bound. A request beyond it gets the page that it
	// would get while upstream fails, else an error of [upstream.KindOverloaded].
	MaxWaiters int
	// Proven reports whether upstream has ever accepted a tenant's key. It must not call the cache. Nil is for a cache of
	// one tenant, which may use all of MaxWaiters.
	Proven func(tenant upstream.Tenant) bool
	// Failing, if it is not nil, is called with the first error when upstream begins to fail a tenant that has or had
	// pages in memory, and with nil when upstream stops failing.
	Failing func(tenant upstream.Tenant, err error)
	// Memory is the memory budget of the process. It counts the pages, and may have the cache drop them; nil counts
	// nothing.
	Memory *memory.Budget
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Cache is an [upstream.Lister] that keeps pages in memory. It is safe for concurrent use.
type Cache struct {
	next    upstream.Lister
	opts    Options
	account *memory.Account // of the pages that no request holds
	inUse   *memory.Account // of those that requests hold, cached or not

	ctx     context.Context //nolint:containedctx // of the fetches, until Close
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	pages   *simplelru.LRU[key, *upstream.Page] // of all tenants
	bytes   int
	uses    map[*upstream.Page]*use                       // of the pages that are cached or held
	tenants map[upstream.Tenant]*tenantCache              // of those that have pages
	emptied *simplelru.LRU[upstream.Tenant, *tenantCache] // of those that had some: keeps the facts about a tenant
	fetches map[key]*fetch
	limit   *waitLimit
	stats   Stats
}

// key names a page.
type key struct {
	list         upstream.ListKey
	number, size int
}

const (
	// maxPages bounds the number of pages whatever their bytes: an empty page has hardly any.
	maxPages = 1 << 16
	// maxEmptied bounds the tenants without pages about which the cache keeps facts, as in package rest.
	maxEmptied = 4096
)

// New makes a cache that decorates next. The caller must close it.
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
	c := &Cache{
		next: next, opts: opts, uses: map[*upstream.Page]*use{}, tenants: map[upstream.Tenant]*tenantCache{},
		fetches: map[key]*fetch{},
	}
	if opts.MaxWaiters > 0 {
		c.limit = newWaitLimit(opts.MaxWaiters, opts.Proven)
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.pages, _ = simplelru.NewLRU(maxPages, c.forget) // its one error is a size below 1
	c.emptied, _ = simplelru.NewLRU[upstream.Tenant, *tenantCache](maxEmptied, nil)
	c.account, c.inUse = opts.Memory.Account("page_cache"), opts.Memory.Account("pages_in_use")
	opts.Memory.Shrinks(memory.ShrinkPages, c.account, c.Shrink)
	return c
}

// Close ends the fetches of the cache, and waits for their end. After that, the cache serves only pages in memory.
func (c *Cache) Close() {
	c.mu.Lock()
	c.stop() // no fetch starts after this
	c.mu.Unlock()
	c.running.Wait()
}

// ListCalls implements [upstream.Lister].
func (c *Cache) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	opts.NotBefore = c.past(opts.NotBefore)
	for {
		page, w, err := c.find(ctx, opts)
		if page != nil {
			return page, nil
		}
		finished, until := false, opts.Deadline
		if w != nil {
			until = c.deadline(w.fetch, opts)
			page, finished, err = w.wait(ctx, until)
		}
		for err != nil && ctx.Err() == nil && failing(err) {
			if older := c.older(opts); older != nil {
				c.leave(w, true)
				return older, nil
			}
			if finished || until.Equal(opts.Deadline) {
				break
			}
			until = opts.Deadline // the older page has left the cache: nothing but the fetch can serve the request
			page, finished, err = w.wait(ctx, until)
		}
		c.leave(w, false)
		if err == nil && page.AskedAt.Before(opts.NotBefore) {
			continue // the request joined a fetch that had started too early; the next fetch cannot have
		}
		if err != nil && finished && w.late {
			continue // the fetch may have failed only because it had no waiters
		}
		if refused, ok := errors.AsType[*upstream.RequestBudgetError](err); ok && !opts.Budget.Refused(refused) {
			continue // the request joined a fetch of another one, whose budget was spent
		}
		return page, err
	}
}

// Page returns the page that ListCalls would return without asking upstream, not even in the background; nil if
// ListCalls would ask.
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

// find returns a page that covers the request, or else joins a fetch. Its error is that of a fetch in the background,
// or says why no fetch can be joined.
func (c *Cache) find(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, *waiter, error) {
	k := key{opts.Key(), opts.Page, opts.PageSize}
	c.mu.Lock()
	defer c.mu.Unlock()
	page, t := c.covering(opts)
	failing := t != nil && c.fails(t)
	switch {
	case page != nil && c.fresh(page):
		c.stats.Hits++
		return page, nil, nil
	case page != nil && (failing && c.bridges(page) || !failing && c.current(page)):
		again := key{k.list, page.Number, page.Size} // the same page, which other requests look for too,
		if most, limited := t.most(opts.Statuses, c.opts.Now()); limited && page.Size > most {
			if again = k; k.size > most { // unless its size is too large by now
				return nil, nil, &upstream.PageSizeError{Most: most}
			}
		}
		c.refresh(opts.List, again, t)
		if failing {
			c.stats.Stale++
			return marked(page), nil, nil
		}
		c.stats.Revalidated++
		return page, nil, nil
	}
	w, err := c.join(ctx, k, opts)
	return nil, w, err
}

// covering returns the newest page that covers the request, and the tenant's cache. It drops those of the pages that it
// examines that are too old to be served at all.
func (c *Cache) covering(opts upstream.ListCallsOptions) (*upstream.Page, *tenantCache) {
	t := c.shown(opts.Credential.Tenant())
	if t == nil {
		return nil, nil
	}
	lo, hi := opts.From, opts.To
	if hi == 0 {
		lo = opts.Page * opts.PageSize
		hi = lo + opts.PageSize
	}
	list := opts.Key()
	var best *upstream.Page
	for i := max(0, lo-t.largest+1) / bucketRows; i <= lo/bucketRows; i++ {
		for _, page := range slices.Backward(t.byBucket[bucket{opts.Statuses, i}]) { // Remove shifts the later pages
			switch {
			case !c.current(page) && !c.bridges(page):
				c.pages.Remove(key{list, page.Number, page.Size})
			case page.AskedAt.Before(opts.NotBefore) || !page.Covers(lo, hi):
			case best == nil || page.AskedAt.After(best.AskedAt):
				best = page
			}
		}
	}
	if best != nil { // marks it as recently used
		k := key{list, best.Number, best.Size}
		c.pages.Get(k)
		t.pages.Get(k)
	}
	return best, t
}
