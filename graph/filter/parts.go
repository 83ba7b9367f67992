package filter

import (
	"context"
	"errors"

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
	// close ends what is read ahead.
	close()
}

// partsOf reads a range, up to so many rows.
func partsOf(reader *pagination.Reader, rng relay.Range, n pagination.Selection, most int) parts {
	if rng.After != nil && rng.Before != nil || rng.Backward && rng.After != nil || !rng.Backward && rng.Before != nil {
		return &bounded{reader: reader, rng: rng, selection: n, most: most}
	}
	opts := pagination.ScanOptions{From: rng.After, Up: rng.Backward, MaxRows: most}
	if rng.Backward {
		opts.From = rng.Before
	}
	return &toEnd{reader: reader, opts: opts, scan: reader.Scan(opts)}
}

// toEnd reads a range that ends with the list, several pages at once.
type toEnd struct {
	reader *pagination.Reader
	opts   pagination.ScanOptions // MaxRows are those that may still be read
	scan   *pagination.Scan       // nil: no more rows may be read
	ended  bool                   // the list has
}

func (r *toEnd) next(ctx context.Context) (*part, ending, error) {
	switch {
	case r.ended:
		return nil, ending{StopEndOfList, false}, nil
	case r.scan == nil:
		return nil, ending{StopScanLimit, true}, nil
	}
	for tries := 0; ; tries++ {
		if r.scan.Next(ctx) {
			return r.read(r.scan.Part()), ending{}, nil
		}
		switch r.scan.Stopped() {
		case pagination.StopEndOfList:
			return nil, ending{StopEndOfList, false}, nil
		case pagination.StopLimit:
			return nil, ending{StopScanLimit, true}, nil
		}
		failure, failed := errors.AsType[*upstream.Error](r.scan.Err())
		if !failed || failure.Kind != upstream.KindInvalidResponse || tries == maxTries {
			return nil, ending{}, r.scan.Err()
		}
		r.scan.Close() // the list has moved by much: its place is looked for again, as for a client
		r.scan = r.reader.Scan(r.opts)
	}
}

// maxTries is how often a scan is begun again after responses that contradict one another.
const maxTries = 2

// read is the part that a scan has read.
func (r *toEnd) read(w *pagination.Window) *part {
	on := w.EndCursor()
	if r.opts.Up {
		on = w.StartCursor()
	}
	if on != nil {
		r.opts.From = on
	}
	r.opts.MaxRows -= len(w.Rows())
	return &part{w, 0, len(w.Rows())}
}

// resume continues from a window that was read elsewhere, and returns it as the next part; nil if no more rows may be
// read.
func (r *toEnd) resume(w *pagination.Window) (*part, error) {
	if r.scan == nil {
		return nil, nil
	}
	last := !r.opts.Up && !w.HasNext() || r.opts.Up && !w.HasPrevious()
	read, from, err := trim(w, r.opts.Up, last)
	if err != nil {
		return nil, err
	}
	r.scan.Close()
	r.scan, r.ended = nil, last
	r.opts.MaxRows -= read.to - read.from
	if r.opts.From = from; !last && r.opts.MaxRows > 0 {
		r.scan = r.reader.Scan(r.opts)
	}
	return read, nil
}

func (r *toEnd) close() {
	if r.scan != nil {
		r.scan.Close()
	}
}

// ending returns how a range ends: StopEndOfList, or StopScanLimit if the range continues. more says that the list has
// a row beyond those that were read.
type ending struct {
	stop Stop
	more bool
}

// bounded reads a range that ends at a cursor, as a client does that pages through it.
type bounded struct {
	reader    *pagination.Reader
	rng       relay.Range // what is left of it
	selection pagination.Selection
	most      int // rows that may still be read
	begun     bool
	end       ending
}

func (r *bounded) next(ctx context.Context) (*part, ending, error) {
	if r.end.stop == 0 && r.most <= 0 {
		r.end = ending{StopScanLimit, true}
	}
	if r.end.stop != 0 {
		return nil, r.end, nil
	}
	r.rng.Count = max(1, min(r.most, r.reader.PageRows()*4/5)) // so many are usually got by one request
	n := pagination.Selection{Rows: true, Next: true, Previous: true}
	if r.rng.Backward {
		n.Next = r.selection.Next && !r.begun
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
	if w.Ends() {
		r.end = ending{StopEndOfList, more}
	}
	read, on, err := trim(w, r.rng.Backward, r.end.stop != 0)
	if err != nil {
		return nil, ending{}, err
	}
	if on != nil && r.rng.Backward {
		r.rng.Before = on
	} else if on != nil {
		r.rng.After = on
	}
	r.most -= read.to - read.from
	if read.from == read.to {
		return nil, r.end, nil
	}
	return read, ending{}, nil
}

func (*bounded) close() {}

// trim is the rows of a window that make a part, unless it is the last one. Rows at its far end that cannot be read are
// left to the next scan, which continues from the cursor.
func trim(w *pagination.Window, up, last bool) (*part, *relay.Cursor, error) {
	rows := w.Rows()
	read := &part{w, 0, len(rows)}
	if last {
		return read, nil, nil
	}
	on := w.EndCursor()
	if up {
		on = w.StartCursor()
		for ; read.from < read.to && rows[read.from].Call == nil; read.from++ {
		}
	} else {
		for ; read.from < read.to && rows[read.to-1].Call == nil; read.to-- {
		}
	}
	if on == nil {
		return nil, nil, &upstream.Error{Kind: upstream.KindInvalidResponse, Reason: "no row of a whole page can be read"}
	}
	return read, on, nil
}
