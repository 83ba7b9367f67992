package graph

import (
	"context"
	"fmt"

	"github.com/99designs/gqlgen/graphql"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// Resolver resolves the fields of Query. What they return writes itself, so there is nothing else to resolve.
type Resolver struct {
	pages    *pages
	known    upstream.Finder
	maxCount int // largest `first` or `last`
	maxScan  int // pages that a look-up by id may read
}

// reader reads one of the lists of whoever asks.
func (r *Resolver) reader(ctx context.Context, statuses upstream.OrderStatuses) *reader {
	req := requestOf(ctx)
	reader := r.pages.of(upstream.List{Credential: req.credential, Statuses: statuses}, req.notBefore)
	reader.deadline, reader.allowance, reader.trace = req.deadline, req.allowance, req.trace
	reader.refresh = req.refresh
	return reader
}

// Calls resolves `calls`.
func (r *Resolver) Calls(ctx context.Context, first *int, after *string, last *int, before *string, statuses []upstream.OrderStatus) (*CallConnection, error) {
	plan := planOf(ctx)
	args := relay.Arguments{First: first, After: after, Last: last, Before: before}
	reader, window, err := r.window(ctx, args, statuses, plan.need)
	if err != nil {
		return nil, err
	}
	for _, problem := range window.problems() {
		graphql.AddError(ctx, problem)
	}
	c := &CallConnection{list: reader.list, window: window, plan: plan, args: plan.bind(ctx)}
	if plan.need.total {
		c.total, c.totalErr = reader.count(ctx, window)
	}
	return c, nil
}

// window reads the window of a list that the arguments ask for.
func (r *Resolver) window(ctx context.Context, args relay.Arguments, statuses []upstream.OrderStatus, n need) (*reader, *window, error) {
	set, err := orderStatuses(statuses)
	if err != nil {
		return nil, nil, err
	}
	reader := r.reader(ctx, set)
	rng, err := relay.NewRange(args, uint16(reader.list.Statuses), r.maxCount)
	if err != nil {
		return nil, nil, err
	}
	w, err := reader.window(ctx, rng, n)
	return reader, w, err
}

// orderStatuses is the set of a filter. The generated code makes the zero value of an enum name that it does not know,
// and a set leaves out what is no status. Neither may come to mean "no filter", so that is an error here, whatever was
// checked before.
func orderStatuses(statuses []upstream.OrderStatus) (upstream.OrderStatuses, error) {
	for _, status := range statuses {
		if upstream.NewOrderStatuses(status) == 0 {
			const message = "`statuses` has a value that is no `CallOrderStatus`."
			return 0, &relay.ArgumentError{Argument: "statuses", Message: message}
		}
	}
	return upstream.NewOrderStatuses(statuses...), nil
}

// Call resolves `call`.
func (r *Resolver) Call(ctx context.Context, id string) (*Call, error) {
	calls, err := r.find(ctx, id)
	return writeable(ctx)(calls[id]), err
}

// Node resolves `node`.
func (r *Resolver) Node(ctx context.Context, id string) (Node, error) {
	call, err := r.Call(ctx, id)
	if call == nil {
		return nil, err
	}
	return node{call, ctx}, err
}

// maxIDs is the largest number of ids that `nodes` takes.
const maxIDs = 100

// Nodes resolves `nodes`. The field cannot be null without taking the whole answer with it, so an error comes beside
// the nulls that it explains.
func (r *Resolver) Nodes(ctx context.Context, ids []string) ([]Node, error) {
	nodes := make([]Node, len(ids))
	if len(ids) > maxIDs {
		graphql.AddError(ctx, &relay.ArgumentError{
			Argument: "ids", Message: fmt.Sprintf("`ids` has %d ids, and may have at most %d.", len(ids), maxIDs),
		})
		return nodes, nil
	}
	calls, err := r.find(ctx, ids...)
	if err != nil {
		graphql.AddError(ctx, err)
	}
	write := writeable(ctx)
	for i, id := range ids {
		if call := calls[id]; call != nil {
			nodes[i] = node{write(call), graphql.WithPathContext(ctx, graphql.NewPathWithIndex(i))}
		}
	}
	return nodes, nil
}

// writeable makes calls that write themselves as the root field of ctx selects them; nil stays nil.
func writeable(ctx context.Context) func(*upstream.Call) *Call {
	plan := planOf(ctx)
	args := plan.bind(ctx)
	return func(call *upstream.Call) *Call {
		if call == nil {
			return nil
		}
		return &Call{call: call, plan: plan, args: args}
	}
}

// find looks calls up by id, see [reader.lookUp].
func (r *Resolver) find(ctx context.Context, ids ...string) (map[string]*upstream.Call, error) {
	return r.reader(ctx, 0).lookUp(ctx, r.known, ids, r.maxScan)
}

// roots is what the generated executor asks for resolvers. It never asks for those of types that write themselves.
type roots struct{ *Resolver }

// Query implements [ResolverRoot].
func (r roots) Query() QueryResolver { return r.Resolver }

// Call implements [ResolverRoot].
func (roots) Call() CallResolver { return nil }

// CallConnection implements [ResolverRoot].
func (roots) CallConnection() CallConnectionResolver { return nil }
