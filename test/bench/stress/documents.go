package stress

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"revox-graphql/graph/hostile"
	"revox-graphql/test/bench/load"
)

// longName is the greatest length of a name, in bytes, that fits in a request.
const longName = 250_000

// named returns a distinct name of that length for each number.
func named(n int) string { return fmt.Sprintf("n%d_", n) + strings.Repeat("x", longName-20) }

// loadNames sends distinct names of 250 kB: of aliases, operations, variables and persisted documents.
func loadNames(ctx context.Context, s *target) error {
	var t outcomes
	s.each(ctx, 8, func(client *http.Client, worker, turn int) error {
		name := named(worker*1_000_000 + turn)
		var body []byte
		switch turn % 4 {
		case 0:
			body = load.EncodeRequest("{ "+name+": __typename }", nil)
		case 1:
			body = load.EncodeRequest("query "+name+" { __typename }", nil)
		case 2:
			body = load.EncodeRequest("query ($"+name+": Int) { calls(first: $"+name+") { nodes { id } } }", nil)
		default:
			body = persisted("", name)
		}
		return t.add(ctx, s.send(ctx, client, request{body: body}))
	})
	s.note("%s", &t)
	return t.cut
}

// persisted returns a request for a persisted document, or, with its text, one that registers it.
func persisted(text, hash string) []byte {
	payload := map[string]any{
		"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": hash}},
	}
	if text != "" {
		payload["query"] = text
	}
	body, err := json.Marshal(payload)
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return body
}

// loadPersisted registers distinct documents of 250 kB.
func loadPersisted(ctx context.Context, s *target) error {
	var t outcomes
	s.each(ctx, 8, func(client *http.Client, worker, turn int) error {
		text := fmt.Sprintf("{ __typename } # %d %d ", worker, turn) + strings.Repeat("#", longName-1000)
		if turn%2 == 1 {
			text = "{ calls(after: \"" + named(turn) + "\") { nodes { id } } }"
		}
		sum := sha256.Sum256([]byte(text))
		return t.add(ctx, s.send(ctx, client, request{body: persisted(text, hex.EncodeToString(sum[:]))}))
	})
	s.note("%s, %d documents", &t, t.total())
	return t.cut
}

// loadBooleans sends documents with many Boolean variables, with other values each time.
func loadBooleans(ctx context.Context, s *target) error {
	const booleans = 60
	var t outcomes
	var mu sync.Mutex
	bytes := 0
	s.each(ctx, 8, func(client *http.Client, worker, turn int) error {
		var head, fields strings.Builder
		variables := map[string]bool{}
		for i := range booleans {
			fmt.Fprintf(&head, " $v%d: Boolean!", i)
			fmt.Fprintf(&fields, " id @include(if: $v%d)", i)
			variables[fmt.Sprintf("v%d", i)] = random(2) == 1
		}
		// Each document is sent with a hundred combinations of values.
		query := fmt.Sprintf("query Q%d_%d(%s) { calls(first: 2) { nodes { __typename%s } } }",
			worker, turn/100, head.String(), fields.String())
		body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
		if err != nil {
			return err
		}
		mu.Lock()
		bytes += len(body)
		mu.Unlock()
		return t.add(ctx, s.send(ctx, client, request{body: body}))
	})
	s.note("%s, %d MB sent", &t, bytes/1_000_000)
	return t.cut
}

// loadDocuments sends hostile documents.
func loadDocuments(ctx context.Context, s *target) error {
	documents := hostile.Documents()
	var t outcomes
	s.each(ctx, attackConnections, func(client *http.Client, _, _ int) error {
		body := load.EncodeRequest(documents[random(len(documents))].Text, nil)
		return t.add(ctx, s.send(ctx, client, request{body: body}))
	})
	s.note("%s", &t)
	return t.cut
}

// loadEncodings requests the same large responses in every encoding, in every spelling of it, so that a cache could
// keep each separately. Some requests have 10,000 entity tags.
func loadEncodings(ctx context.Context, s *target) error {
	spelled := []string{
		"gzip", "br", "zstd", "deflate", "identity", "gzip;q=0.%03d", "br;q=0.%03d, gzip;q=0.9", "*;q=0.%03d",
	}
	var t outcomes
	s.each(ctx, 8, func(client *http.Client, worker, turn int) error {
		encoding := spelled[turn%len(spelled)]
		if strings.Contains(encoding, "%") {
			encoding = fmt.Sprintf(encoding, 1+random(999))
		}
		header := map[string]string{"Accept-Encoding": encoding}
		if turn%5 == 0 {
			header["If-None-Match"] = strings.Repeat(fmt.Sprintf(`"%08x", W/"%d", `, random(1<<30), turn), 10_000)
		}
		payload := load.TranscriptsRequest(50 + worker)
		return t.add(ctx, s.send(ctx, client, request{body: payload, header: header}))
	})
	s.note("%s, %d MB", &t, t.bytes/1_000_000)
	return t.cut
}

// loadHeaders sends many values of the request headers that the gateway reads: hosts, methods, traces, client names,
// IDs.
func loadHeaders(ctx context.Context, s *target) error {
	payload := load.EncodeRequest("{ calls(first: 5) { nodes { id } } }", nil)
	var t outcomes
	s.each(ctx, 8, func(client *http.Client, worker, turn int) error {
		n := worker*1_000_000 + turn
		long := strings.Repeat(fmt.Sprintf("%d-", n), 1000)
		a := request{body: payload}
		switch turn % 7 {
		case 0:
			a.header = map[string]string{"Host": fmt.Sprintf("host-%d.example.com", n)}
		case 1:
			a.method, a.path = http.MethodOptions, "graphql"
			a.header = map[string]string{
				"Origin": fmt.Sprintf("https://%d.example.com", n), "Access-Control-Request-Method": "POST",
			}
		case 2:
			a.header = map[string]string{
				"Traceparent": fmt.Sprintf("00-%032x-%016x-01", n+1, n+1), "Tracestate": long[:500], "Baggage": "a=" + long,
			}
		case 3:
			a.header = map[string]string{"X-Request-Id": long, "Apollographql-Client-Name": long, "User-Agent": long}
		case 4:
			a.header = map[string]string{"Expect": "100-continue", "Trailer": "X-Late"}
		case 5:
			a.method, a.path, a.body = http.MethodGet, "graphql?query={__typename}&operationName="+long, nil
		default:
			a.method, a.path = fmt.Sprintf("METHOD%d", n), fmt.Sprintf("path/%d/%s", n, long[:100])
		}
		return t.add(ctx, s.send(ctx, client, a))
	})
	s.note("%s", &t)
	return t.cut
}

// loadMetrics reads /metrics over 20 connections in a loop.
func loadMetrics(ctx context.Context, s *target) error {
	var t outcomes
	s.each(ctx, 20, func(client *http.Client, _, _ int) error {
		r := s.send(ctx, client, request{method: http.MethodGet, path: "metrics"})
		err := t.add(ctx, r)
		if r.status == http.StatusServiceUnavailable {
			err = errors.New("busy")
		}
		return err
	})
	s.note("%s", &t)
	return t.cut
}
