package rest_test

import (
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
	"revox-graphql/upstream/rest"
)

// A large response is counted as a whole before its rest is read. One always is read; others only where there is
// memory.
func TestLargeResponsesCountInTheBudget(t *testing.T) {
	const whole = 4 * rest.MaxResponseBytes
	for name, test := range map[string]struct {
		budget   int64 // how much may be counted
		others   int64 // bytes that others have
		read     int32 // of three large responses
		leftOver int64
	}{
		"there is room for all":         {4 * whole, 0, 3, 3 * whole},
		"there is room for two":         {5 * whole / 2, 0, 2, 2 * whole},
		"there is room for none at all": {whole / 2, 0, 1, whole},
		"others have it":                {3 * whole, 2 * whole, 1, whole},
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
				var refused atomic.Int32
				var asked sync.WaitGroup
				for range 3 {
					asked.Go(func() {
						_, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: 1})
						if e, ok := errors.AsType[*upstream.Error](err); ok && e.Kind == upstream.KindOverloaded && e.Unsent {
							refused.Add(1)
						} else if err != nil {
							t.Error(err)
						}
					})
					synctest.Wait()
				}
				if got := responses.beyond.Load(); got != test.read || account.Used() != test.leftOver {
					t.Errorf("%d are read, with %d bytes", got, account.Used())
				}
				close(responses.goOn)
				asked.Wait()
				if refused.Load() != 3-test.read || account.Used() != 0 {
					t.Errorf("%d were refused; %d bytes are counted in the end", refused.Load(), account.Used())
				}
			})
		})
	}
}
