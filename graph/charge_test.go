package graph

import (
	"testing"
	"testing/synctest"
	"time"
)

// Ten of the longest searches are let through at once, and one a second; those of each client are counted by themselves.
func TestChargesAreRefilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSearches(&Options{PageSize: 200, MaxShift: 1000, MaxCount: 100})
		const longest = 27
		charged := func(client byte) (n int) {
			for s.charge(tokenHash{client}) == 0 {
				n++
			}
			return n
		}
		for i, want := range []int{searchesAtOnce * longest, longest, longest} {
			if n := charged(1); n != want {
				t.Errorf("%d. %d requests are charged, want %d", i, n, want)
			}
			time.Sleep(time.Second)
		}
		if n := charged(2); n != searchesAtOnce*longest {
			t.Errorf("%d requests of another client are charged", n)
		}
		if wait := s.charge(tokenHash{2}); wait != time.Second {
			t.Errorf("to be tried again after %s", wait)
		}
	})
}
