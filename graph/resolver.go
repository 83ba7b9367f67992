package graph

import (
	"context"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/document"
	"revox-graphql/graph/encode"
	"revox-graphql/graph/filter"
	"revox-graphql/graph/generated"
	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/graph/stats"
	"revox-graphql/upstream"
)

// Resolver resolves the fields of Query. What they return writes itself, so there is nothing else to resolve.
type Resolver struct {
	pages     *pagination.Lists
	known     upstream.Finder
	holder    upstream.Holder  // the same, where it counts pages; else nil
	maxCount  int              // largest `first` or `last`
	maxScan   int              // pages that a look-up by id or a scan may read
	walk      *pagination.Walk // that all requests are part of; nil: none
	arguments *encode.Arguments
}

// reader reads one of the client's lists, within a budget.
func (r *Resolver) reader(
	ctx context.Context,
	statuses upstream.OrderStatuses,
	budget *upstream.RequestBudget,
) *pagination.Reader {
	req := requestOf(ctx)
	return r.pages.Reader(pagination.Request{
		List:      upstream.List{Credential: req.client.Credential, Statuses: statuses},
		NotBefore: req.notBefore, Refresh: req.noCache,
		Deadline: req.deadline, Budget: budget, Reads: req.reads, Walk: r.walk,
	})
}

// Calls resolves `calls`.
func (r *Resolver) Calls(
	ctx context.Context,
	first *int,
	after *string,
	last *int,
	before *string,
	statuses []upstream.OrderStatus,
	given *filter.CallFilter,
) (*encode.Connection, error) {
	plan := r.plan(ctx)
	args := relay.Arguments{First: first, After: after, Last: last, Before: before}
	if given != nil {
		return r.filtered(ctx, plan, args, statuses, given)
	}
	reader, window, err := r.window(ctx, args, statuses, plan.Selection())
	if err != nil {
		return nil, err
	}
	if waits(ctx) || plan.Selection().Total {
		if err := requestOf(ctx).hold(r.holder, window.Rows()); err != nil {
			return nil, err
		}
	}
	for _, problem := range window.Problems() {
		graphql.AddError(ctx, problem)
	}
	c := plan.Connection(ctx, window)
	if plan.Selection().Total {
		c.Total, c.TotalErr = reader.Count(ctx, window)
	}
	return c, nil
}

// waits reports whether the root field that ctx resolves may have to wait for others before the data is written.
func waits(ctx context.Context) bool {
	roots := graphql.GetOperationContext(ctx).Operation.SelectionSet
	if len(roots) != 1 {
		return true
	}
	_, one := roots[0].(*ast.Field)
	return !one
}

// hold counts the pages of rows in the memory of the process until the data is written: pages that wait for another
// field would stay in memory when the cache has evicted them, uncounted.
func (r *request) hold(holder upstream.Holder, rows []upstream.Row) error {
	if holder == nil {
		return nil
	}
	var last *upstream.Page
	for _, row := range rows {
		if row.Call == nil || row.Call.Page() == last {
			continue
		}
		page := row.Call.Page()
		if !holder.Hold(page) {
			return upstream.ErrNoMemory
		}
		r.whenWritten(func() { holder.Release(page) })
		last = page
	}
	return nil
}

// filtered resolves `calls` with a filter.
func (r *Resolver) filtered(
	ctx context.Context,
	plan *encode.Plan,
	args relay.Arguments,
	statuses []upstream.OrderStatus,
	input *filter.CallFilter,
) (*encode.Connection, error) {
	set, rng, err := r.rangeOf(args, statuses)
	if err != nil {
		return nil, err
	}
	matching, err := filter.Compile("filter", input)
	if err != nil {
		return nil, err
	}
	req, n := requestOf(ctx), plan.Selection()
	opts := r.scanOptions(req)
	page := &filter.Page{}
	if n.Rows || n.Next || n.Previous || n.Scan {
		if err := req.mayScan(); err != nil {
			return nil, err
		}
		budget := req.search.budget(req.budget, rng, n, r.maxScan)
		page, err = matching.Read(ctx, r.reader(ctx, set, budget), rng, n, opts)
		if err != nil {
			return nil, err
		}
		req.whenWritten(page.Release)
	}
	for _, problem := range page.Problems() {
		graphql.AddError(ctx, problem)
	}
	if page.CutShort {
		req.cutShort.Store(true)
	}
	c := plan.Connection(ctx, page)
	c.Scan = &page.Report
	if n.Total {
		if c.TotalErr = req.mayScan(); c.TotalErr == nil {
			c.Total, c.TotalErr = matching.Count(ctx, r.reader(ctx, set, req.budget), opts)
		}
	}
	return c, nil
}

// CallStats resolves `callStats`.
func (r *Resolver) CallStats(
	ctx context.Context,
	statuses []upstream.OrderStatus,
	given *filter.CallFilter,
	groupBy []stats.Key,
	every *stats.Step,
	timeZone *string,
) (*stats.Stats, error) {
	set, err := orderStatuses(statuses)
	if err != nil {
		return nil, err
	}
	if given == nil {
		given = &filter.CallFilter{}
	}
	matching, err := filter.Compile("filter", given)
	if err != nil {
		return nil, err
	}
	tally, err := stats.Compile(groupBy, every, timeZone)
	if err != nil {
		return nil, err
	}
	req := requestOf(ctx)
	if err := req.mayScan(); err != nil {
		return nil, err
	}
	opts := r.scanOptions(req)
	report, problems, err := matching.Each(ctx, r.reader(ctx, set, req.budget), opts, tally.Add)
	if err != nil {
		return nil, err
	}
	for _, problem := range problems {
		graphql.AddError(ctx, problem)
	}
	if report.CutShort {
		req.cutShort.Store(true)
	}
	groups, err := tally.Groups()
	return &stats.Stats{Count: tally.Count, Groups: groups, Scan: &report}, err
}

