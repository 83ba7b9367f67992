package verify

import (
	"context"
	"errors"
	"slices"
	"strings"

	"revox-graphql/upstream"
)

// get fetches a page, counted from 0. Where the list has no such page that may be an error: then the page is empty, if
// it is the number that is refused and neither the size nor everything. A list that has the page a moment later has
// grown, so the page is requested again.
func (r *reader) get(ctx context.Context, number, size int) (page *upstream.Page, err error) {
	for range verifyTries {
		askedAt := r.now()
		if page, err = r.once(ctx, r.list, number, size); number == 0 || !refusesNumber(err) {
			return page, err
		}
		if _, failed := r.start(ctx, r.list, 1); failed != nil {
			return nil, failed
		}
		// Another page that begins with the same row says whether the list has that.
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

// start fetches the first so many rows of a list, or a few more where upstream serves no smaller pages.
func (r *reader) start(ctx context.Context, list upstream.OrderStatuses, rows int) (page *upstream.Page, err error) {
	for range 1 + plainRaises {
		if page, err = r.once(ctx, list, 0, max(rows, r.leastSize())); !tooSmall(err) {
			break
		}
	}
	return page, err
}

// divisor is the smallest size below that one of which a page begins with the row; 0 is none. A larger one may be cut.
func (r *reader) divisor(row, below int) int {
	for size := max(1, r.leastSize()); size < below; size++ {
		if row%size == 0 {
			return size
		}
	}
	return 0
}

// stands makes sure that a page after the first stands where its number says. Two things move it that nothing in it
// shows: a least size, if the page has no more rows than were requested, and an upstream that serves a page again
// where the list has ended. Whether upstream has these habits is found out every few minutes, if the page seems to end
// the list. Until then a whole page is taken as it comes: what it says of its rows is true in any case.
func (r *reader) stands(ctx context.Context, page *upstream.Page) (*upstream.Page, error) {
	if page.Number == 0 {
		return page, nil
	}
	repeats, _ := fresh(r.Verifier, &r.repeats)
	if page.Last() || page.Number >= upstream.FarPage {
		if !repeats && r.continues(page) { // else upstream may have come to do so, and is looked at again
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

// standsAmongRepeats is stands for an upstream that serves a page again where the list has ended.
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

// wholePages is how many whole pages are remembered for [reader.continues]: more than are read ahead at once.
const wholePages = 32

// tail is the last two calls of a whole page.
type tail struct {
	list       upstream.OrderStatuses
	offset     int
	end        int
	last, next string // the ids of the last call and of the one before it; empty where it cannot be read
}

// keepTail remembers the tail of a whole page.
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

// continues reports whether the page begins within a whole page that came before, and has that page's last two calls
// at their places, and others behind them. So it is no page that is served again: the first page begins with other
// calls there, and the last has nothing behind its last call.
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
	pastEnd bool // the list has no such page
	shared  bool // it shares a call with one of them
	same    bool // it begins as the first page, or ends as the one before it
}

// compareRepeats compares the page with the first, and with the one before it.
func (r *reader) compareRepeats(ctx context.Context, page *upstream.Page) (is repeat, err error) {
	for _, number := range slices.Compact([]int{0, page.Number - 1}) { // first pages again, or last ones
		other, err := r.get(ctx, number, page.Size)
		if err == nil && number == 0 && other.Last() { // there is no page behind it, or it was cut
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

// sizeServed finds out whether pages of this size are served as they are requested. Its error is a
// [*upstream.PageSizeError] where they are larger.
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
		if _, tooLarge := errors.AsType[*upstream.PageSizeError](err); tooLarge { // in bytes: then it shows nothing
			return nil
		}
		return err
	}
	return errEndUnknown
}

// repeatsPages finds out whether a page past the end has rows.
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

// probeFar fetches a page that is not there. Where it has rows, the number may mean nothing at all, which is an error.
// That it has none shows nothing if the list is empty at that moment: a call that its first page has before and after
// shows that it is not.
func (r *reader) probeFar(ctx context.Context) (repeats bool, err error) {
	const rows = 2 * upstream.ProbeRows // a list that moves by fewer meanwhile has a call in both
	for moves, raises := 0, 0; moves < verifyTries && raises <= plainRaises; {
		before, err := r.start(ctx, unfiltered, rows)
		if err == nil && len(before.Rows) == 0 { // there is nothing to be served again
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

// ignores is an error where upstream ignores the number of a page.
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
