// Package errcode has the error codes of the gateway: the values of `extensions.code` in a GraphQL error.
package errcode

// Errors of the request.
const (
	ParseFailed                = "GRAPHQL_PARSE_FAILED"          // the document is no GraphQL
	ValidationFailed           = "GRAPHQL_VALIDATION_FAILED"     // the document does not fit the schema
	BadUserInput               = "BAD_USER_INPUT"                // an argument, a header, or the HTTP request
	InvalidCursor              = "INVALID_CURSOR"                // no cursor of this list
	CursorExpired              = "CURSOR_EXPIRED"                // the list has changed too much since the cursor was made
	ScanLimitReached           = "SCAN_LIMIT_REACHED"            // not found among the newest calls
	QueryTooComplex            = "QUERY_TOO_COMPLEX"             // costs or holds more than a request may
	QueryTooLarge              = "QUERY_TOO_LARGE"               // has more bytes or tokens than a request may
	PersistedQueryNotFound     = "PERSISTED_QUERY_NOT_FOUND"     // Apollo's protocol: send the document too
	PersistedQueryNotSupported = "PERSISTED_QUERY_NOT_SUPPORTED" // Apollo's protocol: persisted queries are off
	PersistedQueryRequired     = "PERSISTED_QUERY_REQUIRED"      // only trusted documents run
	Unauthenticated            = "UNAUTHENTICATED"               // no credential, or one that is not accepted
	Forbidden                  = "FORBIDDEN"                     // the client's own key may not list calls
	ClientClosedRequest        = "CLIENT_CLOSED_REQUEST"         // nginx's name for its status 499
	ClientTooSlow              = "CLIENT_TOO_SLOW"               // cut off: it did not read its response; only logged
)

// Errors of the gateway or of Revox: the same request may succeed later.
const (
	UpstreamUnauthenticated = "UPSTREAM_UNAUTHENTICATED"  // Revox rejects the gateway's own key
	UpstreamRateLimited     = "UPSTREAM_RATE_LIMITED"     // Revox returns 429
	UpstreamTimeout         = "UPSTREAM_TIMEOUT"          // Revox does not respond in time
	UpstreamUnavailable     = "UPSTREAM_UNAVAILABLE"      // Revox cannot be reached, or fails
	UpstreamInvalidResponse = "UPSTREAM_INVALID_RESPONSE" // Revox's response cannot be used
	Overloaded              = "OVERLOADED"                // the gateway rejects requests
	InternalServerError     = "INTERNAL_SERVER_ERROR"     // anything else; only the log has details
)

// OfServer reports whether the gateway or Revox is to blame for an error, and not the client.
func OfServer(code string) bool {
	switch code {
	case UpstreamUnauthenticated, UpstreamRateLimited, UpstreamTimeout, UpstreamUnavailable,
		UpstreamInvalidResponse, Overloaded, InternalServerError:
		return true
	default:
		return false
	}
}
