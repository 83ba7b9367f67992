package memory

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// k is the unit of all sizes here.
const k = 1 << 10

// testCache is a cache of so many bytes.
type testCache struct {
	account *Account
	bytes   int64
	order   *[]string
}

func (s *testCache) fill(bytes int64) {
	s.bytes += bytes
	s.account.Add(bytes)
}

func (s *testCache) shrink(bytes int64) int64 {
	freed := min(bytes, s.bytes)
	s.bytes -= freed
	s.account.Release(freed)
	if freed > 0 {
		*s.order = append(*s.order, s.account.Name())
	}
	return freed
}

// stock is a budget with two caches, of which 800 KiB may be counted. Small requests may reserve almost all of 1,000
// KiB; those of 2 KiB and more must leave 500 KiB free.
type stock struct {
	*Budget
	responses, pages, requests *testCache
	order                      []string
	log                        bytes.Buffer
}

func newStock() *stock {
	s := &stock{}
	s.Budget = NewBudget(1024*k, 1000*k, slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || strings.HasSuffix(a.Key, "Bytes") {
				return slog.Attr{}
			}
			return a
		},
	})))
	s.responses = &testCache{account: s.Account("responses"), order: &s.order}
	s.pages = &testCache{account: s.Account("pages"), order: &s.order}
	s.requests = &testCache{account: s.Account("requests"), order: &s.order}
	s.Shrinks(ShrinkPages, s.pages.account, s.pages.shrink)
	s.Shrinks(ShrinkResponses, s.responses.account, s.responses.shrink)
	return s
}

// wantLines checks the lines of the log.
func (s *stock) wantLines(t *testing.T, want ...string) {
	t.Helper()
	got := strings.Split(strings.TrimSpace(s.log.String()), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("got %d lines: %q", len(got), got[:min(len(got), 5)])
	}
}

// Reserve evicts cached entries in order before it rejects work.
func TestReserve(t *testing.T) {
	for name, test := range map[string]struct {
		responses, pages, held, reserve  int64
		admitted                         bool
		responsesAfter, pagesAfter, work int64
		order                            string
	}{
		"there is room":                       {100, 100, 100, 200, true, 100, 100, 300, ""},
		"responses go first":                  {100, 100, 100, 240, true, 60, 100, 340, "responses"},
		"then pages":                          {100, 300, 100, 200, true, 50, 150, 300, "responses pages"},
		"as many as are necessary":            {100, 300, 100, 250, true, 50, 100, 350, "responses pages"},
		"none where that is not enough":       {100, 300, 100, 251, false, 100, 300, 100, ""},
		"a large one leaves room for it":      {0, 0, 370, 140, false, 0, 0, 370, ""},
		"the only one is never refused":       {100, 200, 0, 5000, true, 50, 100, 5000, "responses pages"},
		"the only one, with nothing in cache": {0, 0, 0, 801, true, 0, 0, 801, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStock()
			s.responses.fill(test.responses * k)
			s.pages.fill(test.pages * k)
			s.requests.account.Add(test.held * k)
			if got := s.requests.account.Reserve(test.reserve * k); got != test.admitted {
				t.Errorf("admitted: %v", got)
			}
			if s.responses.bytes != test.responsesAfter*k || s.pages.bytes != test.pagesAfter*k ||
				s.requests.account.Used() != test.work*k {
				t.Errorf("%d, %d and %d bytes", s.responses.bytes, s.pages.bytes, s.requests.account.Used())
			}
			if sum := test.responsesAfter + test.pagesAfter + test.work; s.counted.Load() != sum*k {
				t.Errorf("%d are counted of %d", s.counted.Load(), sum)
			}
			if got := strings.Join(s.order, " "); got != test.order {
				t.Errorf("order: %s", got)
			}
		})
	}
}

// The smaller a request is, the later it is rejected, whether it begins, grows, or uses a page.
func TestUsualRequestsFindRoom(t *testing.T) {
	for name, test := range map[string]struct{ bytes, counted int64 }{
		"a very small one": {256, 1000*k - 64*k}, // which leaves 256 times as much
		"a small one":      {k, 1000*k - 256*k},
		"a large one":      {2 * k, 500 * k},
		"a larger one":     {400 * k, 500 * k},
	} {
		t.Run(name, func(t *testing.T) {
			for more, admitted := range []bool{true, false} {
				s := newStock()
				others, requests := s.Account("others"), s.requests.account
				requests.Add(1) // so that none is the only one
				others.Add(test.counted - test.bytes - 1 + int64(more))
				if got := requests.Reserve(test.bytes); got != admitted {
					t.Errorf("%d more, reserved: %v", more, got)
				} else if got {
					requests.Release(test.bytes)
				}
				half := test.bytes / 2
				requests.Add(half)
				if got := requests.Extend(half, half); got != admitted {
					t.Errorf("%d more, extended: %v", more, got)
				} else if got {
					requests.Release(test.bytes)
				}
				requests.Add(test.bytes)
				if got := requests.Keep(test.bytes, func() {}); got != admitted {
					t.Errorf("%d more, kept: %v", more, got)
				}
			}
		})
	}
}

