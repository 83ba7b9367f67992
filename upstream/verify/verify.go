// Package verify decides which of upstream's responses the gateway can rely on.
//
// # What a response claims
//
// A page has rows, and claims that these are the rows [number*size, number*size+size) of the list, and that the list
// ends with them if they are fewer than size. Nothing in the response proves that claim. Upstream may count its pages
// from 0 or from 1, serve more or fewer rows per page than requested, cut responses at a number of bytes, drop rows
// from a page, or serve its first or last page again past the end of the list. Each of these makes one page look like
// another. And the list moves between any two requests.
//
// # What the gateway accepts
//
// [Verifier] accepts only a finding that two responses agree on, and that could not be wrong in both:
//
//   - The number of the first page: first.go, and zero.go if a client wants page 0.
//   - The end of a list: end.go.
//   - The page sizes that upstream serves, and its responses past the end: past.go.
//
// A Verifier is for one tenant. It trusts a finding for ten minutes, and then looks again. While responses contradict
// one another because the list moves, it requests the pages again. If the list stands still and the responses still
// contradict one another, that is an error.
package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"revox-graphql/upstream"
)

const (
	// findingsLast is how long the gateway trusts a finding before it looks again: upstream may have been redeployed.
	findingsLast = 10 * time.Minute
	// findingsRetry is how long the gateway trusts an old finding after a new look has failed.
	findingsRetry = time.Minute
	// mostLeast is the largest minimum page size, in rows, that upstream is taken to have.
	mostLeast = upstream.MaxCountedRows - 1
	// plainRaises is how often a response may raise the known minimum page size by a little. After that, the verifier
	// doubles it. This detects an upstream that always serves one row more than requested.
	plainRaises = 8
	// verifyTries is how many tries a check has while the list moves.
	verifyTries = 3
	// smallPage is by how many rows a page that confirms another one may exceed the minimum page size: it has at most 12
	// rows if that is 1. Such a page begins at the right place even if upstream has just begun to serve smaller pages, of
	// at least 12 rows. Larger pages were tried: when upstream cut both pages to 12 rows, they ended with the same row at
	// the same wrong place.
	smallPage = 11
	// rememberedEnds bounds the lists of one tenant about which a Verifier keeps findings.
	rememberedEnds = 256
	// unfiltered is the list without a filter.
	unfiltered upstream.OrderStatuses = 0
)

// Fetcher fetches a page of one list, numbered as upstream numbers it, of size rows. The page may have more rows than
// were requested. Its errors are those of [upstream.Lister].
type Fetcher func(ctx context.Context, number, size int) (*upstream.Page, error)

// Verifier turns one tenant's responses into pages that the gateway can rely on. It is safe for concurrent use, once
// its fields are set.
type Verifier struct {
	// FirstPage is called with the number of upstream's first page when the Verifier finds it, and when it has changed;
	// nil is no observer.
	FirstPage func(number int)
	// PageSize is called with the largest page size of some list, in rows, when the Verifier finds it, and when it has
	// changed: with 0 when a larger page of that list has all its rows again. Nil is no observer.
	PageSize func(rows int)

	set     upstream.FirstPage
	now     func() time.Time
	probing chan struct{} // holds a token while a request probes; a channel, so that waiting ends with the context

	mu       sync.Mutex
	first    finding[upstream.FirstPage]
	zero     *pageZero        // the last response for page 0, to compare with page 1; nil: none
	few      int              // rows of the list when it last showed nothing about the number
	least    finding[int]     // the minimum page size, in rows; 0: unknown
	raised   int              // how often a response has raised least
	exact    finding[int]     // rows of the smallest page that upstream was seen not to enlarge
	repeats  finding[bool]    // whether a page past the end has rows
	tails    [wholePages]tail // of whole pages, as a ring
	tailed   int              // how many tails were stored
	reported listSize         // by the last call of PageSize
	lists    *lru.Cache[upstream.OrderStatuses, listFindings]
}

// listFindings are the findings about one list.
type listFindings struct {
	most  finding[int] // the maximum page size, in rows
	whole finding[int] // rows of the largest page that had all requested rows
	end   finding[end]
}

