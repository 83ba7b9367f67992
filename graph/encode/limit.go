package encode

import (
	"context"
	"errors"
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Limit bounds the bytes of a response.
type Limit struct {
	// Bytes of the response; 0 is no limit.
	Bytes int
	// Errors is how many bytes its errors have so far; nil is none.
	Errors func() int
	// Grow gives what is written more room, and [SpareRoom] beyond; it may have at most so many bytes. It is false if
	// there is no memory: then nothing more is written, and nothing of the response is held any longer. nil: as slices
	// grow.
	Grow func(written []byte, most int) (grown []byte, ok bool)
}

// SpareRoom is how much more room there is than is looked at, in bytes: a value is written without looking. What is
// longer has the slice grow by itself.
const SpareRoom = 4 << 10

type limitKey struct{}

// WithLimit bounds what is written with the context.
func WithLimit(ctx context.Context, limit Limit) context.Context {
	return context.WithValue(ctx, limitKey{}, limit)
}

// limitOf is the limit of a context, or none.
func limitOf(ctx context.Context) Limit {
	limit, _ := ctx.Value(limitKey{}).(Limit)
	return limit
}

// errors is how many bytes the errors of the response have.
func (l Limit) errors() int {
	if l.Errors == nil {
		return 0
	}
	return l.Errors()
}

// SizeError is the error of a root field with which the response has more bytes than its [Limit].
type SizeError struct{ Limit, Actual int }

func (e *SizeError) Error() string {
	return fmt.Sprintf("a response of %d bytes, and %d are allowed", e.Actual, e.Limit)
}

// Located is an error about a place of the document, unless it has one of its own.
func Located(err error, position *ast.Position) error {
	locations := Locations(position)
	if own, ok := errors.AsType[*gqlerror.Error](err); ok && len(own.Locations) > 0 {
		locations = own.Locations
	}
	return &gqlerror.Error{Err: err, Message: err.Error(), Locations: locations}
}

// Locations are a position as errors have it; none for nil.
func Locations(position *ast.Position) []gqlerror.Location {
	if position == nil {
		return nil
	}
	return []gqlerror.Location{{Line: position.Line, Column: position.Column}}
}
