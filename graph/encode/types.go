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

// Page is the part of a list that a connection has: a [*pagination.Window], or a [*filter.Page].
type Page interface {
	// Rows are those of the page. A row that could not be read is no edge.
	Rows() []upstream.Row
	// AppendCursor appends the text of the cursor of the i-th of the rows.
	AppendCursor(b []byte, i int) []byte
	// StartCursor and EndCursor are where a walk continues up or down the list, nil if that is nowhere.
	StartCursor() *relay.Cursor
	EndCursor() *relay.Cursor
	HasPrevious() bool
	HasNext() bool
}

// Connection is the result of `calls`: a page of a list, which writes itself.
type Connection struct {
	// Total is the length of the list, or TotalErr says why it is not known. They are written where the selection has
	// `totalCount`.
	Total    int
	TotalErr error
	// Scan reports how far the list was read for a filter; nil without a filter.
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

// UnmarshalGQLContext always fails. gqlgen wants it beside MarshalGQLContext, for types that are also input.
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

// AsNode is a call as `node` and `nodes` return it, at the path of ctx. gqlgen walks a Call that it finds behind an
// interface, but lets any other type write itself.
func (c *Call) AsNode(ctx context.Context) Node { return node{c, ctx} }

type node struct {
	*Call
	ctx context.Context //nolint:containedctx // MarshalGQL is not given one, and errors need its path
}

// MarshalGQL implements [graphql.Marshaler].
func (n node) MarshalGQL(w io.Writer) { _ = n.MarshalGQLContext(n.ctx, w) }

// MarshalFloat writes a Float without an exponent. gqlgen's own writes 2.816418625e+06 for 2816418.625.
func MarshalFloat(f float64) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = w.Write(appendFloat(nil, f)) })
}

// UnmarshalFloat is gqlgen's.
func UnmarshalFloat(v any) (float64, error) { return graphql.UnmarshalFloat(v) }
