package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/document"
	"revox-graphql/graph/oracle"
	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/pagecache"
	"revox-graphql/upstream/rest"
)

// The oracle is gqlgen's generated execution of the same schema, over plain structs that encoding/json has read. Both
// sides walk the list with the same code, which other tests are for. What is held against one another, byte for byte,
// is how responses of upstream are read and how responses to clients are written.

var operations = flag.Int("operations", 20_000, "how many random operations TestOracle compares")

// rival is one list of calls behind both ways of answering.
type rival struct {
	http.Handler // the gateway's, which also caches responses
	oracle       *executor.Executor
	resolver     *Resolver // walks the list for the oracle
	plain        map[string]*oracle.Call
	ids, cursors []string
}

func newRival(tb testing.TB, rows []json.RawMessage) *rival {
	tb.Helper()
	api := fake.New(fake.Config{})
	api.SetRows(rows...)
	cache := pagecache.New(failing{rest.NewClient(rest.Options{
		BaseURL: &url.URL{Scheme: "http", Host: "upstream.test", Path: "/api"}, Transport: inProcess{api},
	})}, pagecache.Options{TTL: time.Hour, MaxBytes: 64 << 20})
	// Every window comes from one response, whatever was asked before: cursors hold the response's time and neighbours.
	for _, statuses := range operationStatuses {
		_, _ = cache.ListCalls(tb.Context(), upstream.ListCallsOptions{
			List: upstream.List{Statuses: upstream.NewOrderStatuses(statuses...)}, PageSize: 200,
		})
	}
	opts := Options{
		Calls: cache, Known: cache, Cached: true, ResponseCacheBytes: 1 << 20, PageSize: 200, MaxCount: 100, MaxShift: 1000,
		MaxScan: 20,
		Timeout: time.Minute, Introspection: true, Log: slog.New(slog.DiscardHandler),
	}
	// Both read through the same pages: a cursor is as good to one as to the other.
	pages := pagination.New(cache, pagination.Options{
		PageSize: opts.PageSize, MaxShift: opts.MaxShift, Cached: true, Log: opts.Log,
	})
	handler, err := newHandler(opts, pages)
	if err != nil {
		tb.Fatal(err)
	}
	r := &rival{Handler: handler, plain: map[string]*oracle.Call{}}
	r.resolver = &Resolver{pages: pages, known: cache, maxCount: opts.MaxCount, maxScan: opts.MaxScan}
	r.oracle = executor.New(oracle.New(r))
	p := presenter{log: opts.Log, maxScan: opts.MaxScan}
	r.oracle.SetErrorPresenter(p.present)
	r.oracle.SetRecoverFunc(p.recovered)

	texts := make([]string, len(rows))
	for i := range rows {
		texts[i] = string(rows[i])
	}
	for _, row := range oracle.Read([]byte(`{"calls": [` + strings.Join(texts, ",") + `]}`)) {
		if row.Call != nil {
			r.plain[row.Call.ID] = row.Call
			r.ids = append(r.ids, row.Call.ID)
		}
	}
	var first struct {
		Data struct {
			Calls struct{ Edges []struct{ Cursor string } }
		}
	}
	_, body := r.ask(tb, `{"query": "{ calls(first: 100) { edges { cursor } } }"}`)
	if err := json.Unmarshal(body, &first); err != nil || len(first.Data.Calls.Edges) != len(r.ids) {
		tb.Fatalf("%d edges for %d calls", len(first.Data.Calls.Edges), len(r.ids))
	}
	for _, edge := range first.Data.Calls.Edges {
		r.cursors = append(r.cursors, edge.Cursor)
	}
	return r
}

// inProcess asks a handler without a network.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

// failing fails for one filter.
type failing struct{ upstream.Lister }

func (l failing) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	if opts.Statuses == upstream.NewOrderStatuses(upstream.OrderStatusErrored) {
		return nil, &upstream.Error{Kind: upstream.KindRateLimited, RetryAfter: 7 * time.Second}
	}
	return l.Lister.ListCalls(ctx, opts)
}

// ask asks the gateway.
func (r *rival) ask(tb testing.TB, request string) (status int, body []byte) {
	tb.Helper()
	req := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "/graphql", strings.NewReader(request))
	req.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	r.ServeHTTP(recorder, req)
	return recorder.Code, recorder.Body.Bytes()
}

