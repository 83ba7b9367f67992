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
// Page 0 is an error, or empty, or the first page, whichever number that has. So a whole page 0 is taken as it comes,
// and the number is found out only when another page is wanted. If that is page 1, and has rows in common with the page
// 0 that came a moment ago, it takes the place of the probe's page 1. So to read a list from its start takes only one
// request more than its pages.

// zeroLasts is for how long a page 0 is compared with page 1: the list moves meanwhile.
const zeroLasts = 2 * time.Second

// wanted is the page that a caller wants, of the list without a filter.
type wanted struct {
	number, size int
	page         *upstream.Page // what has come for it; nil is nothing, or not enough
	zero         *pageZero      // what has come for page 0; nil is unknown
}

// pageZero is what came for page 0 of the list without a filter: a page with nothing but the calls' ids, or a refusal.
type pageZero struct {
	page    *upstream.Page
	refusal error
	asked   time.Time
}

// head is the page of its first rows.
func (z *pageZero) head(rows int) (*upstream.Page, error) {
	if z.refusal != nil {
		return nil, z.refusal
	}
	page := *z.page
	page.Size, page.Rows = rows, page.Rows[:min(rows, len(page.Rows))]
	return &page, nil
}

// askZero fetches page 0, if that is wanted while the number of the first page is not known.
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

// idsOf is a page with nothing but the calls' ids, which does not keep the response in memory.
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

// askedZero is page 0 of so many rows, from what has come for it, if that is not nil.
func askedZero(
	get func(number, size int) (*upstream.Page, error), came *pageZero, rows int,
) (*upstream.Page, error) {
	if came != nil {
		return came.head(rows)
	}
	return get(0, rows)
}

// byPageOne finds out by the wanted page 1 whether the first page has the number 0. Page 0 before and after shows how
// far the list can have moved meanwhile, as in the probe.
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
	find(v, &v.exact, p.again.Size, findingsLast) // the list has more rows, and not one more came
	return true, nil
}

// lastZero takes the page 0 that came a moment ago, if it has as many rows as the probe's; nil is none. Of an empty one
// a call may have come since.
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

// unrelated is an error that says nothing about a page's number or size; what does is for the probe to judge.
func unrelated(err error) error {
	if _, size := errors.AsType[*upstream.PageSizeError](err); size || refusesNumber(err) {
		return nil
	}
	return err
}
