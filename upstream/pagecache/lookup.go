package pagecache

import (
	"time"

	"revox-graphql/upstream"
)

// FindCall implements [upstream.Finder]. It searches the tenant's pages, whatever their filter.
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

// candidates returns the pages that may hold a call and may be served: the fresh ones, and while upstream fails, older
// ones too.
func (c *Cache) candidates(
	tenant upstream.Tenant, id string, notBefore time.Time,
) (pages []*upstream.Page, failing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.shown(tenant)
	if t == nil {
		return nil, false
	}
	failing = c.fails(t)
	for _, page := range t.byCall[t.hash(id)] {
		if (c.fresh(page) || failing && c.bridges(page)) && !page.AskedAt.Before(notBefore) {
			pages = append(pages, page)
		}
	}
	return pages, failing
}