// askOracle asks gqlgen's generated execution.
func (r *rival) askOracle(tb testing.TB, text string) []byte {
	tb.Helper()
	params, rejected := parseText(http.MethodPost, text)
	if rejected != nil {
		tb.Fatal(rejected.errors)
	}
	// What is asked is made out by the gateway's own code, which graphql-js is the oracle of.
	h := r.Handler.(*handler)
	found, err := h.documents.Find(document.Request{Query: params.Query}, nil)
	if err != nil {
		return encodeResponse(&graphql.Response{Errors: rejectDocument(err).errors})
	}
	_, op, errs := h.prepare(found, &params.RawParams)
	if errs != nil {
		return encodeResponse(&graphql.Response{Errors: errs})
	}
	ctx := withRequest(tb.Context(), &request{deadline: time.Now().Add(time.Minute)})
	respond, ctx := r.oracle.DispatchOperation(ctx, op)
	return encodeResponse(respond(ctx))
}

// encodeResponse encodes a response whose data is encoded already.
func encodeResponse(response *graphql.Response) []byte {
	b := appendMember([]byte{'{'}, "errors", response.Errors)
	if response.Data != nil {
		b = append(append(b, `,"data":`...), response.Data...)
	}
	return append(b, '}')
}

// Calls implements [oracle.Source].
func (r *rival) Calls(
	ctx context.Context, first *int, after *string, last *int, before *string, statuses []oracle.CallOrderStatus,
) (*oracle.CallConnection, error) {
	var orders []upstream.OrderStatus
	for _, status := range statuses {
		orders = append(orders, upstream.OrderStatus(strings.ToLower(string(status))))
	}
	list, w, err := r.resolver.window(
		ctx, relay.Arguments{First: first, After: after, Last: last, Before: before}, orders, needOf(ctx),
	)
	if err != nil {
		return nil, err
	}
	c := &oracle.CallConnection{
		Edges: []*oracle.CallEdge{}, Nodes: []*oracle.Call{},
		PageInfo: &oracle.PageInfo{HasNextPage: w.HasNext(), HasPreviousPage: w.HasPrevious()},
		Count: func(ctx context.Context) (*int, error) {
			n, err := list.Count(ctx, w)
			if err != nil {
				return nil, err
			}
			return &n, nil
		},
	}
	for _, problem := range w.Problems() {
		graphql.AddError(ctx, problem)
	}
	for i, row := range w.Rows() {
		if row.Call == nil {
			continue
		}
		cursor, call := w.Cursor(i).String(), r.plain[row.Call.ID]
		c.Edges = append(c.Edges, &oracle.CallEdge{Cursor: cursor, Node: call})
		c.Nodes = append(c.Nodes, call)
		c.PageInfo.EndCursor = &cursor
	}
	if len(c.Edges) > 0 {
		c.PageInfo.StartCursor = &c.Edges[0].Cursor
	}
	return c, nil
}

// needOf is what is selected of the connection, read off once more.
func needOf(ctx context.Context) pagination.Selection {
	var n pagination.Selection
	op := graphql.GetOperationContext(ctx)
	for _, field := range graphql.CollectFieldsCtx(ctx, nil) {
		switch field.Name {
		case "edges", "nodes":
			n.Rows = true
		case "pageInfo":
			for _, field := range graphql.CollectFields(op, field.Selections, nil) {
				n.Rows = n.Rows || field.Name == "startCursor" || field.Name == "endCursor"
				n.Next = n.Next || field.Name == "hasNextPage"
				n.Previous = n.Previous || field.Name == "hasPreviousPage"
			}
		}
	}
	return n
}

// Find implements [oracle.Source].
func (r *rival) Find(_ context.Context, ids []string) ([]*oracle.Call, error) {
	calls := make([]*oracle.Call, len(ids))
	if len(ids) > document.MaxIDs {
		return calls, &relay.ArgumentError{
			Argument: "ids", Message: fmt.Sprintf("`ids` has %d ids, and may have at most %d.", len(ids), document.MaxIDs),
		}
	}
	for i, id := range ids {
		calls[i] = r.plain[id]
	}
	return calls, nil
}

