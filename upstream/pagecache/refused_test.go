package pagecache

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/rest"
)

// Pages of a credential that upstream refuses are hidden. They bridge a later failure, unless the refusal is confirmed
// or lasts.
func TestRefusedCredentialsPages(t *testing.T) {
	refused := func() error { return &upstream.Error{Kind: upstream.KindUnauthenticated, Status: 401} }
	forbidden := func() error { return &upstream.Error{Kind: upstream.KindForbidden, Status: 403} }
	failing := func() error { return &upstream.Error{Kind: upstream.KindUnavailable, Status: 503} }
	type step struct {
		after time.Duration
		err   error  // what upstream returns; nil is a page
		sees  string // an error, or the page: stale, or a new one
		pages int    // in memory, also hidden ones
	}
	const kept, gone = 1, 0
	tests := map[string][]step{
		"refused, then failing":   {{0, refused(), "error", kept}, {time.Second, failing(), "stale", kept}},
		"forbidden, then failing": {{0, forbidden(), "error", kept}, {time.Second, failing(), "stale", kept}},
		"refused, then taken":     {{0, refused(), "error", kept}, {time.Second, nil, "new", kept}},
		"refused twice":           {{0, refused(), "error", kept}, {time.Second, refused(), "error", gone}},
		"refused, failing, refused": {
			{0, refused(), "error", kept},
			{time.Second, failing(), "stale", kept},
			{2 * time.Second, refused(), "stale", gone},
			{time.Second, failing(), "error", gone},
		},
		"refused, failing for long": {
			{0, refused(), "error", kept},
			{time.Second, failing(), "stale", kept},
			{50 * time.Second, failing(), "stale", kept},
			{10 * time.Second, failing(), "error", gone},
		},
		"refused, nothing for long": {{0, refused(), "error", kept}, {time.Minute, failing(), "error", gone}},
		"taken in between": {
			{0, refused(), "error", kept},
			{time.Second, nil, "new", kept},
			{20 * time.Second, refused(), "revalidated", kept},
			{time.Second, failing(), "stale", kept},
		},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &lister{rows: 50}
				c := New(l, Options{
					TTL: 15 * time.Second, Revalidate: 15 * time.Second, Stale: 2 * time.Minute, MaxBytes: 1 << 20,
				})
				defer c.Close()
				list(t, c, ask(0, 20))
				time.Sleep(31 * time.Second) // the page may only bridge now
				for i, step := range steps {
					time.Sleep(step.after)
					l.fail(step.err)
					page, err := c.ListCalls(t.Context(), ask(0, 20))
					synctest.Wait()
					sees := "new"
					switch {
					case err != nil:
						sees = "error"
					case page.Stale:
						sees = "stale"
					case page.AskedAt.Before(time.Now()):
						sees = "revalidated"
					}
					if sees != step.sees || c.Stats().Pages != step.pages {
						t.Errorf("step %d: %s (%v), %d pages", i, sees, err, c.Stats().Pages)
					}
				}
			})
		})
	}
}

// While a credential is refused, neither ListCalls, Page nor FindCall shows its pages.
func TestHiddenPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newStale(t)
		list(t, c, ask(0, 20))
		l.fail(&upstream.Error{Kind: upstream.KindUnauthenticated, Status: 401})
		if _, err := c.ListCalls(t.Context(), ask(1, 20)); err == nil {
			t.Fatal("no error")
		}
		if c.Page(ask(0, 20)) != nil {
			t.Error("the page is shown")
		}
		if call, _ := c.FindCall(upstream.Tenant{}, "7", time.Time{}); call != nil {
			t.Error("its calls are found")
		}
		l.fail(nil)
		list(t, c, ask(1, 20))
		if c.Page(ask(0, 20)) == nil {
			t.Error("the page is hidden although upstream accepts the credential again")
		}
		if call, _ := c.FindCall(upstream.Tenant{}, "7", time.Time{}); call == nil {
			t.Error("its calls are not found")
		}
	})
}

// Two concurrent requests that are refused are one refusal, and a request that was sent before it shows nothing.
func TestRefusalsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newStale(t)
		list(t, c, ask(0, 20))
		l.hold = make(chan struct{})
		l.fail(&upstream.Error{Kind: upstream.KindUnauthenticated, Status: 401})
		for page := range 3 {
			go func() { _, _ = c.ListCalls(t.Context(), ask(1+page, 20)) }()
		}
		synctest.Wait()
		time.Sleep(time.Second)
		close(l.hold)
		synctest.Wait()
		if s := c.Stats(); s.Pages != 1 || c.Page(ask(0, 20)) != nil {
			t.Errorf("%+v", s)
		}
	})
}

// answers is a transport that responds with these statuses, one after the other.
type responses []int

func (a *responses) RoundTrip(*http.Request) (*http.Response, error) {
	status := (*a)[0]
	*a = (*a)[1:]
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(`{"calls":[{"id":"7"}]}`))}, nil
}

// Only upstream confirms a refusal, and not the client, which sends no request for two seconds after one.
func TestRefusalsAreUpstreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &responses{200, 401, 503, 503, 503}
		client := rest.NewClient(rest.Options{
			BaseURL: &url.URL{Scheme: "http", Host: "upstream.example"}, Transport: transport,
		})
		defer client.Close()
		c := New(client, Options{TTL: 15 * time.Second, Stale: 2 * time.Minute, MaxBytes: 1 << 20})
		defer c.Close()
		list(t, c, ask(0, 1))
		time.Sleep(16 * time.Second)
		for range 2 {
			if _, err := c.ListCalls(t.Context(), ask(0, 1)); err == nil {
				t.Fatal("no error")
			}
		}
		if len(*transport) != 3 {
			t.Fatalf("%d answers are left", len(*transport))
		}
		time.Sleep(2 * time.Second)
		if page := list(t, c, ask(0, 1)); !page.Stale {
			t.Error("not served as stale")
		}
	})
}
