package graph

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"revox-graphql/upstream"
)

// leaving is a context that ends once it has been looked at so many times: the client goes while its answer is written.
type leaving struct {
	context.Context //nolint:containedctx // that is what it is
	looks           int
}

func (l *leaving) Err() error {
	if l.looks--; l.looks < 0 {
		return context.Canceled
	}
	return nil
}

// Writing ends when the client has gone, in rows and in transcripts that are searched.
func TestWritingEndsWithItsClient(t *testing.T) {
	r := newBenchRival(t)
	for name, test := range map[string]struct {
		query string
		looks int
	}{
		"rows":        {"{ calls(first: 100) { nodes { id } } }", 3},
		"edges":       {"{ calls(first: 100) { edges { node { id } } } }", 3},
		"transcripts": {`{ calls(first: 100) { nodes { transcript(roles: [USER, ASSISTANT, TOOL]) { content } } } }`, 4},
	} {
		t.Run(name, func(t *testing.T) {
			op, root := r.rootField(t, test.query)
			page, err := r.resolver.pages.of(upstream.List{}, time.Time{}).get(t.Context(), 0, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			plan := newRootPlan(op, root)
			c := &CallConnection{window: &window{span: spanOf(page), to: 100}, plan: plan}
			write := func(looks int) []byte {
				ctx := graphql.WithOperationContext(t.Context(), op)
				args := plan.bind(ctx)
				return plan.connection.write(nil, &run{ctx: &leaving{ctx, looks}, args: args, most: 1 << 30}, c)
			}
			whole, part := write(1<<30), write(test.looks)
			if len(part) > len(whole)/10 {
				t.Errorf("%d of %d bytes were written", len(part), len(whole))
			}
			// What was written by then is not sent, and is the client's doing.
			var buffer bytes.Buffer
			ctx, cancel := context.WithCancel(withRequest(t.Context(), &request{buffer: &buffer}))
			ctx = graphql.WithResponseContext(ctx, presenter{}.presentSome, graphql.DefaultRecover)
			cancel()
			c.args = plan.bind(graphql.WithOperationContext(ctx, op))
			if err := c.MarshalGQLContext(ctx, &buffer); err != nil {
				t.Fatal(err)
			}
			if errs := graphql.GetErrors(ctx); buffer.String() != null || len(errs) != 1 ||
				errs[0].Extensions["code"] != codeClientClosed {
				t.Errorf("got %.100s, %v", buffer.String(), errs)
			}
		})
	}
}

// noted is a memory without calls that counts what it is asked, and tells.
type noted struct {
	asked []string
	told  func()
}

func (n *noted) FindCall(_ upstream.Tenant, id string, _ time.Time) (*upstream.Call, *upstream.Page) {
	n.asked = append(n.asked, id)
	n.told()
	return nil, nil
}

// Looking up ends when the client has gone, and no id is looked up twice.
func TestLookingUpEndsWithItsClient(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	known := &noted{}
	known.told = func() {
		if len(known.asked) == 2 {
			cancel()
		}
	}
	_, err := (&reader{}).lookUp(ctx, known, []string{"a", "a", "", "b", "a", "c", "d"}, 20)
	if err == nil || len(known.asked) != 2 || known.asked[1] != "b" {
		t.Errorf("%v, %v", known.asked, err)
	}
}
