package pagecache

import (
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/internal/memory"
)

// Pages are counted in the process's budget, and go where memory is scarce, those first that were not used for longest.
func TestPagesCountInTheBudget(t *testing.T) { synctest.Test(t, testPagesCountInTheBudget) }

func testPagesCountInTheBudget(t *testing.T) {
	t.Helper()
	budget := memory.NewBudget(1<<20, 5000/80*100, slog.New(slog.DiscardHandler)) // 4,960 bytes may be counted
	cache := New(&lister{rows: 1000}, Options{TTL: time.Hour, MaxBytes: 1 << 20, Memory: budget})
	defer cache.Close()
	read := func(page int) {
		if _, err := cache.ListCalls(t.Context(), ask(page, 10)); err != nil { // 1,000 bytes
			t.Fatal(err)
		}
	}
	other := budget.Account("other")
	account := budget.Accounts()[0]
	kept := func(want ...int) {
		t.Helper()
		for page := range 10 {
			if has := cache.Page(ask(page, 10)) != nil; has != slices.Contains(want, page) {
				t.Errorf("page %d is kept: %v", page, has)
			}
		}
		if stats := cache.Stats(); account.Used() != int64(stats.Bytes) || stats.Pages != len(want) {
			t.Errorf("%d pages with %d bytes, and %d are counted", stats.Pages, stats.Bytes, account.Used())
		}
	}
	for page := range 4 {
		read(page)
	}
	kept(0, 1, 2, 3)
	read(0) // which is used
	other.Take(1500)
	kept(0, 2, 3)
	read(4)
	synctest.Wait() // the fetch makes room once its waiters have their page
	kept(2, 3, 4)   // of which 0 was asked for first
	other.Take(10_000)
	kept()
	if other.Reserve(1) {
		t.Error("more may begin")
	}
}
