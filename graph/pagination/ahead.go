package pagination

// Reading ahead
//
// A stretch of the list that is longer than a page is covered by pages that each share some rows with the one before.
// Page number and page size are both free, so such pages can be chosen in advance (relay.Below and relay.Above), and
// several of them be requested at once. What they mean for the walk is decided when they are joined, one after another
// and in the order of the list: a page joins the span that was read so far only if it has the span's last calls, next
// to one another (Reader.proves). That is all a seam needs. The calls of a list keep their order, so whatever one
// response shows above a call, and another one below it, fits together, in whichever order upstream made the two.
//
// If the list moved between the two responses, the page may not have these calls. Then the page is put back, and the
// search (Reader.locate) continues from the last call, with a response that is requested now. Often that response leads
// to where the page begins, which then proves itself. If it does not, all pages that were read ahead are dropped, and
// new ones are chosen from where the walk is, with a larger overlap.

import (
	"context"
	"slices"
	"sync"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

const (
	// firstOverlap is how many rows a page has in common with the one before, at first. In a list that stands still two
	// prove a seam; in one that grows at its head the pages that are requested later begin higher, and have more.
	firstOverlap = 2
	// aheadLasts is for how long a page that was read ahead is good, since it was requested: as long as a page is fresh
	// in the page cache by default. The consumer may have paused. A page from the cache may be older.
	aheadLasts = 15 * time.Second
)

// ahead reads pages ahead of a span that grows in one direction, and at least the one that is needed next. A nil ahead
// reads none.
type ahead struct {
	way     direction
	limiter *limiter
	holder  upstream.Holder // nil: pages are not counted
	ctx     context.Context //nolint:containedctx // of the requests, which may outlive the one that began them
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	reader  Reader // whose requests these are: a copy
	queue   []*tile
	edge    int  // the pages that were chosen reach to this position
	until   int  // and pages beyond this one are not wanted,
	exact   bool // nor rows
	overlap int
	tried   *tile // this page has been put back once
	dropped bool  // all pages were dropped, and the search continues
	full    bool  // there was no memory for a page
	closed  bool
}

// tile is a page that is read ahead. From when it has come until it leaves the queue, it is counted in the memory of
// the process.
type tile struct {
	opts  upstream.ListCallsOptions
	early bool          // it was requested before it was waited for
	done  chan struct{} // closed when page and err are set
	page  *upstream.Page
	err   error
	held  bool      // it is counted
	left  bool      // it has left the queue
	asked time.Time // when this reader or, if later, the page cache requested it
}

// errNoMemory is the error of a page for which there is no memory.
var errNoMemory = upstream.Overloaded("there is not enough memory for a page that was read ahead")

// begins and ends are the rows [begins, ends) of the list that were requested.
func (t *tile) begins() int { return t.opts.Page * t.opts.PageSize }
func (t *tile) ends() int   { return t.begins() + t.opts.PageSize }

// readsAhead prepares to read ahead of a span, whose rows are wanted up to the position until. The requests end with
// ctx.
func (r *Reader) readsAhead(ctx context.Context, way direction, until int) *ahead {
	p, ok := r.limiters.Get(r.key.Tenant)
	if !ok {
		p = newLimiter(r.concurrency)
		if other, ok, _ := r.limiters.PeekOrAdd(r.key.Tenant, p); ok {
			p = other
		}
	}
	a := &ahead{way: way, limiter: p, holder: r.holder, until: until, overlap: firstOverlap}
	a.ctx, a.cancel = context.WithCancel(ctx)
	return a
}

// close ends the requests, and waits until they have ended.
func (a *ahead) close() {
	if a == nil {
		return
	}
	a.mu.Lock()
	a.closed = true
	a.leave(len(a.queue))
	a.mu.Unlock()
	a.cancel()
	a.running.Wait()
}

// follow has pages read ahead of the span, on behalf of a reader.
func (a *ahead) follow(r *Reader, s *span) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reader = *r
	sizes := *r.sizes // which the reader changes
	a.reader.sizes = &sizes
	a.reader.notBefore = later(r.notBefore, s.asked)
	if len(a.queue) == 0 {
		a.edge, a.tried, a.dropped = s.edge(a.way), nil, false
	}
	a.fill()
}

