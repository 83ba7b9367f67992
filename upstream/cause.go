package upstream

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
	"sync/atomic"
	"syscall"
	"time"
)

// Cause is a word for why upstream has not answered, for the log: what an operator has to mend differs, where a client
// of the gateway can only wait.
type Cause string

// The causes. One that has to do with time is how far a request had come.
const (
	CauseDNS         Cause = "dns"         // its name does not resolve, or not in time
	CauseRefused     Cause = "refused"     // nothing listens there
	CauseUnreachable Cause = "unreachable" // there is no way there
	CauseConnect     Cause = "connect"     // no connection, or none in time: a firewall that drops packets does that
	CauseTLS         Cause = "tls"         // no agreement on TLS, or none in time
	CauseCertificate Cause = "certificate" // its certificate is of another name, expired, or of an unknown authority
	CauseProxy       Cause = "proxy"       // the proxy in between refuses or cannot be reached
	CauseAnswer      Cause = "answer"      // connected, and no answer in time
	CauseBody        Cause = "body"        // an answer that did not end in time
	CauseReset       Cause = "reset"       // the connection was reset
	CauseClosed      Cause = "closed"      // the connection ended without an answer, or in the middle of one
	CauseChallenge   Cause = "challenge"   // a firewall in front wants to see a browser
	CauseFiles       Cause = "files"       // the gateway has too many files open to connect
	CauseProtocol    Cause = "protocol"    // what came is not HTTP
)

// passage is how far a request has come. Hooks of httptrace may be called at once.
type passage struct{ at atomic.Pointer[Cause] }

func (p *passage) reach(c Cause) { p.at.Store(&c) }

// cause is what took the time of a request that has run out of it.
func (p *passage) cause() Cause {
	if at := p.at.Load(); at != nil {
		return *at
	}
	return CauseConnect
}

// hooks follow a request.
func (p *passage) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { p.reach(CauseDNS) },
		ConnectStart:         func(string, string) { p.reach(CauseConnect) },
		TLSHandshakeStart:    func() { p.reach(CauseTLS) },
		GotFirstResponseByte: func() { p.reach(CauseBody) },
	}
}

// proxyError is a proxy's refusal to connect.
type proxyError struct{ status int }

func (e *proxyError) Error() string { return fmt.Sprintf("the proxy answers HTTP %d", e.status) }

// checkProxy makes a refusal an error that says more than its text, which is the proxy's own.
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{answer.StatusCode}
}

// transportError classes a failure below HTTP. Why the request was stopped comes first. The error's own text is kept
// where it is known to hold neither an address nor what came over the wire.
func transportError(ctx context.Context, err error, came *passage) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	if netErr, ok := errors.AsType[net.Error](err); ctx.Err() != nil || ok && netErr.Timeout() {
		e := &Error{Kind: KindTimeout, Reason: "no answer in time"}
		if came != nil {
			e.Cause = came.cause()
		}
		return e
	}
	cause, reason := causeOf(err, came)
	if cause == CauseFiles {
		return &Error{Kind: KindOverloaded, Cause: cause, Reason: reason, RetryAfter: time.Second, unsent: true}
	}
	return &Error{Kind: KindUnavailable, Cause: cause, Reason: reason}
}

// causeOf is why there is no answer, and Go's text for it.
func causeOf(err error, came *passage) (Cause, string) {
	if e, ok := errors.AsType[*proxyError](err); ok {
		return CauseProxy, e.Error()
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		_, reason := causeOf(op.Err, came)
		return CauseProxy, reason
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return CauseDNS, fmt.Sprintf("lookup %s: %s", e.Name, e.Err)
	}
	if cause, reason := tlsCause(err); cause != "" {
		return cause, reason
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return CauseFiles, "too many open files"
	}
	dialing := came != nil && came.cause() == CauseConnect
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return errnoCause(number, dialing), number.Error()
	}
	switch {
	case came != nil && came.cause() == CauseTLS:
		return CauseTLS, "no agreement on TLS"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return CauseClosed, "the answer was cut short"
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed),
		strings.Contains(err.Error(), "server closed idle connection"), strings.Contains(err.Error(), "GOAWAY"),
		strings.Contains(err.Error(), "client connection lost"): // a ping was not answered
		return CauseClosed, "the connection was closed"
	case dialing:
		return CauseConnect, "no connection"
	default:
		return CauseProtocol, "what came is not HTTP, or broken"
	}
}

// errnoCause is the cause that the system names.
func errnoCause(number syscall.Errno, dialing bool) Cause {
	switch number {
	case syscall.ECONNREFUSED:
		return CauseRefused
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL:
		return CauseUnreachable
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED:
		return CauseReset
	}
	if dialing {
		return CauseConnect
	}
	return CauseClosed
}

// tlsCause is what is wrong with TLS; "" where nothing is.
func tlsCause(err error) (Cause, string) {
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		if name, ok := errors.AsType[x509.HostnameError](e.Err); ok {
			return CauseCertificate, "x509: the certificate is not of the host " + name.Host
		}
		return CauseCertificate, e.Err.Error()
	}
	op, ok := errors.AsType[*net.OpError](err)
	if ok && (op.Op == "remote error" || op.Op == "local error") { // an alert
		return CauseTLS, op.Op + ": " + op.Err.Error()
	}
	if header, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return CauseTLS, "tls: " + header.Msg
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return CauseTLS, "the server speaks HTTP without TLS"
	}
	return "", ""
}
