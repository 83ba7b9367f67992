package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"golang.org/x/net/netutil"

	"revox-graphql/gateway/config"
	"revox-graphql/internal/middleware"
)

// servePprof serves profiles at /debug/pprof/ on a separate loopback address, since they reveal the content of memory.
// stop ends that.
func servePprof(ctx context.Context, address string, log *slog.Logger) (stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, config.Wrong("pprof-listen", "cannot be used: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{
		Handler: middleware.Hosts(middleware.HostOptions{}, mux), ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout: sideIdleTimeout, ErrorLog: errorLog(log),
	}
	go func() { _ = server.Serve(netutil.LimitListener(listener, sideConnections)) }()
	log.Info("serving profiles", "url", "http://"+listener.Addr().String()+"/debug/pprof/")
	return func() { _ = server.Close() }, nil
}
