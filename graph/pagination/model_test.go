package pagination

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"maps"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// The guarantee, tested against a model: random schedules of calls that arrive, leave, are re-sorted, and change so
// that a filter takes them in or lets them go, between requests and in the middle of them, while several walkers go up
// and down through replicas with caches and clocks of their own that are restarted now and then. In half of the
// schedules, a third of all changes re-sort a call. Upstream has the habits of odd upstreams (see habits). The oracle
// knows since when each call has been in each list at its place, and checks each walk:
//
//   - no call twice, but for one that has left the list and come back, or was re-sorted: that is another call to the
//     walk;
//   - at its end, every call that has been in the list at its place ever since the walk's first response;
//   - CURSOR_EXPIRED only where the cursor's call and its neighbours have left, but for one at the most, or shifted
//     beyond the bound.
//
// A walk whose cursor has lost its evidence is not checked any further: of the calls that the cursor knows, those that
// have kept their places are no more than a run that has one in it that was re-sorted, in the lists as they were at
// some moment between the oldest response that the request has used and its end. Nor is a walk with
// `extensions.reordered`: calls have changed places, and its cursor may have expired. Where neighbours change places
// in every second response, or where upstream drops rows after paging, a walk ends somewhere.
//
// Totals are compared with the lengths that the list has had, and ranges between two cursors with what lies between
// their calls. A range may also reach from a cursor to the end of the list at which its window begins.
//
// Upstream fails for a while now and then, and replicas serve pages that are no longer fresh, as they do then and
// while they ask again in the background. All goroutines of a test are in one bubble, so that the background is through
// before the test goes on, and a schedule can be repeated.
//
// One thousand schedules run with the tests; -rapid.checks=100000 runs a million. `go test` prints how to repeat a
// failure, shrunk to the steps that matter.

// walker goes through a list from one end to the other.
type walker struct {
	list   upstream.OrderStatuses
	count  int
	back   bool
	cursor string
	made   time.Time            // when the response was asked for that the cursor comes from
	seen   map[string]time.Time // when it was shown
	began  time.Time
	ended  bool
	failed int     // requests
	walks  []*Walk // of the replicas: what they keep between two requests; nil: nothing
}

// walk is what a replica keeps for the walker; nil is nothing.
func (k *walker) walk(replica int) *Walk {
	if k.walks == nil {
		return nil
	}
	return k.walks[replica]
}

// bookmark is a cursor that a client may still have.
type bookmark struct {
	list upstream.OrderStatuses
	text string
	id   string
	made time.Time // when the oldest response of its window was asked for: its call may have moved before the latest
}

