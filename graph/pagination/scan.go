package pagination

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// ScanOptions say which rows a scan reads.
type ScanOptions struct {
	// From is the cursor to read from; nil is the start of the list, or with Up its end.
	From *relay.Cursor
	// Up reads the rows before the cursor, and not those after it. The rows of each part are in the list's order all the
	// same.
	Up bool
	// MaxRows limits the rows that are read; 0 is no limit. If a response shows the end of the list, the scan delivers
	// all rows up to that end, even beyond the limit: the response is one snapshot.
	MaxRows int
}

// Scan reads a list part by part, each row proven to follow the one before, until its consumer has enough. A part has
// the rows that one response adds. From the second part on, the scan reads ahead, at most [Options].Concurrency pages
// at once; Close abandons these. A Scan is for one goroutine.
//
//	scan := reader.Scan(pagination.ScanOptions{From: after})
//	defer scan.Close()
//	for scan.Next(ctx) {
//		part := scan.Part() // a Window: its rows, their positions and their cursors
//		…                   // leave the loop to stop
//	}
//	switch scan.Stopped() { … } // and scan.Err()
//
// A consumer that stops within a part continues from the cursor of the last row that it has used, [Window.Cursor]. The
// rows that were delivered before an error are valid. If responses contradict one another, the scan tries as often as a
// window does, and then returns an error of [upstream.KindInvalidResponse]. Another scan can continue from the last
// cursor, as a client would.
type Scan struct {
	*Reader
	opts ScanOptions
	ctx  context.Context //nolint:containedctx // of what is read ahead; nil is that of the first Next

	span span
	// The rows that were not delivered yet are rows[next:], or with Up rows[:next].
	next    int
	begun   bool
	read    *ahead
	rows    int // delivered
	part    *Window
	stopped Stop
	err     error
}

// Stop is why a scan has stopped.
type Stop int

// The reasons. A scan whose consumer has stopped it has none.
const (
	StopNone      Stop = iota
	StopEndOfList      // there are no more rows
	StopLimit          // ScanOptions.MaxRows were read, and there are more
	StopError          // see Scan.Err: also at the request's deadline, and where its budget is spent
)

// kept is how many delivered rows the scan keeps to prove a seam: some of them may be unreadable.
const kept = 4 * (relay.Neighbours + 1)

// Scan begins a scan. It sends no request upstream yet.
func (r *Reader) Scan(o ScanOptions) *Scan { return &Scan{Reader: r, opts: o} }

// Next reads the next part, and reports whether there is one; a part has at least one row. It sends a request upstream
// only after all rows that were read have been delivered.
func (s *Scan) Next(ctx context.Context) bool {
	s.part = nil
	if s.stopped != StopNone || !s.begin(ctx) {
		return false
	}
	for {
		from, to := s.unrepeated(s.undelivered())
		switch {
		case s.limited(0):
			s.stopped = StopLimit
			return false
		case from < to:
			s.deliver(from, to)
			return true
		case s.ends():
			s.stopped = StopEndOfList
			return false
		}
		if err := s.extend(ctx, s.largest()/2); err != nil {
			return s.failed(err)
		}
	}
}

// Part returns the part that Next has read.
func (s *Scan) Part() *Window { return s.part }

// Stopped returns why Next has returned false; StopNone before that.
func (s *Scan) Stopped() Stop { return s.stopped }

// Err is the error of [StopError]. It is one of those of [Reader.Window].
func (s *Scan) Err() error { return s.err }

// Close ends the requests that read ahead.
func (s *Scan) Close() { s.read.close() }

func (s *Scan) failed(err error) bool {
	s.stopped, s.err = StopError, err
	return false
}

// begin reads the first page, once.
func (s *Scan) begin(ctx context.Context) bool {
	if s.begun {
		return true
	}
	s.begun = true
	var p place
	var err error
	reader := *s.Reader
	reader.scans = true
	if s.opts.Up {
		p, err = reader.finish(ctx, s.opts.From, s.largest())
	} else {
		p, err = reader.start(ctx, s.opts.From, s.largest())
	}
	if err != nil {
		return s.failed(err)
	}
	s.followed(s.opts.From, p)
	s.from(p)
	return true
}

// from continues the scan from a place.
func (s *Scan) from(p place) {
	if s.span, s.next = p.span, p.after; s.opts.Up {
		s.next = p.before
	}
}

// held is how many rows at the far end are held back while the scan continues. The next response may show others there,
// and a seam is proven by calls on both sides of it.
const held = relay.Neighbours + 1

