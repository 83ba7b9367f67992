package upstream

import (
	"fmt"
	"net/http"
	"time"
)

// Kind classes what went wrong with upstream, by what a client of the gateway can do about it.
type Kind int

// The kinds of upstream errors.
const (
	// KindInvalidResponse: upstream answered what cannot be used: no JSON, no list, a redirect, a status that says the
	// gateway asked wrongly (400, 404, 422 and others), or too many bytes.
	KindInvalidResponse Kind = iota
	// KindUnauthenticated: 401, the credential is missing or wrong.
	KindUnauthenticated
	// KindForbidden: 403, the credential may not list calls.
	KindForbidden
	// KindRateLimited: 429.
	KindRateLimited
	// KindTimeout: no answer in time, or 408.
	KindTimeout
	// KindUnavailable: no connection, a connection lost on the way, 409, or 5xx.
	KindUnavailable
)

func (k Kind) String() string {
	switch k {
	case KindUnauthenticated:
		return "unauthenticated"
	case KindForbidden:
		return "forbidden"
	case KindRateLimited:
		return "rate limited"
	case KindTimeout:
		return "timeout"
	case KindUnavailable:
		return "unavailable"
	default:
		return "invalid response"
	}
}

// Error is every failure of upstream. Its text holds no URL, no key and nothing of the answer's body.
type Error struct {
	Kind Kind
	// Status is the HTTP status; 0 where there was no answer.
	Status int
	// RetryAfter is how long upstream asked to wait; 0 where it did not say.
	RetryAfter time.Duration
	// Reason says more, for the log.
	Reason string
}

func (e *Error) Error() string {
	switch {
	case e.Status == 0 || e.Status == http.StatusOK:
		return fmt.Sprintf("upstream: %s: %s", e.Kind, e.Reason)
	case e.Reason == "":
		return fmt.Sprintf("upstream: %s: HTTP %d", e.Kind, e.Status)
	default:
		return fmt.Sprintf("upstream: %s: HTTP %d: %s", e.Kind, e.Status, e.Reason)
	}
}

// kindOfStatus classes an HTTP status other than 200, as the vendor's SDK does.
func kindOfStatus(status int) Kind {
	switch {
	case status == http.StatusUnauthorized:
		return KindUnauthenticated
	case status == http.StatusForbidden:
		return KindForbidden
	case status == http.StatusTooManyRequests:
		return KindRateLimited
	case status == http.StatusRequestTimeout:
		return KindTimeout
	case status == http.StatusConflict, status >= 500:
		return KindUnavailable
	default:
		return KindInvalidResponse
	}
}
