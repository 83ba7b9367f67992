package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"revox-graphql/internal/memory"
)

// An answer may have MaxAnswerBytes, and takes a few times that while it is read. As many of those as there may be
// requests under way would take more memory than a gateway has. So of an answer that turns out to be large the rest is
// read only when few others are: what has not been read waits with upstream, and memory stays bounded by mostHeavy
// large answers, and lightBytes of each other one.

const (
	// lightBytes of each answer are read at once: pages of 200 calls have 700 kB, as a rule.
	lightBytes = 2 << 20
	// mostHeavy is how many larger answers are read at once.
	mostHeavy = 4
	// readFactor is how many times its bytes an answer takes while it is read: the buffer, which grows by doubling, the
	// page's text, and its index.
	readFactor = 4
)

// heavy answers are being read: each has put one in.
type heavy chan struct{}

// weighed is one answer's reader. It must be freed when nothing of the answer is used any more.
type weighed struct {
	ctx   context.Context //nolint:containedctx // of the one request
	heavy heavy
	held  bool
	read  int
	from  io.Reader

	memory  *memory.Account
	most    int // bytes that are kept of an answer
	counted int // bytes of memory
}

var errNoMemory = &Error{
	Kind: KindOverloaded, Reason: "there is not enough memory to read a large answer",
	RetryAfter: time.Second, unsent: true, // it says nothing about upstream
}

// take counts so many bytes.
func (w *weighed) take(bytes int) {
	w.counted += bytes
	w.memory.Take(int64(bytes))
}

// reserve counts a large answer as a whole before its rest is read. The only one always may be.
func (w *weighed) reserve() error {
	rest := max(0, readFactor*w.most-w.counted)
	switch {
	case len(w.heavy) == 1:
		w.memory.Take(int64(rest))
	case !w.memory.ReserveMore(int64(rest)):
		return errNoMemory
	}
	w.counted += rest
	return nil
}

// Read implements [io.Reader]. Its error is of [KindOverloaded] where others were read for all the time that there was.
func (w *weighed) Read(p []byte) (int, error) {
	if w.read >= lightBytes && !w.held {
		select {
		case w.heavy <- struct{}{}:
			w.held = true
			if err := w.reserve(); err != nil {
				return 0, err
			}
		case <-w.ctx.Done():
			if !errors.Is(context.Cause(w.ctx), context.DeadlineExceeded) {
				return 0, w.ctx.Err()
			}
			return 0, &Error{
				Kind: KindOverloaded, Reason: "too many large answers are being read already",
				RetryAfter: time.Second, unsent: true, // it says nothing about upstream
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

// free lets another large answer be read.
func (w *weighed) free() {
	w.memory.Release(int64(w.counted))
	w.counted = 0
	if w.held {
		<-w.heavy
		w.held = false
	}
}

// putBody gives a buffer back for the next answer, unless it has become large: those would add up.
func putBody(body *bytes.Buffer) {
	if body.Cap() <= 2*lightBytes {
		bodies.Put(body)
	}
}
