package verify

import (
	"context"
	"errors"
	"net/http"

	"revox-graphql/upstream"
)

// The number of the first page
//
// Page 0 of a server that counts from 1 is an error, or empty, or the first page again. Page 1 of a server that counts
// from 0 is what follows page 0. So page 1 shows the difference: its rows begin where page 0 does, or a page later. But
// the list may move by a page between the two requests. So the verifier requests page 0 with twice the size, before and
// after page 1: its rows show where those of page 1 stand, and how far the list has moved. The verifier accepts a
// number only if it explains these places and the other number does not.
//
// An empty list shows nothing, and neither does a list of one page if upstream serves that page for every number. Then
// the verifier may count from 0, and it stores no finding.

// mostMoves is how many calls may arrive and leave during the probe. If there are more, some of them may have arrived
// and left unseen. Then the next try requests a larger page 1, of at most mostProbed rows.
func (p *probe) mostMoves() int { return max(upstream.ProbeRows, p.rows) - 1 }

const mostProbed = 8 * upstream.ProbeRows

// errMoved: the list moves too much for the responses to show anything.
var errMoved = &upstream.Error{
	Kind: upstream.KindInvalidResponse, Reason: "the first page could not be found out: set its number",
}

// firstNumber returns the number of the first page, and whether that is known. If its requests have fetched the wanted
// page, it stores that page in w.
func (v *Verifier) firstNumber(
	ctx context.Context, whole Fetcher, w *wanted,
) (n upstream.FirstPage, sure bool, err error) {
	if v.set != upstream.FirstPageAuto {
		return v.set, true, nil
	}
	if n, ok := fresh(v, &v.first); ok {
		return n, true, nil
	}
	done, err := v.alone(ctx)
	if err != nil {
		return 0, false, err
	}
	defer done()
	if n, ok := fresh(v, &v.first); ok { // another request has found it
		return n, true, nil
	}
	switch {
	case w.number == 1:
		sure, err = v.byPageOne(ctx, whole, w)
	case w.zero == nil:
		w.zero = v.lastZero()
	}
	if !sure && err == nil {
		n, sure, err = v.probeFirst(ctx, whole, w.zero)
	}
	v.mu.Lock()
	old := v.first
	v.mu.Unlock()
	switch {
	case sure:
		find(v, &v.first, n, findingsLast)
		if (old.until.IsZero() || old.value != n) && v.FirstPage != nil {
			v.FirstPage(int(n))
		}
	case !old.until.IsZero(): // nothing contradicts the old finding
		find(v, &v.first, old.value, findingsRetry)
		return old.value, true, nil
	}
	return n, sure, err
}

// probeFirst finds the number by requests. zero is the response for page 0 that came just now; nil if there is none.
func (v *Verifier) probeFirst(
	ctx context.Context, whole Fetcher, zero *pageZero,
) (n upstream.FirstPage, sure bool, err error) {
	rows := upstream.ProbeRows
	for range v.probeTries() {
		n, sure, err = v.probeFirstOnce(ctx, whole, zero, rows)
		zero = nil
		size, isSize := errors.AsType[*upstream.PageSizeError](err)
		switch {
		case isSize && size.Most > 0:
			rows = max(1, size.Most/2)
		case isSize:
			rows = max(rows, size.Least)
		case !errors.Is(err, errMoved):
			return n, sure, err
		default:
			rows = max(rows, min(2*rows, mostProbed))
		}
	}
	return 0, false, errMoved
}

// probeTries is how many tries the probe has. Moves of the list take tries, and so does each time that the minimum page
// size turns out to be larger.
func (v *Verifier) probeTries() int {
	const tries = 5 // an empty list that grows with each request takes five
	if v.leastSize() == 0 {
		return tries
	}
	return tries + plainRaises
}

