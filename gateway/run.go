// Package gateway is the program: its commands, the paths that it serves, its start and its stop.
//
// [Main] runs the program:
//
//   - command.go and commands.go parse the command line, with the settings of package config.
//   - run.go starts the parts of a serving gateway. engine.go connects those that execute GraphQL (upstream client,
//     page cache, package graph), and routes.go those that serve HTTP.
//   - serve.go listens, serves and drains; signals.go turns signals into the end of a context; ready.go is `/readyz`.
//   - memory.go finds the memory limit. metrics.go and pprof.go serve metrics and profiles on addresses of their own.
//     roots.go adds TLS root certificates for systems that have none.
//   - query.go executes a query, or an export, with the same engine and without a server; progress.go shows its
//     progress.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"revox-graphql/gateway/config"
	"revox-graphql/gateway/demo"
	"revox-graphql/gateway/export"
	"revox-graphql/gateway/telemetry"
	"revox-graphql/internal/logqueue"
	"revox-graphql/upstream/fake"
)

// version may be set by the linker: -ldflags "-X revox-graphql/gateway.version=v1.2.3". Else it is the version that Go
// has recorded in the binary.
var version string

// Main runs the program with these arguments, until it is done or a signal stops it. It returns the exit status: 0 for
// success, 2 for a wrong command line, setting or query, and 1 for any other failure.
func Main(args []string) (status int) {
	err := run(untilSignal(), args, os.Environ(), os.Stdout, os.Stderr)
	if err == nil {
		return 0
	}
	said := make(chan struct{})
	go func() {
		defer close(said)
		for line := range strings.Lines(err.Error()) { // one for each wrong setting
			fmt.Fprintln(os.Stderr, "revox-graphql:", strings.TrimSuffix(line, "\n"))
		}
	}()
	select {
	case <-said:
	case <-time.After(lastLinesTimeout): // nobody reads standard error
	}
	return exitStatus(err)
}

// exitStatus is 2 for a wrong command line, setting or query, and 1 for any other failure.
func exitStatus(err error) int {
	if _, ok := errors.AsType[*export.UsageError](err); ok {
		return 2
	}
	return 1
}

// versionLine has the name and the version of the program, and the version of Go.
func versionLine() string {
	return fmt.Sprintf("revox-graphql %s %s", programVersion(), runtime.Version())
}

func programVersion() string {
	v := version
	if info, ok := debug.ReadBuildInfo(); ok && v == "" {
		v = info.Main.Version
	}
	return cmp.Or(v, "(devel)")
}

// lastLinesTimeout bounds the last lines of the log, and the error with which the program ends: together with
// drainTimeout and the second for the last traces they stay within the 10 s after which Docker kills.
const lastLinesTimeout = 250 * time.Millisecond

// writingBytes is how many bytes of responses may be in flight before the gateway cuts off clients that read nothing:
// 500 of the usual largest responses, which are 100 calls with their transcripts.
const writingBytes = 256 << 20

// run is the program: it serves until ctx is done, then lets the requests in flight finish; or it answers a query.
// environ is the environment, a NAME=value each.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	return newInvocation(environ, stdout, stderr).run(ctx, args)
}

// invocation has the inputs and outputs of a command, beside its settings.
type invocation struct {
	getenv         func(string) string
	unknown        []config.Unknown
	stdout, stderr io.Writer
	prepare        func(*http.Server) // changes the server before it serves; nil but in tests
}

func newInvocation(environ []string, stdout, stderr io.Writer) *invocation {
	variables := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		variables[name] = value
	}
	return &invocation{
		getenv: func(name string) string { return variables[name] }, unknown: config.UnknownVariables(environ),
		stdout: stdout, stderr: stderr,
	}
}

func (p *invocation) run(ctx context.Context, args []string) error {
	line := &commandLine{args: args, getenv: p.getenv, stderr: p.stderr, do: p.do}
	err := line.newCommand(p.stdout).ExecuteContext(ctx)
	if err != nil && !line.parsed {
		return &export.UsageError{Err: err}
	}
	return cmp.Or(err, line.helpError)
}

// do does what the command line asks for.
func (p *invocation) do(ctx context.Context, s *config.Settings, check bool, q *queryOptions) error {
	log := s.Logger(p.stderr)
	switch {
	case check:
		p.warn(log)
		return checkSettings(s, p.stdout, log)
	case q != nil:
		if q.URL == "" {
			p.warn(log)
		}
		return q.run(ctx, s, p.stdout, p.stderr)
	default:
		return p.serve(ctx, s, log)
	}
}

