package graph_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/graph"
	"revox-graphql/graph/hostile"
)

const someCalls = "{ calls(first: 2) { nodes { id } } }"

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// byHash are the extensions that name a document by Apollo's protocol.
func byHash(hash string) map[string]any {
	return map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": hash}}
}

// ask posts members of a body, or sends them as a query string.
func (g *gateway) ask(t testing.TB, method string, members map[string]any, header http.Header) (int, response) {
	t.Helper()
	if method == http.MethodPost {
		body, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		status, _, got := g.post(t, string(body), header)
		return status, decode(t, got)
	}
	query := url.Values{}
	for name, value := range members {
		text, ok := value.(string)
		if !ok {
			text = string(must(json.Marshal(value)))
		}
		query.Set(name, text)
	}
	status, _, got := g.get(t, query.Encode(), header)
	return status, decode(t, got)
}

// codeOf is the code of a response, or "" if it has the two calls.
func codeOf(t testing.TB, a response) string {
	t.Helper()
	if len(a.Errors) > 0 {
		return a.code(t)
	}
	if nodes := at(t, a.Data, "calls", "nodes").([]any); len(nodes) != 2 {
		t.Errorf("got %+v", a.Data)
	}
	return ""
}

// GET by hash, POST with the document, GET by hash: as Apollo Client does it.
func TestAutomaticPersistedQueries(t *testing.T) {
	for _, ttl := range []time.Duration{0, time.Hour} { // without cached responses, and with them
		g := newGateway(t, gatewayOptions{calls: 30, ttl: ttl})
		hash := hashOf(someCalls)
		for i, step := range []struct {
			method  string
			members map[string]any
			code    string
		}{
			{http.MethodGet, map[string]any{"extensions": byHash(hash)}, "PERSISTED_QUERY_NOT_FOUND"},
			{http.MethodPost, map[string]any{"extensions": byHash(hash)}, "PERSISTED_QUERY_NOT_FOUND"},
			{http.MethodPost, map[string]any{"extensions": byHash(hash), "query": someCalls + " "}, "BAD_USER_INPUT"},
			{http.MethodGet, map[string]any{"extensions": byHash(hash)}, "PERSISTED_QUERY_NOT_FOUND"},
			{http.MethodPost, map[string]any{"extensions": byHash(hash), "query": someCalls}, ""},
			{http.MethodGet, map[string]any{"extensions": byHash(hash)}, ""},
			{http.MethodGet, map[string]any{"extensions": byHash(strings.ToUpper(hash))}, ""},
			{http.MethodPost, map[string]any{"extensions": byHash(hash), "query": ""}, ""},
			{http.MethodPost, map[string]any{"extensions": byHash(hash), "query": "{ __typename }"}, "BAD_USER_INPUT"},
			{http.MethodGet, map[string]any{"extensions": byHash(hash), "query": someCalls}, ""},
			{
				http.MethodPost,
				map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": 2, "sha256Hash": hash}}},
				"BAD_USER_INPUT",
			},
			{
				http.MethodPost,
				map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1}}},
				"BAD_USER_INPUT",
			},
			{http.MethodPost, map[string]any{"extensions": map[string]any{"persistedQuery": "x"}}, "BAD_USER_INPUT"},
			{http.MethodPost, map[string]any{"extensions": map[string]any{"persistedQuery": nil}, "query": someCalls}, ""},
			{http.MethodPost, map[string]any{"documentId": "x"}, "PERSISTED_QUERY_NOT_SUPPORTED"},
			{http.MethodPost, map[string]any{"documentId": "x", "query": someCalls}, ""},
		} {
			status, a := g.ask(t, step.method, step.members, nil)
			if code := codeOf(t, a); code != step.code {
				t.Errorf("step %d: %d %+v", i, status, a)
			}
			modern, _ := g.ask(t, step.method, step.members, http.Header{"Accept": {"application/graphql-response+json"}})
			_, byID := step.members["documentId"]
			if wantOK := step.code == "" || step.code != "BAD_USER_INPUT" && !byID; (modern == 200) != wantOK || modern >= 500 {
				t.Errorf("step %d: status %d, and %d for the newer media type", i, status, modern)
			}
		}
		// The message is what older clients look at.
		_, a := g.ask(t, http.MethodGet, map[string]any{"extensions": byHash(hashOf("x"))}, nil)
		if a.Errors[0].Message != "PersistedQueryNotFound" {
			t.Errorf("got %+v", a)
		}
	}
}

