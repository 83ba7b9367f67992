package admission

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// NoCacheLimiter bounds how often `Cache-Control: no-cache` has pages read again. The first such request of a tenant T
// uses no page that was requested before it. Requests within the interval after that use the same pages as the first.
// So each page is read again at most once per interval, by however many requests, and nothing that they return is older
// than the interval. It is safe for concurrent use.
type NoCacheLimiter[T comparable] struct {
	interval time.Duration

	mu    sync.Mutex
	first *simplelru.LRU[T, time.Time]     // when the interval began
	scans *simplelru.LRU[T, *rate.Limiter] // of scans
}

// NoCacheScans is how many scans per minute may read upstream again because of `Cache-Control: no-cache`, for a tenant.
// Each may read many pages.
const NoCacheScans = 10

// maxNoCache bounds the tenants for which an interval is kept: as many as package rest keeps.
const maxNoCache = 4096

// NewNoCacheLimiter makes a limiter. With an interval of 0 every request uses only pages that were requested after it.
func NewNoCacheLimiter[T comparable](interval time.Duration) *NoCacheLimiter[T] {
	first, _ := simplelru.NewLRU[T, time.Time](maxNoCache, nil) // its one error is a size below 1
	scans, _ := simplelru.NewLRU[T, *rate.Limiter](maxNoCache, nil)
	return &NoCacheLimiter[T]{interval: interval, first: first, scans: scans}
}

// Scan counts a scan of the tenant that comes now. It returns 0, or after how long the tenant may try again.
func (l *NoCacheLimiter[T]) Scan(tenant T, now time.Time) (retryAfter time.Duration) {
	const each = time.Minute / NoCacheScans
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter, ok := l.scans.Get(tenant)
	if !ok {
		limiter = rate.NewLimiter(rate.Every(each), NoCacheScans)
		l.scans.Add(tenant, limiter)
	}
	if limiter.AllowN(now, 1) {
		return 0
	}
	return each
}

// NotBefore returns when a page must have been requested at the earliest, for a request of the tenant that comes now.
func (l *NoCacheLimiter[T]) NotBefore(tenant T, now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first, ok := l.first.Peek(tenant); ok && now.Sub(first) < l.interval {
		return first
	}
	l.first.Add(tenant, now)
	return now
}
