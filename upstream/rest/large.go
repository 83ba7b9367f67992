package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
)

// A response may have MaxResponseBytes, and takes a few times that while it is read. As many of those as there may be
// requests in flight would take more memory than a gateway has. So the rest of a response that turns out to be large is
// read only while few others are: what has not been read waits at upstream, and memory stays bounded by maxLarge large
// responses, and smallBytes of each other one.

const (
	// smallBytes of each response are read at once: pages of 200 calls have 700 kB, as a rule.
	smallBytes = 2 << 20
	// maxLarge is how many larger responses are read at once.
	maxLarge = 4
	// readFactor is how many times its bytes a response takes while it is read: the buffer, which grows by doubling,
	// the page's text, and its index.
	readFactor = 4
)

// largeSlots holds one element for each large response that is being read.
type largeSlots chan struct{}

// bodyReader reads one response, and counts its memory. It must be freed when nothing of the response is used any more.
type bodyReader struct {
	ctx   context.Context //nolint:containedctx // of the one request
	slots largeSlots
	held  bool
	read  int
	from  io.Reader

	memory   *memory.Account
	maxBytes int // bytes that are kept of a response
	counted  int // bytes of memory
}

var errNoMemory = &upstream.Error{
	Kind: upstream.KindOverloaded, Reason: "there is not enough memory to read a large response",
	RetryAfter: time.Second, Unsent: true, // it says nothing about upstream
}

// take counts so many bytes.
func (w *bodyReader) take(bytes int) {
	w.counted += bytes
	w.memory.Take(int64(bytes))
}

// reserve counts a large response as a whole before its rest is read, with as much left for usual requests as any large
// reservation leaves. The only large one may always be read.
func (w *bodyReader) reserve() error {
	rest := max(0, readFactor*w.maxBytes-w.counted)
	switch {
	case len(w.slots) == 1:
		w.memory.Take(int64(rest))
	case !w.memory.Reserve(int64(rest)):
		return errNoMemory
	}
	w.counted += rest
	return nil
}

// Read implements [io.Reader]. Its error is of [upstream.KindOverloaded] where others were read until the deadline.
func (w *bodyReader) Read(p []byte) (int, error) {
	if w.read >= smallBytes && !w.held {
		select {
		case w.slots <- struct{}{}:
			w.held = true
			if err := w.reserve(); err != nil {
				return 0, err
			}
		case <-w.ctx.Done():
			if !errors.Is(context.Cause(w.ctx), context.DeadlineExceeded) {
				return 0, w.ctx.Err()
			}
			return 0, &upstream.Error{
				Kind: upstream.KindOverloaded, Reason: "too many large responses are already being read",
				RetryAfter: time.Second, Unsent: true, // it says nothing about upstream
			}
		}
	}
	n, err := w.from.Read(p)
	w.read += n
	if !w.held {
		w.take(readFactor * n)
	}
	return n, err
}

// free lets another large response be read.
func (w *bodyReader) free() {
	w.memory.Release(int64(w.counted))
	w.counted = 0
	if w.held {
		<-w.slots
		w.held = false
	}
}

// putBody returns a buffer for the next response, unless it has become large: large buffers would add up.
func putBody(body *bytes.Buffer) {
	if body.Cap() <= 2*smallBytes {
		bodies.Put(body)
	}
}
