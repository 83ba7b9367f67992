package stress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/report"
	"revox-graphql/test/bench/servers"
)

const (
	slowConnections = 1000
	slowLimit       = 500 // fewer than the slow connections, which could occupy all of them
	slowPipelined   = 20  // responses that a slow reader requests at once: more than fit in the buffers of a connection
)

// slowKind is a kind of slow connection: what it sends first, and what it does once per second after that.
type slowKind struct {
	name, start string
	step        func(net.Conn) error
}

func slowKinds() []slowKind {
	write := func(conn net.Conn) error {
		_, err := conn.Write([]byte("a"))
		return err
	}
	read := func(conn net.Conn) error {
		_, err := conn.Read(make([]byte, 1))
		return err
	}
	const post = "POST /graphql HTTP/1.1\r\nHost: localhost\r\n"
	payload := slowRequest()
	whole := fmt.Sprintf(post+"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(payload), payload)
	return []slowKind{
		{"headers", post + "X-Slow: ", write},
		{"bodies", post + "Content-Type: application/json\r\nContent-Length: 200000\r\n\r\n", write},
		{"readers", strings.Repeat(whole, slowPipelined), read},
	}
}

// slowRequest returns the request of slow readers, for the largest usual response.
func slowRequest() []byte {
	return load.TranscriptsRequest(100)
}

// measureSlow opens a thousand slow connections of each kind in turn: they send one byte of a header per second, or of
// a body, or read one byte of a response. It replaces each connection that the gateway closes.
func (o *options) measureSlow(ctx context.Context, t *report.Table) error {
	s, pages, err := load.StartTargetWithPages(ctx, o.Gateway, load.NormalCalls, load.NormalPages,
		"GATEWAY_CACHE_TTL=1h", fmt.Sprintf("GATEWAY_MAX_CONCURRENT_REQUESTS=%d", slowLimit))
	if err != nil {
		return err
	}
	defer s.Stop()
	// The response of slow readers is cached: their reading is measured, not their requests.
	if _, err := load.Post(ctx, s.Client, s.Gateway.URL+"graphql", slowRequest()); err != nil {
		return errors.Join(err, s.Gateway.Err())
	}
	address, err := url.Parse(s.Gateway.URL)
	if err != nil {
		return fmt.Errorf("address of the gateway: %w", err)
	}
	var failed []error
	for _, way := range slowKinds() {
		t.Printf("\n## Slow %s\n\n%d connections with one byte per second; at most %d concurrent requests.\n",
			way.name, slowConnections, slowLimit)
		var opened atomic.Int64
		failed = append(failed, s.During(ctx, t, pages, o.duration, func(ctx context.Context) {
			var all sync.WaitGroup
			for range slowConnections {
				all.Go(func() {
					for ctx.Err() == nil {
						opened.Add(1)
						trickle(ctx, address.Host, way)
					}
				})
			}
			all.Wait()
		}))
		t.Head("", "")
		t.Row("connections opened, since the gateway closed earlier ones", fmt.Sprint(opened.Load()))
	}
	return errors.Join(append(failed, s.Gateway.Err())...)
}

// trickle opens a connection and is slow on it, until it is closed.
func trickle(ctx context.Context, address string, way slowKind) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		_ = servers.Sleep(ctx, time.Second)
		return
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	go func() { _, _ = conn.Write([]byte(way.start)) }() // a reader's does not fit in the buffers
	for servers.Sleep(ctx, time.Second) == nil && way.step(conn) == nil {
	}
}
