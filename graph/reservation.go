package graph

import (
	"revox-graphql/graph/encode"
	"revox-graphql/internal/memory"
)

// reservation is the memory that one request takes while it is executed. It is taken before anything is done, for
// what the answer is expected to have, see [weights]; writing takes more where the answer becomes longer, and what
// is left of it goes when the answer is written.
type reservation struct {
	x      *exchange
	bytes  int  // that are reserved
	room   int  // the length that the answer may have with them
	scarce bool // there was no memory
}

const (
	// requestMemory is what a request takes beside its text and its answer: goroutines, the parts of net/http, what
	// the resolvers make.
	requestMemory = 32 << 10
	// textFactor is how many times its bytes a request's text takes: itself, and the variables as Go values.
	textFactor = 4
	// While an answer is copied to twice the room it is there one and a half times.
	copyBytes, copyOf = 3, 2
)

// begin reserves memory for a request with so many bytes of text, and an answer of about so many of at most so many.
func (m *reservation) begin(x *exchange, text, answer, most int) {
	m.x, x.memory = x, m
	if most > 0 {
		answer = min(answer, most)
	}
	m.room = answer
	m.take(requestMemory + textFactor*text + answer/copyOf*copyBytes)
}

func (m *reservation) take(bytes int) bool {
	if m.counts() && !m.x.capacity.executing.Reserve(int64(bytes)) {
		m.scarce = true
		return false
	}
	m.bytes += bytes
	return true
}

// spare reserves memory for what can be left out where there is none.
func (m *reservation) spare(bytes int) bool {
	if !m.counts() {
		return true
	}
	if !m.x.capacity.executing.HasRoom(int64(bytes)) {
		return false
	}
	m.x.capacity.executing.Take(int64(bytes))
	m.bytes += bytes
	return true
}

// counts reports whether memory is counted at all.
func (m *reservation) counts() bool { return m.x != nil && m.x.capacity != nil }

// grow is the [encode.Limit] that gives an answer more room: first as much as is reserved for it, then twice as much as
// it has.
func (m *reservation) grow(written []byte, most int) (grown []byte, ok bool) {
	if m.room <= len(written) {
		room := min(2*max(len(written), smallBuffer), most)
		if !m.take((room - m.room) / copyOf * copyBytes) {
			return written, false
		}
		m.room = room
	}
	m.x.capacity.executing.Discard(int64(cap(written)))
	grown = make([]byte, len(written), min(m.room, most)+encode.SpareRoom)
	copy(grown, written)
	return grown, true
}

// give gives of what is reserved so many bytes to another account, or as many as there are.
func (m *reservation) give(bytes int, to *memory.Account) (given int) {
	if m == nil || !m.counts() {
		return 0
	}
	given = min(bytes, m.bytes)
	m.x.capacity.executing.Transfer(to, int64(given))
	m.bytes -= given
	return given
}

// end releases all.
func (m *reservation) end() {
	if m != nil && m.counts() {
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
	reserved := x.memory.give(held, x.capacity.sending)
	x.capacity.sending.Take(int64(held - reserved))
	return held
}

// letGo takes back what hold has counted, unless others still write the body.
func (x *exchange) letGo() {
	if x.counted > 0 && (x.sharers == nil || x.sharers.Add(-1) == 0) {
		x.capacity.sending.Release(int64(x.counted))
	}
	x.counted = 0
}
