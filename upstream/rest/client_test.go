package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/rest"
)

// canary is a key that must turn up nowhere.
const canary = "sk_canary_7f3a"

// noon is when the fakes of these tests stand still.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// newFake serves calls calls over HTTP, below a path.
func newFake(t *testing.T, calls int) (*fake.Upstream, *url.URL) {
	t.Helper()
	f := fake.New(fake.Config{Seed: 1, Calls: calls, Now: func() time.Time { return noon }})
	return f, serve(t, f)
}

func serve(t *testing.T, h http.Handler) *url.URL {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL + "/api")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func ids(page *upstream.Page) []string {
	var ids []string
	for _, row := range page.Rows {
		ids = append(ids, row.Call.ID)
	}
	return ids
}

func TestListCalls(t *testing.T) {
	f, base := newFake(t, 25)
	f.Behave(func(b *fake.Behaviour) { b.Key = canary })
	c := rest.NewClient(rest.Options{BaseURL: base})
	var got []string
	for number := range 4 {
		page, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{
			List: upstream.List{Credential: upstream.NewCredential(canary)}, Page: number, PageSize: 10,
		})
		if err != nil {
			t.Fatal(err)
		}
		if page.Offset() != 10*number || page.End() != min(10*number+10, max(25, 10*number)) || page.Last() != (number >= 2) {
			t.Errorf("page %d: offset %d, end %d, last %v", number, page.Offset(), page.End(), page.Last())
		}
		got = append(got, ids(page)...)
	}
	if !slices.Equal(got, f.IDs()) {
		t.Error("the pages do not add up to the list")
	}
	if r := f.Requests()[1]; r.RawQuery != "page=1&page_size=10" || r.Authorization != "Bearer "+canary {
		t.Errorf("sent %q with %q", r.RawQuery, r.Authorization)
	}
}

func TestStatusesFormats(t *testing.T) {
	statuses := upstream.NewOrderStatuses(
		upstream.OrderStatusErrored, upstream.OrderStatusScheduled, upstream.OrderStatusErrored,
	)
	for format, query := range map[rest.StatusesFormat]string{
		"":                    "page=0&page_size=50&statuses=scheduled%2Cerrored",
		rest.StatusesComma:    "page=0&page_size=50&statuses=scheduled%2Cerrored",
		rest.StatusesRepeat:   "page=0&page_size=50&statuses=scheduled&statuses=errored",
		rest.StatusesBrackets: "page=0&page_size=50&statuses%5B%5D=scheduled&statuses%5B%5D=errored",
	} {
		t.Run(string(format), func(t *testing.T) {
			f, base := newFake(t, 200)
			f.Behave(func(b *fake.Behaviour) { b.StatusesFormat = string(format) })
			c := rest.NewClient(rest.Options{BaseURL: base, StatusesFormat: format})
			page, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{
				List: upstream.List{Statuses: statuses}, PageSize: 50,
			})
			if err != nil {
				t.Fatal(err)
			}
			want := f.IDs("scheduled", "errored")
			if len(want) == 0 || len(want) == 200 || !slices.Equal(ids(page), want[:min(50, len(want))]) {
				t.Errorf("the filter was not applied")
			}
			if got := f.Requests()[0].RawQuery; got != query {
				t.Errorf("sent %s", got)
			}
		})
	}
}

