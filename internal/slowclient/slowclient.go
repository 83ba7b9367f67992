// Package slowclient judges clients by their progress in reading a response, and not by the age of the response: each
// chunk has a write deadline of its own. nginx applies such a time between two writes, and Caddy uses such deadlines
// too. An absolute deadline, like [http.Server.WriteTimeout], cuts off a client that reads a large response over a slow
// line.
package slowclient

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"revox-graphql/internal/gather"
)

const (
	// Timeout is how long a client may take for a chunk: the default of nginx's send_timeout.
	Timeout = 60 * time.Second
	// Chunk is how many bytes have a deadline together, however they are written. With Timeout it is the least rate:
	// 4.3 KiB/s, and a client that reads a byte now and then is cut off. ASP.NET Core's Kestrel wants 240 bytes per
	// second.
	//
	// A system takes what is written in steps of up to a third of its send buffer, which are 1.4 MB on Linux. At 50
	// kB/s these are 28 s apart, so Timeout must not be much shorter. See also [Writer.TookWithin].
	Chunk = 256 << 10
	// closeTimeout is how long a stream that is cut off may take to end, before its connection is closed. A reset waits
	// behind the frame that is being written, and that may never end.
	closeTimeout = time.Second
)

// errCut is the error of writing to a client that has been cut off.
var errCut = errors.New("the client was cut off")

// Watch lets a server judge its clients by their progress. [http.Server.WriteTimeout] then holds until a response
// begins. Whatever looks for the [Writer] of a request is within the server's handler by then.
func Watch(server *http.Server) {
	outer, next := server.ConnContext, server.Handler
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if outer != nil {
			ctx = outer(ctx, conn)
		}
		return context.WithValue(ctx, connKey{}, &connection{conn, gather.Of(conn), systemOf(conn)})
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := newWriter(w)
		switch conn, ok := r.Context().Value(connKey{}).(*connection); {
		case !ok:
		case r.ProtoMajor > 1:
			client.conn = conn.Conn
		default:
			client.gather, client.system = conn.gather, conn.system
		}
		defer client.end()
		next.ServeHTTP(client, r)
	})
}

type connKey struct{}

// connection is a client's, with what gathers its writes and what knows when something was sent, or nil.
type connection struct {
	net.Conn
	gather *gather.Conn
	system sender
}

// sender knows how long ago it has sent something to a client. What a client does not acknowledge is sent again, less
// and less often. ok is false where that is not known.
type sender interface {
	SentAgo() (ago time.Duration, ok bool)
}

// systemOf is what the system knows of a connection, which may be wrapped; nil where that is nothing.
func systemOf(conn net.Conn) sender {
	for {
		switch outer := conn.(type) {
		case syscall.Conn:
			return socket{outer}
		case *gather.Conn:
			conn = outer.Conn
		case interface{ NetConn() net.Conn }:
			conn = outer.NetConn()
		default:
			return nil
		}
	}
}

// socket is a connection of the system.
type socket struct{ syscall.Conn }

// Wrap judges the client of w, unless that is done already, by [Watch] below other wrappers. It returns where to write
// to, which may be w itself, and the writer that knows the client.
func Wrap(w http.ResponseWriter) (http.ResponseWriter, *Writer) {
	for inner := w; ; {
		if client, ok := inner.(*Writer); ok {
			return w, client
		}
		wrapper, ok := inner.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			client := newWriter(w)
			client.system, _ = w.(sender)
			return client, client
		}
		inner = wrapper.Unwrap()
	}
}

// Writer writes a response for as long as its client continues to read. Besides Write, its methods are safe for
// concurrent use.
type Writer struct {
	http.ResponseWriter
	conn    net.Conn     // of a stream over HTTP/2, else nil
	gather  *gather.Conn // of a request over HTTP/1, else nil
	system  sender       // likewise
	written int          // bytes of the present chunk

	// deadlines is held while a deadline is set. Over HTTP/2 that waits for the goroutine that serves the connection,
	// which may have thousands of other streams to serve. It is locked before mu.
	deadlines sync.Mutex

	mu       sync.Mutex // of the rest: nothing waits with it, so that one stuck client does not hold up who judges all
	progress time.Time  // see Progress
	deadline time.Time  // of the present chunk; zero before the first
	latest   time.Time  // no deadline is later, unless it is zero
	waiting  bool       // for the client: a write or a flush is under way
	cut      bool
	ended    bool
}

func newWriter(w http.ResponseWriter) *Writer {
	return &Writer{ResponseWriter: w, progress: time.Now()}
}

