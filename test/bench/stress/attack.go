package stress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"revox-graphql/graph/hostile"
	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/report"
)

const (
	attackAttempts    = 5  // of each document
	attackConnections = 16 // of the slowest documents
	attackWorst       = 3  // slowest documents
)

// attackResult is the result of one hostile document.
type attackResult struct {
	hostile.Document
	payload []byte
	took    time.Duration // the median of the attempts
	wrong   error
}

// measureAttack sends each hostile document, and then the slowest of them over many connections while a normal client
// sends requests.
func (o *options) measureAttack(ctx context.Context, t *report.Table) error {
	s, pages, err := load.StartTargetWithPages(ctx, o.Gateway, load.NormalCalls, load.NormalPages, "GATEWAY_CACHE_TTL=1h")
	if err != nil {
		return err
	}
	defer s.Stop()
	s.Upstream.ResetRequests()
	t.Printf("\n## Attack\n")
	t.Head("document", "bytes", "code", "ms")
	var results []attackResult
	var failed []error
	for _, document := range hostile.Documents() {
		r := attack(ctx, s, document)
		results = append(results, r)
		failed = append(failed, r.wrong)
		t.Row(r.Name, strconv.Itoa(len(r.Text)), r.Code, report.Milliseconds(r.took))
	}
	t.Head("after all documents", "")
	t.Row("upstream requests", strconv.Itoa(len(s.Upstream.Requests())))
	t.Row("memory, MiB", s.Memory())
	if n := len(s.Upstream.Requests()); n > 0 {
		failed = append(failed, fmt.Errorf("%d upstream requests, want none", n))
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
		s.During(ctx, t, pages, o.duration, func(ctx context.Context) { sent.Store(assault(ctx, s, results)) }),
	)
	t.Head("the slowest over "+strconv.Itoa(attackConnections)+" connections", "documents per second")
	t.Row(strings.Join(names, "; "), strconv.Itoa(int(float64(sent.Load())/o.duration.Seconds())))
	return errors.Join(failed...)
}

// attack sends a document several times.
func attack(ctx context.Context, s *load.Target, document hostile.Document) attackResult {
	payload, err := json.Marshal(map[string]string{"query": document.Text})
	r := attackResult{Document: document, payload: payload, wrong: err}
	took := make([]time.Duration, attackAttempts)
	for i := range took {
		began := time.Now()
		body, err := load.Post(ctx, s.Client, s.Gateway.URL+"graphql", payload)
		took[i] = time.Since(began)
		if err != nil { // such as 413, with the response in its text
			body = []byte(err.Error())
		}
		if !strings.Contains(string(body), `"`+document.Code+`"`) {
			r.wrong = fmt.Errorf("%s: %.300s", document.Name, body)
		}
	}
	slices.Sort(took)
	r.took = took[attackAttempts/2]
	return r
}

// assault sends documents over many connections, each after the response to the previous one, and counts the
// responses.
func assault(ctx context.Context, s *load.Target, results []attackResult) int64 {
	var sent atomic.Int64
	var all sync.WaitGroup
	for range attackConnections {
		all.Go(func() {
			client := load.NewClient()
			defer client.CloseIdleConnections()
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := load.Post(ctx, client, s.Gateway.URL+"graphql", results[i%len(results)].payload); err == nil {
					sent.Add(1)
				}
			}
		})
	}
	all.Wait()
	return sent.Load()
}
