package graph

import "math"

// reservation is the memory that one request takes while it is executed. It is taken before anything is done, for what
// the answer is expected to have, see [weights]; writing takes more where the answer becomes longer, and what is left of
// it goes when the answer is written.
type reservation struct {
	x      *exchange
	bytes  int  // that are reserved
	room   int  // the length that the answer may have with them
	scarce bool // there was no memory
}

const (
	// requestMemory is what a request takes beside its text and its answer: goroutines, the parts of net/http, what the
	// resolvers make.
	requestMemory = 32 << 10
	// textFactor is how many times its bytes a request's text takes: itself, and the variables as Go values.
	textFactor = 4
	// A slice that grows by a quarter, as large ones do, is there twice while it is copied: 9 bytes for 4.
	growthBytes, growthOf = 9, 4
)

// begin reserves memory for a request with so many bytes of text, and an answer of about so many of at most so many.
func (m *reservation) begin(x *exchange, text, answer, most int) {
	m.x, x.memory = x, m
	if most > 0 {
		answer = min(answer, most)
	}
	m.room = answer
	m.take(requestMemory + textFactor*text + answer/growthOf*growthBytes)
}

func (m *reservation) take(bytes int) bool {
	if m.x.capacity != nil && !m.x.capacity.executing.Reserve(int64(bytes)) {
		m.scarce = true
		return false
	}
	m.bytes += bytes
	return true
}

// most is the length that the answer may have without more memory.
func (m *reservation) most() int {
	if m.x == nil {
		return math.MaxInt
	}
	return m.room
}

// grow reserves memory for an answer that has become so long, of at most so many bytes.
func (m *reservation) grow(length, most int) bool {
	if m.scarce {
		return false
	}
	room := min(2*max(length, smallBuffer), most)
	if !m.take((room - m.room) / growthOf * growthBytes) {
		return false
	}
	m.room = room
	return true
}

// end releases all.
func (m *reservation) end() {
	if m != nil && m.x != nil && m.x.capacity != nil {
		m.x.capacity.executing.Release(int64(m.bytes))
		m.bytes = 0
	}
}

// hold counts the bytes of an answer that is about to be written, in place of those that were reserved for it, and
// returns how many it holds. A body that several write at once is counted once.
func (x *exchange) hold(body int) (held int) {
	held = max(body, x.held)
	if x.r.ProtoMajor > 1 { // no buffer of the system is a stream's own: each is held here, with what it takes itself
		held = max(held, smallAnswer+1)
	}
	defer x.memory.end()
	if x.capacity == nil || held <= smallAnswer {
		return held
	}
	x.counted = held
	if x.sharers != nil && x.sharers.Add(1) > 1 {
		return smallAnswer + 1
	}
	x.capacity.sending.Add(int64(held)) // there is room: as much is reserved until the end
	return held
}

// letGo takes back what hold has counted, unless others still write the body.
func (x *exchange) letGo() {
	if x.counted > 0 && (x.sharers == nil || x.sharers.Add(-1) == 0) {
		x.capacity.sending.Release(int64(x.counted))
	}
	x.counted = 0
}
