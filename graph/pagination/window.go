package pagination

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// Selection says which parts of a connection the client selected, as far as that decides which rows are read.
type Selection struct {
	Rows     bool // `edges` or `nodes`
	Next     bool // `hasNextPage`
	Previous bool // `hasPreviousPage`
	Total    bool // `totalCount`, see [Reader.Count]
	Scan     bool // `scan`, see package filter
}

// Window reads the rows of the range, as far as the selection needs them. Its errors are [ErrCursorExpired],
// [*upstream.RequestBudgetError], [*upstream.Error] and those of ctx.
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
	if c := cutOf(rng); c.second != nil { // each cursor is looked for among the rows that were read from the other
		r.notBefore = later(r.notBefore, r.oldest(c.second))
		if c.first != nil {
			r.notBefore = later(r.notBefore, r.oldest(c.first))
		}
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
		if err := r.again(ctx, try); err != nil {
			return nil, err
		}
	}
}

// readOnce reads the window once.
func (r *Reader) readOnce(ctx context.Context, rng relay.Range, n Selection) (*Window, error) {
	w, err := r.readEdges(ctx, rng, n)
	if err == nil && n.Previous && w.from == 0 && w.position > 0 { // the position says that a row comes before it
		err = r.anchored(ctx, &w.span, 0)
	}
	return w, err
}

// readEdges reads a window that ends with an edge where rows follow it: a client continues from the cursor of the last
// edge, so what could not be read after that comes with the next window, once. A window without an edge would lead a
// client nowhere, so it is read again with as many rows as the largest page has.
func (r *Reader) readEdges(ctx context.Context, rng relay.Range, n Selection) (*Window, error) {
	w, err := r.readRange(ctx, rng, n)
	if err != nil || rng.Count == 0 || w.toEdge(rng, rng.Count) || rng.Count >= r.largest() {
		return w, err
	}
	count := rng.Count
	rng.Count = r.largest()
	wider, err := r.readRange(ctx, rng, n)
	switch {
	case errors.Is(err, errListUnsteady):
		return w, nil // there is no call at which responses could be joined
	case err == nil:
		wider.toEdge(rng, count)
	}
	return wider, err
}

// toEdge ends the window of a range after at most so many edges, and with an edge where rows follow it; backward, that
// is its start. It returns false for a window without an edge, where rows follow it.
func (w *Window) toEdge(rng relay.Range, most int) bool {
	edges, end := 0, 0
	for i := range w.to - w.from {
		at := w.from + i
		if rng.Backward {
			at = w.to - 1 - i
		}
		if edges < most && isEdge(w.rows[at]) {
			edges, end = edges+1, i+1
		}
	}
	follow := rng.Backward && w.HasPrevious() || !rng.Backward && w.HasNext()
	w.ends = w.to-w.from < rng.Count || !follow
	switch {
	case w.ends && edges < most:
	case edges == 0:
		return false
	case end == w.to-w.from:
	case rng.Backward:
		w.from, w.ends = w.to-end, false
	default:
		w.to, w.ends = w.from+end, false
	}
	return true
}

func (r *Reader) readRange(ctx context.Context, rng relay.Range, n Selection) (w *Window, err error) {
	if rng.Backward {
		w, err = r.backward(ctx, rng.Before, rng.Count, n.Next)
	} else {
		w, err = r.forward(ctx, rng.After, rng.Count, n.Next)
	}
	if c := cutOf(rng); err == nil && c.second != nil {
		w, err = r.cut(ctx, w, c, n.Next)
	}
	return w, err
}

// repeats reports whether a call comes twice in a window of several responses: it was re-sorted between them.
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

// steadily calls read, again if the list has moved meanwhile.
func (r *Reader) steadily(ctx context.Context, read func() error) error {
	for try := 1; ; try++ {
		err := read()
		if !errors.Is(err, errListUnsteady) || try == maxTries {
			return err
		}
		if err := r.again(ctx, try); err != nil {
			return err
		}
	}
}

// again prepares another try, with fresh responses. The first time it also has the client probe upstream past the end
// of the list: rows that are served again there look like a list that moves.
func (r *Reader) again(ctx context.Context, try int) error {
	r.notBefore = r.now()
	if try > 1 {
		return nil
	}
	if err := r.servedAgain(ctx); !errors.Is(err, errListUnsteady) {
		return err
	}
	return nil
}

// Window is the part of a list that a client has requested.
type Window struct {
	span
	from, to int
	ends     bool // see Ends
	list     upstream.List
	marks    marks
}

// Rows are the calls of the window, and the rows that could not be read. The slice is shared: do not change it.
func (w *Window) Rows() []upstream.Row { return w.rows[w.from:w.to] }