// listSize is the largest page size of a list, in rows; 0: pages are as large as requested.
type listSize struct {
	list upstream.OrderStatuses
	rows int
}

// end describes a list of one page: the number of its rows, and a hash of the ids of their calls.
type end struct {
	rows int
	ids  uint64
}

// finding is a fact about upstream, and until when the gateway trusts it without looking again.
type finding[T any] struct {
	value T
	until time.Time // zero: there is no finding
}

// New makes a Verifier. first is the number of upstream's first page, or [upstream.FirstPageAuto]. now is the clock.
func New(first upstream.FirstPage, now func() time.Time) *Verifier {
	lists, _ := lru.New[upstream.OrderStatuses, listFindings](rememberedEnds) // its one error is a size below 1
	return &Verifier{set: first, now: now, probing: make(chan struct{}, 1), lists: lists}
}

// Findings are the facts that a tenant's Verifier has found about upstream, and until when it trusts them. They are
// valid in another process too, for the same upstream and the same key.
type Findings struct {
	FirstPage int       `json:"firstPage"` // the number of the first page
	Exact     int       `json:"exact"`     // upstream does not enlarge pages of at least so many rows; 0: unknown
	Until     time.Time `json:"until"`
}

// Findings returns the current findings, for as long as the Verifier trusts all of them; ok is false if there are none.
func (v *Verifier) Findings() (f Findings, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.set != upstream.FirstPageAuto || !v.now().Before(v.first.until) {
		return Findings{}, false
	}
	exact, until := 0, v.first.until
	if v.now().Before(v.exact.until) {
		exact = v.exact.value
		if v.exact.until.Before(until) {
			until = v.exact.until
		}
	}
	return Findings{int(v.first.value), exact, until.Round(0)}, true // without the process's own clock
}

// Assume takes over the findings of another process, for as long as that process would trust them. It ignores invalid
// and expired findings, and any if it has its own.
func (v *Verifier) Assume(f Findings) {
	v.mu.Lock()
	defer v.mu.Unlock()
	left := f.Until.Sub(v.now())
	valid := f.FirstPage == int(upstream.FirstPageZero) || f.FirstPage == int(upstream.FirstPageOne)
	if left <= 0 || left > findingsLast || !valid || v.set != upstream.FirstPageAuto || !v.first.until.IsZero() {
		return // also where a clock was set back
	}
	v.first = finding[upstream.FirstPage]{upstream.FirstPage(f.FirstPage), f.Until}
	if f.Exact > 0 {
		v.exact = finding[int]{f.Exact, f.Until}
	}
}

// forgetAll drops all findings about upstream.
func (v *Verifier) forgetAll() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.first, v.repeats = finding[upstream.FirstPage]{}, finding[bool]{}
	v.tails = [wholePages]tail{}
	v.forgetSizes()
}

// Page returns the page with this number, counted from 0, of size rows. ask fetches pages of the list, and whole those
// of the list without a filter. Besides the errors of ask and whole, Page returns an [*upstream.PageSizeError] if the
// caller must request another size, and an [*upstream.Error] of [upstream.KindInvalidResponse] if the responses
// contradict one another or the list moves too much.
func (v *Verifier) Page(
	ctx context.Context, list upstream.OrderStatuses, ask, whole Fetcher, number, size int,
) (*upstream.Page, error) {
	if err := v.refused(list, size); err != nil {
		return nil, err
	}
	contradicted := false
	for range verifyTries {
		askedAt, w := v.now(), &wanted{number: number, size: size}
		if err := v.askZero(ctx, list, ask, w); tooSmall(err) {
			return nil, cmp.Or(v.refused(list, size), err)
		} else if err != nil {
			return nil, err
		}
		r := &reader{Verifier: v, list: list, ask: ask, whole: whole}
		if w.page != nil && !w.page.Last() {
			r.learn(list, w.page)
			return w.page, nil
		}
		if list != unfiltered {
			w.number = 0 // page 1 of another list shows nothing
		}
		first, sure, err := v.firstNumber(ctx, whole, w)
		if err != nil {
			return nil, err
		}
		if err := v.refused(list, size); err != nil {
			return nil, err
		}
		if !sure && number > 0 { // all rows are on the first page, whatever its number
			return upstream.EmptyPage(number, size, askedAt), nil
		}
		r.first = int(first)
		page, err := r.page(ctx, number, size, w.page)
		switch {
		case tooSmall(err): // the error may be that of another page, requested for a check
			return nil, cmp.Or(v.refused(list, size), err)
		case !contradicted && contradicts(err):
			contradicted = true // perhaps old findings are wrong: look again
			v.forgetAll()
			continue
		case err != nil:
			return nil, err
		case !sure && len(page.Rows) == 0: // perhaps page 0 of a list that begins with page 1, and has calls by now
			return upstream.EmptyPage(number, size, askedAt), nil
		case sure || len(page.Rows) <= v.fewRows():
			return page, nil
		}
		// The list has calls by now that show the number.
	}
	return nil, errMoved
}

