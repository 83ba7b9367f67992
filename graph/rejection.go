package graph

import (
	"errors"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/graph/document"
	"revox-graphql/internal/errcode"
)

// rejection is why a request is not executed.
//
// A request that is no GraphQL request is rejected with 400. A GraphQL request that fails before it is executed is
// rejected with 400 where the client accepts application/graphql-response+json, and with 200 where it accepts
// application/json, because older clients read the errors only then (GraphQL over HTTP, working draft).
type rejection struct {
	status int // 0: 200 or 400, as the media type wants it
	errors gqlerror.List
	// header and value are a header that goes with it; "" for none.
	header, value string
}

// reject is a rejection for one reason.
func reject(status int, code, message string) *rejection {
	return &rejection{
		status: status, errors: gqlerror.List{{Message: message, Extensions: map[string]any{"code": code}}},
	}
}

// with adds a header to a rejection.
func (r *rejection) with(header, value string) *rejection {
	r.header, r.value = header, value
	return r
}

// malformed is the rejection of a request that is not a GraphQL request.
func malformed(message string) *rejection {
	return reject(http.StatusBadRequest, errcode.BadUserInput, message)
}

// statusClientClosed is what nginx and Caddy log where the client has closed the connection before its response was
// there. A client that has closed its half of the connection only is sent it too.
const statusClientClosed = 499

// Rejections that are never written to.
var (
	rejectedClientClosed = reject(statusClientClosed, errcode.ClientClosedRequest,
		"The client closed the request before its response was ready.")
	rejectedWebSocket = malformed(
		"WebSockets are not offered, because there are no subscriptions: send queries by POST or GET.")
)

// overloaded is the rejection of a request that is not admitted.
func overloaded() *rejection {
	r := reject(http.StatusServiceUnavailable, errcode.Overloaded,
		"The gateway is overloaded at present. Try again in a second.").with("Retry-After", "1")
	r.errors[0].Extensions["retryAfter"] = 1
	return r
}

// tooManyBytes is the rejection of a body or a query string.
func tooManyBytes(limit, actual int) *rejection {
	err := document.LimitError("request bytes", errcode.QueryTooLarge, limit, actual,
		"The request has more than %d bytes.", limit)
	return &rejection{status: http.StatusRequestEntityTooLarge, errors: gqlerror.List{err}}
}

// rejectDocument is the rejection of a request for its document, or for the way in which it names that.
//
// A hash is answered as Apollo's protocol wants it: with 200 for every media type, or clients would take it for a
// failure of the network and not send the document. For the ids of other tools GraphQL over HTTP holds: without data,
// application/graphql-response+json is never 200.
func rejectDocument(err error) *rejection {
	if errs, ok := errors.AsType[gqlerror.List](err); ok {
		return &rejection{errors: errs}
	}
	for _, known := range documentRejections {
		if errors.Is(err, known.err) {
			return reject(known.status, known.code, known.message)
		}
	}
	return malformed("The request names no document that can be run.")
}

var documentRejections = []struct {
	err           error
	status        int
	code, message string
}{
	{
		document.ErrNoQuery, http.StatusBadRequest, errcode.BadUserInput,
		"The parameter `query` is missing: it holds the GraphQL document.",
	},
	{
		document.ErrNoHash, http.StatusBadRequest, errcode.BadUserInput,
		"`extensions.persistedQuery` has no `sha256Hash`.",
	},
	{
		document.ErrVersion, http.StatusBadRequest, errcode.BadUserInput,
		"`extensions.persistedQuery.version` must be 1.",
	},
	{
		document.ErrWrongHash, http.StatusBadRequest, errcode.BadUserInput,
		"The `sha256Hash` is not that of `query`. Hash the document's bytes as they are sent.",
	},
	{document.ErrHashUnknown, http.StatusOK, errcode.PersistedQueryNotFound, "PersistedQueryNotFound"},
	{document.ErrHashNotSupported, http.StatusOK, errcode.PersistedQueryNotSupported, "PersistedQueryNotSupported"},
	{
		document.ErrIDNotSupported, 0, errcode.PersistedQueryNotSupported,
		"This gateway has no trusted documents: send the document as `query`.",
	},
	{document.ErrIDUnknown, 0, errcode.PersistedQueryNotFound, "No trusted document has this id."},
	{
		document.ErrNotTrusted, 0, errcode.PersistedQueryRequired,
		"This gateway runs trusted documents only: send the id of one, not its text.",
	},
}

// recovered is the rejection after a panic outside of the resolvers.
func (h *handler) recovered(x *exchange, v any) *rejection {
	ctx := withRequest(x.r.Context(), &request{id: requestID(x.w.Header())})
	ctx = graphql.WithResponseContext(ctx, h.present, h.recoverPanic)
	graphql.AddError(ctx, h.recoverPanic(ctx, v))
	return &rejection{status: http.StatusInternalServerError, errors: graphql.GetErrors(ctx)}
}
