package document_test

import (
	"errors"
	"fmt"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/graph/document"
	"revox-graphql/graph/generated"
)

// A document is checked once. Only the variables depend on the request, and with them the cost.
func Example() {
	documents, err := document.New(document.Options{
		Schema: generated.Schema(), Limits: document.Limits{Depth: 16, Cost: 5000}, DefaultCount: 20, MaxCount: 100,
	})
	if err != nil {
		panic(err) // only the file of trusted documents can cause an error
	}
	found, err := documents.Find(document.Request{
		Query: `query Newest($n: Int = 20) { calls(first: $n) { nodes { id transcript { content } } } }`,
	}, documents.Trusted())
	if err != nil {
		panic(err)
	}
	operation, _ := found.Operation("Newest")
	values, _ := operation.Coerce(map[string]any{})
	cost, tooMuch := operation.Cost(values)
	fmt.Println(values, cost, tooMuch == nil)
	// Output: map[n:20] 220 true
}

// An error is a list of GraphQL errors about the document, each with its code and place.
func ExampleStore_Find_invalid() {
	documents, _ := document.New(document.Options{Schema: generated.Schema(), Introspection: true})
	_, err := documents.Find(document.Request{Query: "{ calls { node { id } } }"}, nil)
	if errs, ok := errors.AsType[gqlerror.List](err); ok {
		for _, e := range errs {
			fmt.Println(e.Locations[0].Line, e.Locations[0].Column, e.Extensions["code"], e.Message)
		}
	}
	// Output: 1 11 GRAPHQL_VALIDATION_FAILED Cannot query field "node" on type "CallConnection". Did you mean "nodes"?
}

// A request that does not name a document in a valid way gets an error of this package.
func ExampleStore_Find_unknown() {
	documents, _ := document.New(document.Options{Schema: generated.Schema(), PersistedBytes: 1 << 20})
	_, err := documents.Find(document.Request{Extensions: map[string]any{
		"persistedQuery": map[string]any{"version": 1, "sha256Hash": "ab"},
	}}, nil)
	fmt.Println(errors.Is(err, document.ErrHashUnknown))
	// Output: true
}
