package pagecache

import "revox-graphql/upstream"

// keep stores a page, and evicts the least recently used pages until the bytes of its tenant, and those of all tenants,
// are within their bounds. The caller holds the lock.
func (c *Cache) keep(k key, page *upstream.Page) {
	if c.opts.TTL <= 0 || page.Bytes > min(c.opts.MaxBytes, c.opts.MaxTenantBytes) {
		return
	}
	c.pages.Remove(k) // so that the bytes of an older response do not count
	t := c.tenant(k.list.Tenant)
	if t == nil {
		t = newTenantCache()
	}
	c.emptied.Remove(k.list.Tenant)
	c.tenants[k.list.Tenant] = t
	c.bytes += page.Bytes
	c.account.Add(int64(page.Bytes)) // no request holds it yet
	c.useOf(page).cached = true
	t.put(k, page)
	c.pages.Add(k, page)
	for t.bytes > c.opts.MaxTenantBytes {
		oldest, _, _ := t.pages.GetOldest()
		c.pages.Remove(oldest)
		c.stats.Evictions++
	}
	for c.bytes > c.opts.MaxBytes {
		c.pages.RemoveOldest()
		c.stats.Evictions++
	}
}

// Shrink drops pages that no request holds, the least recently used first, until they had so many bytes. It returns how
// many bytes it has dropped.
func (c *Cache) Shrink(bytes int64) (freed int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.bytes
	for _, k := range c.pages.Keys() {
		if int64(before-c.bytes) >= bytes {
			break
		}
		if page, _ := c.pages.Peek(k); c.useOf(page).holders == 0 {
			c.pages.Remove(k)
			c.stats.Evictions++
		}
	}
	return int64(before - c.bytes)
}

// forget is called by the LRU for each page that leaves it. The facts about the page's tenant stay.
func (c *Cache) forget(k key, page *upstream.Page) {
	c.bytes -= page.Bytes
	u := c.useOf(page)
	if u.cached = false; u.holders == 0 {
		c.account.Release(int64(page.Bytes))
	}
	c.unused(page, u)
	t := c.tenants[k.list.Tenant]
	t.take(k, page)
	if t.pages.Len() == 0 {
		delete(c.tenants, k.list.Tenant)
		c.emptied.Add(k.list.Tenant, t)
	}
}

// Stats are counts since the start, and the current state.
type Stats struct {
	// Hits are pages served fresh, Revalidated older ones served during a refresh, Stale older ones served because
	// upstream failed.
	Hits, Revalidated, Stale uint64
	// Misses are fetches that started, and Shared are requests that joined one.
	Misses, Shared uint64
	// Refused are requests that joined no fetch, because too many requests waited.
	Refused uint64
	// Evictions are pages that were dropped before they were too old.
	Evictions uint64
	// Pages in memory, their Bytes, and the Tenants that have some.
	Pages, Bytes, Tenants int
	// Waiting is how many requests wait; 0 if that is not bounded.
	Waiting int
}

// Stats returns what the cache has done so far.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := c.stats
	stats.Pages, stats.Bytes, stats.Tenants = c.pages.Len(), c.bytes, len(c.tenants)
	if c.limit != nil {
		stats.Waiting = c.limit.all.count
	}
	return stats
}
