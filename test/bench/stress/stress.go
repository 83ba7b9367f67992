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

// stressCommand measures what the gateway bears.
const Command = "stress"

const (
	memoryLimit  = 1 << 30   // what deploy/ gives a gateway, in bytes
	memoryBudget = 900 << 20 // what it may take of that, in bytes: the rest is the kernel's, for its connections
	// fallbackLimit is what the gateway is told where there is no control group: RSS counts the program itself too.
	fallbackLimit = 850 << 20
)

// stressOptions are the flags of the subcommand.
type options struct {
	scenario.Options
	duration   time.Duration // how long each scenario is
	soak       time.Duration // how long the scenario of all at once is; 0: as long as the others
	goMemLimit string        // GOMEMLIMIT of the gateway; empty: it has to find its limit itself
	cgroups    string        // where control groups are mounted
	short      bool
	without    []string // the loads that are left out where all run at once
	results    []result
	fallback   string // why there is no control group
}

// stressScenarios are those with tables of their own, and the loads.
func (o *options) scenarios() []scenario.Scenario {
	var all []scenario.Scenario
	for _, s := range []scenario.Scenario{
		{Name: "attack", Measure: o.measureAttack}, {Name: "overload", Measure: o.measureOverload}, {Name: "slow", Measure: o.measureSlow}, {Name: "restart", Measure: o.measureRestart},
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

func Run(ctx context.Context, args []string) error {
	o := &options{}
	flags := flag.NewFlagSet("bench "+Command, flag.ContinueOnError)
	o.AddFlags(flags, o.scenarios())
	flags.DurationVar(&o.duration, "for", 20*time.Second, "how long each scenario is")
	flags.DurationVar(&o.soak, "soak", 0, "how long the scenario "+everythingName+" is, if not as long as the others")
	flags.StringVar(&o.goMemLimit, "gomemlimit", "", "GOMEMLIMIT of the gateway; without, it has to find its limit itself")
	flags.StringVar(&o.cgroups, "cgroups", servers.CgroupRoot, "where control groups are mounted")
	flags.Func("without", "loads to leave out of "+everythingName+", separated by commas", func(names string) error {
		o.without = strings.Split(names, ",")
		return nil
	})
	flags.BoolVar(&o.short, "short", false, "only some scenarios, of few seconds each, for any machine, however busy")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.short {
		o.shorten(flags)
	}
	if flags.NArg() > 0 || o.duration < time.Second || o.soak < 0 {
		return errors.New("-for is at least a second, -soak is not negative, and nothing follows the flags")
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
	return fmt.Errorf("%d of %d scenarios do not hold: %s", len(failed), len(o.results), strings.Join(names, ", "))
}

// shorten leaves of all scenarios those that are short, if none were chosen.
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
	return scenario.Scenario{Name: l.name, Measure: func(ctx context.Context, _ *report.Table) error { return o.measure(ctx, l) }}
}
