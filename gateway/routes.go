package gateway

import (
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"revox-graphql/gateway/config"
	"revox-graphql/gateway/explorer"
	"revox-graphql/gateway/telemetry"
	"revox-graphql/graph/generated"
	"revox-graphql/internal/memory"
	"revox-graphql/internal/middleware"
	"revox-graphql/upstream"
)

// routes wires the engine, the middleware in front of it, and the explorer, and registers their metrics. stop ends
// their background work.
func routes(
	s *config.Settings,
	registry *prometheus.Registry,
	traces *telemetry.Traces,
	draining *atomic.Bool,
	budget *memory.Budget,
	log *slog.Logger,
) (handler http.Handler, stop func(), err error) {
	engine, err := newEngine(s, traces, registry, budget, nil, log)
	if err != nil {
		return nil, nil, err
	}
	requests := telemetry.NewRequests(registry, telemetry.RequestOptions{
		Log: log, Slow: s.SlowRequest, OnlySlow: !s.LogRequests,
	})
	guard, probed := hostGuard(s, false), hostGuard(s, true)
	cors := func(next http.Handler) http.Handler { return middleware.CORS(s.CORSOrigins, next) }
	graphQL := traces.Handler(requests.Wrap(guard(cors(middleware.CrossSite(s.CORSOrigins, engine.graphQL)))))
	ready := &readiness{
		draining: draining, failing: engine.client.BreakerOpen, client: engine.client,
		credential: func() upstream.Credential { return s.Key.Current(log) }, forward: s.Forward,
	}
	mux, pages := http.NewServeMux(), guard(explorer.Handler())
	endpoint := explorer.Browsers(graphQL)
	mux.Handle(middleware.GraphQL, endpoint)
	mux.Handle(middleware.GraphQL+"/{$}", endpoint) // redirecting would lose clients that do not follow a POST
	mux.Handle("/graphiql", middleware.ReadOnly(guard(explorer.Redirect())))
	mux.Handle("/graphiql/{$}", middleware.ReadOnly(guard(explorer.Redirect())))
	mux.Handle("/schema.graphqls", guard(cors(middleware.ReadOnly(text(generated.SDL())))))
	mux.Handle("/healthz", middleware.ReadOnly(probed(text("ok\n"))))
	mux.Handle("/readyz", middleware.ReadOnly(probed(ready)))
	if s.MetricsListen == "" {
		mux.Handle("/metrics", middleware.ReadOnly(guard(publicMetrics(registry))))
	}
	mux.Handle("/{$}", middleware.ReadOnly(pages))
	mux.Handle("/", pages)
	return middleware.RequestID(closing(draining, mux)), engine.stop, nil
}

// hostGuard returns the middleware that checks the Host header. On loopback it always does, because a page of another
// origin can reach that address under a name of its own (DNS rebinding); elsewhere the operator decides. Probes may
// omit the header.
func hostGuard(s *config.Settings, probed bool) func(http.Handler) http.Handler {
	local := config.Loopback(s.Host)
	names := s.Hosts
	if s.Host != "" {
		names = append(slices.Clone(names), s.Host)
	}
	return func(next http.Handler) http.Handler {
		if !local && len(s.Hosts) == 0 {
			return next
		}
		return middleware.Hosts(middleware.HostOptions{Names: names, Addresses: !local, Unnamed: probed}, next)
	}
}

// text serves a fixed text.
func text(content string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, content)
	})
}
