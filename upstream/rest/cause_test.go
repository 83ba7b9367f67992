package rest_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/rest"
)

// failure is how upstream, or the way there, fails.
type failure struct {
	transport func(t *testing.T) (*url.URL, http.RoundTripper) // nil: the fake responds
	response  fake.Response
	kind      upstream.Kind
	cause     upstream.Cause
	reason    string // part of it
}

// listen responds to each connection with what the function does, which must not end before the connection may.
func listen(t *testing.T, serve func(*net.TCPConn)) *url.URL {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(conn.(*net.TCPConn))
			}()
		}
	}()
	return &url.URL{Scheme: "http", Host: listener.Addr().String()}
}

// closedPort is an address at which nothing listens: the system assigns this port to no program.
func closedPort() *url.URL { return &url.URL{Scheme: "http", Host: "127.0.0.1:1"} }

// secure serves over TLS, without a word about failing handshakes.
func secure(t *testing.T, change func(*tls.Config)) (*httptest.Server, *url.URL) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if change != nil {
		change(server.TLS)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return server, base
}

// dialing fails to dial.
func dialing(op string, err error) func(*testing.T) (*url.URL, http.RoundTripper) {
	return func(*testing.T) (*url.URL, http.RoundTripper) {
		transport := rest.NewTransport(1)
		transport.DialContext = func(_ context.Context, network, _ string) (net.Conn, error) {
			addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443}
			return nil, &net.OpError{Op: op, Net: network, Addr: addr, Err: err}
		}
		return &url.URL{Scheme: "http", Host: "127.0.0.1:443"}, transport
	}
}

// readRequest reads a request's head.
func readRequest(conn net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(conn)) }

func through(proxy *url.URL) *http.Transport {
	transport := rest.NewTransport(1)
	transport.Proxy = http.ProxyURL(proxy)
	return transport
}

