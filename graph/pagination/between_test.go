package pagination

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
	"revox-graphql/upstream/pagecache"
)

// The last rows after a cursor are those before the end of the list, also where calls arrive between the response that
// has the end and the one that has the cursor.
func TestTheLastRowsAfterACursor(t *testing.T) {
	for _, leave := range []int{0, 40} {
		for arrive := 0; arrive <= 400; arrive += 20 {
			l := newMemoryList(5035 + leave)
			c := cursorAt(t, l, 5020+leave)
			l.remove(0, leave)
			r := l.reader()
			if _, err := r.total(t.Context()); err != nil { // so that the end is found by one request
				t.Fatal(err)
			}
			began := l.requests
			l.hook = func(request int) {
				if request == began+3 {
					for i := range arrive {
						l.insert(fmt.Sprint("new-", i))
					}
				}
			}
			r.arrived = time.Now()
			w, err := r.Window(t.Context(), relay.Range{Count: 5, Backward: true, After: c}, everything)
			if err != nil {
				t.Errorf("%d leave, %d arrive: %v", leave, arrive, err)
				continue
			}
			if want := l.ids[len(l.ids)-5:]; !slices.Equal(w.ids(), want) || w.HasNext() || !w.HasPrevious() {
				t.Errorf("%d leave, %d arrive: got %v, next %t, previous %t", leave, arrive, w.ids(), w.HasNext(), w.HasPrevious())
			}
		}
	}
}

// Where few rows are between a cursor and the end of the list, they come in small pages.
func TestTheLastRowsAfterACursorInSmallPages(t *testing.T) {
	l := newMemoryList(230)
	c := cursorAt(t, l, 180)
	r := l.reader()
	if _, err := r.total(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.arrived = time.Now()
	l.rows = 0
	w, err := r.Window(t.Context(), relay.Range{Count: 5, Backward: true, After: c}, everything)
	if err != nil {
		t.Fatal(err)
	}
	if want := l.ids[225:]; !slices.Equal(w.ids(), want) || l.rows > 100 {
		t.Errorf("got %v, and %d rows were read", w.ids(), l.rows)
	}
}

// A window that one cursor ends is not read from cached pages that are older than the cursor, whichever end of the list
// it begins at, and whichever process made the cursor.
func TestACursorEndsAWindowOfOlderPages(t *testing.T) {
	for _, backward := range []bool{false, true} {
		for _, other := range []bool{false, true} {
			t.Run(fmt.Sprintf("backward %t, another process %t", backward, other), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testACursorEndsAWindowOfOlderPages(t, backward, other) })
			})
		}
	}
}

func testACursorEndsAWindowOfOlderPages(t *testing.T, backward, other bool) {
	t.Helper()
	l := newMemoryList(30)
	replica := func() *Lists {
		cache := pagecache.New(l, pagecache.Options{TTL: time.Minute, MaxBytes: 1 << 30})
		t.Cleanup(cache.Close)
		return newLists(cache, 200, 1000)
	}
	a := replica()
	b := a
	if other {
		b = replica()
	}
	read := func(p *Lists, notBefore time.Time, rng relay.Range) *Window {
		w, err := p.Reader(Request{NotBefore: notBefore}).Window(t.Context(), rng, everything)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	read(a, time.Time{}, relay.Range{Count: 30, Backward: backward}) // is cached
	time.Sleep(time.Second)
	l.remove(20, 30)
	l.insert("new-1", "new-2")
	shown := read(b, time.Now(), relay.Range{Count: 2, Backward: backward})
	rng, want := relay.Range{Count: 20, Backward: backward}, "new-1"
	if backward {
		rng.After, want = parse(t, shown.StartCursor().String()), "call-19"
	} else {
		rng.Before = parse(t, shown.EndCursor().String())
	}
	if got := read(a, time.Time{}, rng).ids(); !slices.Equal(got, []string{want}) {
		t.Errorf("got %v", got)
	}
}

// Cached pages are as good for a scan as for a window: while they are fresh, nothing is requested again, and while
// upstream fails, the scan reads the stale ones to the end of the list. Each page comes after those that it continues:
// in another order, the end of the list is known earlier, and the first scan ends with other pages than the second.
func TestAScanReadsCachedPages(t *testing.T) {
	for _, down := range []bool{false, true} {
		for _, rows := range []int{1000, 850, 777} {
			for _, concurrency := range []int{1, 4} {
				t.Run(fmt.Sprintf("%d rows, %d at once, down %t", rows, concurrency, down), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { testAScanReadsCachedPages(t, rows, concurrency, down) })
				})
			}
		}
	}
}

func testAScanReadsCachedPages(t *testing.T, rows, concurrency int, down bool) {
	t.Helper()
	l := far(rows)
	l.apart = time.Millisecond
	opts := pagecache.Options{TTL: 5 * time.Minute, Stale: 5 * time.Minute, MaxBytes: 1 << 30}
	if down {
		opts.TTL = 15 * time.Second
	}
	cache := pagecache.New(l, opts)
	defer cache.Close()
	p := newLists(cache, 200, 1000)
	p.cached, p.concurrency = true, concurrency
	scan := func() *Scan { return p.of(upstream.List{}, time.Time{}).Scan(ScanOptions{}) }
	if ids := readAll(t, scan()); !slices.Equal(ids, l.ids) {
		t.Fatalf("%d rows", len(ids))
	}
	time.Sleep(time.Minute)
	requests := l.count()
	l.down = down
	ids := readAll(t, scan())
	if requests = l.count() - requests; !slices.Equal(ids, l.ids) || !down && requests > 0 {
		t.Errorf("%d rows are read again, with %d requests", len(ids), requests)
	}
}
