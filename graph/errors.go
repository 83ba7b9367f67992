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
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/graph/document"
	"revox-graphql/graph/encode"
	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/internal/errcode"
	"revox-graphql/upstream"
)

// refusedKey is what a client is told where the key that upstream refuses is the gateway's own.
const refusedKey = "Revox refuses the gateway's own API key. Nothing is wrong with the request: " +
	"the gateway's operator must mend that."

// upstreamErrors says what a client is told of each kind of upstream error. A key that is refused is the client's
// there.
var upstreamErrors = map[upstream.Kind]struct{ code, message string }{
	upstream.KindUnauthenticated: {
		errcode.Unauthenticated,
		"Revox did not accept the API key. Check that it is right and still valid.",
	},
	upstream.KindForbidden: {
		errcode.Forbidden,
		"Revox does not let this API key list calls. Ask for that permission, or use another key.",
	},
	upstream.KindRateLimited: {errcode.UpstreamRateLimited, "Revox takes no more requests for now. Try again later."},
	upstream.KindTimeout: {
		errcode.UpstreamTimeout,
		"Revox did not answer in time. Try again, or ask for fewer calls.",
	},
	upstream.KindUnavailable: {errcode.UpstreamUnavailable, "Revox cannot be reached or is failing. Try again later."},
	upstream.KindOverloaded: {
		errcode.Overloaded,
		"The gateway has more to ask Revox than it can at present. Try again in a moment.",
	},
	upstream.KindInvalidResponse: {
		errcode.UpstreamInvalidResponse,
		"Revox gave an answer that cannot be used. Try again; if it stays so, the gateway's operator finds more in its log.",
	},
}

// presenter turns every error into what the client sees.
type presenter struct {
	log *slog.Logger
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
		return say(errcode.BadUserInput, "%s", e.Message)
	}
	if errors.Is(err, relay.ErrInvalidCursor) {
		return say(
			errcode.InvalidCursor,
			"This is not a cursor of this list. Use a cursor as it came, with the same `statuses`; without one you start anew.",
		)
	}
	if errors.Is(err, pagination.ErrCursorExpired) {
		return say(
			errcode.CursorExpired,
			"The list has changed too much since this cursor was made to go on from it. Start anew without a cursor.",
		)
	}
	if e, ok := errors.AsType[*pagination.ScanLimitError](err); ok {
		out.Extensions["scannedPages"] = e.Pages
		return say(
			errcode.ScanLimitReached,
			"Not found among the newest calls; older ones were not searched. Walk `calls` to find it.",
		)
	}
	if e, ok := errors.AsType[*upstream.AllowanceError](err); ok && e.RetryAfter > 0 {
		out.Rule, out.Extensions["limit"], out.Extensions["actual"] = "searches", e.Limit, e.Limit+1
		out.Extensions["retryAfter"] = math.Ceil(e.RetryAfter.Seconds())
		return say(
			errcode.QueryTooComplex,
			"The list has to be searched for this cursor, and you have caused too many searches "+
				"of late. Try again in a second, or start anew without a cursor.",
		)
	} else if ok {
		out.Rule, out.Extensions["limit"], out.Extensions["actual"] = "upstream requests", e.Limit, e.Limit+1
		return say(errcode.QueryTooComplex, "This query takes more than %d requests to Revox. Ask for less at once.", e.Limit)
	}
	if e, ok := errors.AsType[*encode.SizeError](err); ok {
		out.Rule, out.Extensions["limit"], out.Extensions["actual"] = "answer bytes", e.Limit, e.Actual
		return say(
			errcode.QueryTooComplex,
			"The answer has more than %d bytes with this field. Ask for fewer calls at once.",
			e.Limit,
		)
	}
	if e, ok := errors.AsType[*pagination.UnreadableRowError](err); ok {
		return say(errcode.UpstreamInvalidResponse, "%s", e.Error())
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
		if (e.Kind == upstream.KindUnauthenticated || e.Kind == upstream.KindForbidden) && !requestOf(ctx).client.OwnKey {
			told.code, told.message = errcode.UpstreamUnauthenticated, refusedKey
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
		return say(errcode.ClientClosedRequest, "The client closed the request before its answer was there.")
	}
	id := cmp.Or(requestOf(ctx).id, rand.Text())
	p.log.ErrorContext(ctx, "internal error", "requestId", id, "path", out.Path.String(), "error", err)
	out.Extensions["requestId"] = id
	return say(
		errcode.InternalServerError,
		"Something went wrong in the gateway. Its operator finds more in the log, by `requestId`.",
	)
}

// locations are where in the document an error belongs: where it says, or at the field that it is of.
func locations(ctx context.Context, err error) []gqlerror.Location {
	if e, ok := errors.AsType[*gqlerror.Error](err); ok && len(e.Locations) > 0 {
		return e.Locations
	}
	if field := graphql.GetFieldContext(ctx); field != nil && field.Field.Field != nil {
		return encode.Locations(field.Field.Position)
	}
	return nil
}

// recovered implements [graphql.RecoverFunc].
func (p presenter) recovered(_ context.Context, v any) error {
	return fmt.Errorf("panic: %v\n%s", v, debug.Stack())
}

const (
	// maxAnswerErrors is the most errors that one answer tells: those of five fields of each of a hundred calls.
	maxAnswerErrors = 500
	// maxErrorBytes bounds their bytes, where paths are long.
	maxErrorBytes = 256 << 10
)

// errorBounds bounds the errors that one answer tells. A field inside a row has one error for each row, with its path.
type errorBounds struct {
	mu    sync.Mutex
	told  int
	bytes int // about, of those that are told
	rest  int // errors that are not told
}

// admit reports whether one more error is told, and counts it.
func (e *errorBounds) admit() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.told >= maxAnswerErrors || e.bytes >= maxErrorBytes {
		e.rest++
		return false
	}
	e.told++
	return true
}

// add counts the bytes of an error that is told.
func (e *errorBounds) add(err *gqlerror.Error) {
	const rest = 120 // the names of members, a place, a code
	size := rest + len(err.Message)
	for _, step := range err.Path {
		size += 4
		if name, ok := step.(ast.PathName); ok {
			size += len(name)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bytes += size
}

// size is about how many bytes the errors have so far.
func (e *errorBounds) size() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.bytes
}

// more is the error that says how many others are not told; nil if all are.
func (e *errorBounds) more() *gqlerror.Error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rest == 0 {
		return nil
	}
	return document.LimitError("errors", errcode.QueryTooComplex, e.told, e.told+e.rest,
		"The answer has more errors than are told: %d others were left out.", e.rest)
}
