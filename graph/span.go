package graph

import (
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// span is a run of rows that follow one another in the list.
type span struct {
	rows     []upstream.Row
	position int       // of rows[0] in the list, in the answer that it comes from
	end      int       // the position after the last of rows, in the answer that it comes from
	last     bool      // the list ends with the last of rows
	asked    time.Time // when the latest of its answers was asked for
}

func spanOf(page *upstream.Page) span {
	return span{rows: page.Rows, position: page.Offset(), end: page.End(), last: page.Last(), asked: page.AskedAt}
}

// place is where a cursor points in a span: rows[:before] come before its call, and rows[after:] after it. after is
// before+1 where the call is there, and before where it has left.
type place struct {
	span
	before, after int
}

// gone reports whether the cursor's call has left the list.
func (p *place) gone() bool { return p.after == p.before }

// direction is where a walk goes from a cursor.
type direction bool

const (
	down direction = false // from `after`
	up   direction = true  // from `before`
)

// sureness is how much a span tells about a cursor's place.
type sureness int

const (
	nowhere   sureness = iota // nothing of the cursor is in the span
	openBelow                 // only neighbours above the call are; it has left, or stands below the span
	openAbove                 // only neighbours below the call are; it has left, or stands above the span
	sure                      // the place is the right one to go on from
)

// match looks for a cursor's place in a span. The call itself makes it sure. Where that is not there, neighbours on both
// sides do, because it would stand between them; so do neighbours on one side, if the list ends on the other; and so does
// the neighbour that stood next to the call where the walk goes on, because what follows it follows the call. Rows
// that have entered the list between two neighbours were passed: the walk goes on from the farther one.
//
// A place farther than bound from where the call stood is none.
func (s *span) match(c *relay.Cursor, towards direction, bound int) (place, sureness) {
	if i := c.Position - s.position; i >= 0 && i < len(s.rows) && s.rows[i].Call != nil && relay.NewHash(s.rows[i].Call.ID) == c.Element {
		return place{*s, i, i + 1}, sure // the list stood still, as it mostly does
	}
	index := make(map[relay.Hash]int, len(s.rows))
	for i, row := range s.rows {
		if row.Call != nil {
			index[relay.NewHash(row.Call.ID)] = i
		}
	}
	far := false // something is there, but beyond the bound
	find := func(h relay.Hash, stood int) (int, bool) {
		i, ok := index[h]
		if shift := s.position + i - stood; ok && (shift > bound || shift < -bound) {
			far = true
		}
		return i, ok
	}
	if i, ok := find(c.Element, c.Position); ok && !far {
		return place{*s, i, i + 1}, sure
	}
	above, below, adjacent := -1, -1, false // the nearest neighbours; whether one stood next to the call, towards
	for n, h := range c.Before {
		if i, ok := find(h, c.Position-1-n); ok {
			above, adjacent = i, n == 0 && towards == up
			break
		}
	}
	for n, h := range c.After {
		if i, ok := find(h, c.Position+1+n); ok {
			below, adjacent = i, adjacent || n == 0 && towards == down
			break
		}
	}
	switch {
	case far, above < 0 && below < 0:
		return place{}, nowhere
	case above >= 0 && below >= 0 && towards == up:
		return place{*s, above + 1, above + 1}, sure
	case above >= 0 && below >= 0:
		return place{*s, below, below}, sure
	case above >= 0 && !adjacent && !s.last:
		return place{*s, above + 1, above + 1}, openBelow
	case above >= 0:
		return place{*s, above + 1, above + 1}, sure
	case !adjacent && s.position > 0:
		return place{*s, below, below}, openAbove
	default:
		return place{*s, below, below}, sure
	}
}

// cursor marks the row with index i, which must be readable.
func (s *span) cursor(list upstream.List, i int) relay.Cursor {
	c := relay.Cursor{
		List: uint16(list.Statuses), Position: s.position + i, Since: s.asked,
		Element: relay.NewHash(s.rows[i].Call.ID),
		Before:  make([]relay.Hash, 0, relay.Neighbours),
		After:   make([]relay.Hash, 0, relay.Neighbours),
	}
	for j := i - 1; j >= 0 && len(c.Before) < relay.Neighbours; j-- {
		if call := s.rows[j].Call; call != nil {
			c.Before = append(c.Before, relay.NewHash(call.ID))
		}
	}
	for j := i + 1; j < len(s.rows) && len(c.After) < relay.Neighbours; j++ {
		if call := s.rows[j].Call; call != nil {
			c.After = append(c.After, relay.NewHash(call.ID))
		}
	}
	return c
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// lastReadable is the index of the last row that can be a seam, -1 where there is none.
func (s *span) lastReadable() int {
	i := len(s.rows) - 1
	for i >= 0 && s.rows[i].Call == nil {
		i--
	}
	return i
}

// firstReadable is the index of the first row that can be a seam, len(rows) where there is none.
func (s *span) firstReadable() int {
	i := 0
	for i < len(s.rows) && s.rows[i].Call == nil {
		i++
	}
	return i
}
