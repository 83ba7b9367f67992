package pagination

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// Selection is what the client selected of a connection, as far as it decides what is asked upstream.
type Selection struct {
	Rows, Next, Previous, Total bool
}

// Window reads what the range asks for, as far as it is needed. Its errors are [ErrCursorExpired],
// [*upstream.AllowanceError], [*upstream.Error] and those of ctx.
func (r *Reader) Window(ctx context.Context, rng relay.Range, n Selection) (*Window, error) {
	w, err := r.window(ctx, rng, n)
	if err != nil {
		return nil, err
	}
	w.list = r.list
	return w, nil
}

func (r *Reader) window(ctx context.Context, rng relay.Range, n Selection) (*Window, error) {
	rows := n.Rows && rng.Count > 0
	switch {
	case rng.Backward && !rows && !n.Previous && (!n.Next || rng.Before == nil):
		return &Window{span: span{last: true}}, nil // nothing follows the end of the list
	case !rng.Backward && !rows && !n.Next && (!n.Previous || rng.After == nil):
		return &Window{}, nil // nothing comes before the start of the list
	}
	if rng.After != nil && rng.Before != nil { // each is looked for among the rows that were read from the other
		r.notBefore = later(r.notBefore, later(r.oldest(rng.After), r.oldest(rng.Before)))
	}
	for try := 1; ; try++ {
		var w *Window
		err := r.steadily(ctx, func() (err error) {
			w, err = r.readOnce(ctx, rng, n)
			return err
		})
		if err != nil || !w.repeats() {
			return w, err
		}
		if try == maxTries {
			r.trace.judged(true, false)
			return w, nil
		}
		if err := r.anew(ctx, try); err != nil {
			return nil, err
		}
	}
}

// readOnce reads the window once.
func (r *Reader) readOnce(ctx context.Context, rng relay.Range, n Selection) (*Window, error) {
	w, err := r.readRange(ctx, rng, n)
	if err == nil && n.Previous && w.from == 0 && w.position > 0 { // the position says that a row comes before it
		err = r.anchored(ctx, &w.span, 0)
	}
	return w, err
}

func (r *Reader) readRange(ctx context.Context, rng relay.Range, n Selection) (*Window, error) {
	if rng.Backward {
		w, err := r.backward(ctx, rng.Before, rng.Count, n.Next)
		if err == nil && rng.After != nil {
			w, err = r.cutStart(ctx, w, rng)
		}
		return w, err
	}
	w, err := r.forward(ctx, rng.After, rng.Count, n.Next)
	if err == nil && rng.Before != nil {
		w, err = r.cutEnd(ctx, w, rng, n.Next)
	}
	return w, err
}

// repeats reports whether a call comes twice in a window of several answers: it was sorted anew between them.
func (w *Window) repeats() bool {
	if len(w.later) == 0 {
		return false
	}
	seen := map[string]bool{}
	for _, row := range w.rows[w.from:w.to] {
		if row.Call == nil {
			continue
		}
		if seen[row.Call.ID] {
			return true
		}
		seen[row.Call.ID] = true
	}
	return false
}

// Both cursors
//
// A window that was read from one cursor ends where the other one points. Indices of two answers do not compare,
// because the list may move between them. So the other cursor is looked for among the window's own rows. If it is not
// there, it is located, in an answer that also has the first cursor if the two were near enough to each other: then
// that one answer has the whole range. Only what lies farther apart than a page is compared by positions, in answers
// before and after.

// cutEnd ends a window that was read forward where the range's `before` points.
func (r *Reader) cutEnd(ctx context.Context, w *Window, rng relay.Range, lookAhead bool) (*Window, error) {
	if end, sure := r.within(w, rng.Before, up); sure {
		w.to = min(w.to, max(w.from, end.before))
		return w, nil
	}
	p, err := r.other(ctx, w, rng.Before, rng.After, up)
	if err != nil {
		return nil, err
	}
	from, together := 0, p.at(0) == 0
	if rng.After != nil {
		var start sighting
		start, together = r.within(&Window{span: p.span}, rng.After, down)
		from = start.after
	}
	if together && from < p.before {
		w = &Window{span: p.span, from: from, to: min(p.before, from+rng.Count)}
		if lookAhead && w.to == len(w.rows) {
			err = r.extendDown(ctx, &w.span, w.to-1, 1)
		}
		return w, err
	}
	if together { // nothing lies between them
		w.to = w.from
		return w, nil
	}
	if before, _, ok := w.find(&p); ok {
		w.to = min(w.to, max(w.from, before))
		return w, nil
	}
	side, err := r.compare(ctx, w, &p, p.before, rng.After, rng.Before, down)
	if side == above {
		w.to = w.from
	}
	return w, err
}

