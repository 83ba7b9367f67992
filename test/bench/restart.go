package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	restartPerSecond = 200
	drainDelay       = 2 * time.Second
)

// measureRestart restarts two gateways behind nginx in turn, as often as the time allows, while clients ask through it.
func (o *stressOptions) measureRestart(ctx context.Context, t *table) error {
	s, pages, err := startTargetWithPages(ctx, o.gateway, normalCalls, normalPages) // it shows what is right, and is not restarted
	if err != nil {
		return err
	}
	defer s.stop()
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	replicas := make([]*child, 2)
	replace := func(i int) error {
		replicas[i], err = s.fleet.gateway(ctx, o.gateway, "replica", s.rest,
			"GATEWAY_LISTEN=127.0.0.1:"+ports[i], "GATEWAY_DRAIN_DELAY="+drainDelay.String())
		return err
	}
	if err := errors.Join(replace(0), replace(1)); err != nil {
		return err
	}
	stopProxy, err := startNginx(ctx, ports)
	if err != nil {
		return err
	}
	defer stopProxy()
	s.gateway = external("http://127.0.0.1:" + ports[2] + "/")

	poured := make(chan []reply, 1)
	go func() { poured <- s.pour(ctx, pages, restartPerSecond, o.stress) }()
	restarts := 0
	for began := time.Now(); err == nil && time.Since(began) < o.stress-2*drainDelay-time.Second; restarts++ {
		replicas[restarts%2].stop()
		err = errors.Join(replace(restarts%2), pass(ctx, time.Second)) // nginx believes in it again
	}
	replies := <-poured
	y := newTally(replies)
	t.printf("\n## Restart\n\nTwo gateways behind nginx, stopped and started in turn; each drains for %v. All questions are POST requests.\n", drainDelay)
	t.head("restarts", "questions", "failed", "p50, ms", "p99, ms")
	t.row(fmt.Sprint(restarts), fmt.Sprint(len(replies)), y.errors(), y.latency(50), y.latency(99))
	if len(y.codes) > 0 {
		err = errors.Join(err, fmt.Errorf("failed: %s: %w", y.errors(), checkReplies(replies)))
	}
	return err
}
