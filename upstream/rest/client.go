// Package rest is the client of the one REST endpoint, GET /call: [Client] implements [upstream.Lister] over HTTP.
//
// Three other packages do a part of the work: package attempt decides when a request may be sent, and sent again;
// package verify decides whether the gateway can rely on a response; and package upstream reads it. This package sends
// requests (request.go), limits the size of responses (large.go, cut.go), and gives failures their kind and cause
// (httperror.go, cause.go). It also checks that upstream filters by `statuses` (statuses.go), abandons stalled
// connections (connections.go), and keeps what it knows for each credential (tenants.go).
package rest

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"time"

	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
	"revox-graphql/upstream/attempt"
	"revox-graphql/upstream/verify"
)

// StatusesFormat is how the array `statuses` travels in the query string. The documentation does not say.
type StatusesFormat string

// The three formats seen in the vendor's SDKs and their siblings; comma is the likeliest.
const (
	StatusesComma    StatusesFormat = "comma"    // statuses=a,b
	StatusesRepeat   StatusesFormat = "repeat"   // statuses=a&statuses=b
	StatusesBrackets StatusesFormat = "brackets" // statuses[]=a&statuses[]=b
)

// MaxResponseBytes bounds the body of a response after decompression: 160 calls of ten minutes each, at 100 kB a call.
const MaxResponseBytes = 16 << 20

// Options are the settings of a [Client].
type Options struct {
	// BaseURL is the API's address without the trailing `/call`; http or https.
	BaseURL *url.URL
	// UserAgent is the header of that name; empty is revox-graphql.
	UserAgent string
	// StatusesFormat; empty is StatusesComma.
	StatusesFormat StatusesFormat
	// FirstPage; the zero value is FirstPageZero.
	FirstPage upstream.FirstPage
	// CheckStatuses finds out, once for each credential that filters by several statuses, whether upstream understands
	// the format. It takes a few small requests in the background.
	CheckStatuses bool
	// MaxResponseBytes bounds the body of a response after decompression; 0 is the constant of that name.
	MaxResponseBytes int64
	// AttemptTimeout bounds one request; 0 is 10 s.
	AttemptTimeout time.Duration
	// RetryDelay is the time after which a failed request is retried for the first time; 0 is
	// [attempt.DefaultRetryDelay].
	RetryDelay time.Duration
	// MaxConcurrent bounds the requests in flight; 0 is 32. MaxTenantConcurrent bounds those of one credential; 0 is
	// MaxConcurrent.
	MaxConcurrent, MaxTenantConcurrent int
	// MaxWaiting bounds the requests that wait for one in flight to end; 0 is 256, and less is none.
	MaxWaiting int
	// Memory is the memory of the process, in which responses are counted while they are read; nil counts nothing.
	Memory *memory.Budget
	// AnyKey says that credentials may be made up. Those that upstream has never accepted then have a small share of
	// all this together, see [upstream.UnprovenShare].
	AnyKey bool
	// Observer is called for each event; nil is no observer.
	Observer upstream.Observer
	// Transport; nil is one of its own that keeps enough idle connections to one host.
	Transport http.RoundTripper
	// Wrap, if it is not nil, wraps the transport: what it returns sees every request.
	Wrap func(http.RoundTripper) http.RoundTripper
}

// Client is the [upstream.Lister] that asks upstream itself. Each ListCalls is one request, which may take several
// attempts (package attempt), and a few more requests where one response is not enough to rely on (package verify). It
// is safe for concurrent use.
type Client struct {
	opts     Options
	endpoint url.URL
	http     *http.Client
	conns    *connections // nil where the transport is not net/http's
	tenants  *tenants
	checks   *checks
	large    *large
	reading  *memory.Account
}

