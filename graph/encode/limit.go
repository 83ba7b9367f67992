package encode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Limit bounds the bytes of a response.
type Limit struct {
	// Bytes of the response; 0 is no limit.
	Bytes int
	// Errors is how many bytes its errors have so far; nil is none.
	Errors func() int
}

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

// held is how many bytes the response has, where w is the buffer that it is written to.
func (l Limit) held(w io.Writer) int {
	n := 0
	if buffer, ok := w.(*bytes.Buffer); ok {
		n = buffer.Len()
	}
	if l.Errors != nil {
		n += l.Errors()
	}
	return n
}

// SizeError is the error of a root field with which the response has more bytes than its [Limit].
type SizeError struct{ Limit, Actual int }

func (e *SizeError) Error() string {
	return fmt.Sprintf("a response of %d bytes, and %d are allowed", e.Actual, e.Limit)
}

// Located is an error about a place of the document, unless it has one of its own.
func Located(err error, position *ast.Position) error {
	var locations []gqlerror.Location
	if position != nil {
		locations = []gqlerror.Location{{Line: position.Line, Column: position.Column}}
	}
	if own, ok := errors.AsType[*gqlerror.Error](err); ok && len(own.Locations) > 0 {
		locations = own.Locations
	}
	return &gqlerror.Error{Err: err, Message: err.Error(), Locations: locations}
}