// What does not parse, does not validate or is beyond a limit is not kept.
func TestOnlyGoodQueriesPersist(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 30})
	for query, code := range map[string]string{
		strings.Repeat("{", 900): "GRAPHQL_PARSE_FAILED",
		"{ nothing }":            "GRAPHQL_VALIDATION_FAILED",
		"{" + strings.Repeat(" __typename", 1000) + "}":                       "QUERY_TOO_LARGE",
		"{" + hostile.Numbered(" a%d: __typename", 31) + "}":                  "QUERY_TOO_COMPLEX",
		"{ ...F0 }" + hostile.Doubling(40, "Query", "calls { nodes { id } }"): "QUERY_TOO_COMPLEX",
	} {
		_, a := g.ask(t, http.MethodPost, map[string]any{"extensions": byHash(hashOf(query)), "query": query}, nil)
		if a.code(t) != code {
			t.Errorf("%s: %+v", code, a)
		}
		_, a = g.ask(t, http.MethodPost, map[string]any{"extensions": byHash(hashOf(query))}, nil)
		if a.code(t) != "PERSISTED_QUERY_NOT_FOUND" {
			t.Errorf("%s was kept: %+v", code, a)
		}
	}
}

// The oldest leave when the bytes are used up; what is larger than all of them is executed and not kept.
func TestPersistedQueriesAreBounded(t *testing.T) {
	g := newGateway(t, gatewayOptions{graph: func(o *graph.Options) { o.PersistedBytes = 2000 }})
	persist := func(query string) {
		_, a := g.ask(t, http.MethodPost, map[string]any{"extensions": byHash(hashOf(query)), "query": query}, nil)
		if len(a.Errors) > 0 {
			t.Errorf("got %+v", a)
		}
	}
	known := func(query string) bool {
		_, a := g.ask(t, http.MethodPost, map[string]any{"extensions": byHash(hashOf(query))}, nil)
		return len(a.Errors) == 0
	}
	text := func(i, size int) string { return fmt.Sprintf("{ __typename } #%d %s", i, strings.Repeat("x", size)) }
	for i := range 5 {
		persist(text(i, 300))
	}
	persist(text(9, 2000))
	if known(text(0, 300)) || !known(text(3, 300)) || !known(text(4, 300)) || known(text(9, 2000)) {
		t.Error("not the newest are known")
	}
}

func TestPersistedQueriesOff(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 30, graph: func(o *graph.Options) { o.PersistedBytes = 0 }})
	for _, members := range []map[string]any{
		{"extensions": byHash(hashOf(someCalls))},
		{"extensions": byHash(hashOf(someCalls)), "query": someCalls},
	} {
		if status, a := g.ask(t, http.MethodPost, members, nil); status != 200 ||
			a.code(t) != "PERSISTED_QUERY_NOT_SUPPORTED" {
			t.Errorf("%d %+v", status, a)
		}
	}
}

// manifest writes a file of trusted documents.
func manifest(t testing.TB, content any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manifest.json")
	write(t, path, content)
	return path
}

func write(t testing.TB, path string, content any) {
	t.Helper()
	if err := os.WriteFile(path, must(json.Marshal(content)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func apollo(operations ...map[string]string) map[string]any {
	return map[string]any{"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}
}

func TestTrustedDocuments(t *testing.T) {
	const id, relayID = "0f1e2d", "5d41402abc4b2a76b9719d911017c592" // of the client's own printed text, or MD5
	formats := map[string]struct {
		content any
		id      string
	}{
		"Apollo": {
			apollo(map[string]string{"id": id, "name": "Calls", "type": "query", "body": someCalls}),
			id,
		},
		"codegen":                {map[string]string{id: someCalls}, id},
		"codegen with sha256:":   {map[string]string{"sha256:" + id: someCalls}, id},
		"clients say sha256: as": {map[string]string{id: someCalls}, "sha256:" + id},
		"Relay":                  {map[string]string{relayID: someCalls}, relayID},
	}
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, gatewayOptions{calls: 30, ttl: time.Hour, graph: func(o *graph.Options) {
				o.TrustedDocuments = manifest(t, format.content)
			}})
			for _, method := range []string{http.MethodPost, http.MethodGet} {
				for range 2 { // the second is a cached response
					for _, test := range []struct {
						members map[string]any
						code    string
					}{
						{map[string]any{"extensions": byHash(format.id)}, ""},
						{map[string]any{"documentId": format.id}, ""},
						{map[string]any{"doc_id": format.id}, ""},
						{map[string]any{"doc_id": format.id, "query": "{ __typename }"}, ""}, // the id decides
						{map[string]any{"documentId": "unknown"}, "PERSISTED_QUERY_NOT_FOUND"},
						{map[string]any{"extensions": byHash(hashOf(someCalls))}, "PERSISTED_QUERY_NOT_SUPPORTED"},
						{map[string]any{"extensions": byHash(hashOf(someCalls)), "query": someCalls}, "PERSISTED_QUERY_NOT_SUPPORTED"},
						{map[string]any{"query": someCalls}, "PERSISTED_QUERY_REQUIRED"},
						{map[string]any{"query": ""}, "PERSISTED_QUERY_REQUIRED"},
					} {
						status, a := g.ask(t, method, test.members, nil)
						if codeOf(t, a) != test.code || status != 200 {
							t.Errorf("%v: %d %+v", test.members, status, a)
						}
						// Without data the newer media type is never 200, but for hashes of Apollo's protocol.
						modern := http.Header{"Accept": {"application/graphql-response+json"}}
						status, a = g.ask(t, method, test.members, modern)
						wantOK := test.code == "" || test.members["extensions"] != nil
						if codeOf(t, a) != test.code || (status == 200) != wantOK || status >= 500 {
							t.Errorf("%v, the newer media type: %d %+v", test.members, status, a)
						}
					}
				}
			}
		})
	}
}

