package pagination

// Pagination of a list that moves
//
// Upstream numbers its pages from the newest call. Each call that arrives shifts all rows down by one. Each row that
// leaves (because it was deleted, or its status no longer passes the filter) shifts the rows below it up. So two
// responses of different moments are slices of two different lists. A client that keeps an offset between two requests
// sees rows twice and, worse, loses rows without a trace.
//
// The order of the rows that stay does not change. So a walk holds on to rows and not to an offset. All paging here is
// one question, asked again and again: which rows follow this row (or come before it), in one response of upstream?
//
//   - A cursor knows up to seven calls: its own, and up to three neighbours on either side. It also has its call's
//     position and start time. locate asks for the page that should hold these calls together with the wanted rows. If
//     the list stood still, which is the usual case, that one request is enough.
//   - The evidence for a place is the longest run of the seven calls that have kept their order (span.match). A call
//     that upstream has re-sorted stands out of that order, so the walk does not follow it. A place is sure as soon as
//     the known calls that were not seen yet could not form a longer run elsewhere.
//   - While the place is not sure, the search continues (search.go). Where the list is ordered by time, the time of the
//     cursor's call shows where to look, at any distance. Otherwise the search goes outward from the old position,
//     alternately down and up, up to a bound of rows. Neighbouring pages of the search have rows in common, so it
//     misses no call between two responses.
//   - If the call has left the list, the run of its neighbours marks the place. If all seven calls have left, the time
//     does, where the order by time is clear enough (timing.go).
//   - A window that does not fit one response is continued from its last row by the same question. Two responses are
//     never joined because their page numbers suggest it: a row that both contain proves that they meet. Where it takes
//     several more responses, they are requested in advance (ahead.go).
//   - A page that upstream serves again past the end of the list has true rows at false positions. Positions are hints.
//     Where a position decides something, Reader.anchored makes sure of it first.
//
// Beyond the bound, or where no evidence is left, the cursor has expired. No row is skipped silently. Calls that have
// changed their order are reported (see Reads.Reordered): such a call may be missing from the walk or come twice.
//
// Responses may come from a cache, and a cached response may be older than what the walk has seen: it may lack the
// cursor's call, or have other neighbours, where a filter lets calls into the middle of the list. So a cursor carries
// the moment when its response was requested, and the walk accepts no older response. Only the process
// that made the cursor can compare that moment with its own clock. To any other process the cursor is as old as the
// client's request that brings it.

