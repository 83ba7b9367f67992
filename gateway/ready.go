package gateway

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"revox-graphql/upstream"
)

// readiness tells whoever balances load whether to send requests here. The settings are valid, or nothing would listen.
type readiness struct {
	draining   *atomic.Bool
	failing    func(upstream.Tenant) bool
	client     upstream.Lister
	credential upstream.Credential
	forward    bool // then upstream fails for one credential or another, which says nothing about this gateway
}

// readyTimeout bounds how long upstream is waited for by a request for readiness.
const readyTimeout = 5 * time.Second

func (ready *readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case ready.draining.Load():
		http.Error(w, "stopping", http.StatusServiceUnavailable)
	case !ready.forward && ready.failing(ready.credential.Tenant()) && !ready.recovers(r.Context()):
		http.Error(w, "upstream keeps failing", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n")
	}
}

// recovers asks upstream for one row. A gateway that is not ready gets no requests, so no other would find out that
// upstream answers again. The circuit breaker lets one such request through every few seconds, and refuses the rest at
// once. It goes on when whoever asked for readiness has no more patience: the next will see what came of it.
func (ready *readiness) recovers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
	defer cancel()
	_, _ = ready.client.ListCalls(ctx, upstream.ListCallsOptions{List: upstream.List{Credential: ready.credential}, PageSize: 1})
	return !ready.failing(ready.credential.Tenant())
}