// A thousand usual requests find room beside any number of large ones, in the memory of a container of 1 GiB.
func TestAThousandUsualRequestsFindRoom(t *testing.T) {
	const process = 1 << 30 / 100 * 65
	budget := NewBudget(process, GoLimit(process), slog.New(slog.DiscardHandler))
	requests := budget.Account("requests")
	for requests.Reserve(16 << 20) {
	}
	for i := range 1024 {
		if !requests.Reserve(128 << 10) {
			t.Fatalf("only %d find room", i)
		}
	}
}

// The only request of its account is rejected while the other accounts exceed the threshold, for example with
// responses that slow clients read.
func TestTheOnlyOneWaitsForOthers(t *testing.T) {
	s := newStock()
	other := s.Account("others")
	other.Take(801 * k)
	if s.requests.account.Reserve(200 * k) {
		t.Error("admitted")
	}
	other.Release(k)
	if !s.requests.account.Reserve(1000 * k) {
		t.Error("refused")
	}
}

// Of several requests that grow together, those without room release their bytes at once, and the last one continues.
func TestExtend(t *testing.T) {
	s := newStock()
	requests := s.requests.account
	s.responses.fill(100 * k)
	requests.Add(3 * 200 * k) // three requests
	for i, test := range []struct {
		held, more int64
		ok         bool
		used       int64
	}{
		{200, 200, false, 400}, // 50 KiB of the responses could be evicted, which is not enough
		{200, 50, true, 450},
		{200, 200, false, 250},
		{250, 600, true, 850}, // it is the only one now
	} {
		if ok := requests.Extend(test.held*k, test.more*k); ok != test.ok || requests.Used() != test.used*k {
			t.Errorf("%d: %v, %d KiB", i, ok, requests.Used()/k)
		}
	}
	if s.counted.Load() != requests.Used()+s.responses.bytes {
		t.Errorf("%d bytes are counted", s.counted.Load())
	}
	if got := s.Taken(RejectWork); got != 2 {
		t.Errorf("%d rejected", got)
	}
}

// However many requests grow at once, one of them gets as much as it needs.
func TestExtendingAtOnce(t *testing.T) {
	for range 200 {
		s := newStock()
		s.Account("others").Add(100 * k) // so that no request needs no room because it is the only one
		begin := make(chan struct{})
		var whole atomic.Int32
		var at sync.WaitGroup
		for range 40 {
			at.Go(func() {
				<-begin
				held := int64(0)
				for more := int64(k); held < 256*k; more = held {
					if !s.requests.account.Extend(held, more) {
						return
					}
					held += more
				}
				whole.Add(1)
				s.requests.account.Release(held)
			})
		}
		close(begin)
		at.Wait()
		if whole.Load() == 0 {
			t.Fatal("all were rejected")
		}
		if s.requests.account.Used() != 0 {
			t.Fatalf("%d bytes are left", s.requests.account.Used())
		}
	}
}

// Keep lets bytes stay if there is room for them, or caches make some. Otherwise it releases them before it returns.
func TestKeep(t *testing.T) {
	for name, test := range map[string]struct {
		responses, held, bytes int64
		kept                   bool
		work                   int64 // afterwards
	}{
		"there is room":         {100, 100, 300, true, 400},
		"responses go":          {100, 300, 150, true, 450},
		"there is no room":      {100, 300, 300, false, 300},
		"the only one may stay": {100, 0, 790, true, 790},
		"whatever it takes":     {100, 0, 5000, true, 5000},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStock()
			work := s.requests.account
			s.responses.fill(test.responses * k)
			work.Add((test.held + test.bytes) * k)
			if kept := work.Keep(test.bytes*k, func() { work.Release(test.bytes * k) }); kept != test.kept {
				t.Errorf("kept: %v", kept)
			}
			if work.Used() != test.work*k {
				t.Errorf("%d KiB are left", work.Used()/k)
			}
			if s.Taken(RejectWork) > 0 || strings.Contains(s.log.String(), "rejected") {
				t.Errorf("a request was rejected: %s", &s.log)
			}
			if s.Reject(); s.Taken(RejectWork) != 1 || !strings.Contains(s.log.String(), "rejected") {
				t.Errorf("what the caller rejects is not noted: %s", &s.log)
			}
		})
	}
}

