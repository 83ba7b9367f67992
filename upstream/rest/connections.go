package rest

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"revox-graphql/upstream"
)

// A connection can stall silently: a firewall forgets it and drops its packets, or the server behind it hangs. Over
// HTTP/1.1, net/http closes the connection of a request that has run out of time, but the next request takes another
// idle one, which may have stalled with it. Over HTTP/2 it does not close the connection, as other requests may be in
// flight over it, and the next request takes the same one. So an attempt that has run out of time leaves all
// connections: requests in flight over them may end, and each later request, also the next attempt, uses new ones.

// suspectAfter is how long an attempt must have waited for its silence to be a sign of a stalled connection. A client
// that gives upstream less time than that must not cost all others the connections.
const suspectAfter = time.Second

// connections is a transport that can leave all its connections at once.
type connections struct {
	current atomic.Pointer[http.Transport]
}

func newConnections(transport *http.Transport) *connections {
	c := new(connections)
	c.current.Store(transport)
	return c
}

// RoundTrip implements [http.RoundTripper].
func (c *connections) RoundTrip(req *http.Request) (*http.Response, error) {
	return c.current.Load().RoundTrip(req)
}

// CloseIdleConnections is what [http.Client] calls.
func (c *connections) CloseIdleConnections() { c.current.Load().CloseIdleConnections() }

// leave leaves the connections of a transport that was the current one. Where many attempts leave the same transport,
// the first replaces it. A transport that was left closes idle connections of HTTP/1.1 at once, and those of HTTP/2
// after its IdleConnTimeout, or when a ping has no response.
func (c *connections) leave(used *http.Transport) {
	if c.current.Load() == used && c.current.CompareAndSwap(used, used.Clone()) {
		used.CloseIdleConnections()
	}
}

// silent reports whether an attempt that took so long has failed because upstream was silent.
func silent(err error, took time.Duration) bool {
	e, ok := errors.AsType[*upstream.Error](err)
	return ok && e.Kind == upstream.KindTimeout && e.Status == 0 && took >= suspectAfter &&
		(e.Cause == upstream.CauseResponse || e.Cause == upstream.CauseBody)
}
