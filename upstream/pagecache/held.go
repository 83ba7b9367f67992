package pagecache

import "revox-graphql/upstream"

// A page that requests use takes memory whether it is cached or not. So the cache counts it with the pages in use while
// a request holds it, and with the cached pages otherwise: once in either case, however many requests hold it. Dropping
// a held page from the cache would free nothing, so [Cache.Shrink] skips it.

// use says why a page is counted: because it is cached, or held by requests.
type use struct {
	cached  bool
	holders int // requests
}

// useOf returns the use of a page. The caller holds the lock.
func (c *Cache) useOf(page *upstream.Page) *use {
	u := c.uses[page]
	if u == nil {
		u = &use{}
		c.uses[page] = u
	}
	return u
}

// unused forgets the use of a page that is neither cached nor held. The caller holds the lock.
func (c *Cache) unused(page *upstream.Page, u *use) {
	if !u.cached && u.holders == 0 {
		delete(c.uses, page)
	}
}

// shared returns the page whose memory a request uses. A page that is marked as stale is a copy, one for each request,
// and shares the rows of the page in the cache.
func shared(page *upstream.Page) *upstream.Page {
	for _, row := range page.Rows {
		if row.Call != nil && row.Call.Page() != nil {
			return row.Call.Page()
		}
	}
	return page
}

// Hold implements [upstream.Holder].
func (c *Cache) Hold(page *upstream.Page) bool {
	page = shared(page)
	bytes := int64(page.Bytes)
	c.mu.Lock()
	u := c.useOf(page)
	u.holders++
	first := u.holders == 1
	switch {
	case first && u.cached:
		c.account.Transfer(c.inUse, bytes)
	case first:
		c.inUse.Add(bytes)
	}
	c.mu.Unlock()
	return !first || c.inUse.Keep(bytes, func() { c.Release(page) })
}

// Release implements [upstream.Holder].
func (c *Cache) Release(page *upstream.Page) {
	page = shared(page)
	bytes := int64(page.Bytes)
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.useOf(page)
	u.holders--
	switch {
	case u.holders == 0 && u.cached:
		c.inUse.Transfer(c.account, bytes)
	case u.holders == 0:
		c.inUse.Release(bytes)
	}
	c.unused(page, u)
}
