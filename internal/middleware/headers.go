package middleware

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// Headers bounds the memory of incomplete headers. A GET may have a query string as large as a body, so one connection
// may hold hundreds of kilobytes before its request is known, and a thousand connections hundreds of megabytes. Headers
// counts the bytes of all connections together, and closes the connection that exceeds the limit. Headers of the usual
// size do not count, so clients that send those are never rejected.
//
// A connection is sending a header while it has no request in flight. That holds for HTTP/2 too, except that a header
// does not count while another request of the same connection is in flight.
type Headers struct {
	most     int64
	taken    atomic.Int64
	rejected atomic.Uint64
}

// usualHeader is the size of a header that does not count, in bytes.
const usualHeader = 16 << 10

// NewHeaders returns a limit of most bytes for all connections together. Headers of the usual size do not count.
func NewHeaders(most int) *Headers { return &Headers{most: int64(most)} }

// Rejected returns the number of connections that were closed.
func (h *Headers) Rejected() uint64 { return h.rejected.Load() }

// Listen counts the headers on the connections of a listener. Its server must be given to [Headers.Watch].
func (h *Headers) Listen(listener net.Listener) net.Listener { return &countedListener{listener, h} }

// Watch observes when a server has read a header.
func (h *Headers) Watch(server *http.Server) {
	outer, next := server.ConnContext, server.Handler
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if outer != nil {
			ctx = outer(ctx, conn)
		}
		return context.WithValue(ctx, connKey{}, conn)
	}
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		if counted, ok := conn.(*countedConn); ok && state == http.StateIdle {
			counted.forget() // bytes since the last header were the rest of a body
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

// countedConn is a connection whose headers count.
type countedConn struct {
	net.Conn
	headers *Headers
	ended   atomic.Bool // because it exceeded the limit

	mu       sync.Mutex
	requests int   // in flight
	size     int64 // bytes since the last request
	counted  int64 // how many of these bytes Headers counts
	closed   bool
}

// errTooManyHeaders has a type for which net/http closes a connection without a response. Proxies then retry with
// another gateway; for other types, net/http would respond with 400, as if the request were wrong.
var errTooManyHeaders = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("too many bytes of headers")}

// Read implements [net.Conn].
func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.take(int64(n)) {
		c.ended.Store(true)
		return 0, errTooManyHeaders
	}
	return n, err
}

// Write implements [net.Conn]. If the limit ends a connection within a line, [bufio.Reader.ReadLine] returns the part
// as a whole line, and net/http would respond with 400 in spite of the type of the error.
func (c *countedConn) Write(p []byte) (int, error) {
	if c.ended.Load() {
		return 0, errTooManyHeaders
	}
	return c.Conn.Write(p)
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
		c.headers.rejected.Add(1)
		return false
	}
	return true
}

// begin counts a request in flight, whose header is complete.
func (c *countedConn) begin() {
	c.forget()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
}

// end removes a request in flight.
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

// NetConn returns the connection inside.
func (c *countedConn) NetConn() net.Conn { return c.Conn }

// Close implements [net.Conn].
func (c *countedConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.forget()
	return c.Conn.Close()
}

// CloseWrite is what net/http calls so that a response arrives before the connection ends.
func (c *countedConn) CloseWrite() error {
	if closer, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return closer.CloseWrite()
	}
	return nil
}
