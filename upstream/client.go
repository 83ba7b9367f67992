package upstream

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync"
	"time"

	"revox-graphql/internal/memory"
)

// StatusesFormat is how the array `statuses` travels in the query string. The documentation does not say.
type StatusesFormat string

// The three formats seen in the vendor's SDKs and their siblings; comma is the likeliest.
const (
	StatusesComma    StatusesFormat = "comma"    // statuses=a,b
	StatusesRepeat   StatusesFormat = "repeat"   // statuses=a&statuses=b
	StatusesBrackets StatusesFormat = "brackets" // statuses[]=a&statuses[]=b
)

// FirstPage is the number that upstream gives to its first page. The documentation says both 0 and 1.
type FirstPage int

// The numbers of the first page. FirstPageAuto finds it out at first use, mostly with three requests for a few
// rows.
const (
	FirstPageAuto FirstPage = -1
	FirstPageZero FirstPage = 0
	FirstPageOne  FirstPage = 1
)

// MaxAnswerBytes caps an answer's body after decompression: 160 calls of ten minutes each, at 100 kB a call.
const MaxAnswerBytes = 16 << 20

// ClientOptions are the settings of a [Client].
type ClientOptions struct {
	// BaseURL is the API's address without the trailing `/call`; http or https.
	BaseURL *url.URL
	// UserAgent is the header of that name; empty is revox-graphql.
	UserAgent string
	// StatusesFormat; empty is StatusesComma.
	StatusesFormat StatusesFormat
	// FirstPage; the zero value is FirstPageZero.
	FirstPage FirstPage
	// CheckStatuses tries out, once for each credential that filters by several statuses, whether upstream understands
	// the format. It takes a few small requests in the background.
	CheckStatuses bool
	// MaxAnswerBytes caps an answer's body after decompression; 0 is the constant of that name.
	MaxAnswerBytes int64
	// AttemptTimeout bounds one request; 0 is 10 s.
	AttemptTimeout time.Duration
	// RetryDelay is the time after which a failed request is tried again for the first time; 0 is 500 ms.
	RetryDelay time.Duration
	// MaxConcurrent is how many requests are under way at once; 0 is 32. MaxTenantConcurrent is how many of one
	// credential are; 0 is all of them.
	MaxConcurrent, MaxTenantConcurrent int
	// MaxWaiting is how many requests wait for that; 0 is 256, and less is none.
	MaxWaiting int
	// Memory is that of the process, in which answers are counted while they are read; nil counts nothing.
	Memory *memory.Budget
	// AnyKey says that credentials may be made up. Those that upstream has never accepted then have a small share of
	// all this together, see [UnprovenShare].
	AnyKey bool
	// Observer is told what happens; nil is nobody.
	Observer Observer
	// Transport; nil is one of its own that keeps enough idle connections to one host.
	Transport http.RoundTripper
	// Wrap, if it is not nil, puts something before the transport that sees every request.
	Wrap func(http.RoundTripper) http.RoundTripper
}

// Client is the [Lister] that asks upstream itself. Each ListCalls is one question, which may take several attempts
// (see attempts.go), and a few more questions where one answer is not enough to rely on (see verify.go).
type Client struct {
	opts     ClientOptions
	endpoint url.URL
	http     *http.Client
	conns    *connections // nil where the transport is not net/http's
	tenants  *tenants
	checks   *checks
	heavy    heavy
	reading  *memory.Account
}

