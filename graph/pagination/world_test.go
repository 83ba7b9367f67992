package pagination

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
	"revox-graphql/upstream/pagecache"
	"revox-graphql/upstream/verify"
)

// world is the list that all see, and its history. Every change takes a millisecond.
type world struct {
	passed *atomic.Int64 // nanoseconds since worldBegins, see at
	rows   []*worldRow
	next   int
	oldest time.Time // when the oldest response was asked for that a request has used
	down   bool      // upstream fails,
	failed bool      // or failed just before the request, and the response was under way

	restless bool   // calls are re-sorted often
	verified bool   // its responses are: it may be an odd upstream
	move     func() // called while a request is under way
	ahead    int    // pages that a replica may read ahead at once
	transit  *transit
	habits   habits
	caches   []*pagecache.Cache                              // of all replicas
	clock    string                                          // what the calls' start times are: "", "exact", "jittered"
	served   int                                             // counts the responses
	first    int                                             // of them for the request
	since    map[upstream.OrderStatuses]map[string]time.Time // since when a call has been in a list, at its place
	came     map[upstream.OrderStatuses]map[string]time.Time // the same, also of calls that have left
	moved    map[string]time.Time                            // when a call last changed its place among the others
	states   []state                                         // that the lists have had, the present one last
}

// state is what the lists were like from a moment on.
type state struct {
	from  time.Time
	ids   map[upstream.OrderStatuses][]string
	moved map[string]time.Time
}

type worldRow struct {
	id      string
	status  upstream.OrderStatuses // one status
	started int64
}

// habits are what upstreams are known for. The zero value is the endpoint as documented, with pages counted from 0.
type habits struct {
	first     int    // the number of the first page
	pageZero  string // where that is 1, what page 0 is: "first" page, "empty", "error"
	pastEnd   string // what is past the end: "" nothing, "error", "last" page, "first" page
	least     int    // smaller pages are silently made larger
	most      int    // larger pages are silently made smaller
	weight    int    // a response ends before its rows have more weight
	drop      int    // every drop-th call is left out after paging
	shortOnce int    // the response with this number has only half of its rows
	swap      bool   // in every second response, neighbours change places
}

// number is a call's number; calls are counted as they arrive.
func number(id string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "call-"))
	if err != nil {
		panic(err)
	}
	return n
}

// drops reports whether a call is never shown.
func (h *habits) drops(id string) bool { return h.drop > 0 && number(id)%h.drop == 0 }

// The lists of the model: of all calls, and of those of one status or the other.
var (
	statusA    = upstream.NewOrderStatuses(upstream.OrderStatusCompleted)
	statusB    = upstream.NewOrderStatuses(upstream.OrderStatusScheduled)
	modelLists = []upstream.OrderStatuses{0, statusA, statusB}
)

func (l *worldRow) in(list upstream.OrderStatuses) bool { return list == 0 || l.status == list }

func newWorld(rows int) *world {
	w := &world{
		passed:  &atomic.Int64{},
		since:   map[upstream.OrderStatuses]map[string]time.Time{},
		came:    map[upstream.OrderStatuses]map[string]time.Time{},
		moved:   map[string]time.Time{},
		transit: &transit{},
	}
	for _, list := range modelLists {
		w.since[list], w.came[list] = map[string]time.Time{}, map[string]time.Time{}
	}
	w.insert(rows)
	return w
}

// begin starts a change.
func (w *world) begin() { w.pass(time.Millisecond) }

// end notes what the lists are like after a change.
func (w *world) end() {
	after := state{w.at(), map[upstream.OrderStatuses][]string{}, maps.Clone(w.moved)}
	for _, list := range modelLists {
		after.ids[list] = w.ids(list)
	}
	w.states = append(w.states, after)
}

// statesSince are the states that the lists have had since then.
func (w *world) statesSince(since time.Time) []state {
	for i, s := range slices.Backward(w.states) {
		if !s.from.After(since) {
			return w.states[i:]
		}
	}
	return w.states
}

// had reports whether a list had so many rows at some moment since then.
func (w *world) had(list upstream.OrderStatuses, rows int, since time.Time) bool {
	return slices.ContainsFunc(w.statesSince(since), func(s state) bool { return len(s.ids[list]) == rows })
}

// changed brings the history of a row up to date; it is in no list any more if it has gone.
func (w *world) changed(row *worldRow, gone bool) {
	for _, list := range modelLists {
		since := w.since[list]
		if gone || !row.in(list) {
			delete(since, row.id)
		} else if _, ok := since[row.id]; !ok {
			since[row.id], w.came[list][row.id] = w.at(), w.at()
		}
	}
}

