package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"revox-graphql/gateway/config"
	"revox-graphql/internal/middleware"
)

const (
	// scrapeTimeout is how long reading the metrics may take; Prometheus gives up after 10 s by default.
	scrapeTimeout = 10 * time.Second
	// sideConnections is how many connections each separate address may have: that of metrics, and that of profiles.
	sideConnections = 16
	// sideIdleTimeout is how long such a connection may be idle.
	sideIdleTimeout = 2 * time.Minute
)

// publicMetrics serves the metrics on the public address. Collecting them costs more than a cached response, so only
// one client at a time gets them; others get 503.
func publicMetrics(registry *prometheus.Registry) http.Handler {
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 1})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(scrapeTimeout))
		metrics.ServeHTTP(w, r)
	})
}

// serveMetrics serves the metrics on a separate address, until stop is called.
func serveMetrics(
	ctx context.Context, address string, registry *prometheus.Registry, log *slog.Logger,
) (stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, config.Wrong("metrics-listen", "cannot be used: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", middleware.ReadOnly(promhttp.HandlerFor(registry, promhttp.HandlerOpts{})))
	server := &http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: scrapeTimeout, IdleTimeout: sideIdleTimeout,
		ErrorLog: errorLog(log),
	}
	if host, _, _ := net.SplitHostPort(address); config.Loopback(host) {
		server.Handler = middleware.Hosts(middleware.HostOptions{}, mux)
	}
	go func() { _ = server.Serve(netutil.LimitListener(listener, sideConnections)) }()
	log.Info("serving metrics", "url", "http://"+listener.Addr().String()+"/metrics")
	return func() { _ = server.Close() }, nil
}
