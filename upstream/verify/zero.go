package verify

import (
	"context"
	"errors"
	"strings"
	"time"

	"revox-graphql/upstream"
)

// Page 0
//
// Page 0 is an error, or empty, or the first page, whether pages count from 0 or 1. So the verifier accepts a whole
// page 0 as it is, and finds the number only when a client wants another page. If that is page 1, and shares rows with
// the page 0 that came a moment ago, it serves as the probe's page 1. This way, reading a list from its start takes
// only one request more than its pages.

// zeroLasts is the greatest age of a page 0 that is compared with page 1: the list moves meanwhile.
const zeroLasts = 2 * time.Second

// wanted is the page that a caller wants, of the list without a filter.
type wanted struct {
	number, size int
	page         *upstream.Page // the response for it; nil: none, or not good enough
	zero         *pageZero      // the response for page 0; nil: none
}

// pageZero is a response for page 0 of the list without a filter: a page with only the calls' ids, or a refusal.
type pageZero struct {
	page    *upstream.Page
	refusal error
	asked   time.Time
}

// head returns the page of the first rows. Its error is the refusal.
func (z *pageZero) head(rows int) (*upstream.Page, error) {
	if z.refusal != nil {
		return nil, z.refusal
	}
	page := *z.page
	page.Size, page.Rows = rows, page.Rows[:min(rows, len(page.Rows))]
	return &page, nil
}

// askZero fetches page 0 into w, if that is the wanted page and the number of the first page is not known. A refusal is
// no error.
func (v *Verifier) askZero(ctx context.Context, list upstream.OrderStatuses, ask Fetcher, w *wanted) error {
	if _, ok := fresh(v, &v.first); ok || v.set != upstream.FirstPageAuto || w.number > 0 {
		return nil
	}
	asked := v.now()
	page, err := v.exactly(ctx, ask, 0, w.size)
	if err != nil && !refusesNumber(err) {
		return err
	}
	if list == unfiltered && w.size >= 2*upstream.ProbeRows {
		w.zero = &pageZero{idsOf(page), err, asked}
		v.mu.Lock()
		v.zero = w.zero
		v.mu.Unlock()
	}
	if err == nil && len(page.Rows) > 0 {
		w.page = page
	}
	return nil
}

// idsOf returns a page with only the calls' ids, which does not keep the response in memory.
func idsOf(page *upstream.Page) *upstream.Page {
	if page == nil {
		return nil
	}
	ids := &upstream.Page{Number: page.Number, Size: page.Size, Rows: make([]upstream.Row, len(page.Rows))}
	for i, row := range page.Rows {
		if row.Call != nil {
			ids.Rows[i].Call = &upstream.Call{ID: strings.Clone(row.Call.ID)}
		}
	}
	return ids
}

// askedZero returns page 0 of so many rows: from the earlier response, or if that is nil, from a new one.
func askedZero(
	get func(number, size int) (*upstream.Page, error), came *pageZero, rows int,
) (*upstream.Page, error) {
	if came != nil {
		return came.head(rows)
	}
	return get(0, rows)
}

// byPageOne finds out with the wanted page 1 whether the first page has the number 0. As in the probe, page 0 before
// and after shows how far the list can have moved.
func (v *Verifier) byPageOne(ctx context.Context, whole Fetcher, w *wanted) (sure bool, err error) {
	zero := v.lastZero()
	if zero == nil || w.size < 2*upstream.ProbeRows || w.size >= len(zero.page.Rows) {
		return false, nil
	}
	p := probe{zero: zero.page, rows: w.size}
	if p.one, err = v.exactly(ctx, whole, 1, w.size); err != nil || len(p.one.Rows) == 0 {
		return false, unrelated(err)
	}
	if p.again, err = v.exactly(ctx, whole, 0, 2*upstream.ProbeRows); err != nil {
		return false, unrelated(err)
	}
	if n, sure, _ := p.judge(); !sure || n != upstream.FirstPageZero { // the probe shows more
		return false, nil
	}
	w.page = p.one
	find(v, &v.exact, p.again.Size, findingsLast) // the list has more rows, and upstream sent no more than requested
	return true, nil
}

// lastZero removes and returns the page 0 that came a moment ago; nil if there is none with as many rows as the
// probe's.
func (v *Verifier) lastZero() *pageZero {
	v.mu.Lock()
	defer v.mu.Unlock()
	zero := v.zero
	v.zero = nil
	if zero == nil || zero.refusal != nil || len(zero.page.Rows) < 2*upstream.ProbeRows ||
		v.now().Sub(zero.asked) > zeroLasts {
		return nil
	}
	return zero
}

// unrelated returns the error if it says nothing about a page's number or size, else nil: then the probe judges.
func unrelated(err error) error {
	if _, size := errors.AsType[*upstream.PageSizeError](err); size || refusesNumber(err) {
		return nil
	}
	return err
}