func failures() map[string]failure {
	const unavailable = upstream.KindUnavailable
	html := http.Header{"Content-Type": {"text/html; charset=UTF-8"}}
	return map[string]failure{
		"no such host": {
			transport: dialing("dial", &net.DNSError{
				Err: "no such host", Name: "revox.example", Server: "127.0.0.1:53", IsNotFound: true,
			}),
			kind: unavailable, cause: upstream.CauseDNS, reason: "lookup revox.example: no such host",
		},
		"refused": {
			transport: func(*testing.T) (*url.URL, http.RoundTripper) { return closedPort(), nil },
			kind:      unavailable, cause: upstream.CauseRefused, reason: "connection refused",
		},
		"no route": {
			transport: dialing("dial", os.NewSyscallError("connect", syscall.EHOSTUNREACH)),
			kind:      unavailable, cause: upstream.CauseUnreachable, reason: "no route to host",
		},
		"too many open files": {
			transport: dialing("dial", os.NewSyscallError("socket", syscall.EMFILE)),
			kind:      upstream.KindOverloaded, cause: upstream.CauseFiles, reason: "too many open files",
		},
		"a certificate of an unknown authority": {
			transport: func(t *testing.T) (*url.URL, http.RoundTripper) {
				t.Helper()
				_, base := secure(t, nil)
				return base, nil
			},
			kind: unavailable, cause: upstream.CauseCertificate, reason: "signed by unknown authority",
		},
		"a certificate of another host": {
			transport: func(t *testing.T) (*url.URL, http.RoundTripper) {
				t.Helper()
				server, base := secure(t, nil)
				_, port, _ := net.SplitHostPort(base.Host)
				base.Host = "localhost:" + port
				return base, server.Client().Transport
			},
			kind: unavailable, cause: upstream.CauseCertificate, reason: "not of the host localhost",
		},
		"a certificate that has expired": {
			transport: func(t *testing.T) (*url.URL, http.RoundTripper) {
				t.Helper()
				server, base := secure(t, nil)
				transport := server.Client().Transport.(*http.Transport)
				transport.TLSClientConfig.Time = func() time.Time { return time.Now().AddDate(200, 0, 0) }
				return base, transport
			},
			kind: unavailable, cause: upstream.CauseCertificate, reason: "expired",
		},
		"no TLS where it is expected": {
			transport: func(t *testing.T) (*url.URL, http.RoundTripper) {
				t.Helper()
				base := serve(t, http.NotFoundHandler())
				return &url.URL{Scheme: "https", Host: base.Host}, nil
			},
			kind: unavailable, cause: upstream.CauseTLS, reason: "without TLS",
		},
		"a handshake that is refused": {
			transport: func(t *testing.T) (*url.URL, http.RoundTripper) {
				t.Helper()
				server, base := secure(t, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
				transport := server.Client().Transport.(*http.Transport)
				transport.TLSClientConfig.MinVersion = tls.VersionTLS13
				return base, transport
			},
			kind: unavailable, cause: upstream.CauseTLS, reason: "remote error: tls: ",
		},
		"a handshake that ends": {
			transport: func(t *testing.T) (*url.URL, http.RoundTripper) {
				t.Helper()
				base := listen(t, func(conn *net.TCPConn) { _, _ = conn.Read(make([]byte, 16<<10)) })
				base.Scheme = "https"
				return base, nil
			},
			kind: unavailable, cause: upstream.CauseTLS,
		},
		"a proxy that wants a password": {
			transport: func(t *testing.T) (*url.URL, http.RoundTripper) {
				t.Helper()
				proxy := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					http.Error(w, "secret", http.StatusProxyAuthRequired)
				}))
				return &url.URL{Scheme: "https", Host: "revox.example"}, through(proxy)
			},
			kind: unavailable, cause: upstream.CauseProxy, reason: "the proxy responds with HTTP 407",
		},
		"the same without TLS": {
			response: fake.Response{Status: http.StatusProxyAuthRequired},
			kind:     unavailable, cause: upstream.CauseProxy, reason: "password",
		},
		"a proxy that is not there": {
			transport: func(t *testing.T) (*url.URL, http.RoundTripper) {
				t.Helper()
				return &url.URL{Scheme: "https", Host: "revox.example"}, through(closedPort())
			},
			kind: unavailable, cause: upstream.CauseProxy, reason: "connection refused",
		},
		"reset": {
			transport: func(t *testing.T) (*url.URL, http.RoundTripper) {
				t.Helper()
				return listen(t, func(conn *net.TCPConn) {
					readRequest(conn)
					_ = conn.SetLinger(0)
				}), nil
			},
			kind: unavailable, cause: upstream.CauseReset, reason: "connection reset by peer",
		},
		"closed without a response": {
			transport: func(t *testing.T) (*url.URL, http.RoundTripper) {
				t.Helper()
				return listen(t, func(c *net.TCPConn) { readRequest(c) }), nil
			},
			kind: unavailable, cause: upstream.CauseClosed, reason: "the connection was closed",
		},
		"cut short": {
			response: fake.Response{Truncate: true},
			kind:     unavailable, cause: upstream.CauseClosed, reason: "the response was cut short",
		},
		"not HTTP": {
			transport: func(t *testing.T) (*url.URL, http.RoundTripper) {
				t.Helper()
				return listen(t, func(conn *net.TCPConn) {
					_, _ = io.WriteString(conn, "tls: secret://secret GOODBYE\r\n\r\n")
					readRequest(conn)
				}), nil
			},
			kind: unavailable, cause: upstream.CauseProtocol,
		},
		"Cloudflare's challenge": {
			response: fake.Response{Status: 403, Header: http.Header{"Cf-Mitigated": {"challenge"}}},
			kind:     unavailable, cause: upstream.CauseChallenge, reason: "firewall",
		},
		"a 403 for browsers": {
			response: fake.Response{Status: 403, Header: html, Body: []byte("<p>secret")},
			kind:     unavailable, cause: upstream.CauseChallenge,
		},
		"a 403 with a time": {
			response: fake.Response{Status: 403, Header: http.Header{"Retry-After": {"7"}}},
			kind:     upstream.KindRateLimited,
		},
		"a 403 for browsers with a time": {
			response: fake.Response{Status: 403, Header: http.Header{"Retry-After": {"7"}, "Content-Type": {"text/html"}}},
			kind:     upstream.KindRateLimited,
		},
		"a 403": {response: fake.Response{Status: 403, Body: []byte(`{"error": "secret"}`)}, kind: upstream.KindForbidden},
	}
}

