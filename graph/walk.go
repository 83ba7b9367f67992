package graph

// Walking a list that moves
//
// Upstream numbers its pages from the newest call. Every call that arrives shifts all rows down by one, every row that
// leaves (a deletion, or a status that no longer passes the filter) shifts those below it up, and two answers taken at
// different moments are slices of two different lists. An offset kept between two requests therefore shows rows twice
// and, worse, loses rows without a trace.
//
// What does not change is the order of the rows that stay. So a walk holds on to a row, not to an offset. All paging
// here is one question, asked again and again: what follows this row (or comes before it), in one answer of upstream?
//
//   - A cursor names its call, where it stood, and up to three neighbours on either side. locate asks for the page that
//     should hold the call together with the rows wanted. If the list stood still, which is the usual case, that one
//     request is all: one answer holds the anchor, the window and the look-ahead.
//   - If the call is not where it stood, calls that arrived have pushed it down, or calls that left have pulled it up.
//     locate searches outward from the old place, down and up by turns, in pages as large as allowed, to a bound of
//     rows. Then it asks for the window at the new place.
//   - If the call has left the list, its neighbours tell: between the nearest ones on either side it is not there any
//     more. With neighbours on one side only, the call could stand beyond the rows that were read; then the rows on the
//     other side are read, until the call turns up or cannot be among them.
//   - A window that does not fit one answer is continued from its last row by the same question. Two answers are never
//     laid side by side because their numbers say so: the row that both hold is the proof that they meet.
//
// Beyond the bound, or with all neighbours gone, the answer is that the cursor has expired. That is the one thing the
// client must know: nothing is skipped silently.
//
// Answers may come from a cache, and a cached answer may be older than what the walk has seen: it could lack the cursor's
// call, or have its neighbours otherwise, where a filter lets calls into the middle of the list. So a cursor carries the
// moment when the answer that it comes from was asked for, and no older answer is taken: a walk sees the list grow older
// with it, never younger.

import (
	"context"
	"errors"

	"revox-graphql/graph/relay"
)

// errCursorExpired: the cursor's place is lost.
var errCursorExpired = errors.New("the cursor's place in the list is lost")

// locate finds a cursor's place, in a span that reaches behind rows before it and ahead rows after it, as far as the list
// and the size of a page allow.
func (r *reader) locate(ctx context.Context, c *relay.Cursor, towards direction, behind, ahead int) (place, error) {
	from, started := *r, r.now()
	from.notBefore = later(r.notBefore, c.Since)
	p, how, err := from.reach(ctx, c, towards, behind, ahead)
	fresh := how != nowhere && !p.asked.Before(started)
	if err == nil && !fresh && (how != sure || p.gone() || r.couldReach(p, behind, ahead)) {
		// Cached answers may be older than the one in which the cursor was made, and than one another. Only fresh ones
		// can say that the call has left, or that its place is lost.
		from.notBefore = r.now()
		p, how, err = from.reach(ctx, c, towards, behind, ahead)
	}
	switch {
	case err != nil:
		return place{}, err
	case how == nowhere:
		return place{}, from.explain(ctx)
	case how != sure:
		return from.settle(ctx, c, towards, p, how)
	}
	r.observe(c, p)
	return p, nil
}

// followed records for the operator how far the call of a client's cursor has moved.
func (r *reader) followed(c *relay.Cursor, p place) {
	if c != nil && !p.gone() {
		r.trace.moved(p.position + p.before - c.Position)
	}
}

// reach searches for the cursor's place, and asks once more for the rows around it if they did not come with it.
func (r *reader) reach(ctx context.Context, c *relay.Cursor, towards direction, behind, ahead int) (place, sureness, error) {
	p, how, err := r.search(ctx, c, towards, behind, ahead)
	if err != nil || how != sure || !r.couldReach(p, behind, ahead) {
		return p, how, err
	}
	newer := *r // an older answer would have the call elsewhere
	newer.notBefore = later(r.notBefore, p.asked)
	at := p.position + p.before
	page, err := newer.get(ctx, at, max(0, at-behind), at+1+ahead)
	if err != nil {
		return place{}, nowhere, err
	}
	s := spanOf(page)
	if better, how := s.match(c, towards, r.bound); how == sure {
		return better, sure, nil
	}
	return p, sure, nil // the list moved between the two; this is a true answer, if a short one
}

// couldReach reports whether another answer could hold more of the behind rows before the place and the ahead rows after
// it than its span does.
func (r *reader) couldReach(p place, behind, ahead int) bool {
	if p.before >= behind || p.position == 0 {
		if len(p.rows)-p.after >= ahead || p.last {
			return false
		}
	}
	at := p.position + p.before
	lo, hi := max(0, at-behind), at+1+ahead
	number, size := relay.Cover(at, lo, hi, r.largest())
	has := min(hi, p.position+len(p.rows)) - max(lo, p.position)
	return min(hi, (number+1)*size)-max(lo, number*size) > has
}

// expect guesses where a cursor's call stands by now, from how the list has moved of late, give or take slack rows.
func (r *reader) expect(c *relay.Cursor) (position, slack int) {
	drift, ok := r.drifts.Get(r.key)
	if !ok {
		return c.Position, 0
	}
	const longest = 60 // seconds; what the list did of late says little about more
	shift := int(drift * min(longest, r.now().Sub(c.Since).Seconds()))
	shift = max(-c.Position, -r.bound, min(shift, r.bound))
	return c.Position + shift, min(max(shift, -shift)/2, r.largest()/8)
}

// readAhead is how many rows to ask for beyond those wanted: as many again where they are few, because who resumes a walk
// will resume it again, and the next window then comes from the cache.
func (r *reader) readAhead(wanted int) int {
	if r.cached && wanted <= r.largest()/3 {
		return wanted
	}
	return 0
}

