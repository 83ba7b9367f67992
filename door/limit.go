package door

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Limit lets only so many requests in at once. Beyond that, refusing must cost next to nothing, or those inside get slower
// with every one outside: nobody queues, no body is looked at, and connections stay open, since new ones cost more than a
// refusal.
type Limit struct {
	slots chan struct{}
	shed  atomic.Uint64
}

// bodyPatience is how long the body of a refused request is waited for, before it is answered and its connection closed.
const bodyPatience = time.Second

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
			// net/http reads what is left of a body before it sends the answer, so that the connection can be used again. That
			// is there already, as a rule. EnableFullDuplex would skip it, and makes net/http panic at the next request.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyPatience))
			w.Header().Set("Retry-After", "1")
			refuse(w, r, http.StatusServiceUnavailable, "The gateway has too much to do at present. Try again in a second.",
				map[string]any{"code": overloaded, "retryAfter": 1})
		}
	})
}