// If other accounts have all the room, bytes that release moves to a cache are evicted from there.
func TestKeepAfterOthersHaveShrunk(t *testing.T) {
	s := newStock()
	s.Account("others").Add(1000 * k)
	work := s.requests.account
	work.Add(500 * k)
	back := func() {
		work.Transfer(s.pages.account, 300*k)
		s.pages.bytes += 300 * k
	}
	if work.Keep(300*k, back) {
		t.Error("there is room")
	}
	if s.pages.bytes > 100*k || s.pages.account.Used() != s.pages.bytes {
		t.Errorf("%d KiB are cached, and %d counted", s.pages.bytes/k, s.pages.account.Used()/k)
	}
}

// However many pages arrive at once, as many stay as there is room for.
func TestKeepingAtOnce(t *testing.T) {
	for range 200 {
		s := newStock()
		s.Account("others").Add(100 * k)
		work := s.requests.account
		var kept atomic.Int32
		var at sync.WaitGroup
		for range 40 {
			at.Go(func() {
				work.Add(200 * k)
				if work.Keep(200*k, func() { work.Release(200 * k) }) {
					kept.Add(1)
				}
			})
		}
		at.Wait()
		if n := kept.Load(); n != 2 || work.Used() != int64(n)*200*k {
			t.Fatalf("%d are kept, %d KiB", n, work.Used()/k)
		}
	}
}

// Take counts work that has begun, and caches make room for it.
func TestTake(t *testing.T) {
	s := newStock()
	s.responses.fill(500 * k)
	s.requests.account.Take(500 * k)
	if s.responses.bytes != 300*k || s.Taken(ShrinkResponses) != 1 || s.Taken(RejectWork) != 0 {
		t.Errorf("%d bytes are left", s.responses.bytes)
	}
}

// Rejections are logged at once, and then once per minute, whatever is released in between.
func TestRejectionsAreLoggedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStock()
		s.pages.fill(400 * k) // at which large requests compete, but far below the threshold
		large, small := s.requests.account, s.Account("small")
		if !large.Reserve(60 * k) {
			t.Fatal("the first is rejected")
		}
		for range 20 * 150 { // 2.5 minutes
			if large.Reserve(600*k) || !small.Reserve(16) {
				t.Fatal("not the large one is rejected")
			}
			small.Release(16)
			time.Sleep(time.Second / 20)
		}
		if got := s.Taken(RejectWork); got != 20*150 {
			t.Errorf("%d rejections are counted", got)
		}
		const line = `level=WARN msg="memory is scarce: requests are rejected" times=`
		s.wantLines(t, line+"1", line+"1200", line+"1200")
	})
}

// Large requests beside full caches evict a little each. That is logged seldom, and not as a warning.
func TestEvictionsAreNoWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStock()
		s.pages.fill(400 * k)
		s.responses.fill(100 * k)
		for range 100 {
			if !s.requests.account.Reserve(2 * k) {
				t.Fatal("rejected")
			}
			s.requests.account.Release(2 * k)
			s.responses.fill(2 * k) // the cache fills again
		}
		if got := s.Taken(ShrinkResponses); got != 100 {
			t.Errorf("%d evictions are counted", got)
		}
		s.wantLines(t, `level=INFO msg="cached responses are evicted: requests need their memory" times=1`)
	})
}

// Without a limit, the budget counts, and takes no action. Without a budget, nothing is counted.
func TestNoLimit(t *testing.T) {
	s := NewBudget(0, 0, slog.New(slog.DiscardHandler))
	account := s.Account("requests")
	for range 3 {
		if !account.Reserve(1 << 59) {
			t.Error("refused")
		}
	}
	if !account.Reserve(1) {
		t.Error("a small one is refused")
	}
	account.Release(3<<59 + 1)
	if account.Used() != 0 || s.Limit() != 0 {
		t.Errorf("%d bytes", account.Used())
	}
	var none *Budget
	account = none.Account("requests")
	none.Shrinks(ShrinkPages, nil, nil)
	account.Take(1)
	account.Release(1)
	if !account.Reserve(1<<62) || account.Used() != 0 || none.Limit() != 0 {
		t.Error("a nil budget counts, or has a limit")
	}
}

// However many requests reserve at once, no more bytes are counted than allowed, and all are released.
func TestReservingAtOnce(t *testing.T) {
	s := newStock()
	first := s.Account("first")
	first.Add(100 * k) // so that the other accounts are not empty
	s.requests.account.Add(1)
	var at sync.WaitGroup
	for range 16 {
		at.Go(func() {
			for range 1000 {
				if s.requests.account.Reserve(130 * k) {
					if used := s.requests.account.Used() - 1; used > (500+16*130)*k { // a loose bound: rejected bytes are not counted
						t.Errorf("%d bytes", used)
					}
					s.requests.account.Release(130 * k)
				}
			}
		})
	}
	at.Wait()
	if s.counted.Load() != 100*k+1 {
		t.Errorf("%d are counted", s.counted.Load())
	}
}
