package filter

// Scans
//
// Upstream filters by the status of an order alone, so all other filters are the gateway's: a scan reads the rows of a
// range, part by part, and keeps those that pass. The parts follow one another as package pagination proves it, so a
// filter changes nothing about which rows are walked: a cursor is good with any filter.
//
// A scan is bounded, so it may end before it has found as many rows as were requested. The page then has fewer rows,
// or none, and the place where the scan stopped is a cursor to continue from. Whether anything follows is judged by the
// rows that were read and never by those that passed.
//
// A filter by time ends a scan early where the list is seen to be ordered by time: see [order].

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// Stop is why a scan has ended.
type Stop uint8

// The reasons.
const (
	StopPageFull  Stop = iota + 1 // as many rows were found as were requested
	StopEndOfList                 // the list ended, or the range between the cursors did
	StopTimeRange                 // by the order of the list, no other row can be in the filter's range of times
	StopScanLimit                 // as many rows were read as one request may read; fewer on overload
	StopDeadline                  // the time for the request was over
)

// Report says how far a scan has read, and why it stopped.
type Report struct {
	Examined  int // rows
	StoppedBy Stop

	// CutShort says that the scan was ended by the deadline, or because the gateway is overloaded: another time it may
	// find more.
	CutShort bool

	reachedAt *string
}

// ReachedAt is when the last of the calls started that were looked at and have started, as RFC 3339 text; nil if there
// is none.
func (r *Report) ReachedAt() *string { return r.reachedAt }

// Complete reports whether a longer scan would find nothing else.
func (r *Report) Complete() bool { return r.StoppedBy == StopEndOfList || r.StoppedBy == StopTimeRange }

// Options are the bounds of a scan.
type Options struct {
	// MaxPages is how many pages it may read, of the rows that the largest page has.
	MaxPages int
	// Deadline is when the request for which it reads ends; zero is never.
	Deadline time.Time
	// Pages counts the pages that the scan uses; nil counts none.
	Pages upstream.Holder
}

// ErrScanLimit is the error of a count that would take more pages than it may read.
var ErrScanLimit = errors.New("the list goes on after the pages in which matches were counted")

// scan looks for rows that pass a filter.
type scan struct {
	Report
	reader  *pagination.Reader
	filter  *Filter
	opts    Options
	rng     relay.Range
	most    int                               // matches to look for; -1 for all
	visit   func(w *pagination.Window, i int) // is called for each match
	parts   parts
	held    held
	matches int // so far

	seen map[uint64]struct{} // the hashes of the ids of the matches
	seed maphash.Seed

	began      *relay.Cursor // the first row that was looked at
	stopped    *relay.Cursor // the last one
	moreBehind bool          // the list has a row before those that were read, seen in the direction of the scan
	moreAhead  bool          // the list has a row after them, likewise
	problems   []error
	order      order
	jumped     bool           // the place where the range of times begins was looked for
	last       *upstream.Call // of those of which it is known when they started; nil if there is none
	cause      error          // why the scan was cut short
}

func newScan(
	reader *pagination.Reader, rng relay.Range, n pagination.Selection, filter *Filter, opts Options,
) *scan {
	return &scan{
		reader: reader, filter: filter, opts: opts, rng: rng, most: -1, visit: func(*pagination.Window, int) {},
		parts: partsOf(reader, rng, n, opts.MaxPages*reader.PageRows()),
		seen:  map[uint64]struct{}{}, seed: maphash.MakeSeed(),
		held:  held{opts.Pages, map[*upstream.Page]bool{}},
		order: newOrder(!rng.Backward, filter.times),
	}
}

// end ends what is read ahead, and gives back what the scan has used.
func (s *scan) end() {
	s.parts.close()
	s.held.end()
}

