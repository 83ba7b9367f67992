package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
)

// A response may have MaxResponseBytes, and takes several times that while the client reads it. As many such responses
// as requests in flight would take more memory than a gateway has. So the client reads the rest of a large response
// only while it reads few others, and while there is memory. The unread rest waits at upstream, and memory is limited
// to maxLarge large responses, and smallBytes of each other response.
//
// A large response without memory waits for those that are being read. One is always read, so they finish one after the
// other. (When such a response was rejected instead, one of twenty look-ups through several large pages succeeded.) But
// a response that waits is a request in flight, so those that wait leave half of the requests in flight to others.

const (
	// smallBytes of each response are read without waiting: pages of 200 calls usually have 700 kB.
	smallBytes = 2 << 20
	// maxLarge is how many larger responses are read at the same time.
	maxLarge = 4
	// readFactor is the memory of a response that is being read, as a multiple of its bytes: the buffer, which grows by
	// doubling, the page's text, and its index.
	readFactor = 4
)

// large are the large responses in flight.
type large struct {
	all   chan struct{} // has one element for each
	slots chan struct{} // has one element for each that is being read

	mu      sync.Mutex
	reading int           // those of them that have memory
	ended   chan struct{} // closed when one of these has ended
}

// newLarge is for so many requests in flight.
func newLarge(inFlight int) *large {
	return &large{
		all: make(chan struct{}, max(1, inFlight/2)), slots: make(chan struct{}, maxLarge), ended: make(chan struct{}),
	}
}

// enter adds one, and reports whether there was room for it.
func (l *large) enter() bool {
	select {
	case l.all <- struct{}{}:
		return true
	default:
		return false
	}
}

// reserve counts the memory of one more, unless there is none beside others. Then it returns a channel that is closed
// when one of these has ended.
func (l *large) reserve(account *memory.Account, bytes int64) (ended <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.reading == 0:
		account.Take(bytes)
	case !account.TryReserve(bytes):
		return l.ended
	}
	l.reading++
	return nil
}

// end ends one that has memory.
func (l *large) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reading--
	close(l.ended)
	l.ended = make(chan struct{})
}

// bodyReader reads one response, and counts its memory. It must be freed when nothing of the response is used any more.
type bodyReader struct {
	ctx     context.Context //nolint:containedctx // of the one request
	large   *large
	entered bool // it is one of them
	held    bool // it has a slot
	whole   bool // there is memory for all of it
	read    int
	from    io.Reader
	waited  time.Duration // until it was enlarged
	resumed time.Time     // when it was

	memory   *memory.Account
	maxBytes int // bytes that are kept of a response
	counted  int // bytes of memory
}

// errManyLarge is the error of a large response for which there was no time, or beside too many others. It says nothing
// about upstream.
var errManyLarge = &upstream.Error{
	Kind: upstream.KindOverloaded, Reason: "too many large responses are already being read",
	RetryAfter: time.Second, Unsent: true,
}

// errLongWait is the error of a large response that has waited for others for most of its time. It says nothing about
// upstream either, but another attempt may find fewer others.
var errLongWait = &upstream.Error{
	Kind: upstream.KindOverloaded, Reason: "other large responses were read for too long",
	RetryAfter: time.Second, Unsent: true, Advice: upstream.ShouldRetry,
}

// take counts so many bytes.
func (w *bodyReader) take(bytes int) {
	w.counted += bytes
	w.memory.Take(int64(bytes))
}

// enlarge waits until the rest of a large response may be read, and counts the response as a whole then, with as much
// left for usual requests as any large reservation leaves.
func (w *bodyReader) enlarge() error {
	start := time.Now()
	if !w.entered && !w.large.enter() {
		return errManyLarge
	}
	w.entered = true
	select {
	case w.large.slots <- struct{}{}:
		w.held = true
	case <-w.ctx.Done():
		return w.late(errManyLarge)
	}
	rest := max(0, readFactor*w.maxBytes-w.counted)
	for ended := w.large.reserve(w.memory, int64(rest)); ended != nil; ended = w.large.reserve(w.memory, int64(rest)) {
		select {
		case <-ended:
		case <-w.ctx.Done():
			return w.late(errManyLarge)
		}
	}
	w.counted += rest
	w.whole = true
	w.resumed = time.Now()
	w.waited = w.resumed.Sub(start)
	return nil
}

// late returns the error of a response that has waited too long, or that of its context if this was canceled.
func (w *bodyReader) late(err *upstream.Error) error {
	if !errors.Is(context.Cause(w.ctx), context.DeadlineExceeded) {
		return w.ctx.Err()
	}
	return err
}

// Read implements [io.Reader]. Its error is of [upstream.KindOverloaded] where others were read until the deadline, or
// for so long that upstream had the smaller part of the time.
func (w *bodyReader) Read(p []byte) (int, error) {
	if w.read >= smallBytes && !w.held {
		if err := w.enlarge(); err != nil {
			return 0, err
		}
	}
	n, err := w.from.Read(p)
	w.read += n
	if !w.held {
		w.take(readFactor * n)
	} else if w.ctx.Err() != nil && w.waited > time.Since(w.resumed) {
		return n, w.late(errLongWait)
	}
	return n, err
}

// free lets another large response be read.
func (w *bodyReader) free() {
	w.memory.Release(int64(w.counted))
	w.counted = 0
	if w.whole {
		w.large.end()
	}
	if w.held {
		<-w.large.slots
	}
	if w.entered {
		<-w.large.all
	}
	w.entered, w.held, w.whole = false, false, false
}

// putBody returns a buffer for the next response, unless it has become large: large buffers would add up.
func putBody(body *bytes.Buffer) {
	if body.Cap() <= 2*smallBytes {
		bodies.Put(body)
	}
}
