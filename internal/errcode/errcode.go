// Package errcode has the error codes of the gateway: the values of `extensions.code` in a GraphQL error. The table in
// docs/errors.md is generated from rows: run `go generate ./internal/errcode` after a change.
package errcode

//go:generate go run revox-graphql/docs/tables

import (
	"fmt"
	"slices"
	"strings"
)

// Errors of the request.
const (
	ParseFailed                = "GRAPHQL_PARSE_FAILED"
	ValidationFailed           = "GRAPHQL_VALIDATION_FAILED"
	BadUserInput               = "BAD_USER_INPUT"
	InvalidCursor              = "INVALID_CURSOR"
	CursorExpired              = "CURSOR_EXPIRED"
	ScanLimitReached           = "SCAN_LIMIT_REACHED"
	QueryTooComplex            = "QUERY_TOO_COMPLEX"
	QueryTooLarge              = "QUERY_TOO_LARGE"
	PersistedQueryNotFound     = "PERSISTED_QUERY_NOT_FOUND"     // of Apollo's protocol
	PersistedQueryNotSupported = "PERSISTED_QUERY_NOT_SUPPORTED" // of Apollo's protocol
	PersistedQueryRequired     = "PERSISTED_QUERY_REQUIRED"
	Unauthenticated            = "UNAUTHENTICATED"
	Forbidden                  = "FORBIDDEN"
	ClientClosedRequest        = "CLIENT_CLOSED_REQUEST" // nginx's name for its status 499
	ClientTooSlow              = "CLIENT_TOO_SLOW"
)

// Errors of the gateway or of Revox: the same request may succeed later.
const (
	UpstreamUnauthenticated = "UPSTREAM_UNAUTHENTICATED"
	UpstreamRateLimited     = "UPSTREAM_RATE_LIMITED"
	UpstreamTimeout         = "UPSTREAM_TIMEOUT"
	UpstreamUnavailable     = "UPSTREAM_UNAVAILABLE"
	UpstreamInvalidResponse = "UPSTREAM_INVALID_RESPONSE"
	Overloaded              = "OVERLOADED"
	InternalServerError     = "INTERNAL_SERVER_ERROR"
)

// row describes a code. The texts are Markdown, for docs/errors.md.
type row struct {
	code       string
	server     bool // the gateway or Revox is to blame, and not the client
	cause      string
	action     string // what the client does
	extensions string // other members of the error's extensions
}

var rows = []row{
	{
		code: ParseFailed, cause: "the document is not GraphQL",
		action: "correct the document",
	},
	{
		code: ValidationFailed, cause: "the document or its variables do not fit the schema",
		action: "correct them; the message names the field or variable",
	},
	{
		code: BadUserInput, cause: "an argument is wrong, or the HTTP request is not a valid GraphQL request",
		action:     "correct it; for requests of browsers see [HTTP](http.md#browsers)",
		extensions: "`argument`, where one is the cause",
	},
	{
		code: InvalidCursor, cause: "the cursor is malformed, or belongs to other `statuses`",
		action: "start again without a cursor",
	},
	{
		code: CursorExpired, cause: "the list has changed too much since the cursor was made",
		action: "start again without a cursor",
	},
	{
		code:   ScanLimitReached,
		cause:  "a look-up by id, or a count of the calls that pass a filter, ended before the end of the list",
		action: "page through `calls` instead", extensions: "`scannedPages`",
	},
	{
		code: QueryTooComplex,
		cause: "the query exceeds a [limit](limits.md): depth, aliases, root fields, cost, response bytes, " +
			"upstream requests, searches, groups, or scans with `no-cache`",
		action:     "request less at once; if there is a `retryAfter`, try again after it",
		extensions: "`limit`, `actual`; `retryAfter` for searches and scans",
	},
	{
		code: QueryTooLarge, cause: "the request has too many bytes or tokens, or a name of more than 200 bytes",
		action: "send a smaller document", extensions: "`limit`, `actual`",
	},
	{
		code: PersistedQueryNotFound, cause: "no document has this hash or id",
		action: "for a hash, send the document too",
	},
	{
		code: PersistedQueryNotSupported, cause: "automatic persisted queries are off, or only trusted documents run",
		action: "send the document, or a trusted id",
	},
	{
		code: PersistedQueryRequired, cause: "only trusted documents run, and the request does not name one",
		action: "send the id of a trusted document",
	},
	{
		code:   Unauthenticated,
		cause:  "no token, or a wrong one; with forwarding also: Revox returned 401 for the client's key",
		action: "send `Authorization: Bearer …`",
	},
	{
		code: Forbidden, cause: "with forwarding: Revox returned 403 for the client's key",
		action: "use a key that may list calls",
	},
	{
		code: UpstreamUnauthenticated, server: true, cause: "Revox rejects the gateway's own key",
		action: "tell the gateway's operator",
	},
	{
		code: UpstreamRateLimited, server: true, cause: "Revox returned 429",
		action: "try again after `retryAfter`", extensions: "`retryAfter`",
	},
	{
		code: UpstreamTimeout, server: true, cause: "Revox did not respond in time",
		action: "try again, or request fewer calls",
	},
	{
		code: UpstreamUnavailable, server: true, cause: "Revox cannot be reached, or fails",
		action: "try again later", extensions: "`retryAfter`, where known",
	},
	{
		code: UpstreamInvalidResponse, server: true,
		cause:  "the gateway cannot use the response of Revox, or cannot read one of its calls",
		action: "show the calls that arrived",
	},
	{
		code: Overloaded, server: true,
		cause: "too many requests are in flight or wait for Revox, or memory is short; the status is 503 if the gateway " +
			"executed nothing",
		action: "try again after `retryAfter`", extensions: "`retryAfter`",
	},
	{
		code: InternalServerError, server: true, cause: "anything else",
		action: "report the `requestId` to the operator, who finds it in the log", extensions: "`requestId`",
	},
	{
		code: ClientClosedRequest, cause: "the client left before the response was ready",
		action: "in logs and metrics only",
	},
	{
		code: ClientTooSlow, cause: "the client stopped reading, and the gateway closed the connection",
		action: "in logs and metrics only",
	},
}

// OfServer reports whether the gateway or Revox is to blame for an error, and not the client.
func OfServer(code string) bool {
	return slices.ContainsFunc(rows, func(r row) bool { return r.server && r.code == code })
}

// Table returns the error codes as a Markdown table.
func Table() string {
	var b strings.Builder
	b.WriteString("| code | cause | what the client does | also in `extensions` |\n| --- | --- | --- | --- |\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.code, r.cause, r.action, r.extensions)
	}
	return b.String()
}