// Each way of failing has a word for the operator, and Go's text as far as that holds no address, no key and nothing
// that came over the wire.
func TestCauses(t *testing.T) {
	for name, test := range failures() {
		t.Run(name, func(t *testing.T) {
			var base *url.URL
			var transport http.RoundTripper
			if test.transport != nil {
				base, transport = test.transport(t)
			} else {
				var f *fake.Upstream
				f, base = newFake(t, 10)
				f.Behave(func(b *fake.Behaviour) {
					b.Fault = func(int, *http.Request) *fake.Response { return &test.response }
				})
			}
			c := rest.NewClient(rest.Options{
				BaseURL: base, Transport: transport, RetryDelay: time.Millisecond,
			})
			defer c.Close()
			_, err := c.ListCalls(t.Context(), as(canary))
			e, ok := errors.AsType[*upstream.Error](err)
			if !ok || e.Kind != test.kind || e.Cause != test.cause || !strings.Contains(e.Reason, test.reason) {
				t.Fatalf("got %v", err)
			}
			for _, secret := range []string{canary, "secret", "://", "127.0.0.1"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("it tells %q: %v", secret, err)
				}
			}
			if !strings.Contains(err.Error(), string(e.Cause)) || !strings.Contains(err.Error(), e.Reason) {
				t.Errorf("the text is %v", err)
			}
		})
	}
}

// What took the time of a request that has run out of it.
func TestWhatTookTheTime(t *testing.T) {
	piped := func(serve func(net.Conn)) func(context.Context) (net.Conn, error) {
		return func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go serve(theirs)
			return ours, nil
		}
	}
	for name, test := range map[string]struct {
		scheme string
		dial   func(context.Context) (net.Conn, error)
		cause  upstream.Cause
	}{
		"a name server that is silent": {"http", func(ctx context.Context) (net.Conn, error) {
			resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}}
			return (&net.Dialer{Resolver: resolver}).DialContext(ctx, "tcp", "revox.example:80")
		}, upstream.CauseDNS},
		"a firewall that drops packets": {"http", func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, upstream.CauseConnect},
		"TLS":         {"https", piped(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }), upstream.CauseTLS},
		"no response": {"http", piped(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }), upstream.CauseResponse},
		"no end of a response": {"http", piped(func(conn net.Conn) {
			readRequest(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
			_, _ = io.Copy(io.Discard, conn)
		}), upstream.CauseBody},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := rest.NewTransport(1)
				transport.Proxy = nil
				transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
					return test.dial(ctx)
				}
				transport.TLSHandshakeTimeout = time.Hour
				c := rest.NewClient(rest.Options{
					BaseURL:   &url.URL{Scheme: test.scheme, Host: "revox.example"},
					Transport: transport, AttemptTimeout: 5 * time.Second,
				})
				defer c.Close()
				_, err := c.ListCalls(t.Context(), as(canary))
				e, ok := errors.AsType[*upstream.Error](err)
				if !ok || e.Kind != upstream.KindTimeout || e.Cause != test.cause {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// A request may take a connection that another one returns, while net/http goes on with the dial for it. What becomes
// of that dial says nothing about the request.
func TestTheCauseIsOfTheRequestsConnection(t *testing.T) {
	for name, dialed := range map[string]func(*httptrace.ClientTrace){
		"the dial looks up the name": func(trace *httptrace.ClientTrace) { trace.DNSStart(httptrace.DNSStartInfo{}) },
		"it connects":                func(trace *httptrace.ClientTrace) { trace.ConnectStart("tcp", "192.0.2.1:80") },
		"it begins with TLS":         func(trace *httptrace.ClientTrace) { trace.TLSHandshakeStart() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := rest.NewTransport(2)
				transport.Proxy = nil
				dials := 0 // by one request at a time
				transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
					dials++
					if dials == 2 { // that of the second request, which goes on after the first has ended
						time.Sleep(2 * time.Second)
						dialed(httptrace.ContextClientTrace(ctx))
					}
					ours, theirs := net.Pipe()
					go func() { // it responds to one request, after a second
						readRequest(theirs)
						time.Sleep(time.Second)
						_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n"+`{"calls": [{"id":"a"}]}`)
						_, _ = io.Copy(io.Discard, theirs)
					}()
					return ours, nil
				}
				c := rest.NewClient(rest.Options{
					BaseURL:   &url.URL{Scheme: "http", Host: "revox.example"},
					Transport: transport, AttemptTimeout: 5 * time.Second,
				})
				defer c.Close()
				ask := func() error {
					_, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{
						Page: 1, PageSize: 1, Budget: upstream.NewRequestBudget(1),
					})
					return err
				}
				var first sync.WaitGroup
				first.Go(func() {
					if err := ask(); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait() // the first waits for its response
				err := ask()
				e, ok := errors.AsType[*upstream.Error](err)
				if !ok || e.Kind != upstream.KindTimeout || e.Cause != upstream.CauseResponse {
					t.Errorf("got %v", err)
				}
				first.Wait()
				if err := ask(); err != nil || dials != 3 {
					t.Errorf("the connections are not left: %d dials, %v", dials, err)
				}
			})
		})
	}
}