// NewClient makes a client. It asks nothing yet. Close it when it is not needed any more.
func NewClient(opts ClientOptions) *Client {
	opts.UserAgent = cmp.Or(opts.UserAgent, "revox-graphql")
	opts.MaxAnswerBytes = cmp.Or(opts.MaxAnswerBytes, MaxAnswerBytes)
	opts.AttemptTimeout = cmp.Or(opts.AttemptTimeout, 10*time.Second)
	opts.RetryDelay = cmp.Or(opts.RetryDelay, retryDelay)
	opts.MaxConcurrent = cmp.Or(opts.MaxConcurrent, 32)
	opts.MaxTenantConcurrent = cmp.Or(opts.MaxTenantConcurrent, opts.MaxConcurrent)
	opts.MaxWaiting = cmp.Or(opts.MaxWaiting, 256)
	if opts.Observer == nil {
		opts.Observer = Unobserved{}
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
		heavy:    make(heavy, mostHeavy),
		reading:  opts.Memory.Account("upstream_answers"),
		checks:   newChecks(),
		endpoint: *opts.BaseURL.JoinPath("call"),
		http: &http.Client{
			Transport: opts.Wrap(opts.Transport),
			// A redirect is an answer like any other: following it would carry the key elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.tenants = newTenants(&c.opts)
	return c
}

const (
	// pingAfter is how long a connection over HTTP/2 is silent before it is asked whether it is still there, and
	// pingTimeout how long that may take: one that has died without a word fails every request that is sent over it.
	// Together they are shorter than an attempt: connections that nobody waits for long enough are found out too.
	pingAfter   = 5 * time.Second
	pingTimeout = 3 * time.Second
)

// maxHeaderBytes are read of an answer's headers: Go's default of 10 MiB, times the requests under way, is memory that
// nobody counts. Servers send some kilobytes, and nginx takes no more than 8 from those behind it.
const maxHeaderBytes = 64 << 10

// NewTransport makes the transport of a client that asks so many requests at once.
func NewTransport(maxConcurrent int) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = maxConcurrent // Go's default of 2 closes connections under load only to dial them again
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

// closeIdle closes idle connections. It asks the transport itself, since what is before it may not know how.
func (c *Client) closeIdle() { (&http.Client{Transport: c.opts.Transport}).CloseIdleConnections() }

// Load is how many requests to upstream are under way, and how many wait for one of those to end.
func (c *Client) Load() (underWay, waiting int) {
	return c.tenants.slots.load()
}

// Proven reports whether upstream has accepted a tenant's key, as far as that is remembered. Where keys are not made up
// (see [ClientOptions].AnyKey) none has to be proven.
func (c *Client) Proven(tenant Tenant) bool {
	return !c.opts.AnyKey || c.tenants.known.Contains(tenant)
}

// ListCalls implements [Lister]. It always asks upstream, so NotBefore has no effect.
func (c *Client) ListCalls(ctx context.Context, opts ListCallsOptions) (*Page, error) {
	if !opts.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, opts.Deadline)
		defer cancel()
	}
	q := question{
		Client: c, list: opts.List, tenant: c.tenants.of(opts.Credential), allowance: opts.Allowance,
		fetch: newFetch(ctx, opts),
	}
	if opts.Waiters != nil {
		waiting, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		if deadline, ok := opts.Waiters.Deadline(); ok { // decides whether there is time for another attempt
			var end context.CancelFunc
			waiting, end = context.WithDeadline(waiting, deadline)
			defer end()
		}
		defer context.AfterFunc(opts.Waiters, func() { cancel(context.Cause(opts.Waiters)) })()
		if opts.Waiters.Err() != nil {
			return nil, transportError(opts.Waiters, opts.Waiters.Err(), nil)
		}
		ctx = waiting
	}
	page, err := q.page(ctx, opts.Page, opts.PageSize)
	if err == nil {
		c.checkStatuses(q)
	}
	return page, err
}

// question is who asks for what, while it is asked.
type question struct {
	*Client
	list      List
	tenant    *tenant
	allowance *Allowance
	*fetch
}

// fetch is what a question has in common with those that it takes to answer it.
type fetch struct {
	sending       context.Context //nolint:containedctx // of what is sent, also when nobody waits for it any more
	becomesUrgent <-chan struct{} // nil: it is
}

func newFetch(ctx context.Context, opts ListCallsOptions) *fetch {
	f := &fetch{sending: ctx}
	if opts.Refresh {
		if f.becomesUrgent = opts.Urgent; opts.Urgent == nil {
			f.becomesUrgent = make(chan struct{})
		}
	}
	return f
}

// everything is the same question about the list without a filter.
func (q question) everything() question {
	q.list = List{Credential: q.list.Credential}
	return q
}

// page asks for a page, counted from 0, and judges what comes.
func (q question) page(ctx context.Context, number, size int) (*Page, error) {
	return q.tenant.verifier.Page(ctx, q.list.Statuses, q.get, q.everything().get, number, size)
}

// get asks for the page that upstream itself numbers so, in as many attempts as it takes.
func (q question) get(ctx context.Context, number, size int) (*Page, error) {
	return q.tenants.ask(ctx, &q, func(ctx context.Context) (*Page, error) {
		return q.attempt(ctx, number, size)
	})
}

