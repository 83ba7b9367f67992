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
	slowLimit       = 500 // fewer, or slow ones could take them and some would be left
	slowPipelined   = 20  // answers that a slow reader asks for at once: more than the system takes for a connection
)

// slowly is a way to be slow: what is sent at once, and what then happens to a byte in each second.
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
	question := slowRequest()
	asked := fmt.Sprintf(post+"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(question), question)
	return []slowKind{
		{"headers", post + "X-Slow: ", write},
		{"bodies", post + "Content-Type: application/json\r\nContent-Length: 200000\r\n\r\n", write},
		{"readers", strings.Repeat(asked, slowPipelined), read},
	}
}

// slowQuestion is what slow readers ask: the largest answer that there usually is.
func slowRequest() []byte {
	return load.EncodeRequest(fmt.Sprintf("{ calls(first: 100) { nodes { %s } } }", load.TranscriptFields), nil)
}

// measureSlow opens a thousand connections that send a byte a second, first of a header, then of a body, or read one of
// an answer. Where the gateway closes one, the next is opened.
func (o *options) measureSlow(ctx context.Context, t *report.Table) error {
	s, pages, err := load.StartTargetWithPages(ctx, o.Gateway, load.NormalCalls, load.NormalPages, "GATEWAY_CACHE_TTL=1h", fmt.Sprintf("GATEWAY_MAX_CONCURRENT_REQUESTS=%d", slowLimit))
	if err != nil {
		return err
	}
	defer s.Stop()
	// What slow readers ask is remembered: it is not their asking that is measured, but their reading.
	if _, err := load.Post(ctx, s.Client, s.Gateway.URL+"graphql", slowRequest()); err != nil {
		return errors.Join(err, s.Gateway.Err())
	}
	address, err := url.Parse(s.Gateway.URL)
	if err != nil {
		return fmt.Errorf("the gateway's address: %w", err)
	}
	var failed []error
	for _, way := range slowKinds() {
		t.Printf("\n## Slow %s\n\n%d connections, a byte a second; places for %d requests.\n", way.name, slowConnections, slowLimit)
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
		t.Row("connections opened, since the gateway closed those before", fmt.Sprint(opened.Load()))
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
	go func() { _, _ = conn.Write([]byte(way.start)) }() // a reader's is more than is taken at once; closing ends it
	for servers.Sleep(ctx, time.Second) == nil && way.step(conn) == nil {
	}
}
