package rest_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/rest"
)

// A server that lowers page_size silently is noticed, and nothing of what it served so is taken.
func TestLoweredPageSizeIsNoticed(t *testing.T) {
	for _, calls := range []int{0, 5, 30, 49, 50, 51, 100, 457, 1000} {
		for _, number := range []int{0, 1, 4, 9} {
			t.Run(fmt.Sprint(calls, number), func(t *testing.T) {
				f, base := newFake(t, calls)
				f.Behave(func(b *fake.Behaviour) { b.MaxPageSize = 50 })
				c := rest.NewClient(rest.Options{BaseURL: base})
				page, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{Page: number, PageSize: 102})
				if tooLarge, ok := errors.AsType[*upstream.PageSizeError](err); ok {
					if tooLarge.Most != 50 || calls <= 50 {
						t.Fatalf("%d calls: %v", calls, err)
					}
					before := len(f.Requests())
					if _, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: 102}); err == nil ||
						len(f.Requests()) != before {
						t.Errorf("asked again for what is known to be too large: %v", err)
					}
					page, err = c.ListCalls(t.Context(), upstream.ListCallsOptions{Page: number, PageSize: 50})
				}
				if err != nil {
					t.Fatal(err)
				}
				want := f.IDs()
				want = want[min(page.Offset(), len(want)):min(page.Offset()+page.Size, len(want))]
				if got := ids(page); !slices.Equal(got, want) {
					t.Errorf("got %d rows at %d, want %d", len(got), page.Offset(), len(want))
				}
			})
		}
	}
}

// What it costs to be sure, in requests: nothing where a page is full, a few rows where a list is short, and once in a
// while a few more where it ends behind the first page. What is known costs nothing again.
func TestPageSizeChecks(t *testing.T) {
	filtered := upstream.List{Statuses: 1 << 6}
	tests := map[string]struct {
		calls    int
		asks     []upstream.ListCallsOptions
		requests []int
	}{
		"full pages": {
			1000,
			[]upstream.ListCallsOptions{{PageSize: 100}, {Page: 3, PageSize: 100}, {Page: 4, PageSize: 100}},
			[]int{1, 2, 3},
		},
		"the end, and again": {
			250,
			[]upstream.ListCallsOptions{{PageSize: 100}, {Page: 2, PageSize: 100}, {Page: 2, PageSize: 100}},
			[]int{1, 8, 10},
		},
		"the end first": {
			250,
			[]upstream.ListCallsOptions{{Page: 2, PageSize: 100}, {Page: 5, PageSize: 100}},
			[]int{7, 8},
		},
		"a short list":      {30, []upstream.ListCallsOptions{{PageSize: 100}, {PageSize: 100}}, []int{2, 3}},
		"a very short list": {9, []upstream.ListCallsOptions{{PageSize: 100}}, []int{2}},
		"two calls":         {2, []upstream.ListCallsOptions{{PageSize: 100}, {PageSize: 100}}, []int{3, 4}},
		"an empty list":     {0, []upstream.ListCallsOptions{{PageSize: 100}, {PageSize: 100}}, []int{2, 3}},
		"a short list, filtered": {
			1000,
			[]upstream.ListCallsOptions{{List: filtered, PageSize: 190}, {List: filtered, PageSize: 190}},
			[]int{2, 3},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, base := newFake(t, test.calls)
			c := rest.NewClient(rest.Options{BaseURL: base})
			for i, opts := range test.asks {
				if _, err := c.ListCalls(t.Context(), opts); err != nil {
					t.Fatal(err)
				}
				if got := len(f.Requests()); got != test.requests[i] {
					t.Errorf("after ask %d: %d requests, want %d", i, got, test.requests[i])
				}
			}
		})
	}
}

// A list that grows while it is looked at is not taken for a cut one.
func TestAGrowingListIsNotCut(t *testing.T) {
	f, base := newFake(t, 30)
	f.Behave(func(b *fake.Behaviour) {
		b.Fault = func(n int, _ *http.Request) *fake.Response {
			if n == 2 {
				f.Insert(1)
			}
			return nil
		}
	})
	c := rest.NewClient(rest.Options{BaseURL: base})
	if _, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: 100}); err != nil {
		t.Error(err)
	}
	if _, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: 100}); err != nil {
		t.Error(err)
	}
}
