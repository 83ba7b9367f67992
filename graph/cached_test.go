package graph_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/andybalholm/brotli"

	"revox-graphql/graph"
	"revox-graphql/upstream"
	"revox-graphql/upstream/pagecache"
)

const newest = `{"query": "{ calls(first: 2) { nodes { id } } }"}`

// counted counts the look-ups that executing takes; those that only check a cached response go to Known.
type counted struct {
	upstream.Lister
	n atomic.Int64
}

func (c *counted) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	c.n.Add(1)
	return c.Lister.ListCalls(ctx, opts)
}

// counting makes a gateway that counts what it executes.
func counting(t *testing.T, ttl time.Duration, change func(*graph.Options)) (*gateway, *counted) {
	t.Helper()
	executed := &counted{}
	return newGateway(t, gatewayOptions{calls: 300, ttl: ttl, graph: func(o *graph.Options) {
		executed.Lister = o.Calls
		o.Calls = executed
		if change != nil {
			change(o)
		}
	}}), executed
}

func TestResponsesAreCached(t *testing.T) {
	g, executed := counting(t, time.Hour, nil)
	_, first, want := g.post(t, newest, nil)
	for range 3 {
		if status, header, got := g.post(t, newest, nil); status != 200 || !bytes.Equal(got, want) ||
			header.Get("Content-Type") != first.Get("Content-Type") {
			t.Errorf("got %d %v %s", status, header, got)
		}
	}
	if n := executed.n.Load(); n != 1 {
		t.Errorf("executed %d times", n)
	}
	// The same question in another media type is the same response; in another encoding it is made again.
	_, header, got := g.post(t, newest, http.Header{"Accept": {"application/graphql-response+json"}})
	if !bytes.Equal(got, want) || !strings.HasPrefix(header.Get("Content-Type"), "application/graphql-response+json") ||
		executed.n.Load() != 1 {
		t.Errorf("got %v %s", header, got)
	}
	// A question that reads the same as a query string is another one.
	_, _, got = g.get(t, "query="+url.QueryEscape("{ __typename }"), nil)
	if string(got) != `{"data":{"__typename":"Query"}}` {
		t.Errorf("got %s", got)
	}
}

func TestResponsesAreNotCached(t *testing.T) {
	tests := map[string]struct {
		ttl    time.Duration
		change func(*graph.Options)
		query  string
		header http.Header
		want   int64
	}{
		"turned off": {time.Hour, func(o *graph.Options) { o.ResponseCacheBytes = 0 }, newest, nil, 3},
		"no cache":   {0, func(o *graph.Options) { o.Cached = false }, newest, nil, 3},
		"too large":  {time.Hour, func(o *graph.Options) { o.ResponseCacheBytes = 1000 }, newest, nil, 3},
		"read again": {time.Hour, nil, newest, http.Header{"Cache-Control": {"no-cache"}}, 3},
		"an error beside it": {
			time.Hour, nil,
			`{"query": "{ calls(first: 2) { nodes { transcript(first: -1) { role } } } }"}`,
			nil, 3,
		},
		"many pages were read": {
			time.Hour, nil,
			`{"query": "{ ` + strings.Join(aliases("calls(first: 2) { nodes { id } }", 9), " ") + ` }"}`,
			nil, 27,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g, executed := counting(t, test.ttl, test.change)
			for range 3 {
				if status, _, got := g.post(t, test.query, test.header); status != 200 {
					t.Errorf("got %d %s", status, got)
				}
			}
			if n := executed.n.Load(); n != test.want {
				t.Errorf("%d look-ups, want %d", n, test.want)
			}
		})
	}
}

func aliases(field string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = string(rune('a'+i)) + ": " + field
	}
	return all
}