// undelivered are the rows that can be delivered now. The last one is a call, at which the next response can join.
func (s *Scan) undelivered() (from, to int) {
	if from, to = s.next, len(s.span.rows); s.opts.Up {
		from, to = 0, s.next
	}
	if s.ends() || s.limited(to-from) {
		return from, to
	}
	if s.opts.Up {
		from = min(to, held)
	} else {
		to = max(from, to-held)
	}
	for s.opts.Up && from < to && s.span.rows[from].Call == nil {
		from++
	}
	for !s.opts.Up && from < to && s.span.rows[to-1].Call == nil {
		to--
	}
	return from, to
}

// Beyond returns rows that were read and that the next part may begin with. A consumer that searches for a call need
// not wait for them; they count as delivered only with that part.
func (s *Scan) Beyond() []upstream.Row {
	rows := s.span.rows[min(s.next, len(s.span.rows)):]
	if s.opts.Up {
		rows = s.span.rows[:s.next]
	}
	if s.limited(len(rows)) && !s.opts.Up {
		rows = rows[:s.opts.MaxRows-s.rows]
	}
	return rows
}

// ends reports whether the list has no rows beyond those that were read.
func (s *Scan) ends() bool {
	if s.opts.Up {
		return s.span.at(0) == 0
	}
	return s.span.last
}

// unrepeated are those of the rows [from, to) that come next, up to one that is repeated. The scan skips these.
//
// Calls that are re-sorted between two responses can leave two places for a seam that are equally good. Then the search
// takes the one where no call is left out, see [run.compare], and some of the calls that were read before follow again.
func (s *Scan) unrepeated(from, to int) (int, int) {
	if s.opts.Up {
		for to > from && s.repeated(to-1) {
			to--
		}
		for i := to - 1; i >= from; i-- {
			if s.repeated(i) {
				return i + 1, to
			}
		}
		return from, to
	}
	for from < to && s.repeated(from) {
		from++
	}
	for i := from; i < to; i++ {
		if s.repeated(i) {
			return from, i
		}
	}
	return from, to
}

// repeated reports whether the row with index i is a call that the rows next to its response have too, which the scan
// has read before.
func (s *Scan) repeated(i int) bool {
	var read []upstream.Row
	for _, p := range s.span.later {
		switch {
		case !s.opts.Up && p.from <= i:
			read = s.span.rows[max(0, p.from-kept):p.from]
		case s.opts.Up && p.from > i && read == nil:
			read = s.span.rows[p.from:min(p.from+kept, len(s.span.rows))]
		}
	}
	return has(read, s.span.rows[i])
}

// deliver makes a part of the rows [from, to), as many as may be delivered.
func (s *Scan) deliver(from, to int) {
	if s.limited(to - from) {
		if most := s.opts.MaxRows - s.rows; s.opts.Up {
			from = to - most
		} else {
			to = from + most
		}
	}
	if s.next = to; s.opts.Up {
		s.next = from
	}
	s.rows += to - from
	s.part = &Window{span: s.span, from: from, to: to, list: s.list}
}

// limited reports whether no more rows may be delivered after so many further ones.
func (s *Scan) limited(rows int) bool {
	return s.opts.MaxRows > 0 && s.rows+rows >= s.opts.MaxRows && !s.ends()
}

// extend reads one more response. Where a search has to find it, it should have so many rows beyond those that were
// read: with fewer than the largest page has there is room for a call before them, which helps to prove the seam.
func (s *Scan) extend(ctx context.Context, rows int) error {
	s.readAheadOf(ctx)
	if s.opts.Up {
		s.span = s.span.head(s.next + kept)
		added, err := s.readUp(ctx, s.read, &s.span, s.next, rows)
		s.next += added
		return err
	}
	s.next -= s.span.cut(s.next - kept)
	return s.readDown(ctx, s.read, &s.span, s.next-1, len(s.span.rows)+rows)
}

// readAheadOf has pages read ahead of the span.
func (s *Scan) readAheadOf(ctx context.Context) {
	if s.read == nil {
		until := 0
		switch {
		case s.opts.Up && s.opts.MaxRows > 0:
			until = max(0, s.span.at(s.next)-(s.opts.MaxRows-s.rows))
		case !s.opts.Up && s.opts.MaxRows > 0:
			until = s.span.at(s.next) + s.opts.MaxRows - s.rows
		case !s.opts.Up:
			until = math.MaxInt
		}
		if s.ctx != nil {
			ctx = s.ctx
		}
		s.read = s.readsAhead(ctx, direction(s.opts.Up), until)
	}
	reader := s.Reader
	if s.ctx != nil { // the requests may outlive the client's
		outliving := *s.Reader
		outliving.deadline = time.Time{}
		reader = &outliving
	}
	s.read.follow(reader, &s.span)
}

