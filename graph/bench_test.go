package graph

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"revox-graphql/graph/document"
	"revox-graphql/graph/encode"
	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/graph/responsecache"
	"revox-graphql/upstream/fake"
)

// The work that is measured everywhere: S1 scalars of 20 calls, S2 their whole transcripts, S3 the roles alone, S5 the
// transcripts of 100 calls, and S1 with a cursor for each call, as Relay and Apollo Client ask for it.
var benchmarks = []struct{ name, query string }{
	{
		"S1",
		`{ calls(first: 20) { nodes { id status phoneNumber startedAt answeredAt endedAt durationSeconds result ` +
			`endReason endedBy } pageInfo { hasNextPage endCursor } } }`,
	},
	{
		"S2",
		`{ calls(first: 20) { nodes { id status transcript { index role content toolName toolArguments toolIsError } } ` +
			`pageInfo { hasNextPage endCursor } } }`,
	},
	{"S3", `{ calls(first: 20) { nodes { id transcript { role } } pageInfo { hasNextPage endCursor } } }`},
	{
		"S5",
		`{ calls(first: 100) { nodes { id status transcript { index role content toolName toolArguments toolIsError } } ` +
			`pageInfo { hasNextPage endCursor } } }`,
	},
	{
		"S1-edges",
		`{ calls(first: 20) { edges { cursor node { id status phoneNumber startedAt answeredAt endedAt durationSeconds ` +
			`result endReason endedBy } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
	},
}

// newBenchRival is 100 calls as the fake writes them.
func newBenchRival(b testing.TB) *rival {
	b.Helper()
	rest := httptest.NewRecorder()
	fake.New(fake.Config{Seed: 1, Calls: 100, Now: func() time.Time { return time.Unix(1773480413, 0) }}).ServeHTTP(
		rest, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/call?page=0&page_size=100", http.NoBody))
	var page struct{ Calls []json.RawMessage }
	if err := json.Unmarshal(rest.Body.Bytes(), &page); err != nil {
		b.Fatal(err)
	}
	return newRival(b, page.Calls)
}

// discard is a ResponseWriter that counts.
type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { d.n += len(p); return len(p), nil }

// BenchmarkResponse answers one request, without the network: executing, from memory, and by gqlgen's generated
// execution.
func BenchmarkResponse(b *testing.B) {
	r := newBenchRival(b)
	caching := r.Handler.(*handler)
	executing := *caching
	executing.responses = responsecache.New(nil, 1, nil) // in which nothing fits
	for _, work := range benchmarks {
		request, err := json.Marshal(map[string]string{"query": work.query})
		if err != nil {
			b.Fatal(err)
		}
		serve := func(b *testing.B, h http.Handler) {
			b.Helper()
			b.ReportAllocs()
			w := &discard{header: http.Header{}}
			for b.Loop() {
				w.n = 0
				req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/graphql", bytes.NewReader(request))
				req.Header["Content-Type"] = []string{applicationJSON}
				h.ServeHTTP(w, req)
			}
			b.SetBytes(int64(w.n))
		}
		b.Run(work.name+"/executing", func(b *testing.B) { serve(b, &executing) })
		b.Run(work.name+"/cached", func(b *testing.B) { serve(b, caching) })
		b.Run(work.name+"/generated", func(b *testing.B) {
			b.ReportAllocs()
			var body []byte
			for b.Loop() {
				body = r.askOracle(b, string(request))
			}
			b.SetBytes(int64(len(body)))
		})
	}
}

// BenchmarkPlan compiles the selection of S2, which is done once for each operation.
func BenchmarkPlan(b *testing.B) {
	r := newBenchRival(b)
	op, root := r.rootField(b, benchmarks[1].query)
	b.ReportAllocs()
	for b.Loop() {
		// A new context, because CollectFields caches.
		again := &graphql.OperationContext{Doc: op.Doc, Operation: op.Operation, Variables: op.Variables}
		encode.Compile(again, root, newArguments())
	}
}

// BenchmarkWrite runs the plans over a window that lies ready.
func BenchmarkWrite(b *testing.B) {
	r := newBenchRival(b)
	for _, work := range benchmarks {
		b.Run(work.name, func(b *testing.B) {
			op, root := r.rootField(b, work.query)
			plan := encode.Compile(op, root, newArguments())
			count := 20 + 80*strings.Count(work.query, "100")
			c := plan.Connection(b.Context(), r.window(b, relay.Range{Count: count}))
			var buffer bytes.Buffer
			b.ReportAllocs()
			for b.Loop() {
				buffer.Reset()
				if err := c.MarshalGQLContext(b.Context(), &buffer); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(buffer.Len()))
		})
	}
}

// window reads a window of the list.
func (r *rival) window(tb testing.TB, rng relay.Range) *pagination.Window {
	tb.Helper()
	w, err := r.resolver.pages.Reader(pagination.Request{}).Window(tb.Context(), rng, pagination.Selection{Rows: true})
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// rootField parses a query and returns its one root field.
func (r *rival) rootField(b testing.TB, query string) (*graphql.OperationContext, graphql.CollectedField) {
	b.Helper()
	h := r.Handler.(*handler)
	found, err := h.documents.Find(document.Request{Query: query}, nil)
	if err != nil {
		b.Fatal(err)
	}
	_, op, errs := h.prepare(found, &graphql.RawParams{})
	if errs != nil {
		b.Fatal(errs)
	}
	return op, graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Query"})[0]
}
