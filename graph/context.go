package graph

import (
	"context"
	"time"

	"revox-graphql/upstream"
)

// request is what the resolvers need to know of the HTTP request.
type request struct {
	credential upstream.Credential
	notBefore  time.Time // older answers of upstream will not do
	deadline   time.Time // for all of its upstream work
	trace      *trace    // what was read for it
}

type requestKey struct{}

func withRequest(ctx context.Context, r request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

func requestOf(ctx context.Context) request {
	r, _ := ctx.Value(requestKey{}).(request)
	return r
}

// withDeadline bounds upstream work. The request's own context goes on after it, so that the answer can still say so.
func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadline(ctx, requestOf(ctx).deadline)
}
