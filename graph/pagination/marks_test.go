package pagination

import (
	"math/rand/v2"
	"slices"
	"testing"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// The cursor of a row is the same in whatever order the rows of a window are asked for. It names its neighbours, as far
// as no row is unreadable between them.
func TestCursorsOfManyRows(t *testing.T) {
	l := newMemoryList(60)
	l.ids[10], l.ids[11], l.ids[40] = "", "", ""
	page, err := l.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: 60})
	if err != nil {
		t.Fatal(err)
	}
	dice := rand.New(rand.NewPCG(1, 2))
	down := make([]int, 0, 60)
	for i, row := range page.Rows {
		if row.Call != nil {
			down = append(down, i)
		}
	}
	up, mixed := slices.Clone(down), slices.Clone(down)
	slices.Reverse(up)
	dice.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	for name, order := range map[string][]int{"down": down, "up": up, "mixed": mixed} {
		w := &Window{span: spanOf(page), to: 60}
		for _, i := range order {
			c := w.Cursor(i)
			var before, after []relay.Hash
			for j := i - 1; j >= max(0, i-3) && l.ids[j] != ""; j-- {
				before = append(before, relay.NewHash(l.ids[j]))
			}
			for j := i + 1; j < min(60, i+4) && l.ids[j] != ""; j++ {
				after = append(after, relay.NewHash(l.ids[j]))
			}
			if c.Element != relay.NewHash(l.ids[i]) || !slices.Equal(c.Before, before) || !slices.Equal(c.After, after) {
				t.Errorf("%s, row %d: %+v, want %v and %v", name, i, c, before, after)
			}
			if fresh := w.cursor(upstream.List{}, i); fresh.String() != c.String() {
				t.Errorf("%s, row %d: another cursor than that of a new window", name, i)
			}
		}
	}
}
