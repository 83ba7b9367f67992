package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"revox-graphql/internal/slowclient"
)

// simulated is a gateway with one client, in the time of a test.
type simulated struct {
	client  net.Conn
	closed  chan time.Time // when the gateway has closed the client's connection
	log     *bytes.Buffer
	stop    context.CancelFunc
	stopped chan end
}

// end is how a gateway has ended.
type end struct {
	err error
	at  time.Time
}

// startSimulated starts a gateway, which ends with the test.
func startSimulated(t *testing.T, settings ...string) *simulated {
	t.Helper()
	env := map[string]string{"REVOX_API_KEY": "key", "GATEWAY_LOG_FORMAT": "json", "GATEWAY_UPSTREAM_TIMEOUT": "1m"}
	for pair := range slices.Chunk(settings, 2) {
		env[pair[0]] = pair[1]
	}
	s, err := parse(env)
	if err != nil {
		t.Fatal(err)
	}
	p := &simulated{closed: make(chan time.Time, 1), log: &bytes.Buffer{}, stopped: make(chan end, 1)}
	log := s.Logger(p.log)
	var draining atomic.Bool
	bounds := newBounds(s, nil)
	handler, stop, err := routes(s, newRegistry(), nil, &draining, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(s, bounds.streams.Wrap(handler), log)
	bounds.watch(server)
	watched := server.ConnState
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		watched(conn, state)
		if state == http.StateClosed {
			p.closed <- time.Now()
		}
	}
	listener := &pipes{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	var theirs net.Conn
	p.client, theirs = net.Pipe()
	listener.conns <- theirs
	ctx, cancel := context.WithCancel(t.Context())
	p.stop = cancel
	go func() {
		err := serve(ctx, server, bounds.listen(listener), &draining, 0, log)
		p.stopped <- end{err, time.Now()}
	}()
	t.Cleanup(func() {
		cancel()
		_ = p.client.Close()
		_ = server.Close()
		stop()
	})
	return p
}

// introspection causes no request to upstream, and its response has more than 50 kB.
const introspection = "{__schema{types{name description fields{name description args{name description}} " +
	"enumValues{name description} inputFields{name description}}}}"

// ask sends a request, and returns the header of the response and what comes after it.
func (p *simulated) ask(t *testing.T, path string) io.Reader {
	t.Helper()
	_, err := fmt.Fprintf(p.client, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", strings.ReplaceAll(path, " ", "%20"))
	if err != nil {
		t.Fatal(err)
	}
	return p.client
}

// line is the one line of the log about a request.
func (p *simulated) line(t *testing.T) map[string]any {
	t.Helper()
	lines := requestLines(t, p.log.String())
	if len(lines) != 1 {
		t.Fatalf("log: %s", p.log)
	}
	return lines[0]
}

// A client that does not read its response is cut off in the end, whatever its request.
func TestClientsThatReadSlowly(t *testing.T) {
	for path, within := range map[string]time.Duration{
		"/graphql?query=" + introspection: slowclient.Timeout,
		"/graphql?query={":                slowclient.Timeout,
		"/schema.graphqls":                slowclient.Timeout,
		"/metrics":                        scrapeTimeout,
		"/":                               slowclient.Timeout,
		"/healthz":                        slowclient.Timeout,
		"/nothing":                        slowclient.Timeout,
	} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := startSimulated(t)
				began := time.Now()
				response := p.ask(t, path)
				var reading sync.WaitGroup
				defer reading.Wait()
				reading.Go(func() { // a few bytes a minute
					for b := make([]byte, 10); ; time.Sleep(10 * time.Second) {
						if _, err := response.Read(b); err != nil {
							return
						}
					}
				})
				if took := (<-p.closed).Sub(began); took != within {
					t.Errorf("it took %s", took)
				}
				if strings.Contains(path, "__schema") {
					if line := p.line(
						t,
					); line["code"] != "CLIENT_TOO_SLOW" || line["status"] != 499. ||
						line["bytes"].(float64) > 10e3 {
						t.Errorf("log: %v", line)
					}
				}
			})
		})
	}
}

