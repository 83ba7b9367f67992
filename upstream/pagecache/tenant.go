package pagecache

import (
	"hash/maphash"
	"slices"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"revox-graphql/upstream"
)

// tenantCache has one tenant's pages, and the facts about the tenant. Each page is also in the LRU of all tenants, and
// leaves both together.
type tenantCache struct {
	pages    *simplelru.LRU[key, *upstream.Page]
	bytes    int
	byBucket map[bucket][]*upstream.Page // by the bucket of their first row
	byCall   map[uint64][]*upstream.Page // by the hash of an id, the pages that have the call
	seed     maphash.Seed                // of the hashes
	largest  int                         // the largest page size seen, in rows

	failing  bool      // the last fetch to end has failed
	failedAt time.Time // when it did

	pausedUntil time.Time // no page is refreshed in the background before

	// A refusal of the credential hides the pages at once, as it may have been revoked. It takes a second one to drop
	// them: gateways and identity providers in front of an API respond with 401 for a moment, too, when they restart.
	hidden    bool      // upstream's last response refused the credential
	refusedAt time.Time // of the first refusal since upstream last accepted the credential; zero is never

	// tooLarge has the lists with a response that was too large. The fetch may have been in the background, where its
	// error reaches no request.
	tooLarge map[upstream.OrderStatuses]tooLarge
}

// refusedKept is how long the cache keeps the hidden pages of a rejected credential, in case upstream accepts it again.
const refusedKept = time.Minute

// tooLarge is how many rows of a list may be requested at once.
type tooLarge struct {
	most  int
	until time.Time // after that, larger pages are requested again
}

// tooLargeLasts is how long the cache limits the rows after a response was too large: a few long calls may have been
// the cause.
const tooLargeLasts = 10 * time.Minute

// most returns how many rows of a list may be requested at once; ok is false if there is no such limit.
func (t *tenantCache) most(statuses upstream.OrderStatuses, now time.Time) (rows int, ok bool) {
	limit, ok := t.tooLarge[statuses]
	return limit.most, ok && now.Before(limit.until)
}

// bucket is a run of bucketRows rows of a list. Each page is in the bucket in which it starts, so that a look-up
// examines few candidates, however many pages there are.
type bucket struct {
	statuses upstream.OrderStatuses
	index    int
}

const bucketRows = 256

func (k key) bucket() bucket { return bucket{k.list.Statuses, k.number * k.size / bucketRows} }

func newTenantCache() *tenantCache {
	pages, _ := simplelru.NewLRU[key, *upstream.Page](maxPages, nil) // its one error is a size below 1
	return &tenantCache{
		pages: pages, byBucket: map[bucket][]*upstream.Page{},
		byCall: map[uint64][]*upstream.Page{}, seed: maphash.MakeSeed(),
		tooLarge: map[upstream.OrderStatuses]tooLarge{},
	}
}

// put stores a page that is not there yet.
func (t *tenantCache) put(k key, page *upstream.Page) {
	t.pages.Add(k, page)
	t.bytes += page.Bytes
	t.byBucket[k.bucket()] = append(t.byBucket[k.bucket()], page)
	for _, row := range page.Rows {
		if row.Call != nil {
			id := t.hash(row.Call.ID)
			t.byCall[id] = append(t.byCall[id], page)
		}
	}
	t.largest = max(t.largest, k.size)
}

// take removes a page.
func (t *tenantCache) take(k key, page *upstream.Page) {
	t.pages.Remove(k)
	t.bytes -= page.Bytes
	unindex(t.byBucket, k.bucket(), page)
	for _, row := range page.Rows {
		if row.Call != nil {
			unindex(t.byCall, t.hash(row.Call.ID), page)
		}
	}
	if t.pages.Len() == 0 {
		t.largest = 0
	}
}

func unindex[K comparable](pages map[K][]*upstream.Page, at K, page *upstream.Page) {
	rest := slices.DeleteFunc(pages[at], func(other *upstream.Page) bool { return other == page })
	if len(rest) == 0 {
		delete(pages, at)
	} else {
		pages[at] = rest
	}
}

// hash returns the key of an id in byCall. The id itself would keep the text of its page in memory.
func (t *tenantCache) hash(id string) uint64 { return maphash.String(t.seed, id) }

// refuse hides a tenant's pages after a refusal, or drops them if the refused fetch began after the first refusal. The
// caller holds the lock.
func (c *Cache) refuse(t *tenantCache, f *fetch) {
	t.hidden = true
	switch {
	case t.refusedAt.IsZero():
		t.refusedAt = c.opts.Now()
	case !f.began.Before(t.refusedAt):
		c.drop(t)
	}
}

func (c *Cache) drop(t *tenantCache) {
	for _, k := range t.pages.Keys() {
		c.pages.Remove(k)
	}
}

// shown returns the tenant's cache, or nil if it has no pages or they are hidden. It drops the pages refusedKept after
// a refusal. The caller holds the lock.
func (c *Cache) shown(tenant upstream.Tenant) *tenantCache {
	t := c.tenants[tenant]
	if t != nil && !t.refusedAt.IsZero() && c.opts.Now().Sub(t.refusedAt) >= refusedKept {
		c.drop(t)
		t = nil
	}
	if t == nil || t.hidden {
		return nil
	}
	return t
}

// tenant returns the tenant's cache, with or without pages; nil if the cache knows nothing about the tenant. The caller
// holds the lock.
func (c *Cache) tenant(tenant upstream.Tenant) *tenantCache {
	if t := c.tenants[tenant]; t != nil {
		return t
	}
	t, _ := c.emptied.Get(tenant)
	return t
}
