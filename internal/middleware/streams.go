package middleware

import (
	"net/http"
	"sync"
	"sync/atomic"

	"revox-graphql/internal/slowclient"
)

// Streams bounds the requests that are open over HTTP/2. One connection carries many, and each holds its goroutine, its
// buffers and its answer for as long as the client gives no window to write in, so neither the number of connections
// nor the buffers of the system bound them. Where there are more, the one is cut off whose client has taken nothing for
// longest: a client that goes on reading never is that one while others are stalled.
//
// Requests over HTTP/1.1 are bounded by the number of connections.
type Streams struct {
	most int
	cut  atomic.Uint64

	mu   sync.Mutex
	open map[*slowclient.Writer]struct{}
}

// NewStreams bounds the open requests to so many.
func NewStreams(most int) *Streams {
	return &Streams{most: most, open: map[*slowclient.Writer]struct{}{}}
}

// Cut is how many were cut off.
func (s *Streams) Cut() uint64 { return s.cut.Load() }

// Wrap bounds the requests to a handler.
func (s *Streams) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 {
			next.ServeHTTP(w, r)
			return
		}
		w, client := slowclient.Wrap(w)
		s.begin(client)
		defer s.end(client)
		next.ServeHTTP(w, r)
		// Else net/http would wait for a window once the handler has returned.
		_ = http.NewResponseController(w).Flush()
	})
}

func (s *Streams) begin(client *slowclient.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= s.most {
		var slowest *slowclient.Writer
		for other := range s.open {
			if slowest == nil || other.Progress().Before(slowest.Progress()) {
				slowest = other
			}
		}
		// Its handler ends as soon as reading or writing fails.
		slowest.Cut()
		delete(s.open, slowest)
		s.cut.Add(1)
	}
	s.open[client] = struct{}{}
}

func (s *Streams) end(client *slowclient.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, client) // changes nothing where it is cut off
}
