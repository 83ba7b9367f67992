package graph

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// The values of `extensions.code`.
const (
	codeValidationFailed      = "GRAPHQL_VALIDATION_FAILED"
	codeBadUserInput          = "BAD_USER_INPUT"
	codeQueryTooLarge         = "QUERY_TOO_LARGE"
	codePersistedNotFound     = "PERSISTED_QUERY_NOT_FOUND"
	codePersistedNotSupported = "PERSISTED_QUERY_NOT_SUPPORTED"
	codePersistedRequired     = "PERSISTED_QUERY_REQUIRED"
	codeInvalidCursor         = "INVALID_CURSOR"
	codeCursorExpired         = "CURSOR_EXPIRED"
	codeScanLimitReached      = "SCAN_LIMIT_REACHED"
	codeUnauthenticated       = "UNAUTHENTICATED"
	codeForbidden             = "FORBIDDEN"
	codeUpstreamRefuses       = "UPSTREAM_UNAUTHENTICATED"
	codeRateLimited           = "UPSTREAM_RATE_LIMITED"
	codeTimeout               = "UPSTREAM_TIMEOUT"
	codeUnavailable           = "UPSTREAM_UNAVAILABLE"
	codeInvalidResponse       = "UPSTREAM_INVALID_RESPONSE"
	codeTooComplex            = "QUERY_TOO_COMPLEX"
	codeOverloaded            = "OVERLOADED"
	codeClientClosed          = "CLIENT_CLOSED_REQUEST" // nginx's name for its status 499
	codeClientSlow            = "CLIENT_TOO_SLOW"
	codeInternal              = "INTERNAL_SERVER_ERROR"
)

// refusedKey is what a client is told where the key that upstream refuses is the gateway's own.
const refusedKey = "Revox refuses the gateway's own API key. Nothing is wrong with the request: " +
	"the gateway's operator must mend that."

// upstreamErrors says what a client is told of each kind of upstream error. A key that is refused is the client's
// there.
var upstreamErrors = map[upstream.Kind]struct{ code, message string }{
	upstream.KindUnauthenticated: {codeUnauthenticated, "Revox did not accept the API key. Check that it is right and still valid."},
	upstream.KindForbidden:       {codeForbidden, "Revox does not let this API key list calls. Ask for that permission, or use another key."},
	upstream.KindRateLimited:     {codeRateLimited, "Revox takes no more requests for now. Try again later."},
	upstream.KindTimeout:         {codeTimeout, "Revox did not answer in time. Try again, or ask for fewer calls."},
	upstream.KindUnavailable:     {codeUnavailable, "Revox cannot be reached or is failing. Try again later."},
	upstream.KindOverloaded:      {codeOverloaded, "The gateway has more to ask Revox than it can at present. Try again in a moment."},
	upstream.KindInvalidResponse: {codeInvalidResponse, "Revox gave an answer that cannot be used. Try again; if it stays so, the gateway's operator finds more in its log."},
}

// unreadableRowError: a row that upstream listed is no edge.
type unreadableRowError struct {
	position int
	problem  string
}

func (e *unreadableRowError) Error() string {
	return fmt.Sprintf("The call at place %d of the list could not be read and was left out: %s.", e.position+1, e.problem)
}

// answerSizeError: an answer has become too large.
type answerSizeError struct{ limit, actual int }

func (e *answerSizeError) Error() string {
	return fmt.Sprintf("an answer of %d bytes, and %d are allowed", e.actual, e.limit)
}

// presenter turns every error into what the client sees.
type presenter struct {
	log     *slog.Logger
	forward bool // the keys that go upstream are the clients'
}

// presentSome implements [graphql.ErrorPresenterFunc]: it presents the errors that are told, and none past the bounds.
func (p presenter) presentSome(ctx context.Context, err error) *gqlerror.Error {
	bounds := &requestOf(ctx).errors
	if !bounds.admit() {
		return nil
	}
	presented := p.present(ctx, err)
	bounds.add(presented)
	return presented
}

