// Package stress loads the built gateway over a fake upstream, in a control group with the memory limit of deploy/, and
// measures a normal client at the same time. Each scenario is a row of one table.
//
// The rules are: no request of the normal client fails, no honest client is cut off, the process survives, its memory
// stays in its budget, and afterwards it has as many goroutines and open files as before. A broken rule is an error,
// but the tables are printed all the same. Latencies are printed and not checked.
//
// Four scenarios have tables of their own: hostile documents (attack.go), four times the load that the gateway can
// serve (overload.go), a thousand connections that send one byte per second (slow.go), and a restart of both replicas
// behind nginx (restart.go).
package stress

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"revox-graphql/test/bench/report"
	"revox-graphql/test/bench/scenario"
	"revox-graphql/test/bench/servers"
)

// Command is the name of the command.
const Command = "stress"

const (
	memoryLimit  = 1 << 30   // of a gateway in deploy/, in bytes
	memoryBudget = 900 << 20 // for the process, in bytes: the rest is for the kernel's buffers
	// fallbackLimit is the memory limit of the gateway, in bytes, without a control group: RSS includes the program
	// itself.
	fallbackLimit = 850 << 20
)

// options are the flags of the command.
type options struct {
	scenario.Options
	duration   time.Duration // of each scenario
	soak       time.Duration // duration of all loads at once; 0: as long as the others
	goMemLimit string        // GOMEMLIMIT of the gateway; empty: the gateway finds its limit itself
	cgroups    string        // where control groups are mounted
	short      bool
	without    []string // loads that are not part of all at once
	results    []result
	fallback   string // why there is no control group
}

// scenarios returns the scenarios with tables of their own, and the loads.
func (o *options) scenarios() []scenario.Scenario {
	var all []scenario.Scenario
	for _, s := range []scenario.Scenario{
		{Name: "attack", Measure: o.measureAttack},
		{Name: "overload", Measure: o.measureOverload},
		{Name: "slow", Measure: o.measureSlow},
		{Name: "restart", Measure: o.measureRestart},
	} {
		all = append(all, scenario.Scenario{Name: s.Name, Measure: func(ctx context.Context, t *report.Table) error {
			report.Progress("%s, for %v", s.Name, o.duration)
			err := s.Measure(ctx, t)
			o.results = append(o.results, result{name: s.Name, notes: []string{"see its table"}, err: err})
			return err
		}})
	}
	for _, l := range workloads() {
		all = append(all, o.scenario(l))
	}
	return all
}

// Run measures the chosen scenarios, and prints the tables of each and that of all loads.
func Run(ctx context.Context, args []string) error {
	o := &options{}
	flags := flag.NewFlagSet("bench "+Command, flag.ContinueOnError)
	o.AddFlags(flags, o.scenarios())
	flags.DurationVar(&o.duration, "for", 20*time.Second, "duration of each scenario")
	flags.DurationVar(&o.soak, "soak", 0, "duration of the scenario "+everythingName+", if not as long as the others")
	flags.StringVar(&o.goMemLimit, "gomemlimit", "",
		"GOMEMLIMIT of the gateway; by default the gateway finds its limit itself")
	flags.StringVar(&o.cgroups, "cgroups", servers.CgroupRoot, "where control groups are mounted")
	flags.Func("without", "loads that are not part of "+everythingName+", separated by commas", func(names string) error {
		o.without = strings.Split(names, ",")
		return nil
	})
	flags.BoolVar(&o.short, "short", false, "only some scenarios, of a few seconds each, for any machine, also a busy one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.short {
		o.shorten(flags)
	}
	if flags.NArg() > 0 || o.duration < time.Second || o.soak < 0 {
		return errors.New("-for must be at least 1s, and -soak must not be negative; no arguments are allowed")
	}
	if err := servers.CheckGateway(o.Gateway); err != nil {
		return err
	}
	err := o.Run(ctx)
	fmt.Print(o.table())
	if err == nil || len(o.results) == 0 {
		return err
	}
	failed := slices.DeleteFunc(slices.Clone(o.results), func(r result) bool { return r.err == nil })
	names := make([]string, len(failed))
	for i, r := range failed {
		names[i] = r.name
	}
	return fmt.Errorf("%d of %d scenarios failed: %s", len(failed), len(o.results), strings.Join(names, ", "))
}

// shorten reduces the scenarios to the short ones, unless -scenario is given.
func (o *options) shorten(flags *flag.FlagSet) {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["for"] {
		o.duration = 3 * time.Second
	}
	if given["scenario"] {
		return
	}
	o.Chosen = nil
	for _, l := range workloads() {
		if l.short {
			o.Chosen = append(o.Chosen, o.scenario(l))
		}
	}
}

// scenario returns a load as a scenario, whose row is in the table of all loads.
func (o *options) scenario(l workload) scenario.Scenario {
	return scenario.Scenario{
		Name:    l.name,
		Measure: func(ctx context.Context, _ *report.Table) error { return o.measure(ctx, l) },
	}
}
