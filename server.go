// Revox-graphql is a GraphQL gateway over the REST endpoint with which Revox lists calls.
package main

//go:generate go tool gqlgen generate

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"revox-graphql/explorer"
	"revox-graphql/graph"
	"revox-graphql/metrics"
	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/pagecache"
)

//go:embed schema.graphqls
var schema string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "revox-graphql:", err)
		os.Exit(1)
	}
}

// drainTimeout is how long requests under way may take to finish after the signal to stop: a little less than the 10 s
// and 30 s after which Docker and Kubernetes kill.
const drainTimeout = 8 * time.Second

// run is the program: it serves until ctx is done, then lets the requests under way finish.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	s, err := parseSettings(args, getenv, stdout)
	if errors.Is(err, errHelp) {
		return nil
	} else if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return wrong("listen", "GATEWAY_LISTEN", "cannot be used: %w", err)
	}
	upstreamName := s.baseURL.Redacted()
	if s.demo {
		upstreamName = "demo"
		stopDemo, err := startDemo(ctx, s)
		if err != nil {
			return err
		}
		defer stopDemo()
	}
	handler, stop, err := routes(s, log)
	if err != nil {
		return err
	}
	defer stop()
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      s.UpstreamTimeout + 30*time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	if s.demo {
		log.Info("serving made-up demo calls: set REVOX_API_KEY to see your own")
	}
	log.Info("listening", "url", "http://"+listener.Addr().String()+"/", "upstream", upstreamName)
	return serve(ctx, server, listener, log)
}

// serve serves until ctx is done, and then drains.
func serve(ctx context.Context, server *http.Server, listener net.Listener, log *slog.Logger) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping: requests under way may finish", "within", drainTimeout.String())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests under way were cut off: %w", err)
	}
	return nil
}

// routes wires the parts together: client, cache, GraphQL, explorer. What they do in the background ends with stop.
func routes(s *settings, log *slog.Logger) (handler http.Handler, stop func(), err error) {
	forward := s.Credentials == "forward"
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	clientOptions := upstream.ClientOptions{
		BaseURL:        s.baseURL,
		StatusesFormat: upstream.StatusesFormat(s.UpstreamStatuses),
		FirstPage:      s.firstPage,
		CheckStatuses:  true,
		AttemptTimeout: s.UpstreamAttempt,
		MaxConcurrent:  s.UpstreamConcurrent,
		MaxWaiting:     s.UpstreamQueue,
		Observer:       metrics.NewUpstream(registry, log),
	}
	cacheOptions := pagecache.Options{
		TTL: s.CacheTTL, Stale: s.CacheStale, MaxBytes: int(s.CacheBytes), Timeout: s.UpstreamTimeout,
		Failing: func(tenant upstream.Tenant, err error) {
			if err != nil {
				log.Warn("upstream is failing: serving the pages in memory", "tenant", tenant.String(), "error", err)
			} else {
				log.Info("upstream answers again: its pages are fresh", "tenant", tenant.String())
			}
		},
	}
	if forward {
		clientOptions.MaxTenantConcurrent = max(1, s.UpstreamConcurrent/2)
		cacheOptions.MaxTenantBytes = int(s.CacheTenantBytes)
	}
	client := upstream.NewClient(clientOptions)
	cache := pagecache.New(client, cacheOptions)
	metrics.RegisterCache(registry, cache.Stats)
	stop = func() {
		cache.Close()
		client.Close()
	}
	gateway, err := graph.NewHandler(graph.Options{
		Calls:         cache,
		Known:         cache,
		Cached:        s.CacheTTL > 0,
		AnswerBytes:   int(s.AnswerBytes),
		PageSize:      s.UpstreamPageSize,
		MaxCount:      s.MaxPageSize,
		MaxShift:      s.MaxShift,
		MaxScan:       s.MaxScanPages,
		Timeout:       s.UpstreamTimeout,
		MaxRequests:   s.UpstreamRequests,
		Credential:    s.apiKey,
		Forward:       forward,
		Tokens:        s.Tokens,
		Introspection: s.Introspection,
		Demo:          s.demo,
		Log:           log,
		Limits: graph.Limits{
			RequestBytes: int(s.MaxRequestBytes),
			Tokens:       s.MaxTokens,
			Depth:        s.MaxDepth,
			Aliases:      s.MaxAliases,
			RootFields:   s.MaxRootFields,
			Cost:         s.MaxCost,
			AnswerBytes:  int(s.MaxAnswerBytes),
		},
		PersistedBytes:   int(s.APQBytes),
		TrustedDocuments: s.TrustedDocuments,
	})
	if err != nil { // the one thing that it reads is the manifest
		stop()
		return nil, nil, wrong("trusted-documents", "GATEWAY_TRUSTED_DOCUMENTS", "cannot be used: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", gateway)
	mux.HandleFunc("GET /schema.graphqls", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, schema)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/", explorer.Handler())
	return mux, stop, nil
}

// startDemo serves the demo upstream on a port of its own on loopback, and makes it the upstream: the demo takes the
// real path, over HTTP. The function that it returns stops it.
func startDemo(ctx context.Context, s *settings) (stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the demo upstream finds no port: %w", err)
	}
	demo := fake.New(fake.Config{Seed: 1, Calls: fake.DefaultCalls})
	server := &http.Server{Handler: demo, ReadHeaderTimeout: 5 * time.Second}
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