// CheckCounts implements [oracle.Source].
func (*rival) CheckCounts(first, last *int) error { return relay.CheckCounts(first, last) }

// compare asks both, and the gateway once more for what it may have cached. It reports whether the operation was
// executed, and not refused.
func (r *rival) compare(tb testing.TB, request string) (executed bool) {
	tb.Helper()
	_, got := r.ask(tb, request)
	want := r.askOracle(tb, request)
	gotErrors, gotData := takeApart(tb, got)
	wantErrors, wantData := takeApart(tb, want)
	if !bytes.Equal(gotData, wantData) || !slices.EqualFunc(gotErrors, wantErrors, bytes.Equal) {
		tb.Fatalf("%s\n\ngateway: %s\n\noracle:  %s", request, got, want)
	}
	if _, again := r.ask(tb, request); len(gotErrors) == 0 && !bytes.Equal(again, got) {
		tb.Fatalf("%s\n\nfirst:  %s\n\nagain: %s", request, got, again)
	}
	return gotData != nil
}

// takeApart is the response's data as it is, and its errors in an order that does not depend on which came first.
func takeApart(tb testing.TB, body []byte) (errors [][]byte, data []byte) {
	tb.Helper()
	var parts struct {
		Errors []json.RawMessage
		Data   json.RawMessage
	}
	if err := json.Unmarshal(body, &parts); err != nil {
		tb.Fatalf("%v: %s", err, body)
	}
	for _, err := range parts.Errors {
		errors = append(errors, err)
	}
	slices.SortFunc(errors, bytes.Compare)
	return errors, parts.Data
}

