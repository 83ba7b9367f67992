package graph

import (
	"context"
	"errors"
	"io"

	"revox-graphql/upstream"
)

// need is what the client selected of a connection, as far as it decides what is asked upstream.
type need struct {
	rows, next, previous, total bool
}

// CallConnection is what `calls` returns: a window of a list, which writes itself.
type CallConnection struct {
	list     upstream.List
	window   *window
	total    int
	totalErr error
	plan     *rootPlan
	args     []arguments
}

// MarshalGQLContext implements [graphql.ContextMarshaler].
func (c *CallConnection) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	marshal(ctx, w, c.plan.connection, c.args, c)
	return nil
}

// UnmarshalGQLContext refuses. gqlgen wants it beside MarshalGQLContext, for types that are also input.
func (*CallConnection) UnmarshalGQLContext(context.Context, any) error { return errOutputOnly }

var errOutputOnly = errors.New("not an input type")

// problems are the errors of the rows that could not be read, which are no edges.
func (w *window) problems() []error {
	var errs []error
	for i := w.from; i < w.to; i++ {
		if row := w.rows[i]; row.Call == nil {
			errs = append(errs, &unreadableRowError{w.at(i), row.Problem})
		}
	}
	return errs
}

// firstEdge and lastEdge are the rows of the window's first and last edge, -1 without edges.
func (w *window) firstEdge() int {
	for i := w.from; i < w.to; i++ {
		if w.rows[i].Call != nil {
			return i
		}
	}
	return -1
}

func (w *window) lastEdge() int {
	for i := w.to - 1; i >= w.from; i-- {
		if w.rows[i].Call != nil {
			return i
		}
	}
	return -1
}

// count is the length of the list that the window is of. It asks upstream only where the window does not hold the list's
// end.
func (r *reader) count(ctx context.Context, w *window) (int, error) {
	if w.last && len(w.rows) > 0 {
		return w.at(len(w.rows)), nil
	}
	return r.total(ctx)
}

// edge is one call of a connection.
type edge struct {
	connection *CallConnection
	row        int // of the connection's window
}

// Call is what `call` returns: a call that writes itself.
type Call struct {
	call *upstream.Call
	plan *rootPlan
	args []arguments
}

// MarshalGQLContext implements [graphql.ContextMarshaler].
func (c *Call) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	marshal(ctx, w, c.plan.call, c.args, c.call)
	return nil
}

// UnmarshalGQLContext refuses.
func (*Call) UnmarshalGQLContext(context.Context, any) error { return errOutputOnly }

// Node is an object with a global id; a call is the only kind.
type Node interface{ IsNode() }

// IsNode implements [Node].
func (*Call) IsNode() {}

// node is a call as `node` and `nodes` return it. gqlgen walks a Call that it finds behind an interface, but lets any
// other type write itself.
type node struct {
	*Call
	ctx context.Context //nolint:containedctx // MarshalGQL is not given one, and errors need its path
}

// MarshalGQL implements [graphql.Marshaler].
func (n node) MarshalGQL(w io.Writer) { _ = n.MarshalGQLContext(n.ctx, w) }