import (
	"context"
	"errors"
	"math/bits"
	"slices"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// MostRequests returns the most upstream requests that it takes to follow a cursor whose call has moved by shift rows,
// and to read count rows from there, in pages of pageSize rows. Where the call's time does not help, the search goes
// both ways.
func MostRequests(pageSize, shift, count int) int {
	const few = 12             // what must be known about upstream, and the first look
	useful := 4 * pageSize / 5 // rows of a page: those of a search overlap, and pages seldom begin where they should
	pages := func(rows, of int) int { return (rows + of - 1) / of }
	return few + 2*pages(shift, useful) + pages(count, useful-relay.Neighbours-1) // seams are read twice
}

// ErrCursorExpired is returned for a cursor whose place in the list is lost.
var ErrCursorExpired = errors.New("the cursor's place in the list is lost")

// errTooOld is the error of a search in cached responses: fresh ones may show more.
var errTooOld = errors.New("cached responses do not show the place")

// maxLooks is how often a place is looked for: in cached responses, in fresh ones, and in those that were requested
// after the client has probed upstream past the end of the list.
const maxLooks = 3

// locate finds a cursor's place, in a span that reaches behind rows before it and ahead rows after it, as far as the
// list and the size of a page allow.
func (r *Reader) locate(ctx context.Context, c *relay.Cursor, towards direction, behind, ahead int) (place, error) {
	started := r.now()
	look := *r
	look.notBefore = later(r.notBefore, r.oldest(c))
	for range maxLooks {
		s, p, err := look.lookFor(ctx, c, towards, behind, ahead, started)
		if errors.Is(err, errTooOld) {
			look.notBefore = started
			continue
		}
		if err == nil && s.leapt(&p) {
			if err = look.anchored(ctx, &p.span, p.before); errors.Is(err, errListUnsteady) {
				look.notBefore = r.now()
				continue
			}
		}
		if err != nil {
			return place{}, err
		}
		r.trace.judged(s.reordered, false)
		r.observe(c, &p)
		p.doubtful = s.unproven
		return p, nil
	}
	return place{}, errListUnsteady
}

// lookFor looks for a cursor's place once. It returns errTooOld if the responses from before started are not enough:
// cached responses may be older than one another, and only fresh ones can show that a call has left the list, or that a
// place is lost.
func (r *Reader) lookFor(
	ctx context.Context, c *relay.Cursor, towards direction, behind, ahead int, started time.Time,
) (*search, place, error) {
	page, err := r.expected(ctx, c, towards, behind, ahead)
	if err != nil {
		return nil, place{}, err
	}
	cached := page.AskedAt.Before(started)
	s := r.search(c, towards, page)
	if cached && (!s.sure() || s.unproven || s.best.gone()) {
		return nil, place{}, errTooOld
	}
	if err := s.run(ctx); err != nil {
		return nil, place{}, err
	}
	behind, ahead = r.enough(behind), r.enough(ahead)
	p, err := r.complete(ctx, s, behind, ahead)
	if err == nil && cached && p.asked.Before(started) && r.couldReach(&p, behind, ahead) {
		err = errTooOld
	}
	return s, p, err
}

// enough is how many of the wanted rows must come with a place. A scan continues from where these end.
func (r *Reader) enough(rows int) int {
	if r.scans {
		return min(rows, r.largest()/2)
	}
	return rows
}

// oldest is the earliest request time of a response in which the reader may look for a cursor's call.
func (r *Reader) oldest(c *relay.Cursor) time.Time {
	if c.Process == r.process {
		return c.Since
	}
	return r.arrived
}

// expected asks for the page where the cursor's call is expected.
func (r *Reader) expected(
	ctx context.Context, c *relay.Cursor, towards direction, behind, ahead int,
) (*upstream.Page, error) {
	guess, slack := r.expect(c)
	above, below := 0, 0
	if towards == down {
		below = r.readAhead(ahead)
	} else {
		above = r.readAhead(behind)
	}
	lo, hi := guess-behind-slack, guess+1+ahead+slack
	// A neighbour must come with the call: alone it could have been re-sorted to the very position where it stood.
	if (lo == guess || len(c.Before) == 0) && (hi == guess+1 || len(c.After) == 0) {
		if len(c.After) > 0 {
			hi++
		} else {
			lo--
		}
	}
	return r.around(ctx, guess, max(0, lo), hi, above, below)
}

// complete asks once more for the rows around the place that a search has found, if they did not come with it.
func (r *Reader) complete(ctx context.Context, s *search, behind, ahead int) (place, error) {
	p := s.best.place
	if !r.couldReach(&p, behind, ahead) {
		return p, nil
	}
	newer := *r // an older response would have the call elsewhere
	newer.notBefore = later(r.notBefore, p.asked)
	at := p.at(p.before)
	page, err := newer.around(ctx, at, max(0, at-behind), at+1+ahead, 0, 0)
	if err != nil {
		return place{}, err
	}
	whole := r.spanOf(page)
	found := whole.match(s.cursor, s.towards)
	s.saw(&found)
	// Other calls may stand where they were re-sorted to, by chance at the very position.
	common := bits.OnesCount8(found.set & s.best.set)
	same := common > 0 && (whole.at(found.before) == at || common >= min(2, s.best.run))
	if same && found.open == neither && (p.gone() || !found.gone()) {
		return found.place, nil
	}
	return p, nil // the list moved between the two; this is a true response, but a short one
}

// couldReach reports whether another response could hold more of the behind rows before the place and the ahead rows
// after it than its span does.
func (r *Reader) couldReach(p *place, behind, ahead int) bool {
	if p.before >= behind || p.at(0) == 0 {
		if len(p.rows)-p.after >= ahead || p.last {
			return false
		}
	}
	at, from := p.at(p.before), p.at(0)
	rows := relay.Rows{From: max(0, at-behind), To: at + 1 + ahead}
	number, size := relay.Cover(at, rows, rows, *r.sizes)
	return rows.In(number*size, (number+1)*size) > rows.In(from, from+len(p.rows))
}

// followed records how far the call of a client's cursor has moved, and logs a doubtful place for the operator.
func (r *Reader) followed(c *relay.Cursor, p place) {
	if c != nil && p.doubtful {
		r.trace.judged(false, true)
		r.log.Info("a cursor is followed to a likely place: too few of the calls it knows are left to prove it",
			"tenant", r.key.Tenant.String(), "statuses", r.key.Statuses.String())
	}
	if c != nil && !p.gone() {
		r.trace.moved(p.at(p.before) - c.Position)
	}
}

// expect guesses the position of a cursor's call by now, give or take slack rows, from how fast the list moved of late.
func (r *Reader) expect(c *relay.Cursor) (position, slack int) {
	drift, ok := r.drifts.Get(r.key)
	if !ok {
		return c.Position, 0
	}
	const longest = 60 // seconds; how the list moved of late says little about a longer time
	shift := int(drift * max(0, min(longest, r.now().Sub(c.Since).Seconds())))
	shift = max(-c.Position, -r.bound, min(shift, r.bound))
	return c.Position + shift, min(distance(shift, 0)/2, r.largest()/8)
}

// observe keeps how fast a cursor's call has moved since the cursor was made. A movement within a moment says little
// about the next minute. But it shows that the speed kept so far is wrong: a burst of calls ends as suddenly as it
// begins.
func (r *Reader) observe(c *relay.Cursor, p *place) {
	if p.gone() {
		return
	}
	moved, seconds := p.at(p.before)-c.Position, p.asked.Sub(c.Since).Seconds()
	const shortest = 0.1
	if seconds > shortest {
		r.drifts.Add(r.key, float64(moved)/seconds)
		return
	}
	if drift, ok := r.drifts.Get(r.key); ok {
		if expected := int(drift * max(0, seconds)); distance(moved, expected) > distance(moved, 0) {
			r.drifts.Remove(r.key)
		}
	}
}

// readAhead is how many rows to ask for beyond the wanted ones. Where they are few, it is as many again: a client that
// resumes a walk will resume it again, and the next window then comes from the cache.
func (r *Reader) readAhead(wanted int) int {
	if r.cached && wanted <= r.largest()/3 {
		return wanted
	}
	return 0
}

// extendDown appends at least n rows, as far as the list has them. The rows up to the index from stay; one of the last
// rows is the seam.
func (r *Reader) extendDown(ctx context.Context, s *span, from, n int) error {
	wanted := len(s.rows) + n
	read := r.aheadOf(ctx, s, down, n)
	defer read.close()
	for len(s.rows) < wanted && !s.last {
		read.follow(r, s)
		if err := r.readDown(ctx, read, s, from, wanted); err != nil {
			return err
		}
	}
	return nil
}

// extendUp puts at least n rows before the span, as far as the list has them, and returns how many. The rows from the
// index to on stay; one of the first rows is the seam.
func (r *Reader) extendUp(ctx context.Context, s *span, to, n int) (added int, err error) {
	read := r.aheadOf(ctx, s, up, n)
	defer read.close()
	for added < n && s.at(0) > 0 {
		read.follow(r, s)
		more, err := r.readUp(ctx, read, s, to+added, n-added)
		if err != nil {
			return added, err
		}
		added += more
	}
	return added, nil
}

// aheadOf is nil unless the rows that are wanted beyond a span take more than one page.
func (r *Reader) aheadOf(ctx context.Context, s *span, way direction, n int) *ahead {
	if r.concurrency < firstLimit || n <= r.largest()-relay.Neighbours-1 || way == down && s.last {
		return nil
	}
	until := s.at(len(s.rows)) + n
	if way == up {
		until = max(0, s.at(0)-n)
	}
	read := r.readsAhead(ctx, way, until)
	read.exact = true
	return read
}

// readDown appends the rows of one more response, unless the list ends with the span. The span should have wanted rows
// in the end. See extendDown.
func (r *Reader) readDown(ctx context.Context, read *ahead, s *span, from, wanted int) error {
	for tries, had := 0, len(s.rows); len(s.rows) <= had && !s.last; tries++ {
		edge := s.seamBelow(from, 0)
		if edge < 0 || tries == maxTries {
			return errListUnsteady
		}
		p, missing, ok, err := read.join(ctx, r, s, edge)
		if err != nil {
			return err
		}
		if ok {
			s.append(edge, p)
			continue
		}
		seam := s.seamBelow(from, spare(tries))
		rows := wanted - (seam + 1)
		if missing > 0 {
			rows = min(rows, missing)
		}
		c := s.cursor(r.list, seam)
		if p, err = provenSeam(r.locate(ctx, &c, down, 0, rows)); err != nil {
			return err
		}
		seam = p.reseam(s, seam, from, down)
		s.append(seam, p)
	}
	return nil
}

// readUp puts the rows of one more response before the span, unless the list begins with it, and returns how many. See
// extendUp.
func (r *Reader) readUp(ctx context.Context, read *ahead, s *span, to, wanted int) (added int, err error) {
	for tries := 0; added <= 0 && s.at(0) > 0; tries++ {
		edge := s.seamAbove(to+added, 0)
		if edge < 0 || tries == maxTries {
			return added, errListUnsteady
		}
		p, missing, ok, err := read.join(ctx, r, s, edge)
		if err != nil {
			return added, err
		}
		seam := edge
		if !ok {
			seam = s.seamAbove(to+added, spare(tries))
			rows := wanted - added + seam
			if missing > 0 {
				rows = min(rows, missing)
			}
			c := s.cursor(r.list, seam)
			if p, err = provenSeam(r.locate(ctx, &c, up, rows, 0)); err != nil {
				return added, err
			}
			seam = p.reseam(s, seam, to+added, up)
		}
		s.prepend(seam, p)
		added += p.before - seam
	}
	return added, nil
}

// reseam moves the place that was found for a seam to the call at which all rows that both the span and the place have
// fit together, and returns that call's index in the span. A cursor knows few calls; but a call at a seam that was
// re-sorted is often seen among the other rows that were read. The rows before the index stay, or with up those after
// it, are not replaced. If no such call is among the others, the place of the cursor counts.
func (p *place) reseam(s *span, seam, stay int, way direction) int {
	index, its := s.join(&p.span, way)
	if index >= 0 && (index == stay || (index < stay) == (way == up)) {
		p.before, p.after = its, its+1
		return index
	}
	read, near := s.rows[:seam], s.rows[max(0, seam-kept):seam]
	if way == up {
		read = s.rows[seam+1:]
		near = read[:min(kept, len(read))]
	}
	p.skipNone(near, way)
	p.skipRead(read, way)
	return seam
}

// skipNone moves a place that the call has left back to the rows that were read before, if the response has them near
// it. A client's walk takes the rows in between for calls that have just entered the list there, and skips them. But
// one of the calls that mark the place may have been re-sorted. Then nobody has read these rows.
func (p *place) skipNone(read []upstream.Row, way direction) {
	if !p.gone() {
		return
	}
	for i := range kept {
		at, next := p.before-i, p.before-i-1 // the place, and the row beside it that may have been read
		if way == up {
			at, next = p.before+i, p.before+i
		}
		if next < 0 || next >= len(p.rows) {
			return
		}
		if has(read, p.rows[next]) {
			p.before, p.after = at, at
			return
		}
	}
}

// skipRead moves a place past rows that were read before it. They follow it only if its call, or the calls that mark
// it, were re-sorted to a place before theirs.
func (p *place) skipRead(read []upstream.Row, way direction) {
	for way == down && p.after < len(p.rows) && has(read, p.rows[p.after]) {
		p.after++
	}
	for way == up && p.before > 0 && has(read, p.rows[p.before-1]) {
		p.before--
	}
}

// has reports whether rows have the call of a row.
func has(rows []upstream.Row, row upstream.Row) bool {
	return row.Call != nil && slices.ContainsFunc(rows, func(r upstream.Row) bool { return r.Hash == row.Hash })
}

// spare is how many rows beyond a seam are read once more, for the sake of its neighbours. Where a page does not reach
// beyond these, there are none.
func spare(tries int) int {
	if tries > 0 {
		return 0
	}
	return relay.Neighbours
}

// provenSeam returns errListUnsteady where the place of a seam is lost or doubtful. A client's cursor may be days old,
// and a doubtful place is good enough for it. A seam's cursor was made a moment ago: its window is read again.
func provenSeam(p place, err error) (place, error) {
	if errors.Is(err, ErrCursorExpired) || err == nil && p.doubtful {
		return place{}, errListUnsteady
	}
	return p, err
}