// bodies are buffers for answers, of which pages keep nothing.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// attempt asks once.
func (q question) attempt(ctx context.Context, number, size int) (*Page, error) {
	ctx, came, stop := q.watch(ctx)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, q.url(q.list.Statuses, number, size), http.NoBody)
	if err != nil {
		return nil, &Error{Kind: KindInvalidResponse, Reason: "the base URL cannot be asked"}
	}
	if key := q.list.Credential.secret(); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", q.opts.UserAgent)
	askedAt := time.Now()
	body := bodies.Get().(*bytes.Buffer)
	defer putBody(body)
	body.Reset()
	weight := &weighed{ctx: ctx, heavy: q.heavy, memory: q.reading, most: int(q.opts.MaxAnswerBytes)}
	defer weight.free()
	if err := q.send(req, body, size, came, weight); errors.Is(err, errTooLarge) && size > 1 {
		return nil, &PageSizeError{Most: size / 2}
	} else if err != nil {
		return nil, err
	}
	page, unknown, err := readPage(ctx, body.Bytes(), size)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, transportError(ctx, err, came)
	case errors.Is(err, errTooLarge):
		return nil, &PageSizeError{Most: size / 2}
	default:
		return nil, &Error{Kind: KindInvalidResponse, Status: http.StatusOK, Reason: err.Error()}
	}
	page.Number, page.Size, page.AskedAt = number, size, askedAt
	for _, u := range unknown {
		q.opts.Observer.Unrecognized(u.field, u.value)
	}
	return page, nil
}

// watch counts what net/http makes of one request. When an idle connection dies under a GET it sends the GET again by
// itself, over the next idle connection, and so on through all of them: fifty requests for one, if upstream dies on
// each. One such replay is welcome, since a connection may always have just been closed. It is paid for like any
// other request, and the other idle connections are closed with it, because they may well be dead too. A second one
// is the end of the attempt.
func (q question) watch(ctx context.Context) (context.Context, *passage, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	connections, came := 0, new(passage)
	hooks := came.hooks()
	hooks.GotConn = func(httptrace.GotConnInfo) {
		came.reach(CauseAnswer)
		connections++
		if connections == 1 {
			return
		}
		q.closeIdle()
		err := q.allowance.Take()
		if connections > 2 {
			err = &Error{Kind: KindUnavailable, Cause: CauseClosed, Reason: "its connections end without an answer"}
		}
		if err != nil {
			cancel(err)
			return
		}
		q.opts.Observer.Replayed()
	}
	return httptrace.WithClientTrace(ctx, hooks), came, func() { cancel(nil) }
}

func (c *Client) url(statuses OrderStatuses, number, size int) string {
	query := url.Values{"page": {strconv.Itoa(number)}, "page_size": {strconv.Itoa(size)}}
	if statuses != 0 {
		switch c.opts.StatusesFormat {
		case StatusesRepeat:
			query["statuses"] = statuses.Values()
		case StatusesBrackets:
			query["statuses[]"] = statuses.Values()
		default:
			query.Set("statuses", statuses.String())
		}
	}
	u := c.endpoint
	u.RawQuery = query.Encode()
	return u.String()
}

// errTooLarge: the answer has more bytes than are read.
var errTooLarge = &Error{Kind: KindInvalidResponse, Status: http.StatusOK, Reason: "the answer is too large"}

// send is do, and leaves connections that are silent.
func (c *Client) send(req *http.Request, body *bytes.Buffer, size int, came *passage, weight *weighed) error {
	if c.conns == nil {
		return c.do(req, body, size, came, weight)
	}
	used, start := c.conns.current.Load(), time.Now()
	err := c.do(req, body, size, came, weight)
	if silent(err, time.Since(start)) {
		c.conns.leave(used)
	}
	return err
}

// do reads the body of a 200 answer for a page of so many rows, or makes that of a 204.
func (c *Client) do(req *http.Request, body *bytes.Buffer, size int, came *passage, weight *weighed) error {
	resp, err := c.http.Do(req)
	if err != nil {
		return transportError(req.Context(), err, came)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNoContent {
		body.WriteString(`{"calls":null}`) // which it says in fewer words
		return nil
	}
	if resp.StatusCode != http.StatusOK {
		// Reading a little lets the connection be used again; what the body says is upstream's own.
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
		return statusError(resp.StatusCode, resp.Header, time.Now())
	}
	if resp.ContentLength > c.opts.MaxAnswerBytes && size >= smallestHalved {
		return errTooLarge
	}
	if resp.ContentLength > 0 { // which is only a promise
		body.Grow(int(min(resp.ContentLength, lightBytes)) + bytes.MinRead)
	}
	weight.from = resp.Body
	err = readBody(body, weight, c.opts.MaxAnswerBytes, size)
	if _, told := errors.AsType[*Error](err); err == nil || told {
		return err
	}
	return transportError(req.Context(), err, came)
}
