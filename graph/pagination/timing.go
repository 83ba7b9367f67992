package pagination

// The order by time
//
// Revox seems to list the newest calls first; its documentation promises no order. So the times of calls count only
// where the rows that were read are ordered by them, and never against the calls themselves.
//
// Times are used in two ways. While a cursor's calls are not found, the start time of its own call shows where to look
// (search.byTime); a wrong guess costs one request. And where all calls that a cursor knows have left the list, the
// time alone marks the place, unless a row comes so close to it that the order could be otherwise. A list may be
// ordered by a time that it does not show, such as the moment when a call was created. The rows that were read show by
// how much the two times differ, and rows within that distance of the cursor's time make the place unclear.
//
// A call that was sorted by something else has a time that does not fit its neighbours'. Its cursor has no time
// (span.cursor). Where the cursor's own response shows that the order is not strict, the cursor knows by how much.

import (
	"context"
	"math"
	"slices"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// timing compares the start times of a span's rows with a moment.
type timing struct {
	// ordered says that enough rows have a time, and that these are in order, newest first, but for a few.
	ordered bool
	// cut is the index at which the moment belongs: it has the most rows on the right sides. newer and older are the
	// nearest rows on either side that started after the moment, and not after it; -1 and the number of rows where
	// there is none.
	cut, newer, older int
	// until is the last index that is as good as cut: between the two, calls were re-sorted.
	until int
	// clear says that every row is on one side of the moment or the other, beyond doubt.
	clear bool
}

// timingOf compares the rows of a span with a moment, in milliseconds since 1970. noise is by how many milliseconds the
// order by time is known not to hold.
func timingOf(s *span, moment, noise int64) timing {
	t := timing{newer: -1, older: len(s.rows)}
	known, inversions := 0, 0
	right, most := 0, 0 // rows above that are newer, less those that are not: so far, and at the cut
	var previous int64
	for i, row := range s.rows {
		if row.Started == 0 {
			continue
		}
		if known++; known > 1 && row.Started > previous {
			inversions++
		}
		previous = row.Started
		if row.Started <= moment {
			right--
			continue
		}
		switch right++; {
		case right > most:
			most, t.cut, t.newer, t.until = right, i+1, i, i+1
		case right == most:
			t.until = i + 1
		}
	}
	noise = max(noise, noiseOf(s.rows))
	const fewest = 4 // rows that show an order
	t.ordered = known >= fewest && 4*inversions <= known
	t.clear = t.ordered
	for i, row := range s.rows {
		if row.Started == 0 {
			continue
		}
		if row.Started <= moment+noise && row.Started >= moment-noise || (row.Started > moment) != (i < t.cut) {
			t.clear = false
		}
		if i >= t.cut && row.Started <= moment && t.older == len(s.rows) {
			t.older = i
		}
	}
	t.clear = t.clear && t.newer+1 == t.older
	return t
}

// noiseOf is by how many milliseconds the order by time does not hold: the most by which a row started later than one
// that comes before it.
func noiseOf(rows []upstream.Row) (noise int64) {
	earliest := int64(math.MaxInt64)
	for _, row := range rows {
		if row.Started != 0 {
			noise, earliest = max(noise, row.Started-earliest), min(earliest, row.Started)
		}
	}
	return noise
}

// densityOf is how many rows started in a millisecond, 0 where the rows do not show it. It is that of the middle half:
// the newest and the oldest times may be those of calls that were re-sorted.
func densityOf(rows []upstream.Row) float64 {
	started := make([]int64, 0, len(rows))
	for _, row := range rows {
		if row.Started != 0 {
			started = append(started, row.Started)
		}
	}
	slices.Sort(started)
	quarter := len(started) / 4
	from, to := quarter, len(started)-1-quarter
	if from >= to || started[from] == started[to] {
		return 0
	}
	return float64(to-from) / float64(started[to]-started[from])
}

// noise is the rows by which the cursor's time may be wrong.
func (s *search) noise() int { return int(1000 * float64(s.cursor.Noise) * s.density) }

// mark is a row that was seen at a position, and when it started; 0 is unknown.
type mark struct {
	position int
	started  int64
}

// maxSteps bounds the pages that are read by time. Interpolation takes two or three in a list that grows evenly.
const maxSteps = 6

// margin is how many rows a page should have on either side of a place by time, so that the known calls are in it.
const margin = 8

// compare takes into account what a span shows of the order by time.
func (s *search) compare(page *upstream.Page, span *span, found *match) {
	if len(span.rows) == 0 {
		if s.below == nil || s.below.position > span.at(0) {
			s.below = &mark{position: span.at(0)}
		}
		return
	}
	t := timingOf(span, s.cursor.Started, 1000*int64(s.cursor.Noise))
	if !t.ordered {
		if len(span.rows) >= s.largest()/2 || span.last && span.position == 0 {
			s.timed = false
		}
		return
	}
	if density := densityOf(span.rows); density > 0 {
		s.density = density
	}
	if s.noise() >= s.largest() { // the time could be that of any row of several pages
		s.timed = false
		return
	}
	s.bracket(span, &t)
	if room := t.room(span); room >= margin {
		s.decide(page, span, found, &t, room >= margin+s.noise())
	}
}

// bracket takes the rows of a span that are nearest to the cursor's time, on either side of it.
func (s *search) bracket(span *span, t *timing) {
	if t.newer >= 0 {
		s.above = &mark{span.at(t.newer), span.rows[t.newer].Started}
	}
	if t.older < len(span.rows) {
		s.below = &mark{span.at(t.older), span.rows[t.older].Started}
	}
	if s.above == nil || s.below == nil || s.above.position < s.below.position {
		return
	}
	// Rows that contradict an earlier mark outnumber the one row that made it.
	if t.older < len(span.rows) {
		s.above = nil
	} else {
		s.below = nil
	}
}

// room is how many rows there are between the place of the moment and the nearer end of the span. Of several places
// that are equally good, it is that of the one with fewer. An end of the list does not count as one: no row is beyond
// it.
func (t *timing) room(span *span) int {
	room := len(span.rows)
	if span.position > 0 {
		room = t.cut
	}
	if !span.last {
		room = min(room, len(span.rows)-t.until)
	}
	return room
}

// decide takes a span that has the place of the cursor's time well inside it. The known calls should be here, as far as
// the order by time holds; here says that it holds well enough. If those that have kept their order are elsewhere, they
// may all have been re-sorted, while those that were not have left.
func (s *search) decide(page *upstream.Page, span *span, found *match, t *timing, here bool) {
	against, byTime := s.against(found)
	switch {
	case (here || byTime.clear) && found.run >= s.best.run && against <= found.run:
		s.best, s.page = *found, page
		s.settled, s.unproven = true, !here || against > 0
	case here && s.best.run > 1:
		against, _ = s.against(&s.best)
		s.settled, s.unproven = true, against > 0
	case byTime.clear: // a single call elsewhere has left its place
		s.best, s.page = match{place: place{span: *span, before: byTime.cut, after: byTime.cut}}, page
		s.settled, s.unproven = true, true
	default: // they may be beyond the span; a filter may have let in any number of rows between
		if found.run == 0 && s.best.run <= 1 {
			s.best = match{}
		}
		reach := 2*s.largest() + min(s.noise(), s.bound)
		if s.cursor.List != 0 {
			reach = max(reach, s.bound)
		}
		at := span.at(t.cut)
		s.timed, s.top, s.bottom, s.chain = false, page, page, *span
		s.downNext = t.cut > len(span.rows)/2 // the nearer end first
		s.within = relay.Rows{From: at - reach, To: at + reach}
	}
}

// others are the rows of a match, the known calls without their times: each of these may have been re-sorted.
func (m *match) others() span {
	others := m.span
	others.rows = slices.Clone(m.rows)
	for k := range maxKnown {
		if m.seen>>k&1 == 1 {
			others.rows[m.index[k]].Started = 0
		}
	}
	return others
}

// against counts the rows that say that the run of a match has been re-sorted: those between its place and the place
// where the cursor's time belongs among the other rows, apart from those whose order by time did not hold already when
// the cursor was made. Either such a row has been re-sorted itself, or the run has. So the run is trusted while there
// are no more of them than calls in the run, and it is certain if there is none. Without a run, or without a place by
// time, everything is against it. It also returns the timing of the other rows.
func (s *search) against(m *match) (rows int, t timing) {
	others, noise := m.others(), 1000*int64(s.cursor.Noise)
	t = timingOf(&others, s.cursor.Started, noise)
	if m.run == 0 || t.room(&others) == 0 {
		return math.MaxInt, t
	}
	for _, row := range others.rows[min(t.cut, m.before):max(t.cut, m.before)] {
		if row.Started != 0 && (row.Started < s.cursor.Started-noise || row.Started > s.cursor.Started+noise) {
			rows++
		}
	}
	return rows, t
}

// byTime reads a page where the cursor's time is to be expected.
func (s *search) byTime(ctx context.Context) (*upstream.Page, error) {
	half := s.largest() / 2
	var at int
	reach := half
	switch {
	case s.above == nil && s.below == nil:
		return s.outward(ctx)
	case s.above == nil && s.below.started == 0: // so far beyond the end that no row of the list is known
		const far = 1 << 16
		at = min(s.below.position/4, far)
		if total, ok := s.totals.Get(s.key); ok {
			at = min(at, total)
		}
	case s.below == nil:
		at = s.above.position + max(half, int(float64(s.above.started-s.cursor.Started)*s.density))
	case s.above == nil:
		at = s.below.position - max(half, int(float64(s.cursor.Started-s.below.started)*s.density))
	default:
		if at = s.between(); s.below.position-s.above.position <= half {
			reach = min(half, max(half/2, 2*margin)) // so few rows nearly always fit a page together
		}
	}
	at = max(0, min(at, relay.MaxPosition))
	return s.get(ctx, at, max(0, at-reach), at+reach)
}

// between is where the cursor's time is to be expected between two rows. Every other step halves the distance, which
// bounds the number of steps where the list has not grown evenly.
func (s *search) between() int {
	gap := s.below.position - s.above.position
	middle := s.above.position + gap/2
	took := s.above.started - s.below.started
	if gap <= s.largest()/2 || took <= 0 {
		return middle
	}
	if s.below.started == 0 {
		return min(middle, s.above.position+int(float64(s.above.started-s.cursor.Started)*s.density))
	}
	if s.steps%3 == 0 {
		return middle
	}
	return s.above.position + int(float64(gap)*float64(s.above.started-s.cursor.Started)/float64(took))
}
