package main

// What the gateway bears
//
// The subcommand loads the built gateway over a fake upstream, in a control group of as much memory as deploy/ gives
// one, and looks at what becomes of a normal client meanwhile. Each scenario is a row of one table:
//
//	go run ./test/bench stress -gateway bin/revox-graphql
//
// What must hold is checked: no question of the normal client fails, no honest client is cut off, the process lives,
// its memory stays in its budget, and afterwards it has as many goroutines and open files as before. Where it does
// not, the table is printed all the same, and the program ends with an error. Latencies are printed, and not checked.
//
// Four scenarios have tables of their own: hostile documents (attack.go), four times the load it can bear
// (overload.go), a thousand connections that send a byte a second (slow.go), and a restart of both replicas behind
// nginx (restart.go).

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"revox-graphql/upstream/fake"
)

// stressCommand measures what the gateway bears.
const stressCommand = "stress"

const (
	memoryLimit  = 1 << 30   // what deploy/ gives a gateway, in bytes
	memoryBudget = 900 << 20 // what it may take of that, in bytes: the rest is the kernel's, for its connections
	// fallbackLimit is what the gateway is told where there is no control group: RSS counts the program itself too.
	fallbackLimit = 850 << 20
)

// stressOptions are the flags of the subcommand.
type stressOptions struct {
	stress     time.Duration // how long each scenario is
	soak       time.Duration // how long the scenario of all at once is; 0: as long as the others
	goMemLimit string        // GOMEMLIMIT of the gateway; empty: it has to find its limit itself
	cgroups    string        // where control groups are mounted
	short      bool
	without    []string // the loads that are left out where all run at once
	results    []stressResult
	fallback   string // why there is no control group
}

// stressScenarios are those with tables of their own, and the loads.
func stressScenarios() []scenario {
	var all []scenario
	for _, s := range []scenario{
		{"attack", measureAttack}, {"overload", measureOverload}, {"slow", measureSlow}, {"restart", measureRestart},
	} {
		all = append(all, scenario{s.name, func(ctx context.Context, o *troubleOptions, t *table) error {
			progress("%s, for %v", s.name, o.stress)
			err := s.measure(ctx, o, t)
			o.results = append(o.results, stressResult{name: s.name, notes: []string{"see its table"}, err: err})
			return err
		}})
	}
	for _, l := range stressLoads() {
		all = append(all, scenario{l.name, l.measure})
	}
	return all
}

func stress(ctx context.Context, args []string) error {
	o := &troubleOptions{}
	flags := flag.NewFlagSet("bench "+stressCommand, flag.ContinueOnError)
	o.common(flags, stressScenarios())
	flags.DurationVar(&o.stress, "for", 20*time.Second, "how long each scenario is")
	flags.DurationVar(&o.soak, "soak", 0, "how long the scenario "+everythingName+" is, if not as long as the others")
	flags.StringVar(&o.goMemLimit, "gomemlimit", "", "GOMEMLIMIT of the gateway; without, it has to find its limit itself")
	flags.StringVar(&o.cgroups, "cgroups", cgroupRoot, "where control groups are mounted")
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
	if flags.NArg() > 0 || o.stress < time.Second || o.soak < 0 {
		return errors.New("-for is at least a second, -soak is not negative, and nothing follows the flags")
	}
	if err := o.built(); err != nil {
		return err
	}
	err := o.measure(ctx)
	fmt.Print(o.stressTable())
	if err == nil || len(o.results) == 0 {
		return err
	}
	failed := slices.DeleteFunc(slices.Clone(o.results), func(r stressResult) bool { return r.err == nil })
	names := make([]string, len(failed))
	for i, r := range failed {
		names[i] = r.name
	}
	return fmt.Errorf("%d of %d scenarios do not hold: %s", len(failed), len(o.results), strings.Join(names, ", "))
}

// shorten leaves of all scenarios those that are short, if none were chosen.
func (o *troubleOptions) shorten(flags *flag.FlagSet) {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["for"] {
		o.stress = 3 * time.Second
	}
	if given["scenario"] {
		return
	}
	o.scenarios = nil
	for _, l := range stressLoads() {
		if l.short {
			o.scenarios = append(o.scenarios, scenario{l.name, l.measure})
		}
	}
}

// stressLoad is something that a gateway must bear while a normal client asks.
type stressLoad struct {
	name, about string
	settings    []string // of the gateway
	files       int      // that the gateway may have open; 0: as many as this process
	tls         bool     // upstream speaks TLS, so that the gateway asks over HTTP/2
	proxied     bool     // between the gateway and upstream there is a proxy that can stand still
	forward     bool     // the gateway sends on the keys of its clients
	coldFails   bool     // upstream cannot be asked: a normal client's pages that are not in memory may fail
	alone       bool     // it cannot be borne together with the others, since it needs settings or an upstream of its own
	short       bool     // it is part of the short form
	// load loads the gateway until ctx is done. An error says what does not hold, beside what holds for all.
	load func(ctx context.Context, s *stressed) error
}

