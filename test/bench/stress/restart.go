package stress

import (
	"context"
	"errors"
	"fmt"
	"time"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/report"
	"revox-graphql/test/bench/servers"
)

const (
	restartPerSecond = 200
	drainDelay       = 2 * time.Second
)

// measureRestart restarts two gateways behind nginx in turn, as often as the time allows, while clients send requests
// through it.
func (o *options) measureRestart(ctx context.Context, t *report.Table) error {
	s, pages, err := load.StartTargetWithPages(ctx, o.Gateway, load.NormalCalls, load.NormalPages)
	if err != nil {
		return err
	}
	defer s.Stop()
	ports, err := servers.FreePorts(3)
	if err != nil {
		return err
	}
	replicas := make([]*servers.Process, 2)
	replace := func(i int) error {
		replicas[i], err = s.StartGateway(ctx, o.Gateway, "replica", s.Upstream,
			"GATEWAY_LISTEN=127.0.0.1:"+ports[i], "GATEWAY_DRAIN_DELAY="+drainDelay.String())
		return err
	}
	if err := errors.Join(replace(0), replace(1)); err != nil {
		return err
	}
	stopProxy, err := servers.StartNginx(ctx, ports)
	if err != nil {
		return err
	}
	defer stopProxy()
	s.Gateway = servers.External("http://127.0.0.1:" + ports[2] + "/")

	sent := make(chan []load.Reply, 1)
	go func() { sent <- s.SendAtRate(ctx, pages, restartPerSecond, o.duration) }()
	restarts := 0
	for began := time.Now(); err == nil && time.Since(began) < o.duration-2*drainDelay-time.Second; restarts++ {
		replicas[restarts%2].Stop()
		err = errors.Join(replace(restarts%2), servers.Sleep(ctx, time.Second)) // until nginx uses it again
	}
	replies := <-sent
	y := load.NewTally(replies)
	t.Printf("\n## Restart\n\nTwo gateways behind nginx, stopped and started in turn; each drains for %v. "+
		"All requests are POST requests.\n", drainDelay)
	t.Head("restarts", "requests", "failed", "p50, ms", "p99, ms")
	t.Row(fmt.Sprint(restarts), fmt.Sprint(len(replies)), y.Errors(), y.Latency(50), y.Latency(99))
	if len(y.Codes) > 0 {
		err = errors.Join(err, fmt.Errorf("failed: %s: %w", y.Errors(), load.CheckReplies(replies)))
	}
	return err
}
