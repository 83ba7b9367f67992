package admission

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const (
	// searchesAtOnce of the longest searches are allowed at once, as many as a request has fields by default; and one
	// per second on average.
	searchesAtOnce = 10
	// searchingClients bounds the clients whose searches are counted: those that have searched last.
	searchingClients = 1024
)

// SearchLimiter is a token bucket for each client C, from which requests to upstream are taken that a search causes. It
// is safe for concurrent use.
type SearchLimiter[C comparable] struct {
	longest int // requests to upstream
	clients *lru.Cache[C, *rate.Limiter]
}

// NewSearchLimiter makes a limiter. The longest search takes so many requests to upstream.
func NewSearchLimiter[C comparable](longest int) *SearchLimiter[C] {
	clients, _ := lru.New[C, *rate.Limiter](searchingClients) // its one error is a size below 1
	return &SearchLimiter[C]{longest, clients}
}

// Charge charges a client for a request to upstream. It returns 0, or after how long the client may try again.
func (s *SearchLimiter[C]) Charge(client C) (retryAfter time.Duration) {
	limiter, ok := s.clients.Get(client)
	if !ok {
		limiter = rate.NewLimiter(rate.Limit(s.longest), searchesAtOnce*s.longest)
		if first, was, _ := s.clients.PeekOrAdd(client, limiter); was {
			limiter = first
		}
	}
	if limiter.Allow() {
		return 0
	}
	return time.Second // by then the longest search is paid for
}
