package verify

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"net/http"

	"revox-graphql/upstream"
)

// Where a list ends
//
// A page with fewer rows than requested claims that the list ends with its last row. But upstream may have cut it: to a
// maximum page size (then the page also begins elsewhere than its number says), to a limit of bytes, or by dropping
// rows. So the verifier requests a small page of another size, which begins a few rows before that last row and reaches
// beyond it. If the small page ends with the same row in the same place, both are right: a limit would have cut them in
// different places. If the small page continues after that row, the first page was cut. If the two contradict each
// other, the list may have moved, so the verifier requests the first of the two again. Pages that contradict each other
// while the list stands still are an error of upstream.
//
// The verifier keeps a hash of the ids in a list of one page: a first page with the same ids needs no confirmation.

// errEndUnknown: the list moves too much for the responses to show anything.
var errEndUnknown = &upstream.Error{
	Kind: upstream.KindInvalidResponse, Status: http.StatusOK,
	Reason: "it could not be found out whether the list ends there",
}

// errRowsDropped: pages have fewer rows than the list has in their place.
var errRowsDropped = &upstream.Error{
	Kind: upstream.KindInvalidResponse, Status: http.StatusOK, Reason: "pages come short in the middle of the list",
}

// fewestServed is the smallest maximum page size, in rows, that upstream is taken to have. No API has a lower one, and
// if upstream drops rows from pages, each smaller page would seem to be cut again.
const fewestServed = 5

// verdict is the conclusion from a second response about a page that seems to end the list.
type verdict int

const (
	moved        verdict = iota // no conclusion: the list may have moved
	confirmed                   // the list ends with the page
	cut                         // the list continues after the page
	contradicted                // the two responses contradict each other, and the list stands still
)

// judge returns the page, or a newer response for it, once that can be relied on.
func (r *reader) judge(ctx context.Context, page *upstream.Page) (*upstream.Page, error) {
	contradictions, tries := 0, 0
	for tries < verifyTries {
		var err error
		if page, err = r.stands(ctx, page); err != nil {
			return nil, err
		}
		if !page.Last() || page.Number > 0 && len(page.Rows) == 0 || r.knowsEnd(page) {
			return page, nil
		}
		found, next, err := r.confirm(ctx, page)
		switch {
		case err != nil:
			return nil, err
		case found == confirmed:
			r.keepEnd(next)
			return next, nil
		case found == cut && max(fewestServed, r.leastSize()) > len(next.Rows):
			return nil, errRowsDropped // pages are not that small
		case found == cut:
			return nil, r.lower(len(next.Rows), next.Size)
		case found == contradicted:
			contradictions++
			if err := r.contradicted(ctx, next, contradictions); err != nil {
				return nil, err
			}
		default:
			tries++
		}
		page = next
	}
	return nil, errEndUnknown
}

// contradicted looks for the error in a page that stands still and ends where another response does not. It returns nil
// if judge should try again.
func (r *reader) contradicted(ctx context.Context, page *upstream.Page, times int) error {
	// Upstream may have enlarged the other page, since that was small.
	if err := r.sizeServed(ctx, max(1, r.leastSize())); err != nil && !tooSmall(err) {
		return err
	}
	if page.Number > 0 {
		find(r.Verifier, &r.repeats, true, 0) // to be checked again
		// If upstream cuts pages to a limit, it also cuts the first page.
		if _, err := r.page(ctx, 0, page.Size, nil); err != nil {
			return err
		}
	}
	if times > 1 { // the first time, the other response may have come short
		return errRowsDropped
	}
	return nil
}

// confirm requests another page, to see whether the list ends with this one. Unless that is clear at once, confirm also
// requests this page again. It returns the last response for this page.
func (r *reader) confirm(ctx context.Context, page *upstream.Page) (verdict, *upstream.Page, error) {
	if len(page.Rows) == 0 {
		return r.confirmEmpty(ctx, page)
	}
	other, behind, err := r.another(ctx, page)
	if err != nil {
		return 0, nil, err
	}
	if !behind && sameEnd(page, other) {
		return r.confirmSameEnd(ctx, page, other)
	}
	again, err := r.get(ctx, page.Number, page.Size)
	if err != nil {
		return 0, nil, err
	}
	if behind {
		return r.confirmBehind(ctx, page, other, again)
	}
	at, last := page.End()-1, lastRow(page)
	stood := seen(other, last, at)
	switch {
	case stood == at && len(again.Rows) == len(page.Rows) && sameRow(lastRow(again), last):
		return cut, again, nil
	case sameRows(page, again):
		return r.confirmOnceMore(ctx, page, again)
	case stood >= 0 && other.Last() && other.End()-1 == stood && r.movedThrough(page, stood, again):
		repeats, _ := fresh(r.Verifier, &r.repeats)
		if page.Number > 0 && repeats {
			return moved, again, nil // the list may have no such page any more, and upstream may serve an earlier one again
		}
		if whole, err := r.startsWhole(ctx, page, page.Size); !whole {
			return moved, again, err
		}
		return confirmed, again, nil
	default:
		return moved, again, nil
	}
}

