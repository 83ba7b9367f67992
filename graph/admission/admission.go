// Package admission is admission control: it limits how many requests are in flight at once, and how many bytes they
// take together while they are read, executed and written.
//
// A request beyond a limit is rejected with [ErrOverloaded]. A rejection must cost next to nothing, or each rejected
// request would slow down the requests in flight. So no request waits in a queue, and connections stay open, since a
// new connection costs more than a rejection.
//
// A [Controller] has these limits. A [Request] goes through these steps:
//
//   - While its body is read, the bytes beyond a connection's own buffers are counted, as far as they have arrived
//     ([Body]).
//   - After that, the request takes a slot (Request.Enter). If it took one before, a client that sends one byte per
//     second could hold the slot for as long as reading may take, and a thousand such clients would keep all others
//     out. A request whose response is cached takes no slot: rejecting it would cost as much as responding.
//   - Before it is executed, the request reserves memory (Request.Reserve), by the expected size of its response
//     ([Sizes]).
//   - It returns the slot before its response is written, see writing.go.
//
// [SearchLimiter] limits the upstream requests that each client's searches cause, and [NoCacheLimiter] how often
// `Cache-Control: no-cache` reads pages again.
package admission

import (
	"errors"
	"io"
	"sync/atomic"

	"revox-graphql/internal/memory"
)

// ErrOverloaded is the error of a request that is rejected because of a limit. The client may try again in a
// second.
var ErrOverloaded = errors.New("too much is in flight")

// Controller bounds what is in flight. It is safe for concurrent use. A nil Controller bounds nothing.
type Controller struct {
	slots        chan struct{}
	bodies       atomic.Int64 // bytes
	maxBodyBytes int64
	rejected     [numReasons]atomic.Uint64
	writing      writing

	// The accounts in the memory of the process; nil counts nothing.
	reading, executing, sending *memory.Account
}

// New makes a controller for so many requests in flight, so many bytes of bodies that are being read, and so many bytes
// of responses that are being written. What is in flight counts in the budget too, unless that is nil.
func New(requests, bodyBytes, responseBytes int, budget *memory.Budget) *Controller {
	return &Controller{
		slots:        make(chan struct{}, requests),
		maxBodyBytes: int64(bodyBytes),
		writing:      writing{maxBytes: responseBytes},
		reading:      budget.Account("request_bodies"),
		executing:    budget.Account("requests_executing"),
		sending:      budget.Account("responses_being_written"),
	}
}

// InFlight is how many requests have a slot: they have been read, and their responses are not yet being written.
func (c *Controller) InFlight() int { return len(c.slots) }

// Reason is the bound for which a request is rejected.
type Reason int

// The reasons.
const (
	InFlight  Reason = iota // all slots are taken
	BodyBytes               // the bodies that are being read have too many bytes
	Memory                  // there is no memory to reserve
	Waiting                 // too many wait for the responses of identical requests
	numReasons
)

// Reasons are all reasons.
func Reasons() []Reason { return []Reason{InFlight, BodyBytes, Memory, Waiting} }

// String is the reason as a label of a metric.
func (r Reason) String() string {
	return [numReasons]string{"in_flight", "body_bytes", "memory", "waiting"}[r]
}

// Rejected is how many requests were rejected for a reason.
func (c *Controller) Rejected(reason Reason) uint64 { return c.rejected[reason].Load() }

// Reject counts a request that is rejected, and returns [ErrOverloaded].
func (c *Controller) Reject(reason Reason) error {
	if c != nil {
		c.rejected[reason].Add(1)
	}
	return ErrOverloaded
}

const (
	// SmallBody is the size of a body that need not be counted, in bytes: net/http has as much for each connection,
	// twice.
	SmallBody = 4 << 10
	// bodyFactor is how much memory a byte of a body takes while it is read: buffers grow by doubling.
	bodyFactor = 2
)

// Body counts the bytes of one request's body while it is read. A nil Body counts nothing.
type Body struct {
	control    *Controller
	size       int64 // bytes that were counted
	unreserved int64 // of them, for which there was no memory
	rejected   bool
}

// Body begins to count a body.
func (c *Controller) Body() *Body {
	if c == nil {
		return nil
	}
	return &Body{control: c}
}

// Count returns a reader whose bytes are counted as they come. It fails with [ErrOverloaded] where there are too many
// of all bodies.
func (b *Body) Count(r io.Reader) io.Reader {
	if b == nil {
		return r
	}
	return &countedReader{r, b}
}

// Release takes back what was counted.
func (b *Body) Release() {
	if b != nil {
		b.control.bodies.Add(-b.size)
		b.control.reading.Release(bodyFactor * (b.size - b.unreserved))
		b.size, b.unreserved = 0, 0
	}
}

type countedReader struct {
	io.Reader
	body *Body
}

// Read implements [io.Reader].
func (r *countedReader) Read(p []byte) (int, error) {
	b := r.body
	if b.rejected {
		return 0, ErrOverloaded
	}
	n, err := r.Reader.Read(p)
	b.size += int64(n)
	c := b.control
	reason := BodyBytes
	if c.bodies.Add(int64(n)) <= c.maxBodyBytes {
		if c.reading.Reserve(bodyFactor * int64(n)) {
			return n, err
		}
		reason = Memory
	}
	b.unreserved, b.rejected = int64(n), true
	return n, c.Reject(reason)
}
