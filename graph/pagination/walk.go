package pagination

// Walking a list that moves
//
// Upstream numbers its pages from the newest call. Every call that arrives shifts all rows down by one, every row that
// leaves (a deletion, or a status that no longer passes the filter) shifts those below it up, and two answers taken at
// different moments are slices of two different lists. An offset kept between two requests therefore shows rows twice
// and, worse, loses rows without a trace.
//
// What does not change is the order of the rows that stay. So a walk holds on to rows, not to an offset. All paging
// here is one question, asked again and again: what follows this row (or comes before it), in one answer of upstream?
//
//   - A cursor knows up to seven calls: its own, and up to three neighbours on either side. It also has its call's
//     position and start time. locate asks for the page that should hold these calls together with the rows wanted. If
//     the list stood still, which is the usual case, that one request is all.
//   - The evidence for a place is the longest run of the seven that have kept their order (span.match). A call that was
//     sorted anew stands out of that order, so it does not take the walk along. A place is sure as soon as the known
//     calls that were not seen yet could not form a longer run elsewhere.
//   - While the place is not sure, the search goes on (search.go). Where the list is seen to be ordered by time, the
//     time of the cursor's call tells where to look, at any distance. Otherwise the search goes outward from the old
//     position, down and up by turns, to a bound of rows. Neighbouring pages of the search have rows in common, so
//     nothing slips past between two answers.
//   - If the call has left the list, the run of its neighbours marks the place. If all seven have left, the time does,
//     where the order by time is clear enough (timing.go).
//   - A window that does not fit one answer is continued from its last row by the same question. Two answers are never
//     laid side by side because their numbers say so: the row that both hold is the proof that they meet.
//
// Beyond the bound, or where nothing tells the place any more, the answer is that the cursor has expired. Nothing is
// skipped silently. Calls that are seen to have changed places are reported (see Report.Reordered): such a call may be
// missing from the walk or come twice.
//
// Answers may come from a cache, and a cached answer may be older than what the walk has seen: it could lack the
// cursor's call, or have its neighbours otherwise, where a filter lets calls into the middle of the list. So a cursor
// carries the moment when the answer that it comes from was asked for, and no older answer is taken. Only the process
// that made the cursor can compare that moment with its own clock; to any other the cursor is as old as the request
// that brings it.

