package rest_test

import (
	"testing"

	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/rest"
)

// An upstream that ignores the number of the page is an error for every page behind the first, not only for the one
// that found it out.
func TestIgnoredPagesStayAnError(t *testing.T) {
	f, base := newFake(t, 1000)
	f.Behave(func(b *fake.Behaviour) { b.IgnorePage = true })
	for _, probe := range []int{3, upstream.FarPage} {
		c := rest.NewClient(rest.Options{BaseURL: base})
		for i, number := range []int{0, probe, 3, 2, 1} {
			page, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{Page: number, PageSize: 100})
			if err == nil && number > 0 && page.Last() {
				t.Errorf("probe %d, ask %d: page %d has %d rows", probe, i, number, len(page.Rows))
			}
		}
	}
}
