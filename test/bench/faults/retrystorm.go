package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/report"
	"revox-graphql/upstream/fake"
)

const (
	retryStormCalls     = 5 // in a page: so few that the list has a page of its own for every request
	retryStormPerSecond = 100
)

// The limits of the gateway's retries.
const (
	maxAttempts       = 3 // for one request, the first included
	retriesPerRequest = 0.2
	retriesPerSecond  = 1
	retriesAtOnce     = 10
)

// measureRetryStorm measures how many retries an upstream gets that fails half of its requests. Failures of every
// other request show the retry budget. Random failures sometimes are many in a row, which opens the circuit breaker
// for a while.
func (o *options) measureRetryStorm(ctx context.Context, t *report.Table) error {
	t.Printf("\n## Retry storm\n\n%d requests per second for %v, each for a page of its own, without a cache.\n",
		retryStormPerSecond, o.retryStorm)
	t.Head("upstream fails", "requests", "of them sent", "upstream requests", "most for one", "retries",
		"retries / requests", "allowed retries", "responses", "errors", "p50, ms", "p99, ms")
	var failed []error
	for _, kind := range []struct {
		name  string
		fails func(n int) bool
	}{
		{"every other request", func(n int) bool { return n%2 == 1 }},
		{"at random", func(n int) bool {
			return rand.New(rand.NewPCG(1, uint64(n))).IntN(2) == 0 //nolint:gosec // the same each time
		}},
	} {
		report.Progress("retrystorm: the upstream fails %s for %v", kind.name, o.retryStorm)
		result, err := runRetryStorm(ctx, o.Gateway, o.retryStorm, kind.fails)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		result.report(t, kind.name)
		if err := result.check(); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", kind.name, err))
		}
	}
	return errors.Join(failed...)
}

// retryStorm contains the results of one retry storm.
type retryStorm struct {
	replies  []load.Reply
	requests map[string]int // upstream requests by page, and so by client request
	took     time.Duration  // until the last reply
}

// runRetryStorm finds the pages while the upstream works, and then requests them while it fails.
func runRetryStorm(
	ctx context.Context, gateway string, duration time.Duration, fails func(n int) bool,
) (*retryStorm, error) {
	s, err := load.StartTarget(ctx, gateway, "GATEWAY_CACHE_TTL=0")
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	// Keep pages that take one upstream request each, and share it with no other page.
	m := &retryStorm{requests: map[string]int{}}
	pages, err := s.Walk(ctx, retryStormCalls, int(duration.Seconds()*retryStormPerSecond), func() bool {
		all := s.Upstream.Requests()
		s.Upstream.ResetRequests()
		if len(all) != 1 {
			return false
		}
		if _, known := m.requests[all[0].RawQuery]; known {
			return false
		}
		m.requests[all[0].RawQuery] = 0
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("pages for all requests of -retrystorm: %w", err)
	}
	s.Upstream.Behave(func(b *fake.Behaviour) {
		b.Fault = func(n int, _ *http.Request) *fake.Response {
			if fails(n) {
				return &fake.Response{Status: http.StatusInternalServerError, Body: []byte(`{"error":{}}`)}
			}
			return nil
		}
	})
	start := time.Now()
	m.replies = s.SendAtRate(ctx, pages, retryStormPerSecond, duration)
	m.took = time.Since(start)
	for _, r := range s.Upstream.Requests() {
		if _, known := m.requests[r.RawQuery]; !known {
			return nil, fmt.Errorf("an upstream request that no client request needs: %+v", r)
		}
		m.requests[r.RawQuery]++
	}
	return m, errors.Join(s.Gateway.Err(), ctx.Err())
}

// attempts returns the number of pages that were requested of the upstream, the requests for them, and the most
// requests for one.
func (m *retryStorm) attempts() (sent, requests, most int) {
	for _, n := range m.requests {
		if n > 0 {
			sent++
		}
		requests += n
		most = max(most, n)
	}
	return sent, requests, most
}

// allowed returns how many retries are allowed.
func (m *retryStorm) allowed() float64 {
	return retriesPerRequest*float64(len(m.replies)) + retriesAtOnce + retriesPerSecond*m.took.Seconds()
}

func (m *retryStorm) report(t *report.Table, name string) {
	sent, requests, most := m.attempts()
	y := load.NewTally(m.replies)
	t.Row(name, strconv.Itoa(len(m.replies)), strconv.Itoa(sent), strconv.Itoa(requests), strconv.Itoa(most),
		strconv.Itoa(requests-sent), report.Decimals(3)(float64(requests-sent)/float64(len(m.replies))),
		report.Decimals(0)(m.allowed()),
		strconv.Itoa(y.Fresh), y.Errors(), y.Latency(50), y.Latency(99))
}

// check returns an error for each broken limit.
func (m *retryStorm) check() error {
	sent, requests, most := m.attempts()
	if extra := requests - sent; float64(extra) > m.allowed() {
		return fmt.Errorf("%d retries, and %.0f are allowed", extra, m.allowed())
	}
	if most > maxAttempts {
		return fmt.Errorf("%d attempts for one request, and %d are allowed", most, maxAttempts)
	}
	return load.CheckReplies(m.replies)
}
