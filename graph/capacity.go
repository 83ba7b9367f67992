package graph

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"revox-graphql/internal/errcode"
	"revox-graphql/internal/memory"
)

// Capacity bounds what is under way at once. Whoever comes beyond it is refused, and that must cost next to nothing, or
// those inside get slower with every one outside: nobody queues, and connections stay open, since new ones cost more
// than a refusal.
//
// A request takes a place once it has been read. If it took one before, whoever sends a byte a second would hold it for
// as long as reading may take, and a thousand of them would keep everybody else out. What a request takes while it is
// read is memory: the bodies that are larger than a connection's own buffers are counted together, as far as they have
// come. And it leaves its place before its answer is written, see [writing].
type Capacity struct {
	places   chan struct{}
	bodies   atomic.Int64 // bytes
	maxBytes int64
	shed     atomic.Uint64
	answers  writing

	// What is counted of the process's memory; nil counts nothing.
	bodyMemory, executing, sending *memory.Account
}

// smallBody is the size of a body that is not counted: net/http has as much for each connection, twice.
const smallBody = 4 << 10

// bodyFactor is how much memory a byte of a body takes while it is read: buffers grow by doubling.
const bodyFactor = 2

// bodyPatience is how long is waited for the rest of a refused body, before it is answered and its connection closed.
const bodyPatience = time.Second

// NewCapacity lets so many requests in at once, so many bytes of bodies be read, and so many of answers be written.
func NewCapacity(requests, bodyBytes, answerBytes int) *Capacity {
	return &Capacity{
		places:   make(chan struct{}, requests),
		maxBytes: int64(bodyBytes),
		answers:  writing{maxBytes: answerBytes},
	}
}

// CountIn counts the bytes of what is under way in the budget too, and keeps to that.
func (c *Capacity) CountIn(budget *memory.Budget) {
	c.bodyMemory = budget.Account("request_bodies")
	c.executing = budget.Account("requests_executing")
	c.sending = budget.Account("answers_being_written")
}

// Inside is how many requests are inside: read, and not yet being answered.
func (c *Capacity) Inside() int { return len(c.places) }

// Shed is how many were refused.
func (c *Capacity) Shed() uint64 { return c.shed.Load() }

// enter takes a place, unless all are taken. Without a capacity there always is one.
func (c *Capacity) enter() bool {
	if c == nil {
		return true
	}
	select {
	case c.places <- struct{}{}:
		return true
	default:
		return false
	}
}

// leave gives the place back.
func (c *Capacity) leave() {
	if c != nil {
		<-c.places
	}
}

var errNoRoom = errors.New("too many bytes of bodies are being read")

// countedBody is a body that is counted while it is read.
type countedBody struct {
	io.Reader
	capacity   *Capacity
	size       int64
	unreserved int64 // of them, for which there was no memory
}

// Read implements [io.Reader].
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.size += int64(n)
	if b.capacity.bodies.Add(int64(n)) > b.capacity.maxBytes || !b.capacity.bodyMemory.Reserve(bodyFactor*int64(n)) {
		b.unreserved = int64(n)
		return n, errNoRoom
	}
	return n, err
}

func (b *countedBody) done() {
	b.capacity.bodies.Add(-b.size)
	b.capacity.bodyMemory.Release(bodyFactor * (b.size - b.unreserved))
}

// refuse is the answer to a request beyond the capacity.
func (c *Capacity) refuse(w http.ResponseWriter) *refusal {
	c.shed.Add(1)
	w.Header().Set("Retry-After", "1")
	refused := refuse(
		http.StatusServiceUnavailable,
		errcode.Overloaded,
		"The gateway has too much to do at present. Try again in a second.",
	)
	refused.errors[0].Extensions["retryAfter"] = 1
	return refused
}

// refuseUnread is the answer to a request whose body was not read to its end. net/http reads what is left of it before
// it sends the answer, so that the connection can be used again. That is there already, as a rule. EnableFullDuplex
// would skip it, and makes net/http panic at the next request.
//
// Once a body has been read there must be no deadline: by then net/http reads on to notice a client that leaves, and
// takes a deadline for that, for this request and all that follow on the connection.
func (c *Capacity) refuseUnread(w http.ResponseWriter) *refusal {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyPatience))
	return c.refuse(w)
}

// refuseForMemory is the answer to a request for which there is no memory. So that there is some for the next one, an
// answer goes that its client does not read, if there is one.
func (c *Capacity) refuseForMemory(w http.ResponseWriter) *refusal {
	c.answers.shed()
	return c.refuse(w)
}
