package graph

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"revox-graphql/graph/hostile"
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
		"rows":        {"{ calls(first: 100) { nodes { id } } }", 1},
		"edges":       {"{ calls(first: 100) { edges { node { id } } } }", 1},
		"transcripts": {`{ calls(first: 100) { nodes { transcript(roles: [USER, ASSISTANT, TOOL]) { content } } } }`, 5},
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
			if len(part) > len(whole)/5 {
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

// Writing ends when there is enough: after each value, and after each entry of a transcript.
func TestWritingEndsAfterOneValue(t *testing.T) {
	r := newBenchRival(t)
	alias := strings.Repeat("a", 150)
	for name, query := range map[string]string{
		"fields of one row":            "{ calls { nodes {" + hostile.Numbered(" "+alias+"%d: status", 30) + " } } }",
		"entries of one transcript":    "{ calls { nodes { transcript { " + alias + ": role } } } }",
		"entries that passed a filter": "{ calls { nodes { transcript(first: 1000) { " + alias + ": role } } } }",
		"fields of one row's transcripts": "{ calls { nodes {" +
			hostile.Numbered(" "+alias+"%d: transcript(first: 1) { role }", 30) + " } } }",
	} {
		t.Run(name, func(t *testing.T) {
			op, root := r.rootField(t, query)
			page, err := r.resolver.pages.of(upstream.List{}, time.Time{}).get(t.Context(), 0, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			row := slices.IndexFunc(page.Rows, func(row upstream.Row) bool {
				n, _ := row.Call.TranscriptLen()
				return n > 10
			})
			plan := newRootPlan(op, root)
			c := &CallConnection{window: &window{span: spanOf(page), from: row, to: row + 1}, plan: plan}
			ctx := graphql.WithOperationContext(t.Context(), op)
			const most, oneValue = 500, 250
			args := plan.bind(ctx)
			whole := plan.connection.write(nil, &run{ctx: ctx, args: args, most: 1 << 30}, c)
			part := plan.connection.write(nil, &run{ctx: ctx, args: args, most: most}, c)
			if len(whole) < 2*(most+oneValue) || len(part) <= most || len(part) > most+oneValue {
				t.Errorf("%d of %d bytes were written", len(part), len(whole))
			}
		})
	}
}

// A transcript is not searched for a client that has gone, and no further than until it goes.
func TestSearchingEndsWithItsClient(t *testing.T) {
	r := newBenchRival(t)
	page, err := r.resolver.pages.of(upstream.List{}, time.Time{}).get(t.Context(), 0, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	call := page.Rows[slices.IndexFunc(page.Rows, func(row upstream.Row) bool {
		n, _ := row.Call.TranscriptLen()
		return n > 10
	})].Call
	n, _ := call.TranscriptLen()
	for looks, want := range []int{0, n} {
		if kept := (&transcriptFilter{}).keep(&leaving{t.Context(), looks}, call, n); len(kept) != want {
			t.Errorf("%d looks: %d of %d entries", looks, len(kept), n)
		}
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
