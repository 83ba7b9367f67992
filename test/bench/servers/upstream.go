package servers

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"revox-graphql/upstream/fake"
)

// Resume serves a stopped upstream again, at the same address.
func (u *Upstream) Resume(ctx context.Context) error {
	address, err := url.Parse(u.URL)
	if err != nil {
		return fmt.Errorf("address of the upstream: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address.Host)
	if err != nil {
		return fmt.Errorf("port of the upstream: %w", err)
	}
	server := &http.Server{Handler: u.Upstream, ReadHeaderTimeout: 5 * time.Second}
	u.Stop = func() { _ = server.Close() }
	go func() { _ = server.Serve(listener) }()
	return nil
}

// Upstream is the fake, served by this process. Its list never changes, so that a response is the same at any time.
type Upstream struct {
	*fake.Upstream
	URL  string // without /call
	Stop func()
}

// GatewayKey is the key that gateways send to the upstream.
const GatewayKey = "bench"

// StartUpstream starts an upstream on a free port. The caller must stop it.
func StartUpstream(ctx context.Context) (*Upstream, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("port of the upstream: %w", err)
	}
	list := NewList()
	server := &http.Server{Handler: list, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return &Upstream{list, "http://" + listener.Addr().String() + "/api", func() { _ = server.Close() }}, nil
}

// NewList returns the fake with a list that never changes.
func NewList() *fake.Upstream {
	return fake.New(fake.Config{
		Seed: 1, Calls: fake.DefaultCalls,
		Now: func() time.Time { return time.Date(2026, time.March, 14, 12, 0, 0, 0, time.UTC) },
	})
}
