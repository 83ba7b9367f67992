package pagination

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// timed is a reader of a list of calls that started a minute after one another, or about that. What upstream serves
// past the end is known.
func timed(rows int, clock string) (*world, *Lists) {
	w := newWorld(rows)
	w.clock = clock
	p := newLists(&endpoint{w: w}, 200, 1000)
	p.now = func() time.Time { return w.at() }
	p.probed.Add(upstream.Credential{}.Tenant(), w.at())
	return w, p
}

// mark is a cursor for the call at a place, as its text gives it back.
func (w *world) mark(t testing.TB, p *Lists, at int) *relay.Cursor {
	t.Helper()
	page, err := p.of(upstream.List{}, time.Time{}).around(t.Context(), at, at-3, at+4, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := spanOf(page)
	s.process = p.process
	return parse(t, s.cursor(upstream.List{}, at-page.Offset()).String())
}

// Where the order by time holds, a cursor's call is found by its time, however far the list has shifted. The table in
// DESIGN.md is from here.
func TestShiftsAreFoundByTime(t *testing.T) {
	for _, clock := range []string{"exact", "jittered"} {
		for _, shift := range []int{500, 999, 2000, 10_000, -500, -999, -2000, -7000} {
			for _, count := range []int{10, 50, 100} {
				for _, back := range []bool{false, true} {
					t.Run(fmt.Sprint(clock, shift, count, back), func(t *testing.T) {
						w, p := timed(15_000, clock)
						c := w.mark(t, p, 9000)
						w.insert(max(shift, 0))
						w.remove(0, max(-shift, 0))
						w.served = 0
						rng := relay.Range{Count: count, After: c}
						if back {
							rng.Before, rng.After, rng.Backward = c, nil, true
						}
						win, err := p.of(upstream.List{}, time.Time{}).window(t.Context(), rng, everything)
						if err != nil {
							t.Fatal(err)
						}
						ids := w.ids(0)
						at := 9000 + shift
						want := ids[at+1 : at+1+count]
						if back {
							want = ids[at-count : at]
						}
						if !slices.Equal(win.ids(), want) {
							t.Errorf("got %v, want %v", win.ids(), want)
						}
						t.Logf("%d requests", w.served)
						if w.served > 5 {
							t.Errorf("%d requests", w.served)
						}
					})
				}
			}
		}
	}
}

// The time marks the place where the call and all its neighbours have left, however long ago that was. Where times are
// not clear enough, the cursor has expired, after few requests.
func TestAPlaceIsFoundWhereAllHaveLeft(t *testing.T) {
	for _, clock := range []string{"exact", "jittered", ""} {
		for _, shift := range []int{0, 40, 700, 5000} {
			t.Run(fmt.Sprint(clock, shift), func(t *testing.T) {
				w, p := timed(15_000, clock)
				c := w.mark(t, p, 9000)
				w.remove(8997, 7)
				w.insert(shift)
				w.served = 0
				for _, back := range []bool{false, true} {
					rng := relay.Range{Count: 10, After: c}
					want := w.ids(0)[8997+shift : 9007+shift]
					if back {
						rng = relay.Range{Count: 10, Before: c, Backward: true}
						want = w.ids(0)[8987+shift : 8997+shift]
					}
					w.served = 0
					win, err := p.of(upstream.List{}, time.Time{}).window(t.Context(), rng, everything)
					t.Logf("%d requests, %v", w.served, err)
					switch most := map[string]int{"exact": 5, "jittered": 5, "": 14}[clock]; {
					case w.served > most:
						t.Errorf("%d requests, and at most %d are allowed", w.served, most)
					case errors.Is(err, ErrCursorExpired) && clock != "exact":
					case err != nil:
						t.Fatal(err)
					case !slices.Equal(win.ids(), want):
						t.Errorf("got %v, want %v", win.ids(), want)
					}
				}
			})
		}
	}
}

// A call that was re-sorted, and so stands among newer ones, does not keep the search by time from what is beyond it.
func TestACallOfAnotherTimeDoesNotMislead(t *testing.T) {
	for at := range 360 {
		w, _ := timed(400, "exact")
		p := newLists(&endpoint{w: w}, 22, 60)
		p.now = func() time.Time { return w.at() }
		r := func() *Reader { return p.of(upstream.List{}, time.Time{}) }
		c := w.mark(t, p, 370) // call-29
		w.jump(399, at)        // the oldest call
		w.pass(time.Minute)
		p.drifts.Add(r().key, 1e6) // what the list did of late: the first page is beyond the end
		rng := relay.Range{Count: 3, Backward: true, Before: c}
		win, err := r().window(t.Context(), rng, everything)
		if err != nil || !slices.Equal(win.ids(), []string{"call-32", "call-31", "call-30"}) {
			t.Errorf("%d: %v, %v", at, win, err)
		}
	}
}

// A page past the end that is the first page again does not say where the list's times are.
func TestAPagePastTheEndDoesNotMislead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(220)
		w.clock, w.habits = "exact", habits{pastEnd: "first"}
		p := w.replica(21, 0, 0, 0, true)
		r := func() *Reader { return p.of(upstream.List{}, time.Time{}) }
		c := w.mark(t, p, 215) // call-4
		w.jump(84, 0)          // the page begins with a call that is older than the others
		w.pass(time.Minute)
		p.drifts.Add(r().key, 1e6) // what the list did of late
		rng := relay.Range{Count: 3, Backward: true, Before: c}
		win, err := r().window(t.Context(), rng, everything)
		if err != nil || !slices.Equal(win.ids(), []string{"call-7", "call-6", "call-5"}) {
			t.Errorf("%v, %v", win, err)
		}
	})
}

