package middleware

import (
	"cmp"
	"container/list"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"revox-graphql/internal/slowclient"
)

// Streams bounds the open requests over HTTP/2. One connection carries many requests. Each holds its goroutine,
// buffers and response until the client opens a window, so neither the number of connections nor the system's buffers
// bound their memory. Beyond the limit, Streams cuts off the request whose client has read nothing of its response for
// longest; if no client has stalled for a second, the request without progress for longest. While others are stalled,
// it never cuts off a client that reads, or that waits for its response.
//
// Requests over HTTP/1.1 are bounded by the number of connections.
type Streams struct {
	most int
	cut  atomic.Uint64

	mu      sync.Mutex // held only briefly, and never while its holder waits
	open    map[*slowclient.Writer]*list.Element
	order   list.List            // of *stream: all open requests, by their last seen progress
	stalled []*slowclient.Writer // as of the last scan, the one stalled longest last
	scanned time.Time            // when the last scan was
}

// stream is an open request.
type stream struct {
	client   *slowclient.Writer
	progress time.Time // as last seen
}

// NewStreams returns a bound of most open requests.
func NewStreams(most int) *Streams {
	return &Streams{most: most, open: map[*slowclient.Writer]*list.Element{}}
}

// Cut returns the number of requests that were cut off.
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
		// Otherwise net/http would wait for a window once the handler has returned.
		_ = http.NewResponseController(w).Flush()
	})
}

func (s *Streams) begin(client *slowclient.Writer) {
	// Cut is called without the lock: it may wait for a connection, and other requests must not wait for that.
	if slowest := s.add(client); slowest != nil {
		slowest.Cut() // its handler ends as soon as reading or writing fails
		s.cut.Add(1)
	}
}

// add adds a request. At the limit, the request replaces the returned one.
func (s *Streams) add(client *slowclient.Writer) (slowest *slowclient.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= s.most {
		if slowest = s.longestStalled(); slowest == nil {
			slowest = s.oldest()
		}
		s.remove(slowest)
	}
	s.open[client] = s.order.PushBack(&stream{client, client.Progress()})
	return slowest
}

const (
	// stallTime is how long a client must have read nothing to count as stalled.
	stallTime = time.Second
	// scanInterval is the shortest time between two scans of all requests: a client may open thousands per second.
	scanInterval = stallTime / 10
)

// longestStalled returns the request that has stalled longest, as of the last scan; nil if none has.
func (s *Streams) longestStalled() *slowclient.Writer {
	one := s.lastStalled()
	if one != nil || time.Since(s.scanned) < scanInterval {
		return one
	}
	s.scanned = time.Now()
	waited := map[*slowclient.Writer]time.Duration{}
	for one := range s.open {
		if w := one.Waited(); w >= stallTime {
			waited[one] = w
			s.stalled = append(s.stalled, one)
		}
	}
	slices.SortFunc(s.stalled, func(a, b *slowclient.Writer) int { return cmp.Compare(waited[a], waited[b]) })
	return s.lastStalled()
}

// lastStalled removes and returns the last stalled request that is still stalled.
func (s *Streams) lastStalled() *slowclient.Writer {
	for len(s.stalled) > 0 {
		last := len(s.stalled) - 1
		one := s.stalled[last]
		s.stalled[last], s.stalled = nil, s.stalled[:last]
		if _, open := s.open[one]; open && one.Waited() >= stallTime {
			return one
		}
	}
	return nil
}

// oldest returns the request without progress for longest. Requests with progress since they were last seen move to the
// end of the order, as in a CLOCK cache, so each chunk that a client reads costs one step.
func (s *Streams) oldest() *slowclient.Writer {
	for {
		first := s.order.Front()
		one := first.Value.(*stream)
		progress := one.client.Progress()
		if !progress.After(one.progress) {
			return one.client
		}
		one.progress = progress
		s.order.MoveToBack(first)
	}
}

func (s *Streams) end(client *slowclient.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(client)
}

// remove removes a request, if it is still there.
func (s *Streams) remove(client *slowclient.Writer) {
	if element, open := s.open[client]; open {
		s.order.Remove(element)
		delete(s.open, client)
	}
}
