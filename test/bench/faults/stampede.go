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
	stampedeLatency   = 500 * time.Millisecond // of the upstream that is slow
	leaderLeavesAfter = 100 * time.Millisecond // after which the leader goes
)

// measureHerd measures how often upstream is asked for one page that a crowd asks for at once.
func (o *options) measureStampede(ctx context.Context, t *report.Table) error {
	if err := servers.CheckOpenFiles(stampedeSize + 100); err != nil {
		return err
	}
	t.Printf("\n## Herd\n\n%d questions at once for a page of %d calls that is not in memory.\n", stampedeSize, stampedeCalls)
	t.Head("herd", "questions", "upstream requests", "answers", "p50, ms", "p99, ms")
	slow := fmt.Sprintf("upstream takes %v, and whoever asked first goes after %v", stampedeLatency, leaderLeavesAfter)
	return errors.Join(
		runStampede(ctx, o.Gateway, t, "all wait", 0, allWait),
		runStampede(ctx, o.Gateway, t, slow, stampedeLatency, leaderLeaves),
	)
}

// runHerd lets a herd come in its own way, and checks what must hold.
func runStampede(
	ctx context.Context, gateway string, t *report.Table, name string, latency time.Duration,
	come func(context.Context, *load.Target) (*stampede, error),
) error {
	report.Progress("herd: %s", name)
	s, err := load.StartTarget(ctx, gateway)
	if err != nil {
		return err
	}
	defer s.Stop()
	// The gateway finds out how upstream counts its pages. The page that it then holds is not the herd's.
	if _, err := load.Post(ctx, s.Client, s.Gateway.URL+"graphql", load.EncodeRequest("{ calls(first: 1) { nodes { id } } }", nil)); err != nil {
		return errors.Join(err, s.Gateway.Err())
	}
	s.Upstream.ResetRequests()
	s.Upstream.Behave(func(b *fake.Behaviour) { b.Latency = latency })
	h, err := come(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", name, errors.Join(err, s.Gateway.Err()))
	}
	requests := len(s.Upstream.Requests())
	t.Row(name, strconv.Itoa(stampedeSize), strconv.Itoa(requests), strconv.Itoa(h.answers),
		report.Milliseconds(report.Percentile(h.took, 50)), report.Milliseconds(report.Percentile(h.took, 99)))
	if requests != 1 {
		h.err = errors.Join(h.err, fmt.Errorf("%d requests to upstream, not 1", requests))
	}
	if h.err != nil {
		return fmt.Errorf("%s: %w", name, errors.Join(h.err, s.Gateway.Err()))
	}
	return nil
}

// stay is a herd of which all wait.
func allWait(ctx context.Context, s *load.Target) (*stampede, error) {
	return sendStampede(ctx, s, stampedeSize), nil
}

// loseLeader is a herd that comes when one has asked already, who goes before there is an answer.
func leaderLeaves(ctx context.Context, s *load.Target) (*stampede, error) {
	asked := make(chan struct{}, 1)
	s.Upstream.Behave(func(b *fake.Behaviour) {
		b.Fault = func(int, *http.Request) *fake.Answer {
			select {
			case asked <- struct{}{}:
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
	case <-asked:
	case err := <-left:
		return nil, fmt.Errorf("the leader did not get as far as upstream: %w", cmp.Or(err, errAnswered))
	}
	leaving := time.AfterFunc(leaderLeavesAfter, leave)
	defer leaving.Stop()
	h := sendStampede(ctx, s, stampedeSize-1)
	if err := <-left; !errors.Is(err, context.Canceled) {
		return nil, fmt.Errorf("the leader was to go unanswered: %w", cmp.Or(err, errAnswered))
	}
	return h, nil
}

var errAnswered = errors.New("it was answered")

// askHerd asks what the herd asks.
func askOnce(ctx context.Context, s *load.Target) ([]byte, error) {
	return load.Post(ctx, s.Client, s.Gateway.URL+"graphql",
		load.EncodeRequest(fmt.Sprintf("{ calls(first: %d) { nodes { id status } pageInfo { endCursor } } }", stampedeCalls), nil))
}

// herd is what came of many questions for the same.
type stampede struct {
	took    []time.Duration // sorted
	answers int             // that were right
	err     error           // why the first of the others were not
}

// newHerd asks the same so many times at once.
func sendStampede(ctx context.Context, s *load.Target, n int) *stampede {
	h := &stampede{took: make([]time.Duration, n)}
	answers, errs := make([][]byte, n), make([]error, n)
	ready := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-ready
			start := time.Now()
			answers[i], errs[i] = askOnce(ctx, s)
			h.took[i] = time.Since(start)
		})
	}
	close(ready)
	all.Wait()
	slices.Sort(h.took)
	for i := range n {
		err := errs[i]
		if err == nil {
			err = checkStampede(answers[i])
		}
		if err == nil {
			h.answers++
		} else if h.err == nil {
			h.err = fmt.Errorf("one of %d has no right answer: %w", n, err)
		}
	}
	return h
}

// checkHerd checks an answer.
func checkStampede(body []byte) error {
	a, err := load.ReadCalls(body)
	if err == nil && len(a.Nodes) != stampedeCalls {
		err = fmt.Errorf("%d calls came, not %d", len(a.Nodes), stampedeCalls)
	}
	return err
}
