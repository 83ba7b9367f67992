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

	"revox-graphql/graph/admission"
	"revox-graphql/graph/document"
	"revox-graphql/graph/encode"
	"revox-graphql/graph/filter"
	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/graph/stats"
	"revox-graphql/internal/errcode"
	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
)

// rejectedKey is the message where the key that upstream rejects is the gateway's own.
const rejectedKey = "Revox rejects the gateway's own API key. Nothing is wrong with the request: " +
	"the gateway's operator must set a key that may list calls."

// upstreamErrors has the code and the message of each kind of upstream error. A key that is rejected is the client's
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
	upstream.KindRateLimited: {
		errcode.UpstreamRateLimited,
		"Revox rejects requests for now, because there were too many. Try again later.",
	},
	upstream.KindTimeout: {
		errcode.UpstreamTimeout,
		"Revox did not respond in time. Try again, or ask for fewer calls.",
	},
	upstream.KindUnavailable: {errcode.UpstreamUnavailable, "Revox cannot be reached or is failing. Try again later."},
	upstream.KindOverloaded: {
		errcode.Overloaded,
		"The gateway is overloaded at present. Try again in a moment.",
	},
	upstream.KindInvalidResponse: {
		errcode.UpstreamInvalidResponse,
		"Revox sent a response that cannot be used. Try again. If that does not help, the gateway's log has details.",
	},
}

// presenter turns every error into what the client sees.
type presenter struct {
	log     *slog.Logger
	maxScan int            // pages that a scan may read
	memory  *memory.Budget // where rejected fields are noted; nil notes none
}

// presentSome implements [graphql.ErrorPresenterFunc]: it presents errors up to the bounds, and none beyond.
func (p presenter) presentSome(ctx context.Context, err error) *gqlerror.Error {
	bounds := &requestOf(ctx).errors
	if !bounds.admit() {
		return nil
	}
	presented := p.present(ctx, err)
	bounds.add(presented)
	return presented
}

// present words an error. It alone decides on the codes of errors of resolvers. The details of unknown errors are only
// logged, and the client gets an id for them.
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
			"This is not a cursor of this list. Use a cursor unchanged, with the same `statuses`, or leave it out "+
				"to begin again.",
		)
	}
	if errors.Is(err, pagination.ErrCursorExpired) {
		return say(
			errcode.CursorExpired,
			"The list has changed too much since this cursor was made. Leave the cursor out to begin again.",
		)
	}
	if e, ok := errors.AsType[*pagination.ScanLimitError](err); ok {
		out.Extensions["scannedPages"] = e.Pages
		return say(
			errcode.ScanLimitReached,
			"Not found among the newest calls. The gateway did not search older calls: page through `calls` to find them.",
		)
	}
	if presented := p.ofScan(err, out, say); presented != nil {
		return presented
	}
	if e, ok := errors.AsType[*upstream.RequestBudgetError](err); ok && e.RetryAfter > 0 {
		out.Rule, out.Extensions["limit"], out.Extensions["actual"] = "searches", e.Limit, e.Limit+1
		out.Extensions["retryAfter"] = math.Ceil(e.RetryAfter.Seconds())
		return say(
			errcode.QueryTooComplex,
			"The gateway must search the list for this cursor, and you have caused too many searches recently. "+
				"Try again in a second, or leave the cursor out to begin again.",
		)
	} else if ok {
		out.Rule, out.Extensions["limit"], out.Extensions["actual"] = "upstream requests", e.Limit, e.Limit+1
		return say(errcode.QueryTooComplex,
			"This query takes more than %d requests to Revox. Ask for less at once.", e.Limit)
	}
	if e, ok := errors.AsType[*encode.SizeError](err); ok {
		out.Rule, out.Extensions["limit"], out.Extensions["actual"] = "response bytes", e.Limit, e.Actual
		return say(
			errcode.QueryTooComplex,
			"The response has more than %d bytes with this field. Ask for fewer calls at once.",
			e.Limit,
		)
	}
	if e, ok := errors.AsType[*pagination.UnreadableRowError](err); ok {
		return say(errcode.UpstreamInvalidResponse, "%s", e.Error())
	}
	if e := failureOf(err); e != nil {
		return p.ofUpstream(ctx, e, out, say)
	}
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, cause) {
		return say(errcode.ClientClosedRequest, "The client closed the request before its response was ready.")
	}
	id := cmp.Or(requestOf(ctx).id, rand.Text())
	p.log.ErrorContext(ctx, "internal error", "requestId", id, "path", out.Path.String(), "error", err)
	out.Extensions["requestId"] = id
	return say(
		errcode.InternalServerError,
		"The gateway failed to process the request. Its operator finds the details in the log, by `requestId`.",
	)
}

