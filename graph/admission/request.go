package admission

import (
	"net/http"
	"sync/atomic"

	"revox-graphql/internal/memory"
	"revox-graphql/internal/slowclient"
)

// Request holds the resources of one request: its slot, its reserved memory, and the bytes of its response while it is
// written. A request reserves memory before it is executed, for the expected size of its response. Encoding reserves
// more if the response becomes longer. The rest of the reservation is released when the response is written.
//
// A Request is for one goroutine at a time. Its zero value belongs to no controller, and limits nothing.
type Request struct {
	control   *Controller
	inFlight  bool // it has a slot
	bytes     int  // that are reserved
	room      int  // the length that the response may have with them
	exhausted bool // there was no memory
}

const (
	// requestMemory is the memory of a request beside its text and its response, in bytes: goroutines, buffers of
	// net/http, values of the resolvers.
	requestMemory = 32 << 10
	// textFactor is the memory of a request's text as a multiple of its bytes: the text, and the variables as Go values.
	textFactor = 4
	// While a response is copied to a buffer of twice its size, it takes one and a half times that size.
	copyBytes, copyOf = 3, 2
	// minRoom is the smallest extension of a reservation, in bytes.
	minRoom = 64 << 10
)

// Begin begins a request, which has no slot yet. A request with a cached response takes no slot: its response is
// written at once, however many requests are in flight.
func (c *Controller) Begin() Request { return Request{control: c} }

// Enter takes a slot. The error is [ErrOverloaded] if there is none.
func (r *Request) Enter() error {
	if !r.Bounded() {
		return nil
	}
	select {
	case r.control.slots <- struct{}{}:
		r.inFlight = true
		return nil
	default:
		return r.control.Reject(InFlight)
	}
}

// Leave returns the slot, if the request still has it.
func (r *Request) Leave() {
	if r.inFlight {
		r.inFlight = false
		<-r.control.slots
	}
}

// End returns all resources that the request still has.
func (r *Request) End() {
	r.Leave()
	r.release()
}

// Bounded reports whether memory is counted at all.
func (r *Request) Bounded() bool { return r.control != nil }

// Reserve reserves memory for a request with text bytes of text and about response bytes of response. If most is not 0,
// the response has at most so many bytes. The error is [ErrOverloaded] if there is no memory.
func (r *Request) Reserve(text, response, most int) error {
	if most > 0 {
		response = min(response, most)
	}
	r.room = response
	bytes := requestMemory + textFactor*text + response/copyOf*copyBytes
	if r.Bounded() && !r.control.executing.Reserve(int64(bytes)) {
		r.exhaust()
		return r.Err()
	}
	r.bytes = bytes
	return nil
}

// Room returns how long the response may be within the reservation, in bytes.
func (r *Request) Room() int { return r.room }

// Err returns [ErrOverloaded] after the budget had no memory for the request.
func (r *Request) Err() error {
	if r.exhausted {
		return ErrOverloaded
	}
	return nil
}

// extend reserves so many more bytes. If there is no memory, the request loses its whole reservation.
func (r *Request) extend(bytes int) bool {
	if r.exhausted {
		return false
	}
	if r.Bounded() && !r.control.executing.Extend(int64(r.bytes), int64(bytes)) {
		r.bytes, r.room = 0, 0
		r.exhaust()
		return false
	}
	r.bytes += bytes
	return true
}

// exhaust notes that there was no memory. It cuts off a client that does not read its response, if there is one, so
// that the next request finds memory.
func (r *Request) exhaust() {
	r.exhausted = true
	r.control.writing.shed()
	_ = r.control.Reject(Memory)
}

// Spare reserves memory for optional work, and reports whether there is any.
func (r *Request) Spare(bytes int) bool {
	if !r.Bounded() {
		return true
	}
	if !r.control.executing.HasRoom(int64(bytes)) {
		return false
	}
	r.control.executing.Take(int64(bytes))
	r.bytes += bytes
	return true
}

// Grow returns the written part of the response in a larger buffer, of at most most bytes and spare bytes after these:
// first as large as the reservation, then twice as large as before. ok is false if there is no memory: then the request
// has released its reservation, and the caller must drop the written part.
func (r *Request) Grow(written []byte, most, spare int) (grown []byte, ok bool) {
	if r.room <= len(written) {
		room := min(2*max(len(written), minRoom), most)
		if !r.extend((room - r.room) / copyOf * copyBytes) {
			return nil, false
		}
		r.room = room
	}
	r.control.executing.Discard(int64(cap(written)))
	grown = make([]byte, len(written), min(r.room, most)+spare)
	copy(grown, written)
	return grown, true
}

// give moves up to so many bytes of the reservation to another account, and returns how many.
func (r *Request) give(bytes int, to *memory.Account) (given int) {
	given = min(bytes, r.bytes)
	r.control.executing.Transfer(to, int64(given))
	r.bytes -= given
	return given
}

// release releases the reservation.
func (r *Request) release() {
	if r.Bounded() && r.bytes > 0 {
		r.control.executing.Release(int64(r.bytes))
	}
	r.bytes = 0
}

// Response is a response that is about to be written.
type Response struct {
	// Parts are written one after the other; some may be empty.
	Parts [3][]byte
	// Held is how many bytes the response holds until it is written, if more than those of the parts.
	Held int
	// Writers counts the requests that are writing the same body now; nil if there are no others.
	Writers *atomic.Int32
	// Stream says that the response is sent over a stream of HTTP/2. The system has no buffer for each stream, so the
	// process holds each response, however small it is.
	Stream bool
}

// Write writes a response, for which the request needs its slot no more. It counts the response's bytes in place of
// those that were reserved for it. A body that several requests write at once is counted once. An error says that the
// response has not arrived as a whole.
func (r *Request) Write(to http.ResponseWriter, client *slowclient.Writer, response Response) error {
	r.Leave()
	if !r.Bounded() {
		return client.Parts(to, response.Parts[:]...)
	}
	held := max(response.length(), response.Held)
	if held <= smallResponse && !response.Stream {
		r.release()
		return client.Parts(to, response.Parts[:]...)
	}
	if response.Writers != nil {
		defer func() {
			if response.Writers.Add(-1) == 0 {
				r.control.sending.Release(int64(held))
			}
		}()
		if response.Writers.Add(1) > 1 {
			r.release()
			return r.control.writing.write(to, client, &response, smallResponse+1)
		}
	} else {
		defer r.control.sending.Release(int64(held))
	}
	reserved := r.give(held, r.control.sending)
	r.control.sending.Take(int64(held - reserved))
	r.release()
	return r.control.writing.write(to, client, &response, held)
}

// length is how many bytes are written.
func (r *Response) length() (bytes int) {
	for _, part := range r.Parts {
		bytes += len(part)
	}
	return bytes
}
