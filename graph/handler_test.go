package graph_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"revox-graphql/graph"
	"revox-graphql/graph/document"
	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/pagecache"
	"revox-graphql/upstream/rest"
)

// canary is a key that must turn up nowhere but upstream.
const canary = "sk_canary_7f3a"

// noon is when the fakes of these tests stand still.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// limits are the defaults of the settings.
var limits = document.Limits{Tokens: 1000, Depth: 16, Aliases: 30, RootFields: 10, Cost: 5000}

// gateway is the real handler over the real cache and client, and the fake over HTTP.
type gateway struct {
	*httptest.Server
	fake *fake.Upstream
	log  *bytes.Buffer
}

// gatewayOptions are what tests vary.
type gatewayOptions struct {
	calls  int
	ttl    time.Duration
	stale  time.Duration
	client func(*rest.Options)
	graph  func(*graph.Options)
}

func newGateway(t testing.TB, opts gatewayOptions) *gateway {
	t.Helper()
	f := fake.New(fake.Config{Seed: 1, Calls: opts.calls, Now: func() time.Time { return noon }})
	rest := httptest.NewServer(f)
	t.Cleanup(func() {
		// A fetch that no request waits for any longer would hold rest.Close up until its timeout, and its next attempt
		// must find no listener.
		_ = rest.Listener.Close()
		rest.CloseClientConnections()
		rest.Close()
	})
	g := connect(t, rest.URL, opts)
	t.Cleanup(g.Close)
	g.fake = f
	f.ResetRequests()
	return g
}

// withTokens lets clients in that send one of the tokens, or every client without any. All have the canary as
// credential.
func withTokens(tokens ...string) func(*http.Request) (graph.Client, error) {
	return func(r *http.Request) (graph.Client, error) {
		client := graph.Client{Credential: upstream.NewCredential(canary)}
		if len(tokens) == 0 {
			return client, nil
		}
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !slices.Contains(tokens, token) {
			return graph.Client{}, errors.New("Send a token.")
		}
		client.ID = sha256.Sum256([]byte(token))
		return client, nil
	}
}

// withKeys lets clients in with their own keys, which go upstream.
func withKeys(r *http.Request) (graph.Client, error) {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if key == "" {
		return graph.Client{}, errors.New("Send a key.")
	}
	return graph.Client{Credential: upstream.NewCredential(key), OwnKey: true, ID: sha256.Sum256([]byte(key))}, nil
}

// connect makes a gateway over the endpoint at an address.
func connect(t testing.TB, address string, opts gatewayOptions) *gateway {
	t.Helper()
	base, err := url.Parse(address + "/api")
	if err != nil {
		t.Fatal(err)
	}
	clientOptions := rest.Options{BaseURL: base, RetryDelay: time.Millisecond}
	if opts.client != nil {
		opts.client(&clientOptions)
	}
	client := rest.NewClient(clientOptions)
	if opts.calls >= 200 { // the client checks page sizes that it has not seen full; that is tested elsewhere
		if _, err := client.ListCalls(t.Context(), upstream.ListCallsOptions{
			List: upstream.List{Credential: upstream.NewCredential(canary)}, PageSize: 200,
		}); err != nil {
			t.Fatal(err)
		}
	}
	cache := pagecache.New(client, pagecache.Options{
		TTL: opts.ttl, Revalidate: opts.stale, Stale: opts.stale, MaxBytes: 256 << 20, Timeout: 30 * time.Second,
	})
	g := &gateway{log: &bytes.Buffer{}}
	options := graph.Options{
		Calls: cache, Known: cache, Cached: opts.ttl > 0, ResponseCacheBytes: 64 << 20, PageSize: 200, MaxCount: 100,
		MaxShift: 1000, MaxScan: 20, Timeout: 30 * time.Second,
		Authenticate: withTokens(), Introspection: true, Log: slog.New(slog.NewTextHandler(g.log, nil)),
		Limits: limits, MaxRequestBytes: 256 << 10, MaxResponseBytes: 64 << 20, PersistedBytes: 16 << 20,
	}
	if opts.graph != nil {
		opts.graph(&options)
	}
	handler, err := graph.NewHandler(options)
	if err != nil {
		t.Fatal(err)
	}
	g.Server = httptest.NewServer(handler)
	return g
}

// answer is a GraphQL response as a client reads it.
type response struct {
	Data   map[string]any `json:"data"`
	Errors []struct {
		Message    string         `json:"message"`
		Path       []any          `json:"path"`
		Extensions map[string]any `json:"extensions"`
	} `json:"errors"`
	Extensions map[string]any `json:"extensions"`
}

// code is the code of the one error that is expected.
func (a response) code(t testing.TB) string {
	t.Helper()
	if len(a.Errors) != 1 {
		t.Fatalf("%d errors: %+v", len(a.Errors), a.Errors)
	}
	code, _ := a.Errors[0].Extensions["code"].(string)
	return code
}

// post sends a request body and returns the response's status, header and body.
func (g *gateway) post(t testing.TB, body string, header http.Header) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	maps.Copy(req.Header, header)
	return do(t, req)
}

// get asks by a query string.
func (g *gateway) get(t testing.TB, query string, header http.Header) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+"?"+query, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	return do(t, req)
}

func do(t testing.TB, req *http.Request) (int, http.Header, []byte) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, body
}

// query runs a query with variables and reads the response.
func (g *gateway) query(t testing.TB, query string, variables map[string]any) response {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	_, _, got := g.post(t, string(body), nil)
	return decode(t, got)
}

func decode(t testing.TB, body []byte) response {
	t.Helper()
	var a response
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return a
}

// at follows a path into decoded JSON.
func at(t testing.TB, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, ok := value.(map[string]any)
			if !ok {
				t.Fatalf("no object at %v", step)
			}
			value = object[step]
		case int:
			list, ok := value.([]any)
			if !ok || step >= len(list) {
				t.Fatalf("no element %d", step)
			}
			value = list[step]
		}
	}
	return value
}

// serve asks without a connection: any bytes may be a query string.
func (g *gateway) serve(t testing.TB, method, text string) (int, []byte) {
	t.Helper()
	return g.serveContext(t.Context(), method, text)
}

func (g *gateway) serveContext(ctx context.Context, method, text string) (int, []byte) {
	req := httptest.NewRequestWithContext(ctx, method, "/graphql", nil)
	if method == http.MethodGet {
		req.URL.RawQuery = text
	} else {
		req.Body = io.NopCloser(strings.NewReader(text))
		req.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	g.Config.Handler.ServeHTTP(w, req)
	return w.Code, w.Body.Bytes()
}
