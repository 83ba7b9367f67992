package responsecache

import (
	"fmt"
	"log/slog"
	"testing"

	"revox-graphql/graph/pagination"
	"revox-graphql/internal/memory"
)

// Cached responses go where memory is scarce, and none is cached where there is no room.
func TestCachedResponsesShrink(t *testing.T) {
	budget := memory.NewBudget(160_000, 80_000/80*100, slog.New(slog.DiscardHandler)) // 80 kB may be counted
	c := New(nil, 1<<20, budget)
	other := budget.Account("other")
	put := func(text string) {
		c.Put(Key{Text: text}, &Response{Body: make([]byte, 20_000), Reads: &pagination.Reads{}})
	}
	has := func(text string) bool { return c.Get(Key{Text: text}) != nil }
	for i := range 3 {
		put(fmt.Sprint(i))
	}
	if c.responses.Len() != 3 || int64(c.responses.Bytes()) != c.account.Used() {
		t.Errorf("%d are cached with %d bytes", c.responses.Len(), c.responses.Bytes())
	}
	other.Take(30_000) // 93 kB are counted then: the first has to go
	if c.responses.Len() != 2 || has("0") {
		t.Errorf("%d are cached", c.responses.Len())
	}
	put("more")
	if has("more") || c.responses.Len() != 2 {
		t.Error("another is cached")
	}
	if int64(c.responses.Bytes()) != c.account.Used() {
		t.Errorf("%d bytes, and %d are counted", c.responses.Bytes(), c.account.Used())
	}
}