// insert lets calls arrive.
func (w *world) insert(n int) {
	w.begin()
	for range n {
		status := statusA
		if w.next%3 == 0 {
			status = statusB
		}
		row := &worldRow{"call-" + strconv.Itoa(w.next), status, 0}
		w.rows = slices.Insert(w.rows, 0, row)
		w.changed(row, false)
		w.next++
	}
	w.end()
}

func (w *world) remove(from, n int) {
	w.begin()
	from = min(from, len(w.rows))
	to := min(from+n, len(w.rows))
	for _, row := range w.rows[from:to] {
		w.changed(row, true)
	}
	w.rows = slices.Delete(w.rows, from, to)
	w.end()
}

// flip changes the status of every step-th of n rows: they leave one filtered list and enter the middle of another.
func (w *world) flip(from, n, step int) {
	w.begin()
	for i := from; i < min(from+n, len(w.rows)); i += step {
		w.rows[i].status ^= statusA | statusB
		w.changed(w.rows[i], false)
	}
	w.end()
}

// jump re-sorts a call. Of two neighbours that change places, both have moved.
func (w *world) jump(from, to int) {
	if from >= len(w.rows) || from == to {
		return
	}
	w.begin()
	to = min(to, len(w.rows)-1)
	jumped := []*worldRow{w.rows[from]}
	if distance(from, to) == 1 {
		jumped = append(jumped, w.rows[to])
	}
	row := w.rows[from]
	w.rows = slices.Insert(slices.Delete(w.rows, from, from+1), to, row)
	for _, row := range jumped {
		w.changed(row, true)
		w.changed(row, false)
		w.moved[row.id] = w.at()
	}
	w.end()
}

// ids are the ids of a list, in its order.
func (w *world) ids(list upstream.OrderStatuses) []string {
	ids := make([]string, 0, len(w.rows))
	for _, row := range w.rows {
		if row.in(list) {
			ids = append(ids, row.id)
		}
	}
	return ids
}

// startedAt is when a call started, as the calls' clock has it: a minute after the one before it, or about that.
func (w *world) startedAt(id string) int64 {
	n := number(id)
	at := int64(1_700_000_000_000 + 60_000*n)
	switch w.clock {
	case "exact":
		return at
	case "jittered":
		return at + int64(n*7919%100_000) // up to the time of the next but one
	default:
		return 0
	}
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

// alter changes the world while no response is made. Pages that are read ahead may be under way.
func (w *world) alter(change func()) {
	w.transit.mu.Lock()
	defer w.transit.mu.Unlock()
	change()
}

// errDown is what upstream responds while it is down.
var errDown = &upstream.Error{Kind: upstream.KindUnavailable}

// ask is upstream: it serves a page as it numbers them. The list moves after the request was sent, and before it
// is read.
func (w *world) ask(list upstream.OrderStatuses, asked, size int) (*upstream.Page, error) {
	w.transit.mu.Lock()
	defer w.transit.mu.Unlock()
	if w.down {
		return nil, errDown
	}
	w.pass(time.Millisecond) // on the way
	if w.move != nil {
		w.move()
	}
	w.served++
	h, page := w.habits, &upstream.Page{Number: asked, Size: size}
	size = max(size, h.least)
	if h.most > 0 {
		size = min(size, h.most)
	}
	ids := w.ids(list)
	if h.swap && w.served%2 == 0 {
		for i := 0; i+1 < len(ids); i += 2 {
			ids[i], ids[i+1] = ids[i+1], ids[i]
		}
	}
	index, err := h.index(asked, size, len(ids))
	if err != nil || index < 0 {
		return page, err
	}
	ids = ids[min(index*size, len(ids)):min((index+1)*size, len(ids))]
	weight := 0
	for i, id := range ids {
		weight += 1 + number(id)%3
		if h.weight > 0 && i > 0 && weight > h.weight || w.served == h.shortOnce && i >= (len(ids)+1)/2 {
			break
		}
		if !h.drops(id) {
			page.Rows = append(page.Rows, upstream.RowOf(&upstream.Call{ID: id}, w.startedAt(id)))
		}
	}
	page.Bytes = len(page.Rows)
	return page, nil
}

// index returns which page of a list of so many rows upstream serves under a number, from 0; -1 is a page without rows.
func (h habits) index(number, size, rows int) (int, error) {
	refused := &upstream.Error{Kind: upstream.KindInvalidResponse, Status: 404}
	index := number - h.first
	if index < 0 {
		switch h.pageZero {
		case "first":
			return 0, nil
		case "empty":
			return -1, nil
		default:
			return 0, refused
		}
	}
	if index > 0 && index*size >= rows {
		switch h.pastEnd {
		case "error":
			return 0, refused
		case "last":
			return max(0, rows-1) / size, nil
		case "first":
			return 0, nil
		}
	}
	return index, nil
}

// endpoint is a gateway's connection to upstream: its clock may be ahead of the world's, or behind.
type endpoint struct {
	w        *world
	offset   time.Duration
	verifier *verify.Verifier // nil: upstream is as documented
}

// worldBegins is the time at which a world begins.
var worldBegins = time.UnixMilli(1773480413589)

// at is the world's time. Pages that are read ahead see it, too.
func (w *world) at() time.Time { return worldBegins.Add(time.Duration(w.passed.Load())) }

// pass lets time pass.
func (w *world) pass(d time.Duration) { w.passed.Add(int64(d)) }

func (n *endpoint) now() time.Time { return n.w.at().Add(n.offset) }

// ListCalls implements [upstream.Lister].
func (n *endpoint) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	ask := func(list upstream.OrderStatuses) verify.Fetcher {
		return func(_ context.Context, number, size int) (*upstream.Page, error) {
			asked := n.now()
			n.w.travels(list, number, size)
			page, err := n.w.ask(list, number, size)
			if errors.Is(err, errDown) {
				n.w.alter(func() { n.w.transit.failures++ })
				defer n.w.alter(func() { n.w.transit.failures-- })
			}
			n.w.travels(list, number, size)
			if err != nil {
				return nil, err
			}
			page.AskedAt = asked
			return page, nil
		}
	}
	if n.verifier == nil {
		return ask(opts.Statuses)(ctx, opts.Page, opts.PageSize)
	}
	return n.verifier.Page(ctx, opts.Statuses, ask(opts.Statuses), ask(0), opts.Page, opts.PageSize)
}

