package admission

import (
	"net/http"
	"sync/atomic"

	"revox-graphql/internal/memory"
	"revox-graphql/internal/slowclient"
)

// Request is what one request takes: its slot, the memory that is reserved for it, and the bytes of its response while
// that is written. The memory is reserved before anything is done, for the size that the response is expected to have.
// Writing reserves more where the response becomes longer. What is left of it is released when the response is written.
//
// A Request is used by one goroutine at a time. Its zero value is of no controller, and bounds nothing.
type Request struct {
	control   *Controller
	inFlight  bool // it has a slot
	bytes     int  // that are reserved
	room      int  // the length that the response may have with them
	exhausted bool // there was no memory
}

const (
	// requestMemory is what a request takes beside its text and its response, in bytes: goroutines, the parts of
	// net/http, what the resolvers make.
	requestMemory = 32 << 10
	// textFactor is how many times its bytes a request's text takes: itself, and the variables as Go values.
	textFactor = 4
	// While a response is copied to twice the room it is there one and a half times.
	copyBytes, copyOf = 3, 2
	// minRoom is the least room that a response is given that becomes longer, in bytes.
	minRoom = 64 << 10
)

// Begin begins a request, which has no slot yet. A response that need not be made takes none: it is written at once,
// however many requests are in flight.
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

// Leave gives the slot back, if the request still has it.
func (r *Request) Leave() {
	if r.inFlight {
		r.inFlight = false
		<-r.control.slots
	}
}

// End gives back all that the request still has.
func (r *Request) End() {
	r.Leave()
	r.release()
}

// Bounded reports whether memory is counted at all.
func (r *Request) Bounded() bool { return r.control != nil }

// Reserve reserves memory for a request with so many bytes of text, and a response of about so many bytes, of which
// there are at most so many unless that is 0. The error is [ErrOverloaded] if there is no memory.
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

// Room is the length that the response may have with what is reserved, in bytes.
func (r *Request) Room() int { return r.room }

// Err is [ErrOverloaded] once there was no memory for the request.
func (r *Request) Err() error {
	if r.exhausted {
		return ErrOverloaded
	}
	return nil
}

// extend reserves so many bytes more. Where there is no memory, the request keeps none of it.
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

// exhaust notes that there was no memory. A response is given up that its client does not read, if there is one, so
// that there is some for the next request.
func (r *Request) exhaust() {
	r.exhausted = true
	r.control.writing.shed()
	_ = r.control.Reject(Memory)
}

// Spare reserves memory for what can be left out where there is none, and reports whether there is some.
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

// Grow gives what is written of the response more room, of at most so many bytes, and spare bytes behind it: first as
// much as is reserved for it, then twice as much as it has. It is false if there is no memory: then the request has
// released what it held, and what was written must not be held any longer.
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

// give gives of what is reserved so many bytes to another account, or as many as there are.
func (r *Request) give(bytes int, to *memory.Account) (given int) {
	given = min(bytes, r.bytes)
	r.control.executing.Transfer(to, int64(given))
	r.bytes -= given
	return given
}

// release releases what is reserved.
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
	// Held is how many bytes are held until it is written, if more than those of the parts.
	Held int
	// Writers counts how many write the same body now; nil where no others do.
	Writers *atomic.Int32
	// Stream says that it goes over a stream of HTTP/2. No buffer of the system is a stream's own: each response is
	// held here, however small it is.
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
