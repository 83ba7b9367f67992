package pagination

import (
	"context"
	"errors"
	"math"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// Counting
//
// Upstream returns no total, so the end of the list is searched for. Whether a page of the largest size exists is asked
// by its first rows alone, which costs four rows and not a page of transcripts: galloping finds a page that does not
// exist, in steps that grow fourfold, and bisection the last one that does; that one is then read whole. For P pages
// that is log4(P)+1 requests, log2(P)+2 at the most, and one; where the last page is full, one more.
//
// The rows that were found and missed on the way are of different moments, and say where to look, not more. A total
// comes only from a response that proves the end: the list's last row is in it, and it has room for the next.
//
// When the total was known a while ago, one page around it is requested first. Usually it proves the end at once;
// otherwise galloping starts there.

// totalMargin is how many rows around the last known total are requested: a list that moved by less is counted with
// one request.
const totalMargin = 16

// maxRows is far beyond any list; upstream that has rows there has not understood the page number.
const maxRows = math.MaxInt32

// Count is the length of the list that the window is of. It asks upstream only where the window does not hold the
// list's end.
func (r *Reader) Count(ctx context.Context, w *Window) (int, error) {
	if w.last && len(w.rows) > 0 {
		return w.at(len(w.rows)), nil
	}
	return r.total(ctx)
}

// total counts the rows of the list.
func (r *Reader) total(ctx context.Context) (int, error) {
	e := end{Reader: r}
	if hint, ok := r.totals.Get(r.key); ok {
		page, err := r.get(ctx, max(0, hint-1), max(0, hint-totalMargin), hint+totalMargin)
		if err != nil {
			return 0, err
		}
		if e.look(page) {
			return page.End(), nil
		}
	}
	for range maxTries {
		total, err := e.find(ctx)
		if !errors.Is(err, errListUnsteady) {
			return total, err
		}
		r.notBefore = r.now() // rows have come or left meanwhile, or the responses are of different ages
		e.beyond = 0          // an older response may have shown that
	}
	return 0, errListUnsteady
}

// end searches for the end of a list.
type end struct {
	*Reader
	there, beyond int                // the list has a row at there, if any at all, and none at beyond; beyond 0 is unknown
	seen          map[relay.Hash]int // where probes have found calls
}

// look takes a page into account, and reports whether the list ends with it.
func (e *end) look(page *upstream.Page) bool {
	switch {
	case provesEnd(page):
		return true
	case len(page.Rows) == 0:
		e.there, e.beyond = 0, page.Offset()
	default:
		e.there = page.End() - 1
		if e.beyond <= e.there {
			e.beyond = 0
		}
	}
	return false
}

// find counts the rows. It returns errListUnsteady if the responses do not fit each other.
func (e *end) find(ctx context.Context) (int, error) {
	e.seen = map[relay.Hash]int{}
	size := e.largest()
	last, err := e.lastPage(ctx, size)
	if err != nil {
		return 0, err
	}
	page, err := e.get(ctx, last*size, last*size, (last+1)*size)
	if err == nil && !e.look(page) && e.there >= last*size {
		page, err = e.get(ctx, e.there, e.there, e.there+1+totalMargin) // it is full: does a row follow its last one?
	}
	switch {
	case err != nil:
		return 0, err
	case e.look(page):
		return page.End(), nil
	default:
		return 0, errListUnsteady
	}
}

// lastPage finds the last page of the given size that has a row, 0 if none has.
func (e *end) lastPage(ctx context.Context, size int) (int, error) {
	lo, hi := e.there/size, (e.beyond+size-1)/size // page lo has a row, or is 0; page hi has none, or is 0 for unknown
	// Gallop to enclose the end between lo and hi.
	if hi == 0 {
		for step, from := 3, lo; hi == 0; step = 4*step + 3 {
			if (from+step)*size > maxRows {
				return 0, errPageIgnored
			}
			there, err := e.exists(ctx, (from+step)*size)
			switch {
			case err != nil:
				return 0, err
			case there:
				lo = from + step
			default:
				hi = from + step
			}
		}
	} else {
		for step, from := 1, hi; from-step > lo; step = 2*step + 1 {
			there, err := e.exists(ctx, (from-step)*size)
			if err != nil {
				return 0, err
			}
			if there {
				lo = from - step
				break
			}
			hi = from - step
		}
	}
	for hi-lo > 1 {
		middle := lo + (hi-lo)/2
		there, err := e.exists(ctx, middle*size)
		if err != nil {
			return 0, err
		}
		if there {
			lo = middle
		} else {
			hi = middle
		}
	}
	return lo, nil
}

// exists reports whether the list has the row. Some upstreams serve past the end the last page again, or the
// first one; that shows in a call that is found at two places. Its error then is errListUnsteady, and a page from far
// past the end lets the client know.
func (e *end) exists(ctx context.Context, row int) (bool, error) {
	page, err := e.probe(ctx, row)
	if err != nil || page.End() <= row {
		return false, err
	}
	for i, row := range page.Rows {
		if row.Call == nil {
			continue
		}
		hash, at := row.Hash, page.Offset()+i
		if before, ok := e.seen[hash]; ok && before != at {
			e.there, e.beyond = 0, 0
			return false, e.servedAgain(ctx)
		}
		e.seen[hash] = at
	}
	e.there = max(e.there, row)
	return true, nil
}

// servedAgain has the client find out that upstream serves a page again past the end of the list. It returns
// errListUnsteady, because the pages that were read so far may be such pages.
func (r *Reader) servedAgain(ctx context.Context) error {
	if err := r.probePastEnd(ctx); err != nil {
		return err
	}
	return errListUnsteady
}

// probePastEnd has the client find out what upstream serves past the end of a list. From then on the client returns
// empty pages from there.
func (r *Reader) probePastEnd(ctx context.Context) error {
	if _, err := r.probe(ctx, upstream.FarPage*r.largest()); err != nil {
		return err
	}
	if since, ok := r.probed.Get(r.key.Tenant); !ok || !r.now().Before(since.Add(probedFor)) {
		r.probed.Add(r.key.Tenant, r.now())
	}
	return nil
}

// anchored makes sure that the row with index i of a span stands at its position. A page that upstream serves again
// past the end of a list has true rows at positions that the list does not have, and the page itself does not show it.
// So before such a position decides anything, the client must know what upstream serves there, which takes a request
// once in probedFor. If the span was read before that, a page from its position must still have a call of the span:
// otherwise anchored returns errListUnsteady.
func (r *Reader) anchored(ctx context.Context, s *span, i int) error {
	if len(s.rows) == 0 || s.last && len(s.later) == 0 { // the client has made sure of where the list ends
		return nil
	}
	since, ok := r.probed.Get(r.key.Tenant)
	switch {
	case !ok || !r.now().Before(since.Add(probedFor)):
		if err := r.probePastEnd(ctx); err != nil {
			return err
		}
	case !s.oldest.Before(since):
		return nil
	}
	fresh := *r
	fresh.notBefore = r.now()
	at := s.at(min(i, len(s.rows)-1))
	page, err := fresh.get(ctx, at, max(0, at-i), at-i+len(s.rows))
	if err != nil {
		return err
	}
	for _, row := range page.Rows {
		if s.indexOf(row.Call) >= 0 {
			return nil
		}
	}
	return errListUnsteady
}
