// Package slowclient judges clients by their progress in reading a response, and not by the age of the response: each
// chunk has a write deadline of its own. nginx limits the time between two writes, and Caddy uses such deadlines too.
// An absolute deadline, like [http.Server.WriteTimeout], cuts off a client that reads a large response over a slow
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
	// Chunk is how many bytes have a deadline together, in however many writes. Timeout and Chunk require 4.3 KiB/s, so
	// a client that reads a byte now and then is cut off. ASP.NET Core's Kestrel requires 240 bytes per second.
	//
	// The system accepts bytes in steps of up to a third of its send buffer, 1.4 MB on Linux. For a client that reads 50
	// kB/s, the steps are 28 s apart, so Timeout must not be much shorter. See also [Writer.TookWithin].
	Chunk = 256 << 10
	// closeTimeout is how long a stream that is cut off may take to end before its connection is closed. The reset of
	// the stream waits until the present frame is written, which may never happen.
	closeTimeout = time.Second
)

// errCut is the error of writing to a client that has been cut off.
var errCut = errors.New("the client was cut off")

// Watch lets a server judge its clients by their progress. [http.Server.WriteTimeout] then holds until a response
// begins. Handlers that call [Wrap] must be within the server's handler before Watch is called.
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

// connection is a client's connection, with the gathering connection and the sender below it; each may be nil.
type connection struct {
	net.Conn
	gather *gather.Conn
	system sender
}

// sender knows how long ago the system sent data to a client; ok is false if it does not know. The system sends data
// again that the client does not acknowledge, less and less often.
type sender interface {
	SentAgo() (ago time.Duration, ok bool)
}

// systemOf returns the sender of a connection, which may be wrapped; nil if there is none.
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

// Wrap returns a [Writer] for the client of w: the one that w wraps, for example that of [Watch], or else a new one.
// It also returns the [http.ResponseWriter] to write to: w itself, or the new Writer.
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

// Writer writes a response for as long as its client continues to read. Its methods are safe for concurrent use,
// except those that write or flush.
type Writer struct {
	http.ResponseWriter
	conn    net.Conn     // of a stream over HTTP/2, else nil
	gather  *gather.Conn // of a request over HTTP/1, else nil
	system  sender       // likewise
	written int          // bytes of the present chunk

	// deadlines is held while a deadline is set. Over HTTP/2, setting one waits for the goroutine that serves the
	// connection, which may have thousands of other streams to serve. deadlines is locked before mu.
	deadlines sync.Mutex

	// mu guards the fields below. No goroutine waits while it holds mu, so a stuck client does not delay package
	// middleware, which asks all writers.
	mu       sync.Mutex
	progress time.Time // see Progress
	deadline time.Time // of the present chunk; zero before the first
	latest   time.Time // no deadline is later, unless it is zero
	waiting  bool      // for the client: a write or a flush is under way
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

// Parts writes the parts of a response to an [http.ResponseWriter] that wraps w. net/http sends a short response when
// the handler has returned. Parts sends a longer one like [Writer.Whole], with its errors.
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

// Whole writes the parts of a whole response to an [http.ResponseWriter] that wraps w, and flushes it. It returns an
// error unless the system has accepted the whole response. Over HTTP/1, Whole makes one system call if the system
// accepts that much at once.
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

// next begins a chunk, and returns its deadline, or errCut.
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

// SetWriteDeadline is for [http.ResponseController]: a handler may give a client less time than Timeout.
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

// control returns a controller for the writer inside. It is made where it is used, which takes no allocation.
func (w *Writer) control() *http.ResponseController {
	return http.NewResponseController(w.ResponseWriter)
}

// Unwrap is for [http.ResponseController].
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Begin says that a response is ready to be written. The time until then does not count against the client.
func (w *Writer) Begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress = time.Now()
}

// Progress returns when the client took its last chunk; before that, when its request came or its response was ready.
func (w *Writer) Progress() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress
}

// TookWithin reports whether the system has sent something to the client within limit, and counts that as progress.
// The system may accept a hundred times as much at once as it sends to a slow client, so a client may read all the
// time and take no chunk. TookWithin makes a system call. It returns false over HTTP/2, where other streams share the
// connection, and on systems that do not tell.
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

// Waited returns the time since Progress if a write or a flush waits for the client; 0 if none does.
func (w *Writer) Waited() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.waiting {
		return 0
	}
	return time.Since(w.progress)
}

// TooSlow reports whether the client was cut off, or has missed its deadline. If writing fails and TooSlow is false,
// the client has left.
func (w *Writer) TooSlow() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut || !w.deadline.IsZero() && !time.Now().Before(w.deadline)
}

// Cut cuts the client off: reading from it and writing to it fail. Cut does nothing once the handler of [Watch] has
// returned, because the connection may have another request by then. It may wait for the connection, so call it
// without any lock.
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

// refuse lets no chunk begin any more, and reports whether one could begin until now.
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

// end waits until no deadline is being set: afterwards, net/http reuses its state for other requests.
func (w *Writer) end() {
	w.deadlines.Lock()
	defer w.deadlines.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}
