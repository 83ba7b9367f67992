package admission

import (
	"testing"
	"testing/synctest"
	"time"
)

// Ten of the longest searches are allowed at once, and one per second; those of each client are counted by
// themselves.
func TestChargesAreRefilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const longest = 27
		s := NewSearchLimiter[int](longest)
		charged := func(client int) (n int) {
			for s.Charge(client) == 0 {
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
		if wait := s.Charge(2); wait != time.Second {
			t.Errorf("to be tried again after %s", wait)
		}
	})
}
