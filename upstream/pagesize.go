package upstream

import (
	"context"
	"fmt"
	"sync/atomic"
)

// PageSizeError says that upstream serves no more than Max rows a page, and that more were asked for. Nothing is wrong:
// ask again for Max at the most.
type PageSizeError struct{ Max int }

func (e *PageSizeError) Error() string {
	return fmt.Sprintf("upstream serves at most %d rows a page", e.Max)
}

// believedRows: an answer of fewer rows is never taken for a page that was cut to a limit. No API has so low a limit,
// and lists that short are cheap to read.
const believedRows = 10

// pageSize notices when upstream lowers page_size silently. It would be the end of the gateway's arithmetic: a page cut
// short looks like the end of the list, and page n then begins at n times the lower size.
//
// A size is proven once some answer had that many rows. An answer with fewer rows than were asked for, of a size not yet
// proven, is suspected, and the start of the list tells: if the first page of that size is full, the size is good; if it
// has n rows and the list has a row n, the page was cut to n; and if the list has no such row, it is just short.
type pageSize struct {
	proven atomic.Int64 // the most rows that one answer had
	limit  atomic.Int64 // 0: none known
}

// check judges an answer; whole says that it is of the whole list, of which get asks for a page, numbered from 0. The
// error may be a *PageSizeError.
func (p *pageSize) check(ctx context.Context, page *Page, whole bool, get func(ctx context.Context, number, size int) (*Page, error)) error {
	p.prove(page)
	if !page.Last() || int64(page.Size) <= p.proven.Load() || page.Number == 0 && len(page.Rows) < believedRows {
		return nil
	}
	start, err := page, error(nil)
	if !whole || page.Number != 0 {
		start, err = get(ctx, 0, page.Size)
	}
	const tries = 3 // the list may grow while it is looked at
	for range tries {
		if err != nil {
			return err
		}
		p.prove(start)
		rows := len(start.Rows)
		if !start.Last() || rows == 0 {
			return nil
		}
		next, err := get(ctx, rows, 1)
		if err != nil || len(next.Rows) == 0 {
			return err
		}
		again, err := get(ctx, 0, page.Size)
		if err == nil && len(again.Rows) == rows {
			p.limit.Store(int64(rows))
			return p.known(page.Size)
		}
		start = again
	}
	return &Error{Kind: KindInvalidResponse, Reason: "it could not be told whether pages are cut to a limit"}
}

func (p *pageSize) prove(page *Page) {
	rows := int64(len(page.Rows))
	for old := p.proven.Load(); rows > old && !p.proven.CompareAndSwap(old, rows); old = p.proven.Load() {
	}
}

// known is the error of a page that is known to be too large.
func (p *pageSize) known(size int) error {
	if limit := p.limit.Load(); limit > 0 && int64(size) > limit {
		return &PageSizeError{int(limit)}
	}
	return nil
}