func parse(t rapid.TB, text string) *relay.Cursor {
	t.Helper()
	c, err := relay.ParseCursor(text)
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

// reading is one request of a client to a replica.
func (w *world) reading(p *Lists, list upstream.OrderStatuses) *Reader {
	w.oldest = w.at()
	w.alter(func() {
		w.failed = w.transit.failures > 0 // a request may join one that was sent before
		w.first = w.served + 1
	})
	r := p.of(upstream.List{Statuses: list}, time.Time{})
	r.trace = &Reads{}
	return r
}

// shortAsBefore reports whether the one short response has come for the request. It may have just the rows that were
// the whole list a while ago, which the gateway knows.
func (w *world) shortAsBefore() bool {
	return w.habits.shortOnce >= w.first && w.habits.shortOnce <= w.served
}

// excused reports whether a request may fail with an error other than CURSOR_EXPIRED.
func (w *world) excused(moving bool) bool {
	return moving || w.down || w.failed || w.habits.drop > 0 || w.habits.swap
}

// step asks for the walker's next page and checks it.
func (k *walker) step(ctx context.Context, t rapid.TB, w *world, p *Lists, moving bool) *bookmark {
	t.Helper()
	return k.stepWalking(ctx, t, w, p, nil, moving)
}

// stepWalking is step, where the replica may keep what it reads for the next one.
func (k *walker) stepWalking(
	ctx context.Context, t rapid.TB, w *world, p *Lists, walk *Walk, moving bool,
) *bookmark {
	t.Helper()
	rng := relay.Range{Count: k.count, Backward: k.back}
	if k.cursor != "" {
		if k.back {
			rng.Before = parse(t, k.cursor)
		} else {
			rng.After = parse(t, k.cursor)
		}
	}
	r := w.reading(p, k.list)
	r.walk = walk
	win, err := r.window(ctx, rng, everything)
	w.used(r)
	if k.unchecked(t, w, r, cmp.Or(rng.After, rng.Before), err, moving) {
		return nil
	}
	t.Logf("it shows %v, before it %v, after it %v", win.ids(), win.HasPrevious(), win.HasNext())
	if k.cursor == "" {
		k.began = w.oldest
	}
	for _, id := range win.ids() {
		came := w.came[k.list][id]
		// Pages that were read ahead may be older than those before them: then it was re-sorted between the two.
		if shown, ok := k.seen[id]; ok && !came.After(shown) && (walk == nil || !came.After(w.oldest)) {
			k.broken(t, w, id+" came twice")
		}
		k.seen[id] = w.oldest
	}
	more := win.HasNext()
	at := win.to - 1
	if k.back {
		more, at = win.HasPrevious(), win.from
	}
	if more && win.from == win.to {
		t.Fatal("an empty page, and more to come")
	}
	ahead := w.at().Sub(p.now())
	var mark *bookmark
	if win.from < win.to {
		middle := (win.from + win.to) / 2
		text := win.cursor(upstream.List{Statuses: k.list}, middle).String()
		mark = &bookmark{k.list, text, win.rows[middle].Call.ID, win.oldest.Add(ahead)}
	}
	if more {
		k.cursor, k.made = win.cursor(upstream.List{Statuses: k.list}, at).String(), win.askedAround(at).Add(ahead)
	} else {
		k.arrived(t, w)
	}
	return mark
}

// unchecked reports whether there is no page to check: the request failed as it may, or the walk ends, since its cursor
// has lost its evidence.
func (k *walker) unchecked(t rapid.TB, w *world, r *Reader, c *relay.Cursor, err error, moving bool) bool {
	t.Helper()
	if c != nil && w.contested(k.list, c, k.made) {
		t.Log("no more of the cursor's calls have kept their places than stand in order elsewhere")
		k.ended = true
		return true
	}
	w.checkMark(t, r, k.list)
	switch {
	case errors.Is(err, ErrCursorExpired):
		k.ended = true
		if !w.excused(moving) && !lost(w, k.list, c, k.made) {
			t.Fatalf("%s: expired, and is still there", k.cursor)
		}
		return true
	case err != nil:
		if !w.excused(moving) {
			t.Fatal(err)
		}
		k.failed++
		k.ended = k.failed > 5 && !w.down
		return true // it may try again
	}
	if c != nil && r.reported() && likely(w, k.list, c, k.made) {
		k.ended = true // `extensions.reordered` says so to the client, or the log
		return true
	}
	return false
}

// arrived checks a walk at its end.
func (k *walker) arrived(t rapid.TB, w *world) {
	t.Helper()
	k.ended = true
	for id, since := range w.since[k.list] {
		if _, ok := k.seen[id]; !ok && !since.After(k.began) && w.habits.drop == 0 {
			k.broken(t, w, id+" has been in the list all the time, and was not shown")
		}
	}
}

// reported reports whether the response or the log says that calls have changed places.
func (r *Reader) reported() bool { return r.trace.reordered || r.trace.doubtful }

// askedAround is when the oldest of the responses was asked for that the cursor of a row comes from.
func (s *span) askedAround(row int) time.Time {
	asked := s.asked
	from := 0
	for i := 0; i <= len(s.later); i++ {
		began, to := s.began, len(s.rows)
		if i > 0 {
			began, from = s.later[i-1].asked, s.later[i-1].from
		}
		if i < len(s.later) {
			to = s.later[i].from
		}
		if from <= row+relay.Neighbours && to > row-relay.Neighbours {
			asked = earlier(asked, began)
		}
	}
	return asked
}

// checkMark checks that no response says that calls have changed places where none has.
func (w *world) checkMark(t rapid.TB, r *Reader, list upstream.OrderStatuses) {
	t.Helper()
	if r.trace.reordered && len(w.moved) == 0 && !w.habits.swap {
		t.Fatalf("calls are said to have changed places in list %v, and none has", list)
	}
}

// broken says that the guarantee does not hold. Where the order changes from response to response it cannot, and where
// rows are dropped from pages, it need not.
func (k *walker) broken(t rapid.TB, w *world, how string) {
	t.Helper()
	if !w.habits.swap && w.habits.drop == 0 {
		t.Fatal(how)
	}
	k.ended = true
}

// left is how many of the calls that a cursor knows have kept their places, next to where they stood.
func left(w *world, list upstream.OrderStatuses, c *relay.Cursor, made time.Time) int {
	n := 0
	calls, _ := known(c)
	for i, id := range w.ids(list) {
		if !w.moved[id].After(made) && distance(i, c.Position) <= modelBound && slices.Contains(calls, relay.NewHash(id)) {
			n++
		}
	}
	return n
}

// likely reports whether a response or the log may say that a cursor's place is likely and not proven. One call that is
// left may be taken for a re-sorted one: it may stand out of the order by time, among calls that have come since.
func likely(w *world, list upstream.OrderStatuses, c *relay.Cursor, made time.Time) bool {
	return left(w, list, c, made) <= 1 || lost(w, list, c, made)
}

// lost reports whether a cursor may have expired: its call and its neighbours have left their places, but for one at
// the most, or what there still is of them next to its place is beyond the bound.
func lost(w *world, list upstream.OrderStatuses, c *relay.Cursor, made time.Time) bool {
	if calls, _ := known(c); len(calls) > 2 && left(w, list, c, made) <= 1 {
		return true
	}
	at := map[relay.Hash]int{}
	for i, id := range w.ids(list) {
		if !w.moved[id].After(made) {
			at[relay.NewHash(id)] = i
		}
	}
	far, there := false, false
	look := func(h relay.Hash, stood int) bool {
		i, ok := at[h]
		there = there || ok
		far = far || ok && distance(i, stood) > modelBound
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

// count asks for the length of a list and checks it.
func (w *world) count(ctx context.Context, t rapid.TB, p *Lists, list upstream.OrderStatuses, moving bool) {
	t.Helper()
	r := w.reading(p, list)
	total, err := r.total(ctx)
	w.used(r)
	switch {
	case err != nil && !w.excused(moving):
		t.Fatal(err)
	case err == nil && (w.shortAsBefore() || total == w.habits.most) && w.had(list, total, w.oldest.Add(-10*time.Minute)):
		// Known for as long: see the second kind of known errors in DESIGN.md.
	case err == nil && w.habits.drop == 0 && !w.habits.swap && !w.had(list, total, w.oldest):
		t.Fatalf("a list of %d rows, which it never had", total)
	}
}

// between asks for what lies between two cursors, or between a cursor and the end of the list that the window is read
// from, and checks it: then the other bookmark is nil. The calls of the cursors must have kept their places.
func (w *world) between(
	ctx context.Context, t rapid.TB, p *Lists, after, before *bookmark, count int, back, moving bool,
) {
	t.Helper()
	rng := relay.Range{Count: count, Backward: back}
	var marks []*bookmark
	if after != nil {
		rng.After, marks = parse(t, after.text), append(marks, after)
	}
	if before != nil {
		rng.Before, marks = parse(t, before.text), append(marks, before)
	}
	list := marks[0].list
	r := w.reading(p, list)
	win, err := r.window(ctx, rng, everything)
	w.used(r)
	w.checkMark(t, r, list)
	ids := w.ids(list)
	from, to := -1, len(ids)
	if after != nil {
		from = slices.Index(ids, after.id)
	}
	if before != nil {
		to = slices.Index(ids, before.id)
	}
	if w.unchecked(t, r, err, moving, marks...) {
		return
	}
	for _, m := range marks { // no response may be older than that of a cursor
		w.oldest = later(w.oldest, m.made)
	}
	got := win.ids()
	t.Logf("from %d to %d: %v, before it %v, after it %v", from, to, got, win.HasPrevious(), win.HasNext())
	var want []string
	if from < to {
		want = w.stayed(list, ids[from+1:to])
	}
	shown := w.stayed(list, got)
	if len(got) == count {
		want = clip(want, len(shown), back)
	}
	if !slices.Equal(shown, want) {
		t.Fatalf("%v lies between %d and %d, and %v is shown", want, from, to, shown)
	}
}

// unchecked reports whether the response to a request with such cursors cannot be checked: one of their calls has not
// kept its place, the request failed as it may, or upstream has habits that leave rows out.
func (w *world) unchecked(t rapid.TB, r *Reader, err error, moving bool, marks ...*bookmark) bool {
	t.Helper()
	for _, m := range marks {
		since, ok := w.since[m.list][m.id]
		if !ok || since.After(m.made) || w.contested(m.list, parse(t, m.text), m.made) {
			return true
		}
	}
	some := func(holds func(*world, upstream.OrderStatuses, *relay.Cursor, time.Time) bool) bool {
		return slices.ContainsFunc(marks, func(m *bookmark) bool { return holds(w, m.list, parse(t, m.text), m.made) })
	}
	switch {
	case errors.Is(err, ErrCursorExpired):
		if !w.excused(moving) && !some(lost) {
			for _, m := range marks {
				t.Logf("%s is still there", m.id)
			}
			t.Fatal(err)
		}
		return true
	case err != nil:
		if !w.excused(moving) {
			t.Fatal(err)
		}
		return true
	}
	// `extensions.reordered` tells the client, or the log says so.
	return w.habits.swap || w.habits.drop > 0 || r.reported() && some(likely)
}

// stayed returns those of some calls that have kept their places since before the request.
func (w *world) stayed(list upstream.OrderStatuses, ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		since, ok := w.since[list][id]
		return !ok || since.After(w.oldest)
	})
}

// clip returns at most n of some calls: the last ones, or the first.
func clip(ids []string, n int, last bool) []string {
	n = min(n, len(ids))
	if last {
		return ids[len(ids)-n:]
	}
	return ids[:n]
}

// scan scans a list from a cursor or from an end, and checks that it reads each call that kept its place, once and in
// the list's order. mark is nil for an end.
func (w *world) scan(
	ctx context.Context, t rapid.TB, p *Lists, list upstream.OrderStatuses, mark *bookmark, up bool, most int, moving bool,
) {
	t.Helper()
	o := ScanOptions{Up: up, MaxRows: most}
	if mark != nil {
		o.From = parse(t, mark.text)
	}
	r := w.reading(p, list)
	got, stopped, err := scanned(ctx, t, r, o)
	w.used(r)
	w.checkMark(t, r, list)
	ids := w.ids(list)
	from := len(ids)
	if !up {
		from = -1
	}
	var marks []*bookmark
	if mark != nil {
		marks, from = []*bookmark{mark}, slices.Index(ids, mark.id)
	}
	if w.unchecked(t, r, err, moving, marks...) {
		return
	}
	t.Logf("scanned up %v from %d, stopped by %d: %v", up, from, stopped, got)
	var want []string
	if up {
		want = ids[:from]
	} else {
		want = ids[from+1:]
	}
	want = w.stayed(list, want)
	shown := w.stayed(list, got)
	if stopped == StopLimit {
		if len(got) != most {
			t.Fatalf("%d rows, and the limit is %d", len(got), most)
		}
		want = clip(want, len(shown), up)
	}
	if !slices.Equal(shown, want) {
		t.Fatalf("a scan has read %v, and %v lies there", shown, want)
	}
}

// scanned returns the calls that a scan reads, in the list's order, and where it stopped.
func scanned(ctx context.Context, t rapid.TB, r *Reader, o ScanOptions) (got []string, stopped Stop, err error) {
	t.Helper()
	err = r.steadily(ctx, func() error {
		s := r.Scan(o)
		defer s.Close()
		for got = nil; s.Next(ctx); {
			ids := s.Part().ids()
			if len(ids) == 0 {
				t.Fatal("a part without rows")
			}
			if o.Up {
				got = append(ids, got...)
			} else {
				got = append(got, ids...)
			}
		}
		stopped = s.Stopped()
		return s.Err()
	})
	return got, stopped, err
}

// lookUp looks for a call by its id.
func (w *world) lookUp(ctx context.Context, t rapid.TB, p *Lists, id string, moving bool) {
	t.Helper()
	r := w.reading(p, 0)
	found, err := r.LookUp(ctx, nothing{}, []string{id}, len(w.rows))
	w.used(r)
	if err != nil {
		if !w.excused(moving) {
			t.Fatal(err)
		}
		return
	}
	since, ok := w.since[0][id]
	if ok && !since.After(w.oldest) && found[id] == nil && w.habits.drop == 0 && !w.habits.swap {
		t.Fatalf("%s is in the list, and was not found", id)
	}
}

// nothing is a cache without calls.
type nothing struct{}

func (nothing) FindCall(upstream.Tenant, string, time.Time) (*upstream.Call, *upstream.Page) {
	return nil, nil
}

// drawHabits makes an upstream.
func drawHabits(t *rapid.T) habits {
	var h habits
	h.first = rapid.IntRange(0, 1).Draw(t, "first page")
	h.pageZero = rapid.SampledFrom([]string{"first", "empty", "error"}).Draw(t, "page zero")
	h.pastEnd = rapid.SampledFrom([]string{"", "error", "last", "first"}).Draw(t, "past the end")
	switch rapid.IntRange(0, 6).Draw(t, "sizes") {
	case 0:
		h.least = rapid.IntRange(2, 15).Draw(t, "least")
	case 1:
		h.most = rapid.IntRange(12, 60).Draw(t, "most") // in smaller pages, a longer list has rows that share no page
	case 2:
		h.weight = rapid.IntRange(40, 80).Draw(t, "weight")
	case 3:
		h.drop = rapid.IntRange(2, 30).Draw(t, "drop")
	case 4:
		h.shortOnce = rapid.IntRange(1, 20).Draw(t, "short once")
	case 5:
		h.swap = true
	}
	return h
}

// schedule is one run of the model.
type schedule struct {
	t        *rapid.T
	w        *world
	replicas []*Lists
	replica  func(i int) *Lists // makes one with an empty cache
	walkers  []*walker
	walks    []*Walk // that were begun
	marks    map[upstream.OrderStatuses][]*bookmark
	moves    int // how often the list still moves in the middle of a request
}

func modelProperty(t *rapid.T) {
	time.Sleep(10 * time.Millisecond) // of the bubble's: rapid gives itself 30 s to shrink a failure
	s := drawSchedule(t)
	defer s.close()
	for _, k := range s.walkers {
		if rapid.Bool().Draw(t, "pages are kept between requests") {
			k.walks = []*Walk{s.newWalk(), s.newWalk()}
		}
	}
	for range rapid.IntRange(1, 60).Draw(t, "steps") {
		s.step()
	}
	s.finish()
}

// drawSchedule makes a world, its replicas and the walkers.
func drawSchedule(t *rapid.T) *schedule {
	w := newWorld(rapid.IntRange(0, 200).Draw(t, "rows"))
	s := &schedule{t: t, w: w, marks: map[upstream.OrderStatuses][]*bookmark{}}
	w.clock = rapid.SampledFrom([]string{"", "exact", "jittered"}).Draw(t, "clock")
	w.restless = rapid.Bool().Draw(t, "restless")
	odd := rapid.Bool().Draw(t, "an odd upstream")
	w.verified = odd
	if odd {
		w.habits = drawHabits(t)
	}
	pageSize := rapid.IntRange(20, 70).Draw(t, "page size")
	ttl := time.Duration(rapid.SampledFrom([]int{0, 5, 15, 3600}).Draw(t, "ttl")) * time.Second
	stale := time.Duration(rapid.SampledFrom([]int{0, 60}).Draw(t, "stale")) * time.Second
	w.ahead = rapid.IntRange(1, 4).Draw(t, "pages ahead")
	w.transit.seed = uint64(rapid.IntRange(0, 1<<20).Draw(t, "order of responses"))
	ahead := rapid.IntRange(-3, 3).Draw(t, "seconds by which the second replica's clock is ahead")
	offsets := []time.Duration{0, time.Duration(ahead) * time.Second}
	s.replica = func(i int) *Lists { return w.replica(pageSize, ttl, stale, offsets[i], odd) }
	for i := range offsets {
		s.replicas = append(s.replicas, s.replica(i))
	}
	// Some schedules also move the list in the middle of requests.
	if rapid.Bool().Draw(t, "moves during requests") {
		w.move = func() {
			if s.moves > 0 {
				s.moves--
				change(t, w)
			}
		}
	}
	for range rapid.IntRange(1, 4).Draw(t, "walkers") {
		s.walkers = append(s.walkers, &walker{
			list:  rapid.SampledFrom(modelLists).Draw(t, "list"),
			count: rapid.SampledFrom([]int{1, 3, 10, 25, 100}).Draw(t, "count"),
			back:  rapid.Bool().Draw(t, "back"),
			seen:  map[string]time.Time{},
		})
	}
	return s
}

func (s *schedule) newWalk() *Walk {
	s.walks = append(s.walks, NewWalk(rapid.Bool().Draw(s.t, "eager")))
	return s.walks[len(s.walks)-1]
}

func (s *schedule) close() {
	s.w.alter(func() { s.w.move = nil })
	for _, walk := range s.walks {
		walk.Close()
	}
	time.Sleep(10 * time.Millisecond) // until what is read ahead has ended
	for _, cache := range s.w.caches {
		cache.Close() // and waits for its requests, which end with their responses
	}
}

// steps are what a schedule consists of. Those of a restless one ask for more ranges and scans, which come to more
// seams.
var steps = map[bool][]int{
	false: {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14},
	true:  {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0, 1, 4, 4, 13, 13, 13},
}

// step changes the world, starts a replica again, or asks for something.
func (s *schedule) step() {
	t, w := s.t, s.w
	step := rapid.SampledFrom(steps[w.restless]).Draw(t, "step")
	if step <= 1 {
		w.alter(func() { change(t, w) })
		return
	}
	i := rapid.IntRange(0, 1).Draw(t, "replica")
	if step == 2 {
		s.restart(i)
		return
	}
	w.alter(func() {
		if s.moves = 0; w.move != nil {
			s.moves = rapid.IntRange(0, 3).Draw(t, "moves")
		}
	})
	s.ask(step, i, s.moves > 0)
	w.alter(func() { s.moves = 0 })
}

func (s *schedule) restart(i int) {
	s.replicas[i] = s.replica(i)
	for _, k := range s.walkers {
		if k.walks != nil {
			k.walks[i] = s.newWalk()
		}
	}
}

// ask sends a walker's request, of the kind of the step, to a replica.
func (s *schedule) ask(step, replica int, moving bool) {
	t, w, p := s.t, s.w, s.replicas[replica]
	switch k := s.walkers[rapid.IntRange(0, len(s.walkers)-1).Draw(t, "walker")]; {
	case step == 3:
		w.count(t.Context(), t, p, k.list, moving)
	case step == 4:
		if known := s.marks[k.list]; len(known) > 0 {
			after, before := rapid.SampledFrom(known).Draw(t, "after"), rapid.SampledFrom(known).Draw(t, "before")
			switch alone := rapid.IntRange(0, 2).Draw(t, "one cursor alone") == 0; {
			case alone && k.back:
				before = nil
			case alone:
				after = nil
			}
			w.between(t.Context(), t, p, after, before, k.count, k.back, moving)
		}
	case step == 13:
		mark := rapid.SampledFrom(append(slices.Clone(s.marks[k.list]), nil)).Draw(t, "from")
		up := rapid.Bool().Draw(t, "up")
		w.scan(t.Context(), t, p, k.list, mark, up, rapid.SampledFrom([]int{0, 0, 30, 100}).Draw(t, "most"), moving)
	case step == 14 && w.next > 0:
		w.lookUp(t.Context(), t, p, "call-"+strconv.Itoa(rapid.IntRange(0, w.next-1).Draw(t, "id")), moving)
	case !k.ended:
		if mark := k.stepWalking(t.Context(), t, w, p, k.walk(replica), moving); mark != nil {
			s.marks[k.list] = append(s.marks[k.list], mark)
		}
	}
}

// finish lets the walkers that have not arrived go on to the end.
func (s *schedule) finish() {
	s.w.alter(func() { s.w.down = false })
	for _, k := range s.walkers {
		for tries := 0; !k.ended; tries++ {
			if tries > 10_000 {
				s.t.Fatal("an endless walk")
			}
			k.stepWalking(s.t.Context(), s.t, s.w, s.replicas[0], k.walk(0), false)
		}
	}
}

// bubbled is a test in a bubble, which has no deadline to be asked for.
type bubbled struct{ testing.TB }

func TestModel(t *testing.T) {
	// The same schedules each time, unless another seed or number of them is asked for. Each group has a seed of its own:
	// from the same one, rapid makes the same schedules.
	seed, checks := flag.Lookup("rapid.seed"), flag.Lookup("rapid.checks")
	was := seed.Value.String()
	first, err := strconv.ParseUint(was, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if first == 0 && checks.Value.String() == checks.DefValue {
		first = 1
	}
	for i := range 10 {
		if first > 0 { // else rapid chooses one
			if err := flag.Set("rapid.seed", strconv.FormatUint(first+uint64(i), 10)); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { rapid.Check(bubbled{t}, modelProperty) })
		})
	}
	if err := flag.Set("rapid.seed", was); err != nil {
		t.Fatal(err)
	}
}

