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
	retryStormCalls     = 5 // in a page: so few that the list has a page of its own for every question
	retryStormPerSecond = 100
)

// What the gateway promises of its retries.
const (
	promisedAttempts    = 3 // at one question, the first included
	promisedPerQuestion = 0.2
	promisedPerSecond   = 1
	promisedAtOnce      = 10
)

// measureStorm measures how much more an upstream is asked that fails half of its requests. Every second one shows the
// bound on retries; a coin fails several in a row now and then, after which the gateway asks nothing for a while.
func (o *options) measureRetryStorm(ctx context.Context, t *report.Table) error {
	t.Printf("\n## Storm\n\n%d questions a second for %v, each for a page of its own, with the cache off.\n", retryStormPerSecond, o.retryStorm)
	t.Head("upstream fails", "questions", "of them sent", "upstream requests", "most for one", "extra", "extra / questions", "allowed extra",
		"answers", "errors", "p50, ms", "p99, ms")
	var failed []error
	for _, kind := range []struct {
		name  string
		fails func(n int) bool
	}{
		{"every second request", func(n int) bool { return n%2 == 1 }},
		{"by a coin", func(n int) bool { return rand.New(rand.NewPCG(1, uint64(n))).IntN(2) == 0 }}, //nolint:gosec // the same coin each time
	} {
		report.Progress("storm: upstream fails %s for %v", kind.name, o.retryStorm)
		storm, err := runRetryStorm(ctx, o.Gateway, o.retryStorm, kind.fails)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		storm.report(t, kind.name)
		if err := storm.check(); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", kind.name, err))
		}
	}
	return errors.Join(failed...)
}

// storm is what came of one.
type retryStorm struct {
	replies  []load.Reply
	requests map[string]int // to upstream, by the page: that is by the question
	took     time.Duration  // to the last reply
}

// runStorm finds the pages while upstream is well, and then asks for them.
func runRetryStorm(ctx context.Context, gateway string, duration time.Duration, fails func(n int) bool) (*retryStorm, error) {
	s, err := load.StartTarget(ctx, gateway, "GATEWAY_CACHE_TTL=0")
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	// Kept are pages that take one request to upstream, and one that no other page takes.
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
		return nil, fmt.Errorf("pages for all questions of -retrystorm: %w", err)
	}
	s.Upstream.Behave(func(b *fake.Behaviour) {
		b.Fault = func(n int, _ *http.Request) *fake.Answer {
			if fails(n) {
				return &fake.Answer{Status: http.StatusInternalServerError, Body: []byte(`{"error":{}}`)}
			}
			return nil
		}
	})
	start := time.Now()
	m.replies = s.SendAtRate(ctx, pages, retryStormPerSecond, duration)
	m.took = time.Since(start)
	for _, r := range s.Upstream.Requests() {
		if _, known := m.requests[r.RawQuery]; !known {
			return nil, fmt.Errorf("upstream was asked for what no question needs: %+v", r)
		}
		m.requests[r.RawQuery]++
	}
	return m, errors.Join(s.Gateway.Err(), ctx.Err())
}

// attempts are how many questions were sent to upstream, the requests for them, and the most for one.
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

// allowed is how many extra attempts there may be.
func (m *retryStorm) allowed() float64 {
	return promisedPerQuestion*float64(len(m.replies)) + promisedAtOnce + promisedPerSecond*m.took.Seconds()
}

func (m *retryStorm) report(t *report.Table, name string) {
	sent, requests, most := m.attempts()
	y := load.NewTally(m.replies)
	t.Row(name, strconv.Itoa(len(m.replies)), strconv.Itoa(sent), strconv.Itoa(requests), strconv.Itoa(most),
		strconv.Itoa(requests-sent), report.Decimals(3)(float64(requests-sent)/float64(len(m.replies))), report.Decimals(0)(m.allowed()),
		strconv.Itoa(y.Fresh), y.Errors(), y.Latency(50), y.Latency(99))
}

// check checks what must hold.
func (m *retryStorm) check() error {
	sent, requests, most := m.attempts()
	if extra := requests - sent; float64(extra) > m.allowed() {
		return fmt.Errorf("%d extra attempts, and %.0f are allowed", extra, m.allowed())
	}
	if most > promisedAttempts {
		return fmt.Errorf("%d attempts at one question, and %d are allowed", most, promisedAttempts)
	}
	return load.CheckReplies(m.replies)
}
