package middleware

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// Headers bounds the memory that headers take while they come in. A GET may have a query string as large as a body, so
// one connection may hold hundreds of kilobytes before anybody knows what it asks for, and a thousand of them hundreds
// of megabytes. What they have sent is counted together, and the connection that goes beyond the bound is ended.
// Headers of the usual size are not counted, so whoever sends those is never refused.
//
// A connection sends a header when none of its requests is being answered. That holds for HTTP/2 as well, but for a
// header that comes while another request of the connection is answered, which is not counted.
type Headers struct {
	most    int64
	taken   atomic.Int64
	refused atomic.Uint64
}

// usualHeader is the size of a header that is not counted, in bytes.
const usualHeader = 16 << 10

// NewHeaders bounds headers to so many bytes, those of the usual size not counted.
func NewHeaders(most int) *Headers { return &Headers{most: int64(most)} }

// Refused is how many connections were ended.
func (h *Headers) Refused() uint64 { return h.refused.Load() }

// Listen counts what comes in over the connections of a listener, which a server serves that [Headers.Watch] has seen.
func (h *Headers) Listen(listener net.Listener) net.Listener { return &countedListener{listener, h} }

// Watch lets a server tell when a header has been read.
func (h *Headers) Watch(server *http.Server) {
	next := server.Handler
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, conn)
	}
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		if counted, ok := conn.(*countedConn); ok && state == http.StateIdle {
			counted.forget() // what was left of a body
		}
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if counted, ok := r.Context().Value(connKey{}).(*countedConn); ok {
			counted.begin()
			defer counted.end()
		}
		next.ServeHTTP(w, r)
	})
}

type connKey struct{}

type countedListener struct {
	net.Listener
	headers *Headers
}

// Accept implements [net.Listener].
func (l *countedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConn{Conn: conn, headers: l.headers}, nil
}

// countedConn is a connection whose headers are counted.
type countedConn struct {
	net.Conn
	headers *Headers

	mu       sync.Mutex
	requests int   // that are being answered
	size     int64 // of what has come since there was one
	counted  int64 // of that
	closed   bool
}

// errTooManyHeaders is of the kind for which net/http closes a connection without a word. Proxies then ask another
// gateway; for all other kinds they would be told 400, as if it were the request's fault.
var errTooManyHeaders = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("too many bytes of headers")}

// Read implements [net.Conn].
func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.take(int64(n)) {
		return 0, errTooManyHeaders
	}
	return n, err
}

func (c *countedConn) take(n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests > 0 || c.closed {
		return true
	}
	if c.size += n; c.size <= usualHeader {
		return true
	}
	taken := c.headers.taken.Add(c.size - c.counted)
	c.counted = c.size
	if taken > c.headers.most {
		c.headers.refused.Add(1)
		return false
	}
	return true
}

// begin says that a header has been read as a whole, and its request is being answered.
func (c *countedConn) begin() {
	c.forget()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
}

// end says that a request has been answered.
func (c *countedConn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests--
}

func (c *countedConn) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headers.taken.Add(-c.counted)
	c.size, c.counted = 0, 0
}

// Close implements [net.Conn].
func (c *countedConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.forget()
	return c.Conn.Close()
}

// CloseWrite is what net/http calls so that an answer arrives before the connection ends.
func (c *countedConn) CloseWrite() error {
	if closer, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return closer.CloseWrite()
	}
	return nil
}
