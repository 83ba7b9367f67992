// Package graph serves GraphQL over HTTP.
//
// A request takes this way:
//
//   - handler.go decides on the response: cached, executed, or rejected (rejection.go). respond.go and compress.go
//     write the response.
//   - body.go and params.go read the request.
//   - Package responsecache may have the response. Package admission limits the requests in flight. Package document
//     finds and checks the document.
//   - execute.go executes the operation: gqlgen calls the resolvers of the root fields (package generated,
//     resolver.go). The resolvers read lists through the packages pagination, filter and stats. arguments.go checks
//     arguments that gqlgen does not check, and searches.go charges for searches.
//   - Package encode writes the data that the resolvers return.
//   - errors.go gives errors their code and message, and report.go fills in the report for metrics and the log.
package graph

import (
	"cmp"
	"context"
	"crypto/sha256"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"revox-graphql/graph/admission"
	"revox-graphql/graph/document"
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
	// Calls lists upstream's calls, and Known finds those of them that are in memory. Usually both are the page cache.
	Calls upstream.Lister
	Known pagination.Memory
	// Cached says that Calls caches pages, so that it pays to read ahead.
	Cached bool
	// PageSize is the most rows that one upstream request asks for; at least 20, see [relay.Cover].
	PageSize int
	// MaxWaiters is how many requests may wait for the responses of identical requests that are being executed; 0 is any
	// number.
	MaxWaiters int
	// ResponseCacheBytes bounds the memory for cached responses, in bytes; 0 caches none, and so does Cached being
	// false.
	ResponseCacheBytes int
	// MaxCount is the largest `first` or `last` of a connection.
	MaxCount int
	// MaxShift is by how many rows a list may have shifted since a cursor was made, before the cursor expires.
	MaxShift int
	// MaxScan is how many pages a look-up by id may read, and a scan for a filter.
	MaxScan int
	// ScanConcurrency is how many pages may be read ahead at once for one credential; below 2 none is.
	ScanConcurrency int
	// Walk, unless it is nil, says that all requests are those of one client that reads a list to its end. What is read
	// for one of them is kept for the next, and no response is cached.
	Walk *pagination.Walk
	// Timeout bounds the upstream work of one GraphQL request, and MaxUpstreamRequests the requests to upstream that it
	// may cause; 0 is as many as it takes.
	Timeout             time.Duration
	MaxUpstreamRequests int
	// NoCacheInterval is how long requests with `Cache-Control: no-cache` share what was read for the first of them,
	// see [admission.NoCacheLimiter]; 0 is not at all.
	NoCacheInterval time.Duration
	// Limits bound the document of one request.
	Limits document.Limits
	// MaxRequestBytes bounds a body or a query string, in bytes; 0 is no limit.
	MaxRequestBytes int
	// MaxResponseBytes bounds a response, in bytes, while it writes calls: the data and the errors until then; 0 is no
	// limit. Connections and calls with which a response is larger are null. Nothing is checked while other fields are
	// written: callStats is bounded by its groups, and introspection by its cost.
	MaxResponseBytes int
	// Admission bounds the requests in flight, unless it is nil.
	Admission *admission.Controller
	// Memory is where the caches of documents and responses are counted; nil counts nothing.
	Memory *memory.Budget
	// PersistedBytes bounds the memory for automatic persisted queries, in bytes; 0 turns them off.
	PersistedBytes int
	// TrustedDocuments is the path of a manifest of the only documents that may run; without one, every document may.
	TrustedDocuments string
	// Authenticate returns the client that sends a request. An error is worded for the client, who gets it with 401.
	// nil lets every client in, as the zero Client.
	Authenticate func(*http.Request) (Client, error)
	// Realm is the realm of WWW-Authenticate in such a 401: it names what the credential is for (RFC 9110, 11.5).
	Realm string
	// Introspection lets clients read the schema by queries.
	Introspection bool
	// Demo marks every response as made up, by the header X-Revox-Upstream.
	Demo bool
	Log  *slog.Logger
}

// Client is the sender of a request.
type Client struct {
	// Credential goes upstream. What is cached is shared by clients with the same one.
	Credential upstream.Credential
	// OwnKey says that the credential is the client's own: if upstream rejects it, the client has to mend that, and not
	// the gateway's operator.
	OwnKey bool
	// ID tells clients apart whose searches are bounded, as far as they have tokens of their own.
	ID [sha256.Size]byte
}