// cutStart begins a window that was read backward where the range's `after` points.
func (r *Reader) cutStart(ctx context.Context, w *Window, rng relay.Range) (*Window, error) {
	if start, sure := r.within(w, rng.After, down); sure {
		w.from = max(w.from, min(w.to, start.after))
		return w, nil
	}
	p, err := r.other(ctx, w, rng.After, rng.Before, down)
	if err != nil {
		return nil, err
	}
	to, together := len(p.rows), p.last
	if rng.Before != nil {
		var end sighting
		end, together = r.within(&Window{span: p.span}, rng.Before, up)
		to = end.before
	}
	if together && to > p.after {
		return &Window{span: p.span, from: max(p.after, to-rng.Count), to: to}, nil
	}
	if together { // nothing lies between them
		w.from = w.to
		return w, nil
	}
	if _, after, ok := w.find(&p); ok {
		w.from = max(w.from, min(w.to, after))
		return w, nil
	}
	side, err := r.compare(ctx, w, &p, p.after, rng.Before, rng.After, up)
	if side == below {
		w.from = w.to
	}
	return w, err
}

// find is a place of another answer among the span's rows: at the cursor's call, or between the rows next to it.
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

// within looks for a cursor among a window's rows; sure is false where it may be elsewhere.
func (r *Reader) within(w *Window, c *relay.Cursor, towards direction) (found sighting, sure bool) {
	found = w.match(c, towards)
	calls, _ := known(c)
	whole := w.at(0) == 0 && w.last // there is no elsewhere
	return found, found.open == neither && (found.sure(len(calls), found.seen) || whole && found.run > 0)
}

// other locates the second cursor of a range, if possible together with the first one, from which the window was read;
// first is nil where that is an end of the list. The answer is no older than the window's: [Reader.compare] needs one
// from after it.
func (r *Reader) other(ctx context.Context, w *Window, c, first *relay.Cursor, towards direction) (place, error) {
	if w.oldest.Before(r.came) {
		r.notBefore = later(r.notBefore, r.came)
		return place{}, errListUnsteady // some of the window is from memory: it is read anew
	}
	r.notBefore = later(r.notBefore, w.asked)
	behind, ahead, apart := 0, 0, c.Position // positions of two moments: good enough to ask by
	if first != nil {
		apart -= first.Position
	}
	switch near := distance(apart, 0) + 1 + relay.Neighbours; {
	case near > r.largest()-relay.Neighbours:
	case apart > 0:
		behind = near
	default:
		ahead = near
	}
	p, err := r.locate(ctx, c, towards, behind, ahead)
	if err == nil {
		r.followed(c, p)
	}
	return p, err
}

// compare tells on which side of a window the second cursor's place with index i is that is far from it: above what was
// read forward from the first cursor, or below what was read backward. The first cursor is located once more, so that a
// list that moves meanwhile is noticed. Its error is errListUnsteady where the place should be among the window's rows, or where
// the list has moved too far.
func (r *Reader) compare(
	ctx context.Context, w *Window, p *place, i int, first, second *relay.Cursor, towards direction,
) (side, error) {
	if err := r.standing(ctx, p, second); err != nil {
		return neither, err
	}
	at, from, to := p.at(i), w.at(w.from), w.at(w.to)
	before := sideOf(at, from, to)
	if first == nil || before == neither {
		return before, steadyOnly(before != neither)
	}
	again := *r
	again.notBefore = later(r.notBefore, p.asked)
	q, err := again.locate(ctx, first, towards, 0, 0)
	if err == nil {
		err = r.standing(ctx, &q, first)
	}
	if err != nil {
		return neither, err
	}
	if towards == down {
		from, to = q.at(q.after), q.at(q.after)+to-from
	} else {
		from, to = q.at(q.before)-(to-from), q.at(q.before)
	}
	return before, steadyOnly(sideOf(at, from, to) == before)
}

// standing makes sure of the position of a place where that is another than the cursor has.
func (r *Reader) standing(ctx context.Context, p *place, c *relay.Cursor) error {
	if p.at(p.before) == c.Position {
		return nil
	}
	return r.anchored(ctx, &p.span, p.before)
}

// sideOf is where a position lies: above the rows [from, to), below them, or neither.
func sideOf(at, from, to int) side {
	switch {
	case at <= from:
		return above
	case at >= to:
		return below
	default:
		return neither
	}
}

func steadyOnly(steady bool) error {
	if steady {
		return nil
	}
	return errListUnsteady
}

// steadily reads, and reads anew where the list moved from under it.
func (r *Reader) steadily(ctx context.Context, read func() error) error {
	for try := 1; ; try++ {
		err := read()
		if !errors.Is(err, errListUnsteady) || try == maxTries {
			return err
		}
		if err := r.anew(ctx, try); err != nil {
			return err
		}
	}
}

// anew prepares another try, from fresh answers: the first time it also lets the client know that past its end the list
// may be served again, which looks as if it moved.
func (r *Reader) anew(ctx context.Context, try int) error {
	r.notBefore = r.now()
	if try > 1 {
		return nil
	}
	if err := r.servedAgain(ctx); !errors.Is(err, errListUnsteady) {
		return err
	}
	return nil
}

