package graph

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
	"revox-graphql/upstream/pagecache"
)

// The guarantee, tested against a model: random schedules of calls that arrive, leave, and change so that a filter takes
// them in or lets them go, between requests and in the middle of them, while several walkers go up and down through
// replicas with caches of their own that are restarted now and then. The oracle knows since when each call has been in
// each list, and checks each walk:
//
//   - no call twice, but for one that has left the list and come back: that is another call to the walk;
//   - at its end, every call that has been in the list ever since the walk's first answer;
//   - CURSOR_EXPIRED only where the cursor's call and all its neighbours have left, or shifted beyond the bound.
//
// Upstream fails for a while now and then, and replicas serve pages that are no longer fresh, as they do then and while they
// ask anew in the background. All goroutines of a test are in one bubble, so that the background is through before the test
// goes on, and a schedule can be repeated.
//
// One thousand schedules run with the tests; -rapid.checks=10000 runs 100,000. `go test` prints how to repeat a failure,
// shrunk to the steps that matter.

// world is the list that all see, and its history. Every change takes a millisecond.
type world struct {
	now    time.Time
	rows   []*worldRow
	next   int
	oldest time.Time                                       // when the oldest answer was asked for that a request has used
	down   bool                                            // upstream fails
	move   func()                                          // called while a request is under way
	since  map[upstream.OrderStatuses]map[string]time.Time // since when a call has been in a list
}

type worldRow struct {
	id     string
	status upstream.OrderStatuses // one status
}

// The lists of the model: of all calls, and of those of one status or the other.
var (
	statusA    = upstream.NewOrderStatuses(upstream.OrderStatusCompleted)
	statusB    = upstream.NewOrderStatuses(upstream.OrderStatusScheduled)
	modelLists = []upstream.OrderStatuses{0, statusA, statusB}
)

func (l *worldRow) in(list upstream.OrderStatuses) bool { return list == 0 || l.status == list }

func newWorld(rows int) *world {
	w := &world{now: time.UnixMilli(1773480413589), since: map[upstream.OrderStatuses]map[string]time.Time{}}
	for _, list := range modelLists {
		w.since[list] = map[string]time.Time{}
	}
	w.insert(rows)
	return w
}

// changed brings the history of a row up to date; it is in no list any more if it has gone.
func (w *world) changed(row *worldRow, gone bool) {
	for _, list := range modelLists {
		since := w.since[list]
		if gone || !row.in(list) {
			delete(since, row.id)
		} else if _, ok := since[row.id]; !ok {
			since[row.id] = w.now
		}
	}
}

func (w *world) insert(n int) {
	w.now = w.now.Add(time.Millisecond)
	for range n {
		status := statusA
		if w.next%3 == 0 {
			status = statusB
		}
		row := &worldRow{"call-" + strconv.Itoa(w.next), status}
		w.rows = slices.Insert(w.rows, 0, row)
		w.changed(row, false)
		w.next++
	}
}

func (w *world) remove(from, n int) {
	w.now = w.now.Add(time.Millisecond)
	from = min(from, len(w.rows))
	to := min(from+n, len(w.rows))
	for _, row := range w.rows[from:to] {
		w.changed(row, true)
	}
	w.rows = slices.Delete(w.rows, from, to)
}

// flip changes the status of every step-th of n rows: they leave one filtered list and enter the middle of another.
func (w *world) flip(from, n, step int) {
	w.now = w.now.Add(time.Millisecond)
	for i := from; i < min(from+n, len(w.rows)); i += step {
		w.rows[i].status ^= statusA | statusB
		w.changed(w.rows[i], false)
	}
}

func (w *world) ids(list upstream.OrderStatuses) []string {
	var ids []string
	for _, row := range w.rows {
		if row.in(list) {
			ids = append(ids, row.id)
		}
	}
	return ids
}

// String shows the list: each call's number and status.
func (w *world) String() string {
	var b strings.Builder
	for _, row := range w.rows {
		b.WriteString(strings.TrimPrefix(row.id, "call-"))
		b.WriteString(map[upstream.OrderStatuses]string{statusA: "A ", statusB: "B "}[row.status])
	}
	return b.String()
}

// ListCalls implements [upstream.Lister]: the list moves after the request was sent, and before it is read.
func (w *world) ListCalls(_ context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	page := &upstream.Page{Number: opts.Page, Size: opts.PageSize, AskedAt: w.now}
	if w.down {
		return nil, &upstream.Error{Kind: upstream.KindUnavailable}
	}
	if w.move != nil {
		w.move()
	}
	ids := w.ids(opts.Statuses)
	for _, id := range ids[min(page.Offset(), len(ids)):min(page.Offset()+page.Size, len(ids))] {
		page.Rows = append(page.Rows, upstream.Row{Call: &upstream.Call{ID: id}})
	}
	page.Bytes = len(page.Rows)
	return page, nil
}

