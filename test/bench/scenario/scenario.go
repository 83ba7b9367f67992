// Package scenario runs the scenarios of a command that its flags choose.
package scenario

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"revox-graphql/test/bench/report"
	"revox-graphql/test/bench/servers"
)

// Scenario is one measurement. Measure adds the figures to the table, also when they break a rule: then it returns an
// error that names the rule.
type Scenario struct {
	Name    string
	Measure func(ctx context.Context, t *report.Table) error
}

// Options are the flags that all commands with scenarios share.
type Options struct {
	Gateway string     // the path of the built gateway
	Chosen  []Scenario // in the order of the flag
}

// AddFlags adds the shared flags. Without -scenario all scenarios are chosen.
func (o *Options) AddFlags(flags *flag.FlagSet, all []Scenario) {
	o.Chosen = all
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	flags.StringVar(&o.Gateway, "gateway", servers.DefaultGateway, "the built gateway")
	flags.Func("scenario", "the scenarios to run, some of "+strings.Join(names, ","), func(chosen string) error {
		o.Chosen = nil
		for name := range strings.SplitSeq(chosen, ",") {
			i := slices.Index(names, strings.TrimSpace(name))
			if i < 0 {
				return fmt.Errorf("unknown scenario %q", name)
			}
			o.Chosen = append(o.Chosen, all[i])
		}
		return nil
	})
}

// Run measures the chosen scenarios one after the other, and prints the tables of each when it has ended.
func (o *Options) Run(ctx context.Context) error {
	var failed []error
	for _, s := range o.Chosen {
		var t report.Table
		if err := s.Measure(ctx, &t); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.Name, err))
		}
		fmt.Print(&t)
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}
