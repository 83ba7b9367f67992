package upstream

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
)

// probeRows is the size of the pages that are compared. One row would not do: a single new call between two requests
// pushes the first row of the list to where the second page of size 1 begins.
const probeRows = 2

// firstPage is the number of upstream's first page, found out once when it is not set.
//
// Page 0 of a server that counts from 1 is an error, or empty, or the first page again. Page 1 of a server that
// counts from 0 is what follows page 0. So pages 0 and 1 tell the two apart, but for a list that moves between the
// two requests; when they are the same, page 0 is asked once more to see that it stood still, and page 2 to see that the
// number means anything at all. An empty list tells nothing, and nothing is wrong then in counting from 0.
type firstPage struct {
	known   atomic.Int32  // a FirstPage
	probing chan struct{} // holds a token while somebody probes; a channel, so that waiting ends with the context
}

func newFirstPage(set FirstPage) *firstPage {
	p := &firstPage{probing: make(chan struct{}, 1)}
	p.known.Store(int32(set))
	return p
}

// number returns the number of the first page, and whether it was found out just now. get asks for a page as upstream
// numbers it.
func (p *firstPage) number(ctx context.Context, get func(context.Context, int) (*Page, error)) (number int, found bool, err error) {
	if n := FirstPage(p.known.Load()); n != FirstPageAuto {
		return int(n), false, nil
	}
	select {
	case p.probing <- struct{}{}:
		defer func() { <-p.probing }()
	case <-ctx.Done():
		return 0, false, transportError(ctx, ctx.Err())
	}
	if n := FirstPage(p.known.Load()); n != FirstPageAuto { // somebody else found it out meanwhile
		return int(n), false, nil
	}
	n, sure, err := probeFirstPage(ctx, get)
	if sure {
		p.known.Store(int32(n))
	}
	return int(n), sure, err
}

func probeFirstPage(ctx context.Context, get func(context.Context, int) (*Page, error)) (n FirstPage, sure bool, err error) {
	zero, err := get(ctx, 0)
	if e, ok := errors.AsType[*Error](err); ok && (e.Status == http.StatusBadRequest ||
		e.Status == http.StatusNotFound || e.Status == http.StatusUnprocessableEntity) {
		// Only a good page 1 shows that it was the number, and not the request, that was refused.
		_, err = get(ctx, 1)
		return FirstPageOne, err == nil, err
	}
	if err != nil {
		return 0, false, err
	}
	const tries = 3 // each fails only when calls arrive at just that moment
	for range tries {
		one, err := get(ctx, 1)
		if err != nil {
			return 0, false, err
		}
		if !sameRows(zero, one) {
			if len(zero.Rows) == 0 {
				return FirstPageOne, true, nil
			}
			return FirstPageZero, true, nil
		}
		if len(zero.Rows) == 0 {
			return 0, false, nil
		}
		again, err := get(ctx, 0)
		if err != nil {
			return 0, false, err
		}
		if !sameRows(zero, again) {
			zero = again
			continue
		}
		two, err := get(ctx, 2)
		if err == nil && sameRows(one, two) {
			err = &Error{Kind: KindInvalidResponse, Reason: "every page number has the same rows: is `page` ignored?"}
		}
		return FirstPageOne, err == nil, err
	}
	return 0, false, &Error{Kind: KindInvalidResponse, Reason: "the first page could not be found out: set its number"}
}

// sameRows compares two pages by their calls' ids.
func sameRows(a, b *Page) bool {
	if len(a.Rows) != len(b.Rows) {
		return false
	}
	for i := range a.Rows {
		if (a.Rows[i].Call == nil) != (b.Rows[i].Call == nil) ||
			a.Rows[i].Call != nil && a.Rows[i].Call.ID != b.Rows[i].Call.ID {
			return false
		}
	}
	return true
}
