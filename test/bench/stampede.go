package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"revox-graphql/upstream/fake"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	herdSize    = maxUnderWay
	herdCalls   = 50
	herdLatency = 500 * time.Millisecond // of the upstream that is slow
	herdLeaves  = 100 * time.Millisecond // after which the leader goes
)

// measureHerd measures how often upstream is asked for one page that a crowd asks for at once.
func (o *faultsOptions) measureHerd(ctx context.Context, t *table) error {
	if err := checkFiles(herdSize + 100); err != nil {
		return err
	}
	t.printf("\n## Herd\n\n%d questions at once for a page of %d calls that is not in memory.\n", herdSize, herdCalls)
	t.head("herd", "questions", "upstream requests", "answers", "p50, ms", "p99, ms")
	slow := fmt.Sprintf("upstream takes %v, and whoever asked first goes after %v", herdLatency, herdLeaves)
	return errors.Join(
		runHerd(ctx, o.gateway, t, "all wait", 0, stay),
		runHerd(ctx, o.gateway, t, slow, herdLatency, loseLeader),
	)
}

// runHerd lets a herd come in its own way, and checks what must hold.
func runHerd(
	ctx context.Context, gateway string, t *table, name string, latency time.Duration,
	come func(context.Context, *scene) (*herd, error),
) error {
	progress("herd: %s", name)
	s, err := startTarget(ctx, gateway)
	if err != nil {
		return err
	}
	defer s.stop()
	// The gateway finds out how upstream counts its pages. The page that it then holds is not the herd's.
	if _, err := post(ctx, s.client, s.gateway.url+"graphql", encodeQuestion("{ calls(first: 1) { nodes { id } } }", nil)); err != nil {
		return errors.Join(err, s.gateway.err())
	}
	s.rest.ResetRequests()
	s.rest.Behave(func(b *fake.Behaviour) { b.Latency = latency })
	h, err := come(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", name, errors.Join(err, s.gateway.err()))
	}
	requests := len(s.rest.Requests())
	t.row(name, strconv.Itoa(herdSize), strconv.Itoa(requests), strconv.Itoa(h.answers),
		milliseconds(percentile(h.took, 50)), milliseconds(percentile(h.took, 99)))
	if requests != 1 {
		h.err = errors.Join(h.err, fmt.Errorf("%d requests to upstream, not 1", requests))
	}
	if h.err != nil {
		return fmt.Errorf("%s: %w", name, errors.Join(h.err, s.gateway.err()))
	}
	return nil
}

// stay is a herd of which all wait.
func stay(ctx context.Context, s *scene) (*herd, error) { return newHerd(ctx, s, herdSize), nil }

// loseLeader is a herd that comes when one has asked already, who goes before there is an answer.
func loseLeader(ctx context.Context, s *scene) (*herd, error) {
	asked := make(chan struct{}, 1)
	s.rest.Behave(func(b *fake.Behaviour) {
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
		_, err := askHerd(leading, s)
		left <- err
	}()
	select {
	case <-asked:
	case err := <-left:
		return nil, fmt.Errorf("the leader did not get as far as upstream: %w", cmp.Or(err, errAnswered))
	}
	leaving := time.AfterFunc(herdLeaves, leave)
	defer leaving.Stop()
	h := newHerd(ctx, s, herdSize-1)
	if err := <-left; !errors.Is(err, context.Canceled) {
		return nil, fmt.Errorf("the leader was to go unanswered: %w", cmp.Or(err, errAnswered))
	}
	return h, nil
}

var errAnswered = errors.New("it was answered")

// askHerd asks what the herd asks.
func askHerd(ctx context.Context, s *scene) ([]byte, error) {
	return post(ctx, s.client, s.gateway.url+"graphql",
		encodeQuestion(fmt.Sprintf("{ calls(first: %d) { nodes { id status } pageInfo { endCursor } } }", herdCalls), nil))
}

// herd is what came of many questions for the same.
type herd struct {
	took    []time.Duration // sorted
	answers int             // that were right
	err     error           // why the first of the others were not
}

// newHerd asks the same so many times at once.
func newHerd(ctx context.Context, s *scene, n int) *herd {
	h := &herd{took: make([]time.Duration, n)}
	answers, errs := make([][]byte, n), make([]error, n)
	ready := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-ready
			start := time.Now()
			answers[i], errs[i] = askHerd(ctx, s)
			h.took[i] = time.Since(start)
		})
	}
	close(ready)
	all.Wait()
	slices.Sort(h.took)
	for i := range n {
		err := errs[i]
		if err == nil {
			err = checkHerd(answers[i])
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
func checkHerd(body []byte) error {
	a, err := readAnswer(body)
	if err == nil && len(a.Nodes) != herdCalls {
		err = fmt.Errorf("%d calls came, not %d", len(a.Nodes), herdCalls)
	}
	return err
}