// A response is never older than the pages in memory: whoever refreshes them refreshes it, and it goes when they go.
func TestCachedResponsesFollowTheirPages(t *testing.T) {
	ids := func(g *gateway, header http.Header) string {
		_, _, body := g.post(t, newest, header)
		return string(body)
	}
	g, _ := counting(t, time.Hour, nil)
	before := ids(g, nil)
	arrived := g.fake.Insert(1)[0]
	if got := ids(g, nil); got != before {
		t.Errorf("while the page is fresh: %s", got)
	}
	if got := ids(g, http.Header{"Cache-Control": {"no-cache"}}); !strings.Contains(got, arrived) {
		t.Errorf("read again: %s", got)
	}
	if got := ids(g, nil); !strings.Contains(got, arrived) {
		t.Errorf("after somebody refreshed the page: %s", got)
	}
	g.fake.Insert(1)
	// Another question for a page that covers this one's refreshes it, too.
	g.post(t, `{"query": "{ calls(first: 50) { nodes { id } } }"}`, http.Header{"Cache-Control": {"no-cache"}})
	if got := ids(g, nil); strings.Contains(got, before) || !strings.Contains(got, g.fake.IDs()[0]) {
		t.Errorf("after a larger page was read: %s", got)
	}
}

// A cached response of a look-up by id follows the page that has the call, as one of a connection does.
func TestCachedLookUpsFollowTheirPages(t *testing.T) {
	g := newGateway(t, gatewayOptions{ttl: time.Hour})
	reports := reporting(g)
	calls := http.Header{"Cache-Control": {"no-cache"}}
	for _, status := range []string{"ringing", "completed"} {
		g.fake.SetRows(json.RawMessage(`{"id": "a", "status": "` + status + `"}`))
		g.post(t, `{"query": "{ calls { nodes { id } } }"}`, calls)
		<-reports
		for _, cached := range []bool{false, true} {
			for _, field := range []string{`call(id: "a")`, `node(id: "a")`, `nodes(ids: ["a"])`} {
				_, _, body := g.post(t, fmt.Sprintf(`{"query": %q}`, "{ "+field+" { ... on Call { status } } }"), nil)
				if !strings.Contains(string(body), strings.ToUpper(status)) {
					t.Errorf("%s of a call that is %s: %s", field, status, body)
				}
				if got := (<-reports).Cached; got != cached {
					t.Errorf("%s of a call that is %s: cached %v", field, status, got)
				}
			}
		}
	}
}

func TestCachedResponsesBelongToOneTenant(t *testing.T) {
	g, executed := counting(t, time.Hour, func(o *graph.Options) { o.Authenticate = withKeys })
	for _, key := range []string{"a", "b", "a", "b"} {
		g.fake.Insert(1)
		g.post(t, newest, http.Header{"Authorization": {"Bearer " + key}})
	}
	if n := executed.n.Load(); n != 2 {
		t.Errorf("executed %d times for two credentials", n)
	}
	_, _, a := g.post(t, newest, http.Header{"Authorization": {"Bearer a"}})
	_, _, b := g.post(t, newest, http.Header{"Authorization": {"Bearer b"}})
	if bytes.Equal(a, b) {
		t.Errorf("both got %s", a)
	}
	if status, _, body := g.post(t, newest, nil); status != 401 {
		t.Errorf("without a credential: %d %s", status, body)
	}
}

func TestEntityTags(t *testing.T) {
	for name, change := range map[string]func(*graph.Options){
		"cached": nil, "executed": func(o *graph.Options) { o.ResponseCacheBytes = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := counting(t, time.Hour, change)
			query := "query=" + url.QueryEscape("{ calls(first: 2) { nodes { id } } }")
			_, header, body := g.get(t, query, nil)
			tag := header.Get("ETag")
			if !strings.HasPrefix(tag, `W/"`) || header.Get("Cache-Control") != "private, no-cache" {
				t.Fatalf("got %v", header)
			}
			for _, sent := range []string{tag, `"other", ` + tag, strings.TrimPrefix(tag, "W/"), "*"} {
				status, header, body := g.get(t, query, http.Header{"If-None-Match": {sent}})
				if status != 304 || len(body) > 0 || header.Get("ETag") != tag || header.Get("Vary") == "" {
					t.Errorf("%s: got %d %v %s", sent, status, header, body)
				}
			}
			g.fake.Insert(1)
			status, header, newer := g.get(t, query, http.Header{"If-None-Match": {tag}, "Cache-Control": {"no-cache"}})
			if status != 200 || header.Get("ETag") == tag || bytes.Equal(newer, body) {
				t.Errorf("after a call has arrived: %d %v %s", status, header, newer)
			}
			if _, header, _ := g.post(t, newest, nil); header.Get("ETag") != "" ||
				header.Get("Cache-Control") != "private, no-store" {
				t.Errorf("for POST: %v", header)
			}
			if _, header, _ := g.get(t, "query={nothing}", nil); header.Get("ETag") != "" ||
				header.Get("Cache-Control") != "private, no-store" {
				t.Errorf("for an error: %v", header)
			}
		})
	}
}

