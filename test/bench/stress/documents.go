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

// longName is as long as a request has room for.
const longName = 250_000

// named is a name of that length, another one for each number.
func named(n int) string { return fmt.Sprintf("n%d_", n) + strings.Repeat("x", longName-20) }

// loadNames sends names of 250 kB: of aliases, operations, variables and persisted documents. Each is another one.
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

// persisted is a request for a persisted document, or, with its text, one that registers it.
func persisted(text, hash string) []byte {
	question := map[string]any{
		"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": hash}},
	}
	if text != "" {
		question["query"] = text
	}
	body, err := json.Marshal(question)
	if err != nil {
		panic(err) // texts can always be encoded
	}
	return body
}

// loadPersisted registers documents of 250 kB, each another one.
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

// loadBooleans sends documents with many Boolean variables, and of each ever another combination of their values.
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
		// A document is sent with a hundred combinations, and then comes the next.
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

// loadEncodings asks for the same large answers in every encoding, by every way to spell it, so that each could be
// kept by itself; and with many tags of answers that it could have.
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
		question := load.EncodeRequest(fmt.Sprintf("{ calls(first: %d) { nodes { %s } } }", 50+worker, load.TranscriptFields), nil)
		return t.add(ctx, s.send(ctx, client, request{body: question, header: header}))
	})
	s.note("%s, %d MB", &t, t.bytes/1_000_000)
	return t.cut
}

// loadHeaders sends what a gateway looks at of a request's header: other hosts, methods, traces, names of clients, ids.
func loadHeaders(ctx context.Context, s *target) error {
	question := load.EncodeRequest("{ calls(first: 5) { nodes { id } } }", nil)
	var t outcomes
	s.each(ctx, 8, func(client *http.Client, worker, turn int) error {
		n := worker*1_000_000 + turn
		long := strings.Repeat(fmt.Sprintf("%d-", n), 1000)
		a := request{body: question}
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

// loadMetrics reads /metrics over 20 connections, again and again.
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
