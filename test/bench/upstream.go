package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"revox-graphql/upstream/fake"
	"time"
)

// resume serves an upstream that was stopped once more, at the same address.
func (u *upstream) resume(ctx context.Context) error {
	address, err := url.Parse(u.url)
	if err != nil {
		return fmt.Errorf("the upstream's address: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address.Host)
	if err != nil {
		return fmt.Errorf("the upstream's port is taken: %w", err)
	}
	server := &http.Server{Handler: u.Upstream, ReadHeaderTimeout: 5 * time.Second}
	u.stop = func() { _ = server.Close() }
	go func() { _ = server.Serve(listener) }()
	return nil
}

// upstream is the fake, served by this process. Its list stands still, so that an answer is the same at any time.
type upstream struct {
	*fake.Upstream
	url  string // without /call
	stop func()
}

// gatewayKey is the key with which the gateways come to the upstream.
const gatewayKey = "bench"

func startUpstream(ctx context.Context) (*upstream, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the upstream finds no port: %w", err)
	}
	list := newList()
	server := &http.Server{Handler: list, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return &upstream{list, "http://" + listener.Addr().String() + "/api", func() { _ = server.Close() }}, nil
}

// newList returns the fake with a list that never changes, so that a response is the same at any time.
func newList() *fake.Upstream {
	return fake.New(fake.Config{
		Seed: 1, Calls: fake.DefaultCalls,
		Now: func() time.Time { return time.Date(2026, time.March, 14, 12, 0, 0, 0, time.UTC) },
	})
}