// NewHandler serves GraphQL over HTTP, at whatever path it is mounted. An error is about the trusted documents.
func NewHandler(opts Options) (http.Handler, error) {
	return newHandler(opts, pagination.New(opts.Calls, pagination.Options{
		PageSize: opts.PageSize, MaxShift: opts.MaxShift, Cached: opts.Cached,
		Concurrency: opts.ScanConcurrency, Log: opts.Log,
	}))
}

// newHandler makes a handler that reads lists through pages.
func newHandler(opts Options, pages *pagination.Lists) (http.Handler, error) {
	holder, _ := opts.Known.(upstream.Holder)
	schema := generated.New(roots{&Resolver{
		pages:     pages,
		known:     opts.Known,
		holder:    holder,
		maxCount:  opts.MaxCount,
		maxScan:   opts.MaxScan,
		walk:      opts.Walk,
		arguments: newArguments(),
	}}, newSchema())
	p := presenter{opts.Log, opts.MaxScan, opts.Memory}
	maxUpstreamRequests := cmp.Or(opts.MaxUpstreamRequests, math.MaxInt)
	documents, err := document.New(document.Options{
		Schema: schema.Schema(), Limits: opts.Limits, DefaultCount: relay.DefaultCount, MaxCount: opts.MaxCount,
		ScanPages:     min(opts.MaxScan, maxUpstreamRequests),
		Introspection: opts.Introspection, PersistedBytes: opts.PersistedBytes, TrustedDocuments: opts.TrustedDocuments,
		Memory: opts.Memory, Log: opts.Log,
	})
	if err != nil {
		return nil, err
	}
	h := &handler{
		schema: schema, present: p.presentSome, recoverPanic: p.recovered, authenticate: opts.Authenticate,
		documents: documents, admission: opts.Admission, searches: newSearchLimiter(&opts),
		noCache: admission.NewNoCacheLimiter[upstream.Tenant](opts.NoCacheInterval),
		sizes:   admission.NewSizes[upstream.ListKey](), timeout: opts.Timeout,
		maxUpstreamRequests: maxUpstreamRequests, maxRequestBytes: opts.MaxRequestBytes,
		maxResponseBytes: opts.MaxResponseBytes, maxCost: opts.Limits.Cost, demo: opts.Demo,
		challenge: "Bearer realm=" + strconv.Quote(opts.Realm),
	}
	if opts.Cached && opts.ResponseCacheBytes > 0 && opts.Walk == nil {
		h.responses = responsecache.New(opts.Known, opts.ResponseCacheBytes, opts.Memory)
		h.executions = responsecache.NewExecutions(cmp.Or(opts.MaxWaiters, math.MaxInt))
	}
	return h, nil
}

// handler serves GraphQL requests over HTTP.
type handler struct {
	schema       generated.Executable
	present      graphql.ErrorPresenterFunc
	recoverPanic graphql.RecoverFunc
	authenticate func(*http.Request) (Client, error) // nil: every client is let in
	challenge    string                              // the WWW-Authenticate of a 401
	documents    *document.Store
	responses    *responsecache.Cache // nil: none are cached
	executions   *responsecache.Executions
	admission    *admission.Controller
	searches     *searchLimiter
	noCache      *admission.NoCacheLimiter[upstream.Tenant]
	sizes        *admission.Sizes[upstream.ListKey]

	timeout                                                         time.Duration
	maxUpstreamRequests, maxRequestBytes, maxResponseBytes, maxCost int
	demo                                                            bool
}

// ServeHTTP implements [http.Handler]: it decides on the response, and writes it.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.describe(w.Header())
	x := &exchange{w: w, r: r, contentType: applicationJSON, report: reportOf(r.Context())}
	defer x.end()
	defer func() {
		if v := recover(); v != nil {
			x.reject(h.recovered(x, v))
		}
	}()
	if response, rejected := h.decide(x); rejected != nil {
		x.reject(rejected)
	} else {
		x.respond(response)
	}
}

