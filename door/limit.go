package door

import (
	"net/http"
	"sync/atomic"
)

// Limit lets only so many requests in at once. Beyond that, refusing must cost next to nothing, or those inside get slower
// with every one outside: the answer goes out before the body is read, and nobody waits.
type Limit struct {
	slots chan struct{}
	shed  atomic.Uint64
}

// NewLimit lets so many in at once.
func NewLimit(most int) *Limit { return &Limit{slots: make(chan struct{}, most)} }

// Inside is how many requests are inside.
func (l *Limit) Inside() int { return len(l.slots) }

// Shed is how many were refused.
func (l *Limit) Shed() uint64 { return l.shed.Load() }

// Wrap puts the limit before a handler.
func (l *Limit) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case l.slots <- struct{}{}:
			defer func() { <-l.slots }()
			next.ServeHTTP(w, r)
		default:
			l.shed.Add(1)
			// net/http would read the rest of a body before it answers, however slowly that comes. Where there is no such
			// switch (HTTP/2) it does not wait.
			_ = http.NewResponseController(w).EnableFullDuplex()
			w.Header().Set("Retry-After", "1")
			refuse(w, r, http.StatusServiceUnavailable, "The gateway has too much to do at present. Try again in a second.",
				map[string]any{"code": overloaded, "retryAfter": 1})
		}
	})
}
