package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"revox-graphql/test/bench/report"
	"revox-graphql/test/bench/servers"
)

// Requests of the normal client.
const (
	NormalPages     = 20
	NormalCalls     = 20 // in a page
	NormalPerSecond = 50
)

// Memory returns the current and the peak memory of the gateway, for a table.
func (s *Target) Memory() string {
	peak, err := servers.Memory(s.Gateway.PID, servers.PeakRSS)
	if err != nil {
		return "–"
	}
	current, err := servers.Memory(s.Gateway.PID, servers.CurrentRSS)
	if err != nil {
		return "–"
	}
	return report.Mebibytes(current) + ", peak " + report.Mebibytes(peak)
}

// normal adds a row with the replies to a normal client. Every failed request is an error.
func (s *Target) normal(ctx context.Context, t *report.Table, name string, pages []Page, long time.Duration) error {
	replies := s.SendAtRate(ctx, pages, NormalPerSecond, long)
	y := NewTally(replies)
	t.Row(name, fmt.Sprint(len(replies)), y.Errors(), y.Latency(50), y.Latency(99), s.Memory())
	if len(y.Codes) > 0 {
		return fmt.Errorf("the normal client got %s: %w", y.Errors(), errors.Join(CheckReplies(replies), s.Gateway.Err()))
	}
	return ctx.Err()
}

// During runs a load in the background. A normal client sends requests before, during and after it.
func (s *Target) During(
	ctx context.Context,
	t *report.Table,
	pages []Page,
	long time.Duration,
	load func(context.Context),
) error {
	t.Head("a normal client", "requests", "errors", "p50, ms", "p99, ms", "memory, MiB")
	if err := s.normal(ctx, t, "before", pages, long/3); err != nil {
		return err
	}
	loaded, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		load(loaded)
	}()
	err := s.normal(ctx, t, "during", pages, long)
	cancel()
	<-done
	return errors.Join(err, s.normal(ctx, t, "after", pages, long/3))
}
