package pagination

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream"
)

// holding is a list that counts the pages which are held, and has memory for so many.
type holding struct {
	*distant
	room int

	mu         sync.Mutex
	held       map[*upstream.Page]int
	most, full int // pages at once, and pages that there was no room for
}

// Hold implements [upstream.Holder].
func (h *holding) Hold(page *upstream.Page) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.held) == h.room {
		h.full++
		return false
	}
	h.held[page]++
	h.most = max(h.most, len(h.held))
	return true
}

// Release implements [upstream.Holder].
func (h *holding) Release(page *upstream.Page) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held[page]--; h.held[page] == 0 {
		delete(h.held, page)
	}
}

// count is how many pages are held once all that is under way has come.
func (h *holding) count() int {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.held)
}

func (h *holding) scan() *Scan {
	lists := New(h, Options{PageSize: 200, MaxShift: 1000, Concurrency: 4})
	return lists.of(upstream.List{}, time.Time{}).Scan(ScanOptions{})
}

// Pages that are read ahead are held from when they have come until the scan comes to them, or is closed.
func TestPagesReadAheadAreHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &holding{distant: far(5000), room: 100, held: map[*upstream.Page]int{}}
		h.apart = time.Millisecond // each page comes after those that it continues
		s := h.scan()
		for range 4 {
			s.Next(t.Context())
		}
		time.Sleep(time.Second) // by then the others have come
		if held := h.count(); held != 4 {
			t.Errorf("%d pages are held for a scan that pauses", held)
		}
		s.Next(t.Context())
		if held := h.count(); held != 3 {
			t.Errorf("%d pages are held of those that have come", held)
		}
		s.Close()
		if held := h.count(); held != 0 {
			t.Errorf("%d pages are held for a scan that is closed", held)
		}
		if ids := readAll(t, h.scan()); !slices.Equal(ids, h.ids) || h.count() != 0 || h.most > 4 {
			t.Errorf("%d rows, %d pages are held, %d were at once", len(ids), h.count(), h.most)
		}
	})
}

// Where there is no memory for a page, it is dropped, and the scan goes on with one page after the other.
func TestNoMemoryToReadAhead(t *testing.T) {
	for room := range 3 {
		synctest.Test(t, func(t *testing.T) {
			h := &holding{distant: far(5000), room: room, held: map[*upstream.Page]int{}}
			h.apart = -time.Millisecond // each page comes before those that it continues
			began := time.Now()
			if ids := readAll(t, h.scan()); !slices.Equal(ids, h.ids) {
				t.Errorf("%d rows", len(ids))
			}
			t.Logf("%d pages: %d requests, %d in vain, %v", room, h.requests, h.full, time.Since(began))
			if held := h.count(); held != 0 || h.full == 0 || h.full > 4 || h.requests > 29+3*h.full {
				t.Errorf("%d pages: %d requests, %d in vain, %d are held", room, h.requests, h.full, held)
			}
		})
	}
}