import (
	"context"
	"errors"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// MostRequests is how many requests to upstream it takes at most to follow a cursor whose call has moved by shift
// rows, and to read count rows from there, in pages of pageSize rows: where the call's time does not help, the search
// goes both ways.
func MostRequests(pageSize, shift, count int) int {
	const few = 12             // what is found out about upstream, and the first look
	useful := 4 * pageSize / 5 // rows of a page: those of a search overlap, and pages seldom begin where they should
	pages := func(rows, of int) int { return (rows + of - 1) / of }
	return few + 2*pages(shift, useful) + pages(count, useful-relay.Neighbours-1) // seams are read twice
}

// ErrCursorExpired is the error of a cursor whose place is lost.
var ErrCursorExpired = errors.New("the cursor's place in the list is lost")

// locate finds a cursor's place, in a span that reaches behind rows before it and ahead rows after it, as far as the
// list and the size of a page allow.
func (r *Reader) locate(ctx context.Context, c *relay.Cursor, towards direction, behind, ahead int) (place, error) {
	started := r.now()
	look := *r
	look.notBefore = later(r.notBefore, r.oldest(c))
	for {
		page, err := look.expected(ctx, c, towards, behind, ahead)
		if err != nil {
			return place{}, err
		}
		// Cached answers may be older than one another. Only fresh ones can say that a call has left, or that a place
		// is lost.
		cached := page.AskedAt.Before(started)
		s := look.search(c, towards, page)
		if cached && (!s.sure() || s.best.gone()) {
			look.notBefore = started
			continue
		}
		if err := s.run(ctx); err != nil {
			return place{}, err
		}
		if err := look.settle(ctx, s); err != nil {
			return place{}, err
		}
		p, err := look.complete(ctx, s, behind, ahead)
		if err != nil {
			return place{}, err
		}
		if cached && p.asked.Before(started) && look.couldReach(&p, behind, ahead) {
			look.notBefore = started
			continue
		}
		r.trace.judged(s.reordered, false)
		r.observe(c, &p)
		p.doubtful = s.unproven
		return p, nil
	}
}

// settle decides what neighbours on one side of the cursor's call leave open: it reads on beyond them until the call
// or a neighbour on its other side turns up, or so many rows are there that it cannot be beyond them.
func (r *Reader) settle(ctx context.Context, s *search) error {
	fresh := *r
	fresh.notBefore, fresh.settling = later(r.notBefore, s.best.asked), true
	for reach := 0; s.best.open != neither && !s.settled && reach < r.bound; {
		if r.settling {
			return errListUnsteady // the rows that were read a moment ago are not there any more
		}
		step := min(r.largest(), r.bound-reach)
		reach += step
		p := s.best.place
		var err error
		if s.best.open == below {
			err = fresh.extendDown(ctx, &p.span, 0, step)
		} else {
			_, err = fresh.extendUp(ctx, &p.span, len(p.rows), step)
		}
		if err != nil {
			return err
		}
		found := p.match(s.cursor, s.towards)
		s.saw(&found)
		if found.run == 0 { // the neighbours have left just now
			return errListUnsteady
		}
		s.best = found
	}
	return nil
}

// oldest is when an answer must have been asked for, at the earliest, that a cursor is followed in.
func (r *Reader) oldest(c *relay.Cursor) time.Time {
	if c.Process == r.process {
		return c.Since
	}
	return r.came
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
	// A neighbour must come with the call: by itself it could have been sorted anew to just where it stood.
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
	newer := *r // an older answer would have the call elsewhere
	newer.notBefore = later(r.notBefore, p.asked)
	at := p.at(p.before)
	page, err := newer.around(ctx, at, max(0, at-behind), at+1+ahead, 0, 0)
	if err != nil {
		return place{}, err
	}
	whole := r.spanOf(page)
	found := whole.match(s.cursor, s.towards)
	s.saw(&found)
	same := found.run >= 2 || found.run > 0 && (found.run == s.best.run || whole.at(found.before) == at)
	if same && found.open == neither && (p.gone() || !found.gone()) {
		return found.place, nil
	}
	return p, nil // the list moved between the two; this is a true answer, if a short one
}

// couldReach reports whether another answer could hold more of the behind rows before the place and the ahead rows
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

// followed records for the operator how far the call of a client's cursor has moved, and whether its place is doubtful.
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

// expect guesses where a cursor's call stands by now, from how the list has moved of late, give or take slack rows.
func (r *Reader) expect(c *relay.Cursor) (position, slack int) {
	drift, ok := r.drifts.Get(r.key)
	if !ok {
		return c.Position, 0
	}
	const longest = 60 // seconds; what the list did of late says little about more
	shift := int(drift * max(0, min(longest, r.now().Sub(c.Since).Seconds())))
	shift = max(-c.Position, -r.bound, min(shift, r.bound))
	return c.Position + shift, min(distance(shift, 0)/2, r.largest()/8)
}

// observe remembers how far a cursor's call has moved since the cursor was made. What moves in a moment says little
// about the rest of a minute, but it does say when what was expected is wrong: a burst of calls is over as suddenly as
// it came.
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

// readAhead is how many rows to ask for beyond those wanted: as many again where they are few, because who resumes a
// walk will resume it again, and the next window then comes from the cache.
func (r *Reader) readAhead(wanted int) int {
	if r.cached && wanted <= r.largest()/3 {
		return wanted
	}
	return 0
}

// extendDown appends at least n rows, as far as the list has them. The rows up to the index from stay; one of the last
// rows is the seam.
func (r *Reader) extendDown(ctx context.Context, s *span, from, n int) error {
	wanted, most := len(s.rows)+n, len(s.rows)
	for tries := 0; len(s.rows) < wanted && !s.last; tries++ {
		seam := s.seamBelow(from, spare(tries))
		if seam < 0 || tries == maxTries {
			return errListUnsteady
		}
		c := s.cursor(r.list, seam)
		p, err := provenSeam(r.locate(ctx, &c, down, 0, wanted-(seam+1)))
		if err != nil {
			return err
		}
		s.append(seam, p)
		if len(s.rows) > most {
			tries, most = -1, len(s.rows)
		}
	}
	return nil
}

// extendUp puts at least n rows before the span, as far as the list has them, and returns how many. The rows from the
// index to on stay; one of the first rows is the seam.
func (r *Reader) extendUp(ctx context.Context, s *span, to, n int) (added int, err error) {
	most := 0
	for tries := 0; added < n && s.at(0) > 0; tries++ {
		seam := s.seamAbove(to+added, spare(tries))
		if seam < 0 || tries == maxTries {
			return added, errListUnsteady
		}
		c := s.cursor(r.list, seam)
		p, err := provenSeam(r.locate(ctx, &c, up, n-added+seam, 0))
		if err != nil {
			return added, err
		}
		s.prepend(seam, p)
		added += p.before - seam
		if added > most {
			tries, most = -1, added
		}
	}
	return added, nil
}

// spare is how many rows beyond a seam are read once more, for the sake of its neighbours. Where a page does not reach
// beyond these, there are none.
func spare(tries int) int {
	if tries > 0 {
		return 0
	}
	return relay.Neighbours
}

// provenSeam tells a seam, whose cursor was made a moment ago, from a client's cursor. The place of the latter may be
// lost or doubtful; the rows of the former are read anew then.
func provenSeam(p place, err error) (place, error) {
	if errors.Is(err, ErrCursorExpired) || err == nil && p.doubtful {
		return place{}, errListUnsteady
	}
	return p, err
}