// NewClient makes a client, and sends nothing. Close it when it is not needed any more.
func NewClient(opts Options) *Client {
	opts.UserAgent = cmp.Or(opts.UserAgent, "revox-graphql")
	opts.MaxResponseBytes = cmp.Or(opts.MaxResponseBytes, MaxResponseBytes)
	opts.AttemptTimeout = cmp.Or(opts.AttemptTimeout, 10*time.Second)
	opts.RetryDelay = cmp.Or(opts.RetryDelay, attempt.DefaultRetryDelay)
	opts.MaxConcurrent = cmp.Or(opts.MaxConcurrent, 32)
	opts.MaxTenantConcurrent = cmp.Or(opts.MaxTenantConcurrent, opts.MaxConcurrent)
	opts.MaxWaiting = cmp.Or(opts.MaxWaiting, 256)
	if opts.Observer == nil {
		opts.Observer = upstream.Unobserved{}
	}
	if opts.Transport == nil {
		opts.Transport = NewTransport(opts.MaxConcurrent)
	}
	var conns *connections
	if transport, ok := opts.Transport.(*http.Transport); ok {
		conns = newConnections(transport)
		opts.Transport = conns
	}
	if opts.Wrap == nil {
		opts.Wrap = func(transport http.RoundTripper) http.RoundTripper { return transport }
	}
	c := &Client{
		opts:     opts,
		conns:    conns,
		large:    newLarge(opts.MaxConcurrent),
		reading:  opts.Memory.Account("upstream_responses"),
		checks:   newChecks(),
		endpoint: *opts.BaseURL.JoinPath("call"),
		http: &http.Client{
			Transport: opts.Wrap(opts.Transport),
			// A redirect is a response like any other: following it would carry the key elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.tenants = newTenants(&c.opts)
	return c
}

const (
	// pingAfter is how long a connection over HTTP/2 is silent before a ping checks it, and pingTimeout how long the
	// response to the ping may take: a connection that has died silently fails every request that is sent over it.
	// Together they are shorter than an attempt, so the connections of shorter requests are checked too.
	pingAfter   = 5 * time.Second
	pingTimeout = 3 * time.Second
)

// maxHeaderBytes bounds the headers of a response: Go's default of 10 MiB, times the requests in flight, is memory that
// is not counted. Servers send some kilobytes, and nginx accepts no more than 8 from those behind it.
const maxHeaderBytes = 64 << 10

// NewTransport makes the transport of a client that has so many requests in flight. As many connections stay open: with
// Go's defaults (2 to a host, and 100) connections would be closed under load only to be dialed again.
func NewTransport(maxConcurrent int) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.MaxIdleConns = maxConcurrent, max(t.MaxIdleConns, maxConcurrent)
	t.MaxResponseHeaderBytes = maxHeaderBytes
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	t.OnProxyConnectResponse = checkProxy
	return t
}

// Close ends what the client does in the background, and closes idle connections.
func (c *Client) Close() {
	c.checks.close()
	c.closeIdle()
}

// closeIdle closes idle connections. It calls the transport itself, since what wraps it may not know how.
func (c *Client) closeIdle() { (&http.Client{Transport: c.opts.Transport}).CloseIdleConnections() }

// Load returns how many requests to upstream are in flight, and how many wait for one of those to end.
func (c *Client) Load() (inFlight, waiting int) { return c.tenants.pool.Load() }

// Proven reports whether upstream has accepted a tenant's key, as far as that is remembered. Where keys are not made up
// (see [Options].AnyKey) none has to be proven.
func (c *Client) Proven(tenant upstream.Tenant) bool {
	return !c.opts.AnyKey || c.tenants.known.Contains(tenant)
}

// Findings returns what was found out about upstream with a credential; ok is false where nothing was.
func (c *Client) Findings(credential upstream.Credential) (f verify.Findings, ok bool) {
	return c.tenants.of(credential).verifier.Findings()
}

// Assume takes over what another process has found out with the same credential.
func (c *Client) Assume(credential upstream.Credential, f verify.Findings) {
	c.tenants.of(credential).verifier.Assume(f)
}

// BreakerOpen reports whether upstream keeps failing for a tenant: its circuit breaker has opened, and no request has
// closed it since.
func (c *Client) BreakerOpen(tenant upstream.Tenant) bool {
	t := c.tenants.find(tenant)
	return t != nil && t.attempts.BreakerOpen()
}

// ListCalls implements [upstream.Lister]. It always asks upstream, so NotBefore has no effect.
func (c *Client) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	if !opts.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, opts.Deadline)
		defer cancel()
	}
	r := request{Client: c, list: opts.List, tenant: c.tenants.of(opts.Credential), attempts: attempt.Request{
		Budget: opts.Budget, Sending: ctx, Urgent: becomesUrgent(opts),
	}}
	if opts.Waiters != nil {
		waiting, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		if deadline, ok := opts.Waiters.Deadline(); ok { // it decides whether there is time for another attempt
			var end context.CancelFunc
			waiting, end = context.WithDeadline(waiting, deadline)
			defer end()
		}
		defer context.AfterFunc(opts.Waiters, func() { cancel(context.Cause(opts.Waiters)) })()
		if opts.Waiters.Err() != nil {
			return nil, upstream.ContextError(opts.Waiters)
		}
		ctx = waiting
	}
	page, err := r.page(ctx, opts.Page, opts.PageSize)
	if err == nil {
		c.checkStatuses(r)
	}
	return page, err
}