// replica is a gateway with nothing in memory.
func (w *world) replica(pageSize int, ttl, stale, offset time.Duration, verified bool) *Lists {
	n := &endpoint{w: w, offset: offset}
	if verified {
		n.verifier = verify.New(upstream.FirstPageAuto, n.now)
	}
	cache := pagecache.New(n, pagecache.Options{
		TTL: ttl, Revalidate: stale, Stale: stale, MaxBytes: 1 << 30, Now: n.now,
	})
	w.caches = append(w.caches, cache)
	p := newLists(ageing{cache, w, offset}, pageSize, modelBound)
	p.now, p.cached, p.concurrency = n.now, ttl > 0, w.ahead
	return p
}

// transit is the requests under way, where several are at once.
type transit struct {
	mu       sync.Mutex
	seed     uint64
	sent     map[[3]int]uint64 // requests for a page
	failures int               // of upstream, whose responses are on the way
}

// travels takes as long as a request takes to upstream, or its response from there, where several are under way: so
// long that responses overtake one another, and in each run of a schedule as long. No two take equally long, so the
// bubble wakes one goroutine at a time, and that may draw what else happens.
func (w *world) travels(list upstream.OrderStatuses, number, size int) {
	if w.ahead < firstLimit {
		return
	}
	f := w.transit
	f.mu.Lock()
	if f.sent == nil {
		f.sent = map[[3]int]uint64{}
	}
	key := [3]int{int(list), number, size}
	f.sent[key]++
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, f.seed, key, f.sent[key])
	f.mu.Unlock()
	time.Sleep(time.Microsecond + time.Duration(h.Sum64()%uint64(time.Millisecond)))
}

// used notes the age of the oldest response that a request has used, where some came before it. Where pages are read
// ahead, others have come meanwhile that it has not used.
func (w *world) used(r *Reader) {
	synctest.Wait()
	if w.ahead >= firstLimit {
		w.oldest = w.at()
	}
	if !r.trace.oldest.IsZero() {
		w.oldest = earlier(w.oldest, r.trace.oldest.Add(w.at().Sub(r.now())))
	}
}

const modelBound = 60

// ageing notes the age of the oldest response that was used, cached or not.
type ageing struct {
	upstream.Lister
	w      *world
	offset time.Duration
}

func (a ageing) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	if a.w.ahead >= firstLimit {
		a.w.travels(opts.Statuses, opts.Page, opts.PageSize)
		return a.Lister.ListCalls(ctx, opts) // see world.used
	}
	page, err := a.Lister.ListCalls(ctx, opts)
	synctest.Wait() // for what was asked in the background
	if err == nil {
		if asked := page.AskedAt.Add(-a.offset); asked.Before(a.w.oldest) {
			a.w.oldest = asked
		}
	}
	return page, err
}

