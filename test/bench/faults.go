package main

import (
	"context"
	"errors"
	"flag"
	"time"
)

// faultsCommand measures the gateway while upstream has trouble.
const faultsCommand = "faults"

func (o *faultsOptions) scenarios() []scenario {
	return []scenario{{"outage", o.measureOutage}, {"retrystorm", o.measureStorm}, {"stampede", o.measureHerd}}
}

// trouble measures the scenarios one after the other, and prints what came of each.
func trouble(ctx context.Context, args []string) error {
	o, err := parseTroubleOptions(args)
	if err != nil {
		return err
	}
	return o.run(ctx)
}

func parseTroubleOptions(args []string) (*faultsOptions, error) {
	var o faultsOptions
	flags := flag.NewFlagSet("bench "+faultsCommand, flag.ContinueOnError)
	o.addFlags(flags, o.scenarios())
	flags.DurationVar(&o.well, "well", 10*time.Second, "outage: how long upstream is well at first")
	flags.DurationVar(&o.down, "down", time.Minute, "outage: how long upstream is dead")
	flags.DurationVar(&o.back, "back", 20*time.Second, "outage: how long upstream is well after that")
	flags.StringVar(&o.ttl, "cache-ttl", "", "outage: the gateway's GATEWAY_CACHE_TTL, if not its default")
	flags.StringVar(&o.stale, "cache-stale", "", "outage: the gateway's GATEWAY_CACHE_STALE, if not its default")
	flags.DurationVar(&o.storm, "retrystorm", 20*time.Second, "retrystorm: how long upstream fails half of its requests, each of two times")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || min(o.well, o.down, o.back, o.storm) < time.Second {
		return nil, errors.New("-well, -down, -back and -retrystorm are at least a second, and nothing follows the flags")
	}
	return &o, checkGateway(o.gateway)
}

// faultsOptions are the flags of the command.
type faultsOptions struct {
	scenarioOptions
	well, down, back time.Duration // phases of the outage
	ttl, stale       string        // of the cache in the outage; empty means the gateway's default
	storm            time.Duration // of each kind of retry storm
}
