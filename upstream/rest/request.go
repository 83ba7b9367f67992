package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/attempt"
)

// request is one ListCalls: the list, and for whom it is read.
type request struct {
	*Client
	list     upstream.List
	tenant   *tenant
	attempts attempt.Request // the same for each request that it takes
}

// becomesUrgent returns what is closed when a refresh becomes urgent; nil where the request is urgent from the
// beginning.
func becomesUrgent(opts upstream.ListCallsOptions) <-chan struct{} {
	if opts.Refresh && opts.Urgent == nil {
		return make(chan struct{})
	}
	if opts.Refresh {
		return opts.Urgent
	}
	return nil
}

// unfiltered is the same request for the list without a filter.
func (r request) unfiltered() request {
	r.list = upstream.List{Credential: r.list.Credential}
	return r
}

// page returns a page, counted from 0, that can be relied on.
func (r request) page(ctx context.Context, number, size int) (*upstream.Page, error) {
	return r.tenant.verifier.Page(ctx, r.list.Statuses, r.fetch, r.unfiltered().fetch, number, size)
}

// fetch returns what upstream sends for the page that upstream itself numbers so, in as many attempts as it takes.
func (r request) fetch(ctx context.Context, number, size int) (page *upstream.Page, err error) {
	limited := false
	err = r.tenant.attempts.Do(ctx, r.attempts, func(ctx context.Context) (err error) {
		page, err = r.send(ctx, number, size)
		failure, failed := errors.AsType[*upstream.Error](err)
		limited = limited || failed && failure.Kind == upstream.KindRateLimited
		if _, tooLarge := errors.AsType[*upstream.PageSizeError](err); err == nil || tooLarge {
			r.tenants.prove(r.tenant)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	page.Limited = limited
	return page, nil
}

// bodies are buffers for the bodies of responses, of which pages keep nothing.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// send makes one attempt.
func (r request) send(ctx context.Context, number, size int) (*upstream.Page, error) {
	ctx, came, stop := r.watch(ctx)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url(r.list.Statuses, number, size), http.NoBody)
	if err != nil {
		return nil, &upstream.Error{Kind: upstream.KindInvalidResponse, Reason: "no request can be made of the base URL"}
	}
	if authorization := r.list.Credential.Authorization(); authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", r.opts.UserAgent)
	askedAt := time.Now()
	body := bodies.Get().(*bytes.Buffer)
	defer putBody(body)
	body.Reset()
	reader := &bodyReader{ctx: ctx, large: r.large, memory: r.reading, maxBytes: int(r.opts.MaxResponseBytes)}
	defer reader.free()
	if err := r.receive(req, body, size, came, reader); errors.Is(err, upstream.ErrTooLarge) && size > 1 {
		return nil, &upstream.PageSizeError{Most: size / 2}
	} else if err != nil {
		return nil, err
	}
	page, unknown, err := upstream.ParsePage(ctx, body.Bytes(), size)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, transportError(ctx, err, came)
	case errors.Is(err, upstream.ErrTooLarge):
		return nil, &upstream.PageSizeError{Most: size / 2}
	default:
		return nil, &upstream.Error{Kind: upstream.KindInvalidResponse, Status: http.StatusOK, Reason: err.Error()}
	}
	page.Number, page.Size, page.AskedAt = number, size, askedAt
	for _, u := range unknown {
		r.opts.Observer.Unrecognized(u.Field, u.Value)
	}
	return page, nil
}

// watch counts what net/http makes of one request. When an idle connection dies under a GET, net/http sends the GET
// again by itself, over the next idle connection, and so on through all of them: fifty requests for one, if upstream
// dies on each. One such replay is welcome, since a connection may always have just been closed. It is paid for like
// any other request, and the other idle connections are closed with it, because they are probably dead too. A second
// replay ends the attempt; net/http may have sent that by then.
func (r request) watch(ctx context.Context) (context.Context, *progress, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	connections := 0
	came, hooks := newProgress()
	hooks.GotConn = func(httptrace.GotConnInfo) {
		came.reach(upstream.CauseResponse)
		connections++
		if connections == 1 {
			return
		}
		r.closeIdle()
		err := r.attempts.Budget.Take()
		if connections > 2 {
			err = &upstream.Error{
				Kind: upstream.KindUnavailable, Cause: upstream.CauseClosed, Reason: "its connections end without a response",
			}
		}
		if err != nil {
			cancel(err)
			return
		}
		r.opts.Observer.Replayed()
	}
	return httptrace.WithClientTrace(ctx, hooks), came, func() { cancel(nil) }
}

func (c *Client) url(statuses upstream.OrderStatuses, number, size int) string {
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

// receive is do, and leaves connections that are silent.
func (c *Client) receive(
	req *http.Request, body *bytes.Buffer, size int, came *progress, reader *bodyReader,
) error {
	if c.conns == nil {
		return c.do(req, body, size, came, reader)
	}
	used, start := c.conns.current.Load(), time.Now()
	err := c.do(req, body, size, came, reader)
	if silent(err, time.Since(start)) {
		c.conns.leave(used)
	}
	return err
}

// do reads the body of a 200 response for a page of so many rows, or makes that of a 204.
func (c *Client) do(req *http.Request, body *bytes.Buffer, size int, came *progress, reader *bodyReader) error {
	resp, err := c.http.Do(req)
	if err != nil {
		return transportError(req.Context(), err, came)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNoContent {
		body.WriteString(`{"calls":null}`) // which 204 says in fewer words
		return nil
	}
	if resp.StatusCode != http.StatusOK {
		// Reading a little lets the connection be used again; what the body says is upstream's own.
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
		return statusError(resp.StatusCode, resp.Header, time.Now())
	}
	if resp.ContentLength > c.opts.MaxResponseBytes && size >= smallestHalved {
		return upstream.ErrTooLarge
	}
	if resp.ContentLength > 0 { // which is only a promise
		body.Grow(int(min(resp.ContentLength, smallBytes)) + bytes.MinRead)
	}
	reader.from = resp.Body
	err = readBody(body, reader, c.opts.MaxResponseBytes, size)
	if _, typed := errors.AsType[*upstream.Error](err); err == nil || typed {
		return err
	}
	return transportError(req.Context(), err, came)
}
