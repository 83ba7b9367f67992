package graph

import (
	"crypto/sha256"
	"sync/atomic"
	"time"

	"revox-graphql/graph/admission"
	"revox-graphql/graph/document"
	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// Searches
//
// To follow a cursor takes a request to upstream or two. Where the list has moved it takes more, up to the bound of
// [pagination.MostRequests], and that is not known before: a forged cursor, which costs an attacker nothing,
// looks like one whose list has moved. So a search is charged when it happens. Some requests of each field are free.
// Each of the others is added to the reported cost of the request, and is taken from a token bucket of the client.
//
// It does not count towards the limit of the request's cost: then an allowed query would fail once its list has moved.
// One request is bounded anyway, by [Options.MaxUpstreamRequests].
//
// The error is QUERY_TOO_COMPLEX with `retryAfter`. OVERLOADED would say that other clients are rejected too, and
// alerts operators.
const (
	// freeRequests of a field are free for each cursor that it follows, with one for each freeRows of its page, since
	// upstream may serve small pages.
	freeRequests = 4
	freeRows     = 10
	// searchCost is what each further one costs: as much as a scan.
	searchCost = document.ScanCost
	// minPageSize is the least that [Options.PageSize] may be.
	minPageSize = 20
)

// searchLimiter bounds the searches of each client.
type searchLimiter = admission.SearchLimiter[[sha256.Size]byte]

func newSearchLimiter(opts *Options) *searchLimiter {
	longest := pagination.MostRequests(max(minPageSize, opts.PageSize), opts.MaxShift, opts.MaxCount)
	return admission.NewSearchLimiter[[sha256.Size]byte](longest)
}

// search is what a request is charged for searches.
type search struct {
	limiter *searchLimiter
	client  [sha256.Size]byte
	cost    atomic.Int64
}

// budget is that of a field which reads a range, and for a filter so many pages: as much as the request has left, and
// what a search takes beyond the free requests is charged.
func (s *search) budget(
	of *upstream.RequestBudget, rng relay.Range, n pagination.Selection, pages int,
) *upstream.RequestBudget {
	cursors := 0
	for _, cursor := range []*relay.Cursor{rng.After, rng.Before} {
		if cursor != nil {
			cursors++
		}
	}
	if cursors == 0 {
		return of
	}
	free := freeRequests*cursors + rng.Count/freeRows + 2*pages // which are paid for, and a seam may take another one
	if n.Total {
		free += document.CountCost // which is paid for
	}
	return of.Charging(free, func() time.Duration {
		retryAfter := s.limiter.Charge(s.client)
		if retryAfter == 0 {
			s.cost.Add(searchCost)
		}
		return retryAfter
	})
}
