package graph

import (
	"container/list"
	"net/http"
	"sync"
	"time"
)

// writing is what is held by answers that are being written. A request has left its place by then: if it kept it, a thousand
// clients that read a byte a second would keep everybody else out. What is left is memory, which is bounded: where the answers
// on their way have more bytes, the one that has been on its way longest is cut off, with its connection. A client that reads
// as fast as others never is the last.
type writing struct {
	maxBytes int

	mu    sync.Mutex
	under list.List // of *written, the oldest first
	bytes int
}

// written is an answer on its way.
type written struct {
	http.ResponseWriter
	size int
	cut  bool
}

// smallAnswer is the size of an answer that is not counted: the system takes as much for a connection at once, as a rule.
// Over HTTP/2 all are counted, and none as less than this.
const smallAnswer = 16 << 10

// write writes a body for which so many bytes are held.
func (w *writing) write(to http.ResponseWriter, body []byte, size int) {
	if size > smallAnswer {
		defer w.end(w.begin(to, size))
		// What is in a buffer of net/http has still to be written.
		defer func() { _ = http.NewResponseController(to).Flush() }()
	}
	_, _ = to.Write(body) //nolint:gosec // JSON that says so, with nosniff: no page
}

func (w *writing) begin(to http.ResponseWriter, size int) *list.Element {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes += size
	mine := w.under.PushBack(&written{to, size, false})
	for oldest := w.under.Front(); w.bytes > w.maxBytes && oldest != mine; oldest = w.under.Front() {
		// Its handler is still there, and lets go of the bytes as soon as its writing fails.
		_ = http.NewResponseController(w.remove(oldest)).SetWriteDeadline(time.Unix(1, 0))
	}
	return mine
}

func (w *writing) end(element *list.Element) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !element.Value.(*written).cut {
		w.remove(element)
	}
}

func (w *writing) remove(element *list.Element) http.ResponseWriter {
	one := w.under.Remove(element).(*written)
	one.cut = true
	w.bytes -= one.size
	return one.ResponseWriter
}
