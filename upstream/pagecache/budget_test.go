package pagecache

import (
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
	"revox-graphql/upstream/rest"
)

// A page that is served stale to several requests is one page in memory, and is counted once, also if a request holds
// the page of its calls.
func TestStalePagesCountOnce(t *testing.T) { synctest.Test(t, testStalePagesCountOnce) }

func testStalePagesCountOnce(t *testing.T) {
	t.Helper()
	budget := memory.NewBudget(1<<20, 1<<20, slog.New(slog.DiscardHandler))
	s := new(slow)
	_, cache := over(t, s, rest.Options{}, Options{
		TTL: 15 * time.Second, Revalidate: 15 * time.Second, Stale: time.Minute, Memory: budget,
	})
	cached, inUse := budget.Accounts()[0], budget.Accounts()[1]
	read := func(stale bool) *upstream.Page {
		page, err := cache.ListCalls(t.Context(), ask(0, 12))
		if err != nil || page.Stale != stale {
			t.Fatalf("%+v, %v", page, err)
		}
		return page
	}
	page := read(false)
	time.Sleep(31 * time.Second)
	s.responses(http.StatusServiceUnavailable)
	held := []*upstream.Page{read(true), read(true), page.Rows[0].Call.Page()}
	for i, page := range held {
		if !cache.Hold(page) || cached.Used() != 0 || inUse.Used() != int64(page.Bytes) {
			t.Errorf("held by %d: %d bytes of cached pages and %d of held ones", i+1, cached.Used(), inUse.Used())
		}
	}
	if freed := cache.Shrink(1 << 20); freed != 0 {
		t.Errorf("Shrink has dropped a held page of %d bytes", freed)
	}
	for _, page := range held {
		cache.Release(page)
	}
	if cached.Used() != int64(page.Bytes) || inUse.Used() != 0 || len(cache.uses) != 1 {
		t.Errorf("released: %d bytes of cached pages and %d of held ones", cached.Used(), inUse.Used())
	}
}

// Pages count in the process's memory budget. If memory is scarce, the least recently used pages are dropped first.
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
	read(0) // so it is recently used
	other.Take(1500)
	kept(0, 2, 3)
	read(4)
	synctest.Wait() // the fetch makes room once its waiters have their page
	kept(2, 3, 4)   // 0 was the least recently used
	other.Take(10_000)
	kept()
	if other.Reserve(1) {
		t.Error("a full budget has room for another byte")
	}
}

// A page that requests hold is counted once, whether it is cached or not, and dropping it from the cache frees nothing.
func TestHeldPagesCountInTheBudget(t *testing.T) { synctest.Test(t, testHeldPagesCountInTheBudget) }

func testHeldPagesCountInTheBudget(t *testing.T) {
	t.Helper()
	budget := memory.NewBudget(1<<20, 5000/80*100, slog.New(slog.DiscardHandler)) // 4,960 bytes may be counted
	cache := New(&lister{rows: 1000}, Options{TTL: time.Hour, MaxBytes: 2500, Memory: budget})
	defer cache.Close()
	read := func(page int) *upstream.Page { // a page of 1,000 bytes
		got, err := cache.ListCalls(t.Context(), ask(page, 10))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	cached, inUse := budget.Accounts()[0], budget.Accounts()[1]
	counted := func(step string, pages, held int64) {
		t.Helper()
		if cached.Used() != 1000*pages || inUse.Used() != 1000*held {
			t.Errorf("%s: %d bytes of cached pages and %d of held ones are counted", step, cached.Used(), inUse.Used())
		}
	}
	page := read(0)
	for range 2 {
		if !cache.Hold(page) {
			t.Fatal("one page is refused, although there is room")
		}
	}
	counted("held by two", 0, 1)
	cache.Release(page)
	counted("held by one", 0, 1)
	read(1)
	if freed := cache.Shrink(5000); freed != 1000 || cache.Page(ask(0, 10)) != page {
		t.Errorf("Shrink has freed %d bytes beside a held page, or dropped that page", freed)
	}
	counted("the other one is dropped", 0, 1)
	read(2)
	read(3) // evicts the held page
	counted("dropped", 2, 1)
	cache.Release(page)
	counted("released", 2, 0)
	page = read(3)
	if !cache.Hold(page) {
		t.Fatal("a page is refused, although there is room")
	}
	cache.Release(page)
	counted("released while it is cached", 2, 0)
	budget.Account("other").Add(4900)
	if !cache.Hold(page) || cache.Hold(read(2)) {
		t.Error("with a full budget, not exactly one page may be held")
	}
	synctest.Wait() // the fetch makes room once its waiters have their page
	counted("one is refused", 0, 1)
	cache.Release(page)
	if len(cache.uses) != cache.Stats().Pages {
		t.Errorf("%d pages are cached, and %d known", cache.Stats().Pages, len(cache.uses))
	}
}
