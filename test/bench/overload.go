package main

import (
	"context"
	"errors"
	"fmt"
	"revox-graphql/upstream/fake"
	"slices"
	"strconv"
	"time"
)

const (
	overloadLatency = 50 * time.Millisecond // of upstream
	overloadCalls   = 10                    // in a page
	overloadPages   = 1900                  // so many that hardly two ask for one at a time, and share a request
	overloadWorkers = 64
	overloadTimes   = 4
)

// measureOverload offers four times the load that the gateway bears. Nothing is cached and upstream takes its time, so
// what it bears is the requests to upstream that may be under way at once: 32, by default, each for 50 ms.
func (o *stressOptions) measureOverload(ctx context.Context, t *table) error {
	s, pages, err := startTargetWithPages(ctx, o.gateway, overloadCalls, overloadPages, "GATEWAY_CACHE_TTL=0s")
	if err != nil {
		return err
	}
	defer s.stop()
	s.rest.Behave(func(b *fake.Behaviour) { b.Latency = overloadLatency })
	best := s.best(ctx, pages, overloadWorkers, o.stress/3)
	load := int(overloadTimes * best)
	// What this program could not ask, since too much was under way, says nothing about the gateway.
	replies := slices.DeleteFunc(s.pour(ctx, pages, load, o.stress), func(r reply) bool {
		return errors.Is(r.err, errCrowded)
	})
	var accepted, shed []reply
	for _, r := range replies {
		switch r.code {
		case "":
			accepted = append(accepted, r)
		case "OVERLOADED":
			shed = append(shed, r)
		}
	}
	goodput := float64(len(accepted)) / o.stress.Seconds()
	a, b := newTally(accepted), newTally(shed)
	t.printf("\n## Overload\n\n%d pages in turn, nothing cached, upstream answers in %v. At best, %d clients that ask again when they are answered.\n",
		overloadPages, overloadLatency, overloadWorkers)
	t.head("", "a second", "p50, ms", "p99, ms")
	t.row("answered at best", strconv.Itoa(int(best)), "", "")
	t.row("asked", strconv.Itoa(load), "", "")
	t.row("answered", strconv.Itoa(int(goodput)), a.latency(50), a.latency(99))
	t.row("refused as OVERLOADED", strconv.Itoa(len(shed)/int(o.stress.Seconds())), b.latency(50), b.latency(99))
	t.row("neither", strconv.Itoa(len(replies)-len(accepted)-len(shed)), "", "")
	t.row("answered at best, after it", strconv.Itoa(int(s.best(ctx, pages, overloadWorkers, o.stress/3))), "", "")
	err = errors.Join(checkReplies(replies), s.gateway.err())
	if goodput < 0.8*best {
		err = errors.Join(err, fmt.Errorf("%.0f answers a second of %.0f", goodput, best))
	}
	return err
}
