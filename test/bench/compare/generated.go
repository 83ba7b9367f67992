package compare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/oracle"
	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/servers"
)

// GeneratedCommand starts a server with gqlgen's own execution. Its arguments are the address of the upstream and the
// file of the cursors.
const GeneratedCommand = "serve-generated"

// cachedDocuments is the size of the document cache, the same as the gateway's.
const cachedDocuments = 500

// ServeGenerated serves gqlgen's own execution until ctx is done: a handler as users of gqlgen write it, over calls in
// memory.
func ServeGenerated(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("%s requires an address and a file", GeneratedCommand)
	}
	source, err := readSource(ctx, &servers.Upstream{URL: args[0]}, args[1])
	if err != nil {
		return err
	}
	server := handler.New(oracle.New(source))
	server.AddTransport(transport.POST{})
	server.SetQueryCache(lru.New[*ast.QueryDocument](cachedDocuments))
	return servers.Serve(ctx, server)
}

// source contains all calls that the workloads request. It makes no cursors, but uses those of the gateway.
type source struct {
	calls   []*oracle.Call
	places  map[string]int // the number of rows up to a cursor, its own row included
	cursors map[int]string // the reverse of places
}

func readSource(ctx context.Context, rest *servers.Upstream, file string) (*source, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the benchmark has just written it
	if err != nil {
		return nil, fmt.Errorf("cursors: %w", err)
	}
	s := &source{cursors: map[int]string{}}
	if err := json.Unmarshal(text, &s.places); err != nil {
		return nil, fmt.Errorf("cursors: %w", err)
	}
	for cursor, rows := range s.places {
		s.cursors[rows] = cursor
	}
	// One more than the workloads request, so that there is a next page.
	wanted := slices.Max(slices.Collect(maps.Values(s.places))) + 1
	client := load.NewClient()
	const pageSize = 200
	for number := 0; len(s.calls) < wanted; number++ {
		body, err := load.RESTPage(ctx, client, rest, number, pageSize)
		if err != nil {
			return nil, fmt.Errorf("calls: %w", err)
		}
		rows := oracle.Read(body)
		if len(rows) == 0 {
			return nil, fmt.Errorf("the upstream has only %d calls", len(s.calls))
		}
		for _, row := range rows {
			if row.Call == nil {
				return nil, errors.New("unreadable call: " + row.Problem)
			}
			s.calls = append(s.calls, row.Call)
		}
	}
	return s, nil
}

var errNotServed = errors.New("not part of the benchmark")

// Calls implements [oracle.Source].
func (s *source) Calls(
	_ context.Context, first *int, after *string, last *int, before *string, statuses []oracle.CallOrderStatus,
) (*oracle.CallConnection, error) {
	if first == nil || last != nil || before != nil || statuses != nil {
		return nil, errNotServed
	}
	from := 0
	if after != nil {
		var ok bool
		if from, ok = s.places[*after]; !ok {
			return nil, errors.New("unknown cursor")
		}
	}
	to := min(from+*first, len(s.calls))
	end := s.cursors[to]
	return &oracle.CallConnection{
		Nodes:    s.calls[from:to],
		PageInfo: &oracle.PageInfo{HasNextPage: to < len(s.calls), HasPreviousPage: from > 0, EndCursor: &end},
	}, nil
}

// Find implements [oracle.Source].
func (*source) Find(_ context.Context, ids []string) ([]*oracle.Call, error) {
	return make([]*oracle.Call, len(ids)), errNotServed
}

// CheckCounts implements [oracle.Source].
func (*source) CheckCounts(first, last *int) error {
	if first != nil || last != nil {
		return errNotServed
	}
	return nil
}
