package middleware

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"revox-graphql/internal/memory"
)

// Connections bounds the connections of clients, so that file descriptors are left for upstream, and memory for
// responses. At the limit, a new connection replaces the one that has been idle longest, or has not sent its first
// request for longest: a client that only holds connections excludes no others. nginx does the same when it runs out of
// connections. If all connections have requests in flight, the new one waits.
//
// Connections also counts the memory of the connections in an account of the memory budget.
type Connections struct {
	most   int
	memory *memory.Account
	closed atomic.Uint64
	freed  chan struct{} // signals that a connection has ended or become idle; has a buffer of 1

	mu   sync.Mutex
	open int
	idle list.List // of *limitedConn: the connections without requests in flight, the one idle longest first
}

// Estimates of the memory of a connection, in bytes: buffers of net/http, goroutines, and a request's header. Over
// HTTP/1.1, each of 2,000 idle connections took 18 KiB, which includes a request in flight. Over HTTP/2, it took 27
// KiB before the first request, 32 KiB after it, and 46 KiB with full header tables; requests in flight add to that.
const (
	HTTP1Bytes = 20 << 10
	HTTP2Bytes = 48 << 10
)

// NewConnections returns a limit of most connections, at least 1, whose memory is counted in the account.
func NewConnections(most int, account *memory.Account) *Connections {
	return &Connections{most: most, memory: account, freed: make(chan struct{}, 1)}
}

// Open returns the number of connections.
func (c *Connections) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// Closed returns the number of connections that were closed to make room for others.
func (c *Connections) Closed() uint64 { return c.closed.Load() }

// Listen bounds the connections of a listener. Its server must be given to [Connections.Watch].
func (c *Connections) Listen(listener net.Listener) net.Listener {
	return &limitedListener{Listener: listener, all: c, done: make(chan struct{})}
}

// Watch observes which connections of a server have requests in flight. Call it after [Headers.Watch].
func (c *Connections) Watch(server *http.Server) {
	outer, next, states := server.ConnContext, server.Handler, server.ConnState
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if outer != nil {
			ctx = outer(ctx, conn)
		}
		return context.WithValue(ctx, limitedKey{}, limitedOf(conn))
	}
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		if states != nil {
			states(conn, state)
		}
		if limited := limitedOf(conn); limited != nil {
			c.reach(limited, state)
		}
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if limited, _ := r.Context().Value(limitedKey{}).(*limitedConn); limited != nil {
			c.begin(limited)
			defer c.end(limited)
		}
		next.ServeHTTP(w, r)
	})
}

type limitedKey struct{}

// limitedOf returns the bounded connection below a connection of a server; nil if there is none.
func limitedOf(conn net.Conn) *limitedConn {
	if counted, ok := conn.(*countedConn); ok {
		conn = counted.Conn
	}
	limited, _ := conn.(*limitedConn)
	return limited
}

type limitedListener struct {
	net.Listener
	all  *Connections
	once sync.Once
	done chan struct{}
}

// Accept implements [net.Listener].
func (l *limitedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	limited := &limitedConn{Conn: conn, all: l.all}
	if !l.all.admit(limited, l.done) {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	limited.take(HTTP1Bytes)
	return limited, nil
}

// Close implements [net.Listener].
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// limitedConn is a bounded connection.
type limitedConn struct {
	net.Conn
	all     *Connections
	preface int // how many bytes of the preface were read; -1 once the protocol is known

	// Under the lock of all.
	counted  int64         // bytes of memory
	requests int           // in flight
	sent     bool          // net/http has sent all responses: it does so after the handler has returned
	idle     *list.Element // its element among the idle connections; nil if it is not idle
	closed   bool
}

// admit makes room for a connection. It returns false if done is closed first.
func (c *Connections) admit(conn *limitedConn, done <-chan struct{}) bool {
	for !c.add(conn) {
		if longest := c.longestIdle(); longest != nil {
			c.closed.Add(1)
			_ = longest.Close()
			continue
		}
		select {
		case <-c.freed:
		case <-done:
			return false
		}
	}
	return true
}

// add adds a connection if there is room.
func (c *Connections) add(conn *limitedConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.most {
		return false
	}
	c.open++
	conn.idle = c.idle.PushBack(conn)
	return true
}

// longestIdle returns the connection that has been idle longest; nil if none is idle.
func (c *Connections) longestIdle() *limitedConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := c.idle.Front(); first != nil {
		return first.Value.(*limitedConn)
	}
	return nil
}

// begin counts a request in flight.
func (c *Connections) begin(conn *limitedConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.requests++
	c.busy(conn)
}

// busy removes a connection from the idle ones.
func (c *Connections) busy(conn *limitedConn) {
	if conn.idle != nil {
		c.idle.Remove(conn.idle)
		conn.idle = nil
	}
}

// end removes a request in flight.
func (c *Connections) end(conn *limitedConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.requests--
	c.rest(conn)
}

// reach notes a state of a connection. net/http reports it as idle after the handler has returned; over HTTP/2, where
// a client may cancel a request, before or after.
func (c *Connections) reach(conn *limitedConn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.sent = state == http.StateIdle
	c.rest(conn)
}

// rest adds a connection to the idle ones if it is idle. A connection whose handlers have returned may not be:
// net/http may still have a short response in its buffer.
func (c *Connections) rest(conn *limitedConn) {
	if conn.requests == 0 && conn.sent && conn.idle == nil && !conn.closed {
		conn.idle = c.idle.PushBack(conn)
		c.signal()
	}
}

func (c *Connections) signal() {
	select {
	case c.freed <- struct{}{}:
	default:
	}
}

// preface is the start of HTTP/2's connection preface (RFC 9113 §3.4). No request of HTTP/1 begins with it.
const preface = "PRI "

// Read implements [net.Conn].
func (conn *limitedConn) Read(p []byte) (int, error) {
	n, err := conn.Conn.Read(p)
	for i := 0; i < n && conn.preface >= 0; i++ {
		switch {
		case p[i] != preface[conn.preface]:
			conn.preface = -1
		case conn.preface == len(preface)-1:
			conn.preface = -1
			conn.take(HTTP2Bytes - HTTP1Bytes)
		default:
			conn.preface++
		}
	}
	return n, err
}

// take counts bytes of memory, unless the connection is closed.
func (conn *limitedConn) take(bytes int64) {
	c := conn.all
	c.mu.Lock()
	closed := conn.closed
	if !closed {
		conn.counted += bytes
		c.memory.Add(bytes)
	}
	c.mu.Unlock()
	if !closed {
		c.memory.Settle()
	}
}

// NetConn returns the connection inside.
func (conn *limitedConn) NetConn() net.Conn { return conn.Conn }

// Close implements [net.Conn].
func (conn *limitedConn) Close() error {
	err := conn.Conn.Close()
	c := conn.all
	c.mu.Lock()
	defer c.mu.Unlock()
	if !conn.closed {
		conn.closed = true
		c.memory.Release(conn.counted)
		c.busy(conn)
		c.open--
		c.signal()
	}
	return err
}

// CloseWrite is what net/http calls so that a response arrives before the connection ends.
func (conn *limitedConn) CloseWrite() error {
	if closer, ok := conn.Conn.(interface{ CloseWrite() error }); ok {
		return closer.CloseWrite()
	}
	return nil
}
