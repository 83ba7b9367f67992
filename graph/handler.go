// Package graph is the GraphQL side: the handler, the resolvers, and the connections that walk a moving list.
//
// A request comes in at handler.go; persisted.go finds its document, and documents.go checks it as limits.go explains,
// with syntax.go and values.go, which are stricter than gqlparser. variables.go coerces its variables, and cost.go says
// what it costs. gqlgen executes it (package generated), with nulls.go where variables are null. resolver.go resolves
// the root fields: it reads lists through package pagination, and what it returns writes itself, see package encode.
// The response is remembered for a while, which remember.go does. errors.go decides what a client is told, and
// report.go tells the operator.
package graph

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/graph/document"
	"revox-graphql/graph/encode"
	"revox-graphql/graph/generated"
	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/graph/responsecache"
	"revox-graphql/internal/errcode"
	"revox-graphql/internal/memory"
	"revox-graphql/internal/negotiate"
	"revox-graphql/upstream"
)

// Options are the settings of the GraphQL handler.
type Options struct {
	// Calls lists upstream's calls, and Known tells what of them is in memory. Usually both are the page cache.
	Calls upstream.Lister
	Known pagination.Memory
	// Cached says that Calls remembers pages for a while, so that it pays to read ahead.
	Cached bool
	// PageSize is the most rows that one upstream request asks for; at least 20, see [relay.Cover].
	PageSize int
	// ResponseCacheBytes bounds the memory for cached responses, in bytes; 0 caches none, and so does Cached being false.
	ResponseCacheBytes int
	// MaxCount is the largest `first` or `last` of a connection.
	MaxCount int
	// MaxShift is how many rows a list may have shifted by since a cursor was made, before the cursor expires.
	MaxShift int
	// MaxScan is how many pages a look-up by id may read.
	MaxScan int
	// Timeout bounds the upstream work of one GraphQL request, and MaxRequests the requests to upstream that it may cause;
	// 0 is as many as it takes.
	Timeout     time.Duration
	MaxRequests int
	// RefreshInterval is how long requests with `Cache-Control: no-cache` share what was read afresh for the first of
	// them, see [afresh]; 0 is not at all.
	RefreshInterval time.Duration
	// Limits bound the document of one request.
	Limits document.Limits
	// MaxRequestBytes bounds a body or a query string, in bytes; 0 is no limit.
	MaxRequestBytes int
	// MaxResponseBytes bounds a response, in bytes: its data, and the errors that came up before or while the data was
	// written; 0 is no limit.
	MaxResponseBytes int
	// Capacity bounds the requests under way at once, unless it is nil.
	Capacity *Capacity
	// Memory is the memory of the process; nil is any number of bytes. What is under way counts there if Capacity does.
	Memory *memory.Budget
	// PersistedBytes bounds the memory for automatic persisted queries; 0 turns them off.
	PersistedBytes int
	// TrustedDocuments is the path of a manifest of the only documents that may run; without one, every document may.
	TrustedDocuments string
	// Credential goes upstream, unless Forward is set: then each request's own bearer token does.
	Credential upstream.Credential
	Forward    bool
	// Tokens are the bearer tokens that clients may present, and so are those of TokensFile, unless that is nil; without
	// either everybody is let in. Not with Forward.
	Tokens     []string
	TokensFile *TokensFile
	// Introspection lets clients read the schema by queries.
	Introspection bool
	// Demo marks every answer as made up, by the header X-Revox-Upstream.
	Demo bool
	Log  *slog.Logger
}

// NewHandler serves GraphQL over HTTP, at whatever path it is mounted. An error is about the trusted documents.
func NewHandler(opts Options) (http.Handler, error) {
	return newHandler(opts, pagination.New(opts.Calls, pagination.Options{
		PageSize: opts.PageSize, MaxShift: opts.MaxShift, Cached: opts.Cached, Log: opts.Log,
	}))
}

