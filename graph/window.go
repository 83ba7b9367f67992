package graph

import (
	"context"
	"errors"

	"revox-graphql/graph/relay"
)

// window reads what the range asks for, as far as it is needed.
func (r *reader) window(ctx context.Context, rng relay.Range, n need) (*window, error) {
	rows := n.rows && rng.Count > 0
	switch {
	case rng.Backward && !rows && !n.previous && (!n.next || rng.Before == nil):
		return &window{span: span{last: true}}, nil // nothing follows the end of the list
	case !rng.Backward && !rows && !n.next && (!n.previous || rng.After == nil):
		return &window{}, nil // nothing comes before the start of the list
	}
	return r.steadily(func() (*window, error) {
		if rng.Backward {
			w, err := r.backward(ctx, rng.Before, rng.Count, n.next)
			if err == nil && rng.After != nil {
				err = r.cutStart(ctx, w, rng.After)
			}
			return w, err
		}
		w, err := r.forward(ctx, rng.After, rng.Count, n.next)
		if err == nil && rng.Before != nil {
			err = r.cutEnd(ctx, w, rng.Before)
		}
		return w, err
	})
}

// cutEnd ends a window that was read forward where the `before` cursor points.
func (r *reader) cutEnd(ctx context.Context, w *window, before *relay.Cursor) error {
	end, err := r.find(ctx, w, before, up)
	w.to = min(w.to, max(w.from, end.before))
	return err
}

// cutStart begins a window that was read backward where the `after` cursor points.
func (r *reader) cutStart(ctx context.Context, w *window, after *relay.Cursor) error {
	start, err := r.find(ctx, w, after, down)
	w.from = max(w.from, min(w.to, start.after))
	return err
}

// find is a cursor's place as indices of the window's rows, also where it lies outside of them. It is good enough to
// know that the call lies beyond the end that is cut.
func (r *reader) find(ctx context.Context, w *window, c *relay.Cursor, towards direction) (place, error) {
	beyond := openAbove
	if towards == up {
		beyond = openBelow
	}
	if p, how := w.match(c, towards, r.bound); how == sure || how == beyond {
		return p, nil
	}
	p, err := r.locate(ctx, c, towards, 0, 0)
	if err == nil {
		r.followed(c, p)
	}
	p.before += p.position - w.position
	p.after += p.position - w.position
	return p, err
}

// steadily reads a window, and reads it anew from fresh answers where the list moved from under it.
func (r *reader) steadily(read func() (*window, error)) (*window, error) {
	for try := 1; ; try++ {
		w, err := read()
		if !errors.Is(err, errListUnsteady) || try == maxTries {
			return w, err
		}
		r.notBefore = r.now()
	}
}

// window is the part of a span that a client asked for.
type window struct {
	span
	from, to int
}

// hasPrevious and hasNext are exact if the window was asked for with its look-ahead.
func (w *window) hasPrevious() bool { return w.position+w.from > 0 }
func (w *window) hasNext() bool     { return w.to < len(w.rows) || !w.last }

// forward reads count rows after the cursor, or from the start of the list without one, and with lookAhead whether a row
// follows them.
func (r *reader) forward(ctx context.Context, after *relay.Cursor, count int, lookAhead bool) (*window, error) {
	ahead := count
	if lookAhead {
		ahead++
	}
	p, err := r.start(ctx, after, ahead)
	if err != nil {
		return nil, err
	}
	r.followed(after, p)
	w := &window{span: p.span, from: p.after}
	if err := r.extendDown(ctx, &w.span, w.from+ahead-len(w.rows)); err != nil {
		return nil, err
	}
	w.from = min(w.from, len(w.rows))
	w.to = min(w.from+count, len(w.rows))
	return w, nil
}

// start is the place from which to read forward.
func (r *reader) start(ctx context.Context, after *relay.Cursor, ahead int) (place, error) {
	if after != nil {
		return r.locate(ctx, after, down, 0, ahead)
	}
	page, err := r.get(ctx, 0, 0, max(1, ahead))
	if err != nil {
		return place{}, err
	}
	return place{spanOf(page), 0, 0}, nil
}

// backward reads count rows before the cursor, or up to the end of the list without one, and with lookAhead whether a
// row follows them.
func (r *reader) backward(ctx context.Context, before *relay.Cursor, count int, lookAhead bool) (*window, error) {
	p, err := r.finish(ctx, before, count)
	if err == nil && lookAhead && p.gone() {
		err = r.extendDown(ctx, &p.span, 1+p.before-len(p.rows)) // what follows, if not the cursor's call?
	}
	if err != nil {
		return nil, err
	}
	r.followed(before, p)
	w := &window{span: p.span, to: p.before}
	added, err := r.extendUp(ctx, &w.span, count-w.to)
	if err != nil {
		return nil, err
	}
	w.to += added
	w.from = max(0, w.to-count)
	return w, nil
}

// finish is the place from which to read backward.
func (r *reader) finish(ctx context.Context, before *relay.Cursor, behind int) (place, error) {
	if before != nil {
		return r.locate(ctx, before, up, behind, 0)
	}
	for range maxTries {
		total, err := r.total(ctx)
		if err != nil {
			return place{}, err
		}
		page, err := r.get(ctx, total, max(0, total-max(1, behind)), total+1)
		if err != nil {
			return place{}, err
		}
		if provesEnd(page) {
			return place{spanOf(page), len(page.Rows), len(page.Rows)}, nil
		}
		r.notBefore = r.now() // the end moved while we looked for it
	}
	return place{}, errListUnsteady
}
