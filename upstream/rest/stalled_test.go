package rest_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/rest"
)

// network connects a client with a server in memory. Its connections can be stalled: what is written to them is lost,
// and nothing more comes from them, as where a firewall has forgotten them and drops their packets.
type network struct {
	accepted chan net.Conn
	closed   chan struct{}
	close    sync.Once

	mu    sync.Mutex
	conns []*stalling
	dials int
}

// stalling is the client's end of a connection.
type stalling struct {
	net.Conn
	stalled atomic.Bool
	ended   chan struct{}
	end     sync.Once
}

func (s *stalling) Write(p []byte) (int, error) {
	if s.stalled.Load() {
		return len(p), nil
	}
	return s.Conn.Write(p)
}

func (s *stalling) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if s.stalled.Load() {
		<-s.ended
		return 0, net.ErrClosed
	}
	return n, err
}

func (s *stalling) Close() error {
	s.end.Do(func() { close(s.ended) })
	return s.Conn.Close()
}

func (n *network) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	conn := &stalling{Conn: here, ended: make(chan struct{})}
	n.mu.Lock()
	n.conns = append(n.conns, conn)
	n.dials++
	n.mu.Unlock()
	n.accepted <- there
	return conn, nil
}

// stall stalls the connections that there are.
func (n *network) stall() (stalled int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, conn := range n.conns {
		select {
		case <-conn.ended:
		default:
			conn.stalled.Store(true)
			stalled++
		}
	}
	return stalled
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.accepted:
		return conn, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.close.Do(func() { close(n.closed) })
	return nil
}

func (n *network) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

// outcomes are what came of a client's attempts.
type outcomes struct {
	upstream.Unobserved
	mu  sync.Mutex
	all []string
}

func (o *outcomes) Attempted(outcome string, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, outcome)
}

// take returns them and starts again from none.
func (o *outcomes) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.all
	o.all = nil
	return all
}

// serveOver serves a fake over such a network, and returns its transport and address.
func serveOver(t *testing.T, http2 bool, handler http.Handler) (*network, *http.Transport, *url.URL) {
	t.Helper()
	n := &network{accepted: make(chan net.Conn), closed: make(chan struct{})}
	server := httptest.NewUnstartedServer(handler)
	_ = server.Listener.Close()
	server.Listener, server.EnableHTTP2 = n, http2
	server.StartTLS()
	transport := rest.NewTransport(32)
	transport.DialContext = n.dial
	transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	transport.TLSClientConfig.NextProtos = nil
	t.Cleanup(func() {
		n.mu.Lock()
		for _, conn := range n.conns {
			_ = conn.Close()
		}
		n.mu.Unlock()
		server.Close()
	})
	base, err := url.Parse(server.URL + "/api")
	if err != nil {
		t.Fatal(err)
	}
	return n, transport, base
}

// After a stall each request costs at most one attempt, all of them together one connection.
func TestStalledConnectionsAreLeft(t *testing.T) {
	tests := map[string]struct {
		http2       bool
		connections int
		attempt     time.Duration
		failed      string // what becomes of the first attempt
		within      time.Duration
	}{
		"one over HTTP/2":                      {true, 1, 2 * time.Second, "timeout", 4 * time.Second},
		"16 over HTTP/1.1":                     {false, 16, 2 * time.Second, "timeout", 4 * time.Second},
		"one over HTTP/2, found out by a ping": {true, 1, time.Minute, "unavailable", 10 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := fake.New(fake.Config{Seed: 1, Calls: 100, Now: func() time.Time { return noon }})
				var gate sync.WaitGroup
				gate.Add(test.connections)
				n, transport, base := serveOver(t, test.http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Query().Get("page_size") == "1" { // those of the beginning are answered together
						gate.Done()
						gate.Wait()
					}
					f.ServeHTTP(w, r)
				}))
				seen := &outcomes{}
				c := rest.NewClient(rest.Options{
					BaseURL: base, Transport: transport, AttemptTimeout: test.attempt, Observer: seen,
				})
				defer c.Close()
				ask := func(size int) error {
					_, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: size})
					return err
				}
				var asked sync.WaitGroup
				for range test.connections {
					asked.Go(func() {
						if err := ask(1); err != nil {
							t.Error(err)
						}
					})
				}
				asked.Wait()
				synctest.Wait()
				seen.take()
				if stalled := n.stall(); stalled != test.connections {
					t.Fatalf("%d connections, want %d", stalled, test.connections)
				}
				start := time.Now()
				if err := ask(10); err != nil {
					t.Errorf("the first: %v", err)
				}
				if got := seen.take(); len(got) != 2 || got[0] != test.failed || got[1] != "ok" {
					t.Errorf("the first took the attempts %q", got)
				}
				if took := time.Since(start); took > test.within {
					t.Errorf("the first took %v", took)
				}
				for range 20 {
					if err := ask(10); err != nil {
						t.Fatal(err)
					}
				}
				if got := seen.take(); len(got) != 20 {
					t.Errorf("20 others took %d attempts", len(got))
				}
				if n.dials != test.connections+1 {
					t.Errorf("%d connections were made", n.dials)
				}
			})
		})
	}
}

