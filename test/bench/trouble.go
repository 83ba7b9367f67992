package main

// What the gateway does while upstream has trouble
//
// The subcommand starts the built gateway over a fake upstream, gives upstream trouble, and looks from both sides at
// what the gateway makes of it: what clients are answered, and what upstream is asked.
//
//	go run ./test/bench trouble -gateway bin/revox-graphql
//
// There are three scenarios: upstream dies for a while (outage.go), fails half of its requests (storm.go), or is slow
// to answer a crowd that wants the same page (herd.go). What must hold in them is checked: where it does not, the
// report is printed all the same, and the program ends with an error.

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// troubleCommand measures the gateway while upstream has trouble.
const troubleCommand = "trouble"

// scenario is one kind of trouble. What is measured goes to the table, also when the error says that it is not as it
// must be.
type scenario struct {
	name    string
	measure func(context.Context, *troubleOptions, *table) error
}

func scenarios() []scenario {
	return []scenario{{"outage", measureOutage}, {"storm", measureStorm}, {"herd", measureHerd}}
}

// trouble measures the scenarios one after the other, and prints what came of each.
func trouble(ctx context.Context, args []string) error {
	o, err := parseTroubleOptions(args)
	if err != nil {
		return err
	}
	return o.measure(ctx)
}

// measure runs the scenarios, and prints what comes of each.
func (o *troubleOptions) measure(ctx context.Context) error {
	var failed []error
	for _, s := range o.scenarios {
		var t table
		if err := s.measure(ctx, o, &t); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
		}
		fmt.Print(t.text.String())
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

// troubleOptions are the flags of the subcommand.
type troubleOptions struct {
	options
	scenarios        []scenario
	well, down, back time.Duration // of the outage
	ttl, stale       string        // of the cache in the outage; empty is what the gateway comes with
	storm            time.Duration
	stressOptions
}

func parseTroubleOptions(args []string) (*troubleOptions, error) {
	var o troubleOptions
	flags := flag.NewFlagSet("bench "+troubleCommand, flag.ContinueOnError)
	o.common(flags, scenarios())
	flags.DurationVar(&o.well, "well", 10*time.Second, "outage: how long upstream is well at first")
	flags.DurationVar(&o.down, "down", time.Minute, "outage: how long upstream is dead")
	flags.DurationVar(&o.back, "back", 20*time.Second, "outage: how long upstream is well after that")
	flags.StringVar(&o.ttl, "cache-ttl", "", "outage: the gateway's GATEWAY_CACHE_TTL, if not its default")
	flags.StringVar(&o.stale, "cache-stale", "", "outage: the gateway's GATEWAY_CACHE_STALE, if not its default")
	flags.DurationVar(&o.storm, "storm", 20*time.Second, "storm: how long upstream fails half of its requests, each of two times")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || min(o.well, o.down, o.back, o.storm) < time.Second {
		return nil, errors.New("-well, -down, -back and -storm are at least a second, and nothing follows the flags")
	}
	return &o, o.built()
}

// common adds the flags that every measurement of scenarios has. Without -scenario all of them are measured.
func (o *troubleOptions) common(flags *flag.FlagSet, all []scenario) {
	o.scenarios = all
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].name
	}
	flags.StringVar(&o.gateway, "gateway", "bin/revox-graphql", "the built gateway")
	flags.Func("scenario", "the scenarios, of "+strings.Join(names, ","), func(chosen string) error {
		o.scenarios = nil
		for name := range strings.SplitSeq(chosen, ",") {
			i := slices.Index(names, strings.TrimSpace(name))
			if i < 0 {
				return fmt.Errorf("there is no scenario %q", name)
			}
			o.scenarios = append(o.scenarios, all[i])
		}
		return nil
	})
}

// built says what to do if there is no gateway to measure.
func (o *troubleOptions) built() error {
	if _, err := exec.LookPath(o.gateway); err != nil {
		return fmt.Errorf("-gateway: build it first, make build (%w)", err)
	}
	return nil
}

// scene is a gateway over an upstream that will have trouble, and a client that asks much at once.
type scene struct {
	fleet
	rest    *upstream
	gateway *child
	client  *http.Client
}

// maxUnderWay is how many questions may be under way at once.
const maxUnderWay = 1000

// start sets the scene, which must be stopped.
func (o *troubleOptions) start(ctx context.Context, settings ...string) (*scene, error) {
	rest, err := startUpstream(ctx)
	if err != nil {
		return nil, err
	}
	s := &scene{rest: rest, client: newClient()}
	transport := s.client.Transport.(*http.Transport) // that newClient has made
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = maxUnderWay, maxUnderWay
	if s.gateway, err = s.fleet.gateway(ctx, &o.options, troubleCommand, rest, settings...); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// startWith sets the scene, and has its client know some pages of the list.
func (o *troubleOptions) startWith(ctx context.Context, calls, pages int, settings ...string) (*scene, []listPage, error) {
	s, err := o.start(ctx, settings...)
	if err != nil {
		return nil, nil, err
	}
	known, err := s.walk(ctx, calls, pages, func() bool { return true })
	if err != nil {
		s.stop()
		return nil, nil, err
	}
	return s, known, nil
}

func (s *scene) stop() {
	s.client.CloseIdleConnections()
	s.fleet.stop()
	s.rest.stop()
}
