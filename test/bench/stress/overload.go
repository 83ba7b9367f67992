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
	overloadLatency = 50 * time.Millisecond // of upstream
	overloadCalls   = 10                    // in a page
	overloadPages   = 1900                  // so many that hardly two ask for one at a time, and share a request
	overloadWorkers = 64
	overloadTimes   = 4
)

// measureOverload offers four times the load that the gateway bears. Nothing is cached and upstream takes its time, so
// what it bears is the requests to upstream that may be under way at once: 32, by default, each for 50 ms.
func (o *options) measureOverload(ctx context.Context, t *report.Table) error {
	s, pages, err := load.StartTargetWithPages(ctx, o.Gateway, overloadCalls, overloadPages, "GATEWAY_CACHE_TTL=0s")
	if err != nil {
		return err
	}
	defer s.Stop()
	s.Upstream.Behave(func(b *fake.Behaviour) { b.Latency = overloadLatency })
	best := s.SendInTurn(ctx, pages, overloadWorkers, o.duration/3)
	offered := int(overloadTimes * best)
	// What this program could not ask, since too much was under way, says nothing about the gateway.
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
	t.Printf("\n## Overload\n\n%d pages in turn, nothing cached, upstream answers in %v. At best, %d clients that ask again when they are answered.\n",
		overloadPages, overloadLatency, overloadWorkers)
	t.Head("", "a second", "p50, ms", "p99, ms")
	t.Row("answered at best", strconv.Itoa(int(best)), "", "")
	t.Row("asked", strconv.Itoa(offered), "", "")
	t.Row("answered", strconv.Itoa(int(goodput)), a.Latency(50), a.Latency(99))
	t.Row("refused as OVERLOADED", strconv.Itoa(len(shed)/int(o.duration.Seconds())), b.Latency(50), b.Latency(99))
	t.Row("neither", strconv.Itoa(len(replies)-len(accepted)-len(shed)), "", "")
	t.Row("answered at best, after it", strconv.Itoa(int(s.SendInTurn(ctx, pages, overloadWorkers, o.duration/3))), "", "")
	err = errors.Join(load.CheckReplies(replies), s.Gateway.Err())
	if goodput < 0.8*best {
		err = errors.Join(err, fmt.Errorf("%.0f answers a second of %.0f", goodput, best))
	}
	return err
}