// As many connections as requests may be in flight stay open for the next requests.
func TestConnectionsStayOpen(t *testing.T) {
	const inFlight = 160
	synctest.Test(t, func(t *testing.T) {
		transport := rest.NewTransport(inFlight)
		transport.Proxy = nil
		var dials atomic.Int32
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			ours, theirs := net.Pipe()
			go func() {
				in := bufio.NewReader(theirs)
				for {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_ = req.Body.Close()
					time.Sleep(time.Second)
					_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n"+`{"calls": [{"id":"a"}]}`)
				}
			}()
			return ours, nil
		}
		c := rest.NewClient(rest.Options{
			BaseURL: &url.URL{Scheme: "http", Host: "revox.example"}, Transport: transport, MaxConcurrent: inFlight,
		})
		defer c.Close()
		for range 3 {
			var asked sync.WaitGroup
			for range inFlight {
				asked.Go(func() {
					if _, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{Page: 1, PageSize: 1}); err != nil {
						t.Error(err)
					}
				})
			}
			asked.Wait()
			synctest.Wait() // the connections are idle
		}
		if n := dials.Load(); n != inFlight {
			t.Errorf("%d connections were made for %d requests at a time", n, inFlight)
		}
	})
}

// Leaving a connection ends no request in flight over it, and a client that gives up early makes no request leave it.
func TestConnectionsAreLeftWithCare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake.New(fake.Config{Seed: 1, Calls: 100, Now: func() time.Time { return noon }})
		takes := map[string]time.Duration{"20": 500 * time.Millisecond, "30": 8 * time.Second, "40": time.Hour}
		n, transport, base := serveOver(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(takes[r.URL.Query().Get("page_size")]):
				f.ServeHTTP(w, r)
			case <-r.Context().Done():
			}
		}))
		seen := &outcomes{}
		c := rest.NewClient(rest.Options{BaseURL: base, Transport: transport, Observer: seen})
		defer c.Close()
		ask := func(size int, within time.Duration) error {
			_, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{PageSize: size, Deadline: time.Now().Add(within)})
			return err
		}
		for _, within := range []time.Duration{time.Minute, 100 * time.Millisecond} {
			if err := ask(20, within); (err == nil) != (within == time.Minute) {
				t.Errorf("within %v: %v", within, err)
			}
		}
		if err := ask(10, time.Minute); err != nil || n.dials != 1 {
			t.Fatalf("%d connections, %v", n.dials, err)
		}
		seen.take()
		var asked sync.WaitGroup
		asked.Go(func() {
			if err := ask(40, 10*time.Second); err == nil {
				t.Error("a response that does not come")
			}
		})
		asked.Go(func() {
			time.Sleep(5 * time.Second)
			if err := ask(30, time.Minute); err != nil {
				t.Error(err)
			}
		})
		asked.Wait()
		if got := seen.take(); len(got) != 2 || got[0] != "timeout" || got[1] != "ok" {
			t.Errorf("attempts: %q", got)
		}
		if err := ask(10, time.Minute); err != nil || n.dials != 2 {
			t.Errorf("%d connections, %v", n.dials, err)
		}
	})
}
