// Package demo serves the fake of Revox's endpoint: as the upstream of a gateway without a key, and by itself, with
// faults to choose, for people who try out a REST client or a gateway. faults.go has the faults.
package demo

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"revox-graphql/upstream/fake"
)

// path is the path of the API. The endpoint is at /call below it.
const path = "/api"

// Options say what the demo serves. The zero value is an empty list that stays empty.
type Options struct {
	Calls int
	// ArrivingPerMinute and LeavingPerMinute are how many calls come to the list, and leave it, in the mean.
	ArrivingPerMinute, LeavingPerMinute float64
	// Behave makes the endpoint differ from Revox's documentation, unless it is nil.
	Behave func(*fake.Behaviour)
	// LogRequests logs each request.
	LogRequests bool
	Log         *slog.Logger
}

// Server is an endpoint that is served.
type Server struct {
	// URL is the address of the API, for REVOX_BASE_URL.
	URL *url.URL
	// Failed gets the error with which the server ends.
	Failed <-chan error

	server  *http.Server
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// Start serves the demo at an address until [Server.Close] is called. It does not end with ctx, since a gateway whose
// upstream this is still responds to the requests in flight.
func Start(ctx context.Context, address string, o *Options) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("the demo cannot listen: %w", err)
	}
	list := fake.New(fake.Config{Seed: 1, Calls: o.Calls})
	if o.Behave != nil {
		list.Behave(o.Behave)
	}
	handler := http.Handler(list)
	if o.LogRequests {
		handler = logged(o.Log, list)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	failed := make(chan error, 1)
	s := &Server{
		URL:    &url.URL{Scheme: "http", Host: listener.Addr().String(), Path: path},
		Failed: failed,
		server: &http.Server{
			Handler: handler, ReadHeaderTimeout: 5 * time.Second, ConnContext: withConnection,
			ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		},
		cancel: cancel,
	}
	if o.ArrivingPerMinute > 0 {
		s.running.Go(func() { list.Run(ctx, o.ArrivingPerMinute) })
	}
	if o.LeavingPerMinute > 0 {
		s.running.Go(func() { leave(ctx, list, o.LeavingPerMinute) })
	}
	go func() { failed <- s.server.Serve(listener) }()
	return s, nil
}

// Close ends the server, and cuts off the requests in flight.
func (s *Server) Close() {
	s.cancel()
	_ = s.server.Close()
	s.running.Wait()
}

// leaving is from how many of the newest calls one is chosen to leave the list: calls that a client is likely to see.
const leaving = 200

// leave takes calls out of the list until ctx is done.
func leave(ctx context.Context, list *fake.Upstream, perMinute float64) {
	ticker := time.NewTicker(max(time.Duration(float64(time.Minute)/perMinute), time.Millisecond))
	defer ticker.Stop()
	start, gone := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			gone = remove(list, gone, time.Since(start).Minutes()*perMinute)
		}
	}
}

// remove takes out calls until as many have gone as are due, and returns how many have. A busy machine loses ticks, so
// several calls may be due at one.
func remove(list *fake.Upstream, gone int, due float64) int {
	for ; gone < int(math.Round(due)); gone++ {
		if n := list.Len(); n > 0 {
			list.RemoveAt(rand.IntN(min(n, leaving))) //nolint:gosec // no secret
		}
	}
	return gone
}
