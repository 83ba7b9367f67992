package graph

import (
	"context"
	"math"
)

// Upstream tells no total, so the end of the list is searched for. Whether a page of the largest size exists is
// asked by its first row alone, which costs one row and not a page of transcripts: galloping finds a page that does not
// exist, in steps that double, and bisection the last one that does; that one is then read whole. For P pages that is
// floor(log2 P)+1 requests, floor(log2 P), and one: 2·log2(P)+2 at the most.
//
// When the total was known a while ago, one page around it is asked for first. Usually it proves the end at once;
// otherwise galloping starts there.

// totalMargin is how many rows around the last known total are asked for: a list that moved by less is counted with
// one request.
const totalMargin = 16

// maxRows is far beyond any list; upstream that has rows there has not understood the page number.
const maxRows = math.MaxInt32

// total counts the rows of the list.
func (r *reader) total(ctx context.Context) (int, error) {
	there, beyond := 0, 0 // the list has a row at there, if any at all, and none at beyond; beyond 0 is unknown
	if hint, ok := r.totals.Get(r.key); ok {
		page, err := r.get(ctx, max(0, hint-1), max(0, hint-totalMargin), hint+totalMargin)
		switch {
		case err != nil:
			return 0, err
		case provesEnd(page):
			return page.End(), nil
		case page.Last():
			beyond = page.Offset()
		default:
			there = page.End() - 1
		}
	}
	for range maxTries {
		size := r.largest()
		last, err := r.lastPage(ctx, size, there/size, (beyond+size-1)/size)
		if err != nil {
			return 0, err
		}
		first := last * size
		page, err := r.get(ctx, first, first, first+size)
		switch {
		case err != nil:
			return 0, err
		case r.largest() != size: // upstream serves smaller pages: this one may not reach the end
			there, beyond = first, 0
		case page.End() > first, first == 0:
			r.totals.Add(r.key, page.End())
			return page.End(), nil
		default: // rows left the list meanwhile, or the answers are of different ages
			there, beyond, r.notBefore = 0, 0, r.now()
		}
	}
	return 0, errListUnsteady
}

// lastPage finds the last page of the given size that has a row, 0 if none has. Page lo has one, or is 0; page hi has
// none, or is 0 for unknown.
func (r *reader) lastPage(ctx context.Context, size, lo, hi int) (int, error) {
	// Gallop to enclose the end between lo and hi.
	if hi == 0 {
		for step, from := 1, lo; hi == 0; step = 2*step + 1 {
			if (from+step)*size > maxRows {
				return 0, errPageIgnored
			}
			there, err := r.exists(ctx, (from+step)*size)
			if err != nil {
				return 0, err
			}
			if there {
				lo = from + step
			} else {
				hi = from + step
			}
		}
	} else {
		for step, from := 1, hi; from-step > lo; step = 2*step + 1 {
			there, err := r.exists(ctx, (from-step)*size)
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
		there, err := r.exists(ctx, middle*size)
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

// exists reports whether the list has the row.
func (r *reader) exists(ctx context.Context, row int) (bool, error) {
	page, err := r.get(ctx, row, row, row+1)
	return err == nil && page.End() > row, err
}
