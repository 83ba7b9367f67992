package encode

import (
	"context"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/rest"
)

func parsedSchema(tb testing.TB) *ast.Schema {
	tb.Helper()
	text, err := os.ReadFile("../../schema.graphqls")
	if err != nil {
		tb.Fatal(err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: string(text)})
	if err != nil {
		tb.Fatal(err)
	}
	return schema
}

// rootField parses a query and returns its one root field.
func rootField(tb testing.TB, query string) (*graphql.OperationContext, graphql.CollectedField) {
	tb.Helper()
	document, errs := gqlparser.LoadQueryWithRules(parsedSchema(tb), query, rules.NewDefaultRules())
	if errs != nil {
		tb.Fatal(errs)
	}
	op := &graphql.OperationContext{Doc: document, Operation: document.Operations[0]}
	return op, graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Query"})[0]
}

// everyRole coerces any given roles to all roles, and `first` to itself.
var everyRole = &Arguments{Transcript: func(_ context.Context, raw map[string]any) (map[string]any, error) {
	args := map[string]any{}
	if raw["roles"] != nil {
		args["roles"] = []upstream.TranscriptRole{
			upstream.TranscriptRoleUser, upstream.TranscriptRoleAssistant, upstream.TranscriptRoleTool,
		}
	}
	if first, ok := raw["first"].(int64); ok {
		n := int(first)
		args["first"] = &n
	}
	return args, nil
}}

// window reads a window of the fake's calls.
func window(tb testing.TB, rng relay.Range) *pagination.Window {
	tb.Helper()
	server := httptest.NewServer(fake.New(fake.Config{
		Seed: 1, Calls: 100, Now: func() time.Time { return time.Unix(1773480413, 0) },
	}))
	defer server.Close()
	base, err := url.Parse(server.URL + "/api")
	if err != nil {
		tb.Fatal(err)
	}
	client := rest.NewClient(rest.Options{BaseURL: base})
	defer client.Close()
	lists := pagination.New(client, pagination.Options{PageSize: 200, MaxShift: 1000})
	w, err := lists.Reader(pagination.Request{}).Window(tb.Context(), rng, pagination.Selection{Rows: true})
	if err != nil {
		tb.Fatal(err)
	}
	return w
}