// edge is the position at which a span continues in a direction: next to its last call there. Rows that cannot be read
// prove nothing.
func (s *span) edge(way direction) int {
	if way == up {
		return s.at(max(0, s.seamAbove(len(s.rows)-1, 0)))
	}
	return s.at(s.seamBelow(0, 0) + 1)
}

// fill asks for further pages, as far as they are wanted and the limiter allows. The caller holds the lock.
func (a *ahead) fill() {
	for !a.closed && !a.full && len(a.queue) < a.limiter.most && a.limiter.most > 1 {
		number, size := a.next()
		if size == 0 {
			return
		}
		request := a.limiter.take()
		if request == 0 {
			return
		}
		a.ask(number, size, request)
	}
}

// ask asks for a page. Its number in the limiter is that of a request; 0 is for a page that is waited for. The caller
// holds the lock.
func (a *ahead) ask(number, size, request int) {
	opts := a.reader.options()
	opts.Page, opts.PageSize = number, size
	opts.From, opts.To = max(number*size, a.edge-a.overlap), (number+1)*size
	if a.way == up {
		opts.From, opts.To = number*size, min((number+1)*size, a.edge+a.overlap)
	}
	t := &tile{opts: opts, early: request > 0, done: make(chan struct{})}
	a.queue = append(a.queue, t)
	if a.edge = t.ends(); a.way == up {
		a.edge = t.begins()
	}
	calls, now := a.reader.calls, a.reader.now
	a.running.Go(func() {
		began := now()
		t.page, t.err = calls.ListCalls(a.ctx, t.opts)
		if request > 0 {
			fresh := t.err == nil && !t.page.AskedAt.Before(began)
			a.limiter.done(request, now().Sub(began), fresh, t.page, t.err)
		}
		if t.asked = began; t.err == nil {
			t.asked = later(began, t.page.AskedAt)
		}
		a.came(t)
		close(t.done)
	})
}

// next is the page that comes next; its size is 0 where none is wanted.
func (a *ahead) next() (number, size int) {
	most := a.reader.sizes.Most
	sizes := relay.Sizes{Least: max(a.reader.sizes.Least, min(fewestRows, most/2)), Most: most}
	if a.way == up {
		return a.nextAbove(sizes)
	}
	until, known := a.until, a.exact
	if total, ok := a.reader.totals.Get(a.reader.key); ok && total > a.edge && total < until {
		until, known = total+1, true // with room for the next row, which shows the end
	}
	if a.edge >= until {
		return 0, 0
	}
	rest := relay.Rows{From: max(0, a.edge-a.overlap), To: until}
	if number, size = covers(rest.From, rest, sizes); known && size > 0 {
		return number, size
	}
	return relay.Below(a.edge, a.overlap, sizes)
}

func (a *ahead) nextAbove(sizes relay.Sizes) (number, size int) {
	if a.edge <= a.until {
		return 0, 0
	}
	rest := relay.Rows{From: a.until, To: a.edge + a.overlap}
	if number, size = covers(rest.To-1, rest, sizes); a.exact && size > 0 {
		return number, size
	}
	return relay.Above(a.edge, a.overlap, sizes)
}

// covers is the smallest page that has all the rows, the row anchor among them; its size is 0 where none has.
func covers(anchor int, rows relay.Rows, sizes relay.Sizes) (number, size int) {
	if rows.To-rows.From > sizes.Most {
		return 0, 0
	}
	number, size = relay.Cover(anchor, rows, rows, sizes)
	if rows.In(number*size, (number+1)*size) < rows.To-rows.From {
		return 0, 0
	}
	return number, size
}

// came takes a page into account that has come. Where there is no memory for it, it is dropped, and from then on one
// page is read after the other.
func (a *ahead) came(t *tile) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case t.err != nil || t.left || !t.early || a.holder == nil:
	case a.holder.Hold(t.page):
		t.held = true
	default:
		t.page, t.err, a.full = nil, errNoMemory, true
	}
	if t.err == nil && t.page.Last() && a.way == down {
		a.until = min(a.until, t.ends()) // nothing follows
	}
	if t.err == nil {
		a.fill()
	}
}

