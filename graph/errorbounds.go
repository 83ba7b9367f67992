package graph

import (
	"sync"

	"revox-graphql/graph/document"
	"revox-graphql/internal/errcode"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

const (
	// maxAnswerErrors is the most errors that one answer tells: those of five fields of each of a hundred calls.
	maxAnswerErrors = 500
	// maxErrorBytes bounds their bytes, where paths are long.
	maxErrorBytes = 256 << 10
)

// errorBounds bounds the errors that one answer tells. A field inside a row has one error for each row, with its path.
type errorBounds struct {
	mu    sync.Mutex
	told  int
	bytes int // about, of those that are told
	rest  int // errors that are not told
}

// admit reports whether one more error is told, and counts it.
func (e *errorBounds) admit() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.told >= maxAnswerErrors || e.bytes >= maxErrorBytes {
		e.rest++
		return false
	}
	e.told++
	return true
}

// add counts the bytes of an error that is told.
func (e *errorBounds) add(err *gqlerror.Error) {
	const rest = 120 // the names of members, a place, a code
	size := rest + len(err.Message)
	for _, step := range err.Path {
		size += 4
		if name, ok := step.(ast.PathName); ok {
			size += len(name)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bytes += size
}

// size is about how many bytes the errors have so far.
func (e *errorBounds) size() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.bytes
}

// more is the error that says how many others are not told; nil if all are.
func (e *errorBounds) more() *gqlerror.Error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rest == 0 {
		return nil
	}
	return document.LimitError("errors", errcode.QueryTooComplex, e.told, e.told+e.rest,
		"The answer has more errors than are told: %d others were left out.", e.rest)
}
