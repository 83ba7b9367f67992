package graph

import (
	"context"
	"fmt"

	"github.com/99designs/gqlgen/graphql"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// Resolver is the root of the resolvers, which only delegate.
type Resolver struct {
	pages    *pages
	known    upstream.Finder
	maxCount int // largest `first` or `last`
	maxScan  int // pages that a look-up by id may read
}

// Node is the interface of objects with a global id; a call is the only kind.
type Node interface {
	IsNode()
}

// reader reads one of the lists of whoever asks.
func (r *Resolver) reader(ctx context.Context, statuses upstream.OrderStatuses) *reader {
	req := requestOf(ctx)
	return r.pages.of(upstream.List{Credential: req.credential, Statuses: statuses}, req.notBefore)
}

// connection resolves `calls`.
func (r *Resolver) connection(ctx context.Context, args relay.Arguments, statuses []upstream.OrderStatus) (*CallConnection, error) {
	reader := r.reader(ctx, upstream.NewOrderStatuses(statuses...))
	rng, err := relay.NewRange(args, uint16(reader.list.Statuses), r.maxCount)
	if err != nil {
		return nil, err
	}
	deadline, cancel := withDeadline(ctx)
	defer cancel()
	w, err := reader.window(deadline, rng, newNeed(ctx))
	if err != nil {
		return nil, err
	}
	c := newCallConnection(reader, w)
	for _, problem := range c.problems() {
		graphql.AddError(ctx, problem)
	}
	return c, nil
}

// maxIDs is the largest number of ids that `nodes` takes.
const maxIDs = 100

// nodes resolves `nodes`. The field cannot be null without taking the whole answer with it, so an error comes beside
// the nulls that it explains.
func (r *Resolver) nodes(ctx context.Context, ids []string) []Node {
	nodes := make([]Node, len(ids))
	if len(ids) > maxIDs {
		graphql.AddError(ctx, &relay.ArgumentError{
			Argument: "ids", Message: fmt.Sprintf("`ids` has %d ids, and may have at most %d.", len(ids), maxIDs),
		})
		return nodes
	}
	calls, err := r.find(ctx, ids...)
	if err != nil {
		graphql.AddError(ctx, err)
	}
	for i, id := range ids {
		if call := calls[id]; call != nil {
			nodes[i] = call
		}
	}
	return nodes
}

// find looks calls up by id, see [reader.lookUp].
func (r *Resolver) find(ctx context.Context, ids ...string) (map[string]*upstream.Call, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	return r.reader(ctx, 0).lookUp(ctx, r.known, ids, r.maxScan)
}
