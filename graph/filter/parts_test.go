package filter

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// partlyReadable is a list of calls, in which "" is one that cannot be read.
type partlyReadable []string

func (l partlyReadable) ListCalls(_ context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	page := &upstream.Page{Number: opts.Page, Size: opts.PageSize, AskedAt: time.Now()}
	for _, id := range l[min(page.Offset(), len(l)):min(page.Offset()+page.Size, len(l))] {
		if id == "" {
			page.Rows = append(page.Rows, upstream.Row{Problem: "it has no id"})
		} else {
			page.Rows = append(page.Rows, upstream.RowOf(&upstream.Call{ID: id}, 0))
		}
	}
	return page, nil
}

// The parts of a range have each of its rows once, wherever they end and whichever rows cannot be read.
func TestPartsOfARange(t *testing.T) {
	for at := 1; at < 60; at++ {
		l := make(partlyReadable, 150)
		for i := range l {
			if i%40 > 3 && (i < at || i >= at+6) || i == 0 || i == len(l)-1 {
				l[i] = strconv.Itoa(i)
			}
		}
		lists := pagination.New(l, pagination.Options{PageSize: 20, MaxShift: 100, Log: slog.New(slog.DiscardHandler)})
		n := pagination.Selection{Rows: true, Next: true, Previous: true}
		whole, err := lists.Reader(pagination.Request{}).Window(t.Context(), relay.Range{Count: len(l)}, n)
		if err != nil {
			t.Fatal(err)
		}
		first, last := whole.Cursor(0), whole.Cursor(len(l)-1)
		for name, test := range map[string]struct {
			rng      relay.Range
			from, to int
		}{
			"before":           {relay.Range{Before: &last}, 0, len(l) - 1},
			"after, backward":  {relay.Range{After: &first, Backward: true}, 1, len(l)},
			"between":          {relay.Range{After: &first, Before: &last}, 1, len(l) - 1},
			"between, up":      {relay.Range{After: &first, Before: &last, Backward: true}, 1, len(l) - 1},
			"after":            {relay.Range{After: &first}, 1, len(l)},
			"before, backward": {relay.Range{Before: &last, Backward: true}, 0, len(l) - 1},
		} {
			parts := partsOf(lists.Reader(pagination.Request{}), test.rng, n, 1000)
			got, err := readParts(t.Context(), parts, test.rng.Backward)
			if want := l[test.from:test.to]; err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, unreadable from %d: %v, got %q", name, at, err, got)
			}
		}
	}
}

// readParts returns the ids of all parts, in the list's order.
func readParts(ctx context.Context, p parts, backward bool) (ids []string, err error) {
	defer p.close()
	for {
		read, _, err := p.next(ctx)
		if err != nil || read == nil {
			return ids, err
		}
		var its []string
		for _, row := range read.window.Rows()[read.from:read.to] {
			if row.Call == nil {
				its = append(its, "")
			} else {
				its = append(its, row.Call.ID)
			}
		}
		if backward {
			ids = append(its, ids...)
		} else {
			ids = append(ids, its...)
		}
	}
}