// run reads until it is known why the scan ends.
func (s *scan) run(ctx context.Context) error {
	defer s.report()
	for s.StoppedBy == 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		read, end, err := s.next(ctx)
		switch {
		case err == nil && read == nil:
			s.StoppedBy, s.moreAhead = end.stop, end.more
		case err == nil:
			err = s.take(read)
			if err == nil && s.StoppedBy == 0 && !s.jumped && s.order.rangeAhead() {
				err = s.jump(ctx)
			}
		}
		if err != nil && s.stopped != nil {
			err = s.cutShort(err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// report completes the report. It keeps no page in memory.
func (s *scan) report() {
	if s.last != nil {
		s.reachedAt = new(strings.Clone(upstream.Unquote(s.last.JSON(upstream.FieldStartedAt))))
	}
}

// next reads the next part.
func (s *scan) next(ctx context.Context) (read *part, end ending, err error) {
	if s.stopped != nil && !s.opts.Deadline.IsZero() && !time.Now().Before(s.opts.Deadline) {
		return nil, ending{}, context.DeadlineExceeded
	}
	read, end, err = s.parts.next(ctx)
	if err == nil && s.Examined == 0 && s.start() != nil {
		s.moreBehind = true
		if read != nil && s.rng.Backward {
			s.moreBehind = read.window.HasNext()
		} else if read != nil {
			s.moreBehind = read.window.HasPrevious()
		}
	}
	return read, end, err
}

// start is the cursor that the scan begins at; nil is an end of the list.
func (s *scan) start() *relay.Cursor {
	if s.rng.Backward {
		return s.rng.Before
	}
	return s.rng.After
}

// take looks at the rows of a part. The error says that there is no memory for their pages.
func (s *scan) take(read *part) error {
	if !s.held.move(read.window.Rows()) {
		return upstream.ErrNoMemory
	}
	i, end, step := read.from, read.to, 1
	if s.rng.Backward {
		i, end, step = read.to-1, read.from-1, -1
	}
	last := -1 // of those that can be read
	for ; i != end && s.StoppedBy == 0; i += step {
		s.examine(read.window, i)
		if read.window.Rows()[i].Call != nil {
			last = i
		}
		if s.matches == s.most {
			s.StoppedBy, s.moreAhead = StopPageFull, i != end-step
		}
	}
	if last >= 0 {
		cursor := read.window.Cursor(last)
		s.stopped = &cursor
	}
	if s.StoppedBy == 0 && s.order.rangePassed() {
		s.StoppedBy, s.moreAhead = StopTimeRange, false
	}
	return nil
}

// examine looks at a row.
func (s *scan) examine(w *pagination.Window, i int) {
	s.Examined++
	row := w.Rows()[i]
	if row.Call == nil {
		s.problems = append(s.problems, w.Problem(i))
		return
	}
	if row.Started != 0 {
		s.last = row.Call
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
		return
	}
	s.seen[hash] = struct{}{}
	s.matches++
	s.visit(w, i)
}

// cutShort ends a scan that cannot be continued, or returns the error.
func (s *scan) cutShort(err error) error {
	spent, budget := errors.AsType[*upstream.RequestBudgetError](err)
	failure, failed := errors.AsType[*upstream.Error](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), failed && failure.Kind == upstream.KindTimeout:
		s.StoppedBy, s.CutShort, s.cause = StopDeadline, true, err
	case failed && failure.Kind == upstream.KindOverloaded: // no memory, or too many requests wait
		s.StoppedBy, s.CutShort, s.cause = StopScanLimit, true, err
	case budget && spent.RetryAfter == 0:
		s.StoppedBy = StopScanLimit
	default:
		return err
	}
	s.moreAhead = true
	return nil
}

// Page is those rows of a range that pass a filter.
type Page struct {
	Report
	rows           []upstream.Row // in the list's order
	cursors        []relay.Cursor // of the rows. A window may have rows of another page, and would keep that in memory
	began, stopped *relay.Cursor
	backward       bool
	next, previous bool
	problems       []error
	held           *held // the pages of the matches; nil without any
}

// Read reads those rows of a range that pass the filter. Once it has read something, the end of the time, of the memory
// or of the budget for the request is no error. Its other errors are those of [pagination.Reader.Window]. The page must
// be released.
func (f *Filter) Read(
	ctx context.Context, reader *pagination.Reader, rng relay.Range, n pagination.Selection, opts Options,
) (*Page, error) {
	if rng.Count == 0 {
		return readNone(ctx, reader, rng, n)
	}
	s := newScan(reader, rng, n, f, opts)
	defer s.end()
	p := &Page{backward: rng.Backward, held: &s.held}
	s.most, s.visit = rng.Count, func(w *pagination.Window, i int) {
		row := w.Rows()[i]
		p.rows, p.cursors = append(p.rows, row), append(p.cursors, w.Cursor(i))
		s.held.keep(row.Call)
	}
	err := s.run(ctx)
	if err == nil && (n.Next && !rng.Backward || n.Previous && rng.Backward) {
		err = s.lookAhead(ctx)
	}
	if err != nil {
		p.Release()
		return nil, err
	}
	p.Report, p.began, p.stopped, p.problems = s.Report, s.began, s.stopped, s.problems
	if p.stopped == nil {
		p.stopped = s.start()
	}
	if p.next, p.previous = s.moreAhead, s.moreBehind; rng.Backward {
		p.next, p.previous = s.moreBehind, s.moreAhead
		slices.Reverse(p.rows)
		slices.Reverse(p.cursors)
	}
	return p, nil
}

// lookAhead finds out whether the list continues after the last row that was read, where that is not known.
func (s *scan) lookAhead(ctx context.Context) error {
	if s.StoppedBy != StopPageFull || s.moreAhead {
		return nil
	}
	read, end, err := s.next(ctx)
	if err != nil {
		return s.cutShort(err)
	}
	s.moreAhead = read != nil || end.more
	return nil
}

// readNone returns the page for a request of no rows.
func readNone(
	ctx context.Context, reader *pagination.Reader, rng relay.Range, n pagination.Selection,
) (*Page, error) {
	n.Rows = false
	w, err := reader.Window(ctx, rng, n)
	if err != nil {
		return nil, err
	}
	p := &Page{
		Report: Report{StoppedBy: StopPageFull}, stopped: rng.After, backward: rng.Backward,
		next: w.HasNext(), previous: w.HasPrevious(),
	}
	if rng.Backward {
		p.stopped = rng.Before
	}
	return p, nil
}

// Count counts the rows of the list that pass the filter. Its error is [ErrScanLimit] if the list is too long for that.
func (f *Filter) Count(ctx context.Context, reader *pagination.Reader, opts Options) (int, error) {
	s := newScan(reader, relay.Range{}, pagination.Selection{}, f, opts)
	defer s.end()
	switch err := s.run(ctx); {
	case err != nil:
		return 0, err
	case s.CutShort:
		return 0, s.cause
	case !s.Complete():
		return 0, ErrScanLimit
	}
	return s.matches, nil
}

// Each calls visit for the calls of the list that pass the filter, as far as one scan reads, and returns the errors of
// the rows that could not be read. An error of visit ends the scan.
func (f *Filter) Each(
	ctx context.Context, reader *pagination.Reader, opts Options, visit func(*upstream.Call) error,
) (Report, []error, error) {
	s := newScan(reader, relay.Range{}, pagination.Selection{}, f, opts)
	defer s.end()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s.visit = func(w *pagination.Window, i int) {
		if ctx.Err() != nil {
			return
		}
		if err := visit(w.Rows()[i].Call); err != nil {
			stop(err)
		}
	}
	err := s.run(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return s.Report, s.problems, err
}

// Release says that the rows of the page are not used any longer.
func (p *Page) Release() {
	if p.held != nil {
		p.held.releaseAll()
	}
}

// Rows are the rows of the page, all of which could be read.
func (p *Page) Rows() []upstream.Row { return p.rows }

// AppendCursor appends the text of the i-th row's cursor.
func (p *Page) AppendCursor(b []byte, i int) []byte { return p.cursors[i].Append(b) }

// HasNext reports whether rows of the list follow those that were read, and can pass the filter.
func (p *Page) HasNext() bool { return p.next }

// HasPrevious reports whether rows of the list come before those that were read, and can pass the filter.
func (p *Page) HasPrevious() bool { return p.previous }

// StartCursor is where a walk up the list continues from the page, nil if nothing was read.
func (p *Page) StartCursor() *relay.Cursor {
	if p.backward {
		return p.stopped
	}
	return p.edge(0)
}

// EndCursor is where a walk down the list continues from the page, nil if nothing was read.
func (p *Page) EndCursor() *relay.Cursor {
	if !p.backward {
		return p.stopped
	}
	return p.edge(len(p.rows) - 1)
}

// edge is the cursor of a row at the end of the page that the scan began with, or of the first row that it read.
func (p *Page) edge(i int) *relay.Cursor {
	if len(p.rows) == 0 {
		return p.began
	}
	return &p.cursors[i]
}

// Problems are the errors of the rows that were read and are no edges, as [pagination.Window.Problems] has them.
func (p *Page) Problems() []error { return p.problems }
