package fake

import (
	"time"

	"revox-graphql/upstream/fake/conversation"
	"revox-graphql/upstream/fake/dice"
)

// call is what the list keeps of a call.
type call struct {
	arrived int64  // milliseconds since 1970
	serial  uint32 // counts calls from the oldest, 0
	life    uint32 // milliseconds from arrival to end; settled for a call that New made old enough to be over
}

// settled is the life of a call that was over before the fake began. Its real life follows from its conversation,
// which New would otherwise have to compose for every call. The Order "updated" needs it, and computes it.
const settled = 0

// maxLife is longer than any call lives, from arrival to end.
const maxLife = 40 * time.Minute

// kindShares are the shares of the kinds of calls, in percent.
var kindShares = [conversation.Kinds]int{
	conversation.Human: 62, conversation.Voicemail: 14, conversation.IVR: 5, conversation.Screening: 2,
	conversation.Unclear: 2, conversation.Failed: 15,
}

// failure is a way in which a call fails to get through.
type failure struct {
	dialError   string
	share       int
	undialled   bool // rejected before it was dialled
	again       int  // percent of these orders that are scheduled for another try
	least, most int  // milliseconds from dialling to the failure
}

var failures = []failure{
	{dialError: "no_answer", share: 36, again: 65, least: 25_000, most: 45_000},
	{dialError: "busy", share: 20, again: 70, least: 1_500, most: 6_000},
	{dialError: "temporarily_unavailable", share: 15, again: 60, least: 3_000, most: 12_000},
	{dialError: "number_non_attributed", share: 12, least: 900, most: 4_000},
	{dialError: "non_classified_error", share: 6, again: 20, least: 800, most: 15_000},
	{dialError: "too_many_calls", share: 5, again: 80, least: 300, most: 900},
	{dialError: "no_international_permission", share: 3, undialled: true, least: 40, most: 200},
	{dialError: "precondition_failed", share: 3, undialled: true, least: 40, most: 200},
}

// order is the status of the order that a call belongs to, by which the endpoint filters.
type order uint8

const (
	initializing order = iota
	queuedForCalling
	calling
	scheduled
	completed
	cancelled
	errored
	orders
)

var orderNames = [orders]string{
	"initializing", "queued_for_calling", "calling", "scheduled", "completed", "cancelled", "errored",
}

func orderNamed(name string) (order, bool) {
	for i, n := range orderNames {
		if n == name {
			return order(i), true
		}
	}
	return 0, false
}

// orderSet has a bit for each order status in it.
type orderSet uint8

func (s orderSet) has(o order) bool { return s&(1<<o) != 0 }

// phase is how far a call has come.
type phase uint8

const (
	queued phase = iota
	ringing
	ongoing
	over
)

// plan is what is decided about a call before the conversation. Computing it takes some nanoseconds, so the whole list
// can be filtered without rendering a row.
type plan struct {
	kind       conversation.Kind
	failure    *failure // of a failed call
	order      order    // once the call is over
	wait, ring int64    // milliseconds in the queue, and from dialling to an answer or a failure
}

func planOf(seed uint64, serial uint32) plan {
	d := dice.New(seed, uint64(serial))
	share := d.Below(100)
	var p plan
	for share >= kindShares[p.kind] {
		share -= kindShares[p.kind]
		p.kind++
	}
	// headAges depends on these bounds: in each phase there must be some calls of these ages.
	p.wait = int64(d.Between(4_000, 9_000))
	p.ring = int64(d.Between(6_000, 24_000))
	p.order = completed
	luck := d.Below(100)
	switch p.kind {
	case conversation.Failed:
		f := &failures[dice.Weighted(&d, failures, func(f *failure) int { return f.share })]
		p.failure, p.ring = f, int64(d.Between(f.least, f.most))
		switch {
		case luck < f.again:
			p.order = scheduled
		case luck < 94:
			p.order = errored
		default:
			p.order = cancelled
		}
	case conversation.Voicemail, conversation.IVR:
		switch {
		case luck < 45:
			p.order = scheduled
		case luck < 49:
			p.order = cancelled
		}
	case conversation.Unclear, conversation.Screening:
		if luck < 50 {
			p.order = scheduled
		}
	}
	return p
}

// phase returns how far the call has come at now, in milliseconds since 1970.
func (c call) phase(p *plan, now int64) phase {
	age := now - c.arrived
	switch {
	case c.life == settled || age >= int64(c.life):
		return over
	case age < p.wait || p.kind == conversation.Failed && p.failure.undialled:
		return queued
	case age < p.wait+p.ring:
		return ringing
	default:
		return ongoing
	}
}

// dialled reports whether a call in this phase has a start time.
func (p *plan) dialled(at phase) bool {
	return at >= ringing && (p.kind != conversation.Failed || !p.failure.undialled)
}

// order returns the status of the call's order at now.
func (c call) order(seed uint64, now int64) order {
	p := planOf(seed, c.serial)
	switch c.phase(&p, now) {
	case queued:
		// Every fourth order takes a moment to prepare. The serial number decides that, and not chance, so that a short
		// list has one too.
		if c.serial%4 == 3 && now-c.arrived < p.wait*2/3 {
			return initializing
		}
		return queuedForCalling
	case ringing, ongoing:
		return calling
	default:
		return p.order
	}
}

// life computes how long a call lives, in milliseconds, by composing its conversation.
func (u *Upstream) life(t *conversation.Talk, c call) uint32 {
	p := planOf(u.seed, c.serial)
	length := p.wait + p.ring
	if p.kind != conversation.Failed {
		t.Compose(u.library, u.seed, c.serial, c.arrived, p.kind)
		length += t.Length()
	}
	return uint32(length)
}

// appendID appends the call's id, which looks like a random UUID.
func appendID(dst []byte, seed uint64, serial uint32) []byte {
	const hex = "0123456789abcdef"
	d := dice.New(seed, uint64(serial)|1<<40)
	high, low := d.Next(), d.Next()
	high = high&^0xF000 | 0x4000     // version 4
	low = low&^(0b11<<62) | 0b10<<62 // variant 1
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			dst = append(dst, '-')
		}
		word := high
		if i >= 16 {
			word = low
		}
		dst = append(dst, hex[word>>(60-4*(i%16))&0xF])
	}
	return dst
}
