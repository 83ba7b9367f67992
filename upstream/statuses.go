package upstream

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// How an array travels in a query string is not documented, and a server that does not understand `statuses` may well
// ignore it. Then a filtered list shows calls that it should not, and nothing says so. This is noticed by two things
// that hold of any list filtered by the status of the order: no call is in the lists of two statuses, and each call in
// the list of several is in that of one of them.

// statusesCheck tells whether it has been done.
type statusesCheck struct{ begun atomic.Bool }

// checks are what the client does in the background.
type checks struct {
	ctx     context.Context //nolint:containedctx // it ends with the client
	stop    context.CancelFunc
	running sync.WaitGroup
}

func newChecks() *checks {
	ctx, stop := context.WithCancel(context.Background())
	return &checks{ctx: ctx, stop: stop}
}

func (c *checks) close() {
	c.stop()
	c.running.Wait()
}

const (
	// statusesRows are the rows of each list that are compared, where upstream serves pages of that size.
	statusesRows = 20
	// statusesTimeout bounds the check.
	statusesTimeout = time.Minute
)

// checkStatuses begins the check of the filter by several statuses that a question has, once.
func (c *Client) checkStatuses(q question) {
	several := len(q.list.Statuses.Values()) > 1
	if !c.opts.CheckStatuses || !several || q.tenant.statuses.begun.Swap(true) || c.checks.ctx.Err() != nil {
		return
	}
	q.allowance = nil // whoever asked does not pay for it
	c.checks.running.Go(func() {
		ctx, cancel := context.WithTimeout(c.checks.ctx, statusesTimeout)
		defer cancel()
		q.fetch = newFetch(ctx, ListCallsOptions{Refresh: true})
		applied, err := q.statusesApplied(ctx)
		if err != nil {
			q.tenant.statuses.begun.Store(false) // another time
			return
		}
		c.opts.Observer.StatusesChecked(q.tenant.id, applied)
	})
}

// statusesApplied compares the list of several statuses with those of each. A call whose order changes its status just
// then looks like a mistake, but not again and again.
func (q question) statusesApplied(ctx context.Context) (applied bool, err error) {
	const tries = 3
	rows := statusesRows
	for range tries {
		applied, err = q.statusesFit(ctx, rows)
		if limits, ok := errors.AsType[*PageSizeError](err); ok {
			if rows = max(rows, limits.Least); limits.Most > 0 {
				rows = min(rows, limits.Most)
			}
			continue
		}
		if applied || err != nil {
			break
		}
	}
	return applied, err
}

func (q question) statusesFit(ctx context.Context, rows int) (bool, error) {
	several, err := q.page(ctx, 0, rows)
	if err != nil {
		return false, err
	}
	listed := map[string]bool{}
	for _, status := range q.list.Statuses.each() {
		one := q
		one.list.Statuses = status
		page, err := one.page(ctx, 0, rows)
		if err != nil {
			return false, err
		}
		for _, row := range page.Rows {
			if row.Call == nil {
				continue
			}
			if listed[row.Call.ID] {
				return false, nil // in the lists of two statuses
			}
			listed[row.Call.ID] = true
		}
	}
	for _, row := range several.Rows {
		if row.Call != nil && !listed[row.Call.ID] {
			return false, nil // in none
		}
	}
	return true, nil
}
