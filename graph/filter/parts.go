package filter

import (
	"context"

	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// part is the rows [from, to) of a window.
type part struct {
	window   *pagination.Window
	from, to int
}

// parts reads the rows of a range, up to a number of rows, in parts that follow one another in the direction of the
// range. Each part ends with a row that can be read, unless it is the last one.
type parts interface {
	// next reads the next part, which has at least one row. It is nil where there is no other, and then end says why.
	next(ctx context.Context) (read *part, end ending, err error)
	// resume goes on from a window that was read elsewhere, and returns what next would if the window was the next; nil if
	// that has no row.
	resume(w *pagination.Window) (*part, error)
}

// ending is how a range ends: with StopEndOfList, or with StopScanLimit where it goes on. more says that the list has a
// row beyond what was read.
type ending struct {
	stop Stop
	more bool
}

// windows reads a range as a client does that pages through it.
type windows struct {
	reader    *pagination.Reader
	rng       relay.Range // what is left of it
	selection pagination.Selection
	most      int // rows that may still be read
	begun     bool
	end       ending
}

func (r *windows) next(ctx context.Context) (*part, ending, error) {
	if r.end.stop == 0 && r.most <= 0 {
		r.end = ending{StopScanLimit, true}
	}
	if r.end.stop != 0 {
		return nil, r.end, nil
	}
	asked := max(1, min(r.most, r.reader.PageRows()*4/5)) // so many are usually got by one request
	r.rng.Count = asked
	n := pagination.Selection{Rows: true, Next: true, Previous: true}
	bound := r.rng.Before
	if r.rng.Backward {
		n.Next, bound = r.selection.Next && !r.begun, r.rng.After
	} else {
		n.Previous = r.selection.Previous && !r.begun && r.rng.After != nil
	}
	w, err := r.reader.Window(ctx, r.rng, n)
	if err != nil {
		return nil, ending{}, err
	}
	r.begun = true
	more := w.HasNext()
	if r.rng.Backward {
		more = w.HasPrevious()
	}
	if len(w.Rows()) < asked || bound == nil && !more {
		r.end = ending{StopEndOfList, more}
	}
	read, err := r.trim(w)
	if r.most -= read.to - read.from; err != nil || read.from == read.to {
		return nil, r.end, err
	}
	return read, ending{}, nil
}

func (r *windows) resume(w *pagination.Window) (*part, error) {
	if r.end.stop != 0 {
		return nil, nil
	}
	if !r.rng.Backward && !w.HasNext() || r.rng.Backward && !w.HasPrevious() {
		r.end = ending{StopEndOfList, false}
	}
	read, err := r.trim(w)
	r.most -= read.to - read.from
	return read, err
}

// trim leaves rows at the far end of a window to the next one if they cannot be read, for a cursor is that of a call.
func (r *windows) trim(w *pagination.Window) (*part, error) {
	rows := w.Rows()
	read := &part{w, 0, len(rows)}
	if r.end.stop != 0 {
		return read, nil
	}
	if r.rng.Backward {
		for ; read.from < read.to && rows[read.from].Call == nil; read.from++ {
		}
		r.rng.Before = w.StartCursor()
	} else {
		for ; read.from < read.to && rows[read.to-1].Call == nil; read.to-- {
		}
		r.rng.After = w.EndCursor()
	}
	if read.from == read.to {
		return read, &upstream.Error{Kind: upstream.KindInvalidResponse, Reason: "no row of a whole page can be read"}
	}
	return read, nil
}
