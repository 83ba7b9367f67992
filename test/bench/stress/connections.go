package stress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/servers"
)

// reopen is the delay before a closed connection is replaced.
const reopen = 100 * time.Millisecond

// smallRequest returns a request whose response is smaller than 16 kB and in memory.
func smallRequest() []byte {
	return load.EncodeRequest("{ calls(first: 20) { nodes { id status } } }", nil)
}

// http2Client is a hostile client of HTTP/2.
type http2Client struct {
	conn   net.Conn
	framer *http2.Framer
	next   uint32 // the next stream
	block  bytes.Buffer
	coder  *hpack.Encoder
}

// newHTTP2Client starts HTTP/2 on a connection. It reads and discards what the gateway sends. The returned channel is
// closed when the connection ends.
func newHTTP2Client(conn net.Conn, settings ...http2.Setting) (*http2Client, <-chan struct{}, error) {
	c := &http2Client{conn: conn, framer: http2.NewFramer(conn, conn), next: 1}
	c.coder = hpack.NewEncoder(&c.block)
	_ = conn.SetWriteDeadline(time.Now().Add(time.Minute))
	_, err := io.WriteString(conn, http2.ClientPreface)
	if err == nil {
		err = c.framer.WriteSettings(settings...)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, err := c.framer.ReadFrame(); err != nil {
				return
			}
		}
	}()
	return c, ended, err
}

// open opens a stream with a request, which has a body if it is a POST.
func (c *http2Client) open(method, path string, body []byte) (stream uint32, err error) {
	stream, c.next = c.next, c.next+2
	c.block.Reset()
	for _, field := range [][2]string{
		{":method", method},
		{":scheme", "http"},
		{":authority", "localhost"},
		{":path", path},
		{"content-type", "application/json"},
	} {
		_ = c.coder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	err = c.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: c.block.Bytes(), EndStream: len(body) == 0, EndHeaders: true,
	})
	if err == nil && len(body) > 0 {
		err = c.framer.WriteData(stream, true, body)
	}
	return stream, err
}

// loadWindows opens 100 connections with 120 streams each, and grants no window for their responses.
func loadWindows(ctx context.Context, s *target) error {
	const connections, streams = 100, 120
	payload := smallRequest()
	opened := s.connections(ctx, connections, reopen, func(ctx context.Context, conn net.Conn) error {
		c, ended, err := newHTTP2Client(conn, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		for range streams {
			if err == nil {
				_, err = c.open(http.MethodPost, "/graphql", payload)
			}
		}
		if err != nil {
			return err
		}
		select {
		case <-ended:
		case <-ctx.Done():
		}
		return nil
	})
	s.note("%d connections opened", opened)
	return nil
}

// loadResets opens streams and resets each at once.
func loadResets(ctx context.Context, s *target) error {
	const connections = 8 // with 100 requests each, fewer than the limit of concurrent requests
	payload := smallRequest()
	var streams atomic.Int64
	opened := s.connections(ctx, connections, reopen, func(ctx context.Context, conn net.Conn) error {
		c, ended, err := newHTTP2Client(conn)
		for err == nil {
			var stream uint32
			if stream, err = c.open(http.MethodPost, "/graphql", payload); err == nil {
				err = c.framer.WriteRSTStream(stream, http2.ErrCodeCancel)
			}
			if streams.Add(1); s.gap > 0 {
				err = errors.Join(err, servers.Sleep(ctx, s.gap))
			}
			select {
			case <-ended:
				return io.EOF
			default:
			}
		}
		return err
	})
	s.note("%d streams over %d connections", streams.Load(), opened)
	return nil
}

// loadContinuation begins headers over HTTP/2 and never ends them. Half of the connections send empty frames as fast as
// the gateway reads them, the others one byte per second.
func loadContinuation(ctx context.Context, s *target) error {
	const connections = 50
	var turn, frames atomic.Int64
	opened := s.connections(ctx, connections, reopen, func(ctx context.Context, conn net.Conn) error {
		c, ended, err := newHTTP2Client(conn)
		slow := turn.Add(1)%2 == 0
		if err == nil {
			err = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
		}
		for err == nil {
			var part []byte
			if slow {
				err = servers.Sleep(ctx, time.Second)
				part = []byte{0x86}
			} else if s.gap > 0 {
				err = servers.Sleep(ctx, s.gap)
			}
			if err == nil {
				err = c.framer.WriteContinuation(1, false, part)
				frames.Add(1)
			}
			select {
			case <-ended:
				return io.EOF
			default:
			}
		}
		return err
	})
	s.note("%d frames over %d connections", frames.Load(), opened)
	return nil
}

// loadPipelined sends 300 requests in a row over each connection, reads no response, and keeps the connection open.
func loadPipelined(ctx context.Context, s *target) error {
	const connections, inRow = 200, 300
	payload := smallRequest()
	request := fmt.Appendf(nil, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n%s", len(payload), payload)
	requests := bytes.Repeat(request, inRow)
	opened := s.connections(ctx, connections, time.Second, func(ctx context.Context, conn net.Conn) error {
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10) // made by the dialer
		if _, err := conn.Write(requests); err != nil {
			return err
		}
		return untilClosed(ctx, conn)
	})
	s.note("%d connections opened", opened)
	return nil
}

// untilClosed waits until a connection is closed, without reading from it.
func untilClosed(ctx context.Context, conn net.Conn) error {
	for {
		if err := servers.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if _, err := conn.Write([]byte("P")); err != nil { // the first byte of another request
			return err
		}
	}
}

// loadSlow opens a thousand slow connections of all kinds.
func loadSlow(ctx context.Context, s *target) error {
	ways := slowKinds()
	var turn atomic.Int64
	opened := s.connections(ctx, slowConnections, reopen, func(ctx context.Context, conn net.Conn) error {
		way := ways[int(turn.Add(1))%len(ways)]
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10) // made by the dialer
		go func() { _, _ = io.Copy(conn, strings.NewReader(way.start)) }()
		for servers.Sleep(ctx, time.Second) == nil {
			if err := way.step(conn); err != nil {
				return err
			}
		}
		return nil
	})
	s.note("%d connections opened", opened)
	return nil
}

// loadFiles keeps a thousand idle connections, more than the gateway may have open files. It opens them within one
// second, and replaces each closed one after five seconds. The gateway closes the connection that has been idle
// longest: if loadFiles opened more, that would be the normal client's connection before its first request.
func loadFiles(ctx context.Context, s *target) error {
	const connections = 1000
	opened := s.connections(ctx, connections, 5*time.Second, func(_ context.Context, conn net.Conn) error {
		_, err := conn.Read(make([]byte, 1)) // until it is closed
		return err
	})
	s.note("%d connections opened", opened)
	return nil
}

// loadLog stops reading the gateway's log, and closes it after half of the time.
func loadLog(ctx context.Context, s *target) error {
	deadline, _ := ctx.Deadline()
	half, cancel := context.WithDeadline(ctx, time.Now().Add(time.Until(deadline)/2))
	defer cancel()
	closeLog := s.Gateway.HoldLog()
	defer closeLog()
	var t outcomes
	send := func(client *http.Client, _, turn int) error {
		name := fmt.Sprintf("query Q%d", turn) + strings.Repeat("x", 100)
		payload := load.EncodeRequest(name+" { calls(first: 5) { nodes { id } } }", nil)
		return t.add(ctx, s.send(ctx, client, request{body: payload}))
	}
	s.each(half, 4, send)
	closeLog()
	s.each(ctx, 4, send)
	s.note("%s", &t)
	return t.cut
}
