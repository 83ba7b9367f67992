// Package faults measures the gateway while its upstream fails: the responses to clients, and the requests that the
// upstream gets. In the scenarios the upstream is down for a while (outage.go), fails half of its requests
// (retrystorm.go), or is slow when many clients request the same page (stampede.go). A broken rule is an error, but the
// tables are printed all the same.
package faults

import (
	"context"
	"errors"
	"flag"
	"time"

	"revox-graphql/test/bench/scenario"
	"revox-graphql/test/bench/servers"
)

// Command is the name of the command.
const Command = "faults"

func (o *options) scenarios() []scenario.Scenario {
	return []scenario.Scenario{
		{Name: "outage", Measure: o.measureOutage},
		{Name: "retrystorm", Measure: o.measureRetryStorm},
		{Name: "stampede", Measure: o.measureStampede},
	}
}

// Run measures the chosen scenarios, and prints the tables of each.
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
	flags.DurationVar(&o.well, "well", 10*time.Second, "outage: duration before the outage")
	flags.DurationVar(&o.down, "down", time.Minute, "outage: duration of the outage")
	flags.DurationVar(&o.back, "back", 20*time.Second, "outage: duration after the outage")
	flags.StringVar(&o.ttl, "cache-ttl", "", "outage: GATEWAY_CACHE_TTL of the gateway; empty means its default")
	flags.StringVar(&o.stale, "cache-stale", "", "outage: GATEWAY_CACHE_STALE of the gateway; empty means its default")
	flags.DurationVar(&o.retryStorm, "retrystorm", 20*time.Second, "retrystorm: duration of each of its two parts")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || min(o.well, o.down, o.back, o.retryStorm) < time.Second {
		return nil, errors.New("-well, -down, -back and -retrystorm must be at least 1s; no arguments are allowed")
	}
	return &o, servers.CheckGateway(o.Gateway)
}

// options are the flags of the command.
type options struct {
	scenario.Options
	well, down, back time.Duration // phases of the outage
	ttl, stale       string        // of the cache in the outage; empty means the gateway's default
	retryStorm       time.Duration // of each kind of retry storm
}
