package gateway

import (
	"context"
	_ "embed"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"revox-graphql/gateway/config"
	"revox-graphql/gateway/telemetry"
	"revox-graphql/internal/middleware"
	"revox-graphql/internal/slowclient"
)

// drainTimeout is how long requests under way may take to finish after the signal to stop: a little less than the 10 s
// and 30 s after which Docker and Kubernetes kill.
const drainTimeout = 8 * time.Second

// headerBytes are for what a request has beside the query string of a GET: its header fields.
const headerBytes = 16 << 10

// maxStreams is how many requests one connection may have open over HTTP/2: RFC 9113 §6.5.2 recommends no fewer than
// 100.
const maxStreams = 100

// headersBytes is how much of headers may be on its way in: a hundred of the largest there may be by default.
const headersBytes = 32 << 20

// bounds bound what clients may hold open.
type bounds struct {
	connections *middleware.Connections
	headers     *middleware.Headers // on their way in
	streams     *middleware.Streams // requests over HTTP/2
}

func newBounds(s *config.Settings) *bounds {
	return &bounds{
		connections: middleware.NewConnections(s.Connections()),
		headers:     middleware.NewHeaders(max(headersBytes, 2*s.MaxRequestBytes)),
		streams:     middleware.NewStreams(2 * s.MaxConcurrentRequests), // half of them in flight, half being written
	}
}

// watch lets the bounds see what a server does with its connections.
func (b *bounds) watch(server *http.Server) {
	b.headers.Watch(server)
	b.connections.Watch(server)
}

// listen bounds the connections of a listener, which a server serves that the bounds watch.
func (b *bounds) listen(listener net.Listener) net.Listener {
	return b.headers.Listen(b.connections.Listen(listener))
}

func (b *bounds) metrics(linesDropped func() uint64) telemetry.Serving {
	return telemetry.Serving{
		LinesDropped: linesDropped, StreamsReset: b.streams.Cut, HeadersRejected: b.headers.Refused,
		Connections: b.connections.Open, IdleClosed: b.connections.Closed,
	}
}

// newServer speaks HTTP/1.1, and HTTP/2 in the clear as proxies do that end TLS. Every wait for a client has an end: 5
// seconds for headers, 15 for all of a request, and as long as it is set between two requests. A first request must
// begin within 5 seconds too. How long an answer may take, once it begins to be written, is decided by
// [slowclient.Watch].
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

// errorLog is for net/http, which else writes to standard error, and waits for whoever reads that.
func errorLog(log *slog.Logger) *stdlog.Logger {
	return slog.NewLogLogger(log.Handler(), slog.LevelWarn)
}

// serve serves until ctx is done, and then drains: it goes on for the delay, in which balancers see that it is not
// ready, takes no more connections, and lets the requests under way finish.
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
		log.Info("stopping: not ready any more, and accepting requests for a while yet; another signal ends that at once",
			"for", delay.String())
		select {
		case err := <-failed:
			return err
		case <-time.After(delay):
		}
	}
	log.Info("stopping: requests under way may finish", "within", drainTimeout.String())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests under way were cut off: %w", err)
	}
	return nil
}

// closing ends connections with the answers that are given while the gateway drains, so that whoever asks opens the
// next one elsewhere. Closing them at the end instead would cross with requests that are on their way, which proxies do
// not all repeat. Over HTTP/2 net/http makes a GOAWAY of it.
func closing(draining *atomic.Bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
