package encode

import (
	"context"
	"errors"
	"io"

	"github.com/99designs/gqlgen/graphql"

	"revox-graphql/graph/filter"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// Page is the part of a list in a connection: a [*pagination.Window] or a [*filter.Page].
type Page interface {
	// Rows returns the rows of the page. An unreadable row has no edge.
	Rows() []upstream.Row
	// AppendCursor appends the text of the cursor of the i-th row.
	AppendCursor(b []byte, i int) []byte
	// StartCursor and EndCursor return the cursors from which a walk continues up or down the list; nil if there is none.
	StartCursor() *relay.Cursor
	EndCursor() *relay.Cursor
	HasPrevious() bool
	HasNext() bool
}

// Connection is the result of `calls`: a page of a list, which writes itself.
type Connection struct {
	// Total is the length of the list in calls, unless TotalErr says why that is unknown. The connection writes them as
	// `totalCount`.
	Total    int
	TotalErr error
	// Scan reports how far a filter has read the list; nil without a filter.
	Scan *filter.Report

	page Page
	plan *Plan
	args []arguments
}

// MarshalGQLContext implements [graphql.ContextMarshaler].
func (c *Connection) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	marshal(ctx, w, c.plan.connection, c.args, c)
	return nil
}

// UnmarshalGQLContext always fails. gqlgen requires it beside MarshalGQLContext, for types that are also input.
func (*Connection) UnmarshalGQLContext(context.Context, any) error { return errOutputOnly }

var errOutputOnly = errors.New("not an input type")

// edge is one call of a connection.
type edge struct {
	connection *Connection
	row        int // of the connection's page
	call       *upstream.Call
}

// Call is the result of `call`: a call that writes itself.
type Call struct {
	call *upstream.Call
	plan *Plan
	args []arguments
}

// MarshalGQLContext implements [graphql.ContextMarshaler].
func (c *Call) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	marshal(ctx, w, c.plan.call, c.args, c.call)
	return nil
}

// UnmarshalGQLContext always fails.
func (*Call) UnmarshalGQLContext(context.Context, any) error { return errOutputOnly }

// Node is an object with a global id; a call is the only kind.
type Node interface{ IsNode() }

// IsNode implements [Node].
func (*Call) IsNode() {}

// AsNode returns the call as `node` and `nodes` return it, at the path of ctx. gqlgen would execute the selection of a
// Call behind an interface, but lets any other type write itself.
func (c *Call) AsNode(ctx context.Context) Node { return node{c, ctx} }

type node struct {
	*Call
	ctx context.Context //nolint:containedctx // MarshalGQL gets no context, and errors need its path
}

// MarshalGQL implements [graphql.Marshaler].
func (n node) MarshalGQL(w io.Writer) { _ = n.MarshalGQLContext(n.ctx, w) }

// MarshalFloat writes a Float without an exponent. gqlgen's own writes 2.816418625e+06 for 2816418.625.
func MarshalFloat(f float64) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = w.Write(appendFloat(nil, f)) })
}

// UnmarshalFloat calls gqlgen's function.
func UnmarshalFloat(v any) (float64, error) { return graphql.UnmarshalFloat(v) }
