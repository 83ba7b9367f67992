package pagination

import (
	"context"
	"errors"
	"fmt"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// ScanLimitError is returned by a look-up when the list continues beyond the pages that a look-up may read.
type ScanLimitError struct{ Pages int }

func (e *ScanLimitError) Error() string {
	return fmt.Sprintf("not found among the newest calls: the list goes on after the %d pages that were read", e.Pages)
}

// LookUp finds calls by id: first among the cached calls, then in one scan of the list from the newest call on, through
// as many rows as maxPages pages of the largest size have. The scan is a walk like any other, so that no call slips
// past between two responses. An id that the whole list does not have is missing from the result. A [*ScanLimitError]
// comes with the calls that were found before the limit.
func (r *Reader) LookUp(
	ctx context.Context, known upstream.Finder, ids []string, maxPages int,
) (map[string]*upstream.Call, error) {
	found := map[string]*upstream.Call{}
	missing := map[string]bool{}
	cached := func(id string) {
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
		cached(id)
	}
	if len(missing) == 0 {
		return found, nil
	}
	for id, call := range found { // else their pages would stay in memory while others are read, uncounted
		found[id] = call.Detached()
	}
	err := r.steadily(ctx, func() error { return r.scan(ctx, missing, found, maxPages) })
	if failure, ok := errors.AsType[*upstream.Error](err); ok && failure.Kind.Passing() {
		for id := range missing { // now that upstream is known to fail, an older cached page will do
			cached(id)
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
	s := r.Scan(ScanOptions{MaxRows: maxPages * r.largest()})
	defer s.Close()
	hashes := make(map[relay.Hash]bool, len(missing)) // compared first: nearly all rows have other calls
	for id := range missing {
		hashes[relay.NewHash(id)] = true
	}
	for len(missing) > 0 && s.Next(ctx) {
		for _, rows := range [...][]upstream.Row{s.Part().Rows(), s.Beyond()} {
			for _, row := range rows {
				if hashes[row.Hash] && row.Call != nil && missing[row.Call.ID] {
					own := row.Call.Detached() // likewise
					found[own.ID] = own
					delete(missing, own.ID)
				}
			}
		}
	}
	switch {
	case s.Stopped() == StopLimit:
		return &ScanLimitError{maxPages}
	default:
		return s.Err()
	}
}
