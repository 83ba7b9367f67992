package verify

import (
	"context"
	"errors"
	"slices"
	"strings"

	"revox-graphql/upstream"
)

// get fetches a page, counted from 0. If upstream refuses its number, get returns an empty page, provided that upstream
// still serves the start of the list, and has no page of another size that begins with the same row. If it has one, the
// list has grown, so get requests the page again.
func (r *reader) get(ctx context.Context, number, size int) (page *upstream.Page, err error) {
	for range verifyTries {
		askedAt := r.now()
		if page, err = r.once(ctx, r.list, number, size); number == 0 || !refusesNumber(err) {
			return page, err
		}
		if _, failed := r.start(ctx, r.list, 1); failed != nil {
			return nil, failed
		}
		// Another page that begins with the same row shows whether the list has that row.
		other := r.divisor(number*size, size)
		if other == 0 {
			return upstream.EmptyPage(number, size, askedAt), nil
		}
		switch page, failed := r.once(ctx, r.list, number*size/other, other); {
		case failed == nil && len(page.Rows) == 0, refusesNumber(failed):
			return upstream.EmptyPage(number, size, askedAt), nil
		case failed != nil:
			return nil, failed
		}
	}
	return nil, err
}

// start fetches the first so many rows of a list, or a few more if upstream serves no smaller pages.
func (r *reader) start(ctx context.Context, list upstream.OrderStatuses, rows int) (page *upstream.Page, err error) {
	for range 1 + plainRaises {
		if page, err = r.once(ctx, list, 0, max(rows, r.leastSize())); !tooSmall(err) {
			break
		}
	}
	return page, err
}

// divisor returns the smallest page size below the given one with a page that begins with the row; 0 if there is none.
// Upstream may cut larger pages.
func (r *reader) divisor(row, below int) int {
	for size := max(1, r.leastSize()); size < below; size++ {
		if row%size == 0 {
			return size
		}
	}
	return 0
}

// stands checks that a page after the first stands where its number says, and returns the page, or a newer one. Two
// habits of upstream move a page without a sign in its response: a minimum page size, and pages that are served again
// past the end of the list. stands looks for these habits every ten minutes, if a page seems to end the list. It
// accepts any other page as it is, unless upstream is known to serve pages again: the rows of a page are true in any
// case.
func (r *reader) stands(ctx context.Context, page *upstream.Page) (*upstream.Page, error) {
	if page.Number == 0 {
		return page, nil
	}
	repeats, _ := fresh(r.Verifier, &r.repeats)
	if page.Last() || page.Number >= upstream.FarPage {
		if !repeats && r.continues(page) { // else upstream may have begun to: look again
			return page, nil
		}
		if err := r.sizeServed(ctx, page.Size); err != nil || len(page.Rows) == 0 {
			return page, err
		}
		var err error
		if repeats, err = r.repeatsPages(ctx); err != nil {
			return nil, err
		}
	}
	if !repeats {
		return page, nil
	}
	return r.standsAmongRepeats(ctx, page)
}

// standsAmongRepeats is stands for an upstream that serves pages again past the end of the list.
func (r *reader) standsAmongRepeats(ctx context.Context, page *upstream.Page) (*upstream.Page, error) {
	for range verifyTries {
		is, err := r.compareRepeats(ctx, page)
		if err != nil {
			return nil, err
		}
		if is.pastEnd {
			return upstream.EmptyPage(page.Number, page.Size, page.AskedAt), nil
		}
		again, err := r.get(ctx, page.Number, page.Size)
		switch {
		case err != nil:
			return nil, err
		case len(again.Rows) == 0:
			return again, nil
		case is.same && sameRows(page, again):
			far, err := r.get(ctx, upstream.FarPage, page.Size)
			if err != nil {
				return nil, err
			}
			if sameRows(page, far) {
				return upstream.EmptyPage(again.Number, again.Size, again.AskedAt), nil
			}
		case !is.shared && sameRows(page, again):
			return page, nil
		}
		page = again // the list has moved
	}
	return nil, errEndUnknown
}

// wholePages is how many tails are kept for [reader.continues]: more than the pages that are read ahead at once.
const wholePages = 32

// tail is the last two calls of a whole page.
type tail struct {
	list       upstream.OrderStatuses
	offset     int
	end        int
	last, next string // the ids of the last call and of the one before it; "" if the row is unreadable
}

// keepTail stores the tail of a whole page.
func (v *Verifier) keepTail(list upstream.OrderStatuses, page *upstream.Page) {
	id := func(back int) string {
		if call := page.Rows[len(page.Rows)-back].Call; call != nil {
			return strings.Clone(call.ID)
		}
		return ""
	}
	if len(page.Rows) < 2 {
		return
	}
	v.tails[v.tailed%wholePages] = tail{list, page.Offset(), page.End(), id(1), id(2)}
	v.tailed++
}

// continues reports whether the page begins within a whole page that came before, and has that page's last two calls at
// their places, and other calls after them. Then upstream has not served an earlier page again: the first page has
// other calls at those places, and the last page has nothing after its last call.
func (r *reader) continues(page *upstream.Page) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.tails[:], func(t tail) bool {
		i := t.end - 1 - page.Offset()
		if t.list != r.list || t.last == "" || t.next == "" || page.Offset() <= t.offset || i < 1 || i >= len(page.Rows)-1 {
			return false
		}
		last, next := page.Rows[i].Call, page.Rows[i-1].Call
		return last != nil && next != nil && last.ID == t.last && next.ID == t.next
	})
}