// cut drops the first n rows of a span, if n is positive, and returns how many it has dropped.
func (s *span) cut(n int) int {
	if n <= 0 {
		return 0
	}
	position, parts := s.at(n), s.later
	s.later = nil
	for _, p := range parts {
		if p.from <= n {
			s.began = p.asked
		} else {
			s.later = append(s.later, part{p.from - n, p.position, p.asked})
		}
	}
	s.rows, s.position = s.rows[n:], position
	s.oldest = s.began
	for _, p := range s.later {
		s.oldest = earlier(s.oldest, p.asked)
	}
	return n
}

// head is a span of the first n rows, or of all.
func (s *span) head(n int) span {
	head := *s
	if n < len(s.rows) {
		head.rows, head.last = s.rows[:n:n], false
		head.later = slices.DeleteFunc(slices.Clone(s.later), func(p part) bool { return p.from >= n })
	}
	return head
}

// Walk is one client's walk through a list to its end. It keeps the scan between two of the client's requests, and the
// scan continues to read ahead meanwhile. A request that continues elsewhere begins another scan. A Walk is safe for
// concurrent use.
type Walk struct {
	eager bool
	ctx   context.Context //nolint:containedctx // of what is read ahead, until Close
	stop  context.CancelFunc

	mu   sync.Mutex
	scan *Scan // nil while a request uses it, or there is none
}

// NewWalk makes a walk, which must be closed. An eager walk reads ahead from the first page on, because its client is
// known to continue.
func NewWalk(eager bool) *Walk {
	w := &Walk{eager: eager}
	w.ctx, w.stop = context.WithCancel(context.Background())
	return w
}

// Close ends the requests of the walk. A nil Walk has none.
func (w *Walk) Close() {
	if w == nil {
		return
	}
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.scan != nil {
		w.scan.Close()
	}
}

// take takes the scan that stands after a cursor, for a reader; nil if there is none. Another one is closed.
func (w *Walk) take(r *Reader, after *relay.Cursor) *Scan {
	w.mu.Lock()
	s := w.scan
	w.scan = nil
	w.mu.Unlock()
	if s == nil {
		return nil
	}
	if !s.stands(r, after) {
		s.Close()
		return nil
	}
	s.Reader = r
	return s
}

// put keeps a scan for the next request.
func (w *Walk) put(s *Scan) {
	w.mu.Lock()
	other := w.scan
	w.scan = s
	w.mu.Unlock()
	if other != nil {
		other.Close()
	}
}

// stands reports whether the cursor is that of the last call that a scan has delivered, for a reader to continue from.
// The rows that were read since must not be too old for the reader.
func (s *Scan) stands(r *Reader, after *relay.Cursor) bool {
	if after == nil || s.key != r.key || s.span.oldest.Before(r.notBefore) || r.now().Sub(s.span.oldest) >= aheadLasts {
		return false
	}
	for i := s.next - 1; i >= 0; i-- {
		if s.span.rows[i].Call == nil {
			continue // the cursor is that of an edge, and what cannot be read is none
		}
		if s.span.cursor(s.list, i).String() != after.String() {
			return false
		}
		s.next = i + 1
		return true
	}
	return false
}

// walkOn is forward for a client that walks to the end of the list.
func (r *Reader) walkOn(ctx context.Context, after *relay.Cursor, count, ahead int) (*Window, error) {
	s := r.walk.take(r, after)
	if s == nil {
		s = r.Scan(ScanOptions{From: after})
		s.ctx = r.walk.ctx
		if !s.begin(ctx) {
			return nil, s.err
		}
	}
	for len(s.span.rows)-s.next < ahead+relay.Neighbours && !s.span.last {
		if err := s.extend(ctx, max(ahead+relay.Neighbours, s.largest()/2)); err != nil {
			s.Close()
			return nil, err
		}
	}
	r.trace.readSince(s.span.oldest)
	w := &Window{span: s.span, from: s.next, to: min(s.next+count, len(s.span.rows))}
	s.next = w.to
	if r.walk.eager && !s.span.last {
		s.readAheadOf(ctx) // while the client works
	}
	r.walk.put(s)
	return w, nil
}
