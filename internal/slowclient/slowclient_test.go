package slowclient_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/internal/slowclient"
)

// pipes is a listener whose connections have no buffer, so that a server has sent only what its client has read.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.done)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// serve serves a handler to a client over one connection, with the gateway's timeouts.
func serve(t *testing.T, version int, handler http.HandlerFunc) (client *http.Client, conn *clientConn) {
	t.Helper()
	listener := &pipes{make(chan net.Conn, 1), make(chan struct{})}
	server := &http.Server{
		Handler: handler, Protocols: new(http.Protocols), WriteTimeout: 30 * time.Second,
		HTTP2: &http.HTTP2Config{WriteByteTimeout: slowclient.Timeout},
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	slowclient.Watch(server)
	go func() { _ = server.Serve(listener) }()
	ours, theirs := net.Pipe()
	conn = &clientConn{Conn: ours, closed: make(chan struct{})}
	listener.conns <- theirs
	transport := &http.Transport{
		Protocols:   new(http.Protocols),
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	transport.Protocols.SetHTTP1(version == 1)
	transport.Protocols.SetUnencryptedHTTP2(version == 2)
	t.Cleanup(func() {
		_ = server.Close()
		_ = conn.Close()
		transport.CloseIdleConnections()
	})
	return &http.Client{Transport: transport}, conn
}

// clientConn is a client's connection; the client may stop reading.
type clientConn struct {
	net.Conn
	stopped atomic.Bool
	most    int // bytes, after which the client stops reading; 0: it never does
	read    int // bytes
	closed  chan struct{}
	once    sync.Once
}

func (c *clientConn) stop() { c.stopped.Store(true) }

func (c *clientConn) Read(b []byte) (int, error) {
	if c.most > 0 {
		b = b[:min(len(b), c.most-c.read)]
	}
	if c.stopped.Load() || len(b) == 0 {
		<-c.closed
	}
	n, err := c.Conn.Read(b)
	c.read += n
	return n, err
}

func (c *clientConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// read reads rate bytes per second, one read each second, and returns how many bytes there were.
func read(body io.Reader, rate int) (n int) {
	for b := make([]byte, rate); ; time.Sleep(time.Second) {
		m, err := io.ReadFull(body, b)
		if n += m; err != nil {
			return n
		}
	}
}

// A client gets its whole response if it reads fast enough, however long that takes.
func TestClientsAreJudgedByProgress(t *testing.T) {
	const size = 10 << 20
	for name, test := range map[string]struct {
		rate    int // bytes per second
		writes  int // bytes at once
		arrives bool
		within  time.Duration
	}{
		"2 MB/s":                               {2e6, size, true, 6 * time.Second},
		"50 kB/s":                              {50e3, size, true, 211 * time.Second},
		"50 kB/s, written in small":            {50e3, 1000, true, 211 * time.Second},
		"5 kB/s":                               {5e3, size, true, 2100 * time.Second},
		"4 kB/s":                               {4e3, size, false, slowclient.Timeout},
		"a byte a second":                      {1, size, false, slowclient.Timeout},
		"100 bytes a second, written in small": {100, 1000, false, slowclient.Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan end, 1)
				client, _ := serve(t, 1, func(w http.ResponseWriter, _ *http.Request) {
					to, writer := slowclient.Wrap(w)
					var err error
					for left := make([]byte, size); len(left) > 0 && err == nil; {
						var n int
						n, err = to.Write(left[:min(test.writes, len(left))])
						left = left[n:]
					}
					ended <- end{err, writer.TooSlow(), time.Now()}
				})
				began := time.Now()
				resp, err := client.Get("http://gateway/")
				if err != nil {
					t.Fatal(err)
				}
				arrived := read(resp.Body, test.rate) == size
				got := <-ended
				if took := got.at.Sub(began); arrived != test.arrives || !arrived && !got.slow || took > test.within {
					t.Errorf("arrived: %v; after %s: %+v", arrived, took, got)
				}
			})
		})
	}
}

// end is the outcome of a response.
type end struct {
	err  error
	slow bool
	at   time.Time
}

