// Package oracle executes the gateway's schema as gqlgen generates it: field by field, over plain structs that
// encoding/json has read. It is slow and simple, and shares no code with the gateway's own reading and writing. Tests
// compare the gateway's responses with it, and the benchmark compares the speed. No other package imports it.
package oracle

//go:generate go tool gqlgen generate

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Source is where the calls come from.
type Source interface {
	Calls(
		ctx context.Context, first *int, after *string, last *int, before *string, statuses []CallOrderStatus,
	) (*CallConnection, error)
	// Find returns the calls with these ids, nil for each that there is not. An error may come beside some calls.
	Find(ctx context.Context, ids []string) ([]*Call, error)
	// CheckCounts is the error of `first` and `last` of a transcript.
	CheckCounts(first, last *int) error
}

// CallConnection is what a source returns.
type CallConnection struct {
	Edges    []*CallEdge
	Nodes    []*Call
	PageInfo *PageInfo
	Scan     *CallScan // always nil: filters are not compared
	Count    func(ctx context.Context) (*int, error)
}

// TotalCount counts the list.
func (c *CallConnection) TotalCount(ctx context.Context) (*int, error) { return c.Count(ctx) }

// New makes the schema over a source.
func New(source Source) graphql.ExecutableSchema {
	return NewExecutableSchema(Config{Resolvers: resolver{source}})
}

type resolver struct{ Source }

// Query implements [ResolverRoot].
func (r resolver) Query() QueryResolver { return queryResolver{resolver: r} }

// Call implements [ResolverRoot].
func (r resolver) Call() CallResolver { return callResolver(r) }

// RootFields are the fields of Query that the oracle resolves.
var RootFields = []string{"calls", "call", "node", "nodes"}

// queryResolver resolves RootFields. The embedded interface is nil, so that any other root field panics.
type queryResolver struct {
	QueryResolver
	resolver
}

// Calls resolves `calls`.
func (r queryResolver) Calls(
	ctx context.Context, first *int, after *string, last *int, before *string, statuses []CallOrderStatus,
	_ *CallFilter,
) (*CallConnection, error) {
	return r.Source.Calls(ctx, first, after, last, before, statuses)
}

// Call resolves `call`.
func (r queryResolver) Call(ctx context.Context, id string) (*Call, error) {
	calls, err := r.Find(ctx, []string{id})
	return calls[0], err
}

// Node resolves `node`.
func (r queryResolver) Node(ctx context.Context, id string) (Node, error) {
	call, err := r.Call(ctx, id)
	if call == nil {
		return nil, err
	}
	return call, err
}

// Nodes resolves `nodes`.
func (r queryResolver) Nodes(ctx context.Context, ids []string) ([]Node, error) {
	nodes := make([]Node, len(ids))
	calls, err := r.Find(ctx, ids)
	if err != nil {
		graphql.AddError(ctx, err)
	}
	for i, call := range calls {
		if call != nil {
			nodes[i] = call
		}
	}
	return nodes, nil
}

type callResolver resolver

// StructuredOutput resolves the field with its argument.
func (callResolver) StructuredOutput(_ context.Context, call *Call, keys []string) (json.RawMessage, error) {
	if keys == nil || call.StructuredOutput == nil || call.StructuredOutput[0] != '{' {
		return call.StructuredOutput, nil
	}
	var kept []member
	for _, m := range members(call.StructuredOutput) {
		if slices.Contains(keys, m.name) {
			kept = append(kept, m)
		}
	}
	return object(kept), nil
}

// Transcript resolves the field with its arguments.
func (r callResolver) Transcript(
	_ context.Context, call *Call, roles []TranscriptRole, search *string, around, first, last *int,
) ([]*TranscriptEntry, error) {
	if err := r.CheckCounts(first, last); err != nil {
		return nil, err
	}
	if call.Transcript == nil {
		return nil, nil
	}
	kept := []*TranscriptEntry{}
	found := make([]bool, len(call.Transcript))
	for i, e := range call.Transcript {
		found[i] = (roles == nil || slices.Contains(roles, e.Role)) && (search == nil || contains(e.Content, *search))
	}
	reach := 0
	if around != nil && search != nil && *search != "" {
		reach = *around
	}
	for i, e := range call.Transcript {
		if slices.Contains(found[max(0, i-reach):min(len(found), i+reach+1)], true) {
			kept = append(kept, e)
		}
	}
	if first != nil && *first < len(kept) {
		kept = kept[:*first]
	}
	if last != nil && *last < len(kept) {
		kept = kept[len(kept)-*last:]
	}
	return kept, nil
}

// contains reports whether a text has another one in it, ignoring case, and with accents as parts of their letters.
func contains(text, part string) bool {
	letters, wanted := foldedLetters(text), foldedLetters(part)
	for i := 0; i+len(wanted) <= len(letters); i++ {
		if slices.Equal(letters[i:i+len(wanted)], wanted) {
			return true
		}
	}
	return false
}

// foldedLetters are the letters of a text, each with its accents.
func foldedLetters(text string) []string {
	var letters []string
	var iter norm.Iter
	for iter.InitString(norm.NFC, norm.NFC.String(cases.Fold().String(norm.NFD.String(text)))); !iter.Done(); {
		letters = append(letters, string(iter.Next()))
	}
	return letters
}

// MarshalRaw writes a JSON value as it is.
func MarshalRaw(value json.RawMessage) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = w.Write(value) })
}

// UnmarshalRaw always fails: filters are not compared, and no other argument of the schema is JSON.
func UnmarshalRaw(any) (json.RawMessage, error) { return nil, errors.New("not an input type") }

// MarshalFloat writes a Float without an exponent.
func MarshalFloat(f float64) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = io.WriteString(w, strconv.FormatFloat(f, 'f', -1, 64)) })
}

// UnmarshalFloat always fails: filters are not compared, and no other argument of the schema is a Float.
func UnmarshalFloat(any) (float64, error) { return 0, errors.New("not an input type") }