// oddRows are rows with every oddity that the reader knows of, and calls of the fake with a few entries each.
func oddRows(tb testing.TB, c *choices) []json.RawMessage {
	tb.Helper()
	var rows []json.RawMessage
	add := func(body []byte) {
		var page struct{ Calls []json.RawMessage }
		if err := json.Unmarshal(body, &page); err != nil {
			tb.Fatal(err)
		}
		rows = append(rows, page.Calls...)
	}
	files, err := filepath.Glob("testdata/rows/*.json")
	if err != nil || len(files) == 0 {
		tb.Fatal("no rows: ", err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		add(body)
	}
	rest := httptest.NewRecorder()
	fake.New(fake.Config{
		Seed: uint64(c.n(256)), Calls: 5,
		Now: func() time.Time { return time.Unix(1773480413, 0) },
	}).ServeHTTP(rest, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/api/call?page=0&page_size=5", nil))
	add(rest.Body.Bytes())
	for i := range 12 {
		rows = append(rows, json.RawMessage(oddRow(c, i)))
	}
	return rows
}

// oddRow makes a row of values that fit and that do not.
func oddRow(c *choices, i int) string {
	texts := []string{
		`null`, `"plain"`, `"caf\u00e9 \ud83d\ude00"`, `"\ud83d"`, `"\b\f\n\r\t\/\\\"\u0001\u007f\u2028"`, `"É 😀"`, `""`, `5`,
		`-1.50e3`, `true`, `"true"`, `0`, `{"a": [1.0]}`, `[ "x" ]`,
	}
	enums := []string{
		`"completed"`, `"human"`, `"ios-screening-filter"`, `"busy"`, `"agent"`, `"HUMAN"`, `""`, `"h\u0075man"`, `null`, `7`,
		`"unrecognized"`,
	}
	times := []string{
		`"2026-03-14T09:26:53.589Z"`, `"2026-03-14T10:26:53+01:00"`, `1773480413`, `1773480413589`, `{}`, `{ }`, `null`,
		`"soon"`,
		`"2026-03-14 09:26:53,5"`, `"2026-03-14T09:26:53.5894Z"`, `1e15`, `-1e3`, `"0000-01-01T00:00:00+10:00"`,
		`"2026-03-14 09:26:53.1+00"`, `"2026-03-14t09:26:53z"`, `"2026-03-14T09:26-05"`, `""`, `"0001-01-01T00:00:00Z"`, `0`,
		`1773480413589793`,
	}
	values := []string{
		`null`, `{"b": 1.50, "a": [ 1e400, {"x": null} ], "caf\u00e9": 2}`, `"text"`, `[1, 2]`, `0.10`, `{}`,
		`{"nps": 9, "nps": 10}`,
	}
	roles := []string{`"user"`, `"assistant"`, `"tool"`, `"narrator"`, `null`, `3`}
	pick := func(of []string) string { return of[c.n(len(of))] }
	entry := func() string {
		switch c.n(8) {
		case 0:
			return pick(texts)
		case 1:
			return `{}`
		}
		fields := []string{`"role": ` + pick(roles), `"content": ` + pick(texts)}
		for _, name := range []string{"tool_name", "tool_arguments", "tool_is_error", "at", "caf\\u00e9", "role"} {
			switch c.n(4) {
			case 1:
				fields = append(fields, `"`+name+`":`+pick(values))
			case 2:
				fields = append(fields, `"`+name+`" : `+pick(texts))
			}
		}
		return "{" + strings.Join(fields, " , ") + "}"
	}
	fields := []string{fmt.Sprintf(`"id": "odd-%d"`, i)}
	if c.n(8) == 1 {
		fields[0] = `"id": ` + pick([]string{`null`, `12`, `1.50`, `"caf\u00e9"`, `""`, `{}`, `"odd-0"`, `-3e2`})
	}
	for _, field := range []struct {
		name   string
		values []string
	}{
		{"status", enums},
		{"result", enums},
		{"dial_error", enums},
		{"ended_by", enums},
		{"phone_number", texts},
		{"end_reason", texts},
		{"recording_url", texts},
		{"started_at", times},
		{"answered_at", times},
		{"ended_at", times},
		{"structured_output", values},
		{"new", values},
		{"n\\\"ew\\u0001", texts},
		{"result", enums},
		{"new", texts},
		{"ended_at", times},
	} {
		if c.n(3) > 0 {
			fields = append(fields, `"`+field.name+`": `+pick(field.values))
		}
	}
	for range c.n(3) {
		transcript := pick(texts)
		if c.n(4) > 0 {
			var entries []string
			for range c.n(6) {
				entries = append(entries, entry())
			}
			transcript = "[" + strings.Join(entries, ",") + " ]"
		}
		fields = append(fields, `"transcript":`+transcript)
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// TestOracle compares random operations. For a long run:
//
//	go test ./graph -run TestOracle -operations 1000000 -timeout 1h
func TestOracle(t *testing.T) {
	const each = 500 // operations over one list
	executed := 0
	random := rand.New(rand.NewPCG(1, uint64(*operations)))
	for done := 0; done < *operations; done += each {
		r := newRival(t, oddRows(t, randomChoices(random, 4096)))
		for range each {
			if r.compare(t, newOperation(randomChoices(random, 256), r)) {
				executed++
			}
		}
	}
	if executed < *operations/2 {
		t.Errorf("only %d of %d operations were executed", executed, *operations)
	}
	t.Logf("%d operations, %d of them executed, no difference", *operations, executed)
}

// TestOracleOnQueries compares the queries of the golden files. The oracle does not filter or count.
func TestOracleOnQueries(t *testing.T) {
	r := newRival(t, oddRows(t, &choices{}))
	files, err := filepath.Glob("testdata/queries/*.graphql")
	if err != nil || len(files) == 0 {
		t.Fatal("no queries: ", err)
	}
	for _, file := range files {
		query, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		unresolved := func(field *ast.FieldDefinition) bool {
			return !strings.HasPrefix(field.Name, "__") && !slices.Contains(oracle.RootFields, field.Name) &&
				bytes.Contains(query, []byte(field.Name))
		}
		if bytes.Contains(query, []byte("filter:")) || slices.ContainsFunc(newSchema().Query.Fields, unresolved) {
			continue
		}
		request, err := json.Marshal(map[string]any{"query": string(query)})
		if err != nil {
			t.Fatal(err)
		}
		r.compare(t, string(request))
	}
}

// FuzzOracle lets the fuzzer choose the rows and the operation.
func FuzzOracle(f *testing.F) {
	f.Add([]byte{}, []byte{})
	random := rand.New(rand.NewPCG(2, 3))
	for range 20 {
		f.Add(randomChoices(random, 512).rest, randomChoices(random, 128).rest)
	}
	f.Fuzz(func(t *testing.T, rows, operation []byte) {
		r := newRival(t, oddRows(t, &choices{rows}))
		r.compare(t, newOperation(&choices{operation}, r))
	})
}