// A firewall's page is not requested again at once, unless the response says so.
func TestChallengesAreNotRepeated(t *testing.T) {
	for advice, want := range map[string]int{"": 1, "true": 3, "false": 1} {
		f, base := newFake(t, 10)
		header := http.Header{"Cf-Mitigated": {"challenge"}, "X-Should-Retry": {advice}}
		f.Behave(func(b *fake.Behaviour) {
			b.Fault = func(int, *http.Request) *fake.Response { return &fake.Response{Status: 403, Header: header} }
		})
		c := rest.NewClient(rest.Options{BaseURL: base, RetryDelay: time.Millisecond})
		if _, err := c.ListCalls(t.Context(), as("")); err == nil || len(f.Requests()) != want {
			t.Errorf("%q: %v, %d requests", advice, err, len(f.Requests()))
		}
		c.Close()
	}
}

// Too many open files of the gateway's own say nothing about upstream: the circuit breaker stays closed.
func TestTooManyFilesAreNotUpstreams(t *testing.T) {
	base, transport := dialing("dial", os.NewSyscallError("socket", syscall.EMFILE))(t)
	c := rest.NewClient(rest.Options{BaseURL: base, Transport: transport, RetryDelay: time.Millisecond})
	defer c.Close()
	for range 20 {
		if _, err := c.ListCalls(t.Context(), as("")); kind(err) != upstream.KindOverloaded {
			t.Fatal(err)
		}
	}
}

func TestUserAgent(t *testing.T) {
	for set, want := range map[string]string{"": "revox-graphql", "revox-graphql/v1.2.3": "revox-graphql/v1.2.3"} {
		agent := make(chan string, 10)
		base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			agent <- r.Header.Get("User-Agent")
			_, _ = io.WriteString(w, `{"calls": [{"id": "a"}]}`)
		}))
		c := rest.NewClient(rest.Options{BaseURL: base, UserAgent: set})
		if _, err := c.ListCalls(t.Context(), as("")); err != nil {
			t.Error(err)
		}
		if got := <-agent; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		c.Close()
	}
}
