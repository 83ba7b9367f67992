package middleware

import (
	"cmp"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"revox-graphql/internal/slowclient"
)

// Streams bounds the requests that are open over HTTP/2. One connection carries many, and each holds its goroutine, its
// buffers and its answer for as long as the client gives no window to write in, so neither the number of connections
// nor the buffers of the system bound them. Where there are more, the one is cut off whose client takes nothing of its
// answer for longest; if none does for a second, the one that has got on with nothing for longest. A client that goes on
// reading, or waits for its answer, never is that one while others are stalled.
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
		slowest := s.slowest()
		// Its handler ends as soon as reading or writing fails.
		slowest.Cut()
		delete(s.open, slowest)
		s.cut.Add(1)
	}
	s.open[client] = struct{}{}
}

// stalled is from when on a client is taken for one that takes nothing.
const stalled = time.Second

func (s *Streams) slowest() *slowclient.Writer {
	var slowest, oldest *slowclient.Writer
	waited := time.Duration(0)
	for one := range s.open {
		if w := one.Waited(); w >= max(stalled, waited) {
			slowest, waited = one, w
		}
		if oldest == nil || one.Progress().Before(oldest.Progress()) {
			oldest = one
		}
	}
	return cmp.Or(slowest, oldest)
}

func (s *Streams) end(client *slowclient.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, client) // changes nothing where it is cut off
}