// probeFirstOnce compares pages 0 and 1. Its error is errMoved if they show nothing because the list moves.
func (v *Verifier) probeFirstOnce(
	ctx context.Context, whole Fetcher, came *pageZero, rows int,
) (n upstream.FirstPage, sure bool, err error) {
	get := func(number, size int) (*upstream.Page, error) { return v.exactly(ctx, whole, number, size) }
	zero, err := askedZero(get, came, 2*rows)
	if err != nil && !refusesNumber(err) {
		return 0, false, err
	}
	if err != nil || len(zero.Rows) == 0 {
		v.keepFew(0)
		return probeWithoutZero(get, rows, err != nil)
	}
	p := probe{zero: zero, rows: max(1, v.leastSize(), min(rows, len(zero.Rows)/2))}
	p.one, err = get(1, p.rows)
	if err != nil && !refusesNumber(err) {
		return 0, false, err
	}
	if err != nil || len(p.one.Rows) == 0 {
		return probeWithoutOne(get, zero, p.rows, err)
	}
	// Page 1 is perhaps the first: page 2 shows whether upstream ignores the number.
	if p.likeFirst() {
		if p.two, err = get(2, p.rows); err != nil && !refusesNumber(err) {
			return 0, false, err
		}
	}
	if p.again, err = get(0, 2*rows); err != nil {
		return 0, false, err
	}
	n, sure, err = p.judge()
	v.keepFew(len(zero.Rows))
	if !sameRows(zero, p.again) {
		return n, sure, err
	}
	if errors.Is(err, errMoved) { // the list stands still: perhaps upstream served a larger page 1
		if _, err := get(0, p.rows); err != nil {
			return 0, false, err
		}
	}
	if _, _, ok := offsets(p.one, zero); ok && sure && len(zero.Rows) > p.rows && !p.one.Last() {
		find(v, &v.exact, p.rows, findingsLast) // page 1 stood where it should
	}
	return n, sure, err
}

// keepFew stores how many rows the list had, in case it shows nothing about the number.
func (v *Verifier) keepFew(rows int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.few = rows
}

// fewRows returns how many rows the list had when it last showed nothing about the number.
func (v *Verifier) fewRows() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.few
}

// probeWithoutZero returns the number if page 0 was refused or empty.
func probeWithoutZero(
	get func(number, size int) (*upstream.Page, error), rows int, refused bool,
) (upstream.FirstPage, bool, error) {
	one, err := get(1, rows)
	switch {
	case err != nil && (refused || !refusesNumber(err)):
		return 0, false, err // only a good page 1 shows that upstream refused the number, not the request
	case err != nil, !refused && len(one.Rows) == 0:
		return 0, false, nil //nolint:nilerr // neither page has rows: the list may be empty
	}
	again, err := get(0, 2*rows) // page 0 may have failed just once, or calls have arrived
	if refusesNumber(err) {
		return upstream.FirstPageOne, true, nil
	}
	if err == nil && !refused && len(again.Rows) == 0 { // unless calls have arrived, and all have left
		after, err := get(1, rows)
		if err == nil && share(one, after) {
			return upstream.FirstPageOne, true, nil
		}
		if err != nil && !refusesNumber(err) {
			return 0, false, err
		}
	}
	if err == nil {
		err = errMoved
	}
	return 0, false, err
}

// probeWithoutOne returns the number if page 0 has rows, and page 1 is empty or refused. Then page 1 is past the end,
// and page 0 is the first page. A call that page 0 has before and after shows that the list was not empty when page 1
// was requested.
func probeWithoutOne(
	get func(number, size int) (*upstream.Page, error), zero *upstream.Page, rows int, refusal error,
) (upstream.FirstPage, bool, error) {
	again, err := get(0, zero.Size)
	if err != nil {
		return 0, false, err
	}
	if !share(zero, again) {
		return 0, false, errMoved
	}
	if e, ok := errors.AsType[*upstream.Error](refusal); ok && e.Status == http.StatusInternalServerError {
		one, err := get(1, rows) // page 1 may have failed just once
		if err == nil && len(one.Rows) > 0 {
			return 0, false, errMoved
		}
		if err != nil && !refusesNumber(err) {
			return 0, false, err
		}
	}
	return upstream.FirstPageZero, true, nil
}

// probe has the compared pages, in the order of their requests: page 0, page 1 of so many rows, perhaps page 2, and
// page 0 again.
type probe struct {
	zero, one, two, again *upstream.Page
	rows                  int

	stands bool // page 0 had the same rows both times
	// least and most bound by how many places the rows can have moved up the list since the first page 0; negative is
	// down.
	least, most int
}

// likeFirst reports whether page 1 is nearer to where page 0 begins than to where it ends.
func (p *probe) likeFirst() bool {
	least, _, ok := offsets(p.one, p.zero)
	return ok && 2*least < p.rows
}