// Write implements [http.ResponseWriter].
func (w *Writer) Write(b []byte) (n int, err error) {
	w.wait(true)
	defer w.wait(false)
	for {
		if w.written == 0 {
			if err := w.renew(); err != nil {
				return n, err
			}
		}
		part := b[n:min(len(b), n+Chunk-w.written)]
		done, err := w.ResponseWriter.Write(part)
		n += done
		if w.written += done; w.written == Chunk {
			w.written = 0
		}
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// shortResponse is the longest response that net/http keeps until the handler has returned, in bytes: the size of its
// buffer for bodies.
const shortResponse = 2 << 10

// Parts writes the parts of a response to an [http.ResponseWriter] that wraps w. A short one is sent when the handler
// has returned, and a longer one as [Writer.Whole] does it.
func (w *Writer) Parts(to http.ResponseWriter, parts ...[]byte) error {
	bytes := 0
	for _, part := range parts {
		bytes += len(part)
	}
	if bytes <= shortResponse {
		return writeParts(to, parts)
	}
	return w.Whole(to, parts...)
}

// Whole writes the parts of a whole response to an [http.ResponseWriter] that wraps w, and flushes it: an error says
// that it has not arrived as a whole. Over HTTP/1 it is sent in one system call where the system takes as much.
func (w *Writer) Whole(to http.ResponseWriter, parts ...[]byte) error {
	w.gather.Hold()
	err := writeParts(to, parts)
	w.gather.Last()
	if err == nil {
		err = http.NewResponseController(to).Flush() // what is in a buffer of net/http
	}
	if released := w.gather.Release(); err == nil || errors.Is(err, http.ErrNotSupported) {
		err = released
	}
	return err
}

func writeParts(to http.ResponseWriter, parts [][]byte) error {
	for _, part := range parts {
		if len(part) == 0 {
			continue
		}
		if _, err := to.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// FlushError is for [http.ResponseController].
func (w *Writer) FlushError() error {
	w.wait(true)
	defer w.wait(false)
	return w.control().Flush()
}

func (w *Writer) wait(waiting bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = waiting
}

// renew begins a chunk.
func (w *Writer) renew() error {
	w.deadlines.Lock()
	defer w.deadlines.Unlock()
	deadline, err := w.next()
	if err == nil {
		_ = w.control().SetWriteDeadline(deadline) // a writer of a test may have none
	}
	return err
}

// next is the deadline of the chunk that begins now.
func (w *Writer) next() (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return time.Time{}, errCut
	}
	w.progress = time.Now()
	w.deadline = w.progress.Add(Timeout)
	if !w.latest.IsZero() && w.latest.Before(w.deadline) {
		w.deadline = w.latest
	}
	return w.deadline, nil
}

// SetWriteDeadline is for [http.ResponseController]: a handler may give a client less time than it has by its progress.
func (w *Writer) SetWriteDeadline(deadline time.Time) error {
	w.deadlines.Lock()
	defer w.deadlines.Unlock()
	if err := w.limit(deadline); err != nil {
		return err
	}
	return w.control().SetWriteDeadline(deadline)
}

// limit notes that no deadline is later than this one.
func (w *Writer) limit(deadline time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return errCut
	}
	w.latest, w.deadline = deadline, deadline
	return nil
}

// control is what net/http can do beside writing. It is made where it is used, which takes no allocation.
func (w *Writer) control() *http.ResponseController {
	return http.NewResponseController(w.ResponseWriter)
}

// Unwrap is for [http.ResponseController].
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Begin says that a response is there to be written, so that the time until then is not held against the client.
func (w *Writer) Begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress = time.Now()
}

// Progress is when the client has taken its last chunk; at first, when its request came or its response was there.
func (w *Writer) Progress() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress
}

// TookWithin reports whether the system has sent something to the client within that time, and counts that as progress.
// What the system takes from the gateway at once may be a hundred times what it sends to a slow client at once, so a
// client may read all the time and take no chunk. It is a system call, and false over HTTP/2, where the connection has
// other streams, and where the system does not tell.
func (w *Writer) TookWithin(limit time.Duration) bool {
	if w.system == nil {
		return false
	}
	ago, ok := w.system.SentAgo()
	if !ok || ago >= limit {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if at := time.Now().Add(-ago); at.After(w.progress) {
		w.progress = at
	}
	return true
}

// Waited is for how long the client has taken no chunk while there was something for it; 0 where nothing is.
func (w *Writer) Waited() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.waiting {
		return 0
	}
	return time.Since(w.progress)
}

// TooSlow reports whether the client was cut off, or has missed its deadline. If it is not, and writing has failed,
// then the client has left.
func (w *Writer) TooSlow() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut || !w.deadline.IsZero() && !time.Now().Before(w.deadline)
}

// Cut cuts the client off: reading from it and writing to it fail. It does nothing once the request has been answered,
// because the connection may have another by then. It may wait for the connection, so it is called without any lock.
func (w *Writer) Cut() {
	w.deadlines.Lock()
	defer w.deadlines.Unlock()
	if !w.refuse() {
		return
	}
	past := time.Unix(1, 0)
	_ = w.control().SetReadDeadline(past)
	_ = w.control().SetWriteDeadline(past)
	if w.conn != nil {
		time.AfterFunc(closeTimeout, w.close)
	}
}

// refuse has no chunk begin any more, and reports whether one could have until now.
func (w *Writer) refuse() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut || w.ended {
		return false
	}
	w.cut = true
	return true
}

// close closes the connection of a stream that does not end.
func (w *Writer) close() {
	w.mu.Lock()
	ended := w.ended
	w.mu.Unlock()
	if !ended {
		_ = w.conn.Close()
	}
}

// end waits for a deadline that is being set: net/http uses the stream for another request afterwards.
func (w *Writer) end() {
	w.deadlines.Lock()
	defer w.deadlines.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}