// newHandler makes a handler that reads lists through pages.
func newHandler(opts Options, pages *pagination.Lists) (http.Handler, error) {
	schema := generated.New(roots{&Resolver{
		pages:     pages,
		known:     opts.Known,
		maxCount:  opts.MaxCount,
		maxScan:   opts.MaxScan,
		arguments: newArguments(),
	}}, newSchema())
	exec := executor.New(schema)
	p := presenter{opts.Log, opts.Forward}
	exec.SetErrorPresenter(p.presentSome)
	exec.SetRecoverFunc(p.recovered)
	documents, err := document.New(document.Options{
		Schema: schema.Schema(), Limits: opts.Limits, DefaultCount: relay.DefaultCount, MaxCount: opts.MaxCount,
		Introspection: opts.Introspection, PersistedBytes: opts.PersistedBytes, TrustedDocuments: opts.TrustedDocuments,
		Memory: opts.Memory, Log: opts.Log,
	})
	if err != nil {
		return nil, err
	}
	h := &handler{
		exec: exec, presenter: p, gate: newGate(opts), capacity: opts.Capacity,
		maxRequestBytes: opts.MaxRequestBytes, maxResponseBytes: opts.MaxResponseBytes, maxCost: opts.Limits.Cost,
		timeout: opts.Timeout, maxRequests: cmp.Or(opts.MaxRequests, math.MaxInt), demo: opts.Demo,
		afresh: newAfresh(opts.RefreshInterval), weights: newWeights(), searches: newSearches(&opts), documents: documents,
	}
	if opts.Cached && opts.ResponseCacheBytes > 0 {
		h.responses = responsecache.New(opts.Known, opts.ResponseCacheBytes, opts.Memory)
	}
	return h, nil
}

// handler answers GraphQL requests over HTTP. A request that is no GraphQL request is answered with 400. A GraphQL
// request that fails before it is executed is answered with 400 where the client takes
// application/graphql-response+json, and with 200 where it takes application/json, because older clients read the
// errors only then.
type handler struct {
	exec                                       *executor.Executor
	presenter                                  presenter
	gate                                       gate
	documents                                  *document.Store
	maxRequestBytes, maxResponseBytes, maxCost int
	capacity                                   *Capacity
	searches                                   *searches
	responses                                  *responsecache.Cache // nil: none are cached
	weights                                    *weights
	timeout                                    time.Duration
	maxRequests                                int
	afresh                                     *afresh
	demo                                       bool
}

// exchange is a request and what its answer goes to.
type exchange struct {
	w           http.ResponseWriter
	r           *http.Request
	contentType string // of the answer
	report      *Report
	capacity    *Capacity
	inside      bool          // it has a place
	held        int           // bytes until it is written, if more than the answer's own
	sharers     *atomic.Int32 // of the body: how many write it; nil where nobody else does
	counted     int           // bytes, while it is written
	memory      *reservation  // until it is written; nil if there is none
	age         time.Duration // of the oldest page that the answer was made from; 0 if there is none
}

// refuse answers with errors.
func (x *exchange) refuse(f *refusal) {
	x.report.failed(f.errors)
	f.send(x)
}

