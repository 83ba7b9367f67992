package rest

import (
	"context"
	"errors"
	"sync"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/attempt"
)

// How an array travels in a query string is not documented, and a server that does not understand `statuses` may well
// ignore it. Then a filtered list shows calls that it should not, and nothing says so. Two properties of lists filtered
// by the status of the order reveal that: no call is in the lists of two statuses, and each call in the list of several
// statuses is in the list of one of them.

// checks are the checks that the client makes in the background.
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

// checkStatuses starts the check of the filter by several statuses that a request has, once.
func (c *Client) checkStatuses(r request) {
	several := len(r.list.Statuses.Values()) > 1
	if !c.opts.CheckStatuses || !several || r.tenant.statusesChecked.Swap(true) || c.checks.ctx.Err() != nil {
		return
	}
	c.checks.running.Go(func() {
		ctx, cancel := context.WithTimeout(c.checks.ctx, statusesTimeout)
		defer cancel()
		refresh := upstream.ListCallsOptions{Refresh: true}
		r.attempts = attempt.Request{Sending: ctx, Urgent: becomesUrgent(refresh)} // without the client's budget
		applied, err := r.statusesApplied(ctx)
		if err != nil {
			r.tenant.statusesChecked.Store(false) // another request checks
			return
		}
		c.opts.Observer.StatusesChecked(r.tenant.id, applied)
	})
}

// statusesApplied compares the list of several statuses with the list of each. A call whose order changes its status
// meanwhile looks like a mistake, but not in every try.
func (r request) statusesApplied(ctx context.Context) (applied bool, err error) {
	const tries = 3
	rows := statusesRows
	for range tries {
		applied, err = r.statusesFit(ctx, rows)
		if limits, ok := errors.AsType[*upstream.PageSizeError](err); ok {
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

func (r request) statusesFit(ctx context.Context, rows int) (bool, error) {
	several, err := r.page(ctx, 0, rows)
	if err != nil {
		return false, err
	}
	listed := map[string]bool{}
	for _, status := range r.list.Statuses.Each() {
		one := r
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