// The log distinguishes a client that leaves before it has its whole response from one that has it.
func TestClientsThatLeaveWhileTheyRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startSimulated(t)
		_, _ = io.CopyN(io.Discard, p.ask(t, "/graphql?query="+introspection), 10e3)
		_ = p.client.Close()
		<-p.closed
		line := p.line(t)
		if line["code"] != "CLIENT_CLOSED_REQUEST" || line["status"] != 499. || line["bytes"].(float64) > 20e3 {
			t.Errorf("log: %v", line)
		}
	})
}

// A response in transit is completed when the gateway stops, if its client reads it in time.
func TestStoppingWhileAClientReads(t *testing.T) {
	for name, test := range map[string]struct {
		rate   int // bytes a second
		whole  bool
		within time.Duration
	}{
		"in time":  {20e3, true, 4 * time.Second},
		"too late": {2e3, false, drainTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := startSimulated(t)
				response := p.ask(t, "/graphql?query="+introspection)
				var body bytes.Buffer
				_, _ = io.CopyN(&body, response, 1000)
				p.stop()
				began := time.Now()
				var got end
				for stopped := false; !stopped; {
					_, err := io.CopyN(&body, response, int64(test.rate))
					wait := time.After(time.Second)
					if err != nil { // there is no more
						wait = nil
					}
					select {
					case got = <-p.stopped:
						stopped = true
					case <-wait:
					}
				}
				if took := got.at.Sub(began); (got.err == nil) != test.whole || took > test.within {
					t.Errorf("after %s: %v", took, got.err)
				}
				_, data, _ := strings.Cut(body.String(), "\r\n\r\n")
				if json.Valid([]byte(data)) != test.whole {
					t.Errorf("%d bytes arrived", len(data))
				}
			})
		})
	}
}

// A stream that is cut off ends also where the client does not read from its connection.
func TestStreamsOfAConnectionThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startSimulated(t, "GATEWAY_MAX_CONCURRENT_REQUESTS", "1") // and twice as many streams
		framer := http2.NewFramer(p.client, p.client)
		_, err := io.WriteString(p.client, http2.ClientPreface)
		if err == nil {
			err = framer.WriteSettings()
		}
		if err == nil { // the gateway's own, and after that nothing is read
			_, err = framer.ReadFrame()
		}
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var block bytes.Buffer
		encoder := hpack.NewEncoder(&block)
		for id := uint32(1); id <= 5; id += 2 {
			block.Reset()
			for _, field := range [][2]string{
				{":method", "GET"}, {":scheme", "http"}, {":authority", "localhost"}, {":path", "/schema.graphqls"},
			} {
				_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
			}
			err := framer.WriteHeaders(http2.HeadersFrameParam{
				StreamID: id, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if took := (<-p.closed).Sub(began); took > 2*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// A client that speaks HTTP/2 and reads nothing loses its connection, whatever it sends meanwhile.
func TestAnHTTP2ClientThatReadsNothing(t *testing.T) {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" // and empty settings
	const ping = "\x00\x00\x08\x06\x00\x00\x00\x00\x00" + "12345678"
	s, err := parse(map[string]string{"REVOX_API_KEY": "key"})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := newServer(s, http.NotFoundHandler(), quiet())
		go func() { _ = server.Serve(listener) }()
		defer func() { _ = server.Close() }()
		client, conn := net.Pipe()
		listener.conns <- conn
		began := time.Now()
		_, err := io.WriteString(client, preface)
		for ; err == nil && time.Since(began) < time.Hour; time.Sleep(time.Second) {
			_, err = io.WriteString(client, ping)
		}
		if waited := time.Since(began); waited > slowclient.Timeout+2*time.Second || waited < slowclient.Timeout {
			t.Errorf("it was waited for %v", waited)
		}
	})
}