// leave gives the request's place back, if it has one.
func (x *exchange) leave() {
	if x.inside {
		x.inside = false
		x.capacity.leave()
	}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.describe(w.Header())
	contentType, acceptable := negotiate.MediaType(r.Header.Values("Accept"), applicationJSON, applicationResponse)
	if !acceptable {
		contentType = applicationJSON
	}
	x := &exchange{w: w, r: r, contentType: contentType, report: reportOf(r.Context()), capacity: h.capacity}
	defer x.leave()
	defer func() {
		if v := recover(); v != nil {
			h.recovered(x, v)
		}
	}()
	if isWebSocket(r.Header) { // before the credential, which a browser cannot send with it
		x.refuse(errNoWebSocket)
		return
	}
	credential, denial := h.gate.admit(r)
	if denial != "" {
		w.Header().Set("WWW-Authenticate", "Bearer")
		x.refuse(refuse(http.StatusUnauthorized, errcode.Unauthenticated, denial))
		return
	}
	if !acceptable {
		x.refuse(
			refuse(
				http.StatusNotAcceptable,
				errcode.BadUserInput,
				"Accept application/graphql-response+json or application/json.",
			),
		)
		return
	}
	text, bad := readText(w, r, h.maxRequestBytes, h.capacity)
	if bad == nil {
		if x.inside = h.capacity.enter(); !x.inside {
			bad = h.capacity.refuse(w)
		}
	}
	if bad != nil {
		x.refuse(bad)
		return
	}
	key := responsecache.Key{
		Tenant: credential.Tenant(), Method: r.Method, Text: text,
		Encoding: negotiate.Encoding(r.Header.Values("Accept-Encoding"), encodingBrotli, encodingGzip),
	}
	trusted := h.documents.Trusted()
	key.Trusted = trusted.Version()
	fresh, wantsCost := wantsFresh(r.Header), r.Header.Get(costHeader) == "true"
	if !fresh && !wantsCost {
		if cached := h.responses.Get(key); cached != nil {
			x.report.Cached, x.report.Operation = true, cached.Operation
			x.sharers = &cached.Writers
			x.sendCached(cached)
			return
		}
	}
	params, bad := parseText(r.Method, text)
	if bad != nil {
		x.refuse(bad)
		return
	}
	found, err := h.documents.Find(
		document.Request{Query: params.Query, ID: params.documentID, Extensions: params.Extensions}, trusted)
	if err != nil {
		x.refuse(refuseDocument(err))
		return
	}
	params.Query = found.Text
	params.Headers = r.Header
	now := time.Now()
	req := &request{
		id: requestID(w.Header()), credential: credential, deadline: now.Add(h.timeout), trace: &pagination.Reads{},
		document: found, wantsCost: wantsCost, search: search{searches: h.searches, client: h.gate.client(r)},
		allowance: upstream.NewAllowance(h.maxRequests), refresh: fresh,
	}
	if fresh {
		req.notBefore = h.afresh.notBefore(credential.Tenant(), now)
	}
	h.execute(req, x, &params.RawParams, key)
}

// execute runs the operation and writes its answer.
func (h *handler) execute(req *request, x *exchange, params *graphql.RawParams, key responsecache.Key) {
	operation, op, errs := h.prepare(req.document, params)
	if errs != nil {
		x.report.Operation.Hash = req.document.Hash
		x.refuse(&refusal{errors: errs})
		return
	}
	cost, tooMuch := operation.Cost(op.Variables)
	x.report.Operation = toldOperation(op.Operation.Name, req.document.Hash, cost)
	if tooMuch != nil {
		x.refuse(&refusal{errors: gqlerror.List{tooMuch}})
		return
	}
	expected := h.weights.estimate(operation, op.Variables, req.credential.Tenant())
	req.memory.begin(x, len(key.Text), expected, h.maxResponseBytes)
	defer req.memory.end()
	if req.memory.scarce {
		x.refuse(h.capacity.refuseForMemory(x.w))
		return
	}
	buffer := buffers.get(req.memory.room)
	defer buffers.put(buffer)
	buffer.WriteString(openData)
	x.report.Executed = true
	limit := encode.Limit{Bytes: h.maxResponseBytes, Errors: req.errors.size}
	if req.memory.counts() {
		limit.Grow = req.memory.grow
	}
	ctx := encode.WithLimit(withRequest(x.r.Context(), req), limit)
	response := h.run(generated.WithBuffer(ctx, buffer), op, operation.HasNull(op.Variables))
	cost += int(req.search.cost.Load())
	x.report.Operation.Cost = cost
	x.report.read(req.trace, req.allowance.Used())
	h.weights.learn(req.trace)
	if req.memory.scarce {
		x.refuse(h.capacity.refuseForMemory(x.w))
		return
	}
	x.age = req.trace.Age()
	if response == nil { // gqlgen gives none where the context has ended
		x.refuse(errClientClosed)
		return
	}
	if err := req.errors.more(); err != nil {
		response.Errors = append(response.Errors, err)
	}
	x.report.failed(response.Errors)
	if x.report.Code == errcode.ClientClosedRequest {
		errClientClosed.send(x)
		return
	}
	if x.report.Stale > 0 {
		extend(response, "stale", int(x.report.Stale.Seconds()))
	}
	if x.report.Reordered {
		extend(response, "reordered", true)
	}
	if req.wantsCost {
		extend(response, "cost", map[string]int{"requested": cost, "limit": h.maxCost})
	}
	x.held = buffer.Cap()
	if len(response.Errors) > 0 || len(response.Extensions) > 0 {
		x.held += len(response.Data) // which is copied
		x.send(http.StatusOK, encodeResponse(response))
		return
	}
	buffer.WriteByte('}')
	made := &responsecache.Response{Operation: x.report.Operation, Body: buffer.Bytes(), Reads: req.trace}
	if x.r.Method == http.MethodGet {
		made.Tag = entityTag(made.Body)
	}
	if key.Encoding != "" && len(made.Body) >= minCompressed && req.memory.spare(compressing(len(made.Body))) {
		packed := buffers.get(len(made.Body) / packedShare)
		defer buffers.put(packed)
		compress(packed, key.Encoding, made.Body)
		made.Body, made.Encoding = packed.Bytes(), key.Encoding
		x.held += packed.Cap()
	}
	h.responses.Put(key, made)
	x.sendCached(made)
}

