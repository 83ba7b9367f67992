package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"revox-graphql/graph/hostile"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	attackTries       = 5  // of each document
	attackConnections = 16 // with the worst
	attackWorst       = 3  // documents
)

// attackResult is what came of one hostile document.
type attackResult struct {
	hostile.Document
	question []byte
	took     time.Duration // the median of the tries
	wrong    error
}

// measureAttack sends each hostile document, and then the worst of them over many connections while a normal client
// asks.
func (o *stressOptions) measureAttack(ctx context.Context, t *table) error {
	s, pages, err := startTargetWithPages(ctx, o.gateway, normalCalls, normalPages, "GATEWAY_CACHE_TTL=1h")
	if err != nil {
		return err
	}
	defer s.stop()
	s.rest.ResetRequests()
	t.printf("\n## Attack\n")
	t.head("document", "bytes", "code", "ms")
	var results []attackResult
	var failed []error
	for _, document := range hostile.Documents() {
		r := attack(ctx, s, document)
		results = append(results, r)
		failed = append(failed, r.wrong)
		t.row(r.Name, strconv.Itoa(len(r.Text)), r.Code, milliseconds(r.took))
	}
	t.head("after all of them", "")
	t.row("requests to upstream", strconv.Itoa(len(s.rest.Requests())))
	t.row("memory, MiB", s.memory())
	if n := len(s.rest.Requests()); n > 0 {
		failed = append(failed, fmt.Errorf("%d requests to upstream", n))
	}

	slices.SortFunc(results, func(a, b attackResult) int { return int(b.took - a.took) })
	results = results[:attackWorst]
	names := make([]string, len(results))
	for i := range results {
		names[i] = results[i].Name
	}
	var sent atomic.Int64
	failed = append(
		failed,
		s.during(ctx, t, pages, o.stress, func(ctx context.Context) { sent.Store(assault(ctx, s, results)) }),
	)
	t.head("the worst over "+strconv.Itoa(attackConnections)+" connections", "documents a second")
	t.row(strings.Join(names, "; "), strconv.Itoa(int(float64(sent.Load())/o.stress.Seconds())))
	return errors.Join(failed...)
}

// attack sends a document a few times.
func attack(ctx context.Context, s *scene, document hostile.Document) attackResult {
	question, err := json.Marshal(map[string]string{"query": document.Text})
	r := attackResult{Document: document, question: question, wrong: err}
	took := make([]time.Duration, attackTries)
	for i := range took {
		began := time.Now()
		body, err := post(ctx, s.client, s.gateway.url+"graphql", question)
		took[i] = time.Since(began)
		if err != nil { // such as 413, with the answer in its text
			body = []byte(err.Error())
		}
		if !strings.Contains(string(body), `"`+document.Code+`"`) {
			r.wrong = fmt.Errorf("%s: %.300s", document.Name, body)
		}
	}
	slices.Sort(took)
	r.took = took[attackTries/2]
	return r
}

// assault sends documents over many connections, each the next as soon as the last is answered, and counts them.
func assault(ctx context.Context, s *scene, results []attackResult) int64 {
	var sent atomic.Int64
	var all sync.WaitGroup
	for range attackConnections {
		all.Go(func() {
			client := newClient()
			defer client.CloseIdleConnections()
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := post(ctx, client, s.gateway.url+"graphql", results[i%len(results)].question); err == nil {
					sent.Add(1)
				}
			}
		})
	}
	all.Wait()
	return sent.Load()
}