// observe remembers how far a cursor's call has moved since the cursor was made.
func (r *reader) observe(c *relay.Cursor, p place) {
	const shortest = 0.1 // seconds; what moves in less says little
	if seconds := p.asked.Sub(c.Since).Seconds(); seconds > shortest && !p.gone() {
		r.drifts.Add(r.key, float64(p.position+p.before-c.Position)/seconds)
	}
}

// search looks for the cursor's place from where its call is expected, outward: down and up by turns, to the bound.
func (r *reader) search(ctx context.Context, c *relay.Cursor, towards direction, behind, ahead int) (place, sureness, error) {
	guess, slack := r.expect(c)
	above, below := 0, 0
	if towards == down {
		below = r.readAhead(ahead)
	} else {
		above = r.readAhead(behind)
	}
	page, err := r.getAhead(ctx, guess, max(0, guess-behind-slack), guess+1+ahead+slack, above, below)
	if err != nil {
		return place{}, nowhere, err
	}
	// Rows [top, bottom) have been looked at; ended says that the list has none from bottom on.
	top, bottom, ended := page.Offset(), page.End(), page.Last()
	var open place
	opened := nowhere
	for downNext := true; ; downNext = !downNext {
		s := spanOf(page)
		p, how := s.match(c, towards, r.bound)
		if how == sure {
			return p, sure, nil
		} else if opened != nowhere { // the page beyond the open side has not helped
			return open, opened, nil
		}
		open, opened = p, how
		mayDown := !ended && bottom <= c.Position+r.bound && how != openAbove
		mayUp := top > 0 && top > c.Position-r.bound && how != openBelow
		switch {
		case mayDown && (downNext || !mayUp):
			if page, err = r.whole(ctx, bottom); err != nil {
				return place{}, nowhere, err
			}
			bottom, ended = max(bottom+1, page.End()), page.Last()
		case mayUp:
			if page, err = r.whole(ctx, top-1); err != nil {
				return place{}, nowhere, err
			}
			top = min(top-1, page.Offset())
		default:
			return open, opened, nil
		}
	}
}

// settle decides what neighbours on one side leave open. The span is extended over the open side, with proven seams,
// until it is sure, or until so many rows are there that the call cannot be beyond them.
func (r *reader) settle(ctx context.Context, c *relay.Cursor, towards direction, p place, how sureness) (place, error) {
	for reach := 0; reach < r.bound; {
		step := min(r.largest(), r.bound-reach)
		reach += step
		var err error
		if how == openBelow {
			err = r.extendDown(ctx, &p.span, step)
		} else {
			_, err = r.extendUp(ctx, &p.span, step)
		}
		if err != nil {
			return place{}, err
		}
		if p, how = p.match(c, towards, r.bound); how == sure {
			break
		} else if how == nowhere { // the neighbours have left just now
			return place{}, errCursorExpired
		}
	}
	return p, nil
}

// explain tells why a place was not found: usually the list has moved too far, but an upstream that ignores the page
// number has only one page, and everything beyond it seems lost.
func (r *reader) explain(ctx context.Context) error {
	var ids [3]string
	for i, row := range []int{0, 2, 0} { // the third shows that the list stood still
		opts := r.question()
		opts.Page, opts.PageSize, opts.NotBefore = row/2, 2, r.now()
		page, err := r.calls.ListCalls(ctx, opts)
		if err != nil {
			return err
		}
		if at := row - page.Offset(); at < len(page.Rows) && page.Rows[at].Call != nil {
			ids[i] = page.Rows[at].Call.ID
		}
	}
	if ids[0] != "" && ids[0] == ids[1] && ids[1] == ids[2] {
		return errPageIgnored
	}
	return errCursorExpired
}

// extendDown appends at least n rows, as far as the list has them. Its last row is the seam.
func (r *reader) extendDown(ctx context.Context, s *span, n int) error {
	wanted := len(s.rows) + n
	for tries := 0; len(s.rows) < wanted && !s.last; tries++ {
		seam, had := s.lastReadable(), len(s.rows)
		if seam < 0 || tries == maxTries {
			return errListUnsteady
		}
		c := s.cursor(r.list, seam)
		p, err := r.locate(ctx, &c, down, 0, wanted-(seam+1))
		if err != nil {
			return lostSeam(err)
		}
		s.rows = append(s.rows[:seam+1:seam+1], p.rows[p.after:]...)
		s.last, s.end, s.asked = p.last, p.end, later(s.asked, p.asked)
		if len(s.rows) > had {
			tries = -1
		}
	}
	return nil
}

// extendUp puts at least n rows before the span, as far as the list has them, and returns how many. Its first row is the
// seam.
func (r *reader) extendUp(ctx context.Context, s *span, n int) (added int, err error) {
	for tries := 0; added < n && s.position > 0; tries++ {
		seam, had := s.firstReadable(), added
		if seam == len(s.rows) || tries == maxTries {
			return added, errListUnsteady
		}
		c := s.cursor(r.list, seam)
		p, err := r.locate(ctx, &c, up, n-added+seam, 0)
		if err != nil {
			return added, lostSeam(err)
		}
		s.rows = append(p.rows[:p.before:p.before], s.rows[seam:]...)
		s.position, s.asked = p.position, later(s.asked, p.asked)
		added += p.before - seam
		if added > had {
			tries = -1
		}
	}
	return added, nil
}

// lostSeam tells a seam that has left the list from a client's cursor that has: the former is read anew.
func lostSeam(err error) error {
	if errors.Is(err, errCursorExpired) {
		return errListUnsteady
	}
	return err
}
