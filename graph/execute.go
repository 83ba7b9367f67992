package graph

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/graph/admission"
	"revox-graphql/graph/document"
	"revox-graphql/graph/encode"
	"revox-graphql/graph/pagination"
	"revox-graphql/graph/responsecache"
	"revox-graphql/internal/errcode"
	"revox-graphql/upstream"
)

// request has the facts about the HTTP request that the resolvers need.
type request struct {
	id        string // as in the response's header; "" if it has none
	client    Client
	notBefore time.Time                         // older pages of upstream will not do
	noCache   bool                              // because the client wants what upstream has now
	deadline  time.Time                         // for all of its upstream work
	budget    *upstream.RequestBudget           // for all of its upstream work
	search    search                            // what of that is charged
	reads     *pagination.Reads                 // what was read for it
	document  *document.Document                // what is executed
	wantsCost bool                              // the response reports the cost
	errors    errorBounds                       // which of its errors are reported
	scan      func() (retryAfter time.Duration) // counts a scan with noCache
	cutShort  atomic.Bool                       // a scan was, see [filter.Report]: the response must not be cached

	mu      sync.Mutex
	written []func() // is called when the data was written
}

// whenWritten has a function called when the response's data was written.
func (r *request) whenWritten(call func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written = append(r.written, call)
}

// release calls what was to be called when the data was written.
func (r *request) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, call := range r.written {
		call()
	}
	r.written = nil
}

type requestKey struct{}

func withRequest(ctx context.Context, r *request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

func requestOf(ctx context.Context) *request { return ctx.Value(requestKey{}).(*request) }

// openData stands in the buffer before the data is written behind it.
const openData = `{"data":`

// execute runs the operation of a request, and returns its response.
func (h *handler) execute(
	ctx context.Context, req *request, x *exchange, params *graphql.RawParams, key responsecache.Key,
) (*responsecache.Response, *rejection) {
	operation, op, errs := h.prepare(req.document, params)
	if errs != nil {
		x.report.Operation.Hash = req.document.Hash
		return nil, &rejection{errors: errs}
	}
	cost, tooMuch := operation.Cost(op.Variables)
	x.report.Operation = reportedOperation(op.Operation.Name, req.document.Hash, cost)
	if tooMuch != nil {
		return nil, &rejection{errors: gqlerror.List{tooMuch}}
	}
	expected := estimate(h.sizes, operation, op.Variables, req.client.Credential.Tenant())
	if x.admission.Reserve(len(key.Text), expected, h.maxResponseBytes) != nil {
		return nil, overloaded()
	}
	x.buffer = buffers.get(x.admission.Room())
	x.buffer.WriteString(openData)
	x.report.Executed = true
	limit := encode.Limit{Bytes: h.maxResponseBytes, Errors: req.errors.size}
	if x.admission.Bounded() {
		limit.Grow = func(written []byte, most int) ([]byte, bool) {
			return x.admission.Grow(written, most, encode.SpareRoom)
		}
	}
	ctx = encode.WithLimit(withRequest(ctx, req), limit)
	defer req.release()
	result := h.run(ctx, op, x.buffer, operation.HasNull(op.Variables))
	cost += int(req.search.cost.Load())
	x.report.Operation.Cost = cost
	x.report.read(req.reads, req.budget.Used())
	learn(h.sizes, req.reads)
	if x.admission.Err() != nil {
		return nil, overloaded()
	}
	if result == nil {
		return nil, rejectedClientClosed
	}
	if err := req.errors.more(); err != nil {
		result.Errors = append(result.Errors, err)
	}
	x.report.failed(result.Errors)
	if x.report.Code == errcode.ClientClosedRequest {
		return nil, rejectedClientClosed
	}
	if x.report.Stale > 0 {
		extend(result, "stale", int(x.report.Stale.Seconds()))
	}
	if x.report.Reordered {
		extend(result, "reordered", true)
	}
	if req.wantsCost {
		extend(result, "cost", map[string]int{"requested": cost, "limit": h.maxCost})
	}
	made := &responsecache.Response{Operation: x.report.Operation, Reads: req.reads}
	if len(result.Errors) > 0 || len(result.Extensions) > 0 {
		x.surround(made, result)
		return made, nil
	}
	x.buffer.WriteByte('}')
	made.Body = x.buffer.Bytes()
	if x.r.Method == http.MethodGet {
		made.Tag = entityTag(made.Body)
	}
	if key.Encoding != "" && len(made.Body) >= minCompressed && x.admission.Spare(compressing(len(made.Body))) {
		x.compress(made, key.Encoding)
	}
	if !req.cutShort.Load() {
		h.responses.Put(key, made)
	}
	return made, nil
}

// prepare chooses the operation of a request and coerces its variables. gqlgen's own way to do that is not taken: see
// document/variables.go, and it would check the variables once more.
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
		Variables: values, Extensions: params.Extensions, Headers: params.Headers, RecoverFunc: h.recoverPanic,
		ResolverMiddleware: introspectType, RootResolverMiddleware: resolveRoot,
	}, nil
}

// run executes an operation, which may have a variable that is null where it must not be, and appends the data to the
// buffer. Its result is nil if the client has closed the request.
func (h *handler) run(
	ctx context.Context, op *graphql.OperationContext, buffer *bytes.Buffer, hasNull bool,
) *graphql.Response {
	if hasNull {
		if err := nullAtRoot(op); err != nil {
			ctx = graphql.WithResponseContext(ctx, h.present, h.recoverPanic)
			graphql.AddError(ctx, err)
			buffer.WriteString("null")
			return &graphql.Response{Errors: graphql.GetErrors(ctx)}
		}
		op.RootResolverMiddleware = rejectNulls
	}
	if ctx.Err() != nil {
		return nil
	}
	ctx = graphql.WithResponseContext(ctx, h.present, h.recoverPanic)
	h.schema.Execute(ctx, op, buffer)
	return &graphql.Response{Errors: graphql.GetErrors(ctx)}
}

// extend puts something into the extensions of a response. A response that has some is not cached.
func extend(response *graphql.Response, name string, value any) {
	if response.Extensions == nil {
		response.Extensions = map[string]any{}
	}
	response.Extensions[name] = value
}

// estimate is about how many bytes the response to a request has, by the number of its calls and transcripts.
func estimate(
	sizes *admission.Sizes[upstream.ListKey], o *document.Operation, variables map[string]any, tenant upstream.Tenant,
) int {
	all := upstream.ListKey{Tenant: tenant}
	bytes := int(float64(o.Fixed()) * sizes.Of(all).Call) // look-ups, mostly, and what is no call
	parts := o.Parts()
	for i := range parts {
		list := upstream.ListKey{Tenant: tenant, Statuses: filterOf(parts[i].Statuses(variables))}
		bytes += sizes.Of(list, all).Times(parts[i].Count(variables), parts[i].Calls(), parts[i].Transcripts())
	}
	return bytes
}

// learn takes the pages into account that were read for one request.
func learn(sizes *admission.Sizes[upstream.ListKey], reads *pagination.Reads) {
	for page, list := range reads.Pages() {
		if call, transcript := page.Weight(); call > 0 {
			sizes.Learn(list, call, transcript)
		}
	}
}

// filterOf is the filter that names of the schema's CallOrderStatus mean.
func filterOf(names []string) upstream.OrderStatuses {
	if len(names) == 0 {
		return 0
	}
	statuses := make([]upstream.OrderStatus, len(names))
	for i, name := range names {
		statuses[i] = upstream.OrderStatus(strings.ToLower(name))
	}
	return upstream.NewOrderStatuses(statuses...)
}