// ofUpstream words and logs an error of upstream, or of a request that was not sent there.
func (p presenter) ofUpstream(
	ctx context.Context,
	e *upstream.Error,
	out *gqlerror.Error,
	say func(code, format string, args ...any) *gqlerror.Error,
) *gqlerror.Error {
	if e.RetryAfter > 0 {
		out.Extensions["retryAfter"] = math.Ceil(e.RetryAfter.Seconds())
	}
	known := upstreamErrors[e.Kind]
	level, message := slog.LevelWarn, "upstream failed"
	keyRejected := e.Kind == upstream.KindUnauthenticated || e.Kind == upstream.KindForbidden
	if keyRejected && !requestOf(ctx).client.OwnKey {
		known.code, known.message = errcode.UpstreamUnauthenticated, rejectedKey
		level = slog.LevelError
		message = "upstream rejects the gateway's key: set REVOX_API_KEY or REVOX_API_KEY_FILE to one that may list calls"
	}
	if errors.Is(e, upstream.ErrNoMemory) {
		p.memory.Reject()
	}
	if e.Unsent { // what upstream sent was logged when it came
		level, message = slog.LevelInfo, "no request was sent to upstream"
	}
	p.log.Log(ctx, level, message, "requestId", requestOf(ctx).id, "kind", e.Kind.String(), "status", e.Status,
		"cause", string(e.Cause), "reason", e.Reason)
	return say(known.code, "%s", known.message)
}

// failureOf is what an error says of upstream; nil where it says nothing.
func failureOf(err error) *upstream.Error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &upstream.Error{Kind: upstream.KindTimeout, Reason: "no response in time"}
	}
	if e, ok := errors.AsType[*upstream.PageSizeError](err); ok { // and there is no such page to ask for
		return &upstream.Error{Kind: upstream.KindInvalidResponse, Reason: e.Error()}
	}
	e, _ := errors.AsType[*upstream.Error](err)
	return e
}

// ofScan words the errors of scans and of counting; nil for any other.
func (p presenter) ofScan(
	err error, out *gqlerror.Error, say func(code, format string, args ...any) *gqlerror.Error,
) *gqlerror.Error {
	if _, ok := errors.AsType[*stats.TooManyGroupsError](err); ok {
		out.Rule, out.Extensions["limit"], out.Extensions["actual"] = "groups", stats.MaxGroups, stats.MaxGroups+1
		return say(errcode.QueryTooComplex,
			"The calls form more than %d groups. Count fewer calls, in longer steps, or by fewer fields.", stats.MaxGroups)
	}
	if e, ok := errors.AsType[*noCacheScansError](err); ok {
		const limit = admission.NoCacheScans
		out.Rule, out.Extensions["limit"], out.Extensions["actual"] = "scans with no-cache", limit, limit+1
		out.Extensions["retryAfter"] = math.Ceil(e.retryAfter.Seconds())
		return say(errcode.QueryTooComplex,
			"With `Cache-Control: no-cache`, the gateway reads the list for a filter or a count at most %d times per minute. "+
				"Try again later, or without `no-cache`.", limit)
	}
	if errors.Is(err, filter.ErrScanLimit) {
		out.Extensions["scannedPages"] = p.maxScan
		return say(errcode.ScanLimitReached,
			"The list is too long to count the calls that pass the filter in one request. Filter by `startedAt`, or walk "+
				"`calls` and count.")
	}
	return nil
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
	// maxResponseErrors is the most errors that one response reports: those of five fields of each of a hundred calls.
	maxResponseErrors = 500
	// maxErrorBytes bounds their bytes, where paths are long.
	maxErrorBytes = 256 << 10
)

// errorBounds bounds the errors that one response reports. A field inside a row has one error for each row, with its
// path.
type errorBounds struct {
	mu       sync.Mutex
	reported int
	bytes    int // about, of those that are reported
	rest     int // errors that are not reported
}

// admit says whether one more error is reported, and counts it.
func (e *errorBounds) admit() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reported >= maxResponseErrors || e.bytes >= maxErrorBytes {
		e.rest++
		return false
	}
	e.reported++
	return true
}

// add counts the bytes of an error that is reported.
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

// more is the error that says how many others are not reported; nil if all are.
func (e *errorBounds) more() *gqlerror.Error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rest == 0 {
		return nil
	}
	return document.LimitError("errors", errcode.QueryTooComplex, e.reported, e.reported+e.rest,
		"The response has more errors than are reported: %d others were left out.", e.rest)
}
