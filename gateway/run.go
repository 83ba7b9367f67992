// Package gateway is the program: its command line and settings, what it serves, and how it starts and stops.
//
// [Main] runs it. run.go puts the parts together, engine.go those that answer GraphQL, routes.go the paths, and serve.go
// serves and drains. config.go has the settings and commands.go the command line; query.go answers a query at once
// instead of serving.
package gateway

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"revox-graphql/gateway/export"
	"revox-graphql/gateway/telemetry"
	"revox-graphql/internal/logqueue"
	"revox-graphql/internal/middleware"
)

// version may be set by the linker: -ldflags "-X revox-graphql/gateway.version=v1.2.3". Else it is what Go has noted in
// the binary.
var version string

// Main is the program with these arguments, until it has done what they ask for or a signal has stopped it. It returns
// the exit status: 0 if all is well, 2 for a command line, a setting or a query that is wrong, 1 for all else that fails.
func Main(args []string) (status int) {
	err := run(untilSignal(), args, os.Getenv, os.Stdout, os.Stderr)
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
	case <-time.After(lastLinesTimeout): // nobody reads them
	}
	return exitStatus(err)
}

// exitStatus is 2 for a command line, a setting or a query that is wrong, and 1 for all that fails.
func exitStatus(err error) int {
	if _, ok := errors.AsType[*export.UsageError](err); ok {
		return 2
	}
	return 1
}

// versionLine names the program, its version and Go's.
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

// lastLinesTimeout is how long the last lines of the log may take, and as long the error with which the program ends:
// together with drainTimeout and the second for the last traces they stay within those 10 s.
const lastLinesTimeout = 250 * time.Millisecond

// writingBytes is how much of answers may be on its way to clients that read slowly: five hundred of the largest as
// they usually are, hundred calls with all that was said.
const writingBytes = 256 << 20

// headersBytes is how much of headers may be on its way in: a hundred of the largest there may be by default.
const headersBytes = 32 << 20

// run is the program: it serves until ctx is done, then lets the requests under way finish; or it answers a query.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	s, err := parseSettings(args, getenv, stdout)
	if errors.Is(err, errHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if s.Version {
		_, err := fmt.Fprintln(stdout, versionLine())
		return err
	}
	if s.query != nil && !s.Check {
		return query(ctx, s, stdout, stderr)
	}
	surviveItsLog()
	written := s.logger(stderr)
	if s.Check {
		return check(s, stdout, written)
	}
	lines := logqueue.New(stderr, func(n uint64) { written.Warn("lines of the log were dropped", "lines", n) })
	defer lines.Close(lastLinesTimeout)
	log := s.logger(lines)
	registry := newRegistry()
	streams := middleware.NewStreams(2 * s.MaxConcurrent) // as many read or are read from as are inside
	connections := middleware.NewConnections(cmp.Or(s.MaxConnections, s.connectionRoom()))
	telemetry.RegisterServing(registry, telemetry.ServingOptions{
		LinesDropped: lines.Dropped, StreamsCut: streams.Cut,
		Connections: connections.Open, ConnectionsClosed: connections.Closed,
	})

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return wrong("listen", "GATEWAY_LISTEN", "cannot be used: %w", err)
	}
	upstreamName := s.baseURL.Redacted()
	if s.demo {
		upstreamName = "demo"
		stopDemo, err := startDemo(ctx, s, log)
		if err != nil {
			return err
		}
		defer stopDemo()
	}
	traces, err := telemetry.NewTraces(ctx, telemetry.TraceOptions{
		Endpoint: s.OTLPEndpoint, TracesEndpoint: s.OTLPTraces, Sample: s.TraceSample, Getenv: getenv,
		Version: programVersion(), Log: log,
	})
	if err != nil {
		return err
	}
	defer closeTraces(ctx, traces, log)
	var draining atomic.Bool
	headers := middleware.NewHeaders(max(headersBytes, 2*int(s.MaxRequestBytes)))
	handler, stop, err := routes(s, registry, traces, headers, &draining, log)
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
	if s.demo {
		log.Info("serving made-up demo calls: set REVOX_API_KEY to see your own")
	}
	log.Info("listening", "url", "http://"+listener.Addr().String()+"/", "upstream", upstreamName)
	server := newServer(s, handler, log)
	headers.Watch(server)
	server.Handler = streams.Wrap(server.Handler)
	connections.Watch(server)
	return serve(ctx, server, headers.Listen(connections.Listen(listener)), &draining, s.DrainDelay, log)
}

// check puts the parts together, which reads the trusted documents, and does no more.
func check(s *settings, stdout io.Writer, log *slog.Logger) error {
	_, stop, err := routes(s, newRegistry(), nil, middleware.NewHeaders(0), new(atomic.Bool), log)
	if err != nil {
		return err
	}
	stop()
	_, err = fmt.Fprintln(stdout, "The settings are valid.")
	return err
}

// closeTraces sends what is left of the traces, within the second that is left until the process is killed.
func closeTraces(ctx context.Context, traces *telemetry.Traces, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := traces.Close(ctx); err != nil {
		log.Warn("the last traces could not be sent", "error", err)
	}
}

// newRegistry has the metrics of the process.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	telemetry.RegisterBuild(registry, programVersion())
	return registry
}