// repeat is how a page compares with those that upstream may serve in its place.
type repeat struct {
	pastEnd bool // the page is past the end of the list
	shared  bool // the page shares a call with one of them
	same    bool // the page begins as the first page does, or ends as the one before it
}

// compareRepeats compares the page with the first page, and with the one before it.
func (r *reader) compareRepeats(ctx context.Context, page *upstream.Page) (is repeat, err error) {
	for _, number := range slices.Compact([]int{0, page.Number - 1}) { // first pages again, or last ones
		other, err := r.get(ctx, number, page.Size)
		if err == nil && number == 0 && other.Last() { // the first page is the only one, or was cut
			if other, err = r.judge(ctx, other); err == nil && other.Last() {
				return repeat{pastEnd: true}, nil
			}
		}
		if err != nil {
			return repeat{}, err
		}
		if share(page, other) {
			is.shared = true
			is.same = is.same || number == 0 && sameRow(page.Rows[0], other.Rows[0]) ||
				number == page.Number-1 && sameRow(lastRow(page), lastRow(other))
		}
	}
	return is, nil
}

// share reports whether two pages have a call in common.
func share(a, b *upstream.Page) bool {
	_, _, ok := offsets(a, b)
	return ok || sameRows(a, b)
}

// sizeServed checks that upstream does not enlarge pages of this size. Its error is an [*upstream.PageSizeError] if
// upstream does.
func (r *reader) sizeServed(ctx context.Context, size int) error {
	known := func() bool {
		exact, ok := fresh(r.Verifier, &r.exact)
		return ok && size >= exact
	}
	if known() {
		return nil
	}
	done, err := r.alone(ctx)
	if err != nil {
		return err
	}
	defer done()
	if known() {
		return nil
	}
	for range 1 + plainRaises {
		least := max(1, r.leastSize())
		if least > size {
			return &upstream.PageSizeError{Least: least}
		}
		two, err := r.once(ctx, unfiltered, 0, 2*least)
		if err == nil {
			_, err = r.once(ctx, unfiltered, 0, least)
		}
		switch {
		case tooSmall(err):
			continue
		case err == nil && len(two.Rows) > least:
			find(r.Verifier, &r.exact, least, findingsLast)
		}
		if _, tooLarge := errors.AsType[*upstream.PageSizeError](err); tooLarge { // in bytes: this shows nothing
			return nil
		}
		return err
	}
	return errEndUnknown
}

// repeatsPages reports whether a page past the end has rows.
func (r *reader) repeatsPages(ctx context.Context) (bool, error) {
	if repeats, ok := fresh(r.Verifier, &r.repeats); ok {
		return repeats, nil
	}
	done, err := r.alone(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	if repeats, ok := fresh(r.Verifier, &r.repeats); ok {
		return repeats, nil
	}
	repeats, err := r.probeFar(ctx)
	if err == nil {
		find(r.Verifier, &r.repeats, repeats, findingsLast)
		return repeats, nil
	}
	r.mu.Lock()
	old := r.repeats
	r.mu.Unlock()
	if old.until.IsZero() || errors.Is(err, errPageIgnored) {
		return false, err
	}
	find(r.Verifier, &r.repeats, old.value, findingsRetry)
	return old.value, nil
}

// probeFar fetches a page far past the end. If that page has rows, upstream may ignore the number, which is an error.
// If it has none, that shows something only if the list is not empty at that moment: its first page must have the same
// call before and after.
func (r *reader) probeFar(ctx context.Context) (repeats bool, err error) {
	const rows = 2 * upstream.ProbeRows // if the list moves by fewer rows, both first pages share a call
	for moves, raises := 0, 0; moves < verifyTries && raises <= plainRaises; {
		before, err := r.start(ctx, unfiltered, rows)
		if err == nil && len(before.Rows) == 0 { // an empty list has no page to serve again
			err = errEndUnknown
		}
		if err != nil {
			return false, err
		}
		size := max(1, r.leastSize())
		far, err := r.once(ctx, unfiltered, upstream.FarPage, size)
		e, _ := errors.AsType[*upstream.Error](err)
		switch {
		case tooSmall(err):
			raises++
		case err != nil && (e == nil || !refusesNumber(e) && e.Kind != upstream.KindInvalidResponse):
			return false, err
		case err == nil && len(far.Rows) > 0:
			if err := r.ignores(ctx, size); !tooSmall(err) {
				return true, err
			}
			raises++
		default:
			after, err := r.start(ctx, unfiltered, rows)
			if err != nil || share(before, after) {
				return false, err
			}
			moves++
		}
	}
	return false, errEndUnknown
}

// ignores returns [errPageIgnored] if upstream ignores the number of a page.
func (r *reader) ignores(ctx context.Context, size int) error {
	var pages [3]*upstream.Page
	for i, number := range [3]int{0, 1, 0} {
		page, err := r.once(ctx, unfiltered, number, size*(2-number))
		if refusesNumber(err) {
			return nil
		}
		if err != nil {
			return err
		}
		pages[i] = page
	}
	head := &upstream.Page{Rows: pages[0].Rows[:min(size, len(pages[0].Rows))]}
	if len(pages[0].Rows) > size && sameRows(pages[0], pages[2]) && sameRows(head, pages[1]) {
		return errPageIgnored
	}
	return nil
}
