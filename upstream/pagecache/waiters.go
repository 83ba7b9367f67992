package pagecache

import (
	"slices"

	"revox-graphql/upstream"
)

// waiters bounds the requests that wait for upstream, so that whatever else is bounded (requests in flight, memory)
// is not taken by waiting alone, and something is left for requests that pages in memory can answer.
//
// Where there are several tenants, each may have as many waiting as are still free (dynamic thresholds, as switches
// bound their buffers): a tenant alone has half, and n of them have 1/(n+1) each, so there always is a place for
// another one. Tenants whose key upstream has never accepted have an eighth together, and requests that want pages
// afresh a quarter.
//
// A fetch, too, may have as many waiters as are still free: one page that does not come, and that all clients ask for,
// leaves room for those who ask for others.
//
// A request is told by its allowance: it may wait for several pages at once and counts once. One without an allowance
// counts for each page.
type waiters struct {
	proven                 func(upstream.Tenant) bool // nil: there is one tenant
	all, unproven, refresh group
	requests               map[*upstream.RequestBudget]*waiting
}

// waiting is a request that waits.
type waiting struct {
	allowance *upstream.RequestBudget
	pages     int
	tenant    upstream.Tenant
	groups    []*group // that it counts in
}

// group is waiters that have a bound together.
type group struct {
	most, count int
	tenants     map[upstream.Tenant]int
}

// refreshShare is the part of the waiters that may want pages afresh.
const refreshShare = 4

func newWaiters(most int, proven func(upstream.Tenant) bool) *waiters {
	groupOf := func(share int) group {
		return group{most: max(1, most/share), tenants: map[upstream.Tenant]int{}}
	}
	return &waiters{
		proven: proven, all: groupOf(1), unproven: groupOf(upstream.UnprovenShare), refresh: groupOf(refreshShare),
		requests: map[*upstream.RequestBudget]*waiting{},
	}
}

// enter counts a request that is to wait for a page, for which so many wait already; nil if too many wait. Otherwise it
// must leave.
func (w *waiters) enter(opts upstream.ListCallsOptions, others int) *waiting {
	allowance := opts.Budget.Whole()
	r := w.requests[allowance]
	if r == nil {
		r = &waiting{allowance: allowance, tenant: opts.Credential.Tenant(), groups: []*group{&w.all}}
		if opts.Refresh {
			r.groups = append(r.groups, &w.refresh)
		}
		if w.proven != nil && !w.proven(r.tenant) {
			r.groups = append(r.groups, &w.unproven)
		}
		full := func(g *group) bool {
			return g.count >= g.most || w.proven != nil && g.tenants[r.tenant] >= g.most-g.count
		}
		if slices.ContainsFunc(r.groups, full) || others > 0 && others >= w.all.most-w.all.count {
			return nil
		}
		for _, g := range r.groups {
			g.count++
			g.tenants[r.tenant]++
		}
		if r.allowance != nil {
			w.requests[r.allowance] = r
		}
	}
	r.pages++
	return r
}

// leave ends a request's waiting for a page.
func (w *waiters) leave(r *waiting) {
	if r.pages--; r.pages > 0 {
		return
	}
	delete(w.requests, r.allowance)
	for _, g := range r.groups {
		g.count--
		if g.tenants[r.tenant]--; g.tenants[r.tenant] == 0 {
			delete(g.tenants, r.tenant)
		}
	}
}
