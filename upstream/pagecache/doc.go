// Package pagecache decorates an [upstream.Lister] with an LRU of pages.
//
// # What is served from memory
//
// Any page that covers the rows asked for, and was not requested before [upstream.ListCallsOptions.NotBefore]: pages of
// different sizes overlap, and a small window of a large page costs nothing. A page is one consistent response of
// upstream, and is never cut or joined with another.
//
// A page is fresh for the TTL. For another time after that, Revalidate, it is still served while it is refreshed in the
// background (stale-while-revalidate of RFC 5861). An older page is served only while upstream fails, and is then
// marked as stale (stale-if-error of RFC 5861); where upstream is not known to fail, the request waits for a new one. A
// credential that upstream refuses loses its pages at once.
//
// Whether upstream fails a tenant is what the last fetch to end has shown. It is believed for TTL + Revalidate, so that
// it is never older than what is shown of a list: the next request after that finds out.
//
// [Cache.FindCall] looks for one call among the same pages.
//
// # Tenants
//
// Lists with different credentials are different lists, in memory and in fetches. Pages are bounded by bytes, those of
// all tenants together and those of each, so that one tenant cannot evict the pages of all others; the least recently
// used page goes first.
//
// # One fetch for many waiters
//
// Requests for the same page of the same list wait for one fetch. The fetch belongs to all of them, not to the one that
// started it, and takes no longer than its timeout and what it has sent by then. Errors reach every waiter and are not
// cached. When the last waiter has gone the fetch is abandoned: it ends unless a request was sent upstream, and else
// brings its page if that needs no further waiting (see [upstream.ListCallsOptions].Waiters). So clients that give up
// too early fill the cache for the next. A request that joins an abandoned fetch may get its page, but not its error,
// since an abandoned fetch retries nothing. A fetch in the background belongs to the cache. All fetches end with the
// cache.
//
// The number of waiting requests is bounded, see waitlimit.go.
//
// # Locking
//
// One mutex guards pages and fetches alike; nothing is called while it is held. That closes the gap between finding no
// page and joining no fetch: a fetch leaves and its page enters under the same lock, so a request sees one or the
// other.
package pagecache
