package graph

import (
	"context"
	"time"

	"revox-graphql/graph/document"
	"revox-graphql/graph/pagination"
	"revox-graphql/upstream"
)

// request is what the resolvers need to know of the HTTP request.
type request struct {
	id         string // as in the answer's header; "" where nobody has given it one
	credential upstream.Credential
	notBefore  time.Time           // older answers of upstream will not do
	refresh    bool                // because the client wants them afresh
	deadline   time.Time           // for all of its upstream work
	allowance  *upstream.Allowance // for all of its upstream work
	search     search              // what of that is charged
	trace      *pagination.Reads   // what was read for it
	document   *document.Document  // what is executed
	wantsCost  bool                // the answer tells the cost
	errors     errorBounds         // what of its errors is told
	memory     reservation         // for the answer
}

type requestKey struct{}

func withRequest(ctx context.Context, r *request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

func requestOf(ctx context.Context) *request { return ctx.Value(requestKey{}).(*request) }