// walker goes through a list from one end to the other.
type walker struct {
	list   upstream.OrderStatuses
	count  int
	back   bool
	cursor string
	seen   map[string]time.Time // when it was shown
	began  time.Time
	ended  bool
}

const modelBound = 60

// ageing notes the age of the oldest answer that was used, cached or not.
type ageing struct {
	upstream.Lister
	w *world
}

func (a ageing) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	page, err := a.Lister.ListCalls(ctx, opts)
	synctest.Wait() // for what was asked in the background
	if err == nil && page.AskedAt.Before(a.w.oldest) {
		a.w.oldest = page.AskedAt
	}
	return page, err
}

// replica is a gateway with nothing in memory.
func (w *world) replica(pageSize int, ttl, stale time.Duration) *pages {
	cache := pagecache.New(w, pagecache.Options{TTL: ttl, Stale: stale, MaxBytes: 1 << 30, Now: func() time.Time { return w.now }})
	p := newPages(ageing{cache, w}, pageSize, modelBound, slog.New(slog.DiscardHandler))
	p.now, p.cached = func() time.Time { return w.now }, ttl > 0
	return p
}

// step asks for the walker's next page and checks it.
func (k *walker) step(ctx context.Context, t rapid.TB, w *world, p *pages, moving bool) {
	t.Helper()
	rng := relay.Range{Count: k.count, Backward: k.back}
	if k.cursor != "" {
		c, err := relay.ParseCursor(k.cursor)
		if err != nil {
			t.Fatal(err)
		}
		if k.back {
			rng.Before = &c
		} else {
			rng.After = &c
		}
	}
	w.oldest = w.now
	r := p.of(upstream.List{Statuses: k.list}, time.Time{})
	win, err := r.window(ctx, rng, everything)
	switch {
	case errors.Is(err, errCursorExpired):
		k.ended = true
		if c := cmp.Or(rng.After, rng.Before); !moving && !lost(w, k.list, c) {
			t.Fatalf("%s: expired, and is still there", k.cursor)
		}
		return
	case err != nil:
		if !moving && !w.down {
			t.Fatal(err)
		}
		return // it may try again
	}
	t.Logf("it shows %v, before it %v, after it %v", win.ids(), win.hasPrevious(), win.hasNext())
	if k.cursor == "" {
		k.began = w.oldest
	}
	for _, id := range win.ids() {
		if shown, ok := k.seen[id]; ok && !w.since[k.list][id].After(shown) {
			t.Fatalf("%s came twice", id)
		}
		k.seen[id] = w.now
	}
	more := win.hasNext()
	at := win.to - 1
	if k.back {
		more, at = win.hasPrevious(), win.from
	}
	if more && win.from == win.to {
		t.Fatal("an empty page, and more to come")
	}
	if more {
		k.cursor = win.cursor(upstream.List{Statuses: k.list}, at).String()
		return
	}
	k.ended = true
	for id, since := range w.since[k.list] {
		if _, ok := k.seen[id]; !ok && !since.After(k.began) {
			t.Fatalf("%s has been in the list since %v, the walk began at %v, and has not shown it", id, since, k.began)
		}
	}
}

// lost reports whether a cursor may have expired: its call and all its neighbours have left the list, or what there still
// is of them next to its place is beyond the bound.
func lost(w *world, list upstream.OrderStatuses, c *relay.Cursor) bool {
	at := map[relay.Hash]int{}
	for i, id := range w.ids(list) {
		at[relay.NewHash(id)] = i
	}
	far, there := false, false
	look := func(h relay.Hash, stood int) bool {
		i, ok := at[h]
		there = there || ok
		far = far || ok && (i-stood > modelBound || stood-i > modelBound)
		return ok
	}
	if !look(c.Element, c.Position) {
		for n := 0; n < len(c.Before) && !look(c.Before[n], c.Position-1-n); n++ {
		}
		for n := 0; n < len(c.After) && !look(c.After[n], c.Position+1+n); n++ {
		}
	}
	return far || !there
}

// change is one way in which the list moves.
func change(t *rapid.T, w *world) {
	switch rapid.IntRange(0, 5).Draw(t, "change") {
	case 0, 1:
		w.insert(rapid.IntRange(1, 25).Draw(t, "calls"))
	case 2:
		w.remove(rapid.IntRange(0, len(w.rows)).Draw(t, "from"), rapid.IntRange(1, 12).Draw(t, "calls"))
	case 3:
		w.flip(rapid.IntRange(0, len(w.rows)).Draw(t, "from"), rapid.IntRange(1, 30).Draw(t, "calls"), rapid.IntRange(1, 4).Draw(t, "step"))
	case 4:
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
	case 5:
		w.down = !w.down
	}
	t.Logf("the list is now %v, down %v", w, w.down)
}

