package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const slowConnections = 1000

// measureSlow opens a thousand connections that send a byte a second: first of a header, then of a body. Where the gateway
// closes one, the next is opened.
func measureSlow(ctx context.Context, o *troubleOptions, t *table) error {
	s, err := o.start(ctx, "GATEWAY_CACHE_TTL=1h")
	if err != nil {
		return err
	}
	defer s.stop()
	pages, err := s.walk(ctx, normalCalls, normalPages, func() bool { return true })
	if err != nil {
		return err
	}
	address, err := url.Parse(s.gateway.url)
	if err != nil {
		return fmt.Errorf("the gateway's address: %w", err)
	}
	var failed []error
	for _, kind := range []struct{ name, start string }{
		{"headers", "POST /graphql HTTP/1.1\r\nHost: localhost\r\nX-Slow: "},
		{"bodies", "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n\r\n"},
	} {
		fmt.Fprintf(&t.text, "\n## Slow %s\n\n%d connections that send a byte a second.\n", kind.name, slowConnections)
		var opened atomic.Int64
		failed = append(failed, s.during(ctx, t, pages, o.siege, func(ctx context.Context) {
			var all sync.WaitGroup
			for range slowConnections {
				all.Go(func() {
					for ctx.Err() == nil {
						opened.Add(1)
						trickle(ctx, address.Host, kind.start)
					}
				})
			}
			all.Wait()
		}))
		t.head("", "")
		t.row("connections opened, since the gateway closed those before", fmt.Sprint(opened.Load()))
	}
	return errors.Join(append(failed, s.gateway.err())...)
}

// trickle opens a connection and sends the start at once and then a byte a second, until it is closed.
func trickle(ctx context.Context, address, start string) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		_ = pass(ctx, time.Second)
		return
	}
	defer func() { _ = conn.Close() }()
	for text := start; ; text = "a" {
		if _, err := conn.Write([]byte(text)); err != nil || pass(ctx, time.Second) != nil {
			return
		}
	}
}