// warn logs environment variables that look like settings but are not: a misspelt one would silently do nothing.
func (p *invocation) warn(log *slog.Logger) {
	for _, unknown := range p.unknown {
		if unknown.Nearest == "" {
			log.Warn("unknown environment variable", "name", unknown.Name)
		} else {
			log.Warn("unknown environment variable", "name", unknown.Name, "nearest", unknown.Nearest)
		}
	}
}

// serve serves GraphQL. written is the log on standard error. Everything else goes through a queue, so that no request
// waits for the reader of the log.
func (p *invocation) serve(ctx context.Context, s *config.Settings, written *slog.Logger) error {
	surviveItsLog()
	lines := logqueue.New(p.stderr, func(n uint64) { written.Warn("log lines were dropped", "lines", n) })
	defer lines.Close(lastLinesTimeout)
	log := s.Logger(lines)
	p.warn(log)
	budget, freeMemory := limitMemory(s, p.getenv, memlimit.FromCgroup, log)
	defer freeMemory()
	registry := newRegistry()
	bounds := newBounds(s, budget)
	telemetry.RegisterServing(registry, bounds.metrics(lines.Dropped))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return config.Wrong("listen", "cannot be used: %w", err)
	}
	upstreamName := s.BaseURL.Redacted()
	if s.Demo {
		upstreamName = "demo"
		stopDemo, err := startDemo(ctx, s, log)
		if err != nil {
			return err
		}
		defer stopDemo()
	}
	traces, err := telemetry.NewTraces(ctx, telemetry.TraceOptions{
		Endpoint: s.OTLPEndpoint, TracesEndpoint: s.OTLPTracesEndpoint, Sample: s.TraceSample, Getenv: p.getenv,
		Version: programVersion(), Log: log,
	})
	if err != nil {
		return err
	}
	defer closeTraces(ctx, traces, log)
	var draining atomic.Bool
	handler, stop, err := routes(s, registry, traces, &draining, budget, log)
	if err != nil {
		return err
	}
	defer stop()
	if s.MetricsListen != "" {
		stopMetrics, err := serveMetrics(ctx, s.MetricsListen, registry, log)
		if err != nil {
			return err
		}
		defer stopMetrics()
	}
	if s.PprofListen != "" {
		stopPprof, err := servePprof(ctx, s.PprofListen, log)
		if err != nil {
			return err
		}
		defer stopPprof()
	}
	if s.Demo {
		log.Info("serving made-up demo calls: set REVOX_API_KEY to see your own")
	}
	log.Info("listening", "url", "http://"+listener.Addr().String()+"/", "upstream", upstreamName)
	server := newServer(s, countStreams(budget, bounds.streams.Wrap(handler)), log)
	bounds.watch(server)
	if p.prepare != nil {
		p.prepare(server)
	}
	return serve(ctx, server, bounds.listen(listener), &draining, s.DrainDelay, log)
}

// startDemo serves the demo on a loopback port, and makes it the upstream: requests reach it over HTTP, like Revox.
func startDemo(ctx context.Context, s *config.Settings, log *slog.Logger) (stop func(), err error) {
	server, err := demo.Start(ctx, "127.0.0.1:0", &demo.Options{
		Calls: fake.DefaultCalls, ArrivingPerMinute: s.DemoCallsPerMinute, Log: log,
	})
	if err != nil {
		return nil, err
	}
	s.BaseURL = server.URL
	return server.Close, nil
}

// checkSettings builds the parts, which reads the trusted documents, and starts none of them.
func checkSettings(s *config.Settings, stdout io.Writer, log *slog.Logger) error {
	_, stop, err := routes(s, newRegistry(), nil, new(atomic.Bool), nil, log)
	if err != nil {
		return err
	}
	stop()
	_, err = fmt.Fprintln(stdout, "The settings are valid.")
	return err
}

// closeTraces sends the last traces, within the second that is left until the process is killed.
func closeTraces(ctx context.Context, traces *telemetry.Traces, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := traces.Close(ctx); err != nil {
		log.Warn("the last traces could not be sent", "error", err)
	}
}

// newRegistry returns a registry with the metrics of the process.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	telemetry.RegisterBuild(registry, programVersion())
	return registry
}
