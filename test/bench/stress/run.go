package stress

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"revox-graphql/test/bench/lists"
	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/report"
	"revox-graphql/test/bench/servers"
	"revox-graphql/upstream/fake"
)

// workload is a load that a gateway must survive while a normal client sends requests.
type workload struct {
	name, about string
	settings    []string // of the gateway
	files       int      // limit of the gateway's open files; 0: that of this process
	tls         bool     // the upstream uses TLS, and so the gateway uses HTTP/2
	proxied     bool     // a proxy in front of the upstream can stall
	forward     bool     // the gateway forwards the keys of its clients
	coldFails   bool     // the upstream fails: cold pages of the normal client may fail
	alone       bool     // not part of all loads at once: needs other settings or another upstream, or all of its queue
	short       bool     // part of the short form
	// load loads the gateway until ctx is done. It returns an error for each rule of its own that is broken.
	load func(ctx context.Context, s *target) error
}

// measure measures one load: a normal client sends requests before, during and after it.
func (o *options) measure(ctx context.Context, l workload) error {
	long := o.duration
	if l.name == everythingName && o.soak > 0 {
		long = o.soak
	}
	report.Progress("%s: %s, for %v", l.name, l.about, long)
	r := result{name: l.name, about: l.about}
	r.err = o.runWorkload(ctx, l, long, &r)
	report.Progress("%s", strings.Join(r.cells(), " | "))
	o.results = append(o.results, r)
	return r.err
}

// endTimeout is the longest time that a load may take to end, with the honest clients that still read a response.
const endTimeout = 2 * time.Minute

func (o *options) runWorkload(ctx context.Context, l workload, long time.Duration, r *result) error {
	s, err := o.startTarget(ctx, l)
	if err != nil {
		return err
	}
	defer s.stop()
	brief := min(max(long/4, time.Second), 5*time.Second)
	r.before = s.normal(ctx, brief)
	if err := r.before.failed(false); err != nil {
		return fmt.Errorf("before the load: %w", errors.Join(err, s.Gateway.Err()))
	}
	level, err := s.resources(ctx)
	if err != nil {
		return err
	}
	earlier := s.up.Requests.Load()
	s.up.TakeMaxInFlight()
	loading, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- l.load(loading, s) }()
	r.during = s.normal(ctx, long)
	failed := []error{wait(done, endTimeout)}
	r.requests, r.atOnce = s.up.Requests.Load()-earlier, s.up.TakeMaxInFlight()
	r.after = s.normal(ctx, brief)
	failed = append(failed, s.settle(ctx, level), s.noteRejections(ctx))
	for _, n := range []*normalReplies{r.during, r.after} {
		failed = append(failed, n.failed(l.coldFails))
	}
	r.notes = s.takeNotes()
	r.series = s.sampler.Stop()
	r.peak = s.peak()
	if s.group != nil {
		r.group = s.group.Peak()
	}
	if r.peak > memoryBudget {
		failed = append(failed,
			fmt.Errorf("%s MiB of memory, and %s are allowed", report.Mebibytes(r.peak), report.Mebibytes(memoryBudget)))
	}
	failed = append(failed, flat(r.series))
	if s.group != nil && s.group.Kills() > 0 {
		failed = append(failed, errors.New("killed by the kernel for its memory"))
	}
	return errors.Join(append(failed, s.Gateway.Err(), ctx.Err())...)
}

// wait waits for a load to end.
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

// startTarget starts a gateway for a load, in a control group if possible.
func (o *options) startTarget(ctx context.Context, l workload) (_ *target, err error) {
	key := ""
	if l.forward {
		key = servers.GatewayKey
	}
	s := &target{Target: &load.Target{Client: newNormalClient(key)}, without: o.without}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "revox-bench-"); err != nil {
		return nil, fmt.Errorf("temporary folder: %w", err)
	}
	if s.up, err = lists.Start(s.dir, l.tls); err != nil {
		return nil, err
	}
	s.Upstream = &s.up.Upstream
	base := s.up.URL
	if l.proxied {
		if s.proxy, err = servers.StartProxy(ctx, s.up.URL); err != nil {
			return nil, err
		}
		base = s.proxy.URL
	}
	if l.forward {
		l.settings = append(l.settings, "GATEWAY_CREDENTIALS=forward", "REVOX_API_KEY=")
	}
	env := append([]string{
		"REVOX_API_KEY=" + servers.GatewayKey, "REVOX_BASE_URL=" + base, "GATEWAY_LISTEN=127.0.0.1:0",
		"GATEWAY_LOG_REQUESTS=false", "GATEWAY_SLOW_REQUEST=1h",
		"SSL_CERT_FILE=" + s.up.Certificate,
	}, l.settings...)
	script := []string{}
	s.group, err = servers.NewMemoryGroup(o.cgroups, fmt.Sprintf("revox-stress-%d-%s", os.Getpid(), l.name), memoryLimit)
	if err != nil { // reported in the table
		o.fallback, s.group = err.Error(), nil
		env = append(env, fmt.Sprintf("GATEWAY_MEMORY_LIMIT=%d", fallbackLimit))
	} else {
		script = append(script, s.group.Enter())
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
	s.Gateway, err = s.Start(ctx, l.name, env, "sh", "-c", strings.Join(script, " && "), "sh", o.Gateway)
	if err != nil {
		return nil, err
	}
	bound := 0
	if s.group == nil {
		bound = memoryLimit
	}
	s.sampler = servers.SampleMemory(s.Gateway.PID, bound)
	if l.forward { // the upstream knows only the normal client's key
		s.Upstream.Behave(func(b *fake.Behaviour) { b.Key = servers.GatewayKey })
	}
	return s, s.know(ctx)
}
