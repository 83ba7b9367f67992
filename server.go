// Revox-graphql is a GraphQL gateway over the REST endpoint with which Revox lists calls.
package main

//go:generate go tool gqlgen generate

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"revox-graphql/door"
	"revox-graphql/explorer"
	"revox-graphql/export"
	"revox-graphql/graph"
	"revox-graphql/internal/logqueue"
	"revox-graphql/telemetry"
	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/pagecache"
)

//go:embed schema.graphqls
var schema string

// version may be set by the linker: -ldflags "-X main.version=v1.2.3". Else it is what Go has noted in the binary.
var version string

func main() {
	err := run(untilSignal(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	if err != nil {
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
		os.Exit(exitStatus(err))
	}
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

// drainTimeout is how long requests under way may take to finish after the signal to stop: a little less than the 10 s
// and 30 s after which Docker and Kubernetes kill.
const drainTimeout = 8 * time.Second

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
	streams := door.NewStreams(2 * s.MaxConcurrent) // as many read or are read from as are inside
	connections := door.NewConnections(cmp.Or(s.MaxConnections, s.connectionRoom()))
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
	headers := door.NewHeaders(max(headersBytes, 2*int(s.MaxRequestBytes)))
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
	_, stop, err := routes(s, newRegistry(), nil, door.NewHeaders(0), new(atomic.Bool), log)
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

// headerBytes are for what a request has beside the query string of a GET: its header fields.
const headerBytes = 16 << 10

// maxStreams is how many requests one connection may have open over HTTP/2: RFC 9113 §6.5.2 recommends no fewer than
// 100.
const maxStreams = 100

// newServer speaks HTTP/1.1, and HTTP/2 in the clear as proxies do that end TLS. Every wait for a client has an end: 5
// seconds for headers, 15 for all of a request, and as long as it is set between two requests. A first request must
// begin within 5 seconds too.
func newServer(s *settings, handler http.Handler, log *slog.Logger) *http.Server {
	server := &http.Server{
		Handler:           handler,
		Protocols:         new(http.Protocols),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      s.UpstreamTimeout + 30*time.Second,
		IdleTimeout:       s.IdleTimeout,
		MaxHeaderBytes:    int(s.MaxRequestBytes) + headerBytes,
		ErrorLog:          errorLog(log),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, WriteByteTimeout: 30 * time.Second},
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	return server
}

// errorLog is for net/http, which else writes to standard error, and waits for whoever reads that.
func errorLog(log *slog.Logger) *stdlog.Logger {
	return slog.NewLogLogger(log.Handler(), slog.LevelWarn)
}

// serve serves until ctx is done, and then drains: it goes on for the delay, in which balancers see that it is not
// ready, takes no more connections, and lets the requests under way finish.
func serve(ctx context.Context, server *http.Server, listener net.Listener, draining *atomic.Bool, delay time.Duration, log *slog.Logger) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	draining.Store(true)
	if delay > 0 {
		log.Info("stopping: not ready any more, and accepting requests for a while yet; another signal ends that at once",
			"for", delay.String())
		select {
		case err := <-failed:
			return err
		case <-time.After(delay):
		}
	}
	log.Info("stopping: requests under way may finish", "within", drainTimeout.String())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests under way were cut off: %w", err)
	}
	return nil
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

// routes wires the parts together: the engine, the door before it, explorer. What they do in the background ends with
// stop. What they count is in the registry.
func routes(
	s *settings, registry *prometheus.Registry, traces *telemetry.Traces, headers *door.Headers, draining *atomic.Bool,
	log *slog.Logger,
) (handler http.Handler, stop func(), err error) {
	engine, err := newEngine(s, traces, registry, log)
	if err != nil {
		return nil, nil, err
	}
	requests := telemetry.NewRequests(registry, telemetry.RequestOptions{
		Log: log, Slow: s.SlowRequest, OnlySlow: !s.LogRequests,
		Inside: engine.capacity.Inside, Shed: engine.capacity.Shed, Headers: headers.Refused,
	})
	guard, probed := hostGuard(s, false), hostGuard(s, true)
	cors := func(next http.Handler) http.Handler { return door.CORS(s.CORSOrigins, next) }
	graphQL := traces.Handler(requests.Wrap(guard(cors(door.CrossSite(s.CORSOrigins, engine.graphQL)))))
	ready := &readiness{
		draining: draining, failing: engine.observer.Failing, client: engine.client,
		credential: s.apiKey, forward: s.Credentials == "forward",
	}
	mux, pages := http.NewServeMux(), guard(explorer.Handler())
	mux.Handle(door.GraphQL, graphQL)
	mux.Handle(door.GraphQL+"/{$}", graphQL) // redirecting would lose clients that do not follow a POST
	mux.Handle("/schema.graphqls", guard(cors(door.ReadOnly(text(schema)))))
	mux.Handle("/healthz", door.ReadOnly(probed(text("ok\n"))))
	mux.Handle("/readyz", door.ReadOnly(probed(ready)))
	if s.MetricsListen == "" {
		mux.Handle("/metrics", door.ReadOnly(guard(publicMetrics(registry))))
	}
	mux.Handle("/{$}", door.ReadOnly(pages))
	mux.Handle("/", pages)
	return door.RequestID(closing(draining, mux)), engine.stop, nil
}

// engine is what answers GraphQL: the client, the cache over it, and GraphQL over that.
type engine struct {
	graphQL  http.Handler
	client   *upstream.Client
	observer *telemetry.Upstream
	capacity *graph.Capacity
	stop     func() // ends what it does in the background
}

// refreshInterval is how long requests with `Cache-Control: no-cache` share what was read for one of them.
const refreshInterval = time.Second

// maxWaiters is how many GraphQL requests may wait for upstream: as many as can wait there, but a quarter of those that
// may be under way at once is left for what pages in memory answer.
func (s *settings) maxWaiters() int {
	return min(s.UpstreamConcurrent+s.UpstreamQueue, s.MaxConcurrent-s.MaxConcurrent/4)
}

// newEngine wires the engine. What it counts is in the registry.
func newEngine(s *settings, traces *telemetry.Traces, registry *prometheus.Registry, log *slog.Logger) (*engine, error) {
	forward := s.Credentials == "forward"
	telemetry.LogLibraries(log) // what net/http says of upstream
	observer := telemetry.NewUpstream(registry, log)
	clientOptions := upstream.ClientOptions{
		BaseURL:        s.baseURL,
		UserAgent:      "revox-graphql/" + strings.Trim(programVersion(), "()"), // parentheses would be a comment there
		StatusesFormat: upstream.StatusesFormat(s.UpstreamStatuses),
		FirstPage:      s.firstPage,
		CheckStatuses:  true,
		AttemptTimeout: s.UpstreamAttempt,
		MaxConcurrent:  s.UpstreamConcurrent,
		MaxWaiting:     s.UpstreamQueue,
		Observer:       observer,
		Wrap:           traces.Transport,
	}
	cacheOptions := pagecache.Options{
		TTL: s.CacheTTL, Revalidate: s.CacheRevalidate.or(s.CacheTTL), Stale: s.CacheStale, MaxBytes: int(s.CacheBytes),
		Patience: s.UpstreamAttempt, Timeout: s.UpstreamTimeout, MaxWaiters: s.maxWaiters(),
		Failing: func(tenant upstream.Tenant, err error) {
			if err != nil {
				log.Warn("upstream is failing: answers come from memory and say how old they are",
					"tenant", tenant.String(), "error", err)
			} else {
				log.Info("upstream answers again: its pages are fresh", "tenant", tenant.String())
			}
		},
	}
	if forward {
		clientOptions.MaxTenantConcurrent, clientOptions.AnyKey = max(1, s.UpstreamConcurrent/2), true
		cacheOptions.MaxTenantBytes = int(s.CacheTenantBytes)
	}
	client := upstream.NewClient(clientOptions)
	if forward {
		cacheOptions.Proven = client.Proven
	}
	cache := pagecache.New(client, cacheOptions)
	telemetry.RegisterCache(registry, cache.Stats)
	telemetry.RegisterClient(registry, client.Load)
	stop := func() {
		cache.Close()
		client.Close()
	}
	// Bodies of a few kilobytes are not counted, so a quarter of the requests may have the largest body there is.
	capacity := graph.NewCapacity(s.MaxConcurrent, max(1, s.MaxConcurrent/4)*int(s.MaxRequestBytes), writingBytes)
	graphQL, err := graph.NewHandler(graph.Options{
		Calls:           cache,
		Known:           cache,
		Cached:          s.CacheTTL > 0,
		AnswerBytes:     int(s.AnswerBytes),
		PageSize:        s.UpstreamPageSize,
		MaxCount:        s.MaxPageSize,
		MaxShift:        s.MaxShift,
		MaxScan:         s.MaxScanPages,
		Timeout:         s.UpstreamTimeout,
		MaxRequests:     s.UpstreamRequests,
		RefreshInterval: refreshInterval,
		Credential:      s.apiKey,
		Forward:         forward,
		Tokens:          s.Tokens,
		TokensFile:      s.tokensFile,
		Introspection:   s.Introspection,
		Demo:            s.demo,
		Log:             log,
		Limits: graph.Limits{
			RequestBytes: int(s.MaxRequestBytes),
			Tokens:       s.MaxTokens,
			Depth:        s.MaxDepth,
			Aliases:      s.MaxAliases,
			RootFields:   s.MaxRootFields,
			Cost:         s.MaxCost,
			AnswerBytes:  int(s.MaxAnswerBytes),
		},
		Capacity:         capacity,
		PersistedBytes:   int(s.APQBytes),
		TrustedDocuments: s.TrustedDocuments,
	})
	if err != nil { // the one thing that it reads is the manifest
		stop()
		err = wrong("trusted-documents", "GATEWAY_TRUSTED_DOCUMENTS", "cannot be used: %w", err)
		return nil, &export.UsageError{Err: err}
	}
	return &engine{graphQL, client, observer, capacity, stop}, nil
}

// closing ends connections with the answers that are given while the gateway drains, so that whoever asks opens the
// next one elsewhere. Closing them at the end instead would cross with requests that are on their way, which proxies do
// not all repeat. Over HTTP/2 net/http makes a GOAWAY of it.
func closing(draining *atomic.Bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// hostGuard is for who listens on loopback, where all that a foreign page lacks is a name; elsewhere the operator
// decides. Probes may name no host.
func hostGuard(s *settings, probed bool) func(http.Handler) http.Handler {
	local := loopback(s.host)
	names := s.Hosts
	if s.host != "" {
		names = append(slices.Clone(names), s.host)
	}
	return func(next http.Handler) http.Handler {
		if !local && len(s.Hosts) == 0 {
			return next
		}
		return door.Hosts(door.HostOptions{Names: names, Addresses: !local, Unnamed: probed}, next)
	}
}

// text serves a fixed text.
func text(content string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, content)
	})
}

// startDemo serves the demo upstream on a port of its own on loopback, and makes it the upstream: the demo takes the
// real path, over HTTP. The function that it returns stops it.
func startDemo(ctx context.Context, s *settings, log *slog.Logger) (stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the demo upstream finds no port: %w", err)
	}
	demo := fake.New(fake.Config{Seed: 1, Calls: fake.DefaultCalls})
	server := &http.Server{Handler: demo, ReadHeaderTimeout: 5 * time.Second, ErrorLog: errorLog(log)}
	s.baseURL = &url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/api"}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it answers until the gateway has drained
	done := make(chan struct{})
	go func() {
		defer close(done)
		if s.DemoCallsPerMinute > 0 {
			demo.Run(ctx, s.DemoCallsPerMinute)
		}
	}()
	go func() { _ = server.Serve(listener) }()
	return func() {
		cancel()
		_ = server.Close()
		<-done
	}, nil
}
