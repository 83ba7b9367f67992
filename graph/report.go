package graph

import (
	"context"
	"time"

	"revox-graphql/graph/pagination"
	"revox-graphql/internal/errcode"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Report is what became of a request, for whoever counts and logs: see [WithReport]. It holds no variables and no data.
type Report struct {
	// Operation is what was asked for; zero if that did not become known, because the request was refused.
	Operation Operation
	// Code is that of the answer's first error; "" if it has none.
	Code string
	// Limit names the limit that the request was beyond; "" if none.
	Limit string
	// Executed says that the operation was run, Remembered that an answer was sent again instead.
	Executed, Remembered bool
	// Stale is how old the oldest stale page was that the answer was made from; 0 if none was.
	Stale time.Duration
	// UpstreamRequests were made for this request, retries included. Those of others whose pages it shared are theirs.
	UpstreamRequests int
	// Walked says that a cursor was followed, and Drift by how many rows its call had moved since it was made, downwards
	// if positive; of several the one that had moved the most.
	Walked bool
	Drift  int
	// Reordered says that calls near a cursor have changed places since it was made. Such a call may be missing from the
	// walk, or come twice.
	Reordered bool
}

// Operation is an operation of a document.
type Operation struct {
	// Name is as the client has chosen it, cut where it has more than 100 bytes, and "" if it has not chosen one.
	Name string
	// Hash is the SHA-256 of the document in hexadecimal digits, as automatic persisted queries have it.
	Hash string
	// Cost is what cost.go makes of it and its variables.
	Cost int
}

// maxToldName is the most bytes of an operation's name that are told: it goes into a line of the log for each request,
// also where the client has sent no more than a hash.
const maxToldName = 100

func toldOperation(name, hash string, cost int) Operation {
	if len(name) > maxToldName {
		name = name[:maxToldName] + "…" // names are of ASCII
	}
	return Operation{name, hash, cost}
}

type reportKey struct{}

// WithReport makes a report, which the handler fills in before it returns.
func WithReport(ctx context.Context) (context.Context, *Report) {
	report := &Report{}
	return context.WithValue(ctx, reportKey{}, report), report
}

// reportOf is the report of a request, or one that nobody reads.
func reportOf(ctx context.Context) *Report {
	if report, ok := ctx.Value(reportKey{}).(*Report); ok {
		return report
	}
	return &Report{}
}

// failed notes the first error of an answer, and the limit that one of them names.
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

// Failed says that the gateway or Revox is to blame for the answer's first error, not the client.
func (r *Report) Failed() bool { return errcode.OfServer(r.Code) }

// read notes what was read.
func (r *Report) read(reads *pagination.Reads, requests int) {
	r.Stale = reads.Stale()
	r.UpstreamRequests = requests
	r.Drift, r.Walked = reads.Drift()
	r.Reordered = reads.Reordered()
}
