package pagination

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// distant is a list whose responses take a while, with several under way.
type distant struct {
	*memoryList
	latency time.Duration
	apart   time.Duration // by which each page comes later than the one before it; 0: their order is left to chance
	limit   int           // more requests under way are refused with 429, and sent again a second later; 0 is no limit
	down    bool          // every request fails

	mu             sync.Mutex
	inFlight, most int
	refused        int
}

func (d *distant) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	asked := time.Now()
	d.mu.Lock()
	d.inFlight++
	d.most = max(d.most, d.inFlight)
	refused := d.limit > 0 && d.inFlight > d.limit
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.inFlight--
	}()
	latency := d.latency + time.Duration(opts.Page)*d.apart
	if refused {
		latency += time.Second
	}
	select {
	case <-time.After(latency):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return nil, errDown
	}
	if refused {
		d.refused++
	}
	page, err := d.memoryList.ListCalls(ctx, opts)
	if err == nil {
		page.AskedAt, page.Limited = asked, refused
	}
	return page, err
}

// count is how many requests have been responded to.
func (d *distant) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.requests
}

const distance100ms = 100 * time.Millisecond

// far is a list of so many rows, 100 ms away.
func far(rows int) *distant { return &distant{memoryList: newMemoryList(rows), latency: distance100ms} }

func (d *distant) lists(pageSize, concurrency int) *Lists {
	p := newLists(d, pageSize, 1000)
	p.concurrency = concurrency
	return p
}

// readAll reads all of a scan.
func readAll(t *testing.T, s *Scan) (ids []string) {
	t.Helper()
	defer s.Close()
	for s.Next(t.Context()) {
		part := s.Part()
		if len(part.Rows()) == 0 {
			t.Fatal("a part without rows")
		}
		if s.opts.Up {
			ids = append(part.ids(), ids...)
		} else {
			ids = append(ids, part.ids()...)
		}
	}
	return ids
}

// 20,000 rows take 110 pages of at most 200 rows and, as many at a time as are allowed, little more than the time of
// so many. Where nothing is read ahead it is one after the other.
func TestScanAtADistance(t *testing.T) {
	for _, test := range []struct {
		concurrency, pageSize int
		up                    bool
		requests              int
		took                  time.Duration
	}{
		{1, 200, false, 110, 110 * distance100ms},
		{4, 200, false, 114, 29 * distance100ms},
		{8, 200, false, 118, 16 * distance100ms},
		{4, 1000, false, 25, 9 * distance100ms},
		{4, 200, true, 140, 60 * distance100ms}, // with the search for the end
	} {
		synctest.Test(t, func(t *testing.T) {
			d := far(20_000)
			began := time.Now()
			s := d.lists(test.pageSize, test.concurrency).of(upstream.List{}, time.Time{}).Scan(ScanOptions{Up: test.up})
			if ids := readAll(t, s); !slices.Equal(ids, d.ids) || s.Stopped() != StopEndOfList || s.Err() != nil {
				t.Errorf("%d rows, stopped by %d, %v", len(ids), s.Stopped(), s.Err())
			}
			took := time.Since(began)
			t.Logf("%+v: %d requests, %v", test, d.requests, took)
			if d.requests > test.requests || took > test.took || d.most > test.concurrency+1 {
				t.Errorf("%+v: %d requests, %d at once, %v", test, d.requests, d.most, took)
			}
		})
	}
}

// Nothing is read ahead before more than a page is wanted, and nothing beyond what a window wants.
func TestNothingIsReadInVain(t *testing.T) {
	for _, test := range []struct{ count, requests, rows int }{
		{100, 1, 110}, {198, 1, 200}, {300, 2, 360}, {500, 3, 560}, {1000, 6, 1100},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := far(5000)
			r := d.lists(200, 4).of(upstream.List{}, time.Time{})
			w, err := r.window(t.Context(), relay.Range{Count: test.count}, everything)
			if err != nil || !slices.Equal(w.ids(), d.ids[:test.count]) || !w.HasNext() {
				t.Errorf("%v, %v", w.ids(), err)
			}
			if d.requests > test.requests || d.rows > test.rows {
				t.Errorf("%d rows of 5,000: %d requests for %d rows", test.count, d.requests, d.rows)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		d := far(5000)
		s := d.lists(200, 4).of(upstream.List{}, time.Time{}).Scan(ScanOptions{})
		if !s.Next(t.Context()) || d.requests != 1 {
			t.Errorf("the first part takes %d requests", d.requests)
		}
		s.Close()
		if d.requests != 1 {
			t.Errorf("%d requests although the consumer stopped at the first part", d.requests)
		}
	})
}