// contradicts reports whether an error says that responses contradict one another or an earlier finding.
func contradicts(err error) bool {
	return errors.Is(err, errRowsDropped) || errors.Is(err, errEndUnknown) || errors.Is(err, errPageIgnored)
}

// reader reads one page of one list.
type reader struct {
	*Verifier
	list       upstream.OrderStatuses
	ask, whole Fetcher
	first      int
}

// page fetches the page, unless it has already been fetched, and judges it.
func (r *reader) page(ctx context.Context, number, size int, came *upstream.Page) (page *upstream.Page, err error) {
	if page = came; page != nil {
		r.learn(r.list, page)
	} else if page, err = r.get(ctx, number, size); err != nil {
		return nil, err
	}
	return r.judge(ctx, page)
}

// learn stores what a single page shows about upstream's behaviour.
func (r *reader) learn(list upstream.OrderStatuses, page *upstream.Page) {
	if r.store(list, page) && r.PageSize != nil {
		r.PageSize(0)
	}
}

// store is learn, and reports whether the largest page size that was reported last is one no longer.
func (r *reader) store(list upstream.OrderStatuses, page *upstream.Page) (raised bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if page.Number >= upstream.FarPage {
		if len(page.Rows) > 0 && !r.repeats.value {
			r.repeats.until = time.Time{} // look again, also whether upstream ignores the number
		}
		return false
	}
	if len(page.Rows) != page.Size {
		return false
	}
	r.keepTail(list, page)
	now := r.now()
	known, _ := r.lists.Get(list)
	if page.Size >= known.whole.value || !now.Before(known.whole.until) {
		known.whole = finding[int]{page.Size, now.Add(findingsLast)}
		r.lists.Add(list, known)
	}
	raised = r.reported.rows > 0 && r.reported.list == list && page.Size > r.reported.rows &&
		!now.Before(known.most.until) // else the request was sent before the size was found
	if raised {
		r.reported = listSize{}
	}
	return raised
}

// once fetches a page, counted from 0, of the reader's list or of the list without a filter.
func (r *reader) once(ctx context.Context, list upstream.OrderStatuses, number, size int) (*upstream.Page, error) {
	ask := r.ask
	if list != r.list {
		ask = r.whole
	}
	page, err := r.exactly(ctx, ask, number+r.first, size)
	if err != nil {
		return nil, err
	}
	page.Number = number
	r.learn(list, page)
	return page, nil
}

// exactly fetches a page, numbered as upstream numbers it. Its error is that of raise if the page has more rows than
// requested.
func (v *Verifier) exactly(ctx context.Context, ask Fetcher, number, size int) (*upstream.Page, error) {
	if least := v.leastSize(); size < least {
		return nil, &upstream.PageSizeError{Least: least}
	}
	page, err := ask(ctx, number, size)
	if err != nil {
		return nil, err
	}
	if len(page.Rows) > size {
		return nil, v.raise(size, len(page.Rows))
	}
	return page, nil
}

// leastSize returns the known minimum page size, in rows; 0 is unknown.
func (v *Verifier) leastSize() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.least.value
}

