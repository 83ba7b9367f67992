package gateway

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"revox-graphql/gateway/config"
	"revox-graphql/upstream/fake"
)

// startDemo serves the demo upstream on a loopback port, and makes it the upstream: requests reach the demo over HTTP,
// like the real upstream. stop stops it.
func startDemo(ctx context.Context, s *config.Settings, log *slog.Logger) (stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the demo upstream cannot listen: %w", err)
	}
	demo := fake.New(fake.Config{Seed: 1, Calls: fake.DefaultCalls})
	server := &http.Server{Handler: demo, ReadHeaderTimeout: 5 * time.Second, ErrorLog: errorLog(log)}
	s.BaseURL = &url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/api"}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it serves until the gateway has drained
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