// What the model found while the walk was written.
func TestFoundByTheModel(t *testing.T) {
	newWalker := func(list upstream.OrderStatuses, count int, back bool) *walker {
		return &walker{list: list, count: count, back: back, seen: map[string]time.Time{}}
	}
	finish := func(t *testing.T, w *world, p *Lists, k *walker) {
		t.Helper()
		for tries := 0; !k.ended && tries < 1000; tries++ {
			k.step(t.Context(), t, w, p, false)
		}
		if !k.ended {
			t.Error("an endless walk")
		}
	}
	t.Run("a neighbour at the end of a response does not say that the call has left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(3)
			p := w.replica(20, 0, 0, 0, false)
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
			p := w.replica(24, 5*time.Second, 0, 0, false)
			k := newWalker(0, 1, true)
			k.step(t.Context(), t, w, p, false)
			w.insert(1)
			k.step(t.Context(), t, w, p, false)
			finish(t, w, p, k)
		})
	})
	t.Run("a response that is older than what the walk has seen", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(25)
			old, fresh := w.replica(20, time.Hour, 0, 0, false), w.replica(20, 0, 0, 0, false)
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
			p := w.replica(70, 0, 0, 0, false)
			k := newWalker(0, 3, true)
			k.step(t.Context(), t, w, p, false)
			w.remove(98, 1) // the neighbour below has moved by one row less
			w.insert(modelBound + 1)
			finish(t, w, p, k)
		})
	})
	t.Run("of two cursors one is newer than what the other was found in", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(10)
			old, fresh := w.replica(20, time.Hour, 0, 0, false), w.replica(20, 0, 0, 0, false)
			last := newWalker(0, 1, true).step(t.Context(), t, w, old, false)
			w.jump(3, 0)
			w.remove(5, 3) // what stood before the second call
			w.insert(3)
			k := newWalker(0, 1, true)
			k.step(t.Context(), t, w, fresh, false)
			second := k.step(t.Context(), t, w, fresh, false)
			w.between(t.Context(), t, old, second, last, 1, true, false)
		})
	})
	t.Run("an end that a search has seen itself, and that has moved since", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(66)
			p := w.replica(20, 5*time.Second, 0, 0, false)
			k := newWalker(0, 61, false)
			k.step(t.Context(), t, w, p, false)
			w.pass(time.Minute)
			w.remove(0, 6) // the place where the next call stood is past the end now
			asked := 0
			w.move = func() {
				if asked++; asked == 2 {
					w.insert(52)
					w.jump(slices.Index(w.ids(0), "call-3"), 58) // near to where the walk was
				}
			}
			k.step(t.Context(), t, w, p, true)
			w.move = nil
			finish(t, w, p, k)
		})
	})
	t.Run("an end that an older response has shown, while pages become smaller", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(65)
			w.verified = true
			p := w.replica(21, time.Hour, 0, 0, true)
			read := func(from, to int) {
				if _, err := w.reading(p, 0).get(t.Context(), from, from, to); err != nil {
					t.Fatal(err)
				}
			}
			read(84, 105) // nothing
			w.insert(35)
			read(84, 88)
			w.habits.most = 12
			w.insert(65)
			w.count(t.Context(), t, p, 0, false)
		})
	})
	t.Run("an empty list was read, and the last page is served again past the end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(1)
			w.verified, w.habits = true, habits{first: 1, pageZero: "empty", pastEnd: "last"}
			p := w.replica(64, 5*time.Second, 0, 0, true)
			newWalker(statusA, 25, true).step(t.Context(), t, w, p, false) // there are none
			w.insert(164)                                                  // 55 of the other status
			asked := 0
			w.move = func() {
				if asked++; asked == 5 { // two pages have been read, and seemed to agree on an end far past the real one
					w.insert(6)
				}
			}
			w.count(t.Context(), t, p, statusB, true)
		})
	})
	t.Run("a list shrinks and grows again while two cursors are compared", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(155)
			other, p := w.replica(20, 5*time.Second, 0, 0, false), w.replica(20, 5*time.Second, 0, 0, false)
			moving := func(moves ...func()) {
				w.move = func() {
					if len(moves) > 0 {
						moves[0]()
						moves = moves[1:]
					}
				}
			}
			k := newWalker(statusA, 3, true)
			after := k.step(t.Context(), t, w, p, false)
			moving(func() { w.flip(115, 8, 1) })
			before := k.step(t.Context(), t, w, other, true) // just above it
			moving(func() {}, func() { w.remove(3, 12) }, func() { w.insert(19) })
			w.between(t.Context(), t, p, after, before, 3, true, true)
		})
	})
	t.Run("an empty list has calls for a moment, while the first page is found out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(0)
			w.verified, w.habits = true, habits{pastEnd: "error"}
			p := w.replica(23, 0, 0, 0, true)
			moves := []func(){func() {}, func() { w.insert(5) }, func() { w.remove(0, 5) }}
			w.move = func() {
				if len(moves) > 0 {
					moves[0]()
					moves = moves[1:]
				}
			}
			newWalker(0, 10, false).step(t.Context(), t, w, p, true)
			w.move = nil
			w.insert(9)
			finish(t, w, p, newWalker(0, 10, false))
		})
	})
}