// raise raises the known minimum page size after a response with more rows than requested, and returns the error of
// that response.
func (v *Verifier) raise(size, rows int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	least := max(rows, v.least.value)
	if size >= v.least.value {
		if v.raised++; v.raised > plainRaises {
			least = max(rows, 2*v.least.value)
		}
	}
	if least > mostLeast {
		v.forgetSizes()
		return &upstream.Error{
			Kind: upstream.KindInvalidResponse, Status: http.StatusOK,
			Reason: fmt.Sprintf("%d rows were requested and %d came", size, rows),
		}
	}
	v.least = finding[int]{least, v.now().Add(findingsLast)}
	v.exact = finding[int]{}
	return &upstream.PageSizeError{Least: least}
}

// forgetSizes drops the findings about the minimum size. The caller holds the lock.
func (v *Verifier) forgetSizes() { v.least, v.raised, v.exact = finding[int]{}, 0, finding[int]{} }

// refused returns the error of a page size that is known to be too large or too small; else nil.
func (v *Verifier) refused(list upstream.OrderStatuses, size int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	if v.least.value > 0 && !now.Before(v.least.until) {
		v.forgetSizes()
	}
	known, _ := v.lists.Get(list)
	e := &upstream.PageSizeError{Least: v.least.value}
	if now.Before(known.most.until) {
		e.Most = known.most.value
	}
	switch {
	case e.Most > 0 && e.Least > e.Most: // one of the two is out of date
		v.forgetSizes()
		known.most = finding[int]{}
		v.lists.Add(list, known)
		return &upstream.Error{
			Kind: upstream.KindInvalidResponse, Status: http.StatusOK, Reason: "no page size brings a whole page",
		}
	case size < e.Least, e.Most > 0 && size > e.Most:
		return e
	default:
		return nil
	}
}

// lower stores rows as the maximum page size of the list, and returns the error of a request for size rows.
func (r *reader) lower(rows, size int) error {
	r.mu.Lock()
	known, _ := r.lists.Get(r.list)
	known.most = finding[int]{rows, r.now().Add(findingsLast)}
	r.lists.Add(r.list, known)
	news := r.reported.rows != rows
	r.reported = listSize{r.list, rows}
	r.mu.Unlock()
	if news && r.PageSize != nil {
		r.PageSize(rows)
	}
	return r.refused(r.list, size)
}

// alone waits until no other request probes. Its error is that of the context; otherwise the caller must call done. If
// it need not wait, it succeeds even after the end of ctx: the next fetch decides.
func (v *Verifier) alone(ctx context.Context) (done func(), err error) {
	done = func() { <-v.probing }
	select {
	case v.probing <- struct{}{}:
		return done, nil
	default:
	}
	select {
	case v.probing <- struct{}{}:
		return done, nil
	case <-ctx.Done():
		return nil, upstream.ContextError(ctx)
	}
}

// fresh returns the value of a finding, and whether the gateway still trusts it.
func fresh[T any](v *Verifier, f *finding[T]) (T, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return f.value, v.now().Before(f.until)
}

func find[T any](v *Verifier, f *finding[T], value T, lasts time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	*f = finding[T]{value, v.now().Add(lasts)}
}

// refusesNumber reports whether an error may mean that the list has no page of this number.
func refusesNumber(err error) bool {
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok || e.Unsent {
		return false
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusInternalServerError:
		return true
	default:
		return false
	}
}

// tooSmall reports whether an error says that the caller must request a larger page.
func tooSmall(err error) bool {
	e, ok := errors.AsType[*upstream.PageSizeError](err)
	return ok && e.Least > 0
}

// sameRows compares two pages by their calls' ids.
func sameRows(a, b *upstream.Page) bool {
	if len(a.Rows) != len(b.Rows) {
		return false
	}
	for i := range a.Rows {
		if !sameRow(a.Rows[i], b.Rows[i]) {
			return false
		}
	}
	return true
}

// sameRow compares two rows by their calls' ids. All unreadable rows count as the same.
func sameRow(a, b upstream.Row) bool {
	return (a.Call == nil) == (b.Call == nil) && (a.Call == nil || a.Call.ID == b.Call.ID)
}

// place returns the index of the row's call in the page; -1 if the page does not have it, or the row is unreadable.
func place(page *upstream.Page, row upstream.Row) int {
	for i := range page.Rows {
		if row.Call != nil && page.Rows[i].Call != nil && page.Rows[i].Call.ID == row.Call.ID {
			return i
		}
	}
	return -1
}
