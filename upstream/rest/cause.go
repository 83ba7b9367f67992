package rest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"revox-graphql/upstream"
)

// progress is how far a request has come. Hooks of httptrace may be called concurrently.
type progress struct {
	mu        sync.Mutex
	at        upstream.Cause
	connected bool
}

// cause is what took the time of a request that has run out of it.
func (p *progress) cause() upstream.Cause {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// connect records that the request waits for a connection: its first, or another one if net/http sends it again.
func (p *progress) connect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.connected = upstream.CauseConnect, false
}

// dial records a step of a dial. A request that has taken a connection which another one returned needs its dial no
// more, but net/http goes on with it and reports its steps.
func (p *progress) dial(step upstream.Cause) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.connected {
		p.at = step
	}
}

// reach records a step after that.
func (p *progress) reach(step upstream.Cause) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.connected = step, true
}

// newProgress makes the progress of a request that begins, and hooks that follow it. GotConn is the caller's.
func newProgress() (*progress, *httptrace.ClientTrace) {
	p := &progress{at: upstream.CauseConnect}
	return p, &httptrace.ClientTrace{
		GetConn:              func(string) { p.connect() },
		DNSStart:             func(httptrace.DNSStartInfo) { p.dial(upstream.CauseDNS) },
		ConnectStart:         func(string, string) { p.dial(upstream.CauseConnect) },
		TLSHandshakeStart:    func() { p.dial(upstream.CauseTLS) },
		GotFirstResponseByte: func() { p.reach(upstream.CauseBody) },
	}
}

// proxyError is a proxy's refusal to connect.
type proxyError struct{ status int }

func (e *proxyError) Error() string { return fmt.Sprintf("the proxy responds with HTTP %d", e.status) }

// checkProxy makes a refusal an error with the status, since the text of the refusal is the proxy's own.
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{resp.StatusCode}
}

// transportError classes a failure below HTTP. The cause of a context that has ended comes first. The error's own text
// is kept where it is known to hold neither an address nor what came over the wire.
func transportError(ctx context.Context, err error, came *progress) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	if netErr, ok := errors.AsType[net.Error](err); ctx.Err() != nil || ok && netErr.Timeout() {
		e := &upstream.Error{Kind: upstream.KindTimeout, Reason: "no response in time"}
		if came != nil {
			e.Cause = came.cause()
		}
		return e
	}
	cause, reason := causeOf(err, came)
	if cause == upstream.CauseFiles {
		return &upstream.Error{
			Kind: upstream.KindOverloaded, Cause: cause, Reason: reason, RetryAfter: time.Second, Unsent: true,
		}
	}
	return &upstream.Error{Kind: upstream.KindUnavailable, Cause: cause, Reason: reason}
}

// causeOf returns why there is no response, and Go's text for it.
func causeOf(err error, came *progress) (upstream.Cause, string) {
	if e, ok := errors.AsType[*proxyError](err); ok {
		return upstream.CauseProxy, e.Error()
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		_, reason := causeOf(op.Err, came)
		return upstream.CauseProxy, reason
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return upstream.CauseDNS, fmt.Sprintf("lookup %s: %s", e.Name, e.Err)
	}
	if cause, reason := tlsCause(err); cause != "" {
		return cause, reason
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return upstream.CauseFiles, "too many open files"
	}
	dialing := came != nil && came.cause() == upstream.CauseConnect
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return errnoCause(number, dialing), number.Error()
	}
	switch {
	case came != nil && came.cause() == upstream.CauseTLS:
		return upstream.CauseTLS, "no agreement on TLS"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return upstream.CauseClosed, "the response was cut short"
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed),
		strings.Contains(err.Error(), "server closed idle connection"), strings.Contains(err.Error(), "GOAWAY"),
		strings.Contains(err.Error(), "client connection lost"): // a ping was not answered
		return upstream.CauseClosed, "the connection was closed"
	case dialing:
		return upstream.CauseConnect, "no connection"
	default:
		return upstream.CauseProtocol, "what came is not HTTP, or broken"
	}
}

// errnoCause is the cause that the operating system names.
func errnoCause(number syscall.Errno, dialing bool) upstream.Cause {
	switch number {
	case syscall.ECONNREFUSED:
		return upstream.CauseRefused
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL:
		return upstream.CauseUnreachable
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED:
		return upstream.CauseReset
	}
	if dialing {
		return upstream.CauseConnect
	}
	return upstream.CauseClosed
}

// tlsCause returns the cause of a failure of TLS; "" if TLS has not failed.
func tlsCause(err error) (upstream.Cause, string) {
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		if name, ok := errors.AsType[x509.HostnameError](e.Err); ok {
			return upstream.CauseCertificate, "x509: the certificate is not of the host " + name.Host
		}
		return upstream.CauseCertificate, e.Err.Error()
	}
	op, ok := errors.AsType[*net.OpError](err)
	if ok && (op.Op == "remote error" || op.Op == "local error") { // an alert
		return upstream.CauseTLS, op.Op + ": " + op.Err.Error()
	}
	if header, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return upstream.CauseTLS, "tls: " + header.Msg
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return upstream.CauseTLS, "the server speaks HTTP without TLS"
	}
	return "", ""
}
