package graph

import (
	"context"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/graph/pagination"
	"revox-graphql/graph/responsecache"
	"revox-graphql/internal/errcode"
)

// Report is the outcome of a request, for metrics and the log: see [WithReport]. It holds no variables and no data.
type Report struct {
	// Operation is the operation; zero if it is not known, because the request was rejected before.
	Operation Operation
	// Code is that of the response's first error; "" if it has none. Where the response did not arrive as a whole, it
	// says why.
	Code string
	// Unsent says that the response did not arrive as a whole: the client has left, or was cut off because it read too
	// slowly.
	Unsent bool
	// Limit names the limit that the request exceeded; "" if none.
	Limit string
	// Executed says that the operation was run; Cached says that a response was sent that was made for another request:
	// one of the cache, or that of an identical request which was in flight.
	Executed, Cached bool
	// Stale is how old the oldest stale page was that the response was made from; 0 if none was.
	Stale time.Duration
	// UpstreamRequests were made for this request, retries included. Those of others whose pages it shared are theirs.
	UpstreamRequests int
	// Walked says that a cursor was followed, and Drift by how many rows its call had moved since it was made,
	// downwards if positive; of several the one that had moved the most.
	Walked bool
	Drift  int
	// Reordered says that calls near a cursor have changed places since it was made. Such a call may be missing from
	// the walk, or come twice.
	Reordered bool
}

// Operation describes the operation of a report.
type Operation = responsecache.Operation

// maxReportedName is the most bytes of an operation's name that are reported: it goes into a line of the log for each
// request, also where the client has sent no more than a hash.
const maxReportedName = 100

func reportedOperation(name, hash string, cost int) Operation {
	if len(name) > maxReportedName {
		name = name[:maxReportedName] + "…" // names are of ASCII
	}
	return Operation{Name: name, Hash: hash, Cost: cost}
}

type reportKey struct{}

// WithReport makes a report, which the handler fills in before it returns.
func WithReport(ctx context.Context) (context.Context, *Report) {
	report := &Report{}
	return context.WithValue(ctx, reportKey{}, report), report
}

// reportOf is the report of a request, or one that is not read.
func reportOf(ctx context.Context) *Report {
	if report, ok := ctx.Value(reportKey{}).(*Report); ok {
		return report
	}
	return &Report{}
}

// failed notes the first error of a response, and the limit that one of them names.
func (r *Report) failed(errs gqlerror.List) {
	for _, err := range errs {
		code, _ := err.Extensions["code"].(string)
		if r.Code == "" {
			r.Code = code
		}
		if r.Limit == "" && (code == errcode.QueryTooComplex || code == errcode.QueryTooLarge) {
			r.Limit = err.Rule
		}
	}
}

// unsent notes that the response did not arrive as a whole, and why.
func (r *Report) unsent(tooSlow bool) {
	r.Unsent, r.Code = true, errcode.ClientClosedRequest
	if tooSlow {
		r.Code = errcode.ClientTooSlow
	}
}

// Failed says that the gateway or Revox is to blame for the response's first error, not the client.
func (r *Report) Failed() bool { return errcode.OfServer(r.Code) }

// read copies the facts about the pages that were read to the report.
func (r *Report) read(reads *pagination.Reads, requests int) {
	r.Stale = reads.Stale()
	r.UpstreamRequests = requests
	r.Drift, r.Walked = reads.Drift()
	r.Reordered = reads.Reordered()
}