// A scan of so many rows reads no more, up or down, and says why it stopped.
func TestScanLimit(t *testing.T) {
	for _, up := range []bool{false, true} {
		for _, most := range []int{1, 199, 200, 201, 600, 999, 1000, 1001} {
			synctest.Test(t, func(t *testing.T) {
				d := far(1000)
				s := d.lists(200, 4).of(upstream.List{}, time.Time{}).Scan(ScanOptions{Up: up, MaxRows: most})
				ids, want, stop := readAll(t, s), d.ids[:min(most, 1000)], StopLimit
				if up {
					want = d.ids[max(0, 1000-most):]
				}
				if most > 1000 || most > 800 && s.Stopped() == StopEndOfList { // the last response shows the end
					want, stop = d.ids, StopEndOfList
				}
				if !slices.Equal(ids, want) || s.Stopped() != stop {
					t.Errorf("%d rows of at most %d, up %v, stopped by %d", len(ids), most, up, s.Stopped())
				}
			})
		}
	}
}

// A seam that does not hold is found by a search, and the pages that were read ahead are of use again: rows leave
// above, so that pages that were asked for later begin below the end of the one before.
func TestASeamThatDoesNotHold(t *testing.T) {
	for _, up := range []bool{false, true} {
		still, _ := scanWhileCallsLeave(t, up, 0)
		for leave := 1; leave <= 60; leave += 7 {
			requests, moves := scanWhileCallsLeave(t, up, leave)
			t.Logf("up %v, %d leave: %d requests", up, leave, requests)
			// What was under way when the list moved may have to be read again.
			if most := still + moves*seamConcurrency; requests > most {
				t.Errorf("up %v, %d leave: %d requests, and at most %d are allowed", up, leave, requests, most)
			}
		}
	}
}

const seamConcurrency = 4

// scanWhileCallsLeave scans a list from which so many calls leave at every fifth request or, upwards, to which as many
// arrive. It returns how many requests that took, and how often the list moved.
func scanWhileCallsLeave(t *testing.T, up bool, leave int) (requests, moves int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := far(4000)
		d.apart = time.Microsecond
		began := slices.Clone(d.ids)
		d.hook = func(request int) {
			switch {
			case up && request > 20 && request%5 == 0:
				moves++
				for i := range leave {
					d.insert("new-" + string(rune('a'+i)) + time.Now().String())
				}
			case !up && request%5 == 0:
				moves++
				d.remove(0, leave)
			}
		}
		s := d.lists(200, seamConcurrency).of(upstream.List{}, time.Time{}).Scan(ScanOptions{Up: up})
		ids := readAll(t, s)
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		for _, id := range ids {
			if !slices.Contains(d.ids, id) && !slices.Contains(began, id) {
				t.Errorf("%s was never there", id)
			}
		}
		kept := slices.DeleteFunc(slices.Clone(began), func(id string) bool { return !slices.Contains(d.ids, id) })
		shown := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !slices.Contains(kept, id) })
		if !slices.Equal(shown, kept) {
			t.Errorf("%d leave: %d of %d calls", leave, len(shown), len(kept))
		}
		requests = d.requests
	})
	return requests, moves
}

// The call at which a scan goes on is re-sorted, by a few rows or far: the scan does not follow it.
func TestTheCallAtASeamIsResorted(t *testing.T) {
	for _, up := range []bool{false, true} {
		for _, by := range []int{-150, -20, -4, -3, -2, -1, 1, 2, 3, 4, 20, 150} {
			for call := -4; call <= 1; call++ { // the last ones before the seam, and the first behind it
				synctest.Test(t, func(t *testing.T) {
					d := far(1000)
					s := d.lists(200, 4).of(upstream.List{}, time.Time{}).Scan(ScanOptions{Up: up})
					s.Next(t.Context())
					ids := s.Part().ids()
					at := len(ids) + call
					if up {
						at = 1000 - len(ids) - 1 - call
					}
					moved := []string{d.ids[at]}
					if by == 1 || by == -1 { // of two neighbours that change places, both have moved
						moved = append(moved, d.ids[at+by])
					}
					d.mu.Lock()
					d.jump(at, min(at+by, 999))
					d.mu.Unlock()
					rest := readAll(t, s)
					if up {
						ids = append(rest, ids...)
					} else {
						ids = append(ids, rest...)
					}
					others := func(ids []string) []string {
						return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(moved, id) })
					}
					if s.Err() != nil || !slices.Equal(others(ids), others(d.ids)) {
						t.Errorf("up %v, the one at %d by %d: %d of %d rows, %v", up, at, by,
							len(others(ids)), len(others(d.ids)), s.Err())
					}
				})
			}
		}
	}
}

