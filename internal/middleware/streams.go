package middleware

import (
	"container/list"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Streams bounds the requests that are open over HTTP/2. One connection carries many, and each holds its goroutine, its
// buffers and its answer for as long as the client gives no window to write in, so neither the number of connections
// nor the buffers of the system bound them. Where there are more, the one that has been open longest is cut off: a
// client that reads as fast as others never is that one.
//
// Requests over HTTP/1.1 are bounded by the number of connections.
type Streams struct {
	most int
	cut  atomic.Uint64

	mu   sync.Mutex
	open list.List // of http.ResponseWriter, the oldest first
}

// NewStreams bounds the open requests to so many.
func NewStreams(most int) *Streams { return &Streams{most: most} }

// Cut is how many were cut off.
func (s *Streams) Cut() uint64 { return s.cut.Load() }

// Wrap bounds the requests to a handler.
func (s *Streams) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 {
			next.ServeHTTP(w, r)
			return
		}
		defer s.end(s.begin(w))
		next.ServeHTTP(w, r)
		// Else net/http would wait for a window once the handler has returned.
		_ = http.NewResponseController(w).Flush()
	})
}

func (s *Streams) begin(w http.ResponseWriter) *list.Element {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.open.PushBack(w)
	if s.open.Len() > s.most {
		oldest := s.open.Front()
		// Its handler ends as soon as reading or writing fails, and until then cannot return: see end.
		control, past := http.NewResponseController(oldest.Value.(http.ResponseWriter)), time.Unix(1, 0)
		_ = control.SetReadDeadline(past)
		_ = control.SetWriteDeadline(past)
		s.open.Remove(oldest)
		s.cut.Add(1)
	}
	return mine
}

// end forgets a request. It takes the lock, so that no writer is used after its handler has returned.
func (s *Streams) end(mine *list.Element) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open.Remove(mine) // changes nothing where it is cut off
}
