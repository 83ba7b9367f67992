package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
)

// scenario is one measurement. Its function adds the figures to the table, also when they break a rule: then it returns
// an error that names the rule.
type scenario struct {
	name    string
	measure func(ctx context.Context, t *table) error
}

// scenarioOptions are the flags that all commands with scenarios share.
type scenarioOptions struct {
	gateway string     // the path of the built gateway
	chosen  []scenario // in the order of the flag
}

// addFlags adds the shared flags. Without -scenario all scenarios are chosen.
func (o *scenarioOptions) addFlags(flags *flag.FlagSet, all []scenario) {
	o.chosen = all
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].name
	}
	flags.StringVar(&o.gateway, "gateway", defaultGateway, "the built gateway")
	flags.Func("scenario", "the scenarios, of "+strings.Join(names, ","), func(chosen string) error {
		o.chosen = nil
		for name := range strings.SplitSeq(chosen, ",") {
			i := slices.Index(names, strings.TrimSpace(name))
			if i < 0 {
				return fmt.Errorf("there is no scenario %q", name)
			}
			o.chosen = append(o.chosen, all[i])
		}
		return nil
	})
}

// run measures the chosen scenarios one after the other, and prints the tables of each when it has ended.
func (o *scenarioOptions) run(ctx context.Context) error {
	var failed []error
	for _, s := range o.chosen {
		var t table
		if err := s.measure(ctx, &t); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
		}
		fmt.Print(&t)
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}