func modelProperty(t *rapid.T) {
	time.Sleep(10 * time.Millisecond) // of the bubble's: rapid gives itself 30 s to shrink a failure
	w := newWorld(rapid.IntRange(0, 200).Draw(t, "rows"))
	pageSize := rapid.IntRange(20, 70).Draw(t, "page size")
	ttl := time.Duration(rapid.SampledFrom([]int{0, 5, 15, 3600}).Draw(t, "ttl")) * time.Second
	stale := time.Duration(rapid.SampledFrom([]int{0, 60}).Draw(t, "stale")) * time.Second
	replicas := []*pages{w.replica(pageSize, ttl, stale), w.replica(pageSize, ttl, stale)}
	// Some schedules also move the list in the middle of requests.
	moves := 0
	if rapid.Bool().Draw(t, "moves during requests") {
		w.move = func() {
			if moves > 0 {
				moves--
				change(t, w)
			}
		}
	}
	var walkers []*walker
	for range rapid.IntRange(1, 4).Draw(t, "walkers") {
		walkers = append(walkers, &walker{
			list:  rapid.SampledFrom(modelLists).Draw(t, "list"),
			count: rapid.SampledFrom([]int{1, 3, 10, 25, 100}).Draw(t, "count"),
			back:  rapid.Bool().Draw(t, "back"),
			seen:  map[string]time.Time{},
		})
	}
	for range rapid.IntRange(1, 60).Draw(t, "steps") {
		switch rapid.IntRange(0, 9).Draw(t, "step") {
		case 0, 1:
			change(t, w)
		case 2:
			i := rapid.IntRange(0, 1).Draw(t, "replica")
			replicas[i] = w.replica(pageSize, ttl, stale)
		default:
			k := walkers[rapid.IntRange(0, len(walkers)-1).Draw(t, "walker")]
			if !k.ended {
				moves = 0
				if w.move != nil {
					moves = rapid.IntRange(0, 3).Draw(t, "moves")
				}
				moving := moves > 0
				k.step(t.Context(), t, w, replicas[rapid.IntRange(0, 1).Draw(t, "by replica")], moving)
				moves = 0
			}
		}
	}
	// Whoever has not arrived goes on without further ado.
	w.down = false
	for _, k := range walkers {
		for tries := 0; !k.ended; tries++ {
			if tries > 10_000 {
				t.Fatal("an endless walk")
			}
			k.step(t.Context(), t, w, replicas[0], false)
		}
	}
}

// bubbled is a test in a bubble, which has no deadline to be asked for.
type bubbled struct{ testing.TB }

func TestModel(t *testing.T) {
	for i := range 10 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { rapid.Check(bubbled{t}, modelProperty) })
		})
	}
}

// What the model found while the walk was written.
func TestFoundByTheModel(t *testing.T) {
	newWalker := func(list upstream.OrderStatuses, count int, back bool) *walker {
		return &walker{list: list, count: count, back: back, seen: map[string]time.Time{}}
	}
	finish := func(t *testing.T, w *world, p *pages, k *walker) {
		t.Helper()
		for tries := 0; !k.ended && tries < 1000; tries++ {
			k.step(t.Context(), t, w, p, false)
		}
		if !k.ended {
			t.Error("an endless walk")
		}
	}
	t.Run("a neighbour at the end of an answer does not say that the call has left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(3)
			p := w.replica(20, 0, 0)
			k := newWalker(0, 1, false)
			k.step(t.Context(), t, w, p, false)
			k.step(t.Context(), t, w, p, false)
			moves := []int{1, 3}
			w.move = func() {
				if len(moves) > 0 {
					w.insert(moves[0])
					moves = moves[1:]
				}
			}
			k.step(t.Context(), t, w, p, true)
			finish(t, w, p, k)
		})
	})
	t.Run("an end that was cached, and has moved since", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(25)
			p := w.replica(24, 5*time.Second, 0)
			k := newWalker(0, 1, true)
			k.step(t.Context(), t, w, p, false)
			w.insert(1)
			k.step(t.Context(), t, w, p, false)
			finish(t, w, p, k)
		})
	})
	t.Run("an answer that is older than what the walk has seen", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(25)
			old, fresh := w.replica(20, time.Hour, 0), w.replica(20, 0, 0)
			newWalker(statusA, 25, false).step(t.Context(), t, w, old, false) // fills one cache
			w.flip(15, 1, 1)                                                  // call-9 enters the middle of the list
			k := newWalker(statusA, 1, true)
			for !slices.Contains(slices.Collect(maps.Keys(k.seen)), "call-9") {
				k.step(t.Context(), t, w, fresh, false)
			}
			k.step(t.Context(), t, w, old, false)
			w.flip(0, 15, 1) // what comes next leaves
			finish(t, w, old, k)
		})
	})
	t.Run("the call is beyond the bound, and a neighbour just within", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(100)
			p := w.replica(70, 0, 0)
			k := newWalker(0, 3, true)
			k.step(t.Context(), t, w, p, false)
			w.remove(98, 1) // the neighbour below has moved by one row less
			w.insert(modelBound + 1)
			k.step(t.Context(), t, w, p, false)
			if !k.ended {
				t.Error("the cursor has not expired")
			}
		})
	})
}
