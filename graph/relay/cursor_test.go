package relay

import (
	"math"
	"testing"
	"time"
)

// A cursor of the largest numbers fits, and nothing is allocated for one where there is room.
func TestAppendCursor(t *testing.T) {
	most := []Hash{1<<48 - 1, 1<<48 - 2, 1<<48 - 3}
	c := Cursor{
		List: math.MaxUint16, Position: MaxPosition, Since: time.Unix(0, math.MaxInt64), Process: 1<<24 - 1,
		Started: -maxStarted, Noise: math.MaxUint32, Element: most[0], Before: most, After: most,
	}
	read, err := ParseCursor(c.String())
	if err != nil || read.String() != c.String() {
		t.Error(read, err)
	}
	if got := string(c.Append([]byte(`{"cursor":"`))); got != `{"cursor":"`+c.String() {
		t.Error(got)
	}
	b := make([]byte, 0, 1<<10)
	if n := testing.AllocsPerRun(100, func() { b = c.Append(b[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
