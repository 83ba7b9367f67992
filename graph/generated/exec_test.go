package generated

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"revox-graphql/graph/encode"
	"revox-graphql/graph/filter"
	"revox-graphql/upstream"
)

// failing resolves `calls` with an error, or by a panic.
type failing struct {
	QueryResolver
	err   error
	panic any
}

// only are the resolvers of queries alone.
type only struct {
	ResolverRoot
	queries QueryResolver
}

func (o only) Query() QueryResolver { return o.queries }

func (f failing) Calls(
	context.Context, *int, *string, *int, *string, []upstream.OrderStatus, *filter.CallFilter,
) (*encode.Connection, error) {
	if f.panic != nil {
		panic(f.panic)
	}
	return nil, f.err
}

// `calls` fails alone as it does beside other fields, which gqlgen executes.
func TestCallsFailsAloneAsBesideOtherFields(t *testing.T) {
	for name, test := range map[string]struct {
		resolvers failing
		variables map[string]any
	}{
		"an argument":                  {failing{}, map[string]any{"after": []any{}}},
		"a part of an argument":        {failing{}, map[string]any{"number": []any{}}},
		"the resolver, with an error":  {failing{err: errors.New("failed")}, nil},
		"the resolver, with two":       {failing{err: errors.Join(errors.New("one"), errors.New("two"))}, nil},
		"the resolver, with its panic": {failing{panic: "failed"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			execute := func(rest string) (data map[string]any, problems string) {
				t.Helper()
				schema := Schema()
				document, errs := gqlparser.LoadQueryWithRules(schema, `query ($after: String, $number: String) {
					c: calls(after: $after, filter: {phoneNumber: {is: $number}}) { totalCount }`+rest+` }`, rules.NewDefaultRules())
				if errs != nil {
					t.Fatal(errs)
				}
				recovered := func(_ context.Context, v any) error { return errors.New(v.(string)) }
				op := &graphql.OperationContext{
					Doc: document, Operation: document.Operations[0], Variables: test.variables, RecoverFunc: recovered,
					ResolverMiddleware: func(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) },
					RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
						return next(ctx)
					},
				}
				ctx := graphql.WithResponseContext(t.Context(), graphql.DefaultErrorPresenter, recovered)
				var buffer bytes.Buffer
				New(only{queries: test.resolvers}, schema).Execute(ctx, op, &buffer)
				if err := json.Unmarshal(buffer.Bytes(), &data); err != nil {
					t.Fatal(err)
				}
				text, err := json.Marshal(graphql.GetErrors(ctx))
				if err != nil {
					t.Fatal(err)
				}
				return data, string(text)
			}
			alone, got := execute("")
			_, want := execute(" __typename")
			if value, there := alone["c"]; !there || value != nil || len(alone) != 1 || got != want || got == "null" {
				t.Errorf("%v\n%s\nwant null\n%s", alone, got, want)
			}
		})
	}
}

// The table of enum names that the generated code reads has each name of the schema.
func TestEveryEnumNameIsDecoded(t *testing.T) {
	schema := Schema()
	ec := executionContext{}
	for _, value := range schema.Types["CallOrderStatus"].EnumValues {
		status, err := ec.unmarshalNCallOrderStatus2revoxᚑgraphqlᚋupstreamᚐOrderStatus(t.Context(), value.Name)
		if status == "" || err != nil {
			t.Errorf("%s: %v", value.Name, err)
		}
	}
	for _, value := range schema.Types["TranscriptRole"].EnumValues {
		role, err := ec.unmarshalNTranscriptRole2revoxᚑgraphqlᚋupstreamᚐTranscriptRole(t.Context(), value.Name)
		if role == 0 || err != nil {
			t.Errorf("%s: %v", value.Name, err)
		}
	}
}