// write returns a handler that writes a response, and sends its outcome to ended.
func write(size int, ended chan<- end) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		to, client := slowclient.Wrap(w)
		_, err := to.Write(make([]byte, size))
		if err == nil {
			err = http.NewResponseController(to).Flush()
		}
		ended <- end{err, client.TooSlow(), time.Now()}
	}
}

// Streams of HTTP/2 have the same time if their client opens no window. If it does not read from its connection, they
// have twice as long: when the client has read a part of a frame, net/http gives the rest as much time again
// (WriteByteTimeout), and the stream's reset waits for the frame.
func TestStreamsAreJudgedByProgress(t *testing.T) {
	const size = 10 << 20
	for name, test := range map[string]struct {
		rate  int
		most  int           // bytes that are read from the connection, which end within a frame; 0 is all
		after time.Duration // the response ends; 0: all of it arrives
	}{
		"50 kB/s":                {rate: 50e3},
		"no window":              {after: slowclient.Timeout},
		"a frame is read partly": {most: 20_000, after: 2 * slowclient.Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan end, 1)
				client, conn := serve(t, 2, write(size, ended))
				conn.most = test.most
				began := time.Now()
				resp, err := client.Get("http://gateway/")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = resp.Body.Close() }()
				if test.rate > 0 {
					if n := read(resp.Body, test.rate); n != size {
						t.Errorf("%d bytes arrived", n)
					}
				}
				got := <-ended
				took := got.at.Sub(began)
				if cut := test.after > 0; cut != (got.err != nil) || cut != got.slow || cut && took != test.after {
					t.Errorf("after %s: %+v", took, got)
				}
			})
		})
	}
}

// The response to a client that is cut off ends at once. A client that has left does not count as slow.
func TestClientsThatAreCutOff(t *testing.T) {
	cut := func(w *slowclient.Writer, _ net.Conn) { w.Cut() }
	leave := func(_ *slowclient.Writer, conn net.Conn) { _ = conn.Close() }
	for name, test := range map[string]struct {
		version int
		stuck   bool
		end     func(w *slowclient.Writer, conn net.Conn)
		slow    bool
		within  time.Duration
	}{
		"cut off, by HTTP/1.1":                     {1, false, cut, true, 0},
		"cut off, by HTTP/2":                       {2, false, cut, true, 0},
		"cut off, by HTTP/2, its connection stuck": {2, true, cut, true, time.Second},
		"left, by HTTP/1.1":                        {1, false, leave, false, 0},
		"left, by HTTP/2":                          {2, false, leave, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun, ended := make(chan *slowclient.Writer, 1), make(chan end, 1)
				client, conn := serve(t, test.version, func(w http.ResponseWriter, r *http.Request) {
					_, writer := slowclient.Wrap(w)
					begun <- writer
					write(10<<20, ended)(w, r)
				})
				resp, err := client.Get("http://gateway/")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = resp.Body.Close() }()
				if test.stuck {
					conn.stop()
				}
				synctest.Wait()
				began := time.Now()
				test.end(<-begun, conn)
				if got := <-ended; got.err == nil || got.slow != test.slow || got.at.Sub(began) > test.within {
					t.Errorf("after %s: %+v", got.at.Sub(began), got)
				}
			})
		})
	}
}

// Cut does nothing to a client that has its response: the connection may have another request by then.
func TestClientsWithAResponseAreNotCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first *slowclient.Writer
		client, _ := serve(t, 1, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "answer")
			if first == nil {
				_, first = slowclient.Wrap(w)
			} else {
				first.Cut()
			}
		})
		for range 2 {
			resp, err := client.Get("http://gateway/")
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(resp.Body); string(body) != "answer" || err != nil {
				t.Errorf("got %q, %v", body, err)
			}
		}
	})
}

// A handler may give its client less time, and progress does not extend that.
func TestAHandlersOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const own = 10 * time.Second
		ended := make(chan end, 1)
		client, _ := serve(t, 1, func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(own)); err != nil {
				t.Error(err)
			}
			write(10<<20, ended)(w, r)
		})
		began := time.Now()
		resp, err := client.Get("http://gateway/")
		if err != nil {
			t.Fatal(err)
		}
		read(resp.Body, 500e3)
		if got := <-ended; got.err == nil || !got.slow || got.at.Sub(began) != own {
			t.Errorf("after %s: %+v", got.at.Sub(began), got)
		}
	})
}