func TestFirstPage(t *testing.T) {
	tests := map[string]struct {
		setting   upstream.FirstPage
		calls     int
		behaviour fake.Behaviour
		number    int // of the page that is asked for
		probes    int // requests before the one that was asked for
		checks    int // requests after it, which show that the list ends there
	}{
		"set to 0":             {upstream.FirstPageZero, 100, fake.Behaviour{}, 0, 0, 0},
		"set to 1":             {upstream.FirstPageOne, 100, fake.Behaviour{FirstPage: 1}, 0, 0, 0},
		"a whole page 0":       {upstream.FirstPageAuto, 100, fake.Behaviour{}, 0, 0, 0},
		"page 0 of one call":   {upstream.FirstPageAuto, 1, fake.Behaviour{}, 0, 2, 2},
		"page 0 is refused":    {upstream.FirstPageAuto, 100, fake.Behaviour{FirstPage: 1}, 0, 3, 0},
		"page 0 is the first":  {upstream.FirstPageAuto, 100, fake.Behaviour{FirstPage: 1, LenientPage: true}, 0, 0, 0},
		"and the only one":     {upstream.FirstPageAuto, 1, fake.Behaviour{FirstPage: 1, LenientPage: true}, 0, 3, 2},
		"found 0":              {upstream.FirstPageAuto, 100, fake.Behaviour{}, 1, 3, 0},
		"found 1 by refusal":   {upstream.FirstPageAuto, 100, fake.Behaviour{FirstPage: 1}, 1, 3, 0},
		"found 1 by same page": {upstream.FirstPageAuto, 100, fake.Behaviour{FirstPage: 1, LenientPage: true}, 1, 4, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, base := newFake(t, test.calls)
			f.Behave(func(b *fake.Behaviour) { *b = test.behaviour })
			c := rest.NewClient(rest.Options{BaseURL: base, FirstPage: test.setting})
			for ask := range 2 {
				page, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{Page: test.number, PageSize: 10})
				if err != nil {
					t.Fatal(err)
				}
				want := f.IDs()[10*test.number : min(10*test.number+10, test.calls)]
				if !slices.Equal(ids(page), want) || page.Number != test.number {
					t.Errorf("got %v of page %d, want %v", ids(page), page.Number, want)
				}
				if got := len(f.Requests()); got != test.probes+test.checks+ask+1 {
					t.Errorf("%d requests, want %d", got, test.probes+test.checks+ask+1)
				}
			}
		})
	}
}

// A new call between the two probes makes page 1 look like page 0 was; the third probe shows that the list moved.
func TestFirstPageIsNotFooledByNewCalls(t *testing.T) {
	f, base := newFake(t, 100)
	f.Behave(func(b *fake.Behaviour) {
		b.Fault = func(n int, _ *http.Request) *fake.Response {
			if n == 2 {
				f.Insert(2) // pushes the two rows of page 0 onto page 1
			}
			return nil
		}
	})
	c := rest.NewClient(rest.Options{BaseURL: base, FirstPage: upstream.FirstPageAuto})
	page, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{Page: 1, PageSize: 10})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ids(page), f.IDs()[10:20]) {
		t.Error("took the first page for number 1")
	}
}

// An empty list does not show the number, and is read again when it has calls.
func TestFirstPageOfAnEmptyList(t *testing.T) {
	f, base := newFake(t, 0)
	f.Behave(func(b *fake.Behaviour) { b.FirstPage, b.LenientPage = 1, true })
	c := rest.NewClient(rest.Options{BaseURL: base, FirstPage: upstream.FirstPageAuto})
	for _, calls := range []int{0, 5} {
		f.Insert(calls)
		page, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: 10})
		if err != nil || len(page.Rows) != calls {
			t.Fatalf("%+v, %v", page, err)
		}
	}
}

func TestFirstPageWhereTheNumberIsIgnored(t *testing.T) {
	f, base := newFake(t, 100)
	f.Behave(func(b *fake.Behaviour) { b.IgnorePage = true })
	c := rest.NewClient(rest.Options{BaseURL: base, FirstPage: upstream.FirstPageAuto})
	_, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{Page: 1, PageSize: 10})
	if e, ok := errors.AsType[*upstream.Error](err); !ok || !strings.Contains(e.Reason, "ignored") {
		t.Errorf("got %v", err)
	}
}

func TestFirstPageFailureIsNotRemembered(t *testing.T) {
	f, base := newFake(t, 100)
	f.Behave(func(b *fake.Behaviour) {
		b.Fault = func(n int, _ *http.Request) *fake.Response {
			if n <= 2 {
				return &fake.Response{Status: 422}
			}
			return nil
		}
	})
	c := rest.NewClient(rest.Options{BaseURL: base, FirstPage: upstream.FirstPageAuto})
	opts := upstream.ListCallsOptions{PageSize: 10}
	if _, err := c.ListCalls(t.Context(), opts); err == nil {
		t.Fatal("both probes were refused, and no error")
	}
	page, err := c.ListCalls(t.Context(), opts)
	if err != nil || !slices.Equal(ids(page), f.IDs()[:10]) {
		t.Errorf("%v", err)
	}
}

