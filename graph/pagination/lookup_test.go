package pagination

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"revox-graphql/upstream"
)

// finder is a cache without calls that records what it is asked for.
type finder struct {
	asked  []string
	called func()
}

func (f *finder) FindCall(_ upstream.Tenant, id string, _ time.Time) (*upstream.Call, *upstream.Page) {
	f.asked = append(f.asked, id)
	f.called()
	return nil, nil
}

// Looking up ends when the client has gone, and no id is looked up twice.
func TestLookingUpEndsWithItsClient(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	known := &finder{}
	known.called = func() {
		if len(known.asked) == 2 {
			cancel()
		}
	}
	_, err := (&Reader{}).LookUp(ctx, known, []string{"a", "a", "", "b", "a", "c", "d"}, 20)
	if err == nil || len(known.asked) != 2 || known.asked[1] != "b" {
		t.Errorf("%v, %v", known.asked, err)
	}
}

// keptList keeps each page that was requested, as the page cache does.
type keptList struct {
	*memoryList
	pages map[[2]int]*upstream.Page
}

func (l keptList) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	key := [2]int{opts.Page, opts.PageSize}
	if page := l.pages[key]; page != nil {
		return page, nil
	}
	page, err := l.memoryList.ListCalls(ctx, opts)
	l.pages[key] = page
	return page, err
}

// BenchmarkLookUp looks up 100 ids that a list of 20,000 calls does not have. All its pages are cached.
func BenchmarkLookUp(b *testing.B) {
	list := keptList{newMemoryList(20_000), map[[2]int]*upstream.Page{}}
	lists := New(list, Options{PageSize: 200, MaxShift: 1000, Log: slog.New(slog.DiscardHandler)})
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = fmt.Sprint("unknown-", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		found, err := lists.Reader(Request{}).LookUp(b.Context(), nothing{}, ids, 1000)
		if len(found) > 0 || err != nil {
			b.Fatal(found, err)
		}
	}
}
