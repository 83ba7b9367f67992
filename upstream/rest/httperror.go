package rest

import (
	"errors"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/attempt"
)

// statusError is the error of a response other than 200.
func statusError(status int, header http.Header, now time.Time) *upstream.Error {
	e := &upstream.Error{Kind: kindOfStatus(status), Status: status, RetryAfter: retryAfter(header, now)}
	switch header.Get("X-Should-Retry") {
	case "true":
		e.Advice = upstream.ShouldRetry
	case "false":
		e.Advice = upstream.ShouldNotRetry
	}
	switch {
	case status/100 == 3:
		e.Reason = "redirects are not followed; is the base URL right?"
	case status == http.StatusProxyAuthRequired:
		e.Kind, e.Cause, e.Reason = upstream.KindUnavailable, upstream.CauseProxy, "the proxy wants a user and a password"
	case status == http.StatusForbidden:
		classForbidden(e, header)
	}
	return e
}

// classForbidden tells a 403 that is about the key from one of a firewall in front of upstream, which is about the
// address or the rate of requests: a firewall names a time, sends a page for a browser, or says so (Cloudflare's
// `cf-mitigated`). After a page for a browser the request is not retried, which would only make it worse.
func classForbidden(e *upstream.Error, header http.Header) {
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	switch {
	case e.RetryAfter > 0:
		e.Kind = upstream.KindRateLimited
	case header.Get("Cf-Mitigated") != "" || mediaType == "text/html" || mediaType == "application/xhtml+xml":
		e.Kind, e.Cause = upstream.KindUnavailable, upstream.CauseChallenge
		e.Reason = "a firewall in front of it wants to see a browser, or refuses the address"
		if e.Advice == upstream.NoAdvice {
			e.Advice = upstream.ShouldNotRetry
		}
	}
}

// kindOfStatus classes an HTTP status other than 200, as the vendor's SDK does.
func kindOfStatus(status int) upstream.Kind {
	switch {
	case status == http.StatusUnauthorized:
		return upstream.KindUnauthenticated
	case status == http.StatusForbidden:
		return upstream.KindForbidden
	case status == http.StatusTooManyRequests:
		return upstream.KindRateLimited
	case status == http.StatusRequestTimeout:
		return upstream.KindTimeout
	case status == http.StatusConflict, status >= 500:
		return upstream.KindUnavailable
	default:
		return upstream.KindInvalidResponse
	}
}

// retryAfter reads how long upstream asks to wait, as the vendor's SDK does: `retry-after-ms` before `Retry-After`,
// which is seconds or a date. 0 is unknown. A longer time than [attempt.LongestPause] is cut to that.
func retryAfter(header http.Header, now time.Time) time.Duration {
	if wait := number(header.Get("Retry-After-Ms"), time.Millisecond); wait > 0 {
		return wait
	}
	value := strings.TrimSpace(header.Get("Retry-After"))
	if wait := number(value, time.Second); wait > 0 {
		return wait
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return min(at.Sub(now), attempt.LongestPause)
	}
	return 0
}

// number reads so many units, up to [attempt.LongestPause]; 0 is what is no positive number.
func number(value string, unit time.Duration) time.Duration {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(n) || n <= 0 {
		return 0
	}
	return time.Duration(min(n*float64(unit), float64(attempt.LongestPause)))
}