// change is one way in which the list moves.
func change(t *rapid.T, w *world) {
	kinds := 10
	if w.restless { // the rest are calls that are re-sorted
		kinds = 14
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "change") {
	case 0, 1:
		w.insert(rapid.IntRange(1, 25).Draw(t, "calls"))
	case 2:
		w.remove(rapid.IntRange(0, len(w.rows)).Draw(t, "from"), rapid.IntRange(1, 12).Draw(t, "calls"))
	case 3:
		from, n := rapid.IntRange(0, len(w.rows)).Draw(t, "from"), rapid.IntRange(1, 30).Draw(t, "calls")
		w.flip(from, n, rapid.IntRange(1, 4).Draw(t, "step"))
	case 4:
		w.pass(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
	case 5:
		w.down = !w.down
	case 6, 10: // an update takes a call to the head
		w.jump(rapid.IntRange(0, len(w.rows)).Draw(t, "from"), 0)
	case 7, 11, 12, 13: // a call that was queued starts
		w.jump(rapid.IntRange(0, len(w.rows)).Draw(t, "from"), rapid.IntRange(0, len(w.rows)).Draw(t, "to"))
	case 8:
		if w.clock != "" { // beyond the bound
			w.insert(rapid.IntRange(50, 200).Draw(t, "calls"))
		}
	case 9: // upstream is deployed, and serves smaller pages or larger ones
		// Of two responses that are wrong in the same way the end is believed, and pages of one size alone cannot be walked.
		if w.verified && w.habits.drop == 0 && w.habits.least == 0 && w.habits.shortOnce == 0 {
			w.habits.most = rapid.SampledFrom([]int{0, 12, 20, 40}).Draw(t, "most")
		}
	}
	t.Logf("the list is now %v, down %v", w, w.down)
}

// contested reports whether a cursor had lost its evidence at some moment since the oldest response that a request has
// used: no more calls have kept their places than stand in a run with one that was re-sorted, or in another run.
func (w *world) contested(list upstream.OrderStatuses, c *relay.Cursor, made time.Time) bool {
	return slices.ContainsFunc(w.statesSince(w.oldest), func(s state) bool {
		if len(s.moved) == 0 {
			return false
		}
		keepers, rivals := s.evidence(list, c, made)
		return rivals > 0 && keepers <= rivals
	})
}

// evidence is how many calls there are in the longest run of those that a cursor knows and that have kept their
// places, and in the longest run that speaks against it. That has a call that was re-sorted since; or, as re-sorted
// calls have come in between, others that have kept their places. A run is in the old order, and has stayed together:
// any two of its calls that follow one another stand between two of the run with few rows more between them than once.
func (s *state) evidence(list upstream.OrderStatuses, c *relay.Cursor, made time.Time) (keepers, rivals int) {
	ids := s.ids[list]
	at := make(map[relay.Hash]int, len(ids))
	for i, id := range ids {
		at[relay.NewHash(id)] = i
	}
	var places, numbers []int
	var jumped []bool
	calls, own := known(c)
	for number, hash := range calls {
		if i, ok := at[hash]; ok {
			places, numbers, jumped = append(places, i), append(numbers, number), append(jumped, s.moved[ids[i]].After(made))
		}
	}
	few := 2 // rows that may come between two calls of a run
	if list != 0 {
		few = 16
	}
	near := func(a, b int) bool { return places[b]-places[a]-(numbers[b]-numbers[a]) <= few }
	best, kept := 0, map[int]int{}
	for set := range 1 << len(places) {
		var run []int
		rival, together := false, true
		for k := range places {
			if set>>k&1 == 1 {
				run, rival = append(run, k), rival || jumped[k]
			}
		}
		for i := range max(0, len(run)-1) {
			around := slices.ContainsFunc(run[:i+1], func(a int) bool {
				return slices.ContainsFunc(run[i+1:], func(b int) bool { return near(a, b) })
			})
			together = together && around && places[run[i]] < places[run[i+1]]
		}
		switch {
		case !together:
		case rival:
			rivals = max(rivals, len(run))
		default:
			if kept[set] = len(run); len(run) > keepers {
				best, keepers = set, len(run)
			}
		}
	}
	for set, run := range kept {
		if list == 0 && set&^best > 0 { // a filter lets calls in between by itself
			rivals = max(rivals, run)
			if run == 1 && numbers[bits.TrailingZeros(uint(set))] == own { // and the place is that of the others
				rivals = max(rivals, keepers)
			}
		}
	}
	return keepers, rivals
}
