package pagination

// Both cursors
//
// A window that was read from one cursor ends where the other cursor points. Indices of two responses do not compare,
// because the list may move between them. So the other cursor is first looked for among the window's own rows. If it is
// not there, it is located, if the two cursors were near enough to each other in a response that also has the first
// one: then that response has the whole range. Only cursors that are farther apart than a page are compared by
// position, and then each is located twice.

import (
	"context"
	"slices"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// cut is what both cursors of a range say: a window is read from the first one, and the second one cuts it.
type cut struct {
	first, second *relay.Cursor // first is nil where the window is read from an end of the list, second where nothing cuts
	way           direction     // from the first cursor to the second
	count         int           // the most rows
}

func cutOf(rng relay.Range) cut {
	if rng.Backward {
		return cut{first: rng.Before, second: rng.After, way: up, count: rng.Count}
	}
	return cut{first: rng.After, second: rng.Before, way: down, count: rng.Count}
}

// back is the direction from the second cursor to the first.
func (c *cut) back() direction { return !c.way }

// clip ends a window where the second cursor points: after the first before rows of its span, or up to those from after
// on.
func (c *cut) clip(w *Window, before, after int) {
	if c.way == down {
		w.to = min(w.to, max(w.from, before))
	} else {
		w.from = max(w.from, min(w.to, after))
	}
}

// clear leaves nothing of a window.
func (c *cut) clear(w *Window) {
	if c.way == down {
		w.to = w.from
	} else {
		w.from = w.to
	}
}

// limit leaves the rows of a window that are nearest to the first cursor, as many as the range asks for.
func (c *cut) limit(w *Window) {
	if c.way == down {
		w.to = min(w.to, w.from+c.count)
	} else {
		w.from = max(w.from, w.to-c.count)
	}
}

// between returns the rows [from, to) that lie between the cursors, in the response that has the second cursor's place.
// ok is false if that response may lack the first cursor, or the end of the list that the window is read from.
func (c *cut) between(p *place) (from, to int, ok bool) {
	start := match{place: place{before: len(p.rows)}} // the end of the list that a walk comes from, or its start
	switch {
	case c.first != nil:
		start, ok = p.shows(c.first, c.way)
	case c.way == down:
		ok = p.at(0) == 0
	default:
		ok = p.last
	}
	if c.way == down {
		return start.after, p.before, ok
	}
	return p.after, start.before, ok
}

// cut cuts a window where the second cursor points. With lookAhead it finds out whether a row follows.
func (r *Reader) cut(ctx context.Context, w *Window, c cut, lookAhead bool) (*Window, error) {
	if found, sure := w.shows(c.second, c.back()); sure {
		c.clip(w, found.before, found.after)
		return w, nil
	}
	p, err := r.second(ctx, w, c)
	if err != nil {
		return nil, err
	}
	if from, to, ok := c.between(&p); ok && from < to {
		w = &Window{span: p.span, from: from, to: to}
		c.limit(w)
		if lookAhead && w.to == len(w.rows) {
			err = r.extendDown(ctx, &w.span, w.to-1, 1)
		}
		return w, err
	} else if ok {
		c.clear(w)
		return w, nil
	}
	if before, after, ok := w.find(&p); ok {
		c.clip(w, before, after)
		return w, nil
	}
	crossed, err := r.crossed(ctx, w, &p, c)
	if crossed {
		c.clear(w)
	}
	return w, err
}

// shows looks for a cursor among the rows of a span; sure is false where it may be elsewhere.
func (s *span) shows(c *relay.Cursor, towards direction) (found match, sure bool) {
	found = s.match(c, towards)
	calls, _ := known(c)
	whole := s.at(0) == 0 && s.last // there is no elsewhere
	return found, found.open == neither && (found.sure(len(calls), found.seen, 0) || whole && found.run > 0)
}

// find looks for a place of another response among the span's rows: at the cursor's call, or between the rows next to
// it.
func (s *span) find(p *place) (before, after int, ok bool) {
	if !p.gone() {
		at := s.indexOf(p.rows[p.before].Call)
		return at, at + 1, at >= 0
	}
	if p.before == 0 || p.after == len(p.rows) {
		return 0, 0, false
	}
	upper, lower := s.indexOf(p.rows[p.before-1].Call), s.indexOf(p.rows[p.after].Call)
	return upper + 1, lower, upper >= 0 && upper < lower
}

// indexOf is the index of a call in the span, -1 where it is not.
func (s *span) indexOf(call *upstream.Call) int {
	return slices.IndexFunc(s.rows, func(row upstream.Row) bool {
		return call != nil && row.Call != nil && row.Call.ID == call.ID
	})
}

// second locates the second cursor, if possible together with the first one. The response is no older than the
// window's: [Reader.crossed] needs a later one.
func (r *Reader) second(ctx context.Context, w *Window, c cut) (place, error) {
	if w.oldest.Before(r.arrived) {
		r.notBefore = later(r.notBefore, r.arrived)
		return place{}, errListUnsteady // some of the window is from the cache: it is read again
	}
	r.notBefore = later(r.notBefore, w.asked)
	behind, ahead, apart := 0, 0, c.second.Position // positions of two moments: good enough to ask by
	if c.first != nil {
		apart -= c.first.Position
	} else if c.way == up {
		apart -= w.at(w.to) // the window ends with the list
	}
	switch near := distance(apart, 0) + 1 + relay.Neighbours; {
	case near > r.largest()-relay.Neighbours:
	case apart > 0:
		behind = near
	default:
		ahead = near
	}
	p, err := r.locate(ctx, c.second, c.back(), behind, ahead)
	if err == nil {
		r.followed(c.second, p)
	}
	return p, err
}

// crossed reports whether the second cursor, whose place is far from the window, lies on the wrong side of the first
// one, so that no row is between them. Positions of two responses compare only if the list has not moved by as much
// between them. So each cursor is located twice, by turns, and all positions must agree: a list that moves and moves
// back meanwhile would have to do so twice. crossed returns errListUnsteady if they do not agree, and if the place
// should be among the window's rows.
func (r *Reader) crossed(ctx context.Context, w *Window, p *place, c cut) (bool, error) {
	if err := r.anchored(ctx, &p.span, p.before); err != nil {
		return false, err
	}
	from, to := w.at(w.from), w.at(w.to)
	at := c.secondAt(p)
	crossed := at <= from
	if c.way == up {
		crossed = at >= to
	}
	switch {
	case from < at && at < to:
		return false, errListUnsteady
	case c.first == nil && crossed: // no cursor is beyond an end of the list: it has moved between the two responses
		return false, errListUnsteady
	case c.first == nil:
		return false, nil
	}
	first, err := r.locateNow(ctx, c.first, c.way) // after the place, and after upstream was probed past the list's end
	if err != nil {
		return false, err
	}
	second, err := r.locateNow(ctx, c.second, c.back())
	if err != nil {
		return false, err
	}
	if c.crosses(p, &first) != crossed || c.crosses(&second, &first) != crossed {
		return false, errListUnsteady
	}
	return crossed, nil
}

// crosses reports whether the second cursor's place is on the wrong side of the first one's, by their positions.
func (c *cut) crosses(second, first *place) bool {
	if c.way == up {
		return c.secondAt(second) >= first.at(first.before)
	}
	return c.secondAt(second) <= first.at(first.after)
}

// secondAt is the position at which the second cursor cuts the list.
func (c *cut) secondAt(p *place) int {
	if c.way == up {
		return p.at(p.after)
	}
	return p.at(p.before)
}

// locateNow finds a cursor's place in responses that are requested now.
func (r *Reader) locateNow(ctx context.Context, c *relay.Cursor, towards direction) (place, error) {
	now := *r
	now.notBefore = r.now()
	return now.locate(ctx, c, towards, 0, 0)
}
