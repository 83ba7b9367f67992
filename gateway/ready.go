package gateway

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"revox-graphql/upstream"
)

// readiness tells load balancers whether to send requests here. The settings are valid, else nothing would listen.
//
// A key that Revox rejects does not make the gateway unready. All replicas have the same key, so a balancer would take
// them all out and return its own 503, and clients would lose UPSTREAM_UNAUTHENTICATED, which names the one to act.
type readiness struct {
	draining   *atomic.Bool
	failing    func(upstream.Tenant) bool
	client     upstream.Lister
	credential func() upstream.Credential
	forward    bool // then upstream fails for some credentials, which says nothing about this gateway
}

// readyTimeout bounds how long a request for readiness waits for upstream.
const readyTimeout = 5 * time.Second

func (ready *readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case ready.draining.Load():
		http.Error(w, "stopping", http.StatusServiceUnavailable)
	case !ready.forward && ready.failing(ready.credential().Tenant()) && !ready.recovers(r.Context()):
		http.Error(w, "upstream keeps failing", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n")
	}
}

// recovers requests one row from upstream. A gateway that is not ready gets no requests, so nothing else would find
// out that upstream responds again. The circuit breaker lets one such request through every few seconds, and rejects
// the rest at once. It continues when the client leaves: the next request for readiness sees the result.
func (ready *readiness) recovers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
	defer cancel()
	credential := ready.credential()
	_, _ = ready.client.ListCalls(ctx, upstream.ListCallsOptions{
		List: upstream.List{Credential: credential}, PageSize: 1,
	})
	return !ready.failing(credential.Tenant())
}
