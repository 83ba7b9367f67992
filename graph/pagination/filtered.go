package pagination

// Filters
//
// Upstream filters by the status of an order alone, so all other filters are the gateway's: a scan reads the rows of a
// range, one run after the other, and keeps those that pass. The runs follow one another as the pages of a client
// that walks the list do, with the same guarantee, so a filter changes nothing about which rows are walked: a cursor
// is good with any filter.
//
// A scan is bounded, so it may end before it has found as many rows as were asked for. The page then has fewer rows,
// or none, and the place where the scan stopped is a cursor to go on from. Whether anything follows is judged by the
// rows that were read and never by those that passed.
//
// A filter by time ends a scan early where the list is seen to be ordered by time: see [order].

import (
	"context"
	"errors"
	"hash/maphash"
	"math"
	"slices"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// Filter decides which calls a client gets.
type Filter interface {
	// Match reports whether a call passes.
	Match(call *upstream.Call) bool
	// Times are the milliseconds [from, before) since 1970 at which a call that passes can have started. A call of
	// which that is not known passes only where they are all there are: math.MinInt64 and math.MaxInt64.
	Times() (from, before int64)
}

// Stop is why a scan has ended.
type Stop uint8

// The reasons.
const (
	PageFull  Stop = iota + 1 // as many rows were found as were asked for
	EndOfList                 // the list ended, or the range between the cursors did
	TimeRange                 // by the order of the list, no other row can be in the filter's range of times
	ScanLimit                 // as many rows were read as one request may read
	Deadline                  // the time for the request was over
)

// Scan is what a scan has looked at.
type Scan struct {
	Examined  int // rows
	StoppedBy Stop
	ReachedAt *upstream.Call // the last of them of which it is known when it started; nil if there is none
}

// Complete reports whether no row was left out that a longer scan would find.
func (s *Scan) Complete() bool { return s.StoppedBy == EndOfList || s.StoppedBy == TimeRange }

// Filtered is a page of those rows of a range that pass a filter.
type Filtered struct {
	Scan
	rows           []upstream.Row // in the list's order
	places         []scanned      // of the rows
	stopped        *relay.Cursor  // where the scan stopped; nil where it has read nothing
	began          *relay.Cursor  // the row that it began with
	backward       bool
	next, previous bool
	problems       []error
}

// Rows are the rows of the page, all of which could be read.
func (f *Filtered) Rows() []upstream.Row { return f.rows }

// Cursor is the cursor of the i-th row.
func (f *Filtered) Cursor(i int) relay.Cursor { return f.places[i].cursor() }

// HasNext reports whether rows of the list follow those that were read, or some of them can pass the filter.
func (f *Filtered) HasNext() bool { return f.next }

// HasPrevious reports whether rows of the list come before those that were read, or some of them can pass the filter.
func (f *Filtered) HasPrevious() bool { return f.previous }

// StartCursor is where a walk up the list goes on from the page, nil if nothing was read.
func (f *Filtered) StartCursor() *relay.Cursor {
	if f.backward {
		return f.stopped
	}
	return f.edge(0)
}

// EndCursor is where a walk down the list goes on from the page, nil if nothing was read.
func (f *Filtered) EndCursor() *relay.Cursor {
	if !f.backward {
		return f.stopped
	}
	return f.edge(len(f.rows) - 1)
}

// edge is the cursor of a row at the end of the page that the scan began with, or of the first row that it read.
func (f *Filtered) edge(i int) *relay.Cursor {
	if len(f.rows) == 0 {
		return f.began
	}
	cursor := f.Cursor(i)
	return &cursor
}

// Problems are the errors of the rows that could not be read, as [Window.Problems] has them.
func (f *Filtered) Problems() []error { return f.problems }

// Filtered reads the rows of a range that pass a filter, from as many rows as maxPages pages of the largest size have.
// Its errors are those of [Reader.Window]. Once it has read something, the end of the time or of the budget for the
// request is no error.
func (r *Reader) Filtered(
	ctx context.Context, rng relay.Range, n Selection, filter Filter, maxPages int,
) (*Filtered, error) {
	if rng.Count == 0 {
		return r.filteredNone(ctx, rng, n)
	}
	s := r.scanOf(rng, filter, maxPages)
	s.bothFlags = n
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	return s.page(), nil
}

// filteredNone is a page that no rows were asked for.
func (r *Reader) filteredNone(ctx context.Context, rng relay.Range, n Selection) (*Filtered, error) {
	n.Rows = false
	w, err := r.Window(ctx, rng, n)
	if err != nil {
		return nil, err
	}
	f := &Filtered{
		Scan: Scan{StoppedBy: PageFull}, stopped: rng.After, backward: rng.Backward,
		next: w.HasNext(), previous: w.HasPrevious(),
	}
	if rng.Backward {
		f.stopped = rng.Before
	}
	return f, nil
}

// CountMatching counts the rows of the list that pass a filter. The error is a [*CountLimitError] if the list goes on
// after as many rows as maxPages pages have.
func (r *Reader) CountMatching(ctx context.Context, filter Filter, maxPages int) (int, error) {
	s := r.scanOf(relay.Range{Count: math.MaxInt}, filter, maxPages)
	s.visit = func(scanned) {}
	switch err := s.run(ctx); {
	case err != nil:
		return 0, err
	case s.StoppedBy == Deadline:
		return 0, s.late
	case !s.Complete():
		return 0, &CountLimitError{maxPages}
	}
	return s.matches, nil
}

// CountLimitError is the error of a count that would take more pages than it may read.
type CountLimitError struct{ Pages int }

func (e *CountLimitError) Error() string {
	return "the list goes on after the pages in which matches were counted"
}

// scan looks for rows that pass a filter.
type scan struct {
	*Reader
	Scan
	rng       relay.Range
	filter    Filter
	most      int // rows that may be examined
	bothFlags Selection

	visit    func(scanned)       // is called for each match
	matches  int                 // so far
	seen     map[uint64]struct{} // the hashes of their ids
	seed     maphash.Seed
	found    []scanned // in the order in which they were found
	began    *relay.Cursor
	stopped  *relay.Cursor
	behind   bool // the list has a row before those that were read, seen in the direction of the scan
	ahead    bool // the list has a row after them, likewise
	problems []error
	order    order
	late     error // that of the request which came too late
}

// scanned is a row of a window.
type scanned struct {
	window *Window
	index  int
}

func (s scanned) row() upstream.Row { return s.window.Rows()[s.index] }

func (s scanned) cursor() relay.Cursor { return s.window.Cursor(s.index) }

func (r *Reader) scanOf(rng relay.Range, filter Filter, maxPages int) *scan {
	s := &scan{
		Reader: r, rng: rng, filter: filter, most: maxPages * r.largest(),
		seen: map[uint64]struct{}{}, seed: maphash.MakeSeed(), order: order{down: !rng.Backward},
	}
	s.visit = func(match scanned) { s.found = append(s.found, match) }
	s.order.from, s.order.before = filter.Times()
	return s
}

// run reads until it is known why the scan ends.
func (s *scan) run(ctx context.Context) error {
	for s.StoppedBy == 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		asked := min(s.reach(), s.most-s.Examined)
		w, err := s.read(ctx, asked)
		switch {
		case err == nil:
			err = s.take(w, len(w.Rows()) < asked)
		case s.Examined > 0:
			err = s.cutShort(err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reach is how many rows to read at once: as many as one request to upstream gets behind the place that was reached.
func (s *scan) reach() int {
	from := s.stopped
	if from == nil {
		from = s.first()
	}
	largest := s.largest()
	sizes := relay.Sizes{Least: max(s.sizes.Least, min(fewestRows, largest/2)), Most: largest}
	const more = 1 // it takes a row more to know whether one follows
	switch {
	case from == nil:
		return largest - more
	case s.rng.Backward:
		at := from.Position
		rows := relay.Rows{From: max(0, at+1-largest), To: at + 1}
		number, size := relay.Cover(at, rows, rows, sizes)
		return max(1, at-number*size)
	default:
		at := from.Position
		rows := relay.Rows{From: at, To: at + largest}
		number, size := relay.Cover(at, rows, rows, sizes)
		return max(1, (number+1)*size-(at+1)-more)
	}
}

// first is the cursor that the scan begins at; nil is an end of the list.
func (s *scan) first() *relay.Cursor {
	if s.rng.Backward {
		return s.rng.Before
	}
	return s.rng.After
}

// read reads the next rows.
func (s *scan) read(ctx context.Context, count int) (*Window, error) {
	if s.Examined > 0 && !s.deadline.IsZero() && !s.now().Before(s.deadline) {
		return nil, context.DeadlineExceeded
	}
	rng, n := s.rng, Selection{Rows: true, Next: true, Previous: true}
	rng.Count = count
	if rng.Backward {
		n.Next = s.stopped == nil && s.bothFlags.Next
	} else {
		n.Previous = s.stopped == nil && s.bothFlags.Previous && rng.After != nil
	}
	if s.stopped != nil && rng.Backward {
		rng.Before = s.stopped
	} else if s.stopped != nil {
		rng.After = s.stopped
	}
	w, err := s.Window(ctx, rng, n)
	if err == nil && s.stopped == nil {
		s.behind = w.HasPrevious() && rng.After != nil
		if rng.Backward {
			s.behind = w.HasNext()
		}
	}
	return w, err
}

// take looks at the rows of a window. short says that the range has no other.
func (s *scan) take(w *Window, short bool) error {
	rows := w.Rows()
	s.ahead = w.HasNext()
	if s.rng.Backward {
		s.ahead = w.HasPrevious()
	}
	bound := s.rng.Before
	if s.rng.Backward {
		bound = s.rng.After
	}
	last := short || bound == nil && !s.ahead
	progress := -1 // the last row that can be read
	for k := range rows {
		i := k
		if s.rng.Backward {
			i = len(rows) - 1 - k
		}
		if !last && !s.readable(rows, i) {
			break // these rows come once more with the next window, which begins behind the last that can be read
		}
		if s.examine(w, i); rows[i].Call != nil {
			progress = i
		}
		if s.matches == s.rng.Count {
			s.ahead = s.ahead || k < len(rows)-1
			s.StoppedBy = PageFull
			break
		}
	}
	if progress >= 0 {
		cursor := w.Cursor(progress)
		s.stopped = &cursor
	}
	switch {
	case s.StoppedBy == PageFull:
	case last:
		s.StoppedBy = EndOfList
	case progress < 0:
		return errListUnsteady
	case s.order.passed():
		s.StoppedBy, s.ahead = TimeRange, false
	case s.Examined >= s.most:
		s.StoppedBy = ScanLimit
	}
	return nil
}

// readable reports whether a row or one behind it can be read, in the direction of the scan.
func (s *scan) readable(rows []upstream.Row, i int) bool {
	rest := rows[i:]
	if s.rng.Backward {
		rest = rows[:i+1]
	}
	return slices.ContainsFunc(rest, func(row upstream.Row) bool { return row.Call != nil })
}

// examine looks at a row.
func (s *scan) examine(w *Window, i int) {
	s.Examined++
	row := w.Rows()[i]
	if row.Call == nil {
		s.problems = append(s.problems, &UnreadableRowError{w.Position(i), row.Problem})
		return
	}
	if row.Started != 0 {
		s.ReachedAt = row.Call
		s.order.see(row.Started)
	}
	if s.began == nil {
		cursor := w.Cursor(i)
		s.began = &cursor
	}
	if !s.filter.Match(row.Call) {
		return
	}
	hash := maphash.String(s.seed, row.Call.ID) // the id itself would keep its page in memory
	if _, again := s.seen[hash]; again {        // it was re-sorted meanwhile
		s.trace.judged(true, false)
		return
	}
	s.seen[hash] = struct{}{}
	s.matches++
	s.visit(scanned{w, i})
}

// cutShort ends a scan that cannot be continued, or returns the error.
func (s *scan) cutShort(err error) error {
	spent, budget := errors.AsType[*upstream.RequestBudgetError](err)
	failure, failed := errors.AsType[*upstream.Error](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), failed && failure.Kind == upstream.KindTimeout:
		s.StoppedBy, s.late = Deadline, err
	case budget && spent.RetryAfter == 0:
		s.StoppedBy = ScanLimit
	default:
		return err
	}
	return nil
}

// page is the page of what was found.
func (s *scan) page() *Filtered {
	f := &Filtered{
		Scan: s.Scan, stopped: s.stopped, began: s.began, backward: s.rng.Backward, problems: s.problems,
		places: s.found, rows: make([]upstream.Row, len(s.found)),
		next: s.ahead, previous: s.behind,
	}
	if s.rng.Backward {
		slices.Reverse(s.found)
		f.next, f.previous = s.behind, s.ahead
	}
	if f.stopped == nil {
		f.stopped = s.first()
	}
	for i, match := range s.found {
		f.rows[i] = match.row()
	}
	return f
}
