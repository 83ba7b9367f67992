package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/report"
	"revox-graphql/test/bench/servers"
	"revox-graphql/upstream/fake"
)

const (
	stampedeSize      = load.MaxInFlight
	stampedeCalls     = 50
	stampedeLatency   = 500 * time.Millisecond // of the slow upstream
	leaderLeavesAfter = 100 * time.Millisecond // since the start of the stampede
	// stampedeLimit lets all of them wait: three eighths of this limit may wait for one page.
	stampedeLimit = "GATEWAY_MAX_CONCURRENT_REQUESTS=4096"
)

// measureStampede measures how often the upstream gets a request for one page that many clients request at once.
func (o *options) measureStampede(ctx context.Context, t *report.Table) error {
	if err := servers.CheckOpenFiles(stampedeSize + 100); err != nil {
		return err
	}
	t.Printf("\n## Stampede\n\n%d requests at once for a page of %d calls that is not in memory.\n",
		stampedeSize, stampedeCalls)
	t.Head("stampede", "requests", "upstream requests", "responses", "p50, ms", "p99, ms")
	slow := fmt.Sprintf("the upstream takes %v, and the first client leaves after %v", stampedeLatency, leaderLeavesAfter)
	return errors.Join(
		runStampede(ctx, o.Gateway, t, "all wait", 0, allWait),
		runStampede(ctx, o.Gateway, t, slow, stampedeLatency, leaderLeaves),
	)
}

// runStampede runs one kind of stampede, and checks its rules.
func runStampede(
	ctx context.Context, gateway string, t *report.Table, name string, latency time.Duration,
	come func(context.Context, *load.Target) (*stampede, error),
) error {
	report.Progress("stampede: %s", name)
	s, err := load.StartTarget(ctx, gateway, stampedeLimit)
	if err != nil {
		return err
	}
	defer s.Stop()
	// By this request, the gateway detects how the upstream counts its pages. The page in memory afterwards is not that
	// of the stampede.
	first := load.EncodeRequest("{ calls(first: 1) { nodes { id } } }", nil)
	if _, err := load.Post(ctx, s.Client, s.Gateway.URL+"graphql", first); err != nil {
		return errors.Join(err, s.Gateway.Err())
	}
	s.Upstream.ResetRequests()
	s.Upstream.Behave(func(b *fake.Behaviour) { b.Latency = latency })
	h, err := come(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", name, errors.Join(err, s.Gateway.Err()))
	}
	requests := len(s.Upstream.Requests())
	t.Row(name, strconv.Itoa(stampedeSize), strconv.Itoa(requests), strconv.Itoa(h.correct),
		report.Milliseconds(report.Percentile(h.took, 50)), report.Milliseconds(report.Percentile(h.took, 99)))
	if requests != 1 {
		h.err = errors.Join(h.err, fmt.Errorf("%d upstream requests, want 1", requests))
	}
	if h.err != nil {
		return fmt.Errorf("%s: %w", name, errors.Join(h.err, s.Gateway.Err()))
	}
	return nil
}

// allWait is a stampede in which all clients wait.
func allWait(ctx context.Context, s *load.Target) (*stampede, error) {
	return sendStampede(ctx, s, stampedeSize), nil
}

// leaderLeaves is a stampede that begins when one client has sent its request already. This client leaves before there
// is a response.
func leaderLeaves(ctx context.Context, s *load.Target) (*stampede, error) {
	arrived := make(chan struct{}, 1)
	s.Upstream.Behave(func(b *fake.Behaviour) {
		b.Fault = func(int, *http.Request) *fake.Response {
			select {
			case arrived <- struct{}{}:
			default:
			}
			return nil
		}
	})
	leading, leave := context.WithCancel(ctx)
	defer leave()
	left := make(chan error, 1)
	go func() {
		_, err := askOnce(leading, s)
		left <- err
	}()
	select {
	case <-arrived:
	case err := <-left:
		return nil, fmt.Errorf("the request of the first client did not reach the upstream: %w", cmp.Or(err, errResponse))
	}
	leaving := time.AfterFunc(leaderLeavesAfter, leave)
	defer leaving.Stop()
	h := sendStampede(ctx, s, stampedeSize-1)
	if err := <-left; !errors.Is(err, context.Canceled) {
		return nil, fmt.Errorf("the first client left too late: %w", cmp.Or(err, errResponse))
	}
	return h, nil
}

var errResponse = errors.New("it got a response")

// askOnce sends the request of the stampede.
func askOnce(ctx context.Context, s *load.Target) ([]byte, error) {
	query := fmt.Sprintf("{ calls(first: %d) { nodes { id status } pageInfo { endCursor } } }", stampedeCalls)
	return load.Post(ctx, s.Client, s.Gateway.URL+"graphql", load.EncodeRequest(query, nil))
}

// stampede contains the results of one stampede.
type stampede struct {
	took    []time.Duration // sorted
	correct int             // responses
	err     error           // of the first incorrect one
}

// sendStampede sends the same request so many times at once.
func sendStampede(ctx context.Context, s *load.Target, n int) *stampede {
	h := &stampede{took: make([]time.Duration, n)}
	responses, errs := make([][]byte, n), make([]error, n)
	ready := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-ready
			start := time.Now()
			responses[i], errs[i] = askOnce(ctx, s)
			h.took[i] = time.Since(start)
		})
	}
	close(ready)
	all.Wait()
	slices.Sort(h.took)
	for i := range n {
		err := errs[i]
		if err == nil {
			err = checkStampede(responses[i])
		}
		if err == nil {
			h.correct++
		} else if h.err == nil {
			h.err = fmt.Errorf("one of %d responses is incorrect: %w", n, err)
		}
	}
	return h
}

// checkStampede checks a response.
func checkStampede(body []byte) error {
	a, err := load.ReadCalls(body)
	if err == nil && len(a.Nodes) != stampedeCalls {
		err = fmt.Errorf("%d calls, want %d", len(a.Nodes), stampedeCalls)
	}
	return err
}
