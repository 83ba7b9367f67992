package gateway

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"revox-graphql/upstream/fake"
)

// Whatever a client sends, no response is 5xx, and nothing makes the gateway fail inside. Where it is about
// GraphQL, the response is GraphQL over HTTP: JSON with data or errors, each of these with a code.
func FuzzHandler(f *testing.F) {
	upstream := httptest.NewServer(fake.New(fake.Config{Seed: 1, Calls: 30}))
	f.Cleanup(upstream.Close)
	env := map[string]string{
		"REVOX_API_KEY": "key", "REVOX_BASE_URL": upstream.URL +
			"/api", "GATEWAY_CORS_ORIGINS": "https://app.example", "GATEWAY_UPSTREAM_FIRST_PAGE": "0",
	}
	s, err := parse(env)
	if err != nil {
		f.Fatal(err)
	}
	handler, stop, err := routes(s, newRegistry(), nil, new(atomic.Bool), nil, quiet())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(stop)
	const document = `{"query": "query Q($n: Int) { calls(first: $n) { nodes { id } } }", ` +
		`"variables": {"n": 2}, "operationName": "Q"}`
	for _, seed := range [][3]string{
		{"POST", "", "Content-Type: application/json\nAccept: application/graphql-response+json"},
		{"GET", "query=%7B__typename%7D", "Accept: text/html, */*;q=0.1\nSec-Fetch-Site: same-origin\nIf-None-Match: *"},
		{"POST", "", "Content-Type: application/json; charset=utf-8\nX-Request-Id: a b\nOrigin: " +
			"https://app.example\nCache-Control: no-cache"},
		{"OPTIONS", "", "Origin: https://app.example\nAccess-Control-Request-Method: POST"},
		{
			"GET", "extensions=%7B%22persistedQuery%22%3A%7B%22version%22%3A1%2C%22sha256Hash%22%3A%22ab%22%7D%7D",
			"Apollo-Require-Preflight: 1\nAccept-Encoding: br",
		},
		{"GET", "documentId=1&variables={}", "Host: evil.example\nTraceparent: 00-0-0-0"},
		{"POST", "", "Content-Type: application/json\nContent-Encoding: br"},
		{"POST", "", "Content-Type: application/json\nContent-Encoding: gzip, gzip\nAccept: "},
		{"GET", "query={__typename}&query={a:__typename}", "Accept: application/*;q=0.5, application/json;q=x"},
		{"GET", "query={__typename}&variables={\"a\":1,\"a\":\"\\ud83d\"}", "Accept: application/json; q=NaN"},
		{"GET", "query=%ff&variables=%EF%BB%BF{}&extensions=[", "Upgrade: h2c, websocket\nConnection: Upgrade"},
		{"HEAD", "query={__typename}", "Host: "},
		{"PRI", "", "Host: localhost."},
		{"CONNECT", "", "Host: [::1"},
	} {
		for _, path := range []string{"/graphql", "/graphql/"} {
			for _, packed := range []bool{false, true} {
				f.Add(seed[0], path, seed[1], seed[2], document, packed)
			}
		}
	}
	for _, path := range []string{
		"", "/", "*", "//graphql", "/graphql/../graphql", "/graphql%2f", "/./", "/\x00", "/healthz/", "/readyz",
		"/metrics", "/schema.graphqls", "/assets/", "graphql", "/graphql;x", "/GRAPHQL", "/\xff", "/..",
	} {
		f.Add("GET", path, "query={__typename}", "If-None-Match: *\nRange: bytes=5-1,-3", "", false)
		f.Add("OPTIONS", path, "", "Host: ", "", false)
	}
	f.Fuzz(func(t *testing.T, method, path, query, headers, body string, packed bool) {
		if packed {
			body = gzipped(body)
			headers += "\nContent-Encoding: gzip"
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/", strings.NewReader(body))
		r.Method = method // also one that net/http would not let through
		r.URL.Path, r.URL.RawQuery = path, query
		r.RequestURI = r.URL.RequestURI()
		for line := range strings.SplitSeq(headers, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			if name == "Host" {
				r.Host = value
			} else {
				r.Header.Add(name, value)
			}
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if path == "/graphql" || path == "/graphql/" {
			checkResponse(t, r, w)
		}
	})
}

// gzipped packs a text.
func gzipped(text string) string {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.NoCompression) // others take a megabyte each
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

// checkResponse checks that a response is GraphQL over HTTP.
func checkResponse(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	text := w.Body.String()
	if id := w.Header().Get("X-Request-Id"); id == "" || strings.ContainsAny(id, " \r\n") {
		t.Errorf("the request id is %q", id)
	}
	switch {
	case w.Code == http.StatusNoContent && r.Method == http.MethodOptions, w.Code == http.StatusNotModified &&
		r.Method == http.MethodGet:
		if text != "" {
			t.Errorf("%d has a body: %s", w.Code, text)
		}
		return
	case w.Code == http.StatusFound && r.Method == http.MethodGet && r.URL.RawQuery == "": // a browser
		return
	case w.Header().Get("Content-Encoding") != "": // what it has inside is tested elsewhere
		return
	case w.Code == http.StatusInternalServerError || strings.Contains(text, "INTERNAL_SERVER_ERROR"):
		t.Fatalf("it failed inside: %s", text)
	}
	checkGraphQL(t, w)
}

// checkGraphQL checks that a response has data or errors, each with a message and a code.
func checkGraphQL(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	text := w.Body.String()
	mediaType, _, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	if err != nil || mediaType != "application/json" && mediaType != "application/graphql-response+json" {
		t.Errorf("%d of the type %q", w.Code, w.Header().Get("Content-Type"))
	}
	var response struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.Unmarshal([]byte(text), &response); err != nil || response.Data == nil && len(response.Errors) == 0 {
		t.Fatalf("%d is no GraphQL: %v: %s", w.Code, err, text)
	}
	for _, e := range response.Errors {
		if e.Message == "" || e.Extensions.Code == "" {
			t.Errorf("an error has no message or no code: %s", text)
		}
	}
	if w.Code >= 300 && len(response.Errors) == 0 {
		t.Errorf("%d without an error: %s", w.Code, text)
	}
}
