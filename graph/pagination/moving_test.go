package pagination

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
	"revox-graphql/upstream/pagecache"
)

// tally is how a walk went.
type tally struct {
	pages, requests, shown, duplicates, losses int
}

func (r tally) String() string {
	return fmt.Sprintf("%d pages, %.2f upstream requests a page, %d calls shown, %d twice, %d lost",
		r.pages, float64(r.requests)/float64(r.pages), r.shown, r.duplicates, r.losses)
}

// walkMoving reads 5,000 calls, a page every half second, while calls arrive at the head of the list and leave it at
// places all over: so many every second. next asks for a page by its number and returns its ids, and whether more
// follow.
func walkMoving(
	t *testing.T, arrive, leave int,
	next func(cache *pagecache.Cache, w *world, page int) (ids []string, more bool),
) tally {
	t.Helper()
	w := newWorld(5000)
	cache := pagecache.New(&endpoint{w: w}, pagecache.Options{
		TTL: 15 * time.Second, MaxBytes: 1 << 30, Now: func() time.Time { return w.at() },
	})
	began, requests := w.ids(0), 0
	w.move = func() { requests++ }
	var result tally
	seen := map[string]int{}
	for more := true; more; result.pages++ {
		var ids []string
		ids, more = next(cache, w, result.pages)
		for _, id := range ids {
			seen[id]++
		}
		half := result.pages % 2 // odd numbers a second come and go in two parts
		w.insert((arrive + half) / 2)
		for i := range (leave + half) / 2 {
			w.remove((result.pages*7919+i*104729)%len(w.rows), 1)
		}
		w.pass(500 * time.Millisecond)
	}
	result.requests = requests
	for _, n := range seen {
		result.shown++
		result.duplicates += n - 1
	}
	for _, id := range w.ids(0) {
		if seen[id] == 0 && slices.Contains(began, id) {
			result.losses++
		}
	}
	return result
}

// The walk that this gateway is for, beside the same walk by plain offsets. The figures are in docs/pagination.md.
func TestMovingWalk(t *testing.T) {
	for _, test := range []struct{ first, arrive, leave int }{
		{20, 20, 5}, {50, 20, 5}, {100, 20, 5}, {20, 5, 20}, {100, 5, 20},
	} {
		var cursor *relay.Cursor
		var p *Lists
		anchored := walkMoving(t, test.arrive, test.leave, func(cache *pagecache.Cache, w *world, _ int) ([]string, bool) {
			if p == nil {
				p = newLists(cache, 200, 1000)
				p.now, p.cached = func() time.Time { return w.at() }, true
			}
			win, err := p.of(upstream.List{}, time.Time{}).window(
				t.Context(), relay.Range{Count: test.first, After: cursor}, everything,
			)
			if err != nil {
				t.Fatal(err)
			}
			c := win.cursor(upstream.List{}, win.to-1)
			cursor = &c
			return win.ids(), win.HasNext()
		})
		offsets := walkMoving(t, test.arrive, test.leave, func(cache *pagecache.Cache, _ *world, page int) ([]string, bool) {
			got, err := cache.ListCalls(t.Context(), upstream.ListCallsOptions{Page: page, PageSize: test.first})
			if err != nil {
				t.Fatal(err)
			}
			w := Window{span: spanOf(got), to: len(got.Rows)}
			return w.ids(), !got.Last()
		})
		what := fmt.Sprintf("first %d, %d arrive and %d leave a second", test.first, test.arrive, test.leave)
		t.Logf("%s, cursors: %v", what, anchored)
		t.Logf("%s, offsets: %v", what, offsets)
		if anchored.duplicates != 0 || anchored.losses != 0 {
			t.Errorf("%s: %v", what, anchored)
		}
		if offsets.duplicates+offsets.losses == 0 {
			t.Errorf("%s: the list does not move: %v", what, offsets)
		}
	}
}
