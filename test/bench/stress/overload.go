package stress

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/report"
	"revox-graphql/upstream/fake"
)

const (
	overloadLatency = 50 * time.Millisecond // of the upstream
	overloadCalls   = 10                    // in a page
	overloadPages   = 1900                  // so many that clients rarely share an upstream request
	overloadWorkers = 64
	overloadTimes   = 4
)

// measureOverload offers four times the load that the gateway can serve. Nothing is cached and the upstream is slow,
// so the limit of concurrent upstream requests determines the capacity: 32 by default, of 50 ms each.
func (o *options) measureOverload(ctx context.Context, t *report.Table) error {
	s, pages, err := load.StartTargetWithPages(ctx, o.Gateway, overloadCalls, overloadPages, "GATEWAY_CACHE_TTL=0s")
	if err != nil {
		return err
	}
	defer s.Stop()
	s.Upstream.Behave(func(b *fake.Behaviour) { b.Latency = overloadLatency })
	best := s.SendInTurn(ctx, pages, overloadWorkers, o.duration/3)
	offered := int(overloadTimes * best)
	// Requests that this program could not send say nothing about the gateway.
	replies := slices.DeleteFunc(s.SendAtRate(ctx, pages, offered, o.duration), func(r load.Reply) bool {
		return errors.Is(r.Err, load.ErrInFlight)
	})
	var accepted, shed []load.Reply
	for _, r := range replies {
		switch r.Code {
		case "":
			accepted = append(accepted, r)
		case "OVERLOADED":
			shed = append(shed, r)
		}
	}
	goodput := float64(len(accepted)) / o.duration.Seconds()
	a, b := load.NewTally(accepted), load.NewTally(shed)
	t.Printf("\n## Overload\n\n%d pages in turn without a cache. The upstream responds in %v. "+
		"At capacity, %d clients send their next request after each response.\n",
		overloadPages, overloadLatency, overloadWorkers)
	t.Head("", "per second", "p50, ms", "p99, ms")
	t.Row("served at capacity", strconv.Itoa(int(best)), "", "")
	t.Row("offered", strconv.Itoa(offered), "", "")
	t.Row("served", strconv.Itoa(int(goodput)), a.Latency(50), a.Latency(99))
	t.Row("rejected with OVERLOADED", strconv.Itoa(len(shed)/int(o.duration.Seconds())), b.Latency(50), b.Latency(99))
	t.Row("neither", strconv.Itoa(len(replies)-len(accepted)-len(shed)), "", "")
	afterwards := s.SendInTurn(ctx, pages, overloadWorkers, o.duration/3)
	t.Row("served at capacity, afterwards", strconv.Itoa(int(afterwards)), "", "")
	err = errors.Join(load.CheckReplies(replies), s.Gateway.Err())
	if goodput < 0.8*best {
		err = errors.Join(err, fmt.Errorf("%.0f responses per second, and %.0f at capacity", goodput, best))
	}
	return err
}