func TestErrors(t *testing.T) {
	tests := map[string]struct {
		response fake.Response
		kind     upstream.Kind
		retry    time.Duration
		again    int // requests after the first
	}{
		"400": {fake.Response{Status: 400}, upstream.KindInvalidResponse, 0, 0},
		"401": {fake.Response{Status: 401}, upstream.KindUnauthenticated, 0, 0},
		"403": {fake.Response{Status: 403}, upstream.KindForbidden, 0, 0},
		"404": {fake.Response{Status: 404}, upstream.KindInvalidResponse, 0, 0},
		"408": {fake.Response{Status: 408}, upstream.KindTimeout, 0, 2},
		"409": {fake.Response{Status: 409}, upstream.KindUnavailable, 0, 2},
		"422": {fake.Response{Status: 422}, upstream.KindInvalidResponse, 0, 0},
		"429": {
			fake.Response{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, upstream.KindRateLimited, 7 * time.Second, 0,
		},
		"429 to the ms": {
			fake.Response{Status: 429, Header: http.Header{"Retry-After": {"7"}, "Retry-After-Ms": {"1500"}}},
			upstream.KindRateLimited, 1500 * time.Millisecond, 0,
		},
		"429, nonsense": {
			fake.Response{Status: 429, Header: http.Header{"Retry-After": {"soon"}}},
			upstream.KindRateLimited, 0, 2,
		},
		"500": {fake.Response{Status: 500}, upstream.KindUnavailable, 0, 2},
		"503": {
			fake.Response{Status: 503, Header: http.Header{"Retry-After": {"3"}}}, upstream.KindUnavailable, 3 * time.Second, 0,
		},
		"redirect": {
			fake.Response{Status: 302, Header: http.Header{"Location": {"/elsewhere/call"}}},
			upstream.KindInvalidResponse, 0, 0,
		},
		"truncated": {fake.Response{Truncate: true}, upstream.KindUnavailable, 0, 2},
		"malformed": {fake.Response{Body: []byte(`{"calls": [{"id": "` + canary)}, upstream.KindInvalidResponse, 0, 0},
		"HTML": {
			fake.Response{Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte("<p>" + canary)},
			upstream.KindInvalidResponse, 0, 0,
		},
		"too many bytes": {fake.Response{Body: []byte(strings.Repeat(" ", 1000))}, upstream.KindInvalidResponse, 0, 0},
		"large headers": {
			fake.Response{Header: http.Header{"X-Large": {strings.Repeat("x", 100<<10)}}}, upstream.KindUnavailable, 0, 2,
		},
		"error with a body": {fake.Response{Status: 500, Body: []byte(canary)}, upstream.KindUnavailable, 0, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, base := newFake(t, 100)
			f.Behave(func(b *fake.Behaviour) {
				b.Fault = func(int, *http.Request) *fake.Response { return &test.response }
			})
			c := rest.NewClient(rest.Options{BaseURL: base, MaxResponseBytes: 999, RetryDelay: time.Millisecond})
			_, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{
				List: upstream.List{Credential: upstream.NewCredential(canary)}, PageSize: 1,
			})
			e, ok := errors.AsType[*upstream.Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if e.Kind != test.kind || e.RetryAfter != test.retry {
				t.Errorf("got %v, retry after %v", e.Kind, e.RetryAfter)
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, canary) ||
				strings.Contains(text, base.Host) {
				t.Errorf("the error tells too much: %s", text)
			}
			if n := len(f.Requests()); n != 1+test.again {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// More rows than were asked for are a page size that upstream has raised, until there are too many for that.
func TestMoreRowsThanAskedFor(t *testing.T) {
	tests := map[string]struct {
		rows  int
		least int // 0: an error
	}{
		"a few":    {6, 6},
		"many":     {1000, 1000},
		"too many": {1001, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var rows []string
			for i := range test.rows {
				rows = append(rows, fmt.Sprintf(`{"id":"%d"}`, i))
			}
			f, base := newFake(t, 0)
			f.Behave(func(b *fake.Behaviour) {
				b.Fault = func(int, *http.Request) *fake.Response {
					return &fake.Response{Body: []byte(`{"calls": [` + strings.Join(rows, ",") + `]}`)}
				}
			})
			c := rest.NewClient(rest.Options{BaseURL: base})
			_, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: 1})
			tooSmall, ok := errors.AsType[*upstream.PageSizeError](err)
			if ok != (test.least > 0) || ok && tooSmall.Least != test.least {
				t.Fatalf("got %v", err)
			}
			e, ok := errors.AsType[*upstream.Error](err)
			if ok != (test.least == 0) || ok && e.Kind != upstream.KindInvalidResponse {
				t.Fatalf("got %v", err)
			}
			if test.least == 0 {
				return
			}
			_, err = c.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: test.least - 1})
			if err == nil || len(f.Requests()) != 1 {
				t.Errorf("asked again for what is known to be too small: %v", err)
			}
			page, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: test.least})
			if err != nil || len(page.Rows) != test.least {
				t.Errorf("got %v", err)
			}
		})
	}
}