func TestCompression(t *testing.T) {
	long := `{"query": "{ calls(first: 20) { nodes { id transcript { content } } } }"}`
	tests := map[string]struct{ query, accept, want string }{
		"none is asked for": {long, "", ""},
		"browsers":          {long, "gzip, deflate, br, zstd", "br"},
		"gzip":              {long, "gzip", "gzip"},
		"by quality":        {long, "br;q=0.5, gzip;q=0.8", "gzip"},
		"equal quality":     {long, "gzip;q=0.8, br;q=0.8", "br"},
		"anything":          {long, "*", "br"},
		"anything but":      {long, "*, br;q=0", "gzip"},
		"refused":           {long, "gzip;q=0, br;q=0", ""},
		"unknown":           {long, "zstd", ""},
		"malformed":         {long, "gzip;q=x, ;;", ""},
		"capitals":          {long, "GZIP; Q=1", "gzip"},
		"a short answer":    {newest, "br, gzip", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g, _ := counting(t, time.Hour, nil)
			_, _, want := g.post(t, test.query, http.Header{"Accept-Encoding": {"identity"}})
			for range 2 { // once executed, once cached
				_, header, body := g.post(t, test.query, http.Header{"Accept-Encoding": {test.accept}})
				if got := header.Get("Content-Encoding"); got != test.want {
					t.Fatalf("got %q", got)
				}
				if test.want != "" && len(body) > len(want)/2 {
					t.Errorf("%d bytes became %d", len(want), len(body))
				}
				if got := decompress(t, test.want, body); !bytes.Equal(got, want) {
					t.Errorf("got %s", got)
				}
			}
		})
	}
}

func decompress(t *testing.T, encoding string, body []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(body)
	switch encoding {
	case "br":
		r = brotli.NewReader(r)
	case "gzip":
		var err error
		if r, err = gzip.NewReader(r); err != nil {
			t.Fatal(err)
		}
	}
	plain, err := io.ReadAll(r)
	if err != nil || !json.Valid(plain) {
		t.Fatalf("%v: %s", err, plain)
	}
	return plain
}

// noted notes which pages it has given, without holding them.
type noted struct {
	upstream.Lister
	pages map[weak.Pointer[upstream.Page]]int // and their bytes
}

func (n *noted) ListCalls(ctx context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	page, err := n.Lister.ListCalls(ctx, opts)
	if err == nil {
		n.pages[weak.Make(page)] = page.Bytes
	}
	return page, err
}

// What is cached of responses does not keep the pages that they were made from, whose memory has a bound of its own.
func TestCachedResponsesHoldNoPages(t *testing.T) {
	const bound = 1 << 20
	given := &noted{pages: map[weak.Pointer[upstream.Page]]int{}}
	g := newGateway(t, gatewayOptions{calls: 3000, graph: func(o *graph.Options) {
		given.Lister = o.Calls
		cache := pagecache.New(given, pagecache.Options{TTL: time.Hour, MaxBytes: bound})
		t.Cleanup(cache.Close)
		o.Calls, o.Known, o.Cached = cache, cache, true
	}})
	after := any(nil)
	for {
		a := g.query(t, `query ($c: String) {
			calls(first: 20, after: $c) { nodes { id } pageInfo { hasNextPage endCursor } }
		}`, map[string]any{"c": after})
		page := at(t, a.Data, "calls", "pageInfo")
		if at(t, page, "hasNextPage") != true {
			break
		}
		after = at(t, page, "endCursor")
	}
	runtime.GC()
	read, held := 0, 0
	for page, bytes := range given.pages {
		read += bytes
		if page.Value() != nil {
			held += bytes
		}
	}
	if read < 3*bound || held > bound {
		t.Errorf("%d bytes of pages were read, and %d are still held; at most %d may be", read, held, bound)
	}
}
