package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"revox-graphql/upstream"
)

// need is what the client selected of a connection, as far as it decides what is asked upstream.
type need struct {
	rows, next, previous bool
}

// newNeed reads the selection of the connection that ctx resolves.
func newNeed(ctx context.Context) need {
	var n need
	op := graphql.GetOperationContext(ctx)
	for _, field := range graphql.CollectFieldsCtx(ctx, nil) {
		switch field.Name {
		case "edges", "nodes":
			n.rows = true
		case "pageInfo":
			for _, field := range graphql.CollectFields(op, field.Selections, nil) {
				switch field.Name {
				case "startCursor", "endCursor":
					n.rows = true
				case "hasNextPage":
					n.next = true
				case "hasPreviousPage":
					n.previous = true
				}
			}
		}
	}
	return n
}

// CallConnection is what `calls` returns: a window of a list.
type CallConnection struct {
	reader *reader
	window *window
	edges  []*CallEdge
}

func newCallConnection(r *reader, w *window) *CallConnection {
	c := &CallConnection{reader: r, window: w, edges: []*CallEdge{}}
	for i := w.from; i < w.to; i++ {
		if w.rows[i].Call != nil {
			c.edges = append(c.edges, &CallEdge{c, i})
		}
	}
	return c
}

// problems are the errors of the rows that could not be read, which are no edges.
func (c *CallConnection) problems() []error {
	var errs []error
	for i := c.window.from; i < c.window.to; i++ {
		if row := c.window.rows[i]; row.Call == nil {
			errs = append(errs, &unreadableRowError{c.window.position + i, row.Problem})
		}
	}
	return errs
}

// Edges are the calls with their cursors.
func (c *CallConnection) Edges() []*CallEdge { return c.edges }

// Nodes are the calls without their cursors.
func (c *CallConnection) Nodes() []*upstream.Call {
	nodes := make([]*upstream.Call, len(c.edges))
	for i, edge := range c.edges {
		nodes[i] = edge.Node()
	}
	return nodes
}

// PageInfo says where the window lies.
func (c *CallConnection) PageInfo() *PageInfo { return &PageInfo{c} }

// TotalCount counts the list. It asks upstream only when called, and not even then when the window holds the list's
// end.
func (c *CallConnection) TotalCount(ctx context.Context) (*int, error) {
	if c.window.last && len(c.window.rows) > 0 {
		return &c.window.end, nil
	}
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	n, err := c.reader.total(ctx)
	if err != nil {
		return nil, err
	}
	return &n, nil
}

// CallEdge is one call of a connection.
type CallEdge struct {
	connection *CallConnection
	row        int
}

// Cursor marks the call's place.
func (e *CallEdge) Cursor() string {
	return e.connection.window.cursor(e.connection.reader.list, e.row).String()
}

// Node is the call.
func (e *CallEdge) Node() *upstream.Call { return e.connection.window.rows[e.row].Call }

// PageInfo says where a connection's window lies. A flag is right only where it was selected.
type PageInfo struct{ connection *CallConnection }

// HasNextPage reports whether a call follows the window.
func (p *PageInfo) HasNextPage() bool { return p.connection.window.hasNext() }

// HasPreviousPage reports whether a call comes before the window.
func (p *PageInfo) HasPreviousPage() bool { return p.connection.window.hasPrevious() }

// StartCursor is the first edge's cursor, nil without edges.
func (p *PageInfo) StartCursor() *string { return p.cursor(0) }

// EndCursor is the last edge's cursor, nil without edges.
func (p *PageInfo) EndCursor() *string { return p.cursor(len(p.connection.edges) - 1) }

func (p *PageInfo) cursor(i int) *string {
	if len(p.connection.edges) == 0 {
		return nil
	}
	c := p.connection.edges[i].Cursor()
	return &c
}
