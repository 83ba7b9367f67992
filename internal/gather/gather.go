// Package gather sends a response in one system call, and so in as few packets as it fits into.
//
// net/http writes through a buffer of 4 KiB. A response with a longer body takes two system calls: one for the headers
// with the start of the body, and one for the rest. For a response of a few kilobytes the second call costs as much as
// the rest of net/http. A [Conn] holds the first piece until the second one comes, and hands both to writev(2).
package gather

import (
	"net"
	"sync"
)

// maxHeld is the longest piece that is held, in bytes: the size of net/http's buffer. Longer pieces do not come from
// the buffer, so nothing needs to follow them.
const maxHeld = 4 << 10

// pieces are buffers for held pieces. A connection has one only while it holds a piece.
var pieces = sync.Pool{New: func() any { return new([maxHeld]byte) }}

// Listen makes the connections of a listener gather writes. Listeners that wrap the returned one must give their
// connections the method NetConn of [tls.Conn].
func Listen(listener net.Listener) net.Listener { return gatheringListener{listener} }

type gatheringListener struct{ net.Listener }

// Accept implements [net.Listener].
func (l gatheringListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: conn}, nil
}

// Conn is a connection that gathers writes. One goroutine writes a response in these steps: [Conn.Hold], the writes,
// which leave the last piece in net/http's buffer, [Conn.Last], a flush of that buffer, [Conn.Release].
type Conn struct {
	net.Conn
	holding bool
	piece   *[maxHeld]byte // nil unless a piece is held
	length  int            // of the held piece

	// The arguments of writev, in the connection so that a write allocates nothing.
	parts   [2][]byte
	buffers net.Buffers
}

// Of returns the gathering connection below a connection that may be wrapped; nil if there is none. A nil Conn gathers
// nothing.
func Of(conn net.Conn) *Conn {
	for {
		switch outer := conn.(type) {
		case *Conn:
			return outer
		case interface{ NetConn() net.Conn }:
			conn = outer.NetConn()
		default:
			return nil
		}
	}
}

// Hold begins to gather: a piece from net/http's buffer waits for the next write.
func (c *Conn) Hold() {
	if c != nil {
		c.holding = true
	}
}

// Last says that the next write is the last one. That write also sends the held piece, and returns the error of both.
func (c *Conn) Last() {
	if c != nil {
		c.holding = false
	}
}

// Release sends the held piece if no last write has sent it. If that fails, Release closes the connection and returns
// the error: net/http takes the piece for sent.
func (c *Conn) Release() error {
	if c == nil || c.piece == nil {
		return nil
	}
	_, err := c.writeBoth(nil)
	if err != nil {
		_ = c.Close()
	}
	return err
}

// Write implements [net.Conn]. A piece that is held counts as written.
func (c *Conn) Write(p []byte) (int, error) {
	switch {
	case c.piece != nil:
		return c.writeBoth(p)
	case c.holding && 0 < len(p) && len(p) <= maxHeld:
		c.piece = pieces.Get().(*[maxHeld]byte)
		c.length = copy(c.piece[:], p)
		return len(p), nil
	default:
		return c.Conn.Write(p)
	}
}

// writeBoth sends the held piece and p.
func (c *Conn) writeBoth(p []byte) (int, error) {
	held := c.length
	c.parts = [2][]byte{c.piece[:held], p}
	c.buffers = c.parts[:]
	n, err := c.buffers.WriteTo(c.Conn)
	pieces.Put(c.piece)
	c.piece, c.length, c.parts, c.buffers = nil, 0, [2][]byte{}, nil
	return max(0, int(n)-held), err
}

// CloseWrite is what net/http calls so that a response arrives before the connection ends.
func (c *Conn) CloseWrite() error {
	if closer, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return closer.CloseWrite()
	}
	return nil
}