// long reports whether the list has more rows than page 1 could have under either number.
func (p *probe) long() bool { return len(p.zero.Rows) >= 2*p.rows }

// whole reports whether the page has all rows that were requested.
func (p *probe) whole(page *upstream.Page) bool { return page != nil && len(page.Rows) == p.rows }

// judge returns the number of the first page. Its error is errMoved where more than one number explains the responses,
// or none does.
func (p *probe) judge() (n upstream.FirstPage, sure bool, err error) {
	if !p.measure() {
		return 0, false, errMoved
	}
	if _, _, ok := offsets(p.one, p.zero); !ok {
		if p.stands { // page 1 is after a page 0 that was cut
			return upstream.FirstPageZero, true, nil
		}
		return 0, false, errMoved
	}
	slack := 0
	if !p.stands {
		slack = 1 // for a call that arrived and was re-sorted, which is not counted
	}
	switch zero, one := p.begins(p.one, p.rows, 0), p.begins(p.one, 0, 0); {
	case zero && !p.begins(p.one, 0, slack):
		return upstream.FirstPageZero, true, nil
	case !one || p.begins(p.one, p.rows, slack) || p.two == nil && !p.likeFirst():
		return 0, false, errMoved
	case p.two == nil || len(p.two.Rows) == 0:
		return upstream.FirstPageOne, true, nil
	default:
		return p.judgeSecond()
	}
}

// measure computes how far the rows can have moved during the probe. It reports whether that is little enough to judge
// by, and the pages have the rows that they should.
func (p *probe) measure() bool {
	arrived, ok := before(p.again, p.zero)
	if !ok {
		return false
	}
	left, _ := before(p.zero, p.again)
	p.stands, p.least, p.most = sameRows(p.zero, p.again), -arrived, left
	for _, row := range p.one.Rows {
		if place(p.zero, row) < 0 && place(p.again, row) < 0 && p.long() {
			arrived++ // and left, or the row is below both
		}
	}
	if arrived+left > p.mostMoves() {
		return false
	}
	// In a long list, each page has all its rows, under either number.
	return !p.long() || p.whole(p.one) && (!p.likeFirst() || p.whole(p.two))
}

// begins reports whether the page may begin with this row of the list, give or take slack rows.
func (p *probe) begins(page *upstream.Page, row, slack int) bool {
	least, most, ok := offsets(page, p.zero)
	return ok && least-row >= p.least-slack && most-row <= p.most+slack
}

// judgeSecond judges by page 2, if page 1 shows the first page: either pages count from 1, or upstream ignores the
// number.
func (p *probe) judgeSecond() (n upstream.FirstPage, sure bool, err error) {
	_, _, known := offsets(p.two, p.zero)
	next, same := p.begins(p.two, p.rows, 0), p.begins(p.two, 0, 0)
	switch {
	case !known && p.stands, next && !same && (p.stands || p.long()):
		return upstream.FirstPageOne, true, nil
	case next || !same: // page 2 may be the last page again, of a list that has grown
		return 0, false, errMoved
	case len(p.zero.Rows) > p.rows && len(p.again.Rows) <= p.rows: // page 2 is past the end by now
		return 0, false, errMoved
	case len(p.zero.Rows) > p.rows:
		return 0, false, errPageIgnored
	default: // the list has one page, which upstream serves for every number
		return 0, false, nil
	}
}

// errPageIgnored: upstream serves the same page for every number.
var errPageIgnored = &upstream.Error{
	Kind: upstream.KindInvalidResponse, Reason: "every page number has the same rows: is `page` ignored?",
}

// before counts the rows of the page that are missing in the other page, above the last row that both have; ok is false
// if they share no row.
func before(page, other *upstream.Page) (missing int, ok bool) {
	count := 0
	for _, row := range page.Rows {
		if place(other, row) >= 0 {
			missing, ok = count, true
		} else {
			count++
		}
	}
	return missing, ok
}

// offsets returns by how much the index of a shared row is larger in the page `in` than in page, at least and at most;
// ok is false if they share no row.
func offsets(page, in *upstream.Page) (least, most int, ok bool) {
	for i, row := range page.Rows {
		at := place(in, row)
		if at < 0 {
			continue
		}
		if d := at - i; !ok {
			least, most, ok = d, d, true
		} else {
			least, most = min(least, d), max(most, d)
		}
	}
	return least, most, ok
}
