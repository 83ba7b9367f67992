package faults

import (
	"context"
	"errors"
	"flag"
	"time"

	"revox-graphql/test/bench/scenario"
	"revox-graphql/test/bench/servers"
)

// faultsCommand measures the gateway while upstream has trouble.
const Command = "faults"

func (o *options) scenarios() []scenario.Scenario {
	return []scenario.Scenario{{Name: "outage", Measure: o.measureOutage}, {Name: "retrystorm", Measure: o.measureRetryStorm}, {Name: "stampede", Measure: o.measureStampede}}
}

// trouble measures the scenarios one after the other, and prints what came of each.
func Run(ctx context.Context, args []string) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	return o.Run(ctx)
}

func parseOptions(args []string) (*options, error) {
	var o options
	flags := flag.NewFlagSet("bench "+Command, flag.ContinueOnError)
	o.AddFlags(flags, o.scenarios())
	flags.DurationVar(&o.well, "well", 10*time.Second, "outage: how long upstream is well at first")
	flags.DurationVar(&o.down, "down", time.Minute, "outage: how long upstream is dead")
	flags.DurationVar(&o.back, "back", 20*time.Second, "outage: how long upstream is well after that")
	flags.StringVar(&o.ttl, "cache-ttl", "", "outage: the gateway's GATEWAY_CACHE_TTL, if not its default")
	flags.StringVar(&o.stale, "cache-stale", "", "outage: the gateway's GATEWAY_CACHE_STALE, if not its default")
	flags.DurationVar(&o.retryStorm, "retrystorm", 20*time.Second, "retrystorm: how long upstream fails half of its requests, each of two times")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || min(o.well, o.down, o.back, o.retryStorm) < time.Second {
		return nil, errors.New("-well, -down, -back and -retrystorm are at least a second, and nothing follows the flags")
	}
	return &o, servers.CheckGateway(o.Gateway)
}

// faultsOptions are the flags of the command.
type options struct {
	scenario.Options
	well, down, back time.Duration // phases of the outage
	ttl, stale       string        // of the cache in the outage; empty means the gateway's default
	retryStorm       time.Duration // of each kind of retry storm
}