// Rows that cannot be read do not come twice, wherever they stand.
func TestScanOverUnreadableRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := far(1000)
		for i := range 1000 {
			if i%200 >= 198 || i%7 == 0 {
				d.ids[i] = ""
			}
		}
		for _, up := range []bool{false, true} {
			s := d.lists(200, 4).of(upstream.List{}, time.Time{}).Scan(ScanOptions{Up: up})
			ids := readAll(t, s)
			if !slices.Equal(ids, d.ids) {
				t.Errorf("up %v: %d rows, %v", up, len(ids), s.Err())
			}
		}
	})
}

// Where upstream refuses what is too much, the scan goes on with fewer requests at once, and ends without an error.
func TestScanBelowALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := far(20_000)
		d.limit = 3
		s := d.lists(200, 8).of(upstream.List{}, time.Time{}).Scan(ScanOptions{})
		if ids := readAll(t, s); !slices.Equal(ids, d.ids) || s.Err() != nil {
			t.Errorf("%d rows, %v", len(ids), s.Err())
		}
		if d.refused > d.requests/4 { // 11 to 20 of 110: eight when it began too fast, and one or two at each attempt later
			t.Errorf("%d of %d requests were refused", d.refused, d.requests)
		}
	})
}

// A scan goes on from a cursor whose call has moved with the page that shows it, though it has fewer rows beyond it.
func TestScanFromACursorThatHasMoved(t *testing.T) {
	for _, up := range []bool{false, true} {
		l := newMemoryList(1000)
		c := cursorAt(t, l, 500)
		if up {
			l.remove(0, 10)
		} else {
			l.insert("a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
		}
		l.requests = 0
		s := l.reader().Scan(ScanOptions{From: c, Up: up})
		if !s.Next(t.Context()) || l.requests != 1 {
			t.Errorf("up %v: %d requests, %v", up, l.requests, s.Err())
		}
		s.Close()
	}
}

// What is read ahead ends with the scan, and with its context.
func TestAScanThatIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := far(5000)
		s := d.lists(200, 4).of(upstream.List{}, time.Time{}).Scan(ScanOptions{})
		for range 3 {
			s.Next(t.Context())
		}
		synctest.Wait()
		if d.inFlight == 0 {
			t.Error("nothing is read ahead")
		}
		s.Close()
		if d.inFlight != 0 {
			t.Errorf("%d requests go on", d.inFlight)
		}
		ctx, cancel := context.WithCancel(t.Context())
		s = d.lists(200, 4).of(upstream.List{}, time.Time{}).Scan(ScanOptions{})
		defer s.Close()
		s.Next(ctx)
		cancel()
		if s.Next(ctx) || s.Stopped() != StopError || !errors.Is(s.Err(), context.Canceled) {
			t.Errorf("stopped by %d, %v", s.Stopped(), s.Err())
		}
	})
}

// A consumer that pauses is not shown what was read ahead before.
func TestAScanThatPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := far(5000)
		s := d.lists(200, 4).of(upstream.List{}, time.Time{}).Scan(ScanOptions{})
		defer s.Close()
		for range 4 {
			s.Next(t.Context())
			time.Sleep(aheadLasts)
			if paused := time.Now(); s.Next(t.Context()) && s.Part().asked.Before(paused) {
				t.Errorf("the rows are those of %v ago", paused.Sub(s.Part().asked))
			}
		}
	})
}

