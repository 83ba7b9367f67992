package main

// What the gateway bears
//
// The subcommand lays siege to the built gateway over a fake upstream, and looks at what becomes of a normal client
// meanwhile: hostile documents (attack.go), four times the load it can bear (overload.go), a thousand connections that
// send a byte a second (slow.go), and a restart of both replicas behind nginx (restart.go).
//
//	go run ./test/bench siege -gateway bin/revox-graphql
//
// What must hold is checked: where it does not, the report is printed all the same, and the program ends with an error.

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"
)

// siegeCommand measures what the gateway bears.
const siegeCommand = "siege"

func sieges() []scenario {
	return []scenario{{"attack", measureAttack}, {"overload", measureOverload}, {"slow", measureSlow}, {"restart", measureRestart}}
}

func siege(ctx context.Context, args []string) error {
	o := &troubleOptions{}
	flags := flag.NewFlagSet("bench "+siegeCommand, flag.ContinueOnError)
	o.common(flags, sieges())
	flags.DurationVar(&o.siege, "for", 30*time.Second, "how long each siege is")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || o.siege < time.Second {
		return errors.New("-for is at least a second, and nothing follows the flags")
	}
	if err := o.built(); err != nil {
		return err
	}
	return o.measure(ctx)
}

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

// during runs a siege in the background while a normal client asks, before and during.
func (s *scene) during(ctx context.Context, t *table, pages []listPage, long time.Duration, besiege func(context.Context)) error {
	t.head("a normal client", "questions", "errors", "p50, ms", "p99, ms", "memory, MiB")
	if err := s.normal(ctx, t, "before", pages, long/3); err != nil {
		return err
	}
	besieged, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		besiege(besieged)
	}()
	err := s.normal(ctx, t, "during", pages, long)
	cancel()
	<-done
	return errors.Join(err, s.normal(ctx, t, "after", pages, long/3))
}
