package encode

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"

	"revox-graphql/graph/hostile"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// leaving is a context that ends after so many calls of Err: the client goes while its response is written.
type leaving struct {
	context.Context //nolint:containedctx // it wraps one
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
	for name, test := range map[string]struct {
		query string
		looks int
	}{
		"rows":        {"{ calls(first: 100) { nodes { id } } }", 1},
		"edges":       {"{ calls(first: 100) { edges { node { id } } } }", 1},
		"transcripts": {`{ calls(first: 100) { nodes { transcript(roles: [USER, ASSISTANT, TOOL]) { content } } } }`, 5},
	} {
		t.Run(name, func(t *testing.T) {
			op, root := rootField(t, test.query)
			plan := Compile(op, root, everyRole)
			calls := window(t, relay.Range{Count: 100})
			write := func(looks int) []byte {
				ctx := graphql.WithOperationContext(t.Context(), op)
				c := plan.Connection(ctx, calls)
				return plan.connection.write(nil, &run{ctx: &leaving{ctx, looks}, args: c.args, most: 1 << 30}, c)
			}
			whole, part := write(1<<30), write(test.looks)
			if len(part) > len(whole)/5 {
				t.Errorf("%d of %d bytes were written", len(part), len(whole))
			}
			// The part that was written is not sent, and the error is the context's.
			var buffer bytes.Buffer
			ctx, cancel := context.WithCancel(graphql.WithOperationContext(t.Context(), op))
			ctx = graphql.WithResponseContext(ctx, graphql.DefaultErrorPresenter, graphql.DefaultRecover)
			cancel()
			if err := plan.Connection(ctx, calls).MarshalGQLContext(ctx, &buffer); err != nil {
				t.Fatal(err)
			}
			if errs := graphql.GetErrors(ctx); buffer.String() != null || len(errs) != 1 ||
				!errors.Is(errs[0], context.Canceled) {
				t.Errorf("got %.100s, %v", buffer.String(), errs)
			}
		})
	}
}

// Writing ends at the limit: after a value, or after an entry of a transcript.
func TestWritingEndsAfterOneValue(t *testing.T) {
	alias := strings.Repeat("a", 150)
	for name, query := range map[string]string{
		"fields of one row":            "{ calls { nodes {" + hostile.Numbered(" "+alias+"%d: status", 30) + " } } }",
		"entries of one transcript":    "{ calls { nodes { transcript { " + alias + ": role } } } }",
		"entries that passed a filter": "{ calls { nodes { transcript(first: 1000) { " + alias + ": role } } } }",
		"fields of one row's transcripts": "{ calls { nodes {" +
			hostile.Numbered(" "+alias+"%d: transcript(first: 1) { role }", 30) + " } } }",
	} {
		t.Run(name, func(t *testing.T) {
			op, root := rootField(t, query)
			before := window(t, relay.Range{Count: 100})
			after := before.Cursor(withTranscript(before.Rows()[1:]))
			plan := Compile(op, root, everyRole)
			ctx := graphql.WithOperationContext(t.Context(), op)
			const most, oneValue = 500, 250
			c := plan.Connection(ctx, window(t, relay.Range{After: &after, Count: 1}))
			whole := plan.connection.write(nil, &run{ctx: ctx, args: c.args, most: 1 << 30}, c)
			part := plan.connection.write(nil, &run{ctx: ctx, args: c.args, most: most}, c)
			if len(whole) < 2*(most+oneValue) || len(part) <= most || len(part) > most+oneValue {
				t.Errorf("%d of %d bytes were written", len(part), len(whole))
			}
		})
	}
}

// The search in a transcript ends when the client has gone.
func TestSearchingEndsWithItsClient(t *testing.T) {
	rows := window(t, relay.Range{Count: 100}).Rows()
	call := rows[withTranscript(rows)].Call
	n, _ := call.TranscriptLen()
	for looks, want := range []int{0, n} {
		if kept := (&transcriptFilter{}).keep(&leaving{t.Context(), looks}, call, n); len(kept) != want {
			t.Errorf("%d looks: %d of %d entries", looks, len(kept), n)
		}
	}
}

// withTranscript returns the index of the first row with more than ten transcript entries.
func withTranscript(rows []upstream.Row) int {
	return slices.IndexFunc(rows, func(row upstream.Row) bool {
		n, _ := row.Call.TranscriptLen()
		return n > 10
	})
}

// A role that the generated code does not know is an error.
func TestUnknownRole(t *testing.T) {
	roles := []upstream.TranscriptRole{upstream.TranscriptRoleUser, 0}
	if _, err := newTranscriptFilter(map[string]any{"roles": roles}); err == nil {
		t.Error("a filter has an unknown role")
	}
}