// prepare chooses the operation of a request and coerces its variables. gqlgen's own way to do that is not taken: see
// variables.go, and it would check the variables once more.
func (h *handler) prepare(found *document.Document, params *graphql.RawParams) (
	*document.Operation, *graphql.OperationContext, gqlerror.List,
) {
	operation, err := found.Operation(params.OperationName)
	if err != nil {
		return nil, nil, gqlerror.List{err}
	}
	values, errs := operation.Coerce(params.Variables)
	if errs != nil {
		return nil, nil, errs
	}
	return operation, &graphql.OperationContext{
		RawQuery: found.Text, OperationName: params.OperationName, Doc: found.AST, Operation: operation.Definition,
		Variables: values, Extensions: params.Extensions, Headers: params.Headers, RecoverFunc: h.presenter.recovered,
		ResolverMiddleware: introspectType, RootResolverMiddleware: resolveRoot,
	}, nil
}

// run executes an operation, which may have a variable that is null where it must not be. Its response is nil if the
// client has gone.
func (h *handler) run(ctx context.Context, op *graphql.OperationContext, hasNull bool) *graphql.Response {
	if hasNull {
		if err := nullAtRoot(op); err != nil {
			ctx = graphql.WithResponseContext(ctx, h.presenter.presentSome, h.presenter.recovered)
			graphql.AddError(ctx, err)
			return &graphql.Response{Data: []byte("null"), Errors: graphql.GetErrors(ctx)}
		}
		op.RootResolverMiddleware = refuseNulls
	}
	respond, ctx := h.exec.DispatchOperation(ctx, op)
	return respond(ctx)
}

// extend puts something into an answer's extensions. An answer that has some is not remembered.
func extend(response *graphql.Response, name string, value any) {
	if response.Extensions == nil {
		response.Extensions = map[string]any{}
	}
	response.Extensions[name] = value
}

// costHeader asks for the cost of a query in the answer's extensions, by the value `true`.
const costHeader = "X-Query-Cost"

// recovered answers for a panic outside of the resolvers.
func (h *handler) recovered(x *exchange, v any) {
	ctx := withRequest(x.r.Context(), &request{id: requestID(x.w.Header())})
	ctx = graphql.WithResponseContext(ctx, h.presenter.presentSome, h.presenter.recovered)
	graphql.AddError(ctx, h.presenter.recovered(ctx, v))
	x.refuse(&refusal{http.StatusInternalServerError, graphql.GetErrors(ctx)})
}

// wantsFresh reports whether the client wants to see upstream afresh (RFC 9111 §5.2.1.4).
func wantsFresh(header http.Header) bool {
	for _, value := range header.Values("Cache-Control") {
		for directive := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(directive), "no-cache") {
				return true
			}
		}
	}
	return false
}

// openData stands in the buffer before the data is written behind it.
const openData = `{"data":`

// describe sets what holds for every answer.
func (h *handler) describe(header http.Header) {
	header["Cache-Control"] = noStore
	if others := header["Vary"]; len(others) > 0 {
		header["Vary"] = append(others, varying...)
	} else {
		header["Vary"] = varying
	}
	header["X-Content-Type-Options"] = noSniff
	if h.demo {
		header.Set("X-Revox-Upstream", "demo")
	}
}

// requestID is the id that the answer carries, if it has one.
func requestID(header http.Header) string { return header.Get("X-Request-Id") }

// Values of headers, which are never written to.
var (
	noStore    = []string{"private, no-store"}
	revalidate = []string{"private, no-cache"}
	varying    = []string{"Authorization, Accept, Accept-Encoding"}
	noSniff    = []string{"nosniff"}
)
