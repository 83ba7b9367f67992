package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Kind classifies upstream's failures by what a client of the gateway can do about them.
type Kind int

// The kinds of upstream errors.
const (
	// KindInvalidResponse: the response cannot be used: no JSON, no list, a redirect, a status that blames the request
	// (400, 404, 422 and others), or too many bytes.
	KindInvalidResponse Kind = iota
	// KindUnauthenticated: 401, the credential is missing or wrong.
	KindUnauthenticated
	// KindForbidden: 403, the credential may not list calls. A firewall's 403 is of another kind.
	KindForbidden
	// KindRateLimited: 429, or 403 with a time to wait.
	KindRateLimited
	// KindTimeout: no response in time, or 408.
	KindTimeout
	// KindUnavailable: no connection, a connection lost on the way, a proxy or firewall that lets nothing through, 409,
	// or 5xx.
	KindUnavailable
	// KindOverloaded: too many requests already wait for upstream, or the gateway has too many files open to connect.
	KindOverloaded
)

var kindNames = [...]string{
	KindInvalidResponse: "invalid response",
	KindUnauthenticated: "unauthenticated",
	KindForbidden:       "forbidden",
	KindRateLimited:     "rate limited",
	KindTimeout:         "timeout",
	KindUnavailable:     "unavailable",
	KindOverloaded:      "overloaded",
}

func (k Kind) String() string { return kindNames[k] }

// Passing reports whether the failure is upstream's and may pass: older pages may be served meanwhile. A refused
// credential is no such failure.
func (k Kind) Passing() bool { return k != KindUnauthenticated && k != KindForbidden }

// Cause is a word for why upstream has not responded, for the log: operators have to repair different things, where a
// client of the gateway can only wait.
type Cause string

// The causes. That of a timeout is how far the request had come.
const (
	CauseDNS         Cause = "dns"         // its name does not resolve, or not in time
	CauseRefused     Cause = "refused"     // nothing listens there
	CauseUnreachable Cause = "unreachable" // there is no way there
	CauseConnect     Cause = "connect"     // no connection, or none in time: a firewall that drops packets does that
	CauseTLS         Cause = "tls"         // no agreement on TLS, or none in time
	CauseCertificate Cause = "certificate" // its certificate is of another name, expired, or of an unknown authority
	CauseProxy       Cause = "proxy"       // the proxy in between refuses or cannot be reached
	CauseResponse    Cause = "response"    // connected, and no response in time
	CauseBody        Cause = "body"        // a response that did not end in time
	CauseReset       Cause = "reset"       // the connection was reset
	CauseClosed      Cause = "closed"      // the connection ended without a response, or in the middle of one
	CauseChallenge   Cause = "challenge"   // a firewall in front wants to see a browser
	CauseFiles       Cause = "files"       // the gateway has too many files open to connect
	CauseProtocol    Cause = "protocol"    // what came is not HTTP
)

// Error is every failure of upstream. Its text holds no URL, no key and nothing of the response's body.
type Error struct {
	Kind Kind
	// Status is the HTTP status; 0 where there was no response.
	Status int
	// RetryAfter is how long to wait before a retry, as upstream says or the gateway knows; 0 where that is unknown.
	RetryAfter time.Duration
	// Cause and Reason say more, for the log. Cause is "" where Kind and Status say all.
	Cause  Cause
	Reason string

	// Advice is upstream's own word on whether to retry, or the gateway's for an error of its own.
	Advice RetryAdvice
	// Unsent says that upstream was not asked: it is known to reject requests at present, or too many wait for it.
	Unsent bool
}

// RetryAdvice is the header x-should-retry of a response.
type RetryAdvice int8

// The values of the header, and its absence.
const (
	NoAdvice RetryAdvice = iota
	ShouldRetry
	ShouldNotRetry
)

func (e *Error) Error() string {
	parts := []string{"upstream", e.Kind.String(), "", string(e.Cause), e.Reason}
	if e.Status != 0 && e.Status != http.StatusOK {
		parts[2] = fmt.Sprintf("HTTP %d", e.Status)
	}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ": ")
}

// Retryable reports whether a retry may succeed. The vendor's SDKs retry after the same failures.
func (e *Error) Retryable() bool {
	switch e.Advice {
	case ShouldRetry:
		return true
	case ShouldNotRetry:
		return false
	default:
		return e.Kind == KindTimeout || e.Kind == KindUnavailable || e.Kind == KindRateLimited
	}
}

// Overloaded is the error of a request that is not made because too many others wait.
func Overloaded(reason string) error {
	return &Error{Kind: KindOverloaded, Reason: reason, RetryAfter: time.Second, Unsent: true}
}

// ErrNoMemory is the error of a field for whose pages there is no memory, see [Holder].
var ErrNoMemory = Overloaded("there is not enough memory for the pages of a field")

// ContextError is the error of a wait that has ended with its context: the cause of that, or of [KindTimeout] where its
// deadline has passed.
func ContextError(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return &Error{Kind: KindTimeout, Reason: "no response in time"}
}

// ErrTooLarge says that a response has more bytes, or more entries, than are read.
var ErrTooLarge = &Error{Kind: KindInvalidResponse, Status: http.StatusOK, Reason: "the response is too large"}

// PageSizeError says that upstream serves pages of Least to Most rows, and that fewer or more were requested; 0 is no
// known limit. Nothing is wrong: request a page within the limits.
type PageSizeError struct{ Least, Most int }

func (e *PageSizeError) Error() string {
	switch {
	case e.Least == 0:
		return fmt.Sprintf("upstream serves at most %d rows a page", e.Most)
	case e.Most == 0:
		return fmt.Sprintf("upstream serves at least %d rows a page", e.Least)
	default:
		return fmt.Sprintf("upstream serves %d to %d rows a page", e.Least, e.Most)
	}
}
