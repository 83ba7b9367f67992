package pagination

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// The wiring of limits and settings: each of them changes what is asked upstream.

// recorder records what it is asked for, and serves pages of most rows at most, and of least rows at least; 0 is no
// limit.
type recorder struct {
	*memoryList
	least, most int
	asked       []upstream.ListCallsOptions
}

func (r *recorder) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	r.asked = append(r.asked, opts)
	if r.most > 0 && opts.PageSize > r.most || opts.PageSize < r.least {
		return nil, &upstream.PageSizeError{Least: r.least, Most: r.most}
	}
	return r.memoryList.ListCalls(ctx, opts)
}

// largest is the rows of the largest page that was asked for since the last call.
func (r *recorder) largest() (size int) {
	for _, opts := range r.asked {
		size = max(size, opts.PageSize)
	}
	r.asked = nil
	return size
}

// newRecorder is a list of rows calls, and what reads it.
func newRecorder(rows int, opts Options) (*recorder, *Lists) {
	opts.Log = slog.New(slog.DiscardHandler)
	r := &recorder{memoryList: newMemoryList(rows)}
	return r, New(r, opts)
}

func TestWhatAClientRequestSaysReachesUpstream(t *testing.T) {
	calls, lists := newRecorder(1000, Options{PageSize: 20, MaxShift: 100})
	key := upstream.NewCredential("key")
	req := Request{
		List:      upstream.List{Credential: key, Statuses: statusA},
		NotBefore: time.Now(), Deadline: time.Now().Add(time.Minute), Budget: upstream.NewRequestBudget(50),
		Refresh: true, Reads: &Reads{},
	}
	w, err := lists.Reader(req).Window(t.Context(), relay.Range{Count: 50}, everything)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lists.Reader(req).Count(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if _, err := lists.Reader(req).LookUp(t.Context(), calls, []string{"call-45"}, 20); err != nil {
		t.Fatal(err)
	}
	for i, opts := range calls.asked {
		if opts.List != req.List || opts.NotBefore.Before(req.NotBefore) || opts.Deadline != req.Deadline ||
			opts.Budget != req.Budget || !opts.Refresh {
			t.Errorf("request %d: %+v", i, opts)
		}
	}
	if reads := req.Reads.Count(); reads != len(calls.asked)+1 { // and the look-up in memory
		t.Errorf("%d look-ups are recorded, and there were %d requests", reads, len(calls.asked))
	}
	for _, read := range req.Reads.pages { // they are kept for longer than the client's request
		if read.opts.Budget != nil {
			t.Error("the request's budget is kept")
		}
		if read.opts.Credential.Authorization() != "" || read.opts.Key() != req.List.Key() {
			t.Errorf("of the list %v, the list %v is kept, and its API key", req.List.Key(), read.opts.Key())
		}
	}
}

// Upstream serves smaller pages than it is asked for, or larger ones. That is kept for the list, and for no other
// tenant, and is found out again after a while.
func TestSizesThatUpstreamServesAreKeptForAWhile(t *testing.T) {
	now := time.Now()
	calls, lists := newRecorder(1000, Options{PageSize: 200, MaxShift: 100})
	lists.now = func() time.Time { return now }
	read := func(key string, count int) int {
		t.Helper()
		calls.asked = nil
		list := upstream.List{Credential: upstream.NewCredential(key)}
		w, err := lists.Reader(Request{List: list}).Window(t.Context(), relay.Range{Count: count}, everything)
		if err != nil || len(w.Rows()) != count {
			t.Fatal(err)
		}
		return calls.largest()
	}
	check := func(what string, got, least, most int) {
		t.Helper()
		if got < least || got > most {
			t.Errorf("%s: a page of %d rows is asked for", what, got)
		}
	}
	calls.most = 40
	check("at first", read("a", 100), 100, 200)
	check("then", read("a", 100), 1, 40)
	check("another tenant", read("b", 100), 100, 200)
	now = now.Add(sizesLast - time.Second)
	check("before long", read("a", 100), 1, 40)
	now = now.Add(time.Second)
	check("after a while", read("a", 100), 100, 200)

	calls.least, calls.most = 30, 0
	check("small ones at first", read("c", 5), 30, 60)
	if first := calls.asked; len(first) > 0 {
		t.Errorf("%d requests are left", len(first))
	}
	read("c", 5)
	calls.asked = nil
	list := upstream.List{Credential: upstream.NewCredential("c")}
	if _, err := lists.Reader(Request{List: list}).Window(t.Context(), relay.Range{Count: 5}, everything); err != nil {
		t.Fatal(err)
	}
	for _, opts := range calls.asked {
		check("small ones then", opts.PageSize, 30, 60)
	}
}

// MaxShift is how far a cursor's call is followed, also where the list has moved fast of late.
func TestMaxShiftBoundsTheSearch(t *testing.T) {
	for _, test := range []struct {
		bound, shift int
		expired      bool
	}{{100, 90, false}, {100, 250, true}, {300, 250, false}, {300, 450, true}, {2000, 1900, false}} {
		calls, lists := newRecorder(5000, Options{PageSize: 20, MaxShift: test.bound})
		c := cursorAt(t, calls.memoryList, 100)
		for i := range test.shift {
			calls.insert(fmt.Sprint("new-", i))
		}
		_, err := lists.Reader(Request{}).Window(t.Context(), relay.Range{Count: 10, After: c}, everything)
		if errors.Is(err, ErrCursorExpired) != test.expired || err != nil && !test.expired {
			t.Errorf("%+v: %v", test, err)
		}
	}
	calls, lists := newRecorder(5000, Options{PageSize: 20, MaxShift: 100})
	c := cursorAt(t, calls.memoryList, 2500)
	c.Since = c.Since.Add(-time.Hour)
	for _, drift := range []float64{1e6, -1e6, 3} {
		calls.asked = nil
		r := lists.Reader(Request{})
		lists.drifts.Add(r.key, drift)
		if _, err := r.Window(t.Context(), relay.Range{Count: 10, After: c}, everything); err != nil {
			t.Fatal(err)
		}
		if first := calls.asked[0]; distance(first.Page*first.PageSize, 2500) > 100+20 {
			t.Errorf("drift %v: the call is expected in page %d of %d rows", drift, first.Page, first.PageSize)
		}
	}
}

// Where pages are cached, a small window is asked for with the next one.
func TestReadingAheadIsForCaches(t *testing.T) {
	for _, cached := range []bool{false, true} {
		calls, lists := newRecorder(5000, Options{PageSize: 200, MaxShift: 100, Cached: cached})
		c := cursorAt(t, calls.memoryList, 1000)
		if _, err := lists.Reader(Request{}).Window(t.Context(), relay.Range{Count: 20, After: c}, everything); err != nil {
			t.Fatal(err)
		}
		if size := calls.largest(); cached != (size >= 40) {
			t.Errorf("cached %t: a page of %d rows", cached, size)
		}
	}
}

// A look-up finds what stands among as many rows as maxPages pages of the largest size have, and no more.
func TestALookUpReadsSoManyPages(t *testing.T) {
	const pageSize, maxPages = 20, 3
	for _, test := range []struct {
		at    int
		found bool
	}{{0, true}, {pageSize*maxPages - 1, true}, {pageSize * maxPages, false}, {300, false}} {
		calls, lists := newRecorder(500, Options{PageSize: pageSize, MaxShift: 100})
		id := fmt.Sprint("call-", test.at)
		found, err := lists.Reader(Request{}).LookUp(t.Context(), calls, []string{id}, maxPages)
		limit, limited := errors.AsType[*ScanLimitError](err)
		if found[id] != nil != test.found || limited == test.found || err != nil && !limited {
			t.Errorf("%s: found %t, %v", id, found[id] != nil, err)
		}
		if limited && limit.Pages != maxPages {
			t.Errorf("%s: %d pages", id, limit.Pages)
		}
	}
}