// scanOptions are the bounds of a scan for a request.
func (r *Resolver) scanOptions(req *request) filter.Options {
	return filter.Options{MaxPages: r.maxScan, Deadline: req.deadline, Pages: r.holder}
}

// mayScan is a [*noCacheScansError] if the client has had too many scans read upstream again.
func (r *request) mayScan() error {
	if r.scan == nil {
		return nil
	}
	if retryAfter := r.scan(); retryAfter > 0 {
		return &noCacheScansError{retryAfter}
	}
	return nil
}

// noCacheScansError is the error of more than [admission.NoCacheScans].
type noCacheScansError struct{ retryAfter time.Duration }

func (e *noCacheScansError) Error() string { return "too many scans with Cache-Control: no-cache" }

// rangeOf is the range of rows that the arguments ask for, and of which list.
func (r *Resolver) rangeOf(
	args relay.Arguments, statuses []upstream.OrderStatus,
) (upstream.OrderStatuses, relay.Range, error) {
	set, err := orderStatuses(statuses)
	if err != nil {
		return 0, relay.Range{}, err
	}
	rng, err := relay.NewRange(args, uint16(set), r.maxCount)
	return set, rng, err
}

// window reads the window of a list that the arguments ask for.
func (r *Resolver) window(
	ctx context.Context,
	args relay.Arguments,
	statuses []upstream.OrderStatus,
	n pagination.Selection,
) (*pagination.Reader, *pagination.Window, error) {
	set, rng, err := r.rangeOf(args, statuses)
	if err != nil {
		return nil, nil, err
	}
	req := requestOf(ctx)
	reader := r.reader(ctx, set, req.search.budget(req.budget, rng, n, 0))
	w, err := reader.Window(ctx, rng, n)
	return reader, w, err
}

// orderStatuses is the set of a filter. The generated code makes the zero value of an enum name that it does not know,
// and a set leaves out what is no status. Neither may come to mean "no filter", so that is an error here, whatever was
// checked before.
func orderStatuses(statuses []upstream.OrderStatus) (upstream.OrderStatuses, error) {
	for _, status := range statuses {
		if upstream.NewOrderStatuses(status) == 0 {
			const message = "`statuses` has a value that is not a `CallOrderStatus`."
			return 0, &relay.ArgumentError{Argument: "statuses", Message: message}
		}
	}
	return upstream.NewOrderStatuses(statuses...), nil
}

// Call resolves `call`.
func (r *Resolver) Call(ctx context.Context, id string) (*encode.Call, error) {
	calls, err := r.find(ctx, id)
	return r.plan(ctx).Calls(ctx)(calls[id]), err
}

// Node resolves `node`.
func (r *Resolver) Node(ctx context.Context, id string) (encode.Node, error) {
	call, err := r.Call(ctx, id)
	if call == nil {
		return nil, err
	}
	return call.AsNode(ctx), err
}

// Nodes resolves `nodes`. The field cannot be null without taking the whole response with it, so an error comes beside
// the nulls that it explains.
func (r *Resolver) Nodes(ctx context.Context, ids []string) ([]encode.Node, error) {
	nodes := make([]encode.Node, len(ids))
	if len(ids) > document.MaxIDs {
		graphql.AddError(ctx, &relay.ArgumentError{
			Argument: "ids",
			Message:  fmt.Sprintf("`ids` has %d ids, and may have at most %d.", len(ids), document.MaxIDs),
		})
		return nodes, nil
	}
	calls, err := r.find(ctx, ids...)
	if err != nil {
		graphql.AddError(ctx, err)
	}
	write := r.plan(ctx).Calls(ctx)
	for i, id := range ids {
		if call := calls[id]; call != nil {
			nodes[i] = write(call).AsNode(graphql.WithPathContext(ctx, graphql.NewPathWithIndex(i)))
		}
	}
	return nodes, nil
}

// plan is how to write the root field that ctx resolves.
func (r *Resolver) plan(ctx context.Context) *encode.Plan {
	op, root := graphql.GetOperationContext(ctx), graphql.GetFieldContext(ctx).Field
	return requestOf(ctx).document.Plans.Of(op, root, r.arguments)
}

// newArguments coerces arguments inside of selections, unless they are null or too long where they must not be.
func newArguments() *encode.Arguments {
	arguments := generated.Arguments()
	arguments.Check = func(given ast.ArgumentList, variables map[string]any) error {
		if err := nullArgument(given, variables); err != nil {
			return err
		}
		return longList(given, variables)
	}
	return &arguments
}

// find looks calls up by id, see [Reader.LookUp].
func (r *Resolver) find(ctx context.Context, ids ...string) (map[string]*upstream.Call, error) {
	calls, err := r.reader(ctx, 0, requestOf(ctx).budget).LookUp(ctx, r.known, ids, r.maxScan)
	if waits(ctx) { // with their pages, as for a window
		for id, call := range calls {
			calls[id] = call.Detached()
		}
	}
	return calls, err
}

// roots is what the generated executor asks for resolvers. It never asks for those of types that write themselves.
type roots struct{ *Resolver }

// Query implements [ResolverRoot].
func (r roots) Query() generated.QueryResolver { return r.Resolver }

// Call implements [ResolverRoot].
func (roots) Call() generated.CallResolver { return nil }

// CallConnection implements [ResolverRoot].
func (roots) CallConnection() generated.CallConnectionResolver { return nil }
