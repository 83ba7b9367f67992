package gateway

import (
	"context"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"revox-graphql/gateway/config"
	"revox-graphql/gateway/telemetry"
	"revox-graphql/internal/gather"
	"revox-graphql/internal/memory"
	"revox-graphql/internal/middleware"
	"revox-graphql/internal/slowclient"
)

// drainTimeout is how long requests in flight may take to finish after the signal to stop: a little less than the 10 s
// and 30 s after which Docker and Kubernetes kill.
const drainTimeout = 8 * time.Second

// headerBytes are for the header fields of a request, in addition to the query string of a GET.
const headerBytes = 16 << 10

// maxStreams is how many requests one connection may have open over HTTP/2: RFC 9113 §6.5.2 recommends no fewer than
// 100.
const maxStreams = 100

// headersBytes is how many bytes of incomplete headers there may be: a hundred of the largest by default, and two of
// the largest that GATEWAY_MAX_REQUEST_BYTES can allow.
const headersBytes = 32 << 20

// bounds limit what clients may hold open.
type bounds struct {
	connections *middleware.Connections
	headers     *middleware.Headers // incomplete ones
	streams     *middleware.Streams // requests over HTTP/2
}

func newBounds(s *config.Settings, budget *memory.Budget) *bounds {
	return &bounds{
		connections: middleware.NewConnections(s.Connections(), budget.Account("connections")),
		headers:     middleware.NewHeaders(headersBytes),
		streams:     middleware.NewStreams(2 * s.MaxConcurrentRequests), // half of them in flight, half being written
	}
}

// watch lets the bounds observe the connections of a server.
func (b *bounds) watch(server *http.Server) {
	b.headers.Watch(server)
	b.connections.Watch(server)
}

// listen bounds the connections of a listener, and has responses sent in one piece. The server that serves it must be
// watched.
func (b *bounds) listen(listener net.Listener) net.Listener {
	return b.headers.Listen(b.connections.Listen(gather.Listen(listener)))
}

func (b *bounds) metrics(linesDropped func() uint64) telemetry.Serving {
	return telemetry.Serving{
		LinesDropped: linesDropped, StreamsReset: b.streams.Cut, HeadersRejected: b.headers.Rejected,
		Connections: b.connections.Open, IdleClosed: b.connections.Closed,
	}
}

// newServer speaks HTTP/1.1, and HTTP/2 in cleartext for proxies that terminate TLS. Every wait for a client is
// bounded: 5 seconds for headers, 15 for a whole request, and GATEWAY_IDLE_TIMEOUT between two requests. A first
// request must begin within 5 seconds too. [slowclient.Watch] bounds the time for a response once it begins to be
// written.
func newServer(s *config.Settings, handler http.Handler, log *slog.Logger) *http.Server {
	server := &http.Server{
		Handler:           handler,
		Protocols:         new(http.Protocols),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      s.UpstreamTimeout + 30*time.Second,
		IdleTimeout:       s.IdleTimeout,
		MaxHeaderBytes:    s.MaxRequestBytes + headerBytes,
		ErrorLog:          errorLog(log),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, WriteByteTimeout: slowclient.Timeout},
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	slowclient.Watch(server)
	return server
}

// errorLog is for net/http, which otherwise writes to standard error, and waits for its reader.
func errorLog(log *slog.Logger) *stdlog.Logger {
	return slog.NewLogLogger(log.Handler(), slog.LevelWarn)
}

// serve serves until ctx is done, and then drains: it continues for the delay, in which balancers see that it is not
// ready, then accepts no more connections, and lets the requests in flight finish.
func serve(
	ctx context.Context,
	server *http.Server,
	listener net.Listener,
	draining *atomic.Bool,
	delay time.Duration,
	log *slog.Logger,
) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	draining.Store(true)
	if delay > 0 {
		log.Info("stopping: no longer ready, still accepting requests; a second signal ends the process at once",
			"for", delay.String())
		select {
		case err := <-failed:
			return err
		case <-time.After(delay):
		}
	}
	log.Info("stopping: waiting for requests in flight", "within", drainTimeout.String())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests in flight were cut off: %w", err)
	}
	return nil
}

// closing closes connections with the responses that are sent while the gateway drains, so that clients open the next
// one elsewhere. Closing connections at the end instead would race with requests in transit, which not all proxies
// retry. Over HTTP/2, net/http sends GOAWAY.
func closing(draining *atomic.Bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
