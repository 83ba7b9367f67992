package upstream

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"
)

// A connection can stop without a word: a firewall forgets it and drops its packets, or what is behind it hangs. Over
// HTTP/1.1 net/http closes the connection of a request that has run out of time, but the next request takes another
// idle one, which may have stopped with it. Over HTTP/2 it does not close the connection, as other requests may be
// under way over it, and the next request takes the same again. So an attempt that has run out of time leaves all
// connections: what is under way over them may end, and whatever is asked from then on, also the next attempt, goes
// over new ones.

// suspectAfter is how long an attempt must have waited for its silence to be a sign. A client that gives upstream less
// time than that must not cost everybody the connections.
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

// leave leaves the connections of a transport that was the current one. Of many that leave the same one is the first,
// the others find new connections. A left transport closes what is idle of HTTP/1.1 at once, and of HTTP/2 when its
// IdleConnTimeout is over or a ping is not answered.
func (c *connections) leave(used *http.Transport) {
	if c.current.Load() == used && c.current.CompareAndSwap(used, used.Clone()) {
		used.CloseIdleConnections()
	}
}

// silent reports whether an attempt that took so long has failed because upstream was silent.
func silent(err error, took time.Duration) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == KindTimeout && e.Status == 0 && took >= suspectAfter &&
		(e.Cause == CauseAnswer || e.Cause == CauseBody)
}
