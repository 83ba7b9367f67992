package admission

import (
	"net/http"
	"sync"
	"time"

	"revox-graphql/internal/slowclient"
)

// writing counts the bytes of responses that are being written. A request has returned its slot by then: if it kept the
// slot, a thousand clients that read one byte per second would keep all others out. Only the memory of these responses
// is limited. Beyond the limit, clients that read nothing are cut off, those first that have read nothing for longest.
//
// A client that continues to read is never cut off, however many there are: the limits on requests bound their number.
type writing struct {
	maxBytes int

	mu    sync.Mutex
	under map[*written]struct{}
	bytes int
	next  *time.Timer // looks again; nil until it is needed
}

// written is a response that is being written.
type written struct {
	client *slowclient.Writer
	size   int
}

// smallResponse is the size up to which responses are not counted, in bytes: the system usually buffers as much for a
// connection. Over HTTP/2, all are counted.
const smallResponse = 16 << 10

// stallTimeout is how long a client may read nothing while memory is short. If the system does not report what a client
// reads (see [slowclient.Writer.TookWithin]), it is how long a client may take for a chunk: then the client must read
// 51 KiB/s, or 300 kB/s if the system accepts large parts at once.
const stallTimeout = 5 * time.Second

// write writes a response for which so many bytes are held.
func (w *writing) write(to http.ResponseWriter, client *slowclient.Writer, response *Response, size int) error {
	defer w.end(w.begin(client, size))
	return client.Whole(to, response.Parts[:]...)
}

func (w *writing) begin(client *slowclient.Writer, size int) *written {
	mine := &written{client, size}
	client.Begin()
	w.add(mine)
	w.relieve()
	return mine
}

func (w *writing) add(mine *written) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.under == nil {
		w.under = map[*written]struct{}{}
	}
	w.under[mine] = struct{}{}
	w.bytes += mine.size
}

func (w *writing) end(mine *written) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(mine)
}

// remove forgets a response, unless that has been done.
func (w *writing) remove(one *written) {
	if _, ok := w.under[one]; ok {
		delete(w.under, one)
		w.bytes -= one.size
	}
}

// relieve cuts clients off that are too slow while memory is short, and looks again when the next one is too slow.
// Cutting off may wait for a connection, so it is done without the lock.
func (w *writing) relieve() {
	for slow := w.tooSlow(); slow != nil; slow = w.tooSlow() {
		slow.client.Cut()
	}
}

// tooSlow takes a response whose client is too slow while memory is short, nil if there is none. Its handler is still
// there, and lets go of the bytes as soon as its writing fails.
func (w *writing) tooSlow() *written {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bytes <= w.maxBytes {
		return nil
	}
	slowest, since := w.slowest()
	if slowest == nil {
		return nil
	}
	if left := stallTimeout - time.Since(since); left > 0 {
		w.lookAgain(left)
		return nil
	}
	w.remove(slowest)
	return slowest
}

// shed cuts the client off that has taken nothing for longest, if that is long enough, whatever the bound.
func (w *writing) shed() {
	if slowest := w.stuck(); slowest != nil {
		slowest.client.Cut()
	}
}

// stuck takes the response of which nothing was taken for longest, nil if that is not long enough.
func (w *writing) stuck() *written {
	w.mu.Lock()
	defer w.mu.Unlock()
	slowest, since := w.slowest()
	if slowest == nil || time.Since(since) < stallTimeout {
		return nil
	}
	w.remove(slowest)
	return slowest
}

// slowest is the response of which nothing was taken for longest. The system is asked only about a client that would be
// cut off.
func (w *writing) slowest() (slowest *written, since time.Time) {
	for {
		slowest = nil
		for one := range w.under {
			if at := one.client.Progress(); slowest == nil || at.Before(since) {
				slowest, since = one, at
			}
		}
		if slowest == nil || time.Since(since) < stallTimeout || !slowest.client.TookWithin(stallTimeout) {
			return slowest, since
		}
	}
}

func (w *writing) lookAgain(after time.Duration) {
	if w.next != nil {
		w.next.Reset(after)
		return
	}
	w.next = time.AfterFunc(after, w.relieve)
}
