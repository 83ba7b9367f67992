package pagination

import (
	"cmp"
	"iter"
	"math"
	"math/bits"
	"slices"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// span is a run of rows that follow one another in the list.
type span struct {
	rows     []upstream.Row
	position int       // of rows[0] in the list, in the response that it comes from
	later    []part    // of the rows that come from further responses, in their order
	last     bool      // the list ends with the last of rows
	asked    time.Time // when the latest of its responses was requested
	oldest   time.Time // when the first of them was
	began    time.Time // when the one was that rows[0] comes from
	process  relay.Process
}

// part is where the rows of another response begin: the row with index from stands at position in that response, which
// was requested then.
type part struct {
	from, position int
	asked          time.Time
}

func spanOf(page *upstream.Page) span {
	return span{
		rows: page.Rows, position: page.Offset(), last: page.Last(),
		asked: page.AskedAt, oldest: page.AskedAt, began: page.AskedAt,
	}
}

// at is the position of the row with index i in the response that the row comes from; i may be len(rows), for the
// position after the last row. Positions of two responses do not compare: the list may have moved between them.
func (s *span) at(i int) int {
	position := s.position + i
	for _, p := range s.later {
		if i >= p.from {
			position = p.position + i - p.from
		}
	}
	return position
}

// append puts the rows of a place that follow it after the span's row with index seam, which both have.
func (s *span) append(seam int, p place) {
	s.later = append(s.later, part{seam + 1, p.at(p.after), p.oldest})
	s.rows = append(s.rows[:seam+1:seam+1], p.rows[p.after:]...)
	s.last = p.last
	s.joined(&p.span)
}

// prepend puts the rows of a place that come before it before the span's row with index seam, which both have.
func (s *span) prepend(seam int, p place) {
	parts := []part{{p.before, s.at(seam), s.began}}
	for _, old := range s.later {
		if old.from > seam {
			parts = append(parts, part{old.from - seam + p.before, old.position, old.asked})
		}
	}
	s.rows = append(p.rows[:p.before:p.before], s.rows[seam:]...)
	s.position, s.later, s.began = p.position, parts, p.oldest
	s.joined(&p.span)
}

// joined notes the times of a span that has been joined to this one.
func (s *span) joined(other *span) {
	s.asked, s.oldest = later(s.asked, other.asked), earlier(s.oldest, other.oldest)
}

// place is where a cursor points in a span: rows[:before] come before its call, and rows[after:] after it. after is
// before+1 where the call is there, and before where it has left.
type place struct {
	span
	before, after int
	doubtful      bool // likely and not proven: too few of the known calls are left
}

// gone reports whether the cursor's call has left the list, or its place in it.
func (p *place) gone() bool { return p.after == p.before }

// direction is where a walk goes from a cursor.
type direction bool

const (
	down direction = false // from `after`
	up   direction = true  // from `before`
)

// maxKnown is how many calls a cursor knows at most: its own and its neighbours.
const maxKnown = 2*relay.Neighbours + 1

// side is an end of a span.
type side int8

const (
	neither side = iota
	above
	below
)

// match says which of a cursor's known calls a span has, and what place they mark.
type match struct {
	place
	// seen has a bit for each of the known calls that the span has, the first in the list's order being the lowest.
	seen uint8
	// index is where in the span they are.
	index [maxKnown]int
	// run is how many of those stand in the order in which they stood when the cursor was made, and set which they are.
	// The place is theirs.
	run int
	set uint8
	// rival is the longest run that has calls outside of it, but not together with it.
	rival int
	// thinner is how many of the run are on the side of the place that has fewer, if the cursor's call is not in it.
	// The end of the list counts as many.
	thinner int
	// still says that the list seems to have stood still: all known calls that belong in the span are where they stood.
	still bool
	// open is the side on which the cursor's call may still stand beyond the span: only calls on the other side of it
	// are in the run, and the list continues there.
	open side
}

// sure reports whether no other place can be the right one. The calls that keep their order among each other are the
// evidence. The cursor knows known calls, and seen are those that any page has shown. Those that were not seen, or only
// in other pages, could at most all stand in order elsewhere, or make the rival longer. If the cursor's call itself is
// not in the run, those that were not seen could do so together with those of the run on one side of the place. Calls
// that another page has shown in a run with the cursor's call (withOwn) could, too: that page may be the next one.
func (m *match) sure(known int, seen, withOwn uint8) bool {
	unseen := known - bits.OnesCount8(seen)
	better := unseen + bits.OnesCount8(seen&^m.seen) // calls in a run at another place, at most
	if better > 0 {
		better += m.rival
	}
	beyond := unseen + bits.OnesCount8(withOwn&^m.seen)
	return m.run > 0 && (m.still || m.run > better && (!m.gone() || m.thinner > beyond))
}

// outOfOrder reports whether the known calls that a span shows do not stand in their old order any more, or not
// together. Where a filter lets any number of calls in between them, only the order counts. Calls of two spans do not
// compare: the list may have moved between them.
func (m *match) outOfOrder(c *relay.Cursor) bool {
	previous := -1
	for k := range maxKnown {
		if m.seen>>k&1 == 0 {
			continue
		}
		if previous >= 0 {
			apart := m.index[k] - m.index[previous]
			if apart <= 0 || c.List == 0 && apart-(k-previous) > entered(c) {
				return true
			}
		}
		previous = k
	}
	return false
}

// known are the calls that the cursor knows, in the list's order, and the index of its own.
func known(c *relay.Cursor) (hashes []relay.Hash, own int) {
	hashes = make([]relay.Hash, 0, maxKnown)
	for _, hash := range slices.Backward(c.Before) {
		hashes = append(hashes, hash)
	}
	hashes = append(hashes, c.Element)
	return append(hashes, c.After...), len(c.Before)
}

// match looks for a cursor's place in a span. The longest run of known calls that have kept their order and stayed
// together marks the place. A call that was re-sorted stands out of the run, and the walk does not follow it, even if
// it is the cursor's own. [run.compare] decides between two runs.
//
// The walk has already passed rows that entered the list between two known calls: where the cursor's call itself is not
// in the run, the walk continues from the farther one.
func (s *span) match(c *relay.Cursor, towards direction) match {
	calls, own := known(c)
	if found, ok := s.stillThere(c, calls, own); ok {
		return found
	}
	found := match{place: place{span: *s}}
	for i, row := range s.rows {
		if row.Call == nil {
			continue
		}
		if k := slices.Index(calls, row.Hash); k >= 0 && found.seen>>k&1 == 0 {
			found.index[k], found.seen = i, found.seen|1<<k
		}
	}
	var best run
	for r := range s.runs(c, &found, own, towards) {
		if r.compare(&best, towards) > 0 {
			best = r
		}
	}
	if best.length < bits.OnesCount8(found.seen) {
		for r := range s.runs(c, &found, own, towards) {
			if r.set&^best.set > 0 {
				found.rival = max(found.rival, r.length)
			}
		}
	}
	found.run, found.set = best.length, best.set
	found.before, found.after, found.open = best.before, best.after, best.open
	found.thinner = s.thinner(best.set, own)
	if own > 0 && best.set>>(own-1)&7 == 0b101 && found.index[own+1]-found.index[own-1] == 1 {
		found.thinner = maxKnown // the call has left from between its neighbours
	}
	return found
}

// run is a set of known calls that stand in their old order, and together.
type run struct {
	set           uint8 // a bit for each of the calls, the first in the list's order being the lowest
	length        int   // how many they are
	moved         int   // by how many rows they have moved, together
	before, after int   // the place that they mark
	open          side
}

// compare is positive if r is better evidence than other: if it is longer; or as long, and has moved less; or has moved
// as far, and a walk that continues from it shows a call twice rather than not at all.
func (r *run) compare(other *run, towards direction) int {
	twice := cmp.Compare(other.after, r.after)
	if towards == up {
		twice = cmp.Compare(r.before, other.before)
	}
	return cmp.Or(cmp.Compare(r.length, other.length), cmp.Compare(other.moved, r.moved), twice)
}

// runs are all runs of the known calls that a span shows.
func (s *span) runs(c *relay.Cursor, shown *match, own int, towards direction) iter.Seq[run] {
	return func(yield func(run) bool) {
		for set := shown.seen; set > 0; set = (set - 1) & shown.seen {
			length, moved, ok := s.inOrder(c, set, &shown.index, own)
			if !ok {
				continue
			}
			before, after, open := s.placeOf(set, &shown.index, own, towards)
			if !yield(run{set, length, moved, before, after, open}) {
				return
			}
		}
	}
}

// stillThere is the place in a list that stood still, as it mostly does: the cursor's call is where it stood, and so
// are all other known calls that belong in the span. One of them must be there, if the cursor knows any: the call alone
// may have been re-sorted to that very place.
func (s *span) stillThere(c *relay.Cursor, calls []relay.Hash, own int) (found match, ok bool) {
	i := c.Position - s.position
	if i < 0 || i >= len(s.rows) {
		return found, false
	}
	for k, hash := range calls {
		at := i + k - own
		if at < 0 || at >= len(s.rows) {
			continue
		}
		if s.rows[at].Call == nil || s.rows[at].Hash != hash {
			return found, false
		}
		found.seen |= 1 << k
		found.index[k] = at
		found.run++
	}
	found.place, found.set, found.still = place{span: *s, before: i, after: i + 1}, found.seen, true
	return found, found.run > 1 || len(calls) == 1
}

// entered is how many rows may have come between two calls that are together, less those that have left from between
// them. A list without a filter grows at its head only: a call that comes in between was re-sorted, which happens to
// single calls. A filter may let in more.
func entered(c *relay.Cursor) int {
	if c.List == 0 {
		return 2
	}
	return 16
}

// inOrder reports whether the known calls of a set stand in their old order, and together, how many they are, and by
// how many rows they have moved together. Two calls are together with all calls of the set between them.
func (s *span) inOrder(c *relay.Cursor, set uint8, index *[maxKnown]int, own int) (run, moved int, ok bool) {
	var least [maxKnown + 1]int // by how many rows this call, or one after it, has moved down
	least[maxKnown] = math.MaxInt
	for k := maxKnown - 1; k >= 0; k-- {
		if least[k] = least[k+1]; set>>k&1 == 1 {
			least[k] = min(least[k], index[k]-k)
		}
	}
	previous, most := -1, math.MinInt // by how many rows one of the calls before has
	for k := range maxKnown {
		if set>>k&1 == 0 {
			continue
		}
		if run > 0 && (index[k] <= previous || least[k]-most > entered(c)) {
			return 0, 0, false
		}
		previous, most = index[k], max(most, index[k]-k)
		run++
		moved += distance(s.at(index[k]), c.Position+k-own)
	}
	return run, moved, true
}

func distance(a, b int) int { return max(a-b, b-a) }

// thinner is how many of the known calls of a set are on the side of the cursor's call that has fewer.
func (s *span) thinner(set uint8, own int) int {
	upper, lower := bits.OnesCount8(set&(1<<own-1)), bits.OnesCount8(set>>(own+1))
	if s.at(0) == 0 {
		upper = maxKnown
	}
	if s.last {
		lower = maxKnown
	}
	return min(upper, lower)
}

// placeOf is where a walk continues, by the known calls of a set that stand in order.
func (s *span) placeOf(set uint8, index *[maxKnown]int, own int, towards direction) (before, after int, open side) {
	if set>>own&1 == 1 {
		return index[own], index[own] + 1, neither
	}
	upper, lower := set&(1<<own-1), set>>(own+1)
	switch {
	case lower == 0 && !s.last:
		open = below
	case upper == 0 && s.at(0) > 0:
		open = above
	}
	if lower > 0 && (towards == down || upper == 0) {
		first := index[own+1+bits.TrailingZeros8(lower)]
		return first, first, open
	}
	last := index[bits.Len8(upper)-1] + 1
	return last, last, open
}

// cursor marks the row with index i, which must be readable. Its neighbours are the calls next to it, and none beyond a
// row that cannot be read: calls that stand farther apart than they did were re-sorted, see [span.inOrder].
func (s *span) cursor(list upstream.List, i int) relay.Cursor {
	return new(marks).cursor(s, list, i, new(neighbours))
}

// marks makes cursors of a span whose rows do not change any more.
type marks struct {
	noise int64 // of all rows, see noiseOf
	known bool  // the noise is: it is not worked out until it is needed
}

// neighbours are those of one cursor, which keeps them.
type neighbours [2][relay.Neighbours]relay.Hash

// cursor is [span.cursor].
func (m *marks) cursor(s *span, list upstream.List, i int, near *neighbours) relay.Cursor {
	started := s.rows[i].Started
	// The cursor has the time only if it fits between those of the neighbours: else the call was sorted by another time.
	newer, older := s.at(i) == 0, s.last && i == len(s.rows)-1
	before, after := near[0][:0], near[1][:0]
	for k := i - 1; k >= max(0, i-relay.Neighbours) && s.rows[k].Call != nil; k-- {
		before = append(before, s.rows[k].Hash)
		newer = newer || s.rows[k].Started >= started
	}
	for k := i + 1; k < min(len(s.rows), i+1+relay.Neighbours) && s.rows[k].Call != nil; k++ {
		after = append(after, s.rows[k].Hash)
		older = older || s.rows[k].Started > 0 && s.rows[k].Started <= started
	}
	c := relay.Cursor{
		List: uint16(list.Statuses), Position: s.at(i), Since: s.asked, Process: s.process,
		Element: s.rows[i].Hash, Before: before, After: after,
	}
	if newer && older {
		c.Started, c.Noise = started, uint32(min((m.noiseOf(s)+999)/1000, math.MaxUint32))
	}
	return c
}

func (m *marks) noiseOf(s *span) int64 {
	if !m.known {
		m.noise, m.known = noiseOf(s.rows), true
	}
	return m.noise
}

// earlier is the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// seamBelow is the index of a row from which a span can be read on, -1 where there is none: one that can be read, not
// before the index from, and with spare rows behind it, so that its cursor has neighbours on both sides.
func (s *span) seamBelow(from, spare int) int {
	inner := max(from, len(s.rows)-1-spare, 0)
	for i := inner; i < len(s.rows); i++ {
		if s.rows[i].Call != nil {
			return i
		}
	}
	for i := min(inner, len(s.rows)) - 1; i >= max(0, from); i-- {
		if s.rows[i].Call != nil {
			return i
		}
	}
	return -1
}

// seamAbove is the index of a row from which a span can be read on upwards, -1 where there is none: one that can be
// read, not behind the index to, and with spare rows before it.
func (s *span) seamAbove(to, spare int) int {
	to = min(to, len(s.rows)-1)
	inner := min(to, spare)
	for i := inner; i >= 0; i-- {
		if s.rows[i].Call != nil {
			return i
		}
	}
	for i := inner + 1; i <= to; i++ {
		if s.rows[i].Call != nil {
			return i
		}
	}
	return -1
}