// sameEnd reports whether the list ends with the same row in the same place in both pages.
func sameEnd(page, other *upstream.Page) bool {
	at := page.End() - 1
	return other.Last() && other.End()-1 == at && seen(other, lastRow(page), at) == at
}

// lastRow is the last row of a page that has one.
func lastRow(page *upstream.Page) upstream.Row { return page.Rows[len(page.Rows)-1] }

// confirmSameEnd judges a page with which another page agrees. If upstream cut both, and the list moved by the right
// number of rows, both would also seem to end there.
func (r *reader) confirmSameEnd(ctx context.Context, page, other *upstream.Page) (verdict, *upstream.Page, error) {
	if r.cameWhole(other.Size) {
		return confirmed, page, nil
	}
	if whole, err := r.startsWhole(ctx, page, other.Size); whole || err != nil {
		return confirmed, page, err
	}
	again, err := r.get(ctx, page.Number, page.Size)
	if err == nil && sameRows(page, again) {
		return contradicted, again, nil
	}
	return moved, again, err
}

// confirmBehind judges a page by the response for the rows after it (behind), and by a second response for the page
// (again).
func (r *reader) confirmBehind(
	ctx context.Context, page, behind, again *upstream.Page,
) (verdict, *upstream.Page, error) {
	if !sameRows(page, again) {
		return moved, again, nil
	}
	if len(behind.Rows) > 0 {
		repeated, err := r.servedAgain(ctx, page, behind)
		switch {
		case err != nil || !repeated && share(page, behind):
			return contradicted, again, err
		case !repeated:
			return cut, again, nil
		}
	}
	if whole, err := r.startsWhole(ctx, page, page.Size); !whole {
		return contradicted, again, err
	}
	return confirmed, again, nil
}

// confirmOnceMore judges a page that stands still and that another page has contradicted: the other one may have come
// short just once.
func (r *reader) confirmOnceMore(ctx context.Context, page, again *upstream.Page) (verdict, *upstream.Page, error) {
	other, behind, err := r.another(ctx, page)
	if err != nil {
		return 0, nil, err
	}
	if behind || !sameEnd(page, other) {
		return contradicted, again, nil
	}
	if whole, err := r.startsWhole(ctx, page, other.Size); !whole {
		return contradicted, again, err
	}
	return confirmed, again, nil
}

// servedAgain reports whether the response for the rows after the page is an earlier page, served again.
func (r *reader) servedAgain(ctx context.Context, page, behind *upstream.Page) (bool, error) {
	repeats, err := r.repeatsPages(ctx)
	if err != nil || !repeats || share(page, behind) {
		return repeats, err
	}
	if page.Number == 0 {
		return false, nil // that page would be this one
	}
	first, err := r.get(ctx, 0, behind.Size)
	return err == nil && len(first.Rows) > 0 && sameRow(first.Rows[0], behind.Rows[0]), err
}

// startsWhole reports whether the list begins with a whole page of this size. It is true if the page is the first. If
// upstream cut pages of that size, those after the first would begin elsewhere than their numbers say.
func (r *reader) startsWhole(ctx context.Context, page *upstream.Page, size int) (bool, error) {
	if page.Number == 0 {
		return true, nil
	}
	first, err := r.get(ctx, 0, size)
	return err == nil && !first.Last(), err
}

// cameWhole reports whether a page of at least this size has recently come whole from the list.
func (r *reader) cameWhole(size int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, _ := r.lists.Get(r.list)
	return r.now().Before(known.whole.until) && size <= known.whole.value
}

// movedThrough reports whether both pages end with the same call, and the place where it stood in between lies between
// its places in the two pages.
func (r *reader) movedThrough(before *upstream.Page, stood int, after *upstream.Page) bool {
	from, to := before.End()-1, after.End()-1
	return len(after.Rows) > 0 && after.Last() &&
		sameRow(lastRow(before), lastRow(after)) &&
		min(from, to) <= stood && stood <= max(from, to)
}