// 204 is an empty page, and a second one shows that the list is empty.
func TestNoContentIsAnEmptyPage(t *testing.T) {
	f, base := newFake(t, 100)
	f.Behave(func(b *fake.Behaviour) {
		b.Fault = func(int, *http.Request) *fake.Response { return &fake.Response{Status: 204, Body: []byte{}} }
	})
	c := rest.NewClient(rest.Options{BaseURL: base})
	page, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: 1})
	if err != nil || len(page.Rows) != 0 || len(f.Requests()) != 2 {
		t.Errorf("%+v, %v after %d requests", page, err, len(f.Requests()))
	}
}

func TestNoConnection(t *testing.T) {
	base := &url.URL{Scheme: "http", Host: "127.0.0.1:1"} // a port that the system assigns to no program
	c := rest.NewClient(rest.Options{BaseURL: base})
	_, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: 5})
	if e, ok := errors.AsType[*upstream.Error](err); !ok || e.Kind != upstream.KindUnavailable ||
		strings.Contains(err.Error(), base.Host) {
		t.Errorf("got %v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int32
	elsewhere := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	base := serve(t, http.RedirectHandler(elsewhere.String(), http.StatusTemporaryRedirect))
	c := rest.NewClient(rest.Options{BaseURL: base})
	_, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{
		List: upstream.List{Credential: upstream.NewCredential(canary)}, PageSize: 5,
	})
	if err == nil || followed.Load() != 0 {
		t.Errorf("%v; followed %d times", err, followed.Load())
	}
}

func TestTheCallersEndComesFirst(t *testing.T) {
	f, base := newFake(t, 100)
	f.Behave(func(b *fake.Behaviour) { b.Latency = time.Hour })
	for name, test := range map[string]struct {
		ctx  func() (context.Context, context.CancelFunc)
		good func(error) bool
	}{
		"cancelled": {
			func() (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				return ctx, cancel
			},
			func(err error) bool { return errors.Is(err, context.Canceled) },
		},
		"too late": {
			func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(t.Context(), time.Millisecond)
			},
			func(err error) bool {
				e, ok := errors.AsType[*upstream.Error](err)
				return ok && e.Kind == upstream.KindTimeout
			},
		},
	} {
		for _, first := range []upstream.FirstPage{upstream.FirstPageZero, upstream.FirstPageAuto} {
			t.Run(fmt.Sprint(name, first), func(t *testing.T) {
				ctx, cancel := test.ctx()
				defer cancel()
				c := rest.NewClient(rest.Options{BaseURL: base, FirstPage: first})
				if _, err := c.ListCalls(ctx, upstream.ListCallsOptions{PageSize: 5}); !test.good(err) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// holdUp is a RoundTripper that never responds.
type holdUp struct{}

func (holdUp) RoundTrip(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// A request that waits for the probe of another can give up by itself.
func TestWaitingForTheProbeEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := rest.NewClient(rest.Options{
			BaseURL: &url.URL{Scheme: "http", Host: "upstream.example"}, FirstPage: upstream.FirstPageAuto, Transport: holdUp{},
		})
		prober, stop := context.WithCancel(t.Context())
		probed := make(chan error, 1)
		go func() {
			_, err := c.ListCalls(prober, upstream.ListCallsOptions{PageSize: 5})
			probed <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.ListCalls(ctx, upstream.ListCallsOptions{PageSize: 5})
		if e, ok := errors.AsType[*upstream.Error](err); !ok || e.Kind != upstream.KindTimeout {
			t.Errorf("got %v", err)
		}
		stop()
		if err := <-probed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCredentialsDoNotPrint(t *testing.T) {
	c := upstream.NewCredential(canary)
	encoded, err := json.Marshal(map[string]any{"c": c, "list": upstream.List{Credential: c}})
	if err != nil {
		t.Fatal(err)
	}
	hidden := struct{ c upstream.Credential }{c} // methods are not called on unexported fields
	text := fmt.Sprintf(
		"%v %+v %#v %s %q %s %v %+v %#v", c, c, c, c, c, encoded, upstream.List{Credential: c}, hidden, &hidden,
	)
	if strings.Contains(text, canary) {
		t.Errorf("printed: %s", text)
	}
	if c == upstream.NewCredential("other") || c != upstream.NewCredential(canary) {
		t.Error("credentials do not compare by their keys")
	}
}
