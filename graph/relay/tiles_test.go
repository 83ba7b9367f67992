package relay

import (
	"fmt"
	"testing"
)

// Pages chosen one after another cover a list, each has the rows of overlap with the one before, and they are few.
func TestPagesThatContinueOneAnother(t *testing.T) {
	const rows = 20_000
	for _, test := range []struct {
		sizes         Sizes
		overlap, most int // pages
	}{
		{Sizes{12, 200}, 2, 110},
		{Sizes{12, 200}, 4, 112},
		{Sizes{12, 200}, 16, 118},
		{Sizes{12, 1000}, 2, 21},
		{Sizes{12, 1000}, 8, 21},
		{Sizes{12, 50}, 4, 520},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			pages := 0
			for edge := 0; edge < rows; pages++ {
				number, size := Below(edge, test.overlap, test.sizes)
				from, to := number*size, (number+1)*size
				if size < test.sizes.Least || size > test.sizes.Most || from > max(0, edge-test.overlap) || to <= edge {
					t.Fatalf("the page from %d to %d does not continue one that ends before %d", from, to, edge)
				}
				edge = to
			}
			if pages > test.most {
				t.Errorf("%d pages down, want at most %d", pages, test.most)
			}
			pages = 0
			for edge := rows; edge > 0; pages++ {
				number, size := Above(edge, test.overlap, test.sizes)
				from, to := number*size, (number+1)*size
				if size < test.sizes.Least || size > test.sizes.Most || from >= edge || to < edge+test.overlap {
					t.Fatalf("the page from %d to %d does not continue one that begins at %d", from, to, edge)
				}
				edge = from
			}
			if pages > test.most+2 {
				t.Errorf("%d pages up, want at most %d", pages, test.most+2)
			}
		})
	}
}

// Among the pages that continue another there may be none that reaches beyond it.
func TestNoPageContinues(t *testing.T) {
	if number, size := Below(24, 4, Sizes{12, 12}); size != 0 {
		t.Errorf("page %d of %d rows continues one that ends before row 24", number, size)
	}
	if number, size := Above(24, 4, Sizes{12, 12}); size != 0 {
		t.Errorf("page %d of %d rows continues one that begins at row 24", number, size)
	}
	if number, size := Above(0, 4, Sizes{12, 200}); size != 0 {
		t.Errorf("page %d of %d rows comes before the first row", number, size)
	}
}
