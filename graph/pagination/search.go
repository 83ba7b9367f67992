package pagination

import (
	"context"
	"slices"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// search looks for a cursor's place. It starts from the page where that is expected.
type search struct {
	*Reader
	cursor  *relay.Cursor
	towards direction
	known   int // calls that the cursor knows

	best    match          // so far
	page    *upstream.Page // that has it; nil if it is in the chain of several pages
	seen    uint8          // the known calls that any page has shown
	withOwn uint8          // those that a page has shown in a run with the cursor's call, or 0
	where   [maxKnown]int  // and the positions where they first stood
	settled bool           // the time shows that there is no better place

	reordered bool // a page has some of them in another order, or not together
	unproven  bool // too few of them were seen to be sure

	first  *upstream.Page   // that was looked at
	looked []*upstream.Page // and all
	same   bool             // two of them began with the same row

	// Rows from the first of top to the last of bottom have been looked at, without a gap; chain is these rows. The next
	// page is below them if downNext, and else above.
	top, bottom *upstream.Page
	chain       span
	downNext    bool
	within      relay.Rows // the positions to look at

	// Where the list is ordered by time: the rows nearest to the cursor's time on either side, and how dense they are.
	timed        bool
	steps        int
	above, below *mark
	density      float64 // rows a millisecond; 0 is unknown
}

// search begins with the page where the cursor's call is expected.
func (r *Reader) search(c *relay.Cursor, towards direction, page *upstream.Page) *search {
	s := &search{
		Reader: r, cursor: c, towards: towards, known: len(c.Before) + 1 + len(c.After),
		first: page, top: page, bottom: page, downNext: true, timed: c.Started != 0,
		within: relay.Rows{From: c.Position - len(c.Before) - r.bound, To: c.Position + len(c.After) + r.bound},
	}
	s.chain = s.spanOf(page)
	s.look(page)
	// If the best place is near the upper end of the page, what is missing is probably just above.
	if s.best.run > 0 && s.best.before < relay.Neighbours && s.best.before < len(page.Rows)-s.best.after {
		s.downNext = false
	}
	return s
}

// sure reports whether no other place can be the right one.
func (s *search) sure() bool { return s.settled || s.best.sure(s.known, s.seen, s.withOwn) }

// look takes a page into account.
func (s *search) look(page *upstream.Page) {
	span := s.spanOf(page)
	found := span.match(s.cursor, s.towards)
	for k := range maxKnown {
		if found.seen&^s.seen>>k&1 == 1 {
			s.where[k] = found.at(found.index[k])
		}
	}
	s.saw(&found)
	if own := len(s.cursor.Before); found.set>>own&1 == 1 && found.run > 1 {
		s.withOwn = found.set
	}
	here, from := found, page
	if len(s.chain.later) > 0 {
		if whole := s.chain.match(s.cursor, s.towards); whole.run >= found.run {
			found, from = whole, nil // the known calls are in two pages
		}
	}
	if found.run > s.best.run || found.run > 0 && found.run == s.best.run && s.better(&found) {
		s.best, s.page = found, from
	}
	for _, other := range s.looked {
		s.same = s.same || page.Offset() != other.Offset() && beginsAlike(page, other)
	}
	s.looked = append(s.looked, page)
	if s.timed && !s.sure() {
		s.compare(page, &span, &here)
	}
}

// saw takes into account which of the known calls a span shows.
func (s *search) saw(found *match) {
	s.seen |= found.seen
	s.reordered = s.reordered || found.outOfOrder(s.cursor)
}

// better reports whether a place is better than the best one so far, whose run is as long: it leaves no side open, or
// is nearer to where the cursor's call stood. The same place with more rows around it is better, too.
func (s *search) better(found *match) bool {
	if (found.open == neither) != (s.best.open == neither) {
		return found.open == neither
	}
	return distance(found.at(found.before), s.cursor.Position) <= distance(s.best.at(s.best.before), s.cursor.Position)
}

// beginsAlike reports whether two pages begin with the same call.
func beginsAlike(a, b *upstream.Page) bool {
	return len(a.Rows) > 0 && len(b.Rows) > 0 && a.Rows[0].Call != nil && b.Rows[0].Call != nil &&
		a.Rows[0].Call.ID == b.Rows[0].Call.ID
}

// leapt reports whether a place is in a page that may be past the end of the list: the page begins below all rows that
// the list had when the cursor was made, and no pages that have rows in common lead there.
func (s *search) leapt(p *place) bool {
	had := s.cursor.Position + len(s.cursor.After)
	return p.position > had && (s.top.Offset() > had || p.position >= s.bottom.End())
}

// run reads pages until the place is sure and settled, or nothing is left to be read within the bound.
func (s *search) run(ctx context.Context) error {
	fresh := *s.Reader
	s.Reader = &fresh
	for !s.sure() {
		fresh.notBefore = later(s.notBefore, s.looked[len(s.looked)-1].AskedAt) // the list may have grown meanwhile
		page, err := s.next(ctx)
		if err != nil {
			return err
		}
		if page == nil {
			break
		}
		s.look(page)
		if s.same {
			if err := s.ignored(ctx); err != nil {
				return err
			}
			return s.servedAgain(ctx)
		}
	}
	if !s.sure() && !s.likely() {
		return ErrCursorExpired
	}
	return s.settle(ctx)
}

// likely reports whether the best place will do although it is not proven: those of the known calls that were not seen
// may have left, or stand beyond the bound.
func (s *search) likely() bool {
	s.unproven = true
	one := s.whole() || s.known <= relay.Neighbours || s.agree() || s.near()
	return s.best.run > 1 || s.best.run == 1 && one
}

// settle reads on where only neighbours on one side of the cursor's call were seen, until the call or a neighbour on
// its other side turns up, or so many rows have been read that the call cannot be beyond them.
func (s *search) settle(ctx context.Context) error {
	if s.page != nil && s.best.open != neither {
		s.top, s.bottom, s.chain = s.page, s.page, s.spanOf(s.page)
	}
	for rows := 0; s.best.open != neither && !s.settled && rows < s.bound; {
		s.notBefore = later(s.notBefore, s.chain.asked)
		before := len(s.chain.rows)
		if _, err := s.readOn(ctx, s.best.open == below); err != nil {
			return err
		}
		rows += max(1, len(s.chain.rows)-before)
		found := s.chain.match(s.cursor, s.towards)
		s.saw(&found)
		if found.run == 0 { // the neighbours have left just now
			return errListUnsteady
		}
		s.best, s.page = found, nil
	}
	return nil
}

// near reports whether the best place is about where it was. A single call that has moved far may have been re-sorted.
func (s *search) near() bool {
	const few = 16 // rows
	return distance(s.best.at(s.best.before), s.cursor.Position) <= few
}

// agree reports whether several known calls were seen, in different pages, and all in their old order: a filter has let
// many calls in between.
func (s *search) agree() bool {
	if s.cursor.List == 0 {
		return false
	}
	count, last := 0, -1
	for k := range maxKnown {
		if s.seen>>k&1 == 0 {
			continue
		}
		if s.where[k] <= last {
			return false
		}
		count, last = count+1, s.where[k]
	}
	return count > 1
}

// whole reports whether the whole list has been looked at.
func (s *search) whole() bool { return s.top.Offset() == 0 && s.bottom.Last() }

// next reads the next page; nil where none is left.
func (s *search) next(ctx context.Context) (*upstream.Page, error) {
	if s.timed && (s.density > 0 || len(s.first.Rows) == 0) {
		if s.steps++; s.steps <= maxSteps {
			return s.byTime(ctx)
		}
		s.timed = false // it leads nowhere
	}
	return s.outward(ctx)
}

// outward reads the page below those that have been looked at, or the one above, by turns.
func (s *search) outward(ctx context.Context) (*upstream.Page, error) {
	mayDown := !s.bottom.Last() && s.bottom.End() <= s.within.To
	mayUp := s.top.Offset() > 0 && s.top.Offset() > s.within.From
	if !mayDown && !mayUp || s.elsewhere() {
		return nil, nil
	}
	only := s.top == s.first && s.bottom == s.first
	if only && len(s.first.Rows) <= s.largest()*3/4 && mayDown && mayUp {
		if page, err := s.bothWays(ctx); page != nil || err != nil {
			return page, err
		}
	}
	goDown := mayDown && (s.downNext || !mayUp)
	s.downNext = !goDown
	return s.readOn(ctx, goDown)
}

// readOn reads the page below the chain, or the one above. The list may move meanwhile: what was read last and what is
// read now must join.
func (s *search) readOn(ctx context.Context, goDown bool) (*upstream.Page, error) {
	for _, overlap := range []int{1 + s.largest()/32, s.largest() / 2} {
		var page *upstream.Page
		var err error
		if goDown {
			from := max(0, s.bottom.End()-overlap)
			page, err = s.get(ctx, from, from, from+s.largest())
		} else {
			to := s.top.Offset() + overlap
			page, err = s.get(ctx, to-1, max(0, to-s.largest()), to)
		}
		switch {
		case err != nil:
			return nil, err
		case goDown && (page.End() > s.bottom.End() || page.Last()) && s.chainOn(page, down):
			s.bottom = page
			return page, nil
		case !goDown && page.Offset() < s.top.Offset() && s.chainOn(page, up):
			s.top = page
			if len(s.bottom.Rows) == 0 { // it was past the end, which may have moved since
				s.bottom = page
			}
			return page, nil
		}
	}
	return nil, errListUnsteady
}

// elsewhere reports whether the place, by the time, is not within the positions to look at: where the list is ordered
// by time, the time is not far off. A single page is not enough: past its end a list may be served from its start.
func (s *search) elsewhere() bool {
	noise := s.noise()
	if !s.timed || s.steps == 0 || noise >= s.largest()/2 {
		return false
	}
	return s.below != nil && s.below.position+noise <= s.within.From ||
		s.above != nil && s.above.position-noise >= s.within.To
}

// bothWays reads a page that reaches beyond the first one on either side: most calls have not moved far. It is nil
// where no page does.
func (s *search) bothWays(ctx context.Context) (*upstream.Page, error) {
	top, bottom := s.top.Offset(), s.bottom.End()
	middle, half := (top+bottom)/2, s.largest()/2
	rows := relay.Rows{From: max(0, middle-half), To: middle + half}
	number, size := relay.Cover(middle, rows, rows, *s.sizes)
	if number*size >= top || (number+1)*size <= bottom {
		return nil, nil
	}
	page, err := s.get(ctx, middle, rows.From, rows.To)
	if err != nil || !meet(s.first, page) {
		return nil, err
	}
	s.top, s.bottom, s.chain = page, page, s.spanOf(page)
	return page, nil
}

// chainOn puts the rows of a page below those of the chain, or above them, and reports whether they join.
func (s *search) chainOn(page *upstream.Page, way direction) bool {
	added := s.spanOf(page)
	if len(s.chain.rows) == 0 { // it was past the end
		s.chain = added
		return true
	}
	seam, i := s.chain.join(&added, way)
	switch p := (place{span: added, before: i, after: i + 1}); {
	case seam < 0:
		return false
	case way == down:
		s.chain.append(seam, p)
	default:
		s.chain.prepend(seam, p)
	}
	return true
}

// join finds the call at which a span continues with the rows of another response, and returns its index in both; -1
// where there is none. It is the outermost of the calls that both have and that were not seen to be re-sorted between
// the two:
//
//   - All other calls that both have are on the same side of it in both. Else they would come twice, or not at all.
//   - What the other response has next to it, on the inner side, the span has too. Else the call itself was moved
//     there, and what lies between its two places would be missing. Where the other response begins with the call, it
//     is the outermost of the span, or the response has others of the span too.
func (s *span) join(other *span, way direction) (index, its int) {
	outermost := s.seamBelow(0, 0)
	if way == up {
		outermost = s.seamAbove(len(s.rows)-1, 0)
	}
	shown, rows := s.shownIn(other, way)
	for k, index := range slices.Backward(shown) {
		if index < 0 || k > 0 && shown[k-1] < 0 {
			continue
		}
		common := func(i int) bool { return i >= 0 }
		if k == 0 && index != outermost && !slices.ContainsFunc(shown[1:], common) {
			continue
		}
		inside := func(i int) bool { return i >= 0 && i != index && (i < index) == (way == down) }
		outside := func(i int) bool { return i >= 0 && i != index && (i > index) == (way == down) }
		if !slices.ContainsFunc(shown[:k], outside) && !slices.ContainsFunc(shown[k+1:], inside) {
			return index, rows[k]
		}
	}
	return -1, -1
}

// shownIn returns for each call of another response, from the inner side, where the span has it (-1 where it has not)
// and where the other response has it.
func (s *span) shownIn(other *span, way direction) (shown, rows []int) {
	at := make(map[relay.Hash]int, len(s.rows))
	for i, row := range s.rows {
		if row.Call != nil {
			at[row.Hash] = i
		}
	}
	for i, row := range other.rows {
		if row.Call != nil {
			index, ok := at[row.Hash]
			if !ok {
				index = -1
			}
			shown, rows = append(shown, index), append(rows, i)
		}
	}
	if way == up {
		slices.Reverse(shown)
		slices.Reverse(rows)
	}
	return shown, rows
}

// meet reports whether two pages have a call in common.
func meet(before, now *upstream.Page) bool {
	for _, row := range now.Rows {
		if row.Call != nil && before.Find(row.Call.ID) != nil {
			return true
		}
	}
	return false
}

// ignored returns errPageIgnored if upstream ignores the number of the page, and serves the same page for each.
func (s *search) ignored(ctx context.Context) error {
	var ids [3]string
	for i, row := range []int{0, upstream.ProbeRows, 0} { // the third shows that the list stood still
		fresh := *s.Reader
		fresh.notBefore = s.now()
		page, err := fresh.probe(ctx, row)
		if err != nil {
			return err
		}
		if at := row - page.Offset(); at < len(page.Rows) && page.Rows[at].Call != nil {
			ids[i] = page.Rows[at].Call.ID
		}
	}
	if ids[0] != "" && ids[0] == ids[1] && ids[1] == ids[2] {
		return errPageIgnored
	}
	return nil
}
