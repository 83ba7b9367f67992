package encode

import (
	"context"
	"errors"
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Limit bounds the bytes of a response while a [Connection] or a [Call] is written.
type Limit struct {
	// Bytes is the largest number of bytes of the response, with its errors; 0 is no limit.
	Bytes int
	// Errors returns how many bytes the errors of the response have so far; nil is none.
	Errors func() int
	// Grow returns the written text in a slice with more room, and with [SpareRoom] beyond. The text may have at most
	// `most` bytes. ok is false if there is no memory: then the run ends, and its text is freed. nil: append grows the
	// slice.
	Grow func(written []byte, most int) (grown []byte, ok bool)
}

// SpareRoom is the room, in bytes, that is left for one value when a run checks for room: it writes a value without a
// check. For a longer value, append grows the slice.
const SpareRoom = 4 << 10

type limitKey struct{}

// WithLimit returns a context that bounds the response.
func WithLimit(ctx context.Context, limit Limit) context.Context {
	return context.WithValue(ctx, limitKey{}, limit)
}

// limitOf returns the limit of a context; the zero value if it has none.
func limitOf(ctx context.Context) Limit {
	limit, _ := ctx.Value(limitKey{}).(Limit)
	return limit
}

// errors returns how many bytes the errors of the response have.
func (l Limit) errors() int {
	if l.Errors == nil {
		return 0
	}
	return l.Errors()
}

// SizeError is the error of a connection or a call with which the response has more bytes than its [Limit].
type SizeError struct{ Limit, Actual int }

func (e *SizeError) Error() string {
	return fmt.Sprintf("a response of %d bytes, and %d are allowed", e.Actual, e.Limit)
}

// Located returns err as a GraphQL error at a place in the document. If err has its own place, that one stays.
func Located(err error, position *ast.Position) error {
	locations := Locations(position)
	if own, ok := errors.AsType[*gqlerror.Error](err); ok && len(own.Locations) > 0 {
		locations = own.Locations
	}
	return &gqlerror.Error{Err: err, Message: err.Error(), Locations: locations}
}

// Locations returns a position in the form that errors have; none for nil.
func Locations(position *ast.Position) []gqlerror.Location {
	if position == nil {
		return nil
	}
	return []gqlerror.Location{{Line: position.Line, Column: position.Column}}
}
