package encode_test

import (
	"fmt"

	"github.com/99designs/gqlgen/graphql"

	"revox-graphql/graph/document"
	"revox-graphql/graph/encode"
	"revox-graphql/graph/generated"
)

// Compile makes a plan from the selection of a root field once. The plan writes any number of windows, and knows which
// parts they need.
func Example() {
	documents, err := document.New(document.Options{Schema: generated.Schema()})
	if err != nil {
		panic(err)
	}
	found, err := documents.Find(document.Request{Query: `{ calls { nodes { id } pageInfo { hasNextPage } } }`}, nil)
	if err != nil {
		panic(err)
	}
	operation := found.AST.Operations[0]
	op := &graphql.OperationContext{Doc: found.AST, Operation: operation}
	field := graphql.CollectFields(op, operation.SelectionSet, []string{"Query"})[0]
	plan := found.Plans.Of(op, field, &encode.Arguments{})

	// The gateway requests only the selected parts: here the rows and whether others follow, and not the length.
	fmt.Printf("%+v\n", plan.Selection())
	// Output: {Rows:true Next:true Previous:false Total:false Scan:false}
}
