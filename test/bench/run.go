package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"revox-graphql/upstream/fake"
	"strings"
	"time"
)

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
func (o *stressOptions) measure(ctx context.Context, l stressLoad) error {
	long := o.stress
	if l.name == everythingName && o.soak > 0 {
		long = o.soak
	}
	progress("%s: %s, for %v", l.name, l.about, long)
	r := stressResult{name: l.name, about: l.about}
	r.err = o.runLoad(ctx, l, long, &r)
	progress("%s", strings.Join(r.cells(), " | "))
	o.results = append(o.results, r)
	return r.err
}

// endTimeout is how long a load may take to end, with the honest clients that are in the middle of an answer.
const endTimeout = 2 * time.Minute

func (o *stressOptions) runLoad(ctx context.Context, l stressLoad, long time.Duration, r *stressResult) error {
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
	r.peak = s.peak()
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
func (o *stressOptions) startStressed(ctx context.Context, l stressLoad) (_ *stressed, err error) {
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
