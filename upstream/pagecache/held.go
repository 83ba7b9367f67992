package pagecache

import "revox-graphql/upstream"

// A page that requests use is in memory whether the cache has it or not. So it is counted with the pages in use for as
// long as a request holds it, and with the cached pages when no request does: once in either case, however many
// requests hold it. To drop it from the cache would free nothing, so [Cache.Shrink] passes over it.

// use says why a page is counted: because it is cached, or held by requests.
type use struct {
	cached  bool
	holders int // requests
}

// useOf returns what a page is counted for. The caller holds the lock.
func (c *Cache) useOf(page *upstream.Page) *use {
	u := c.uses[page]
	if u == nil {
		u = &use{}
		c.uses[page] = u
	}
	return u
}

// unused forgets a page that is neither cached nor held. The caller holds the lock.
func (c *Cache) unused(page *upstream.Page, u *use) {
	if !u.cached && u.holders == 0 {
		delete(c.uses, page)
	}
}

// Hold implements [upstream.Holder].
func (c *Cache) Hold(page *upstream.Page) bool {
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