// Window is the part of a list that a client asked for.
type Window struct {
	span
	from, to int
	list     upstream.List
}

// Rows are the calls of the window, and the rows that could not be read. The slice is shared: do not change it.
func (w *Window) Rows() []upstream.Row { return w.rows[w.from:w.to] }

// Position is the place of the i-th of the window's rows in the list, from 0.
func (w *Window) Position(i int) int { return w.at(w.from + i) }

// Cursor is the cursor of the i-th of the window's rows.
func (w *Window) Cursor(i int) relay.Cursor { return w.cursor(w.list, w.from+i) }

// HasPrevious reports whether the list has a row before the window, if the selection asked for that.
func (w *Window) HasPrevious() bool { return w.position+w.from > 0 }

// HasNext reports whether the list has a row after the window, if the selection asked for that.
func (w *Window) HasNext() bool { return w.to < len(w.rows) || !w.last }

// forward reads count rows after the cursor, or from the start of the list without one, and with lookAhead whether a
// row follows them.
func (r *Reader) forward(ctx context.Context, after *relay.Cursor, count int, lookAhead bool) (*Window, error) {
	ahead := count
	if lookAhead {
		ahead++
	}
	p, err := r.start(ctx, after, ahead)
	if err != nil {
		return nil, err
	}
	r.followed(after, p)
	w := &Window{span: p.span, from: p.after}
	if err := r.extendDown(ctx, &w.span, w.from-1, w.from+ahead-len(w.rows)); err != nil {
		return nil, err
	}
	w.from = min(w.from, len(w.rows))
	w.to = min(w.from+count, len(w.rows))
	return w, nil
}

// start is the place from which to read forward.
func (r *Reader) start(ctx context.Context, after *relay.Cursor, ahead int) (place, error) {
	if after != nil {
		return r.locate(ctx, after, down, 0, ahead)
	}
	page, err := r.around(ctx, 0, 0, max(1, ahead), 0, 0)
	if err != nil {
		return place{}, err
	}
	return place{span: r.spanOf(page)}, nil
}

// backward reads count rows before the cursor, or up to the end of the list without one, and with lookAhead whether a
// row follows them.
func (r *Reader) backward(ctx context.Context, before *relay.Cursor, count int, lookAhead bool) (*Window, error) {
	p, err := r.finish(ctx, before, count)
	if err == nil && lookAhead && p.gone() {
		err = r.extendDown(ctx, &p.span, p.before-1, 1+p.before-len(p.rows)) // what follows, if not the cursor's call?
	}
	if err != nil {
		return nil, err
	}
	r.followed(before, p)
	w := &Window{span: p.span, to: p.before}
	added, err := r.extendUp(ctx, &w.span, w.to, count-w.to)
	if err != nil {
		return nil, err
	}
	w.to += added
	w.from = max(0, w.to-count)
	return w, nil
}

// finish is the place from which to read backward.
func (r *Reader) finish(ctx context.Context, before *relay.Cursor, behind int) (place, error) {
	if before != nil {
		return r.locate(ctx, before, up, behind, 0)
	}
	for range maxTries {
		total, err := r.total(ctx)
		if err != nil {
			return place{}, err
		}
		last := max(0, total-1)
		page, err := r.around(ctx, last, max(0, total-max(1, behind)), total+1, 0, 0)
		if err == nil && !page.Last() {
			page, err = r.get(ctx, last, last, total+1) // the rows and the end do not fit one page
		}
		if err != nil {
			return place{}, err
		}
		if provesEnd(page) {
			return place{span: r.spanOf(page), before: len(page.Rows), after: len(page.Rows)}, nil
		}
		r.notBefore = r.now() // the end moved while we looked for it
	}
	return place{}, errListUnsteady
}

// Problems are the errors of the rows that could not be read, which are no edges: each is an [*UnreadableRowError].
func (w *Window) Problems() []error {
	var errs []error
	for i, row := range w.Rows() {
		if row.Call == nil {
			errs = append(errs, &UnreadableRowError{w.Position(i), row.Problem})
		}
	}
	return errs
}

// FirstEdge is the index of the first of the window's rows that is an edge, -1 without edges.
func (w *Window) FirstEdge() int {
	return slices.IndexFunc(w.Rows(), func(row upstream.Row) bool { return row.Call != nil })
}

// LastEdge is the index of the last of the window's rows that is an edge, -1 without edges.
func (w *Window) LastEdge() int {
	for i, row := range slices.Backward(w.Rows()) {
		if row.Call != nil {
			return i
		}
	}
	return -1
}

// UnreadableRowError is the error of a row that upstream listed and that is no edge.
type UnreadableRowError struct {
	position int // from 0
	problem  string
}

func (e *UnreadableRowError) Error() string {
	return fmt.Sprintf("The call at place %d of the list could not be read and was left out: %s.", e.position+1, e.problem)
}