// Ends reports whether the range of the window is known to have no rows beyond it, in its direction.
func (w *Window) Ends() bool { return w.ends }

// Position is the place of the i-th of the window's rows in the list, from 0.
func (w *Window) Position(i int) int { return w.at(w.from + i) }

// Cursor is the cursor of the i-th of the window's rows. It is for one goroutine at a time.
func (w *Window) Cursor(i int) relay.Cursor {
	return w.marks.cursor(&w.span, w.list, w.from+i, new(neighbours))
}

// AppendCursor appends the text of a [Window.Cursor], without allocating one.
func (w *Window) AppendCursor(b []byte, i int) []byte {
	var near neighbours
	c := w.marks.cursor(&w.span, w.list, w.from+i, &near)
	return c.Append(b)
}

// HasPrevious reports whether the list has a row before the window. It is valid if [Selection].Previous was set.
func (w *Window) HasPrevious() bool { return w.position+w.from > 0 }

// HasNext reports whether the list has a row after the window. It is valid if [Selection].Next was set.
func (w *Window) HasNext() bool { return w.to < len(w.rows) || !w.last }

// forward reads count rows after the cursor, or from the start of the list without one, and with lookAhead whether a
// row follows them.
func (r *Reader) forward(ctx context.Context, after *relay.Cursor, count int, lookAhead bool) (*Window, error) {
	ahead := count
	if lookAhead {
		ahead++
	}
	if r.walk != nil {
		return r.walkOn(ctx, after, count, ahead)
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
		page, err := r.lastPage(ctx, total, behind)
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

// lastPage asks for the end of a list of so many rows, with as many of the behind last ones as fit one page. A page
// none of whose rows can be read cannot be continued: then it asks for more of them.
func (r *Reader) lastPage(ctx context.Context, total, behind int) (page *upstream.Page, err error) {
	last := max(0, total-1)
	for rows := min(max(1, behind), r.largest()); ; rows = r.largest() {
		from := max(0, total-rows)
		for from < last && !r.fits(last, relay.Rows{From: from, To: total + 1}) {
			from = (from + total) / 2
		}
		page, err = r.around(ctx, last, from, total+1, 0, 0)
		switch {
		case err != nil || !provesEnd(page):
			return page, err
		case len(page.Rows) >= behind || page.Offset() == 0 || rows == r.largest():
			return page, nil // there is nothing to be continued, or there are no more rows to ask for
		case slices.ContainsFunc(page.Rows, func(row upstream.Row) bool { return row.Call != nil }):
			return page, nil
		}
	}
}

// fits reports whether a page that may be requested has all the rows, the row anchor among them.
func (r *Reader) fits(anchor int, rows relay.Rows) bool {
	sizes := relay.Sizes{Least: max(r.sizes.Least, min(fewestRows, r.sizes.Most/2)), Most: r.sizes.Most}
	_, size := covers(anchor, rows, sizes)
	return size > 0
}

// Problems are the errors of the rows that could not be read, which are no edges: each is an [*UnreadableRowError].
func (w *Window) Problems() []error {
	var errs []error
	for i := range w.Rows() {
		if err := w.Problem(i); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Problem is the error of the i-th of the window's rows, nil if it could be read.
func (w *Window) Problem(i int) error {
	row := w.Rows()[i]
	if row.Call != nil {
		return nil
	}
	return &UnreadableRowError{w.Position(i), row.Problem}
}

// StartCursor is the cursor of the first of the window's rows that is an edge, nil without edges.
func (w *Window) StartCursor() *relay.Cursor { return w.edge(slices.IndexFunc(w.Rows(), isEdge)) }

// EndCursor is the cursor of the last of the window's rows that is an edge, nil without edges.
func (w *Window) EndCursor() *relay.Cursor {
	for i, row := range slices.Backward(w.Rows()) {
		if isEdge(row) {
			return w.edge(i)
		}
	}
	return nil
}

func isEdge(row upstream.Row) bool { return row.Call != nil }

// edge is the cursor of the i-th of the window's rows, nil for -1.
func (w *Window) edge(i int) *relay.Cursor {
	if i < 0 {
		return nil
	}
	made := new(struct {
		relay.Cursor
		near neighbours
	})
	made.Cursor = w.marks.cursor(&w.span, w.list, w.from+i, &made.near)
	return &made.Cursor
}

// UnreadableRowError is the error of a row that upstream listed and that is no edge.
type UnreadableRowError struct {
	position int // from 0
	problem  string
}

func (e *UnreadableRowError) Error() string {
	return fmt.Sprintf("The call at place %d of the list could not be read and was left out: %s.", e.position+1, e.problem)
}