// A manifest that cannot be used stops the start, with an error that names the document.
func TestBadManifests(t *testing.T) {
	for name, test := range map[string]struct {
		content any
		says    string
	}{
		"no JSON object":  {[]string{"x"}, "neither Apollo's manifest nor"},
		"other values":    {map[string]any{"a": 1}, "neither Apollo's manifest nor"},
		"nothing":         {map[string]any{}, "no documents"},
		"Apollo's, empty": {apollo(), "no documents"},
		"Apollo's, newer": {map[string]any{"format": "apollo-persisted-query-manifest", "version": 2}, "version 2"},
		"an id twice": {
			apollo(map[string]string{"id": "a", "body": "{ __typename }"}, map[string]string{"id": "a", "body": someCalls}),
			`two documents with the id "a"`,
		},
		"no id":          {map[string]string{"": someCalls}, "without an id"},
		"a syntax error": {map[string]string{"good": someCalls, "bad": "{"}, `"bad"`},
		"not of this schema": {
			map[string]string{"good": someCalls, "old": "{ calls { rows } }"},
			`"old" that cannot run: Cannot query field "rows"`,
		},
		"beyond a limit": {
			map[string]string{"large": "{" + hostile.Numbered(" a%d: __typename", 31) + "}"},
			`"large" that cannot run: The document has more than 30 aliases`,
		},
		"a document of two":     {map[string]string{"two": "{ __typename } { __typename }"}, `"two"`},
		"a fragment on its own": {map[string]string{"f": "fragment F on Query { __typename }"}, `"f"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := graph.NewHandler(graph.Options{Limits: limits, MaxCount: 100, TrustedDocuments: manifest(t, test.content)})
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := graph.NewHandler(graph.Options{TrustedDocuments: filepath.Join(t.TempDir(), "none.json")}); err == nil {
		t.Error("a missing file was taken")
	}
}

// A changed manifest holds from the next request on that comes a second or more after the last look; cached responses
// do not outlive their document. One that cannot be used changes nothing but the log.
func TestManifestIsReread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := manifest(t, map[string]string{"a": "{ __typename }", "b": "{ me: __typename }"})
		changes := 0
		change := func(content any) {
			t.Helper()
			write(t, path, content)
			changes++ // a file system's clock may be coarse
			if err := os.Chtimes(path, time.Time{}, noon.Add(time.Duration(changes)*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		log := &bytes.Buffer{}
		handler, err := graph.NewHandler(graph.Options{
			Limits: limits, MaxCount: 100, TrustedDocuments: path, Timeout: time.Minute, Cached: true,
			ResponseCacheBytes: 1 << 20,
			Log:                slog.New(slog.NewTextHandler(log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		want := func(id, text string) {
			t.Helper()
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(
				t.Context(), http.MethodPost, "/", strings.NewReader(fmt.Sprintf(`{"documentId": %q}`, id)),
			)
			r.Header.Set("Content-Type", "application/json")
			if handler.ServeHTTP(w, r); !strings.Contains(w.Body.String(), text) {
				t.Errorf("%s: want %s, got %s", id, text, w.Body)
			}
		}
		const plain, unknown = `{"__typename":"Query"}`, "PERSISTED_QUERY_NOT_FOUND"
		want("a", plain)
		want("b", `{"me":"Query"}`)
		change(map[string]string{"a": "{ it: __typename }", "c": "{ __typename }"})
		time.Sleep(time.Second - time.Millisecond)
		want("a", plain)
		want("c", unknown)
		time.Sleep(time.Millisecond)
		want("a", `{"it":"Query"}`)
		want("b", unknown)
		want("c", plain)
		change(map[string]string{"a": "{ nothing }"})
		for range 3 {
			time.Sleep(time.Second)
			want("a", `{"it":"Query"}`)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(time.Second)
			want("c", plain)
		}
		if text := log.String(); strings.Count(text, "level=ERROR") != 2 || !strings.Contains(text, `\"a\" that cannot run`) {
			t.Errorf("log: %s", text)
		}
		change(map[string]string{"d": "{ __typename }"})
		time.Sleep(time.Second)
		want("d", plain)
		want("a", unknown)
	})
}
