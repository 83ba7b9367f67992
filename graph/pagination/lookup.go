package pagination

import (
	"context"
	"errors"
	"fmt"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// ScanLimitError is the error of a look-up: the list goes on beyond the pages that a look-up may read.
type ScanLimitError struct{ Pages int }

func (e *ScanLimitError) Error() string {
	return fmt.Sprintf("not found among the newest calls: the list goes on after the %d pages that were read", e.Pages)
}

// LookUp finds calls by id: among the calls that were seen of late, then in one scan of the list from the newest on,
// through as many rows as maxPages pages of the largest size have. The scan is a walk like any other, so that no call
// slips past it between two answers. What the whole list does not hold is missing from what is returned; an error of
// type [*ScanLimitError] comes with what was found before the limit.
func (r *Reader) LookUp(
	ctx context.Context, known upstream.Finder, ids []string, maxPages int,
) (map[string]*upstream.Call, error) {
	found := map[string]*upstream.Call{}
	missing := map[string]bool{}
	remember := func(id string) {
		call, page := known.FindCall(r.key.Tenant, id, r.notBefore)
		r.trace.readCall(callRead{tenant: r.key.Tenant, id: id, notBefore: r.notBefore}, page)
		if call != nil {
			found[id] = call
			delete(missing, id)
		}
	}
	for _, id := range ids {
		if id == "" || missing[id] || found[id] != nil {
			continue
		}
		if ctx.Err() != nil {
			return found, context.Cause(ctx)
		}
		missing[id] = true
		remember(id)
	}
	if len(missing) == 0 {
		return found, nil
	}
	err := r.steadily(ctx, func() error { return r.scan(ctx, missing, found, maxPages) })
	if failure, ok := errors.AsType[*upstream.Error](err); ok && failure.Kind.Passing() {
		for id := range missing { // now that upstream is known to fail, what was seen a while ago will do
			remember(id)
		}
		if len(missing) == 0 {
			return found, nil
		}
	}
	return found, err
}

// scan moves calls from missing to found.
func (r *Reader) scan(
	ctx context.Context, missing map[string]bool, found map[string]*upstream.Call, maxPages int,
) error {
	var after *relay.Cursor
	for rows, most := 0, maxPages*r.largest(); len(missing) > 0; {
		if rows >= most {
			return &ScanLimitError{maxPages}
		}
		p, err := provenSeam(r.start(ctx, after, r.largest()))
		if err != nil {
			return err
		}
		for i, row := range p.rows[p.after:] {
			if row.Call != nil && missing[row.Call.ID] && (rows+i < most || p.last) {
				found[row.Call.ID] = row.Call
				delete(missing, row.Call.ID)
			}
		}
		seam := p.seamBelow(p.after, 1) // a neighbour behind it comes with the next page
		if p.last {
			break
		} else if seam < p.after {
			return errListUnsteady
		}
		rows += seam + 1 - p.after
		c := p.cursor(r.list, seam)
		after = &c
	}
	return nil
}
