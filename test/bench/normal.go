package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Questions of the normal client.
const (
	normalPages     = 20
	normalCalls     = 20 // in a page
	normalPerSecond = 50
)

// memory is the present and the peak memory of the gateway, for a table.
func (s *scene) memory() string {
	peak, err := memory(s.gateway.pid, peakRSS)
	if err != nil {
		return "–"
	}
	current, err := memory(s.gateway.pid, currentRSS)
	if err != nil {
		return "–"
	}
	return mebibytes(current) + ", at most " + mebibytes(peak)
}

// normal is what a normal client is answered for so long.
func (s *scene) normal(ctx context.Context, t *table, name string, pages []listPage, long time.Duration) error {
	replies := s.pour(ctx, pages, normalPerSecond, long)
	y := newTally(replies)
	t.row(name, fmt.Sprint(len(replies)), y.errors(), y.latency(50), y.latency(99), s.memory())
	if len(y.codes) > 0 {
		return fmt.Errorf("the normal client got %s: %w", y.errors(), errors.Join(checkReplies(replies), s.gateway.err()))
	}
	return ctx.Err()
}

// during loads the gateway in the background while a normal client asks, before and during.
func (s *scene) during(
	ctx context.Context,
	t *table,
	pages []listPage,
	long time.Duration,
	load func(context.Context),
) error {
	t.head("a normal client", "questions", "errors", "p50, ms", "p99, ms", "memory, MiB")
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
