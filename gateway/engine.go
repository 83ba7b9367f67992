package gateway

import (
	_ "embed"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"revox-graphql/gateway/auth"
	"revox-graphql/gateway/export"
	"revox-graphql/gateway/telemetry"
	"revox-graphql/graph"
	"revox-graphql/graph/admission"
	"revox-graphql/graph/document"
	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
	"revox-graphql/upstream/pagecache"
	"revox-graphql/upstream/rest"
)

// engine is what answers GraphQL: the client, the cache over it, and GraphQL over that.
type engine struct {
	graphQL   http.Handler
	client    *rest.Client
	admission *admission.Controller
	stop      func() // ends what it does in the background
}

// refreshInterval is how long requests with `Cache-Control: no-cache` share what was read for one of them.
const refreshInterval = time.Second

// maxWaiters is how many GraphQL requests may wait for upstream: a quarter of those that may be in flight is left for
// what pages in memory answer. How many fetches there are is bounded by upstream's slots and queue.
func (s *settings) maxWaiters() int { return s.MaxConcurrent - s.MaxConcurrent/4 }

// newEngine wires the engine. What it counts is in the registry.
func newEngine(
	s *settings, traces *telemetry.Traces, registry *prometheus.Registry, budget *memory.Budget, log *slog.Logger,
) (*engine, error) {
	forward := s.Credentials == "forward"
	telemetry.LogLibraries(log) // what net/http says of upstream
	observer := telemetry.NewUpstream(registry, log)
	clientOptions := rest.Options{
		BaseURL:        s.baseURL,
		UserAgent:      "revox-graphql/" + strings.Trim(programVersion(), "()"), // parentheses would be a comment there
		StatusesFormat: rest.StatusesFormat(s.UpstreamStatuses),
		FirstPage:      s.firstPage,
		CheckStatuses:  true,
		AttemptTimeout: s.UpstreamAttempt,
		MaxConcurrent:  s.UpstreamConcurrent,
		MaxWaiting:     s.UpstreamQueue,
		Memory:         budget,
		Observer:       observer,
		Wrap:           traces.Transport,
	}
	cacheOptions := pagecache.Options{
		TTL: s.CacheTTL, Revalidate: s.CacheRevalidate.or(s.CacheTTL), Stale: s.CacheStale, MaxBytes: int(s.CacheBytes),
		Patience: s.UpstreamAttempt, Timeout: s.UpstreamTimeout, MaxWaiters: s.maxWaiters(), Memory: budget,
		Failing: func(tenant upstream.Tenant, err error) {
			if err != nil {
				log.Warn("upstream is failing: answers come from memory and say how old they are",
					"tenant", tenant.String(), "error", err)
			} else {
				log.Info("upstream answers again: its pages are fresh", "tenant", tenant.String())
			}
		},
	}
	if forward {
		clientOptions.MaxTenantConcurrent, clientOptions.AnyKey = max(1, s.UpstreamConcurrent/2), true
		cacheOptions.MaxTenantBytes = int(s.CacheTenantBytes)
	}
	client := rest.NewClient(clientOptions)
	if forward {
		cacheOptions.Proven = client.Proven
	}
	cache := pagecache.New(client, cacheOptions)
	telemetry.RegisterCache(registry, cache.Stats)
	telemetry.RegisterClient(registry, client.Load)
	telemetry.RegisterMemory(registry, budget)
	stop := func() {
		cache.Close()
		client.Close()
	}
	// Bodies of a few kilobytes are not counted, so a quarter of the requests may have the largest body there is.
	control := admission.New(s.MaxConcurrent, max(1, s.MaxConcurrent/4)*int(s.MaxRequestBytes), writingBytes, budget)
	graphQL, err := graph.NewHandler(graph.Options{
		Calls:               cache,
		Known:               cache,
		Cached:              s.CacheTTL > 0,
		ResponseCacheBytes:  int(s.AnswerBytes),
		PageSize:            s.UpstreamPageSize,
		MaxCount:            s.MaxPageSize,
		MaxShift:            s.MaxShift,
		MaxScan:             s.MaxScanPages,
		Timeout:             s.UpstreamTimeout,
		MaxUpstreamRequests: s.UpstreamRequests,
		NoCacheInterval:     refreshInterval,
		Authenticate: auth.New(auth.Options{
			Credential: s.apiKey, Forward: forward, Tokens: s.Tokens, File: s.tokensFile, Log: log,
		}),
		Introspection: s.Introspection,
		Demo:          s.demo,
		Log:           log,
		Limits: document.Limits{
			Tokens:     s.MaxTokens,
			Depth:      s.MaxDepth,
			Aliases:    s.MaxAliases,
			RootFields: s.MaxRootFields,
			Cost:       s.MaxCost,
		},
		MaxRequestBytes:  int(s.MaxRequestBytes),
		MaxResponseBytes: int(s.MaxAnswerBytes),
		Admission:        control,
		Memory:           budget,
		PersistedBytes:   int(s.APQBytes),
		TrustedDocuments: s.TrustedDocuments,
	})
	if err != nil { // the one thing that it reads is the manifest
		stop()
		err = wrong("trusted-documents", "GATEWAY_TRUSTED_DOCUMENTS", "cannot be used: %w", err)
		return nil, &export.UsageError{Err: err}
	}
	return &engine{graphQL, client, control, stop}, nil
}
