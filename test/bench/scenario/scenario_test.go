package scenario

import (
	"context"
	"errors"
	"flag"
	"io"
	"slices"
	"testing"

	"revox-graphql/test/bench/report"
)

func TestFlags(t *testing.T) {
	all := []Scenario{{Name: "one"}, {Name: "two"}, {Name: "three"}}
	for name, test := range map[string]struct {
		args  []string
		want  []string
		fails bool
	}{
		"all by default":      {nil, []string{"one", "two", "three"}, false},
		"in the flag's order": {[]string{"-scenario", "three, one"}, []string{"three", "one"}, false},
		"unknown":             {[]string{"-scenario", "one,four"}, nil, true},
		"empty":               {[]string{"-scenario", ""}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			var o Options
			flags := flag.NewFlagSet("bench", flag.ContinueOnError)
			flags.SetOutput(io.Discard)
			o.AddFlags(flags, all)
			err := flags.Parse(test.args)
			if (err != nil) != test.fails {
				t.Fatalf("error %v", err)
			}
			var names []string
			for _, s := range o.Chosen {
				names = append(names, s.Name)
			}
			if err == nil && !slices.Equal(names, test.want) {
				t.Errorf("scenarios %v, want %v", names, test.want)
			}
		})
	}
}

// A scenario that fails does not keep the next ones from running, but the end of the context does.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	broken := errors.New("a broken rule")
	var ran []string
	scenario := func(name string, measure func() error) Scenario {
		return Scenario{name, func(context.Context, *report.Table) error {
			ran = append(ran, name)
			return measure()
		}}
	}
	o := Options{Chosen: []Scenario{
		scenario("good", func() error { return nil }),
		scenario("bad", func() error { return broken }),
		scenario("last", func() error { cancel(); return nil }),
		scenario("never", func() error { return nil }),
	}}
	err := o.Run(ctx)
	if !errors.Is(err, broken) || err.Error() != "bad: a broken rule" {
		t.Errorf("error %v", err)
	}
	if !slices.Equal(ran, []string{"good", "bad", "last"}) {
		t.Errorf("scenarios %v", ran)
	}
}
