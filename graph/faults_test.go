package graph_test

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"revox-graphql/graph"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/rest"
)

// fails makes every request fail with a status; 0 lets them pass again.
func (g *gateway) fails(status int) {
	g.fake.Behave(func(b *fake.Behaviour) {
		b.Fault = nil
		if status != 0 {
			b.Fault = func(int, *http.Request) *fake.Response { return &fake.Response{Status: status} }
		}
	})
}

// until asks again until the response is as wanted, or the test has no more time.
func (g *gateway) until(t *testing.T, query string, wanted func(response) bool) response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if a := g.query(t, query, nil); wanted(a) {
			return a
		}
	}
	t.Fatal("no such response")
	return response{}
}

func isStale(a response) bool { return a.Extensions["stale"] != nil }

// While upstream fails, what is in memory is served and says how old it is; then it is fresh again.
func TestStaleResponses(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 300, ttl: time.Nanosecond, stale: time.Hour})
	g.fake.Behave(func(b *fake.Behaviour) { b.Key = canary })
	const query = `{ calls(first: 5) { nodes { id } } call(id: "nobody") { id } }`
	const known = `{ calls(first: 5) { nodes { id } } }`
	want := g.query(t, known, nil)
	id := at(t, want.Data, "calls", "nodes", 0, "id").(string)
	g.fails(500)
	a := g.until(t, known, isStale)
	if len(a.Errors) > 0 || !reflect.DeepEqual(a.Data, want.Data) {
		t.Errorf("got %+v", a)
	}
	if age, _ := a.Extensions["stale"].(float64); age < 1 || age > 30 {
		t.Errorf("stale for %v seconds", a.Extensions["stale"])
	}
	// A single call too; and what is not in memory is an error of its own.
	a = g.query(t, `{ call(id: "`+id+`") { id } node(id: "`+id+`") { id } }`, nil)
	if len(a.Errors) > 0 || !isStale(a) || at(t, a.Data, "call", "id") != id || at(t, a.Data, "node", "id") != id {
		t.Errorf("got %+v", a)
	}
	if a = g.query(t, query, nil); a.code(t) != "UPSTREAM_UNAVAILABLE" || !isStale(a) || a.Data["call"] != nil ||
		a.Data["calls"] == nil {
		t.Errorf("got %+v", a)
	}
	// A request for fresh data gets an error instead.
	_, _, body := g.post(t, `{"query": "{ calls(first: 5) { nodes { id } } }"}`, http.Header{
		"Cache-Control": {"no-cache"},
	})
	if a = decode(t, body); a.code(t) != "UPSTREAM_UNAVAILABLE" || isStale(a) {
		t.Errorf("got %+v", a)
	}
	g.fails(0)
	if a = g.until(t, known, func(a response) bool { return !isStale(a) }); len(a.Errors) > 0 {
		t.Errorf("got %+v", a)
	}
	// A key that is refused loses everything.
	g.fake.Behave(func(b *fake.Behaviour) { b.Key = "another" })
	a = g.until(t, known, func(a response) bool { return len(a.Errors) > 0 })
	if a.code(t) != "UPSTREAM_UNAUTHENTICATED" || a.Data["calls"] != nil {
		t.Errorf("got %+v", a)
	}
}

func TestRequestsToUpstreamAreBounded(t *testing.T) {
	g := newGateway(t, gatewayOptions{
		calls: 20_000, ttl: time.Minute, graph: func(o *graph.Options) { o.MaxUpstreamRequests = 5 },
	})
	a := g.query(t, `{ calls(first: 5) { nodes { id } totalCount } }`, nil)
	if a.code(t) != "QUERY_TOO_COMPLEX" || a.Errors[0].Extensions["limit"] != 5.0 ||
		a.Errors[0].Extensions["actual"] != 6.0 {
		t.Errorf("got %+v", a)
	}
	if len(at(t, a.Data, "calls", "nodes").([]any)) != 5 || len(g.fake.Requests()) != 5 {
		t.Errorf("%d requests, got %+v", len(g.fake.Requests()), a)
	}
	a = g.query(t, `{ a: calls(first: 5) { nodes { id } } b: calls(first: 50) { nodes { id } } }`, nil)
	if len(a.Errors) > 0 {
		t.Errorf("the next request: %+v", a)
	}
}

func TestOverload(t *testing.T) {
	asked, response := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	first.Store(true)
	g := newGateway(t, gatewayOptions{calls: 100, client: func(o *rest.Options) {
		o.MaxConcurrent, o.MaxWaiting = 1, -1
	}})
	g.fake.Behave(func(b *fake.Behaviour) {
		b.Fault = func(int, *http.Request) *fake.Response {
			if first.Swap(false) {
				close(asked)
				<-response
			}
			return nil
		}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.query(t, `{ calls(first: 5) { nodes { id } } }`, nil)
	}()
	<-asked
	a := g.query(t, `{ calls(first: 30) { nodes { id } } }`, nil) // of a page of its own
	if a.code(t) != "OVERLOADED" || a.Errors[0].Extensions["retryAfter"] != 1.0 {
		t.Errorf("got %+v", a)
	}
	close(response)
	<-done
}

// Where responses are too large, smaller pages are asked for, and nothing is lost.
func TestLargeResponses(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 199, client: func(o *rest.Options) { o.MaxResponseBytes = 100_000 }})
	if got := g.walk(t, 100, false); !slices.Equal(got, g.fake.IDs()) {
		t.Errorf("%d calls of 199", len(got))
	}
}
