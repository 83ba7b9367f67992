package graph_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"revox-graphql/graph"
	"revox-graphql/graph/admission"
	"revox-graphql/graph/hostile"
	"revox-graphql/internal/memory"
)

// However a request ends, it gives its slot back, and nothing of it is counted any more.
func TestEveryRequestGivesItsSlotBack(t *testing.T) {
	budget := noLimit()
	control := admission.New(1, 1<<20, 1<<30, budget)
	g := newGateway(t, gatewayOptions{calls: 30, ttl: time.Hour, graph: func(o *graph.Options) {
		o.Admission, o.Memory = control, budget
	}})
	const calls = "{ calls(first: 20) { nodes { id transcript { content } } } }"
	get := func(query string) *http.Request {
		return httptest.NewRequest(http.MethodGet, "/graphql?query="+url.QueryEscape(query), http.NoBody)
	}
	post := func(body string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		return r
	}
	with := func(r *http.Request, header, value string) *http.Request {
		r.Header.Set(header, value)
		return r
	}
	first := serve(g, get(calls))
	tag := first.Header().Get("ETag")
	if first.Code != http.StatusOK || tag == "" || first.Body.Len() < 20_000 {
		t.Fatalf("%d %v", first.Code, first.Header())
	}
	for name, test := range map[string]struct {
		request *http.Request
		status  int
	}{
		"executed":         {get("{ calls(first: 3) { nodes { id } } }"), 200},
		"executed, large":  {get("{ calls(first: 19) { nodes { id transcript { content } } } }"), 200},
		"cached":           {get(calls), 200},
		"not modified":     {with(get(calls), "If-None-Match", tag), 304},
		"not modified, no": {with(with(get(calls), "If-None-Match", tag), "Cache-Control", "no-cache"), 304},
		"compressed":       {with(get("{ calls { nodes { transcript { content } } } }"), "Accept-Encoding", "br"), 200},
		"with its cost":    {with(get(calls), "X-Query-Cost", "true"), 200},
		"with an error":    {get("{ calls(first: 20) { nodes { id transcript(first: -1) { content } } } }"), 200},
		"no JSON":          {post("{"), 400},
		"no query":         {post("{}"), 400},
		"a syntax error":   {get("{"), 200},
		"an unknown field": {get("{ nothing }"), 200},
		"too costly": {
			get("{ calls(first: 100) { nodes {" + hostile.Numbered(" t%d: transcript { role }", 5) + " } } }"),
			200,
		},
		"another method": {httptest.NewRequest(http.MethodPut, "/graphql", http.NoBody), 405},
	} {
		t.Run(name, func(t *testing.T) {
			response := serve(g, test.request)
			if response.Code != test.status {
				t.Errorf("status %d: %.200s", response.Code, response.Body)
			}
			if n := control.InFlight(); n != 0 {
				t.Fatalf("%d slots are taken", n)
			}
			for _, account := range budget.Accounts() {
				switch name := account.Name(); name {
				case "request_bodies", "requests_executing", "responses_being_written":
					if n := account.Used(); n != 0 {
						t.Errorf("%s: %d bytes are still counted", name, n)
					}
				}
			}
		})
	}
}

// What is cached is counted in the memory budget, each kind in its account.
func TestCachesAreCounted(t *testing.T) {
	budget := noLimit()
	g := newGateway(t, gatewayOptions{calls: 30, ttl: time.Hour, graph: func(o *graph.Options) { o.Memory = budget }})
	query := "{ calls(first: 20) { nodes { id } } }"
	status, _, body := g.post(t, persistedBody(query), nil)
	if status != http.StatusOK || strings.Contains(string(body), "errors") {
		t.Fatalf("%d %s", status, body)
	}
	for name, least := range map[string]int64{
		"documents": 4 << 10, "persisted_queries": int64(len(query)), "response_cache": 20 * 36,
	} {
		found := false
		for _, account := range budget.Accounts() {
			if account.Name() == name {
				found = account.Used() >= least
			}
		}
		if !found {
			t.Errorf("%s has not %d bytes", name, least)
		}
	}
}

func serve(g *gateway, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.Config.Handler.ServeHTTP(w, r)
	return w
}

// A query string that reads like the body of a cached response is another request.
func TestMethodsDoNotShareResponses(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 30, ttl: time.Hour})
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(typename))
	r.Header.Set("Content-Type", "application/json")
	if w := serve(g, r); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	r = httptest.NewRequest(http.MethodGet, "/graphql", http.NoBody)
	r.URL.RawQuery = typename
	if w := serve(g, r); w.Code != http.StatusBadRequest {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// noLimit is a budget that counts and refuses nothing.
func noLimit() *memory.Budget { return memory.NewBudget(0, 0, slog.New(slog.DiscardHandler)) }

// persistedBody sends a document with its hash, by Apollo's protocol.
func persistedBody(query string) string {
	body, _ := json.Marshal(map[string]any{
		"query": query,
		"extensions": map[string]any{"persistedQuery": map[string]any{
			"version": 1, "sha256Hash": fmt.Sprintf("%x", sha256.Sum256([]byte(query))),
		}},
	})
	return string(body)
}
