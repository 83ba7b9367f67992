package responsecache

import (
	"context"
	"errors"
	"sync"
)

// Executions lets identical requests in flight share one execution: while a response is not cached yet, any number of
// clients may request it. Without that, fifty requests for the same large response would execute it fifty times, and
// hold it fifty times. It is safe for concurrent use.
//
// Waiting requests take no slot and hold no response, so that they keep no other request out. Their number is limited,
// and each execution may have as many waiters as may still join other executions: upstream may hang.
//
// An execution ends early only when all of its clients have left. Only a response without errors is shared: an error
// may be due to the first client's own deadline or limits, so each of the others executes its request itself then.
type Executions struct {
	maxWaiters int

	mu      sync.Mutex
	running map[Key]*Execution
	waiters int
}

// NewExecutions makes an empty set, for so many waiters at most.
func NewExecutions(maxWaiters int) *Executions {
	return &Executions{maxWaiters: maxWaiters, running: map[Key]*Execution{}}
}

// ErrTooManyWait is the error of a request that may not wait for an execution, because too many do.
var ErrTooManyWait = errors.New("too many requests wait for responses")

// Execution is an execution in flight.
type Execution struct {
	all    *Executions
	key    Key
	ctx    context.Context //nolint:containedctx // of this one execution
	cancel context.CancelFunc
	stop   func() bool // stops watching the first client

	// Under the lock of all.
	clients int           // that have not left
	waiters int           // of them, those that wait
	done    chan struct{} // closed when the response is there; nil if nobody has joined

	response *Response // nil if it is not shared
}

// Join returns the execution in flight of the same request. If there is none, first is true, and the caller executes
// the request with the execution's context and ends it with [Execution.End]; otherwise it calls [Execution.Wait]. The
// context ends when all clients have left, which their own contexts report. The error is [ErrTooManyWait].
func (e *Executions) Join(ctx context.Context, key Key) (x *Execution, first bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x = e.running[key]; x != nil {
		if x.waiters >= e.maxWaiters-e.waiters {
			return nil, false, ErrTooManyWait
		}
		e.waiters++
		x.waiters++
		x.clients++
		if x.done == nil {
			x.done = make(chan struct{})
		}
		return x, false, nil
	}
	x = &Execution{all: e, key: key, clients: 1}
	x.ctx, x.cancel = context.WithCancel(context.WithoutCancel(ctx))
	x.stop = context.AfterFunc(ctx, x.leave)
	e.running[key] = x
	return x, true, nil
}

// leave is called when a client has left. When none is left, the execution ends, and the next client begins another.
func (x *Execution) leave() {
	x.all.mu.Lock()
	defer x.all.mu.Unlock()
	if x.clients--; x.clients == 0 {
		x.cancel()
		x.remove()
	}
}

// remove removes the execution from those in flight, where another may be by now.
func (x *Execution) remove() {
	if x.all.running[x.key] == x {
		delete(x.all.running, x.key)
	}
}

// Key is the key of the request. Those that wait use it in place of their own, so that they need not keep their texts.
func (x *Execution) Key() Key { return x.key }

// Context is the context of the execution, with the values of the first client's.
func (x *Execution) Context() context.Context { return x.ctx }

// Wait waits for the response of an execution that the caller has joined. It returns nil if the caller must execute its
// request itself, or if ctx ends first: then the client has left.
func (x *Execution) Wait(ctx context.Context) *Response {
	defer x.waited()
	select {
	case <-x.done:
		return x.response
	case <-ctx.Done():
		x.leave()
		return nil
	}
}

// waited is called when a waiter waits no more.
func (x *Execution) waited() {
	x.all.mu.Lock()
	defer x.all.mu.Unlock()
	x.waiters--
	x.all.waiters--
}

// End ends the execution. The response, which holds so many bytes of memory, is given to those that have joined; nil is
// none. It reports whether any have: then the response must not be changed any more.
func (x *Execution) End(response *Response, held int) (shared bool) {
	x.stop()
	x.all.mu.Lock()
	x.remove()
	done := x.done
	x.all.mu.Unlock()
	defer x.cancel()
	if done == nil {
		return false
	}
	if response != nil {
		response.Held = held
		x.response = response
	}
	close(done)
	return response != nil
}
