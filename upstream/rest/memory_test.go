package rest_test

import (
	"log/slog"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"

	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
	"revox-graphql/upstream/rest"
)

// A large response is counted as a whole before its rest is read. One always is read; others only where there is
// memory that is not set aside for usual requests: these find room beside any number of large responses. Those for
// which there is none wait, and are read in the end.
func TestLargeResponsesCountInTheBudget(t *testing.T) {
	const whole, part = 4 * rest.MaxResponseBytes, 4 * 2 << 20
	for name, test := range map[string]struct {
		budget int64 // how much may be counted
		others int64 // bytes that others have
		large  int32 // large responses
		read   int32 // of these, at once
		usual  bool  // a usual request finds room beside them
	}{
		"there is room for all":         {5 * whole, 0, 3, 3, true},
		"there is room for two":         {7 * whole / 2, 0, 3, 2, true},
		"there is room for none at all": {whole / 2, 0, 3, 1, false},
		"others have it":                {3 * whole, 2 * whole, 3, 1, true},
		"there are many":                {5 * whole, 0, 16, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				budget := memory.NewBudget(2*test.budget, test.budget/80*100, slog.New(slog.DiscardHandler))
				budget.Account("others").Add(test.others)
				responses := &largeAnswers{goOn: make(chan struct{})}
				c := rest.NewClient(rest.Options{
					BaseURL: &url.URL{Scheme: "http", Host: "upstream.example"}, Transport: responses, Memory: budget,
				})
				defer c.Close()
				account := budget.Accounts()[1]
				var asked sync.WaitGroup
				for range test.large {
					asked.Go(func() {
						if _, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: 1}); err != nil {
							t.Error(err)
						}
					})
					synctest.Wait()
				}
				want := int64(test.read)*whole + int64(test.large-test.read)*part
				if got := responses.beyond.Load(); got != test.read || account.Used() != want {
					t.Errorf("%d are read, with %d bytes", got, account.Used())
				}
				if got := budget.Account("requests").Reserve(64 << 10); got != test.usual {
					t.Errorf("a usual request is admitted: %v", got)
				}
				close(responses.goOn)
				asked.Wait()
				if got := responses.beyond.Load(); got != test.large || account.Used() != 0 {
					t.Errorf("%d were read; %d bytes are counted in the end", got, account.Used())
				}
			})
		})
	}
}
