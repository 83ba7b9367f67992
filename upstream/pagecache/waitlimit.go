package pagecache

import (
	"slices"

	"revox-graphql/upstream"
)

// waitLimit limits the requests that wait for upstream, so that waiting requests alone cannot use up other limits
// (requests in flight, memory), and some capacity is left for requests that pages in memory can serve.
//
// If there are several tenants, each may have as many waiting requests as others may still add (dynamic
// thresholds, by which network switches share their buffers): a single tenant has half, and n of them have 1/(n+1)
// each, so there is always room for another one. Tenants whose key upstream has never accepted have an eighth together,
// and refreshes have a quarter.
//
// A fetch, too, may have as many waiters as other fetches may still add: one page that never arrives, and that all
// clients request, leaves room for requests for other pages.
//
// A request is identified by its request budget: it may wait for several pages at once, and counts once. A request
// without a budget counts once for each page.
type waitLimit struct {
	proven                 func(upstream.Tenant) bool // nil: there is only one tenant
	all, unproven, refresh group
	requests               map[*upstream.RequestBudget]*waitingRequest
}

// waitingRequest is a request that waits.
type waitingRequest struct {
	budget *upstream.RequestBudget
	pages  int
	tenant upstream.Tenant
	groups []*group // in which the request counts
}

// group is a group of requests with a common bound.
type group struct {
	most, count int
	tenants     map[upstream.Tenant]int
}

// refreshShare: one in so many waiting requests may be a refresh.
const refreshShare = 4

func newWaitLimit(most int, proven func(upstream.Tenant) bool) *waitLimit {
	groupOf := func(share int) group {
		return group{most: max(1, most/share), tenants: map[upstream.Tenant]int{}}
	}
	return &waitLimit{
		proven: proven, all: groupOf(1), unproven: groupOf(upstream.UnprovenShare), refresh: groupOf(refreshShare),
		requests: map[*upstream.RequestBudget]*waitingRequest{},
	}
}

// enter counts a request that will wait for a page, besides so many others. The caller must call leave later. enter
// returns nil if too many requests wait.
func (w *waitLimit) enter(opts upstream.ListCallsOptions, others int) *waitingRequest {
	budget := opts.Budget.Whole()
	r := w.requests[budget]
	if r == nil {
		r = &waitingRequest{budget: budget, tenant: opts.Credential.Tenant(), groups: []*group{&w.all}}
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
		if r.budget != nil {
			w.requests[r.budget] = r
		}
	}
	r.pages++
	return r
}

// leave ends a request's wait for a page.
func (w *waitLimit) leave(r *waitingRequest) {
	if r.pages--; r.pages > 0 {
		return
	}
	delete(w.requests, r.budget)
	for _, g := range r.groups {
		g.count--
		if g.tenants[r.tenant]--; g.tenants[r.tenant] == 0 {
			delete(g.tenants, r.tenant)
		}
	}
}