// measure measures one load: a normal client asks before, during and after it.
func (l stressLoad) measure(ctx context.Context, o *troubleOptions, _ *table) error {
	long := o.stress
	if l.name == everythingName && o.soak > 0 {
		long = o.soak
	}
	progress("%s: %s, for %v", l.name, l.about, long)
	r := stressResult{name: l.name, about: l.about}
	r.err = l.run(ctx, o, long, &r)
	progress("%s", strings.Join(r.cells(), " | "))
	o.results = append(o.results, r)
	return r.err
}

// endTimeout is how long a load may take to end, with the honest clients that are in the middle of an answer.
const endTimeout = 2 * time.Minute

func (l stressLoad) run(ctx context.Context, o *troubleOptions, long time.Duration, r *stressResult) error {
	s, err := o.startStressed(ctx, l)
	if err != nil {
		return err
	}
	defer s.stop()
	brief := min(max(long/4, time.Second), 5*time.Second)
	r.before = s.normal(ctx, brief)
	if err := r.before.failed(false); err != nil {
		return fmt.Errorf("before it: %w", errors.Join(err, s.gateway.err()))
	}
	level, err := s.level(ctx)
	if err != nil {
		return err
	}
	asked := s.up.requests.Load()
	s.up.most()
	loading, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- l.load(loading, s) }()
	r.during = s.normal(ctx, long)
	failed := []error{wait(done, endTimeout)}
	r.requests, r.atOnce = s.up.requests.Load()-asked, s.up.most()
	r.after = s.normal(ctx, brief)
	failed = append(failed, s.settle(ctx, level))
	for _, n := range []*normalReplies{r.during, r.after} {
		failed = append(failed, n.failed(l.coldFails))
	}
	r.notes = s.takeNotes()
	r.series = s.sampler.stop()
	r.peak = s.peak(r.series)
	if s.group != nil {
		r.group = s.group.most()
	}
	if r.peak > memoryBudget {
		failed = append(failed,
			fmt.Errorf("%s MiB of memory, and %s are allowed", mebibytes(r.peak), mebibytes(memoryBudget)))
	}
	failed = append(failed, flat(r.series))
	if s.group != nil && s.group.killed() > 0 {
		failed = append(failed, errors.New("the kernel has killed it for its memory"))
	}
	return errors.Join(append(failed, s.gateway.err(), ctx.Err())...)
}

// wait waits for a load that was told to end.
func wait(done <-chan error, long time.Duration) error {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("the load has not ended in %v", long)
	}
}

// startStressed starts a gateway for a load, in a control group where one can be made.
func (o *troubleOptions) startStressed(ctx context.Context, l stressLoad) (_ *stressed, err error) {
	key := ""
	if l.forward {
		key = gatewayKey
	}
	s := &stressed{scene: &scene{client: newNormalClient(key)}, without: o.without}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "revox-bench-"); err != nil {
		return nil, fmt.Errorf("no place for files: %w", err)
	}
	if s.up, err = startLoadedUpstream(s.dir, l.tls); err != nil {
		return nil, err
	}
	s.rest = &s.up.upstream
	base := s.up.url
	if l.proxied {
		if s.proxy, err = startProxy(ctx, s.up.url); err != nil {
			return nil, err
		}
		base = s.proxy.url
	}
	if l.forward {
		l.settings = append(l.settings, "GATEWAY_CREDENTIALS=forward", "REVOX_API_KEY=")
	}
	env := append([]string{
		"REVOX_API_KEY=" + gatewayKey, "REVOX_BASE_URL=" + base, "GATEWAY_LISTEN=127.0.0.1:0",
		"GATEWAY_LOG_REQUESTS=false", "GATEWAY_SLOW_REQUEST=1h",
		"SSL_CERT_FILE=" + s.up.certificate,
	}, l.settings...)
	script := []string{}
	s.group, err = newMemoryGroup(o.cgroups, fmt.Sprintf("revox-stress-%d-%s", os.Getpid(), l.name), memoryLimit)
	if err != nil { // told in the table
		o.fallback, s.group = err.Error(), nil
		env = append(env, fmt.Sprintf("GATEWAY_MEMORY_LIMIT=%d", fallbackLimit))
	} else {
		script = append(script, s.group.enter())
	}
	switch {
	case o.goMemLimit != "":
		env = append(env, "GOMEMLIMIT="+o.goMemLimit)
	case s.group == nil:
		env = append(env, fmt.Sprintf("GOMEMLIMIT=%d", fallbackLimit))
	default:
		env = append(env, "GOMEMLIMIT=") // not this process's own
	}
	if l.files > 0 {
		script = append(script, fmt.Sprintf("ulimit -n %d", l.files))
	}
	script = append(script, `exec "$@"`)
	s.gateway, err = s.start(ctx, l.name, env, "sh", "-c", strings.Join(script, " && "), "sh", o.gateway)
	if err != nil {
		return nil, err
	}
	bound := 0
	if s.group == nil {
		bound = memoryLimit
	}
	s.sampler = sampleMemory(s.gateway.pid, bound)
	if l.forward { // upstream knows no key but the normal client's
		s.rest.Behave(func(b *fake.Behaviour) { b.Key = gatewayKey })
	}
	return s, s.know(ctx)
}