// present words an error. It is the one place that decides on codes; unknown errors are only
// logged, and the client gets an id to ask about.
func (p presenter) present(ctx context.Context, err error) *gqlerror.Error {
	out := &gqlerror.Error{Path: graphql.GetPath(ctx), Locations: locations(ctx, err), Extensions: map[string]any{}}
	say := func(code, format string, args ...any) *gqlerror.Error {
		out.Message = fmt.Sprintf(format, args...)
		out.Extensions["code"] = code
		return out
	}
	if e, ok := errors.AsType[*relay.ArgumentError](err); ok {
		out.Extensions["argument"] = e.Argument
		return say(codeBadUserInput, "%s", e.Message)
	}
	if errors.Is(err, relay.ErrInvalidCursor) {
		return say(codeInvalidCursor, "This is not a cursor of this list. Use a cursor as it came, with the same `statuses`; without one you start anew.")
	}
	if errors.Is(err, errCursorExpired) {
		return say(codeCursorExpired, "The list has changed too much since this cursor was made to go on from it. Start anew without a cursor.")
	}
	if e, ok := errors.AsType[*scanLimitError](err); ok {
		out.Extensions["scannedPages"] = e.pages
		return say(codeScanLimitReached, "Not found among the newest calls; older ones were not searched. Walk `calls` to find it.")
	}
	if e, ok := errors.AsType[*upstream.AllowanceError](err); ok {
		out.Rule, out.Extensions["limit"], out.Extensions["actual"] = "upstream requests", e.Limit, e.Limit+1
		return say(codeTooComplex, "This query takes more than %d requests to Revox. Ask for less at once.", e.Limit)
	}
	if e, ok := errors.AsType[*answerSizeError](err); ok {
		out.Rule, out.Extensions["limit"], out.Extensions["actual"] = "answer bytes", e.limit, e.actual
		return say(codeTooComplex, "The answer has more than %d bytes with this field. Ask for fewer calls at once.", e.limit)
	}
	if e, ok := errors.AsType[*unreadableRowError](err); ok {
		return say(codeInvalidResponse, "%s", e.Error())
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = &upstream.Error{Kind: upstream.KindTimeout, Reason: "no answer in time"}
	}
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		if e.RetryAfter > 0 {
			out.Extensions["retryAfter"] = math.Ceil(e.RetryAfter.Seconds())
		}
		told := upstreamErrors[e.Kind]
		level, message := slog.LevelWarn, "upstream failed"
		if (e.Kind == upstream.KindUnauthenticated || e.Kind == upstream.KindForbidden) && !p.forward {
			told.code, told.message = codeUpstreamRefuses, refusedKey
			level = slog.LevelError
			message = "upstream refuses the gateway's key: set REVOX_API_KEY to one that may list calls"
		}
		if !e.Asked() { // what upstream said has been logged when it said that
			level, message = slog.LevelInfo, "upstream was not asked"
		}
		p.log.Log(ctx, level, message, "requestId", requestOf(ctx).id, "kind", e.Kind.String(), "status", e.Status,
			"cause", string(e.Cause), "reason", e.Reason)
		return say(told.code, "%s", told.message)
	}
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, cause) {
		return say(codeClientClosed, "The client closed the request before its answer was there.")
	}
	id := cmp.Or(requestOf(ctx).id, rand.Text())
	p.log.ErrorContext(ctx, "internal error", "requestId", id, "path", out.Path.String(), "error", err)
	out.Extensions["requestId"] = id
	return say(codeInternal, "Something went wrong in the gateway. Its operator finds more in the log, by `requestId`.")
}

// locations are where in the document an error belongs: where it says, or at the field that it is of.
func locations(ctx context.Context, err error) []gqlerror.Location {
	if e, ok := errors.AsType[*gqlerror.Error](err); ok && len(e.Locations) > 0 {
		return e.Locations
	}
	if field := graphql.GetFieldContext(ctx); field != nil && field.Field.Field != nil {
		return locationsOf(field.Field.Position)
	}
	return nil
}

// recovered implements [graphql.RecoverFunc].
func (p presenter) recovered(_ context.Context, v any) error {
	return fmt.Errorf("panic: %v\n%s", v, debug.Stack())
}