// decide returns the response to a request, cached or executed, or why the request is rejected.
func (h *handler) decide(x *exchange) (*responsecache.Response, *rejection) {
	mediaType, acceptable := negotiate.MediaType(x.r.Header.Values("Accept"), applicationJSON, applicationResponse)
	if acceptable {
		x.contentType = mediaType
	}
	if isWebSocket(x.r.Header) { // before the credential, which a browser cannot send with it
		return nil, rejectedWebSocket
	}
	var client Client
	var err error
	if h.authenticate != nil {
		if client, err = h.authenticate(x.r); err != nil {
			return nil, reject(http.StatusUnauthorized, errcode.Unauthenticated, err.Error()).
				with("WWW-Authenticate", h.challenge)
		}
	}
	if !acceptable {
		return nil, reject(http.StatusNotAcceptable, errcode.BadUserInput,
			"Accept application/graphql-response+json or application/json.")
	}
	text, rejected := readText(x.w, x.r, h.maxRequestBytes, h.admission)
	if rejected != nil {
		return nil, rejected
	}
	x.admission = h.admission.Begin()
	trusted := h.documents.Trusted()
	key := responsecache.Key{
		Tenant: client.Credential.Tenant(), Method: x.r.Method, Text: text, Trusted: trusted.Version(),
		Encoding: negotiate.Encoding(x.r.Header.Values("Accept-Encoding"), encodingBrotli, encodingGzip),
	}
	asks := asked{
		client: client, trusted: trusted, noCache: wantsNoCache(x.r.Header),
		wantsCost: x.r.Header.Get(costHeader) == "true",
	}
	if h.responses == nil || asks.noCache || asks.wantsCost { // else the response is as good for others
		return h.executeText(x.r.Context(), x, key, asks)
	}
	if cached := h.responses.Get(key); cached != nil {
		x.shared(cached)
		return cached, nil
	}
	return h.executeOnce(x, key, asks)
}

// asked has the facts about a request that are not in its text.
type asked struct {
	client             Client
	trusted            *document.Manifest
	noCache, wantsCost bool
}

// executeOnce executes a request, or waits for the response where the same request is being executed.
func (h *handler) executeOnce(
	x *exchange, key responsecache.Key, asks asked,
) (response *responsecache.Response, rejected *rejection) {
	execution, first, err := h.executions.Join(x.r.Context(), key)
	if err != nil {
		_ = h.admission.Reject(admission.Waiting)
		return nil, overloaded()
	}
	key = execution.Key()
	if !first {
		if response = execution.Wait(x.r.Context()); response != nil {
			x.shared(response)
			return response, nil
		}
		if x.r.Context().Err() != nil {
			return nil, rejectedClientClosed
		}
		return h.executeText(x.r.Context(), x, key, asks)
	}
	defer func() { // after a panic, too
		made := response
		if made != nil && !x.plain() {
			made = nil
		}
		if execution.End(made, x.held()) {
			x.keep(made)
		}
	}()
	return h.executeText(execution.Context(), x, key, asks)
}

// executeText executes the request that a text has, if there is a slot.
func (h *handler) executeText(
	ctx context.Context, x *exchange, key responsecache.Key, asks asked,
) (*responsecache.Response, *rejection) {
	if x.admission.Enter() != nil {
		return nil, overloaded()
	}
	params, rejected := parseText(x.r.Method, key.Text)
	if rejected != nil {
		return nil, rejected
	}
	found, err := h.documents.Find(
		document.Request{Query: params.Query, ID: params.documentID, Extensions: params.Extensions}, asks.trusted)
	if err != nil {
		return nil, rejectDocument(err)
	}
	params.Query = found.Text
	params.Headers = x.r.Header
	now := time.Now()
	req := &request{
		id: requestID(x.w.Header()), client: asks.client, deadline: now.Add(h.timeout), reads: &pagination.Reads{},
		document: found, wantsCost: asks.wantsCost, search: search{limiter: h.searches, client: asks.client.ID},
		budget: upstream.NewRequestBudget(h.maxUpstreamRequests), noCache: asks.noCache,
	}
	if asks.noCache {
		tenant := asks.client.Credential.Tenant()
		req.notBefore = h.noCache.NotBefore(tenant, now)
		req.scan = func() time.Duration { return h.noCache.Scan(tenant, time.Now()) }
	}
	return h.execute(ctx, req, x, &params.RawParams, key)
}

// costHeader asks for the cost of a query in the response's extensions, by the value `true`.
const costHeader = "X-Query-Cost"

// wantsNoCache reports whether the client wants what upstream has now (RFC 9111 §5.2.1.4).
func wantsNoCache(header http.Header) bool {
	for _, value := range header.Values("Cache-Control") {
		for directive := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(directive), "no-cache") {
				return true
			}
		}
	}
	return false
}

// isWebSocket reports whether a client opens a WebSocket (RFC 6455 §4.1). Other upgrades, like that to HTTP/2, are
// offers that need not be taken (RFC 9110 §7.8).
func isWebSocket(header http.Header) bool {
	for _, value := range header["Upgrade"] {
		for protocol := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
				return true
			}
		}
	}
	return false
}

// requestID is the id that the response carries, if it has one.
func requestID(header http.Header) string { return header.Get("X-Request-Id") }