// seen returns the place in the list where the page shows the row; -1 if it does not. An unreadable row, in either
// response, counts as the row that stands at its place: if a response has two calls with one id, the second is
// unreadable.
func seen(page *upstream.Page, row upstream.Row, at int) int {
	if i := place(page, row); i >= 0 {
		return page.Offset() + i
	}
	i := at - page.Offset()
	if i >= 0 && i < len(page.Rows) && (row.Call == nil || page.Rows[i].Call == nil) {
		return at
	}
	return -1
}

// confirmEmpty fetches the first page in another size.
func (r *reader) confirmEmpty(ctx context.Context, page *upstream.Page) (verdict, *upstream.Page, error) {
	for range 1 + plainRaises {
		size := max(1, r.leastSize())
		if size == page.Size {
			size++
		}
		other, err := r.get(ctx, 0, size)
		if tooSmall(err) && r.leastSize() <= page.Size {
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		if len(other.Rows) == 0 {
			return confirmed, page, nil
		}
		again, err := r.get(ctx, 0, page.Size)
		return moved, again, err
	}
	return moved, page, nil
}

// another fetches a small page that holds the last row and some rows after it. If there is none, it fetches the page
// that begins after the last row, or as near to it as possible. It never requests a larger page than the one to be
// confirmed, since upstream may cut only larger pages.
func (r *reader) another(ctx context.Context, page *upstream.Page) (other *upstream.Page, behind bool, err error) {
	most := page.Size
	for range 2 + plainRaises {
		least := max(1, r.leastSize())
		number, size := around(page.End()-1, least, min(most, page.Size-1))
		if behind = size == 0; behind {
			number, size = following(page.End(), least, most)
		}
		other, err = r.get(ctx, number, size)
		e, ok := errors.AsType[*upstream.PageSizeError](err)
		switch {
		case !ok:
			return other, behind, err
		case e.Least > page.Size || e.Most > 0 && size <= least:
			return nil, false, err
		case e.Most > 0: // in bytes
			most = e.Most
		}
	}
	return nil, false, errEndUnknown
}

// around returns the small page that holds the row, begins shortly before it and reaches as far after it as possible.
// It is not the first page, because upstream would cut two first pages to the same rows. Its size is between least and
// most, or 0 if there is no such page.
func around(row, least, most int) (number, size int) {
	const farEnough, nearEnough, tooNear = 12, 3, 3
	best := 0
	for s := max(least, 2); s <= min(row, most, least+smallPage); s++ {
		lead, reach := row%s, s-1-row%s
		if reach == 0 {
			continue
		}
		score := 1000 + min(reach, farEnough) - 3*max(0, lead-nearEnough)
		if reach < tooNear { // rows dropped from the first page may be missing here, too
			score -= 100
		}
		if score > best {
			best, number, size = score, row/s, s
		}
	}
	return number, size
}

// following returns the largest page of a size from least to most, and at most least+smallPage, that begins with the
// row; if there is none, the next page of the least size.
func following(row, least, most int) (number, size int) {
	for s := min(most, least+smallPage); s >= least; s-- {
		if row%s == 0 {
			return row / s, s
		}
	}
	return (row + least - 1) / least, least
}

// knowsEnd reports whether the list is known to be just this first page, with the same ids. Knowing only a last row, or
// an end after the first page, would prove nothing: upstream may have begun to serve smaller pages since then, and the
// list may have moved so that a page that is cut, or begins before its place, ends with the same row at the same place.
func (r *reader) knowsEnd(page *upstream.Page) bool {
	found, ok := endOf(page)
	r.mu.Lock()
	defer r.mu.Unlock()
	known, _ := r.lists.Get(r.list)
	return ok && r.now().Before(known.end.until) && found == known.end.value
}

// keepEnd stores that the list is just the page, if it is the first page and all its rows are readable.
func (r *reader) keepEnd(page *upstream.Page) {
	found, ok := endOf(page)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known, _ := r.lists.Get(r.list)
	known.end = finding[end]{found, r.now().Add(findingsLast)}
	r.lists.Add(r.list, known)
}

// endOf describes a list that is just the page; ok is false if the page is not the first, or has an unreadable row.
func endOf(page *upstream.Page) (found end, ok bool) {
	ids := fnv.New64a()
	for _, row := range page.Rows {
		if row.Call == nil {
			return end{}, false
		}
		_, _ = io.WriteString(ids, row.Call.ID+"\x00") // a hash never fails
	}
	return end{len(page.Rows), ids.Sum64()}, page.Number == 0
}