// Where calls near the cursor's were sorted by something else than their time, the time does not lead away from them,
// however the pages are cut.
func TestATimeThatSaysTooLittle(t *testing.T) {
	for _, test := range []struct{ pageSize, first, second int }{ // the calls that go to the head, by their place
		{60, 240, 288}, {60, 20, 20}, {40, 20, 20}, {40, 24, 22}, {40, 14, 30}, {22, 16, 16},
	} {
		for shift := range 60 {
			w := newWorld(300)
			w.clock = "exact"
			p := newLists(&endpoint{w: w}, test.pageSize, 60)
			p.now = func() time.Time { return w.at() }
			w.jump(test.first, 0)
			w.jump(test.second, 1)
			for at := range 4 {
				c := w.mark(t, p, at)
				moved := *w
				moved.passed = &atomic.Int64{}
				moved.pass(w.at().Sub(moved.at()))
				moved.rows = slices.Clone(w.rows)
				moved.insert(shift)
				p := newLists(&endpoint{w: &moved}, test.pageSize, 60)
				p.now = moved.at
				win, err := p.of(upstream.List{}, time.Time{}).window(t.Context(), relay.Range{Count: 2, After: c}, everything)
				if want := moved.ids(0)[shift+at+1 : shift+at+3]; err != nil || !slices.Equal(win.ids(), want) {
					t.Errorf("%+v, %d arrive, after the call at %d: %v, %v, want %v", test, shift, at, win, err, want)
				}
			}
		}
	}
}

// Where calls were re-sorted to the end of a page, as many places there may be as good for a moment: the last of them
// says how near it is to the end. The model found calls that came twice, since a re-sorted call alone was taken for the
// place of a cursor whose time was thought to belong well inside of the page.
func TestARoomThatResortedCallsLeave(t *testing.T) {
	const moment = 100
	for name, test := range map[string]struct {
		started         []int64
		cut, until, has int // room
	}{
		"in order":                   {[]int64{120, 110, 105, 90, 80, 70, 60, 50}, 3, 3, 3},
		"one was re-sorted":          {[]int64{120, 110, 30, 105, 90, 80, 70, 60}, 2, 4, 2},
		"every other one to the end": {[]int64{140, 130, 120, 10, 119, 20, 118, 30, 117}, 3, 9, 0},
		"without a time between":     {[]int64{120, 110, 0, 105, 90, 80}, 4, 4, 2},
		"to the start":               {[]int64{10, 110, 90, 80, 70, 60}, 0, 2, 0},
		"all are older":              {[]int64{90, 80, 70, 60}, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := span{position: 20}
			for _, started := range test.started {
				s.rows = append(s.rows, upstream.Row{Started: started})
			}
			got := timingOf(&s, moment, 0)
			if room := got.room(&s); got.cut != test.cut || got.until != test.until || room != test.has {
				t.Errorf("from %d to %d, room %d", got.cut, got.until, room)
			}
		})
	}
}
