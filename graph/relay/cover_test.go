package relay

import (
	"math/rand/v2"
	"testing"
)

// Cover does what it promises, found by looking at all pages: of those that hold the most needed rows it takes the
// smallest, or one that is a little larger, holds as many of them, and holds more of those that are only wanted.
func TestCover(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	larger := 0
	for range 20_000 {
		anchor := random.IntN(5000)
		need := Rows{max(0, anchor-random.IntN(3)), anchor + 1 + random.IntN(110)}
		want := Rows{max(0, need.From-random.IntN(8)), need.To + random.IntN(8)}
		sizes := Sizes{Least: 1 + random.IntN(30)}
		sizes.Most = sizes.Least + random.IntN(200)
		number, size := Cover(anchor, need, want, sizes)
		if number != anchor/size {
			t.Fatalf("page %d of %d rows does not hold row %d", number, size, anchor)
		}
		smallest, most := 0, -1 // the smallest page with the most needed rows
		for s := sizes.Least; s <= sizes.Most; s++ {
			if n := need.In(anchor/s*s, (anchor/s+1)*s); n > most {
				smallest, most = s, n
			}
		}
		chosen, wanted := 0, -1 // the smallest of those with the most wanted rows
		for s := smallest; s <= min(sizes.Most, smallest+min(smallest/10, 6)); s++ {
			from, to := anchor/s*s, (anchor/s+1)*s
			if n := want.In(from, to); need.In(from, to) == most && n > wanted {
				chosen, wanted = s, n
			}
		}
		if size != chosen {
			t.Fatalf("anchor %d, need %v, want %v, sizes %v: a page of %d rows, and one of %d is better",
				anchor, need, want, sizes, size, chosen)
		}
		if chosen > smallest {
			larger++
		}
	}
	if larger < 1000 {
		t.Errorf("only %d pages were larger for the sake of rows that are wanted", larger)
	}
}
