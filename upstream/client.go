package upstream

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
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

// The numbers of the first page. FirstPageAuto finds it out at first use, with two or three requests for two rows.
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
	// StatusesFormat; empty is StatusesComma.
	StatusesFormat StatusesFormat
	// FirstPage; the zero value is FirstPageZero.
	FirstPage FirstPage
	// MaxAnswerBytes caps an answer's body after decompression; 0 is the constant of that name.
	MaxAnswerBytes int64
	// Transport; nil is one of its own that keeps enough idle connections to one host.
	Transport http.RoundTripper
}

// Client is the [Lister] that asks upstream itself. Each ListCalls is one request, and a few more where the number of the
// first page or the largest page size has to be found out. Nothing else is remembered, and nothing retried.
type Client struct {
	endpoint       url.URL
	statusesFormat StatusesFormat
	maxAnswerBytes int64
	http           *http.Client
	firstPage      *firstPage
	pageSize       pageSize
}

// NewClient makes a client. It asks nothing yet.
func NewClient(opts ClientOptions) *Client {
	transport := opts.Transport
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 64 // Go's default of 2 closes connections under load only to dial them again
		transport = t
	}
	return &Client{
		endpoint:       *opts.BaseURL.JoinPath("call"),
		statusesFormat: opts.StatusesFormat,
		maxAnswerBytes: cmp.Or(opts.MaxAnswerBytes, MaxAnswerBytes),
		http: &http.Client{
			Transport: transport,
			// A redirect is an answer like any other: following it would carry the key elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		firstPage: newFirstPage(opts.FirstPage),
	}
}

// ListCalls implements [Lister]. It always asks upstream, so NotBefore has no effect.
func (c *Client) ListCalls(ctx context.Context, opts ListCallsOptions) (*Page, error) {
	if err := c.pageSize.known(opts.PageSize); err != nil {
		return nil, err
	}
	if !opts.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, opts.Deadline)
		defer cancel()
	}
	everything := List{Credential: opts.Credential}
	first, err := c.firstPage.number(ctx, func(ctx context.Context, number int) (*Page, error) {
		return c.get(ctx, everything, number, probeRows)
	})
	if err != nil {
		return nil, err
	}
	page, err := c.get(ctx, opts.List, opts.Page+first, opts.PageSize)
	if err != nil {
		return nil, err
	}
	page.Number = opts.Page
	err = c.pageSize.check(ctx, page, opts.List == everything, func(ctx context.Context, number, size int) (*Page, error) {
		return c.get(ctx, everything, number+first, size)
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// bodies are buffers for answers, of which pages keep nothing.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// get asks for the page that upstream itself numbers so.
func (c *Client) get(ctx context.Context, list List, number, size int) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(list.Statuses, number, size), http.NoBody)
	if err != nil {
		return nil, &Error{Kind: KindInvalidResponse, Reason: "the base URL cannot be asked"}
	}
	if key := list.Credential.secret(); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	req.Header.Set("Accept", "application/json")
	askedAt := time.Now()
	body := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	if err := c.do(req, body); err != nil {
		return nil, err
	}
	page, err := readPage(body.Bytes())
	if err != nil {
		return nil, &Error{Kind: KindInvalidResponse, Status: http.StatusOK, Reason: err.Error()}
	}
	page.Number, page.Size, page.AskedAt = number, size, askedAt
	if len(page.Rows) > size {
		return nil, &Error{
			Kind: KindInvalidResponse, Status: http.StatusOK,
			Reason: fmt.Sprintf("%d rows were asked for and %d came", size, len(page.Rows)),
		}
	}
	return page, nil
}

func (c *Client) url(statuses OrderStatuses, number, size int) string {
	query := url.Values{"page": {strconv.Itoa(number)}, "page_size": {strconv.Itoa(size)}}
	if statuses != 0 {
		switch c.statusesFormat {
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

// do reads the body of a 200 answer.
func (c *Client) do(req *http.Request, body *bytes.Buffer) error {
	resp, err := c.http.Do(req)
	if err != nil {
		return transportError(req.Context(), err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		// Reading a little lets the connection be used again; what the body says is upstream's own.
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
		e := &Error{
			Kind: kindOfStatus(resp.StatusCode), Status: resp.StatusCode,
			RetryAfter: retryAfter(resp.Header, time.Now()),
		}
		if resp.StatusCode/100 == 3 {
			e.Reason = "redirects are not followed; is the base URL right?"
		}
		return e
	}
	n, err := body.ReadFrom(io.LimitReader(resp.Body, c.maxAnswerBytes+1))
	if err != nil {
		return transportError(req.Context(), err)
	}
	if n > c.maxAnswerBytes {
		return &Error{
			Kind: KindInvalidResponse, Status: http.StatusOK,
			Reason: fmt.Sprintf("the answer has more than %d bytes", c.maxAnswerBytes),
		}
	}
	return nil
}

// transportError classes a failure below HTTP. The caller's own end comes first; the error's text is dropped, because
// it holds the URL.
func transportError(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if netErr, ok := errors.AsType[net.Error](err); ctx.Err() != nil || ok && netErr.Timeout() {
		return &Error{Kind: KindTimeout, Reason: "no answer in time"}
	}
	reason := "the connection failed"
	switch opErr, ok := errors.AsType[*net.OpError](err); {
	case ok && opErr.Op == "dial":
		reason = "no connection"
	case errors.Is(err, io.ErrUnexpectedEOF):
		reason = "the answer was cut short"
	}
	return &Error{Kind: KindUnavailable, Reason: reason}
}

// retryAfter reads how long upstream asks to wait, as the vendor's SDK does: `retry-after-ms` before `Retry-After`,
// which is seconds or a date. 0 is unknown.
func retryAfter(header http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(header.Get("Retry-After-Ms"), 64); err == nil && ms > 0 && ms < 1e9 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 && seconds < 1e6 {
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
