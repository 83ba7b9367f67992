package admission

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// NoCacheLimiter bounds how often `Cache-Control: no-cache` has pages read again. The first such request of a tenant T
// uses no page that was asked for before it. Requests within the interval after that use the same pages as the first.
// So each page is read again at most once per interval, by however many requests, and nothing that they return is older
// than the interval. It is safe for concurrent use.
type NoCacheLimiter[T comparable] struct {
	interval time.Duration

	mu    sync.Mutex
	first *simplelru.LRU[T, time.Time] // when the interval began
}

// maxNoCache bounds the tenants for which an interval is kept: as many as package rest keeps.
const maxNoCache = 4096

// NewNoCacheLimiter makes a limiter. With an interval of 0 every request uses only pages that were asked for after it.
func NewNoCacheLimiter[T comparable](interval time.Duration) *NoCacheLimiter[T] {
	first, _ := simplelru.NewLRU[T, time.Time](maxNoCache, nil) // its one error is a size below 1
	return &NoCacheLimiter[T]{interval: interval, first: first}
}

// NotBefore returns when a page must have been asked for at the earliest, for a request of the tenant that comes now.
func (l *NoCacheLimiter[T]) NotBefore(tenant T, now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first, ok := l.first.Peek(tenant); ok && now.Sub(first) < l.interval {
		return first
	}
	l.first.Add(tenant, now)
	return now
}
