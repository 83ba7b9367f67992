// Package document turns the text of a GraphQL request into a document that may run.
//
// A [Store] finds the document of a request: by its text, by the hash of an automatic persisted query, or by the id of
// a trusted document (persisted.go, trusted.go). The Store checks each text once, in an order that keeps each check
// cheap: it counts the tokens (syntax.go), parses the text, measures its size with fragments expanded (limits.go,
// fragments.go), and validates it (checker.go, with values.go for literals). It also prepares what is the same for all
// requests: the coercion of the variables (variables.go) and the cost of an operation (cost.go). It caches documents
// that passed (cache.go).
//
// Errors in a document are GraphQL errors with a code of package errcode, ready for the client. Errors in the way a
// request names its document are the sentinels of persisted.go; the caller words them.
package document

import (
	"log/slog"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/graph/encode"
	"revox-graphql/internal/errcode"
	"revox-graphql/internal/memory"
)

// Options are the settings of a [Store].
type Options struct {
	Schema *ast.Schema
	Limits Limits
	// DefaultCount is how many calls a connection returns without `first` and `last`, and MaxCount the most that it may
	// return.
	DefaultCount, MaxCount int
	// ScanPages is how many pages one scan for a filter may read, which is its cost.
	ScanPages int
	// Introspection allows introspection. Without it, errors do not suggest names of the schema either.
	Introspection bool
	// PersistedBytes bounds the memory for automatic persisted queries, in bytes; 0 turns them off.
	PersistedBytes int
	// TrustedDocuments is the path of a manifest of the only documents that may run; "" lets every document run.
	TrustedDocuments string
	// Memory counts the bytes of cached documents and texts; nil counts nothing.
	Memory *memory.Budget
	// Log gets a line when the manifest is read again.
	Log *slog.Logger
}

// Document is a document that has passed every check, with the results that all of its requests share.
type Document struct {
	Text  string
	Hash  string // SHA-256 of the text, in hexadecimal digits
	AST   *ast.QueryDocument
	Plans *encode.Plans

	operations []*Operation
	size       int               // estimated bytes of the document, without its plans
	grown      func(bytes int64) // called with the bytes by which plans grow; nil: not cached
}

// Operation is one operation of a document.
type Operation struct {
	Definition *ast.OperationDefinition

	cost      *costPlan
	variables *variables
}

// Operation returns the operation that a request names (GraphQL spec 6.1 GetOperation). The wording of its errors is
// that of graphql-js.
func (d *Document) Operation(name string) (*Operation, *gqlerror.Error) {
	if err := checkName(len(name)); err != nil {
		return nil, err
	}
	if name == "" && len(d.operations) == 1 {
		return d.operations[0], nil
	}
	for _, operation := range d.operations {
		if operation.Definition.Name == name {
			return operation, nil
		}
	}
	err := gqlerror.Errorf(`Unknown operation named "%s".`, Shorten(name))
	if name == "" {
		err = gqlerror.Errorf("Must provide operation name if query contains multiple operations.")
	}
	return nil, coded(gqlerror.List{err}, errcode.ValidationFailed)[0]
}

// planned counts the bytes of plans.
func (d *Document) planned(bytes int64) {
	if d.grown != nil {
		d.grown(bytes)
	}
}
