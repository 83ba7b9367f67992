package upstream

import (
	"errors"
	"fmt"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
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
	// KindForbidden: 403, the credential may not list calls. A firewall's 403 is of another kind.
	KindForbidden
	// KindRateLimited: 429, or 403 with a time to wait.
	KindRateLimited
	// KindTimeout: no answer in time, or 408.
	KindTimeout
	// KindUnavailable: no connection, a connection lost on the way, a proxy or firewall that lets nothing through, 409,
	// or 5xx.
	KindUnavailable
	// KindOverloaded: the gateway has so many requests waiting for upstream that it takes no more, or so many files
	// open that it cannot connect.
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

// Passing reports whether the trouble is upstream's and may pass: what is known from before may be served meanwhile. A
// credential that is refused is no such trouble.
func (k Kind) Passing() bool { return k != KindUnauthenticated && k != KindForbidden }

// Error is every failure of upstream. Its text holds no URL, no key and nothing of the answer's body.
type Error struct {
	Kind Kind
	// Status is the HTTP status; 0 where there was no answer.
	Status int
	// RetryAfter is how long to wait before asking again, as upstream told or the gateway knows; 0 where nobody does.
	RetryAfter time.Duration
	// Cause and Reason say more, for the log. Cause is "" where Kind and Status tell all.
	Cause  Cause
	Reason string

	advice advice
	unsent bool // upstream was not asked
}

// advice is what an answer's header x-should-retry says.
type advice int8

const (
	noAdvice advice = iota
	shouldRetry
	shouldNotRetry
)

func (e *Error) Error() string {
	parts := []string{"upstream", e.Kind.String(), "", string(e.Cause), e.Reason}
	if e.Status != 0 && e.Status != http.StatusOK {
		parts[2] = fmt.Sprintf("HTTP %d", e.Status)
	}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ": ")
}

// Asked reports whether upstream was asked. Else it is known to refuse at present, or too much waits for it.
func (e *Error) Asked() bool { return !e.unsent }

// mayPass reports whether asking again may help. The vendor's SDKs ask again after the same failures.
func (e *Error) mayPass() bool {
	switch e.advice {
	case shouldRetry:
		return true
	case shouldNotRetry:
		return false
	default:
		return e.Kind == KindTimeout || e.Kind == KindUnavailable || e.Kind == KindRateLimited
	}
}

// statusError is the error of an answer other than 200.
func statusError(status int, header http.Header, now time.Time) *Error {
	e := &Error{Kind: kindOfStatus(status), Status: status, RetryAfter: retryAfter(header, now)}
	switch header.Get("X-Should-Retry") {
	case "true":
		e.advice = shouldRetry
	case "false":
		e.advice = shouldNotRetry
	}
	switch {
	case status/100 == 3:
		e.Reason = "redirects are not followed; is the base URL right?"
	case status == http.StatusProxyAuthRequired:
		e.Kind, e.Cause, e.Reason = KindUnavailable, CauseProxy, "the proxy wants a user and a password"
	case status == http.StatusForbidden:
		e.readForbidden(header)
	}
	return e
}

// readForbidden tells a 403 that is about the key from those of a firewall in front, which are about the address or the
// rate of requests: it names a time, sends a page for a browser, or says so (Cloudflare's `cf-mitigated`). A page for a
// browser is not asked for again at once, which would only make it worse.
func (e *Error) readForbidden(header http.Header) {
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	switch {
	case e.RetryAfter > 0:
		e.Kind = KindRateLimited
	case header.Get("Cf-Mitigated") != "" || mediaType == "text/html" || mediaType == "application/xhtml+xml":
		e.Kind, e.Cause = KindUnavailable, CauseChallenge
		e.Reason = "a firewall in front of it wants to see a browser, or refuses the address"
		if e.advice == noAdvice {
			e.advice = shouldNotRetry
		}
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

// retryAfter reads how long upstream asks to wait, as the vendor's SDK does: `retry-after-ms` before `Retry-After`,
// which is seconds or a date. 0 is unknown. What is longer than longestPause is that long: no longer time is kept to.
func retryAfter(header http.Header, now time.Time) time.Duration {
	if wait := number(header.Get("Retry-After-Ms"), time.Millisecond); wait > 0 {
		return wait
	}
	value := strings.TrimSpace(header.Get("Retry-After"))
	if wait := number(value, time.Second); wait > 0 {
		return wait
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return min(at.Sub(now), longestPause)
	}
	return 0
}

// number reads so many units, up to longestPause; 0 is what is no positive number.
func number(value string, unit time.Duration) time.Duration {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(n) || n <= 0 {
		return 0
	}
	return time.Duration(min(n*float64(unit), float64(longestPause)))
}
