// Package pagecache decorates an [upstream.Lister] with an LRU of pages.
//
// # What is served from memory
//
// Any page that covers the rows asked for, was asked for less than the freshness time ago and not before
// [upstream.ListCallsOptions.NotBefore]: pages of different sizes lie over one another, and a small window of a large
// page costs nothing. A page is one consistent answer of upstream and is never cut or joined with another.
//
// Lists with different credentials are different lists, in memory and in flight.
//
// [Cache.FindCall] looks for one call among the same pages.
//
// # One request for many askers
//
// Askers of the same page of the same list wait for one flight. The flight belongs to all of them: it is cancelled when
// the last one has gone, not when the one that started it has, and it never lasts longer than its timeout. Errors reach
// everyone who waited and are not remembered.
//
// # Locking
//
// One mutex guards pages and flights alike; nothing is called while it is held. That closes the gap between finding no
// page and joining no flight: a flight leaves and its page enters under the same lock, so an asker sees one or the
// other.
package pagecache

import (
	"context"
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
	// MaxBytes bounds the sum of the answers' lengths. A page larger than that is not kept.
	MaxBytes int
	// Timeout bounds a flight; 0 leaves that to the decorated Lister.
	Timeout time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Cache is an [upstream.Lister] that remembers pages.
type Cache struct {
	next upstream.Lister
	opts Options

	mu      sync.Mutex
	pages   *simplelru.LRU[key, *upstream.Page]
	bytes   int
	starts  map[stretch][]*upstream.Page
	largest int // the largest page size seen, in rows
	flights map[key]*flight
}

// key names a page.
type key struct {
	list         upstream.List
	number, size int
}

// stretch is a run of stretchRows places of a list. Each page is found under the one in which it starts, so that a
// look-up reads a few candidates however many pages there are.
type stretch struct {
	list  upstream.List
	index int
}

const stretchRows = 256

func (k key) stretch() stretch { return stretch{k.list, k.number * k.size / stretchRows} }

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

// New decorates next.
func New(next upstream.Lister, opts Options) *Cache {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &Cache{
		next:    next,
		opts:    opts,
		starts:  map[stretch][]*upstream.Page{},
		flights: map[key]*flight{},
	}
	c.pages, _ = simplelru.NewLRU(maxPages, c.forget) // its one error is a size below 1
	return c
}

// ListCalls implements [upstream.Lister].
func (c *Cache) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	opts.NotBefore = c.past(opts.NotBefore)
	for {
		page, f, k := c.find(ctx, opts)
		if page != nil {
			return page, nil
		}
		page, err := f.wait(ctx, opts.Deadline)
		c.leave(k, f)
		if err == nil && page.AskedAt.Before(opts.NotBefore) {
			continue // joined a flight that had started too early; the next one cannot have
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

// Page is the page that ListCalls would return without asking upstream, nil if it would ask.
func (c *Cache) Page(opts upstream.ListCallsOptions) *upstream.Page {
	opts.NotBefore = c.past(opts.NotBefore)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.covering(opts)
}

// past cuts a time down to now: it may come from another machine's clock, and what is asked from now on is new enough.
func (c *Cache) past(t time.Time) time.Time {
	if now := c.opts.Now(); t.After(now) {
		return now
	}
	return t
}

// find returns a page that will do, or a flight that the caller has joined and must leave.
func (c *Cache) find(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, *flight, key) {
	k := key{opts.List, opts.Page, opts.PageSize}
	c.mu.Lock()
	defer c.mu.Unlock()
	if page := c.covering(opts); page != nil {
		return page, nil, k
	}
	f := c.flights[k]
	if f == nil {
		f = c.start(ctx, k)
	}
	f.askers++
	return nil, f, k
}

// covering returns the newest page that will do, and drops the stale ones that it passes.
func (c *Cache) covering(opts upstream.ListCallsOptions) *upstream.Page {
	lo, hi := opts.From, opts.To
	if hi == 0 {
		lo = opts.Page * opts.PageSize
		hi = lo + opts.PageSize
	}
	fresh := c.opts.Now().Add(-c.opts.TTL)
	var best *upstream.Page
	for i := max(0, lo-c.largest+1) / stretchRows; i <= lo/stretchRows; i++ {
		for _, page := range slices.Backward(c.starts[stretch{opts.List, i}]) { // removing one shifts those behind it
			switch {
			case !page.AskedAt.After(fresh):
				c.pages.Remove(key{opts.List, page.Number, page.Size})
			case page.AskedAt.Before(opts.NotBefore) || !page.Covers(lo, hi):
			case best == nil || page.AskedAt.After(best.AskedAt):
				best = page
			}
		}
	}
	if best != nil {
		c.pages.Get(key{opts.List, best.Number, best.Size}) // marks it as used
	}
	return best
}

// start begins a flight, which outlives the caller's context but keeps its values.
func (c *Cache) start(ctx context.Context, k key) *flight {
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
		page, err := c.ask(ctx, k)
		c.mu.Lock()
		defer c.mu.Unlock()
		f.page, f.err = page, err
		if c.flights[k] == f {
			delete(c.flights, k)
		}
		if err == nil {
			c.keep(k, page)
		}
		close(f.done)
	}()
	return f
}

// ask turns a panic into an error: it happens in nobody's request.
func (c *Cache) ask(ctx context.Context, k key) (page *upstream.Page, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic while asking upstream: %v\n%s", v, debug.Stack())
		}
	}()
	return c.next.ListCalls(ctx, upstream.ListCallsOptions{List: k.list, Page: k.number, PageSize: k.size})
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

// keep stores a page and evicts the least recently used until the bytes fit.
func (c *Cache) keep(k key, page *upstream.Page) {
	if c.opts.TTL <= 0 || page.Bytes > c.opts.MaxBytes {
		return
	}
	c.pages.Remove(k) // so that the bytes of an older answer are given back
	c.pages.Add(k, page)
	c.bytes += page.Bytes
	c.starts[k.stretch()] = append(c.starts[k.stretch()], page)
	c.largest = max(c.largest, k.size)
	for c.bytes > c.opts.MaxBytes {
		c.pages.RemoveOldest()
	}
}

// forget is called by the LRU for each page that leaves it.
func (c *Cache) forget(k key, page *upstream.Page) {
	c.bytes -= page.Bytes
	s := k.stretch()
	rest := slices.DeleteFunc(c.starts[s], func(other *upstream.Page) bool { return other == page })
	if len(rest) == 0 {
		delete(c.starts, s)
	} else {
		c.starts[s] = rest
	}
}

// FindCall implements [upstream.Finder]: it looks among the fresh pages of the credential, whatever their filter.
func (c *Cache) FindCall(credential upstream.Credential, id string, notBefore time.Time) *upstream.Call {
	c.mu.Lock()
	pages := make([]*upstream.Page, 0, c.pages.Len())
	fresh := c.opts.Now().Add(-c.opts.TTL)
	for _, k := range c.pages.Keys() {
		if page, _ := c.pages.Peek(k); k.list.Credential == credential && page.AskedAt.After(fresh) && !page.AskedAt.Before(notBefore) {
			pages = append(pages, page)
		}
	}
	c.mu.Unlock()
	var found *upstream.Call
	var foundAt time.Time
	for _, page := range pages {
		if page.AskedAt.After(foundAt) {
			if call := page.Find(id); call != nil {
				found, foundAt = call, page.AskedAt
			}
		}
	}
	return found
}
