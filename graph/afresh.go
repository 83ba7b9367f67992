package graph

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"revox-graphql/upstream"
)

// afresh says what `Cache-Control: no-cache` refuses. The first such request of a credential takes no page that was
// asked for before it. Those within the interval after that take the same pages as the first: so each page is read
// afresh at most once per interval, by however many requests, and nothing that they are shown is older than the
// interval.
type afresh struct {
	interval time.Duration // 0: every request takes only pages that were asked for after it

	mu   sync.Mutex
	last *simplelru.LRU[upstream.Tenant, time.Time] // when the last first one came
}

// maxAfresh bounds the credentials for which an interval is kept: as many as package rest remembers.
const maxAfresh = 4096

func newAfresh(interval time.Duration) *afresh {
	last, _ := simplelru.NewLRU[upstream.Tenant, time.Time](maxAfresh, nil) // its one error is a size below 1
	return &afresh{interval: interval, last: last}
}

// notBefore is when a page must have been asked for at the earliest, for a request that comes now.
func (a *afresh) notBefore(tenant upstream.Tenant, now time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last, ok := a.last.Peek(tenant); ok && now.Sub(last) < a.interval {
		return last
	}
	a.last.Add(tenant, now)
	return now
}