func TestLimiter(t *testing.T) {
	const usual = 100 * time.Millisecond
	page, limited := &upstream.Page{}, &upstream.Page{Limited: true}
	p := newLimiter(8)
	round := func(took time.Duration, page *upstream.Page, err error) (at int) {
		var requests []int
		for n := p.take(); n > 0; n = p.take() {
			requests = append(requests, n)
		}
		for _, n := range requests {
			p.done(n, took, true, page, err)
		}
		return len(requests)
	}
	for i, want := range []int{2, 4, 8, 8} {
		if got := round(usual, page, nil); got != want {
			t.Errorf("%d at once in round %d, want %d", got, i, want)
		}
	}
	p = newLimiter(8)
	for i, want := range []int{2, 2, 3, 4, 5, 6, 7, 8, 8} { // once a response was slow
		took := usual
		if i == 0 {
			took = 5 * usual
			p.expected = usual
		}
		if got := round(took, page, nil); got != want {
			t.Errorf("%d at once in round %d after a slow response, want %d", got, i, want)
		}
	}
	if round(usual, limited, nil); p.limit != 4 { // once for all that were under way
		t.Errorf("%d at once after a 429", p.limit)
	}
	if round(usual, nil, &upstream.Error{Kind: upstream.KindRateLimited}); p.limit != 2 {
		t.Errorf("%d at once after another 429", p.limit)
	}
	if round(5*usual, page, nil); p.limit != 2 {
		t.Errorf("%d at once although responses come slower", p.limit)
	}
	if round(0, nil, errors.New("another failure")); p.limit != 2 {
		t.Errorf("%d at once after another failure", p.limit)
	}
	for range 10 {
		round(usual, limited, nil)
	}
	if p.limit != 1 {
		t.Errorf("%d at once after many 429s", p.limit)
	}
	if n := newLimiter(1); n.take() == 0 || n.take() != 0 {
		t.Error("a limit of one")
	}
}

// A walk's next request goes on where the one before ended, without a request to upstream where the rows have come.
func TestWalkIsKeptBetweenRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := far(3000)
		p := d.lists(200, 4)
		walk := NewWalk(true)
		defer walk.Close()
		var after *relay.Cursor
		var ids []string
		step := func(count int) *Window {
			w, err := p.Reader(Request{Walk: walk}).Window(t.Context(), relay.Range{Count: count, After: after}, everything)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, w.ids()...)
			after = parse(t, w.Cursor(len(w.Rows())-1).String())
			return w
		}
		began := time.Now()
		for step(100).HasNext() {
		}
		if !slices.Equal(ids, d.ids) || d.count() > 20 || time.Since(began) > 9*distance100ms {
			t.Errorf("%d calls, %d requests, %v", len(ids), d.count(), time.Since(began))
		}
		// A client that pauses is not shown what was read before.
		after, ids = nil, nil
		step(100)
		time.Sleep(aheadLasts)
		before := d.count()
		step(50)
		if d.count() == before {
			t.Error("rows are older than they may be")
		}
		// A request that begins elsewhere is no part of the walk.
		after = nil
		if w := step(10); w.ids()[0] != d.ids[0] {
			t.Errorf("it begins with %v", w.ids())
		}
	})
}

// Calls are re-sorted next to a seam: one leaves its neighbourhood, and of another and its neighbour it cannot be seen
// which has passed the other. The scan reads on from where neither is left out, and delivers neither again.
func TestScanDeliversNoCallAgain(t *testing.T) {
	tests := map[bool]func(l *memoryList) (resorted []string){
		false: func(l *memoryList) []string {
			l.jump(16, 0)
			l.jump(17, 16) // over call-15, which was delivered
			l.insert("new")
			return []string{"call-16", "call-17"}
		},
		true: func(l *memoryList) []string {
			l.jump(51, 59)
			l.jump(50, 51) // over call-52, which was delivered
			l.remove(0, 1)
			return []string{"call-51", "call-50", "call-0"}
		},
	}
	for up, move := range tests {
		l := newMemoryList(60)
		r := newLists(l, 20, 1000).of(upstream.List{}, time.Time{})
		r.trace = &Reads{}
		s := r.Scan(ScanOptions{Up: up})
		if !s.Next(t.Context()) {
			t.Fatal(s.Err())
		}
		want, part := slices.Clone(l.ids), s.Part().ids()
		if !up && part[len(part)-1] != "call-15" || up && part[0] != "call-52" {
			t.Fatalf("up %t: the first part is %v", up, part)
		}
		moved := move(l)
		got := slices.Concat(part, readAll(t, s))
		if up {
			got = slices.Concat(got[len(part):], part)
		}
		isMoved := func(id string) bool { return slices.Contains(moved, id) }
		if got, want = slices.DeleteFunc(got, isMoved), slices.DeleteFunc(want, isMoved); !slices.Equal(got, want) {
			t.Errorf("up %t: got %v", up, got)
		}
		if !r.trace.Reordered() {
			t.Errorf("up %t: not said to be reordered", up)
		}
	}
}