// join returns the place in the next page that was read ahead at which the span continues: after its row with index
// seam, or before it. ok is false where no page proves one. Then missing is how many rows should lead from the seam to
// where the next page begins; 0 where there is none.
func (a *ahead) join(ctx context.Context, r *Reader, s *span, seam int) (p place, missing int, ok bool, err error) {
	t := a.first()
	if t == nil {
		return place{}, 0, false, nil
	}
	select {
	case <-t.done:
	case <-ctx.Done():
		return place{}, 0, false, context.Cause(ctx)
	}
	good := t.err == nil && !t.page.AskedAt.Before(r.notBefore) && r.now().Sub(t.asked) < aheadLasts
	if good {
		if p, ok = r.proves(t.page, s, seam, a.way); ok {
			r.trace.readPage(t.opts, t.page)
			if provesEnd(t.page) {
				r.totals.Add(r.key, t.page.End())
			}
		}
	}
	return p, a.settle(t, ok, good, s, seam), ok, nil
}

// first is the next page. Where none was read ahead it is requested now; nil is where none is wanted.
func (a *ahead) first() *tile {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 && !a.dropped {
		if number, size := a.next(); size > 0 {
			a.ask(number, size, 0)
		}
	}
	if len(a.queue) == 0 {
		return nil
	}
	return a.queue[0]
}

// settle takes a page from the queue that has joined the span, or is of no use. A page that does not prove a seam stays
// there once, if rows are missing between the span and its beginning; it returns how many.
func (a *ahead) settle(t *tile, joined, good bool, s *span, seam int) (missing int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if joined {
		a.leave(1)
		return 0
	}
	const few = 2 // one in so many of the rows of a page: by more, a list seldom moves meanwhile
	missing = a.reader.largest() / few
	switch {
	case good && a.tried != t:
		a.tried, a.overlap = t, min(2*a.overlap, a.reader.largest()/4)
	case !good && len(a.queue) > 1: // the next one may be of use
		a.leave(1)
		begins := a.queue[0].begins() + a.overlap - s.at(seam)
		if a.way == up {
			begins = s.at(seam) - (a.queue[0].ends() - a.overlap)
		}
		missing = max(missing, begins)
	default:
		a.leave(len(a.queue))
		a.dropped, missing = true, 0
	}
	return missing
}

// leave takes the first pages from the queue, so many. The caller holds the lock.
func (a *ahead) leave(pages int) {
	for _, t := range a.queue[:pages] {
		if t.left = true; t.held {
			a.holder.Release(t.page)
		}
	}
	clear(a.queue[:pages]) // the array would keep them in memory
	a.queue = a.queue[pages:]
}

// proves returns the place in a page that was read ahead at which a span continues, after its call with index seam or
// before it. ok is false where the page does not prove it beyond doubt: it must have the last calls of the span there,
// as many as a cursor has on one side and its own, next to one another and in their order. A call that was re-sorted is
// not next to the others. Where the page begins with fewer of them, at least two, these must stand where they stood:
// the list has not moved.
func (r *Reader) proves(page *upstream.Page, s *span, seam int, way direction) (p place, ok bool) {
	call := s.rows[seam].Call
	at := slices.IndexFunc(page.Rows, func(row upstream.Row) bool { return row.Call != nil && row.Call.ID == call.ID })
	if at < 0 || way == down && page.Offset() > s.at(seam) { // there it may be past the end of the list, see anchored
		return place{}, false
	}
	step, calls := -1, 0
	if way == up {
		step = 1
	}
	for i, j := seam, at; calls <= relay.Neighbours; i, j = i+step, j+step {
		if i < 0 || i == len(s.rows) || j < 0 || j == len(page.Rows) {
			break
		}
		mine, its := s.rows[i].Call, page.Rows[j].Call
		if (mine == nil) != (its == nil) || mine != nil && mine.ID != its.ID {
			return place{}, false
		}
		if mine != nil {
			calls++
		}
	}
	stands := page.Offset()+at == s.at(seam)
	if calls <= relay.Neighbours && (calls < 2 || !stands) {
		return place{}, false
	}
	return place{span: r.spanOf(page), before: at, after: at + 1}, true
}
