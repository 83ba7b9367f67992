// Package pagecache decorates an [upstream.Lister] with an LRU of pages.
//
// # What the cache serves from memory
//
// The cache serves any page that covers the requested rows and was not requested before
// [upstream.ListCallsOptions].NotBefore: pages of different sizes overlap, so a small window of a large page costs
// nothing. A page is one consistent response of upstream. The cache never cuts a page, and never joins it with another.
//
// A page is fresh for the TTL. For another period after that (Revalidate), the cache still serves the page while it
// refreshes it in the background (stale-while-revalidate of RFC 5861). The cache serves an older page only if upstream
// fails, is too slow, or has too many waiting requests, and then marks it as stale (stale-if-error of RFC 5861).
// Otherwise, the request waits for a new page. When upstream rejects a credential, the cache hides the pages of that
// credential at once, and drops them at the second rejection or after one minute.
//
// The last fetch that ended shows whether upstream fails a tenant. The cache trusts a failure for TTL + Revalidate;
// after that, it asks upstream again.
//
// [Cache.FindCall] looks for one call among the same pages.
//
// # Tenants
//
// Lists of different tenants share neither pages nor fetches. Two limits bound the bytes of pages: one for all tenants
// together, and one for each, so that a tenant cannot evict the pages of all others. The least recently used page is
// evicted first.
//
// # One fetch for many waiters
//
// Requests for the same page of the same list wait for one fetch. The fetch belongs to all of them, not to the request
// that started it. Errors reach every waiter and are not cached.
//
// When the last waiter has left, or at its timeout, the fetch is abandoned. From then on, it waits for nothing but
// upstream's responses (see [upstream.ListCallsOptions].Waiters): it finishes the request in flight, sends the others
// that the page takes if they have a slot at once, and caches the page. It ends where it would have to wait for a slot,
// and retries nothing. So clients that give up too early fill the cache for later ones. A request that joins an
// abandoned fetch may get its page, but not its error. A fetch in the background belongs to the cache. All fetches end
// with the cache.
//
// waitlimit.go bounds the number of waiting requests.
//
// # Locking
//
// One mutex guards pages and fetches. The cache calls no other code while it holds the mutex. A fetch leaves and its
// page enters under one lock, so a request always finds the page or the fetch.
//
// # Files
//
//   - cache.go: options, and the look-up of a page.
//   - store.go: storing and evicting pages; tenant.go: what is known of a tenant.
//   - fetch.go: fetches and their waiters; waitlimit.go: how many may wait.
//   - staleness.go: which pages may be served, by their age and the state of upstream.
//   - held.go: pages that requests use, and their memory; lookup.go: [Cache.FindCall].
package pagecache
